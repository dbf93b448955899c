/*-------------------------------------------------------------------------
 *
 * shape.c
 *	  What a table must look like to be a topic.
 *
 * Nothing but the catalogs makes a table a topic: see the README.
 *
 * IDENTIFICATION
 *	  src/topic/shape.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_type.h"
#include "nodes/pg_list.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/syscache.h"

#include "base/extension.h"
#include "topic/options.h"
#include "topic/shape.h"

static const struct
{
	const char *name;
	Oid			type;			/* InvalidOid: the topic's choice */
}			topic_columns[EL_NATTS] =

{
	{"partition", INT4OID},
	{"event_offset", INT8OID},
	{"event_time", TIMESTAMPTZOID},
	{"key", InvalidOid},
	{"value", InvalidOid},
	{"headers", JSONBOID},
};

const char *
el_columns_problem(TupleDesc tupdesc)
{
	if (tupdesc->natts != EL_NATTS)
		return "it does not have exactly the six columns of a topic";

	for (int i = 0; i < EL_NATTS; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (att->attisdropped ||
			strcmp(NameStr(att->attname), topic_columns[i].name) != 0)
			return "its columns are not those of a topic";
		if (OidIsValid(topic_columns[i].type) &&
			att->atttypid != topic_columns[i].type)
			return "a column does not have the type it has in a topic";
	}

	return NULL;
}

const char *
el_topic_shape_problem(Relation rel)
{
	PartitionKey key;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return "it is not a partitioned table";

	key = RelationGetPartitionKey(rel);
	if (key->strategy != PARTITION_STRATEGY_LIST || key->partnatts != 1 ||
		key->partattrs[0] != EL_ATT_PARTITION)
		return "it is not partitioned by LIST (partition)";

	if (rel->rd_rel->relispartition)
		return "it is itself a partition";

	return el_columns_problem(RelationGetDescr(rel));
}

bool
el_is_leaf(Oid relid)
{
	Oid			am = el_am_oid();
	HeapTuple	tup;
	Form_pg_class form;
	bool		result;

	if (!OidIsValid(am))
		return false;

	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tup))
		return false;
	form = (Form_pg_class) GETSTRUCT(tup);
	result = form->relam == am && form->relkind == RELKIND_RELATION;
	ReleaseSysCache(tup);

	return result;
}

/* Does the relation have a topic's columns, in the catalog cache? */
bool
el_has_topic_columns(Oid relid)
{
	for (int i = 0; i < EL_NATTS; i++)
	{
		HeapTuple	tup = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
										  Int16GetDatum(i + 1));
		Form_pg_attribute att;
		bool		same;

		if (!HeapTupleIsValid(tup))
			return false;
		att = (Form_pg_attribute) GETSTRUCT(tup);
		same = !att->attisdropped &&
			strcmp(NameStr(att->attname), topic_columns[i].name) == 0 &&
			(!OidIsValid(topic_columns[i].type) ||
			 att->atttypid == topic_columns[i].type);
		ReleaseSysCache(tup);
		if (!same)
			return false;
	}
	return true;
}

/* Is it PARTITION BY LIST (its first column), in the catalog cache? */
static bool
is_listed_by_partition(Oid relid)
{
	HeapTuple	tup = SearchSysCache1(PARTRELID, ObjectIdGetDatum(relid));
	Form_pg_partitioned_table part;
	bool		result;

	if (!HeapTupleIsValid(tup))
		return false;
	part = (Form_pg_partitioned_table) GETSTRUCT(tup);
	result = part->partstrat == PARTITION_STRATEGY_LIST &&
		part->partnatts == 1 &&
		part->partattrs.values[0] == EL_ATT_PARTITION;
	ReleaseSysCache(tup);
	return result;
}

bool
el_looks_like_topic(Oid relid)
{
	List	   *children;
	ListCell   *lc;
	bool		result = false;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE ||
		!is_listed_by_partition(relid) || !el_has_topic_columns(relid))
		return false;

	children = find_inheritance_children(relid, NoLock);
	foreach(lc, children)
	{
		if (el_is_leaf(lfirst_oid(lc)))
		{
			result = true;
			break;
		}
	}

	/* without partitions, only the label tells */
	if (children == NIL)
	{
		char	   *label = el_label_get(relid);

		result = label != NULL;
		if (label)
			pfree(label);
	}
	list_free(children);

	return result;
}
