/*-------------------------------------------------------------------------
 *
 * owned.c
 *	  REASSIGN OWNED and DROP OWNED, as far as they are about groups.
 *
 * PostgreSQL cannot find rows of ours by their owner, so the utility hook does
 * their part of the work, in the statement's transaction.  As with what
 * PostgreSQL itself owns, REASSIGN OWNED changes no grants.  But a role that owned the
 * extension, and by that was held, is from now on held by what it was granted.
 *
 * IDENTIFICATION
 *	  src/group/owned.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/user.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"

#include "base/anchor.h"
#include "base/compat.h"
#include "base/extension.h"
#include "group/catalog.h"
#include "group/groups.h"
#include "group/owned.h"
#include "topic/rights.h"

/* Are there groups to look after?  Not where the statement is about to be refused. */
static bool
has_groups(void)
{
	return el_preloaded && !creating_extension && !IsBinaryUpgrade &&
		!XactReadOnly && OidIsValid(el_am_oid());
}

void
el_group_drop_owned(DropOwnedStmt *stmt)
{
	List	   *roles;
	List	   *groups;
	ListCell   *lc;

	if (!has_groups())
		return;
	roles = roleSpecsToIds(stmt->roles);
	/* the extension's owner: all of it goes, or the statement fails */
	if (list_member_oid(roles, el_relation_owner(el_internal_relid("groups"))))
		return;
	foreach(lc, roles)
	{
		if (!has_privs_of_role(GetUserId(), lfirst_oid(lc)))
			return;
	}

	PushActiveSnapshot(GetLatestSnapshot());
	groups = el_group_confs();
	PopActiveSnapshot();
	foreach(lc, groups)
	{
		const ElGroupConf *conf = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (list_member_oid(roles, conf->owner))
			(void) el_drop_group(conf->name);
	}
	foreach(lc, roles)
	{
		Oid			types[1] = {OIDOID};
		Datum		values[1] = {ObjectIdGetDatum(lfirst_oid(lc))};

		(void) el_internal_sql("DELETE FROM _eventlog.group_grants WHERE role OPERATOR(pg_catalog.=) $1",
							   1, types, values);

		/*
		 * now, for the statement would take the privilege away by itself,
		 * which the role may not do if it is who runs it
		 */
		el_anchor_release(el_internal_relid("groups"), "owner", lfirst_oid(lc));
		el_anchor_release(el_internal_relid("group_grants"), "role", lfirst_oid(lc));
	}
}

void
el_group_reassign_owned(ReassignOwnedStmt *stmt)
{
	Oid			new_owner;
	ListCell   *lc;

	if (!has_groups())
		return;
	new_owner = get_rolespec_oid(stmt->newrole, false);
	foreach(lc, roleSpecsToIds(stmt->roles))
	{
		Oid			types[2] = {OIDOID, OIDOID};
		Datum		values[2] = {
			ObjectIdGetDatum(lfirst_oid(lc)), ObjectIdGetDatum(new_owner)
		};

		(void) el_internal_sql("UPDATE _eventlog.groups SET owner = $2 WHERE owner OPERATOR(pg_catalog.=) $1",
							   2, types, values);
		(void) el_internal_sql("UPDATE _eventlog.group_grants SET role = role WHERE role OPERATOR(pg_catalog.=) $1",
							   1, types, values);
	}
}
