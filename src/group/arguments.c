/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  How the SQL functions of groups begin: arguments, rights, topics.
 *
 * IDENTIFICATION
 *	  src/group/arguments.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "base/arguments.h"
#include "base/extension.h"
#include "base/privileges.h"
#include "group/arguments.h"
#include "storage/lmgr.h"
#include "topic/checks.h"
#include "topic/topic.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"


static void
check_name(const char *what, const char *name)
{
	size_t		len = strlen(name);

	if (len == 0 || len >= EL_NAME_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s name must have 1 to %d bytes", what,
						EL_NAME_SIZE - 1),
				 errdetail("This one has %zu.", len)));
}

char *
el_text_to_name(const text *t, const char *what)
{
	char	   *name = text_to_cstring(t);

	check_name(what, name);
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
	ElMemberName *member = palloc0_object(ElMemberName);

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
	check_name("member", text);
	strlcpy(member->name, text, EL_NAME_SIZE);
	pfree(text);
	return member;
}

/*
 * The opening of each function.  The order of the checks is the same in all:
 * may it run here at all, are its arguments there, are they of the right form,
 * may the caller use the group, may it read the topic.
 */
void
el_call_begin(FunctionCallInfo fcinfo, const ElCallSpec *spec, ElCall *call)
{
	const char *group;

	if (spec->writes)
		el_require_write(spec->command);
	else
	{
		el_require_preload();
		el_require_primary(spec->command);
	}
	el_args_not_null(fcinfo, spec->names, spec->nnames);

	memset(call, 0, sizeof(*call));
	group = el_text_to_name(PG_GETARG_TEXT_PP(spec->group_arg), "group");
	if (spec->member_arg != 0 && !PG_ARGISNULL(spec->member_arg))
		call->member = el_text_to_member(PG_GETARG_TEXT_PP(spec->member_arg));
	el_group_conf(group, &call->conf);
	call->group = call->conf.name;
	switch (spec->right)
	{
		case EL_CALL_USER:
			el_group_check_use(&call->conf);
			break;
		case EL_CALL_OWNER:
			el_group_check_owner(&call->conf);
			break;
		case EL_CALL_ANYBODY:
			break;
	}

	if (spec->topic_arg != 0)
	{
		call->topic = el_topic_ref(el_topic_to_read(PG_GETARG_OID(spec->topic_arg)));
		if (spec->partition_arg != 0)
		{
			int64		partition = PG_GETARG_INT64(spec->partition_arg);

			el_check_partition(call->topic->topic, partition);
			call->partition = (int32) partition;
		}
	}
}

void
el_check_select(Oid relid)
{
	el_check_right(relid, ACL_SELECT);
}

bool
el_role_may_select(Oid role, Oid relid, bool *gone)
{
	*gone = false;
	/* PUBLIC's rights are nobody's who is not there */
	if (role != GetUserId() &&
		!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
	{
		*gone = get_rel_relkind(relid) == '\0';
		return false;
	}
	return pg_class_aclcheck_ext(relid, role, ACL_SELECT, gone) == ACLCHECK_OK &&
		!*gone;
}

ElTopicRef *
el_topic_ref(ElTopic *t)
{
	ElTopicRef *ref = palloc0_object(ElTopicRef);

	ref->topic = t;
	ref->relid = t->relid;
	ref->uuid = t->uuid;
	ref->npartitions = el_topic_partitions_before(t);
	ref->role = GetUserId();
	ref->slot = EL_NO_SLOT;
	return ref;
}

ElTopicRef *
el_topic_ref_if_there(Oid relid, const pg_uuid_t *uuid)
{
	ElTopic    *t = el_topic_lock_if_there(relid, AccessShareLock, true);

	if (t == NULL)
		return NULL;
	if (uuid != NULL && memcmp(&t->uuid, uuid, UUID_LEN) != 0)
	{
		UnlockRelationOid(relid, AccessShareLock);
		return NULL;
	}
	/* once more, for the check of the extension's version */
	return el_topic_ref(el_topic(relid));
}

void
el_report_part_busy(const char *group, Oid topic, int32 partition)
{
	char	   *name = get_rel_name(topic);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("partition %d of topic \"%s\" in group \"%s\" is held by another transaction",
					partition, name ? name : "?", group),
			 errhint("Try again when that transaction has ended; eventlog_lag shows it as blocked_by_pid.")));
}
