/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  Hooks around DDL: what topics refuse, and what is carried from a topic to
 *	  its partitions.
 *
 * Everything here must cost next to nothing for statements that have nothing
 * to do with topics: the statement's tag first, then one syscache look-up.
 * CREATE EXTENSION scripts and pg_upgrade pass untouched.
 *
 * IDENTIFICATION
 *	  src/ddl/ddl.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/extension.h"
#include "base/locks.h"
#include "ddl/alter_forms.h"
#include "ddl/ddl.h"
#include "ddl/lookup.h"
#include "ddl/pass_over.h"
#include "ddl/publications.h"
#include "ddl/refuse.h"
#include "ddl/types.h"
#include "produce/buffer.h"
#include "table/insert.h"
#include "topic/callbacks.h"
#include "topic/create.h"
#include "topic/log_floor.h"
#include "topic/options.h"
#include "topic/publications.h"
#include "topic/rights.h"
#include "topic/shape.h"
#include "topic/topic.h"
#include "topic/uuids.h"


/* The partitions' tables, the DEFAULT one included. */
static List *
topic_leaves(ElTopic *t)
{
	List	   *result = NIL;

	for (int32 i = 0; i < t->npartitions; i++)
	{
		if (OidIsValid(t->leaves[i]))
			result = lappend_oid(result, t->leaves[i]);
	}
	if (OidIsValid(t->default_leaf))
		result = lappend_oid(result, t->default_leaf);
	return result;
}

/*
 * Carrying changes of a topic to its partitions.  The topic's own change has
 * been made, so rights have been checked.
 */

static void
check_new_name(Oid relid, const char *new_name)
{
	ElTopic    *t = el_topic_or_null(relid);

	if (t)
	{
		(void) el_partition_name(new_name, -1);
		(void) el_partition_name(new_name, Max(t->npartitions - 1, 0));
	}
}

/* Tables that do not bear the name create_topic would have given are left alone. */
static void
rename_leaf(Oid leaf, const char *old_name, const char *new_name)
{
	LockRelationOid(leaf, AccessExclusiveLock);
	if (strcmp(get_rel_name(leaf), old_name) == 0)
		RenameRelationInternal(leaf, new_name, false, false);
}

static void
carry_rename(ElTopic *t, const char *old_name, const char *new_name)
{
	Assert(el_relation_locked(t->relid, AccessExclusiveLock));
	for (int32 i = 0; i < t->npartitions; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (OidIsValid(t->leaves[i]))
			rename_leaf(t->leaves[i], psprintf("%s_p%d", old_name, i),
						el_partition_name(new_name, i));
	}
	if (OidIsValid(t->default_leaf))
		rename_leaf(t->default_leaf, psprintf("%s_default", old_name),
					el_partition_name(new_name, -1));
}

static void
carry_schema(ElTopic *t, Oid old_schema)
{
	Oid			new_schema = get_rel_namespace(t->relid);
	ObjectAddresses *moved = new_object_addresses();
	ListCell   *lc;

	foreach(lc, topic_leaves(t))
	{
		Relation	leaf = relation_open(lfirst_oid(lc), AccessExclusiveLock);

		if (RelationGetNamespace(leaf) == old_schema && old_schema != new_schema)
			AlterTableNamespaceInternal(leaf, old_schema, new_schema, moved);
		relation_close(leaf, NoLock);
	}
	free_object_addresses(moved);
}

static void
carry_owner(ElTopic *t)
{
	Oid			owner = el_relation_owner(t->relid);
	ListCell   *lc;

	Assert(OidIsValid(owner));
	foreach(lc, topic_leaves(t))
	{
		/*
		 * "recursing": a user who may give the topic away may give its
		 * partitions
		 */
		if (el_relation_owner(lfirst_oid(lc)) != owner)
			ATExecChangeOwner(lfirst_oid(lc), owner, true, AccessExclusiveLock);
	}
}

static void
carry_tablespace(ElTopic *t, const char *tablespace)
{
	ListCell   *lc;

	Assert(el_relation_locked(t->relid, AccessExclusiveLock));
	foreach(lc, topic_leaves(t))
	{
		AlterTableCmd *cmd = makeNode(AlterTableCmd);

		CHECK_FOR_INTERRUPTS();
		cmd->subtype = AT_SetTableSpace;
		cmd->name = pstrdup(tablespace);
		AlterTableInternal(lfirst_oid(lc), list_make1(cmd), false);
	}
}

/*
 * ALTER TABLE has changed a relation, maybe a topic: carry to its partitions what
 * they share with it.  The statement holds its locks on the topic, and this takes
 * AccessExclusiveLock on partitions.
 */
static void
after_alter_table(AlterTableStmt *stmt, Oid relid)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		switch (cmd->subtype)
		{
			case AT_ChangeOwner:
			case AT_SetTableSpace:
				{
					/* loaded here: the command before may have changed it */
					ElTopic    *t = el_topic_or_null(relid);

					if (t && cmd->subtype == AT_ChangeOwner)
						carry_owner(t);
					else if (t)
						carry_tablespace(t, cmd->name);
					break;
				}

			case AT_AttachPartition:
				{
					Oid			child = el_lookup(((PartitionCmd *) cmd->def)->name);

					if (el_rel_kind(child) == EL_REL_LEAF)
						el_check_topic_table(relid);
					break;
				}

			default:
				break;
		}
	}
}

/* What a new partition's or topic's owner cannot know is checked once it is there. */
static void
after_create(CreateStmt *stmt)
{
	/* not el_lookup(): a temporary table of the same name must not be found */
	Oid			relid = get_relname_relid(stmt->relation->relname,
										  RangeVarGetCreationNamespace(stmt->relation));

	if (el_rel_kind(relid) != EL_REL_LEAF)
		return;

	if (get_rel_relispartition(relid))
		el_check_topic_table(get_partition_parent(relid, true));
	else
		el_check_log_table(relid);
}

/*
 * Events that this transaction has produced and not appended: a statement that
 * copies, scans or constrains a topic (or all of them: InvalidOid) finds them on
 * the log, as it finds rows of this transaction in other tables.
 */
static void
append_buffered(Oid relid)
{
	el_buffer_flush(relid, NULL, NULL);
	/* the statement sees what commands before it did */
	CommandCounterIncrement();
}

/*
 * What each statement needs around it
 */
static void
create_statement(const ElUtility *u)
{
	u->run(u);
	after_create((CreateStmt *) u->pstmt->utilityStmt);
}

/*
 * The statement without the commands that change nothing, for PostgreSQL refuses
 * some of those: the type of a column that it partitions by, whatever the type.
 * NULL if none is left.  Who is not the owner, or calls it a view, gets
 * PostgreSQL's own error.
 */
static AlterTableStmt *
commands_to_run(AlterTableStmt *stmt, Oid relid)
{
	List	   *kept = NIL;
	AlterTableStmt *result;
	ListCell   *lc;

	if (el_rel_kind(relid) == EL_REL_OTHER || stmt->objtype != OBJECT_TABLE ||
		!el_is_owner(relid, GetUserId()))
		return stmt;
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (!el_alter_changes_nothing(relid, cmd))
			kept = lappend(kept, cmd);
	}
	if (kept == NIL)
		return NULL;
	if (list_length(kept) == list_length(stmt->cmds))
		return stmt;
	/* what was given may be a plan that is kept */
	result = makeNode(AlterTableStmt);
	*result = *stmt;
	result->cmds = kept;
	return result;
}

static void
alter_table_statement(const ElUtility *u)
{
	AlterTableStmt *stmt = (AlterTableStmt *) u->pstmt->utilityStmt;
	Oid			relid = el_lookup(stmt->relation);
	AlterTableStmt *rest = commands_to_run(stmt, relid);

	if (rest != NULL && el_rel_kind(relid) != EL_REL_OTHER)
		append_buffered(relid);
	if (rest == stmt)
		u->run(u);
	else if (rest != NULL)
	{
		ElUtility	part = *u;

		part.pstmt = copyObject(u->pstmt);
		part.pstmt->utilityStmt = (Node *) rest;
		part.run(&part);
	}
	if (rest != NULL && OidIsValid(relid))
		after_alter_table(rest, relid);
}

/* Constraints of a domain are checked for all columns that have it. */
static void
alter_domain_statement(const ElUtility *u)
{
	append_buffered(InvalidOid);
	u->run(u);
}

/* The new name must leave room for those of the partitions, so it is looked at before. */
static void
rename_statement(const ElUtility *u)
{
	RenameStmt *stmt = (RenameStmt *) u->pstmt->utilityStmt;
	Oid			relid = InvalidOid;
	char	   *old_name = NULL;
	ElTopic    *t;

	/* ALTER VIEW and ALTER INDEX may rename tables too */
	if (stmt->relation && stmt->renameType != OBJECT_COLUMN &&
		stmt->renameType != OBJECT_ATTRIBUTE &&
		stmt->renameType != OBJECT_TABCONSTRAINT &&
		stmt->renameType != OBJECT_TRIGGER &&
		stmt->renameType != OBJECT_RULE &&
		stmt->renameType != OBJECT_POLICY)
		relid = el_lookup(stmt->relation);
	if (el_rel_kind(relid) == EL_REL_TOPIC)
	{
		old_name = get_rel_name(relid);
		check_new_name(relid, stmt->newname);
	}
	u->run(u);
	t = old_name ? el_topic_or_null(relid) : NULL;
	if (t)
		carry_rename(t, old_name, stmt->newname);
}

static void
set_schema_statement(const ElUtility *u)
{
	AlterObjectSchemaStmt *stmt = (AlterObjectSchemaStmt *) u->pstmt->utilityStmt;
	Oid			relid = el_lookup(stmt->relation);
	Oid			old_schema = InvalidOid;
	ElTopic    *t;

	if (el_rel_kind(relid) == EL_REL_TOPIC)
		old_schema = get_rel_namespace(relid);
	u->run(u);
	t = OidIsValid(old_schema) ? el_topic_or_null(relid) : NULL;
	if (t)
	{
		carry_schema(t, old_schema);
		el_warn_of_publications(relid);
	}
}

/*
 * COPY FROM collects rows for each table of a partitioned one, which loses their
 * order, unless something may look at each row before the next one is there: a
 * volatile function in its WHERE.  This one is true, and the cheapest there is.
 */
static Node *
row_by_row(Node *where)
{
	FuncCall   *call = makeFuncCall(SystemFuncName("pg_is_in_recovery"), NIL,
									COERCE_EXPLICIT_CALL, -1);
	NullTest   *test = makeNode(NullTest);

	test->arg = (Expr *) call;
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;
	return where == NULL ? (Node *) test :
		(Node *) makeBoolExpr(AND_EXPR, list_make2(where, test), -1);
}

static void
run_statement(const void *u)
{
	((const ElUtility *) u)->run(u);
}

static void
copy_statement(const ElUtility *u)
{
	CopyStmt   *stmt = (CopyStmt *) u->pstmt->utilityStmt;
	Oid			relid = stmt->is_from ? el_lookup(stmt->relation) : InvalidOid;

	if (el_rel_kind(relid) == EL_REL_TOPIC)
	{
		ElUtility	changed = *u;

		changed.pstmt = copyObject(u->pstmt);
		stmt = (CopyStmt *) changed.pstmt->utilityStmt;
		stmt->whereClause = row_by_row(stmt->whereClause);
		el_copy_row_by_row(relid, run_statement, &changed);
	}
	else
		u->run(u);
}

static void
publication_statement(const ElUtility *u)
{
	u->run(u);
	el_warn_of_published_topics(u->pstmt->utilityStmt);
}

static void
other_statement(const ElUtility *u)
{
	u->run(u);
}

/* What runs statements of this kind, NULL if they have nothing to do with topics. */
static void (*statement_runner(NodeTag tag)) (const ElUtility *u)
{
	switch (tag)
	{
		case T_CreateStmt:
			return create_statement;
		case T_AlterTableStmt:
			return alter_table_statement;
		case T_AlterDomainStmt:
			return alter_domain_statement;
		case T_RenameStmt:
			return rename_statement;
		case T_AlterObjectSchemaStmt:
			return set_schema_statement;
		case T_CopyStmt:
			return copy_statement;

			/* refused, if they are about a topic, or take its columns along */
		case T_DropStmt:
		case T_DropOwnedStmt:
		case T_CreateForeignTableStmt:
		case T_CreateTableAsStmt:
		case T_ExplainStmt:
		case T_IndexStmt:
		case T_CreateTrigStmt:
		case T_RuleStmt:
		case T_CreatePolicyStmt:

			/* passed over, if it changes nothing */
		case T_CommentStmt:
			return other_statement;

		case T_CreatePublicationStmt:
		case T_AlterPublicationStmt:
			return publication_statement;

		default:
			return NULL;
	}
}

/*
 * ALTER TABLE ... ENABLE ROW LEVEL SECURITY of a topic: event triggers that some
 * platforms come with send it for each new table, and must not stand in the
 * way of create_topic().  The WARNING is about the topic; its partitions, which are named
 * one by one, are passed over in silence.
 */
static bool
is_row_security(const Node *stmt)
{
	const AlterTableStmt *alter = (const AlterTableStmt *) stmt;
	Oid			relid;
	ListCell   *lc;

	if (!IsA(stmt, AlterTableStmt))
		return false;
	relid = el_lookup(alter->relation);
	foreach(lc, alter->cmds)
	{
		AlterTableType form = lfirst_node(AlterTableCmd, lc)->subtype;

		if (form != AT_EnableRowSecurity && form != AT_ForceRowSecurity)
			return false;
	}
	/* the topic has no partition yet by which it could be known as one */
	if (!el_has_topic_columns(relid))
		return false;
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		ereport(WARNING,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("row security is not enabled for topic \"%s\"",
						get_rel_name(relid)),
				 errdetail("Topics have none."),
				 errhint("Grant INSERT and SELECT on the topic, or use a topic for each audience.")));
	return true;
}

/* What the statement takes from types is judged when it is through. */
static void
run_around_drops(const ElUtility *u, void (*runner) (const ElUtility *u))
{
	ElDropped	dropped;

	el_types_begin(&dropped);
	PG_TRY();
	{
		runner(u);
		el_types_check_dropped(&dropped);
	}
	PG_FINALLY();
	{
		el_types_end(&dropped);
	}
	PG_END_TRY();
}

void
el_ddl_utility(const ElUtility *u)
{
	Node	   *stmt = u->pstmt->utilityStmt;
	void		(*runner) (const ElUtility *u) = statement_runner(nodeTag(stmt));

	/* of an extension's update script, too */
	if (IsA(stmt, AlterEnumStmt) && !IsBinaryUpgrade && OidIsValid(el_am_oid()))
		el_types_refuse_enum((AlterEnumStmt *) stmt);
	if (runner == NULL || IsBinaryUpgrade || !OidIsValid(el_am_oid()))
	{
		u->run(u);
		return;
	}
	if (creating_extension)
	{
		run_around_drops(u, other_statement);
		return;
	}
	if (el_pass_over(stmt) || (el_topic_being_made() && is_row_security(stmt)))
		return;
	el_refuse_utility(stmt);
	run_around_drops(u, runner);
}

/*
 * Buffered events go with the table they were meant for.
 */
static void
dropping_relation(Oid relid)
{
	char	   *label;
	pg_uuid_t	uuid;

	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
			if (el_is_leaf(relid))
				el_buffer_forget(relid);
			break;

		case RELKIND_PARTITIONED_TABLE:

			/*
			 * its partitions may be gone by now: only the label knows the
			 * uuid
			 */
			label = el_label_get(relid);
			el_uuid_from_oid(relid, &uuid);
			if (label)
			{
				ElTopicOptions options;

				el_options_default(&options);
				if (el_label_parse(label, false, &options, &uuid))
					el_forget_log_floor(&uuid);
				pfree(label);
			}
			/* also what is no topic: to the groups it means nothing */
			if (el_topic_callbacks != NULL)
				el_topic_callbacks->topic_changed(relid, &uuid);
			break;

		default:
			break;
	}
}

/* Raises what look-ups in catalogs can, and for attributes of types in use. */
void
el_ddl_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
					 int sub_id)
{
	if (class_id != RelationRelationId || !IsTransactionState())
		return;

	switch (access)
	{
		case OAT_DROP:
			if (IsBinaryUpgrade || !OidIsValid(el_am_oid()))
				break;
			if (sub_id == 0)
				dropping_relation(object_id);
			else
				el_types_dropping(object_id);
			break;

		case OAT_POST_CREATE:
			if (sub_id > 0 && !IsBinaryUpgrade && OidIsValid(el_am_oid()))
				el_types_added(object_id, sub_id);
			break;

		case OAT_POST_ALTER:
			if (sub_id > 0 && !IsBinaryUpgrade && OidIsValid(el_am_oid()))
				el_types_altered(object_id, sub_id);
			break;

		case OAT_TRUNCATE:
			if (OidIsValid(el_am_oid()) && el_is_leaf(object_id))
				el_buffer_forget(object_id);
			break;

		default:
			break;
	}
}

/*
 * Committed offsets, locks of groups and log floors go by the uuid, and rights
 * on them by the topic: no topic may come to the uuid of another.
 */
static void
check_uuid(Oid relid, const pg_uuid_t *uuid)
{
	Oid			made_from = el_uuid_to_oid(uuid);
	bool		taken = el_uuid_is_taken(relid, uuid);

	/*
	 * The uuid of a topic without label.  alter_topic() may have put it into
	 * one, which pg_restore then sets on a table with another OID; but users
	 * could wait until a topic with that OID is created.
	 */
	if (OidIsValid(made_from) && made_from != relid && !taken)
	{
		if (!superuser())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to give \"%s\" a uuid made from the OID of another table",
							get_rel_name(relid)),
					 errhint("Take a random uuid.")));
		taken = get_rel_relkind(made_from) == RELKIND_PARTITIONED_TABLE &&
			el_label_get(made_from) == NULL;
	}

	if (taken)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("another topic has the uuid that \"%s\" would get",
						get_rel_name(relid)),
				 errhint("Take another uuid, or drop the other topic first.")));
}

/*
 * SECURITY LABEL FOR eventlog ON TABLE: that is where options and uuid are kept.
 * Ownership has been checked, the table is locked.
 */
void
el_ddl_check_label(const ObjectAddress *object, const char *label)
{
	Relation	rel;
	const char *problem;
	ElTopicOptions options;
	pg_uuid_t	uuid;

	if (object->classId != RelationRelationId || object->objectSubId != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("eventlog security labels can only be put on topics")));

	Assert(el_relation_locked(object->objectId, ShareUpdateExclusiveLock));
	rel = relation_open(object->objectId, NoLock);
	problem = el_topic_shape_problem(rel);
	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot have an eventlog security label: it is not a topic",
						RelationGetRelationName(rel)),
				 errdetail_internal("%c%s.", pg_toupper((unsigned char) problem[0]),
									problem + 1)));
	relation_close(rel, NoLock);

	el_options_default(&options);
	if (label)
		(void) el_label_parse(label, true, &options, &uuid);
	else
		el_uuid_from_oid(object->objectId, &uuid);

	/* pg_upgrade restores what was there, OIDs too */
	if (!IsBinaryUpgrade)
	{
		check_uuid(object->objectId, &uuid);
		el_check_kafka_name(object->objectId, options.kafka_name);
	}

	/* its first one is what a restore makes a topic with */
	if (label && el_label_get(object->objectId) == NULL)
		el_warn_of_publications(object->objectId);

	el_buffer_flush(object->objectId, NULL, NULL);

	/* changes of pg_seclabel do not cause this by themselves */
	CacheInvalidateRelcacheByRelid(object->objectId);
	if (el_topic_callbacks != NULL)
	{
		el_topic_callbacks->topic_changed(object->objectId, NULL);
		el_topic_callbacks->uuid_given();
	}
}
