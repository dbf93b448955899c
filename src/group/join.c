/*-------------------------------------------------------------------------
 *
 * join.c
 *	  join_group(), heartbeat(), leave_group(): membership by itself.
 *
 * consume() joins by itself; these are for processes that want to say so:
 * which topics, that they live although a long piece of work keeps them from
 * calling, and that they go.  None of it is undone by a rollback: membership
 * lives in shared memory, like Kafka's.
 *
 * IDENTIFICATION
 *	  src/group/join.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "group/group.h"

EL_FUNCTION(eventlog_join_group);
EL_FUNCTION(eventlog_heartbeat);
EL_FUNCTION(eventlog_leave_group);

/* The topics to join with: locked, readable, each once. */
static List *
topics_arg(ArrayType *array)
{
	List	   *wants = NIL;
	List	   *seen = NIL;
	Datum	   *datums;
	bool	   *nulls;
	int			n;
	int			i;

	deconstruct_array(array, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT,
					  &datums, &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"topics\" must name at least one topic")));
	for (i = 0; i < n; i++)
	{
		Oid			relid;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("\"topics\" must not contain nulls")));
		relid = DatumGetObjectId(datums[i]);
		if (list_member_oid(seen, relid))
			continue;
		seen = lappend_oid(seen, relid);
		el_check_select(relid);
		LockRelationOid(relid, AccessShareLock);
		wants = lappend(wants, el_want(relid));
	}
	return wants;
}

/*
 * Anybody can give a member's name: only who may read its topics acts for it.
 */
static void
check_may_act(const ElGroupConf *conf, const ElMemberName *member)
{
	if (member != NULL)
		list_free_deep(el_member_topics(conf, member));
}

/* join_group(group_name text, topics regclass[], member text) */
Datum
eventlog_join_group(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"group_name", "topics"};
	char	   *group;
	ElGroupConf conf;
	ElMemberName *member = NULL;
	List	   *wants;
	ElAssignment a;

	el_require_preload();
	el_require_primary("join_group()");
	el_args_not_null(fcinfo, names, lengthof(names));
	group = el_group_arg(fcinfo);
	if (!PG_ARGISNULL(2))
		member = el_text_to_member(PG_GETARG_TEXT_PP(2));
	if (member != NULL && member->incarnation != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("join_group() takes a member's name without its incarnation"),
				 errhint("It returns the name with a new one.")));
	el_group_conf(group, &conf);
	el_group_check_use(&conf);
	wants = topics_arg(PG_GETARG_ARRAYTYPE_P(1));
	check_may_act(&conf, member);

	el_session_init();
	el_member_call(&conf, member, wants, EL_JOIN_AFRESH, member == NULL, &a);
	if (member == NULL)
		PG_RETURN_TEXT_P(cstring_to_text(a.member.name));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s#%llu", a.member.name,
											  (unsigned long long) a.member.incarnation)));
}

/*
 * A call in the name of a member: its arguments, the caller's rights, and the
 * member as it is now (EL001, 40L01).
 */
static ElMemberName *
acting_member(FunctionCallInfo fcinfo, const char *command, ElGroupConf *conf,
			  ElMemberRef *ref)
{
	ElMemberName *member = NULL;

	el_require_preload();
	el_require_primary(command);
	el_group_conf(el_group_arg(fcinfo), conf);
	if (!PG_ARGISNULL(1))
		member = el_text_to_member(PG_GETARG_TEXT_PP(1));
	el_group_check_use(conf);
	check_may_act(conf, member);
	el_member_require(conf->name, member, false, ref);
	return member;
}

/* heartbeat(group_name text, member text): true if its assignment changed since it was last told */
Datum
eventlog_heartbeat(PG_FUNCTION_ARGS)
{
	ElGroupConf conf;
	ElMemberRef ref;
	ElMember   *m;
	ElSlot		g = EL_NO_SLOT;
	bool		moved = false;
	bool		first = false;
	bool		news = true;

	(void) acting_member(fcinfo, "heartbeat()", &conf, &ref);
	el_group_lock(LW_EXCLUSIVE);
	m = el_member_of_ref(&ref);
	if (m != NULL)
	{
		g = m->group;
		EL_GROUP(g)->max_poll_ms = conf.max_poll_ms;
		EL_GROUP(g)->session_timeout_ms = conf.session_timeout_ms;
		first = !m->heartbeats;
		m->heartbeats = true;
		moved = el_group_steps(g, EL_NO_SLOT);
		news = m->news;
		m->news = false;
	}
	el_group_unlock();
	if (moved)
		el_wake_group(MyDatabaseId, g, false);
	if (moved || first)
		el_wake_worker();		/* it has a new time to keep */
	PG_RETURN_BOOL(news);
}

/* leave_group(group_name text, member text) */
Datum
eventlog_leave_group(PG_FUNCTION_ARGS)
{
	ElGroupConf conf;
	ElMemberName *member;
	ElMemberRef ref;
	ElMember   *m;
	ElSlot		g = EL_NO_SLOT;

	member = acting_member(fcinfo, "leave_group()", &conf, &ref);
	el_local_release(conf.name, &ref);
	if (member == NULL)
	{
		el_session_leave(conf.name);
		PG_RETURN_VOID();
	}
	el_group_lock(LW_EXCLUSIVE);
	m = el_member_of_ref(&ref);
	if (m != NULL)
	{
		g = m->group;
		el_member_leave(ref.slot);
	}
	el_group_unlock();
	if (g != EL_NO_SLOT)
	{
		el_wake_group(MyDatabaseId, g, false);
		el_wake_worker();
	}
	PG_RETURN_VOID();
}
