/*-------------------------------------------------------------------------
 *
 * consume.c
 *	  consume(), consume_bytes(), consume_as(): events for a member.
 *
 * IDENTIFICATION
 *	  src/group/consume.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "base/arguments.h"
#include "base/compat.h"
#include "base/privileges.h"
#include "group/arguments.h"
#include "group/consume.h"
#include "group/deliver.h"
#include "group/member.h"
#include "group/offsets_append.h"
#include "group/session.h"
#include "group/subscription.h"
#include "group/wait.h"
#include "rows/row.h"
#include "rows/rows.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "topic/topic.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/snapmgr.h"


EL_FUNCTION(eventlog_consume);
EL_FUNCTION(eventlog_consume_bytes);
EL_FUNCTION(eventlog_consume_as);

static void
check_limit(const char *name, int64 value)
{
	if (value < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be at least 1", name)));
}

/* Prepare the result and the limits of a delivery. */
void
el_consume_setup(ElDelivery *d, FunctionCallInfo fcinfo, ElRowForm form,
				 int64 max_events, int64 max_bytes, Interval *min_age)
{
	check_limit("max_events", max_events);
	check_limit("max_bytes", max_bytes);

	memset(d, 0, sizeof(*d));
	d->rows = el_rows_begin(fcinfo, form);
	d->events_left = max_events;
	d->bytes_left = max_bytes;
	d->min_age_ms = min_age ? el_interval_ms(min_age, "min_age") : -1;
}

static void report_no_topics(const ElGroupConf *conf, const ElMemberName *member) pg_attribute_noreturn();

/* A caller without topics: perhaps because it is no member any more, which is to be said first. */
static void
report_no_topics(const ElGroupConf *conf, const ElMemberName *member)
{
	const char *group = conf->name;

	el_member_check_admitted(conf, member);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 member != NULL ?
			 errmsg("member \"%s\" of group \"%s\" is not subscribed to any topic",
					member->name, group) :
			 errmsg("this session is not subscribed to any topic in group \"%s\"",
					group),
			 errhint("Name the topic: consume('%s', 'topic').", group)));
}

/* The topic whose row type consume_as() was given. */
static Oid
topic_of_row_type(FunctionCallInfo fcinfo)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Oid			relid = OidIsValid(type) ? get_typ_typrelid(type) : InvalidOid;

	/*
	 * a plan from before the topic was dropped: drivers prepare again for
	 * this SQLSTATE and message
	 */
	if (OidIsValid(type) &&
		!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(type)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cached plan must not change result type"),
				 errdetail("The topic whose row consume_as() was given has been dropped."),
				 errhint("Prepare the statement again.")));
	if (!OidIsValid(relid) || !el_is_topic(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("consume_as() needs a row of a topic"),
				 errhint("For example consume_as(NULL::orders, 'billing').")));
	return relid;
}

/* One call, arguments checked. */
typedef struct Call
{
	ElCall		call;
	Oid			relid;			/* InvalidOid: all it is subscribed to */
	int64		wait_ms;
	ElDelivery	delivery;
	ElWaitState wait;
} Call;

/* The topic that the call names is one that the caller may read; what else the member is subscribed to is looked after. */
static void
check_topic(const Call *c)
{
	el_member_check_others(&c->call.conf, c->call.member, c->relid);
	el_check_select(c->relid);
}

/* What the member is subscribed to has been found to be its to read. */
static void
audit_topics(List *topics)
{
	ListCell   *lc;

	foreach(lc, topics)
		el_audit_right(((ElTopicRef *) lfirst(lc))->relid, ACL_SELECT);
}

static void
deliver_or_wait(Call *c)
{
	ElDelivery *d = &c->delivery;
	bool		waiting = false;

	for (;;)
	{
		List	   *topics;
		ListCell   *lc;
		ElAssignment a;

		if (OidIsValid(c->relid))
		{
			LockRelationOid(c->relid, AccessShareLock);
			if (waiting)
				check_topic(c);
			topics = list_make1(el_topic_ref(el_topic(c->relid)));
		}
		else
			topics = el_member_topics(&c->call.conf, c->call.member);
		if (!OidIsValid(c->relid) && !waiting)
			audit_topics(topics);
		if (topics == NIL)
			report_no_topics(&c->call.conf, c->call.member);

		el_member_call(&c->call.conf, c->call.member, topics, EL_JOIN_ADD, true, &a);

		/*
		 * Read with the statement's snapshot: what the client does with these
		 * events in this statement sees the same state.  One that waits needs
		 * others, taken after it has registered: what they do not see will
		 * wake it.
		 */
		if (waiting)
		{
			el_wait_register(&c->wait, &a, 1);
			PushActiveSnapshot(GetLatestSnapshot());
		}
		d->snapshot = GetActiveSnapshot();
		el_deliver(d, &a);
		if (waiting)
			PopActiveSnapshot();

		if (d->nrows > 0 || c->wait_ms == 0)
			return;

		/*
		 * nothing came of this look, so it prevents nobody from dropping a
		 * topic
		 */
		foreach(lc, topics)
			UnlockRelationOid(((ElTopicRef *) lfirst(lc))->relid, AccessShareLock);
		if (waiting)
		{
			if (d->busy)
				el_wait_want_free(&c->wait);
			if (!el_wait_sleep(&c->wait, d->due_ms))
				return;
		}
		waiting = true;
	}
}

static Datum
consume_events(FunctionCallInfo fcinfo, ElRowForm form)
{
	static const char *const names[] = {
		"group_name", NULL, "max_events", NULL, NULL, NULL, "max_bytes"
	};
	static const char *const typed_names[] = {
		NULL, "group_name", "max_events", NULL, NULL, NULL, "max_bytes"
	};
	bool		typed = form == EL_ROW_TYPED;
	ElCallSpec	spec = {
		.command = "consume()",
		.names = typed ? typed_names : names,
		.nnames = lengthof(names),
		.group_arg = typed ? 1 : 0,
		.member_arg = 3
	};
	bool		commit;
	Call		c;

	memset(&c, 0, sizeof(c));
	el_call_begin(fcinfo, &spec, &c.call);
	commit = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	if (commit)
		PreventCommandIfReadOnly("consume(commit => true)");
	if (typed)
		c.relid = topic_of_row_type(fcinfo);
	else if (!PG_ARGISNULL(1))
		c.relid = PG_GETARG_OID(1);
	if (OidIsValid(c.relid))
		check_topic(&c);
	if (!PG_ARGISNULL(4))
		c.wait_ms = el_interval_ms(PG_GETARG_INTERVAL_P(4), "wait");
	el_consume_setup(&c.delivery, fcinfo, form, PG_GETARG_INT64(2),
					 PG_GETARG_INT64(6),
					 PG_ARGISNULL(7) ? NULL : PG_GETARG_INTERVAL_P(7));
	c.delivery.conf = &c.call.conf;
	c.delivery.commit = commit;
	if (commit)
		el_offsets_prepare_commit();

	/*
	 * In REPEATABLE READ nothing that happens from now on could be seen, so
	 * there is nothing to wait for.
	 */
	if (IsolationUsesXactSnapshot())
		c.wait_ms = 0;

	el_session_init();			/* registers an exit callback: not inside the
								 * block */
	el_wait_begin(&c.wait, c.wait_ms);
	c.wait.max_poll_ms = c.call.conf.max_poll_ms;
	PG_ENSURE_ERROR_CLEANUP(el_wait_cleanup, PointerGetDatum(&c.wait));
	{
		deliver_or_wait(&c);
	}
	PG_END_ENSURE_ERROR_CLEANUP(el_wait_cleanup, PointerGetDatum(&c.wait));
	el_wait_end(&c.wait);

	el_rows_end(c.delivery.rows);
	return (Datum) 0;
}

/*
 * consume(group_name text, topic regclass, max_events bigint, member text,
 *		   wait interval, commit boolean, max_bytes bigint, min_age interval)
 */
Datum
eventlog_consume(PG_FUNCTION_ARGS)
{
	return consume_events(fcinfo, EL_ROW_EVENT);
}

Datum
eventlog_consume_bytes(PG_FUNCTION_ARGS)
{
	return consume_events(fcinfo, EL_ROW_BYTES);
}

/* consume_as(topic_row anyelement, group_name text, max_events bigint, ...) */
Datum
eventlog_consume_as(PG_FUNCTION_ARGS)
{
	return consume_events(fcinfo, EL_ROW_TYPED);
}
