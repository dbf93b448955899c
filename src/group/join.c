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
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "group/arguments.h"
#include "group/coordinator.h"
#include "group/local.h"
#include "group/member.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/subscription.h"
#include "group/wake.h"
#include "topic/topic.h"

EL_FUNCTION(eventlog_join_group);
EL_FUNCTION(eventlog_heartbeat);
EL_FUNCTION(eventlog_leave_group);

/* The topics to join with: locked, readable, each once. */
static List *
topics_arg(ArrayType *array)
{
	List	   *topics = NIL;
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
		topics = lappend(topics, el_topic_ref(el_topic_to_read(relid)));
	}
	return topics;
}

/* join_group(group_name text, topics regclass[], member text) */
Datum
eventlog_join_group(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"group_name", "topics"};
	static const ElCallSpec spec = {
		.command = "join_group()",
		.names = names,
		.nnames = lengthof(names),
		.member_arg = 2
	};
	ElCall		call;
	List	   *topics;
	List	   *relids = NIL;
	ListCell   *lc;
	ElAssignment a;

	el_call_begin(fcinfo, &spec, &call);
	if (call.member != NULL && call.member->incarnation != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("join_group() takes a member's name without its incarnation"),
				 errhint("It returns the name with a new one.")));
	topics = topics_arg(PG_GETARG_ARRAYTYPE_P(1));
	foreach(lc, topics)
		relids = lappend_oid(relids, ((ElTopicRef *) lfirst(lc))->relid);
	el_member_check_may_leave(&call.conf, call.member, relids);

	el_session_init();
	el_member_call(&call.conf, call.member, topics, EL_JOIN_AFRESH,
				   call.member == NULL, &a);
	if (call.member == NULL)
		PG_RETURN_TEXT_P(cstring_to_text(a.member.name));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s#%llu", a.member.name,
											  (unsigned long long) a.member.incarnation)));
}

/*
 * A call in the name of a member: its arguments, the caller's rights, and the
 * member as it is now (EL001, 40L01).
 */
static void
begin_as_member(FunctionCallInfo fcinfo, const char *command, bool leaving,
				ElCall *call, ElMemberRef *ref)
{
	static const char *const names[] = {"group_name"};
	ElCallSpec	spec = {
		.command = command,
		.names = names,
		.nnames = lengthof(names),
		.member_arg = 1
	};

	el_call_begin(fcinfo, &spec, call);
	if (leaving)
		el_member_check_may_leave(&call->conf, call->member, NIL);
	else
		el_member_check_may_act(&call->conf, call->member);
	el_member_require(call->group, call->member, false, NULL, ref);
}

/* heartbeat(group_name text, member text): true if its assignment changed since it was last told */
Datum
eventlog_heartbeat(PG_FUNCTION_ARGS)
{
	ElCall		call;
	ElMemberRef ref;
	ElMember   *m;
	bool		moved = false;
	bool		first = false;
	bool		news = true;

	begin_as_member(fcinfo, "heartbeat()", false, &call, &ref);
	el_group_lock(LW_EXCLUSIVE);
	m = el_member_of_ref(&ref);
	if (m != NULL)
	{
		ElSlotNo	g = m->group;

		EL_GROUP(g)->max_poll_ms = call.conf.max_poll_ms;
		EL_GROUP(g)->session_timeout_ms = call.conf.session_timeout_ms;
		first = !m->heartbeats;
		m->heartbeats = true;
		moved = el_group_steps(g, EL_NO_SLOT);
		news = m->news;
		m->news = false;
	}
	el_group_unlock();
	if (moved)
		el_wake_group(MyDatabaseId, call.group, false);
	if (moved || first)
		el_wake_worker();		/* it has a new time to keep */
	PG_RETURN_BOOL(news);
}

/* leave_group(group_name text, member text) */
Datum
eventlog_leave_group(PG_FUNCTION_ARGS)
{
	ElCall		call;
	ElMemberRef ref;
	ElMember   *m;

	begin_as_member(fcinfo, "leave_group()", true, &call, &ref);
	el_local_leave(call.group, &ref);
	if (call.member == NULL)
	{
		el_session_leave(call.group);
		PG_RETURN_VOID();
	}
	el_group_lock(LW_EXCLUSIVE);
	m = el_member_of_ref(&ref);
	if (m != NULL)
		el_member_leave(ref.slot);
	el_group_unlock();
	if (m != NULL)
	{
		el_wake_group(MyDatabaseId, call.group, false);
		el_wake_worker();
	}
	PG_RETURN_VOID();
}
