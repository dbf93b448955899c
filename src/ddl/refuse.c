/*-------------------------------------------------------------------------
 *
 * refuse.c
 *	  Utility statements that topics do not support.
 *
 * ALTER TABLE goes by a list of what is allowed; other statements are named one
 * by one.  Everything that would make the executor or another part of
 * PostgreSQL expect more of a topic than appending and reading is refused with
 * 0A000 and a hint what to do instead.  Names are resolved without a lock: a
 * rename in between can slip a statement past us, and then meets the access
 * method's own refusals.
 *
 * IDENTIFICATION
 *	  src/ddl/refuse.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/errors.h"
#include "base/extension.h"
#include "ddl/alter_forms.h"
#include "ddl/lookup.h"
#include "ddl/publications.h"
#include "ddl/refuse.h"
#include "storage/log.h"
#include "topic/shape.h"
#include "topic/topic.h"
#include "value/type_check.h"

#define WHAT_INDEX		"an index, unique or exclusion constraint"
#define HINT_INDEX		"Read by offset with read_topic(), or consume the topic into a table that has the index."
#define HINT_FK			"Consume the topic into a table that has the constraint."
#define HINT_TRIGGER	"Consume the topic, or produce from a trigger on the table that is changed."
#define HINT_COLUMNS	"Put it into key, value or headers."
#define HINT_RLS		"Grant INSERT and SELECT on the topic, or use a topic for each audience."
#define HINT_INHERIT	"Use a topic of its own."
#define HINT_PARTITION	"Drop or truncate the whole topic, or delete events with delete_events_before()."
#define HINT_DURABLE	"Topics are as durable as the server; set synchronous_commit for speed."
#define HINT_CREATE		"Use create_topic()."

static bool
is_ours(Oid relid)
{
	return el_rel_kind(relid) != EL_REL_OTHER;
}

/* Would a table with this USING clause (or none) be one of ours? */
static bool
uses_our_am(const char *access_method)
{
	return strcmp(access_method ? access_method : default_table_access_method,
				  EL_AM_NAME) == 0;
}

/* Can this table have our partitions? */
static void
refuse_parent(Oid parent)
{
	Relation	rel = try_relation_open(parent, AccessShareLock);
	const char *problem;

	if (!rel)
		return;
	problem = el_topic_shape_problem(rel);
	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" cannot have partitions that use the access method eventlog",
						RelationGetRelationName(rel)),
				 errdetail_internal("%c%s.", pg_toupper((unsigned char) problem[0]),
									problem + 1),
				 errhint(HINT_CREATE)));
	relation_close(rel, AccessShareLock);
}

/* A foreign key to a topic, or on a table that is to be ours. */
static void
refuse_foreign_key(const Constraint *con, bool on_topic)
{
	if (con->contype == CONSTR_FOREIGN &&
		(on_topic || is_ours(el_lookup(con->pktable))))
		el_not_supported("a foreign key", HINT_FK);
}

/*
 * CREATE TABLE
 */
static Oid
parent_am(Oid parent)
{
	HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(parent));
	Oid			am = InvalidOid;

	if (HeapTupleIsValid(tup))
	{
		am = ((Form_pg_class) GETSTRUCT(tup))->relam;
		ReleaseSysCache(tup);
	}
	return am;
}

/*
 * A table with our access method, a partition of a topic, a child or a foreign
 * key: what can be seen in the statement.  el_check_log_table() sees the rest.
 */
static void
refuse_create(CreateStmt *stmt, bool foreign)
{
	Oid			parent = InvalidOid;
	bool		ours = false;
	ListCell   *lc;

	if (stmt->partbound && stmt->inhRelations)
		parent = el_lookup(linitial_node(RangeVar, stmt->inhRelations));

	if (!foreign && stmt->partspec == NULL)
	{
		/* since 17 a partition takes its parent's access method */
		if (stmt->accessMethod == NULL && OidIsValid(parent) &&
			OidIsValid(parent_am(parent)))
			ours = parent_am(parent) == el_am_oid();
		else
			ours = uses_our_am(stmt->accessMethod);
	}

	if (stmt->partbound)
	{
		if (!ours && el_rel_kind(parent) == EL_REL_TOPIC)
			el_not_supported("a partition that does not use the access method eventlog",
							 "Add partitions with alter_topic().");
		if (ours && OidIsValid(parent))
			refuse_parent(parent);
	}
	else
	{
		foreach(lc, stmt->inhRelations)
		{
			if (ours || is_ours(el_lookup(lfirst_node(RangeVar, lc))))
				el_not_supported("inheritance", HINT_INHERIT);
		}
	}

	if (ours)
	{
		if (stmt->relation->relpersistence == RELPERSISTENCE_UNLOGGED)
			el_not_supported("UNLOGGED", HINT_DURABLE);
		if (stmt->relation->relpersistence == RELPERSISTENCE_TEMP)
			el_not_supported("TEMPORARY", HINT_DURABLE);
		if (stmt->ofTypename)
			el_not_supported("a typed table", HINT_CREATE);
	}

	foreach(lc, stmt->tableElts)
	{
		Node	   *element = lfirst(lc);
		ListCell   *lc2;

		if (IsA(element, Constraint))
			refuse_foreign_key((Constraint *) element, ours);
		else if (IsA(element, ColumnDef))
		{
			foreach(lc2, ((ColumnDef *) element)->constraints)
				refuse_foreign_key(lfirst_node(Constraint, lc2), ours);
		}
	}
	foreach(lc, stmt->constraints)
		refuse_foreign_key(lfirst_node(Constraint, lc), ours);
}

static void
refuse_create_as(CreateTableAsStmt *stmt)
{
	if (uses_our_am(stmt->into->accessMethod))
		el_not_supported(stmt->objtype == OBJECT_MATVIEW ?
						 "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS",
						 "Create the topic with create_topic() and INSERT into it.");
}

/*
 * ALTER TABLE
 */

/* Name the clause where that helps; the hint is what matters. */
static void
refuse_alter(const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_AddColumn:
			el_not_supported("an additional column", HINT_COLUMNS);
			break;
		case AT_DropColumn:
			el_not_supported("dropping a column", "Every topic has the same six columns.");
			break;
		case AT_AlterColumnType:
			el_not_supported("changing the type of a column",
							 "Create a new topic and copy the events that are still needed.");
			break;
		case AT_ColumnDefault:
			el_not_supported("a column default", "Name key and value when producing.");
			break;
		case AT_SetNotNull:
			el_not_supported("ALTER COLUMN ... SET NOT NULL",
							 "Add a CHECK constraint, such as CHECK (key IS NOT NULL).");
			break;
		case AT_AddIdentity:
		case AT_SetIdentity:
			el_not_supported("an identity column", HINT_COLUMNS);
			break;
		case AT_EnableRowSecurity:
		case AT_DisableRowSecurity:
		case AT_ForceRowSecurity:
		case AT_NoForceRowSecurity:
			el_not_supported("row security", HINT_RLS);
			break;
		case AT_AddInherit:
		case AT_DropInherit:
			el_not_supported("inheritance", HINT_INHERIT);
			break;
		case AT_SetUnLogged:
			el_not_supported("UNLOGGED", HINT_DURABLE);
			break;
		case AT_SetAccessMethod:
			el_not_supported("changing the access method",
							 "Copy the events into a table of the other kind.");
			break;
		case AT_DetachPartition:
		case AT_DetachPartitionFinalize:
			el_not_supported("detaching a partition", HINT_PARTITION);
			break;
		case AT_AddIndex:
		case AT_AddIndexConstraint:
			el_not_supported(WHAT_INDEX, HINT_INDEX);
			break;
		case AT_EnableTrig:
		case AT_EnableAlwaysTrig:
		case AT_EnableReplicaTrig:
		case AT_DisableTrig:
			el_not_supported("a trigger", HINT_TRIGGER);
			break;
		case AT_ReplicaIdentity:
			el_not_supported("logical replication", EL_HINT_PUBLICATION);
			break;
		default:
			el_not_supported(el_alter_form(cmd->subtype),
							 "A topic's owner, name, schema, tablespace and CHECK constraints can be changed; its options with alter_topic().");
			break;
	}
}

/* CHECK constraints are the topic's; nothing else can be one of a log. */
static void
refuse_add_constraint(const AlterTableCmd *cmd, ElRelKind kind, bool attached)
{
	const Constraint *con;

	if (!cmd->def || !IsA(cmd->def, Constraint))
		return;
	con = (const Constraint *) cmd->def;

	switch (con->contype)
	{
		case CONSTR_CHECK:
			/* produce() asks the topic's constraints alone */
			if (kind == EL_REL_LEAF && attached)
				el_not_supported("a constraint on one partition",
								 "Add it to the topic.");
			break;
		case CONSTR_FOREIGN:
			refuse_foreign_key(con, kind != EL_REL_OTHER);
			break;
		default:
			if (kind != EL_REL_OTHER)
				el_not_supported(WHAT_INDEX, HINT_INDEX);
			break;
	}
}

static void
refuse_attach(const AlterTableCmd *cmd, Oid parent, ElRelKind parent_kind)
{
	Oid			child = el_lookup(((PartitionCmd *) cmd->def)->name);
	ElRelKind	child_kind = el_rel_kind(child);

	if (!OidIsValid(child))
		return;
	if (child_kind == EL_REL_TOPIC)
		el_not_supported("ATTACH to another table", HINT_INHERIT);
	if (parent_kind == EL_REL_TOPIC && child_kind != EL_REL_LEAF)
		el_not_supported("a partition that does not use the access method eventlog",
						 "Add partitions with alter_topic().");
	if (child_kind == EL_REL_LEAF)
		refuse_parent(parent);
}

/*
 * A list of what is allowed.  Commands that name another table may concern us
 * although the altered table is not one of ours.
 */
static void
refuse_alter_table(AlterTableStmt *stmt)
{
	Oid			relid = el_lookup(stmt->relation);
	ElRelKind	kind = el_rel_kind(relid);
	bool		attached = kind == EL_REL_LEAF && get_rel_relispartition(relid);
	ListCell   *lc;

	if (!OidIsValid(relid))
		return;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (kind != EL_REL_OTHER && el_alter_changes_nothing(relid, cmd))
			continue;
		switch (cmd->subtype)
		{
			case AT_AddConstraint:
				refuse_add_constraint(cmd, kind, attached);
				break;

			case AT_AttachPartition:
				if (kind == EL_REL_LEAF)
					refuse_alter(cmd);
				refuse_attach(cmd, relid, kind);
				break;

			case AT_AddInherit:
				if (kind != EL_REL_OTHER ||
					(cmd->def && IsA(cmd->def, RangeVar) &&
					 is_ours(el_lookup((RangeVar *) cmd->def))))
					refuse_alter(cmd);
				break;

			case AT_SetAccessMethod:
				if (kind != EL_REL_OTHER || (cmd->name && uses_our_am(cmd->name)))
					refuse_alter(cmd);
				break;

			case AT_DropConstraint:

				/*
				 * since 18 it would stay on the partitions, which may not
				 * have one more than the topic
				 */
				if (kind == EL_REL_TOPIC && !stmt->relation->inh)
					el_not_supported("dropping a constraint of the topic alone", "Leave out ONLY.");
				break;

				/*
				 * allowed; TRIGGER ALL is what pg_dump --disable-triggers
				 * says of every table
				 */
			case AT_ChangeOwner:
			case AT_SetTableSpace:
			case AT_ValidateConstraint:
			case AT_SetStatistics:
			case AT_SetOptions:
			case AT_ResetOptions:
			case AT_SetRelOptions:
			case AT_ResetRelOptions:
			case AT_EnableTrigAll:
			case AT_DisableTrigAll:
			case AT_EnableTrigUser:
			case AT_DisableTrigUser:
				break;

			default:
				if (kind != EL_REL_OTHER)
					refuse_alter(cmd);
				break;
		}
	}
}

/*
 * RENAME, SET SCHEMA
 */
static void
refuse_rename(RenameStmt *stmt)
{
	Oid			relid;
	ElRelKind	kind;

	if (!stmt->relation)
		return;
	switch (stmt->renameType)
	{
		case OBJECT_TABCONSTRAINT:
		case OBJECT_TRIGGER:
		case OBJECT_RULE:
		case OBJECT_POLICY:
			return;
		default:
			break;
	}

	relid = el_lookup(stmt->relation);
	kind = el_rel_kind(relid);
	if (kind == EL_REL_OTHER)
		return;

	if (stmt->renameType == OBJECT_COLUMN || stmt->renameType == OBJECT_ATTRIBUTE)
		el_not_supported("renaming a column", "Every topic has the same six columns.");
	if (kind == EL_REL_LEAF && get_rel_relispartition(relid))
		el_not_supported("renaming one partition", "Rename the topic; its partitions follow.");
}

static void
refuse_set_schema(AlterObjectSchemaStmt *stmt)
{
	Oid			relid = el_lookup(stmt->relation);

	if (el_rel_kind(relid) == EL_REL_LEAF && get_rel_relispartition(relid))
		el_not_supported("moving one partition to another schema",
						 "Move the topic; its partitions follow.");
}

/*
 * DROP TABLE of one partition
 */
static void
refuse_drop(DropStmt *stmt)
{
	List	   *dropped = NIL;
	ListCell   *lc;

	if (stmt->removeType != OBJECT_TABLE)
		return;

	foreach(lc, stmt->objects)
	{
		Oid			relid = el_lookup(makeRangeVarFromNameList(lfirst(lc)));

		if (OidIsValid(relid))
			dropped = lappend_oid(dropped, relid);
	}

	foreach(lc, dropped)
	{
		Oid			relid = lfirst_oid(lc);

		if (el_is_leaf(relid) && get_rel_relispartition(relid) &&
			!list_member_oid(dropped, get_partition_parent(relid, true)))
			el_not_supported("dropping one partition", HINT_PARTITION);
	}
	list_free(dropped);
}

/* Names are resolved without a lock; what is not found is left for the statement to complain of. */
void
el_refuse_utility(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreateStmt:
			refuse_create((CreateStmt *) stmt, false);
			break;

		case T_CreateForeignTableStmt:
			refuse_create(&((CreateForeignTableStmt *) stmt)->base, true);
			break;

		case T_CreateTableAsStmt:
			refuse_create_as((CreateTableAsStmt *) stmt);
			break;

		case T_ExplainStmt:
			{
				/*
				 * EXPLAIN ANALYZE CREATE TABLE AS makes the table without
				 * coming by here again
				 */
				Query	   *query = (Query *) ((ExplainStmt *) stmt)->query;

				if (query && IsA(query, Query) && query->utilityStmt &&
					IsA(query->utilityStmt, CreateTableAsStmt))
					refuse_create_as((CreateTableAsStmt *) query->utilityStmt);
				break;
			}

		case T_AlterTableStmt:
			refuse_alter_table((AlterTableStmt *) stmt);
			break;

		case T_RenameStmt:
			refuse_rename((RenameStmt *) stmt);
			break;

		case T_AlterObjectSchemaStmt:
			refuse_set_schema((AlterObjectSchemaStmt *) stmt);
			break;

		case T_DropStmt:
			refuse_drop((DropStmt *) stmt);
			break;

		case T_IndexStmt:
			if (is_ours(el_lookup(((IndexStmt *) stmt)->relation)))
				el_not_supported(WHAT_INDEX, HINT_INDEX);
			break;

		case T_CreateTrigStmt:
			if (is_ours(el_lookup(((CreateTrigStmt *) stmt)->relation)))
				el_not_supported("a trigger", HINT_TRIGGER);
			break;

		case T_RuleStmt:
			if (is_ours(el_lookup(((RuleStmt *) stmt)->relation)))
				el_not_supported("a rule", HINT_TRIGGER);
			break;

		case T_CreatePolicyStmt:
			if (is_ours(el_lookup(((CreatePolicyStmt *) stmt)->table)))
				el_not_supported("row security", HINT_RLS);
			break;

		case T_CreatePublicationStmt:
		case T_AlterPublicationStmt:
			el_refuse_publication(stmt);
			break;

		default:
			break;
	}
}

/*
 * What a table has on it, whichever statement put it there.
 */
static void
check_attachments(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	const char *problem = el_columns_problem(desc);
	TupleConstr *constr = desc->constr;

	Assert(CheckRelationLockedByMe(rel, AccessShareLock, true));
	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" cannot use the access method eventlog: %s",
						RelationGetRelationName(rel), problem),
				 errdetail("The columns of a topic are partition integer, event_offset bigint, event_time timestamptz, key, value, headers jsonb."),
				 errhint(HINT_CREATE)));

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attgenerated)
			el_not_supported("a generated column", HINT_COLUMNS);
		if (att->attidentity)
			el_not_supported("an identity column", HINT_COLUMNS);
		if (att->atthasdef)
			el_not_supported("a column default", "Name key and value when producing.");

		/* filled in after the executor has looked at the row */
		if (att->attnotnull && i != EL_ATT_KEY - 1 && i != EL_ATT_VALUE - 1)
			el_not_supported("NOT NULL on partition, event_offset, event_time or headers",
							 "They are filled in after constraints are checked.");
	}

	if (constr && constr->num_check > 0 &&
		rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rel->relispartition)
	{
		/* produce() asks the topic's constraints alone */
		Relation	parent = relation_open(get_partition_parent(RelationGetRelid(rel), true),
										   AccessShareLock);
		TupleConstr *parent_constr = RelationGetDescr(parent)->constr;
		int			parent_checks = parent_constr ? parent_constr->num_check : 0;

		relation_close(parent, AccessShareLock);
		if (constr->num_check > parent_checks)
			el_not_supported("a constraint on one partition", "Add it to the topic.");
	}

	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		el_not_supported("UNLOGGED or TEMPORARY", HINT_DURABLE);
	if (RelationGetIndexList(rel) != NIL)
		el_not_supported(WHAT_INDEX, HINT_INDEX);
	if (RelationGetFKeyList(rel) != NIL)
		el_not_supported("a foreign key", HINT_FK);
	if (rel->rd_rel->relhastriggers && rel->trigdesc)
		el_not_supported("a trigger", HINT_TRIGGER);
	if (rel->rd_rel->relhasrules && rel->rd_rules)
		el_not_supported("a rule", HINT_TRIGGER);
	if (rel->rd_rel->relrowsecurity || rel->rd_rel->relforcerowsecurity)
		el_not_supported("row security", HINT_RLS);
}

void
el_check_log_table(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);

	check_attachments(rel);
	relation_close(rel, NoLock);
}

/*
 * DROP EXTENSION ... CASCADE drops the partitions, whose access method goes;
 * without this, the topic would stay behind as a table without partitions.
 */
static void
depend_on_am(Oid relid)
{
	ObjectAddress topic;
	ObjectAddress am;
	Relation	depend;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;
	bool		found = false;

	ObjectAddressSet(topic, RelationRelationId, relid);
	ObjectAddressSet(am, AccessMethodRelationId, el_am_oid());

	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&key[0], Anum_pg_depend_classid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_objid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, 2, key);
	while (!found && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tup);

		found = form->refclassid == am.classId && form->refobjid == am.objectId;
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);

	if (!found)
		recordDependencyOn(&topic, &am, DEPENDENCY_NORMAL);
}

/*
 * By its first partition a table becomes a topic: the types of key and value are
 * create_topic()'s.  One that is a topic already goes on with what it has.
 */
static void
check_types(const ElTopic *t)
{
	int			partitions = OidIsValid(t->default_leaf);

	for (int32 i = 0; i < t->npartitions; i++)
		partitions += OidIsValid(t->leaves[i]);
	if (partitions > 1)
		return;
	for (int i = EL_ATT_KEY - 1; i <= EL_ATT_VALUE - 1; i++)
	{
		Form_pg_attribute att = TupleDescAttr(t->tupdesc, i);
		ElTypeProblem problem;

		if (el_type_problem(att->atttypid, &problem))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("\"%s\" cannot be a topic: column \"%s\" has type %s",
							t->name, NameStr(att->attname),
							format_type_be(problem.type)),
					 errdetail_internal("%s", _(problem.detail)),
					 errhint("%s", _(problem.hint))));
	}
}

/*
 * A topic to which a partition has just been added.
 */
void
el_check_topic_table(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	const char *problem;
	ElTopic    *t;

	problem = el_topic_shape_problem(rel);
	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" cannot be a topic: %s",
						RelationGetRelationName(rel), problem),
				 errhint(HINT_CREATE)));
	check_attachments(rel);

	t = el_topic_or_null(relid);
	if (!t)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" cannot be a topic with this partition",
						RelationGetRelationName(rel)),
				 errdetail("Each partition of a topic uses the access method eventlog and is FOR VALUES IN one number, or DEFAULT."),
				 errhint("Add partitions with alter_topic().")));
	check_types(t);

	for (int32 i = 0; i < t->npartitions; i++)
	{
		Relation	leaf;
		ElLogInfo	info;

		if (!OidIsValid(t->leaves[i]))
			continue;
		leaf = relation_open(t->leaves[i], AccessShareLock);
		check_attachments(leaf);

		/*
		 * the log knows which partition it is; another number would mix two
		 * of them up
		 */
		el_log_info(leaf, &info);
		if (info.exists && info.partition != i)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"%s\" cannot be partition %d of topic \"%s\"",
							RelationGetRelationName(leaf), i, t->name),
					 errdetail("It holds the log of partition %d.", info.partition)));
		relation_close(leaf, NoLock);
	}
	if (OidIsValid(t->default_leaf))
		el_check_log_table(t->default_leaf);

	relation_close(rel, NoLock);
	depend_on_am(relid);
}
