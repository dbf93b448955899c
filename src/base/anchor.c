/*-------------------------------------------------------------------------
 *
 * anchor.c
 *	  Roles that rows of ours name, held by a privilege.
 *
 * pg_shdepend knows rows of catalogs alone, so what keeps a role from being
 * dropped is a privilege on the column whose rows name it: REFERENCES, which by
 * itself lets nobody do anything, for no unique index is on that column alone.
 * The first row gives it and the last one takes it back, in triggers, so that
 * it does not matter who writes the rows: a function of ours, a restore, ALTER
 * EXTENSION UPDATE.
 *
 * Two heavyweight locks keep that right, both to the end of the transaction:
 * of (table, role), shared by those who add rows, exclusive for who has taken
 * the last one; and of the table's privileges, for who changes them, since two
 * that do at a time would end in "tuple concurrently updated".
 *
 * IDENTIFICATION
 *	  src/base/anchor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/anchor.h"
#include "base/compat.h"

EL_FUNCTION(eventlog_anchor_roles);

/* A column that names roles. */
typedef struct Column
{
	Oid			relid;
	AttrNumber	att;
	const char *name;
} Column;

static Oid
table_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static bool
is_anchored(const Column *column, Oid role)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(column->relid),
										Int16GetDatum(column->att));
	bool		result = false;
	Datum		datum;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for attribute %d of relation %u",
			 column->att, column->relid);
	datum = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attacl, &isnull);
	if (!isnull)
	{
		Acl		   *acl = DatumGetAclPCopy(datum);

		for (int i = 0; !result && i < ACL_NUM(acl); i++)
		{
			const AclItem *item = &ACL_DAT(acl)[i];

			result = item->ai_grantee == role &&
				(ACLITEM_GET_PRIVS(*item) & ACL_REFERENCES) != 0;
		}
		pfree(acl);
	}
	ReleaseSysCache(tuple);
	return result;
}

/*
 * GRANT or REVOKE REFERENCES, as the table's owner.
 *
 * The privilege counts as one that the extension gave in its script: pg_dump
 * leaves such out, and a restore makes its anchors from the rows that it has.
 * In a dump it would be an error where the role is missing.
 */
static void
set_privilege(const Column *column, Oid role, bool give)
{
	GrantStmt  *stmt = makeNode(GrantStmt);
	AccessPriv *privilege = makeNode(AccessPriv);
	RoleSpec   *grantee = makeNode(RoleSpec);
	bool		was_creating = creating_extension;
	Oid			user;
	int			context;

	privilege->priv_name = pstrdup("references");
	privilege->cols = list_make1(makeString(pstrdup(column->name)));
	grantee->roletype = ROLESPEC_CSTRING;
	grantee->rolename = GetUserNameFromId(role, false);
	grantee->location = -1;
	stmt->is_grant = give;
	stmt->targtype = ACL_TARGET_OBJECT;
	stmt->objtype = OBJECT_TABLE;
	stmt->objects = list_make1(makeRangeVar(get_namespace_name(get_rel_namespace(column->relid)),
											get_rel_name(column->relid), -1));
	stmt->privileges = list_make1(privilege);
	stmt->grantees = list_make1(grantee);
	stmt->behavior = DROP_RESTRICT;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(table_owner(column->relid),
						   context | SECURITY_LOCAL_USERID_CHANGE);
	creating_extension = true;
	PG_TRY();
	{
		ExecuteGrantStmt(stmt);
	}
	PG_FINALLY();
	{
		creating_extension = was_creating;
	}
	PG_END_TRY();
	SetUserIdAndSecContext(user, context);
	/* for the next row */
	CommandCounterIncrement();
}

/*
 * The caller has a lock of (table, role).  The table's owner needs no privilege,
 * and cannot be dropped for the table.
 */
static void
change_privilege(const Column *column, Oid role, bool give)
{
	if (is_anchored(column, role) == give || table_owner(column->relid) == role)
		return;
	LockDatabaseObject(RelationRelationId, column->relid, 0, ExclusiveLock);
	/* another may have done it while this one waited */
	if (is_anchored(column, role) != give)
		set_privilege(column, role, give);
}

static void
anchor(const Column *column, Oid role)
{
	LockDatabaseObject(column->relid, role, 0, ShareLock);
	change_privilege(column, role, true);
}

/*
 * Does a row name the role?  If none does for certain, *undecided is the
 * transaction that adds or deletes one that does, or invalid.
 */
static bool
is_named(Relation rel, const Column *column, Oid role, TransactionId *undecided)
{
	SnapshotData dirty;
	ScanKeyData key;
	SysScanDesc scan;
	bool		found = false;

	*undecided = InvalidTransactionId;
	InitDirtySnapshot(dirty);
	ScanKeyInit(&key, column->att, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	scan = systable_beginscan(rel, InvalidOid, false, &dirty, 1, &key);
	while (!found && HeapTupleIsValid(systable_getnext(scan)))
	{
		TransactionId xid = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;

		CHECK_FOR_INTERRUPTS();
		if (TransactionIdIsValid(xid))
			*undecided = xid;
		else
			found = true;
	}
	systable_endscan(scan);
	return found;
}

/* The role has lost a row. */
static void
release(Relation rel, const Column *column, Oid role)
{
	TransactionId undecided;

	/* let go of by the row before */
	if (!is_anchored(column, role))
		return;
	for (;;)
	{
		if (is_named(rel, column, role, &undecided))
			return;
		if (!TransactionIdIsValid(undecided))
			break;
		XactLockTableWait(undecided, NULL, NULL, XLTW_None);
	}

	/* who has added one since gets the lock later, and sees to the privilege */
	LockDatabaseObject(column->relid, role, 0, ExclusiveLock);
	if (!is_named(rel, column, role, &undecided) &&
		!TransactionIdIsValid(undecided))
		change_privilege(column, role, false);
}

static void
init_column(Column *column, Oid relid, const char *name)
{
	column->relid = relid;
	column->att = get_attnum(relid, name);
	column->name = name;
	if (column->att == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, get_rel_name(relid))));
}

void
el_anchor_release(Oid relid, const char *name, Oid role)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Column		column;

	init_column(&column, relid, name);
	release(rel, &column, role);
	table_close(rel, NoLock);
}

/* Trigger function: AFTER INSERT OR UPDATE OF column OR DELETE FOR EACH ROW, its argument the column. */
Datum
eventlog_anchor_roles(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	rel;
	Column		column;
	Oid			before = InvalidOid;
	Oid			after = InvalidOid;
	bool		isnull;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function must be called by a trigger AFTER ... FOR EACH ROW with the name of a column")));

	rel = trigger->tg_relation;
	init_column(&column, RelationGetRelid(rel), trigger->tg_trigger->tgargs[0]);
	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		before = DatumGetObjectId(heap_getattr(trigger->tg_trigtuple, column.att,
											   RelationGetDescr(rel), &isnull));
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		after = DatumGetObjectId(heap_getattr(trigger->tg_trigtuple, column.att,
											  RelationGetDescr(rel), &isnull));
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		after = DatumGetObjectId(heap_getattr(trigger->tg_newtuple, column.att,
											  RelationGetDescr(rel), &isnull));

	if (OidIsValid(after))
		anchor(&column, after);
	if (OidIsValid(before) && before != after)
		release(rel, &column, before);
	return PointerGetDatum(NULL);
}
