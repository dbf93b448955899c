/*-------------------------------------------------------------------------
 *
 * group_rows.c
 *	  What may be inserted into _eventlog.groups and group_grants.
 *
 * The functions of groups write these tables as their owner.  Besides, the
 * database's owner may (base/inserted.c): a row that is not his to make becomes
 * his or is left out.  A role that does not exist is left out whoever restores.
 *
 * IDENTIFICATION
 *	  src/group/group_rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/inserted.h"
#include "group/arguments.h"
#include "group/catalog.h"

EL_FUNCTION(eventlog_check_group);
EL_FUNCTION(eventlog_check_group_grant);

static bool
role_exists(Oid role)
{
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role));
}

/*
 * Trigger of _eventlog.groups.  What others than its owner insert is as valid
 * as create_group() would have it, for all groups are read together.
 */
Datum
eventlog_check_group(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = el_inserted_row(fcinfo);
	Relation	rel = trigger->tg_relation;
	HeapTuple	tuple = trigger->tg_trigtuple;
	int			att = EL_ATT_GROUPS_OWNER;
	bool		isnull[3];
	Datum		name = heap_getattr(tuple, EL_ATT_GROUPS_NAME,
									RelationGetDescr(rel), &isnull[0]);
	Datum		owner = heap_getattr(tuple, EL_ATT_GROUPS_OWNER,
									 RelationGetDescr(rel), &isnull[1]);
	Datum		options = heap_getattr(tuple, EL_ATT_GROUPS_OPTIONS,
									   RelationGetDescr(rel), &isnull[2]);
	Datum		me = ObjectIdGetDatum(GetUserId());

	if (isnull[0] || isnull[1] || isnull[2])
		return PointerGetDatum(tuple);	/* NOT NULL says so */

	if (!el_inserter_is_trusted(rel))
	{
		ElGroupConf conf;

		el_group_conf_defaults(&conf, el_text_to_name(DatumGetTextPP(name), "group"));
		el_group_conf_set(&conf, DatumGetJsonbP(options));
	}
	if (role_exists(DatumGetObjectId(owner)))
	{
		if (el_inserter_is_trusted(rel) ||
			is_member_of_role(GetUserId(), DatumGetObjectId(owner)))
			return PointerGetDatum(tuple);
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("group \"%s\" becomes that of role \"%s\"",
						TextDatumGetCString(name),
						GetUserNameFromId(GetUserId(), false)),
				 errdetail("You are no member of its owner, role \"%s\".",
						   GetUserNameFromId(DatumGetObjectId(owner), false))));
	}
	else if (OidIsValid(DatumGetObjectId(owner)))	/* else the type's input
													 * has said so */
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", DatumGetObjectId(owner)),
				 errdetail("Group \"%s\" becomes that of role \"%s\".",
						   TextDatumGetCString(name),
						   GetUserNameFromId(GetUserId(), false))));
	isnull[0] = false;
	return PointerGetDatum(heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel),
													 1, &att, &me, isnull));
}

/*
 * Does the group belong to others?  One that is not there is nobody's: a dump's
 * two tables come in any order.  Until this transaction ends nobody else makes a
 * group, for what is granted here must be seen by who makes it.
 */
static bool
group_is_others(const char *name)
{
	ElGroupConf conf;

	LockRelationOid(el_internal_relid("groups"), ShareLock);
	PushActiveSnapshot(GetLatestSnapshot());
	el_group_conf(name, &conf);
	PopActiveSnapshot();
	return conf.exists && !is_member_of_role(GetUserId(), conf.owner);
}

/* Trigger of _eventlog.group_grants. */
Datum
eventlog_check_group_grant(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = el_inserted_row(fcinfo);
	Relation	rel = trigger->tg_relation;
	HeapTuple	tuple = trigger->tg_trigtuple;
	bool		isnull[2];
	Datum		group = heap_getattr(tuple, EL_ATT_GRANTS_GROUP,
									 RelationGetDescr(rel), &isnull[0]);
	Datum		role = heap_getattr(tuple, EL_ATT_GRANTS_ROLE,
									RelationGetDescr(rel), &isnull[1]);
	const char *name;

	if (isnull[0] || isnull[1])
		return PointerGetDatum(tuple);	/* NOT NULL says so */
	if (!role_exists(DatumGetObjectId(role)))
		return PointerGetDatum(NULL);
	if (el_inserter_is_trusted(rel))
		return PointerGetDatum(tuple);

	name = el_text_to_name(DatumGetTextPP(group), "group");
	if (group_is_others(name))
	{
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of group \"%s\"", name),
				 errdetail("Role \"%s\" is not granted it.",
						   GetUserNameFromId(DatumGetObjectId(role), false))));
		return PointerGetDatum(NULL);
	}
	return PointerGetDatum(tuple);
}
