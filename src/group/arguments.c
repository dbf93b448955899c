/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments that the functions of groups have in common, checked.
 *
 * IDENTIFICATION
 *	  src/group/arguments.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "group/group.h"

char *
el_text_to_name(const text *t, const char *what)
{
	char	   *name = text_to_cstring(t);

	el_check_name(what, name);
	return name;
}

/*
 * Names of members: "name", or "name#incarnation" as join_group() returned it.
 */
ElMemberName *
el_text_to_member(const text *t)
{
	char	   *text = text_to_cstring(t);
	char	   *hash = strchr(text, '#');
	ElMemberName *member = palloc0(sizeof(ElMemberName));

	if (hash != NULL)
	{
		char	   *end;

		errno = 0;
		member->incarnation = strtou64(hash + 1, &end, 10);
		if (hash[1] < '0' || hash[1] > '9' || *end != '\0' || errno != 0 ||
			member->incarnation == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid member name \"%s\"", text),
					 errdetail("\"#\" stands between a name and the incarnation that join_group() returned.")));
		*hash = '\0';
	}
	el_check_name("member", text);
	strlcpy(member->name, text, EL_NAME_SIZE);
	pfree(text);
	return member;
}

char *
el_group_arg(FunctionCallInfo fcinfo)
{
	el_arg_not_null(fcinfo, 0, "group_name");
	return el_text_to_name(PG_GETARG_TEXT_PP(0), "group");
}

/* The topic argument: locked, readable by the caller, and with that partition. */
ElWant *
el_topic_arg(FunctionCallInfo fcinfo, int n, int64 partition)
{
	Oid			relid = PG_GETARG_OID(n);
	ElWant	   *want;

	el_check_select(relid);
	LockRelationOid(relid, AccessShareLock);
	want = el_want(relid);
	el_check_partition(want->topic, partition);
	return want;
}

void
el_check_select(Oid relid)
{
	AclResult	result = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, get_rel_name(relid));
}

void
el_part_busy(const char *group, Oid topic, int32 partition)
{
	char	   *name = get_rel_name(topic);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("partition %d of topic \"%s\" in group \"%s\" is held by another transaction",
					partition, name ? name : "?", group),
			 errhint("Try again when that transaction has ended; eventlog_lag shows it as blocked_by_pid.")));
}
