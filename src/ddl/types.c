/*-------------------------------------------------------------------------
 *
 * types.c
 *	  DDL on the types of topics' keys and values.
 *
 * What no ALTER TYPE may do is make an event unreadable, or another event.
 * PostgreSQL itself refuses what would have to rewrite tables; what it allows,
 * because a heap's rows have no names in them, is looked at here.  All forms of a
 * statement, and what they do to tables that inherit, come by the object access
 * hook.
 *
 * Who uses a type is found in pg_depend, upwards: its array, domains, ranges, the
 * row types that have an attribute of it, and at last the columns of topics.
 * For a type that nobody uses this is one look.
 *
 * IDENTIFICATION
 *	  src/ddl/types.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/partition.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/errors.h"
#include "ddl/lookup.h"
#include "ddl/types.h"
#include "produce/buffer.h"
#include "storage/reader.h"
#include "topic/shape.h"
#include "topic/topic.h"
#include "value/type_check.h"

#define DETAIL_NAMES	"Events that are there have the old name."
#define HINT_NEW_TOPIC	"Produce to a topic of another type from now on."

/* A topic that has a type in its key or value. */
typedef struct Use
{
	Oid			topic;			/* a partition's table, if it is in none */
	bool		is_key;
} Use;

/* The statement that is running, NULL: none that el_ddl_utility() knows. */
static ElDropped *running = NULL;

/*
 * Who uses a type
 */

/* Something that depends on a type: what uses it in turn is put behind the list of types. */
static void
add_user(const Form_pg_depend form, List **types, List **uses)
{
	Oid			type = InvalidOid;
	Oid			relid;

	if (form->classid == TypeRelationId)
		type = form->objid;
	else if (form->classid == RelationRelationId && form->objsubid > 0)
	{
		relid = form->objid;
		/* also a topic's: another topic may have its rows */
		type = get_rel_type_id(relid);
		if (el_rel_kind(relid) != EL_REL_OTHER &&
			(form->objsubid == EL_ATT_KEY || form->objsubid == EL_ATT_VALUE))
		{
			Use		   *use = palloc(sizeof(Use));

			use->topic = get_rel_relispartition(relid) ?
				get_partition_parent(relid, true) : relid;
			use->is_key = form->objsubid == EL_ATT_KEY;
			*uses = lappend(*uses, use);
		}
	}
	if (OidIsValid(type))
		*types = list_append_unique_oid(*types, type);
}

/* A list of Use; the same may be in it more than once. */
static List *
uses_of_type(Oid type)
{
	List	   *types = list_make1_oid(type);
	List	   *uses = NIL;
	Relation	depend = table_open(DependRelationId, AccessShareLock);

	/* the list grows */
	for (int i = 0; i < list_length(types); i++)
	{
		ScanKeyData key[2];
		SysScanDesc scan;
		HeapTuple	tup;

		CHECK_FOR_INTERRUPTS();
		ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(TypeRelationId));
		ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(list_nth_oid(types, i)));
		scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL,
								  2, key);
		while (HeapTupleIsValid(tup = systable_getnext(scan)))
			add_user((Form_pg_depend) GETSTRUCT(tup), &types, &uses);
		systable_endscan(scan);
	}
	table_close(depend, AccessShareLock);
	list_free(types);
	return uses;
}

/* Of a relation's row type. */
static List *
uses_of_rows(Oid relid)
{
	Oid			type;

	/* the columns of topics are guarded by themselves */
	if (el_rel_kind(relid) != EL_REL_OTHER)
		return NIL;
	type = get_rel_type_id(relid);
	return OidIsValid(type) ? uses_of_type(type) : NIL;
}

static const Use *
use_as_key(List *uses)
{
	ListCell   *lc;

	foreach(lc, uses)
	{
		if (((Use *) lfirst(lc))->is_key)
			return lfirst(lc);
	}
	return NULL;
}

/*
 * What is refused
 */
static void refuse(const char *what, const Use *use, const char *detail, const char *hint) pg_attribute_noreturn();

static void
refuse(const char *what, const Use *use, const char *detail, const char *hint)
{
	const char *topic = get_rel_name(use->topic);

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot %s: topic \"%s\" has the type in its %s",
					what, topic, use->is_key ? "keys" : "values"),
			 errdetail_internal("%s", _(detail)),
			 errhint("%s", _(hint))));
}

/* "attribute "a" of type t", "column "a" of "t"". */
static char *
describe_attribute(Oid relid, const char *name)
{
	if (get_rel_relkind(relid) == RELKIND_COMPOSITE_TYPE)
		return psprintf("attribute \"%s\" of type %s", name,
						format_type_be(get_rel_type_id(relid)));
	return psprintf("column \"%s\" of \"%s\"", name, get_rel_name(relid));
}

/* The attribute as the running command has made it, which the catalog cache does not show yet. */
static bool
get_new_attribute(Oid relid, AttrNumber attnum, FormData_pg_attribute *att)
{
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;

	ScanKeyInit(&key[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber,
				F_INT2EQ, Int16GetDatum(attnum));
	scan = systable_beginscan(rel, AttributeRelidNumIndexId, true,
							  SnapshotSelf, 2, key);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
		memcpy(att, GETSTRUCT(tup), ATTRIBUTE_FIXED_PART_SIZE);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tup);
}

/*
 * RENAME, and ALTER COLUMN TYPE, which PostgreSQL lets pass if the table need not
 * be rewritten: oid to integer, say, would not read all that is there.
 */
void
el_types_altered(Oid relid, AttrNumber attnum)
{
	FormData_pg_attribute new_att;
	Form_pg_attribute old_att;
	HeapTuple	tup;
	char	   *what = NULL;
	const char *detail = NULL;
	List	   *uses;

	if (!get_new_attribute(relid, attnum, &new_att))
		return;
	tup = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
						  Int16GetDatum(attnum));
	if (!HeapTupleIsValid(tup))
		return;
	old_att = (Form_pg_attribute) GETSTRUCT(tup);
	if (strcmp(NameStr(old_att->attname), NameStr(new_att.attname)) != 0)
	{
		what = psprintf("rename %s",
						describe_attribute(relid, NameStr(old_att->attname)));
		detail = DETAIL_NAMES;
	}
	else if (old_att->atttypid != new_att.atttypid)
	{
		what = psprintf("change the type of %s",
						describe_attribute(relid, NameStr(old_att->attname)));
		detail = "Events that are there have values of the old type.";
	}
	ReleaseSysCache(tup);
	if (what == NULL)
		return;
	uses = uses_of_rows(relid);
	if (uses != NIL)
		refuse(what, linitial(uses), detail,
			   "Add an attribute, and let what reads events know both.");
}

/* Has the relation lost attributes, which events may still have? */
static bool
has_dropped(Oid relid)
{
	bool		found = false;
	HeapTuple	tup;

	for (int i = 1; !found; i++)
	{
		tup = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(i));
		if (!HeapTupleIsValid(tup))
			break;
		found = ((Form_pg_attribute) GETSTRUCT(tup))->attisdropped;
		ReleaseSysCache(tup);
	}
	return found;
}

/* What is looked for in events. */
typedef struct Search
{
	bool		(*matches) (ElSerde *s, const char *data, int32 len,
							const struct Search *search);
	LOCKMODE	lockmode;		/* ShareLock waits for who is producing */
	Oid			row_type;
	const char *name;
} Search;

/* A member of this name in a row of this type. */
static bool
has_member(ElSerde *s, const char *data, int32 len, const Search *search)
{
	return el_bytes_have_member(s, data, len, search->row_type, search->name);
}

/* A row in the text form of version 1.0, whose attributes have no names. */
static bool
is_old_row(ElSerde *s, const char *data, int32 len, const Search *search)
{
	return el_bytes_are_old_row(s, data, len);
}

static bool
partition_has(Relation leaf, ElSerde *s, bool is_key, const Search *search)
{
	ElReader   *r = el_reader_begin(leaf, NULL, EL_READ_ALL);
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "eventlog event",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	ElRecord	rec;
	bool		found = false;

	while (!found && el_reader_next(r, &rec))
	{
		CHECK_FOR_INTERRUPTS();
		if (r->state == EL_BATCH_ABORTED)
			continue;
		old = MemoryContextSwitchTo(work);
		if (is_key && rec.key_len >= 0)
			found = search->matches(s, rec.key, rec.key_len, search);
		else if (!is_key && rec.value_len >= 0)
			found = search->matches(s, rec.value, rec.value_len, search);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	MemoryContextDelete(work);
	el_reader_end(r);
	return found;
}

/* Is it in the events of a topic, those that this transaction has produced included? */
static bool
topic_has(const Use *use, const Search *search)
{
	ElTopic    *t = el_topic_lock_if_there(use->topic, search->lockmode, true);
	bool		found = false;

	if (t == NULL)
		return false;
	el_buffer_flush(use->topic, NULL, NULL);
	for (int32 i = 0; i < t->npartitions && !found; i++)
	{
		Relation	leaf = el_open_leaf(t, i);

		if (leaf == NULL)
			continue;
		found = partition_has(leaf, use->is_key ? &t->key : &t->value,
							  use->is_key, search);
		table_close(leaf, AccessShareLock);
	}
	return found;
}

/*
 * A new attribute is NULL in the events that are there.  Unless they have its
 * name, from an attribute that was dropped: what they have would come back, as
 * whatever type the new one is of.
 */
void
el_types_added(Oid relid, AttrNumber attnum)
{
	List	   *uses = uses_of_rows(relid);
	FormData_pg_attribute att;
	ElTypeProblem problem;
	char	   *what;
	ListCell   *lc;

	if (uses == NIL || !get_new_attribute(relid, attnum, &att))
		return;
	what = psprintf("add %s", describe_attribute(relid, NameStr(att.attname)));
	if (el_type_problem(att.atttypid, &problem))
	{
		const Use  *use = linitial(uses);

		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot %s: topic \"%s\" has the type in its %s, and type %s cannot be part of it",
						what, get_rel_name(use->topic),
						use->is_key ? "keys" : "values",
						format_type_be(problem.type)),
				 errdetail_internal("%s", _(problem.detail)),
				 errhint("%s", _(problem.hint))));
	}
	if (!has_dropped(relid))
		return;
	foreach(lc, uses)
	{
		const Use  *use = lfirst(lc);
		Search		search = {
			.matches = has_member,
			.lockmode = ShareLock,
			.row_type = get_rel_type_id(relid),
			.name = NameStr(att.attname)
		};

		if (topic_has(use, &search))
			refuse(what, use,
				   "Events that are there have an attribute of this name, which was dropped.",
				   "Take another name.");
	}
}

/*
 * DROP ATTRIBUTE, DROP COLUMN, and whatever takes types along by CASCADE: so does
 * ALTER TABLE, with views.  The statement may drop the topic as well, so it is looked
 * at when it is through.
 */
void
el_types_begin(ElDropped *dropped)
{
	dropped->rows = NIL;
	dropped->topics = NIL;
	dropped->mcxt = CurrentMemoryContext;
	dropped->outer = running;
	running = dropped;
}

void
el_types_end(const ElDropped *dropped)
{
	Assert(running == dropped);
	running = dropped->outer;
}

/* A relation's rows have lost an attribute: in rows without names that would shift those behind it. */
static void
check_dropped(Oid relid)
{
	List	   *uses = uses_of_rows(relid);
	const Use  *key = use_as_key(uses);
	const Search old_rows = {.matches = is_old_row,.lockmode = AccessShareLock};
	char	   *what = psprintf("drop an attribute of \"%s\"", get_rel_name(relid));
	ListCell   *lc;

	if (key != NULL)
		refuse(what, key, "Events that are there would have other keys.",
			   HINT_NEW_TOPIC);
	foreach(lc, uses)
	{
		const Use  *use = lfirst(lc);

		if (topic_has(use, &old_rows))
			refuse(what, use,
				   "Events that version 1.0 has written have attributes without names.",
				   HINT_NEW_TOPIC);
	}
}

void
el_types_check_dropped(const ElDropped *dropped)
{
	ListCell   *lc;

	foreach(lc, dropped->topics)
	{
		if (get_rel_name(lfirst_oid(lc)) != NULL)
			el_not_supported("dropping a column",
							 "Drop the topic first, or keep the type of its key and value.");
	}
	foreach(lc, dropped->rows)
	{
		if (get_rel_name(lfirst_oid(lc)) != NULL)
			check_dropped(lfirst_oid(lc));
	}
}

void
el_types_dropping(Oid relid)
{
	bool		is_topic = el_rel_kind(relid) != EL_REL_OTHER;
	MemoryContext old;

	if (!is_topic && uses_of_rows(relid) == NIL)
		return;
	if (running == NULL)
	{
		/* when a session ends, its temporary types have to go */
		if (!is_topic)
			check_dropped(relid);
		return;
	}
	old = MemoryContextSwitchTo(running->mcxt);
	if (is_topic)
		running->topics = list_append_unique_oid(running->topics, relid);
	else
		running->rows = list_append_unique_oid(running->rows, relid);
	MemoryContextSwitchTo(old);
}

static bool
is_own_type(Oid type)
{
	HeapTuple	tup = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	bool		result;

	if (!HeapTupleIsValid(tup))
		return false;
	result = has_privs_of_role(GetUserId(),
							   ((Form_pg_type) GETSTRUCT(tup))->typowner);
	ReleaseSysCache(tup);
	return result;
}

void
el_types_refuse_enum(const AlterEnumStmt *stmt)
{
	Oid			type;
	List	   *uses;

	if (stmt->oldVal == NULL)
		return;
	type = LookupTypeNameOid(NULL, makeTypeNameFromNameList(stmt->typeName),
							 true);
	/* who may not alter the type gets PostgreSQL's error, and no lock */
	if (!OidIsValid(type) || !is_own_type(type))
		return;
	/* waits for who is making a topic of it */
	LockDatabaseObject(TypeRelationId, type, 0, AccessExclusiveLock);
	uses = uses_of_type(type);
	if (uses != NIL)
		refuse(psprintf("rename value \"%s\" of type %s", stmt->oldVal,
						format_type_be(type)),
			   linitial(uses), DETAIL_NAMES,
			   "Add a value, and let what reads events know both.");
}
