/*-------------------------------------------------------------------------
 *
 * rights.c
 *	  Owners of tables, acting as one, and who may SELECT.
 *
 * IDENTIFICATION
 *	  src/topic/rights.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/locks.h"
#include "topic/rights.h"

Oid
el_relation_owner(Oid relid)
{
	HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tup))
	{
		owner = ((Form_pg_class) GETSTRUCT(tup))->relowner;
		ReleaseSysCache(tup);
	}
	return owner;
}

/* For what is acted in somebody else's name alone. */
static void
set_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * The role's code may run: functions of CHECK constraints, of event triggers.
 * As in core's maintenance commands it can neither leave the role nor leave
 * behind anything that would run later, and a name that it does not qualify
 * does not lead to an object that the caller has put in its way.  The caller's
 * default_tablespace is not the role's either.
 */
void
el_act_as(Oid role, ElActing *before)
{
	GetUserIdAndSecContext(&before->user, &before->context);
	before->guc_level = 0;
	if (role == before->user)
		return;
	before->guc_level = NewGUCNestLevel();
	SetUserIdAndSecContext(role, before->context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	set_setting("search_path", "pg_catalog, pg_temp");
	set_setting("default_tablespace", "");
}

void
el_act_end(const ElActing *before)
{
	if (before->guc_level == 0)
		return;
	AtEOXact_GUC(false, before->guc_level);
	SetUserIdAndSecContext(before->user, before->context);
}

/* Roles but the owner that were granted SELECT on the whole table; ACL_ID_PUBLIC is one. */
static List *
select_grantees(Oid relid)
{
	HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	List	   *result = NIL;
	Datum		datum;
	bool		isnull;

	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	datum = SysCacheGetAttr(RELOID, tup, Anum_pg_class_relacl, &isnull);
	if (!isnull)
	{
		Acl		   *acl = DatumGetAclPCopy(datum);
		Oid			owner = ((Form_pg_class) GETSTRUCT(tup))->relowner;

		for (int i = 0; i < ACL_NUM(acl); i++)
		{
			const AclItem *item = &ACL_DAT(acl)[i];

			if ((ACLITEM_GET_PRIVS(*item) & ACL_SELECT) != 0 &&
				item->ai_grantee != owner)
				result = list_append_unique_oid(result, item->ai_grantee);
		}
	}
	ReleaseSysCache(tup);
	return result;
}

/* GRANT or REVOKE, as event triggers see it, too. */
static void
change_select(const char *command, Oid relid, const char *preposition, List *roles)
{
	StringInfoData sql;
	const char *separator = "";
	ListCell   *lc;

	if (roles == NIL)
		return;
	initStringInfo(&sql);
	appendStringInfo(&sql, "%s SELECT ON TABLE %s %s ", command,
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
												get_rel_name(relid)),
					 preposition);
	foreach(lc, roles)
	{
		Oid			role = lfirst_oid(lc);

		appendStringInfo(&sql, "%s%s", separator, role == ACL_ID_PUBLIC ? "PUBLIC" :
						 quote_identifier(GetUserNameFromId(role, false)));
		separator = ", ";
	}
	SPI_connect();
	if (SPI_execute(sql.data, false, 0) < 0)
		elog(ERROR, "SPI_execute failed: %s", sql.data);
	SPI_finish();
	pfree(sql.data);
}

static void
revoke_select(Oid relid, const List *but)
{
	change_select("REVOKE", relid, "FROM",
				  list_difference_oid(select_grantees(relid), but));
}

/*
 * The partitions' tables, too: default privileges were given on each.  On columns
 * nothing is given: what a column of the other topic holds may stand in
 * another column of this one.
 */
void
el_select_follows(const ElTopic *to, Oid from)
{
	List	   *roles = select_grantees(from);

	Assert(el_relation_locked(to->relid, AccessExclusiveLock));
	change_select("GRANT", to->relid, "TO",
				  list_difference_oid(roles, select_grantees(to->relid)));
	revoke_select(to->relid, roles);
	for (int32 i = 0; i < to->npartitions; i++)
		revoke_select(to->leaves[i], roles);
	revoke_select(to->default_leaf, roles);
}
