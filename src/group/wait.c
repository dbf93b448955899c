/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Sleeping until there is something to consume.
 *
 * A waiter registers in a shared table (wake.c) what would end its wait, then
 * looks, then sleeps on its latch.  So no signal is lost; that a waiter looks
 * again every few seconds all the same is for mistakes, and to be counted as
 * alive.
 *
 * IDENTIFICATION
 *	  src/group/wait.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "base/arguments.h"
#include "base/client.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "group/arguments.h"
#include "group/catalog.h"
#include "group/claimed.h"
#include "group/deliver.h"
#include "group/member.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/subscription.h"
#include "group/wait.h"
#include "group/wake.h"
#include "storage/ipc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

EL_FUNCTION(eventlog_wait_for_events);
EL_FUNCTION(eventlog_wait_for_any);

/*
 * How long to sleep at most: registered, and when the table of waiters was
 * full.  A look is a transaction and costs some 0.2 ms of CPU time; 50 who wait
 * shall cost far less than 1 % of a core together.  It also counts as a call of
 * the member, so max_poll_interval is another bound.
 */
#define LOOK_AGAIN_MS		5000
#define LOOK_OFTEN_MS		50

/*
 * Waiting
 */
void
el_wait_begin(ElWaitState *w, int64 wait_ms)
{
	w->place = -1;
	w->deadline_ms = el_monotonic_ms() + wait_ms;
	w->max_poll_ms = PG_INT64_MAX;
}

void
el_wait_register(ElWaitState *w, const ElAssignment *a, int n)
{
	ElInterest	interest = {0};
	int			g;
	int			i;

	interest.any_group = n > EL_INTEREST_GROUPS;
	for (g = 0; g < n; g++)
	{
		if (!interest.any_group)
			interest.groups[interest.ngroups++] =
				el_wake_group_id(MyDatabaseId, a[g].group);
		if (interest.nleaves + a[g].n > EL_INTEREST_LEAVES)
		{
			interest.any_leaf = true;
			continue;
		}
		for (i = 0; i < a[g].n; i++)
		{
			const ElAssigned *p = &a[g].parts[i];

			interest.leaves[interest.nleaves++] =
				p->topic->topic->leaves[p->partition];
		}
	}
	w->place = el_waiter_register(w->place, &interest);
}

void
el_wait_want_free(ElWaitState *w)
{
	if (w->place >= 0)
		el_waiter_want_free(w->place);
}

bool
el_wait_sleep(ElWaitState *w, int64 due_ms)
{
	int64		left = w->deadline_ms - el_monotonic_ms();
	long		timeout = w->place >= 0 ? LOOK_AGAIN_MS : LOOK_OFTEN_MS;

	if (left <= 0)
		return false;
	timeout = Min(timeout, Min(left, w->max_poll_ms / 2));
	if (due_ms > 0)
	{
		int64		due_in = due_ms - el_now_ms();

		timeout = Max(Min(timeout, due_in), 1);
	}

	/* nothing is held while sleeping */
	Assert(!el_group_locked());
	/* a client that went away must not keep its partitions */
	el_client_sleep(timeout);
	return true;
}

void
el_wait_end(ElWaitState *w)
{
	if (w->place < 0)
		return;
	el_waiter_unregister(w->place);
	w->place = -1;
}

void
el_wait_cleanup(int code, Datum arg)
{
	/* an error may have come while the lock was held */
	el_wake_release_lock();
	el_wait_end((ElWaitState *) DatumGetPointer(arg));
}

/*
 * The procedures
 *
 * Each look is a transaction of its own, so that nothing at all is held
 * between two of them: no snapshot, no lock.
 */
typedef struct WaitCall
{
	int			ngroups;
	char	  **groups;
	bool	   *ready;			/* [ngroups] */
	ElMemberName *member;		/* NULL: the session, or claims */
	int64		min_age_ms;
	int64		due_ms;			/* when the first event held back is due; 0:
								 * none is */
	ElWaitState wait;
} WaitCall;

/* What would be delivered from now on in a group. */
static void
get_assignment(WaitCall *c, const char *group, ElDelivery *d,
			   ElGroupConf *conf, ElAssignment *a)
{
	List	   *claimed = NIL;

	el_group_conf(group, conf);
	el_group_check_use(conf);
	c->wait.max_poll_ms = Min(c->wait.max_poll_ms, conf->max_poll_ms);
	memset(d, 0, sizeof(*d));
	d->conf = conf;
	d->min_age_ms = c->min_age_ms;
	if (c->member == NULL)
		claimed = el_claimed_topics(group);
	d->claim = claimed != NIL;
	if (d->claim)
		el_claim_call(conf, claimed, true, a);
	else
		el_member_call(conf, c->member, el_member_topics(conf, c->member),
					   EL_JOIN_NO, true, a);
}

/* Look whether there is something in one of the groups.  One transaction. */
static bool
look_at_groups(WaitCall *c)
{
	ElDelivery *d = palloc_array(ElDelivery, c->ngroups);
	ElGroupConf *conf = palloc_array(ElGroupConf, c->ngroups);
	ElAssignment *a = palloc0_array(ElAssignment, c->ngroups);
	bool		ready = false;
	bool		busy = false;
	int			i;

	PushActiveSnapshot(GetTransactionSnapshot());
	c->wait.max_poll_ms = PG_INT64_MAX;
	for (i = 0; i < c->ngroups; i++)
		get_assignment(c, c->groups[i], &d[i], &conf[i], &a[i]);
	el_wait_register(&c->wait, a, c->ngroups);

	/* what a snapshot taken from here on does not see will wake us */
	PopActiveSnapshot();
	PushActiveSnapshot(GetLatestSnapshot());
	c->due_ms = 0;
	for (i = 0; i < c->ngroups; i++)
	{
		d[i].snapshot = GetActiveSnapshot();
		c->ready[i] = el_deliver_peek(&d[i], &a[i]);
		ready |= c->ready[i];
		busy |= d[i].busy;
		if (d[i].due_ms > 0 && (c->due_ms == 0 || d[i].due_ms < c->due_ms))
			c->due_ms = d[i].due_ms;
	}
	PopActiveSnapshot();
	if (!ready && busy)
		el_wait_want_free(&c->wait);
	return ready;
}

static void
look_until_ready(WaitCall *c)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "eventlog wait",
											  ALLOCSET_DEFAULT_SIZES);
	bool		ready;

	do
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		ready = look_at_groups(c);
		MemoryContextSwitchTo(old);
		MemoryContextReset(cxt);
		SPI_commit();
	} while (!ready && el_wait_sleep(&c->wait, c->due_ms));
	MemoryContextDelete(cxt);
}

/* Where nothing can be held while waiting there is no point in these. */
static void
check_may_wait(FunctionCallInfo fcinfo, const char *command)
{
	CallContext *context = (CallContext *) fcinfo->context;

	el_require_preload();
	el_require_primary(command);
	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block or function",
						command),
				 errhint("There, use consume(wait => ...).")));
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run in a transaction that has written",
						command),
				 errhint("COMMIT first.")));
}

/* Arguments live in the procedure's memory, which outlasts the commits below. */
static void
wait_for_groups(WaitCall *c, int64 wait_ms)
{
	c->ready = palloc0_array(bool, c->ngroups);
	el_session_init();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	el_wait_begin(&c->wait, wait_ms);
	PG_ENSURE_ERROR_CLEANUP(el_wait_cleanup, PointerGetDatum(&c->wait));
	{
		look_until_ready(c);
	}
	PG_END_ENSURE_ERROR_CLEANUP(el_wait_cleanup, PointerGetDatum(&c->wait));
	el_wait_end(&c->wait);
	SPI_finish();
}

/* The row of a procedure's one INOUT argument. */
static Datum
make_output_row(TupleDesc tupdesc, Datum value)
{
	bool		isnull = false;

	return HeapTupleGetDatum(heap_form_tuple(tupdesc, &value, &isnull));
}

static TupleDesc
get_output_desc(FunctionCallInfo fcinfo)
{
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(tupdesc);
}

/*
 * wait_for_events(group_name text, wait interval, member text, min_age
 * interval, INOUT ready boolean)
 */
Datum
eventlog_wait_for_events(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"group_name", "wait"};
	WaitCall	c = {0};
	char	   *group;
	TupleDesc	tupdesc;

	check_may_wait(fcinfo, "wait_for_events()");
	el_args_not_null(fcinfo, names, lengthof(names));
	group = el_text_to_name(PG_GETARG_TEXT_PP(0), "group");
	c.ngroups = 1;
	c.groups = &group;
	if (!PG_ARGISNULL(2))
		c.member = el_text_to_member(PG_GETARG_TEXT_PP(2));
	c.min_age_ms = PG_ARGISNULL(3) ? -1 :
		el_interval_ms(PG_GETARG_INTERVAL_P(3), "min_age");
	tupdesc = get_output_desc(fcinfo);
	wait_for_groups(&c, el_interval_ms(PG_GETARG_INTERVAL_P(1), "wait"));
	PG_RETURN_DATUM(make_output_row(tupdesc, BoolGetDatum(c.ready[0])));
}

/*
 * wait_for_any(group_names text[], wait interval, INOUT ready text[]): those
 * of the groups that have events for this session
 */
Datum
eventlog_wait_for_any(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"group_names", "wait"};
	WaitCall	c = {0};
	TupleDesc	tupdesc;
	Datum	   *datums;
	bool	   *nulls;
	int			n = 0;
	int			i;

	check_may_wait(fcinfo, "wait_for_any()");
	el_args_not_null(fcinfo, names, lengthof(names));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false,
					  TYPALIGN_INT, &datums, &nulls, &c.ngroups);
	if (c.ngroups == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"group_names\" must name at least one group")));
	c.groups = palloc_array(char *, c.ngroups);
	for (i = 0; i < c.ngroups; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("\"group_names\" must not contain nulls")));
		c.groups[i] = el_text_to_name(DatumGetTextPP(datums[i]), "group");
	}
	c.min_age_ms = -1;
	tupdesc = get_output_desc(fcinfo);
	wait_for_groups(&c, el_interval_ms(PG_GETARG_INTERVAL_P(1), "wait"));
	for (i = 0; i < c.ngroups; i++)
	{
		if (c.ready[i])
			datums[n++] = CStringGetTextDatum(c.groups[i]);
	}
	PG_RETURN_DATUM(make_output_row(tupdesc,
									PointerGetDatum(construct_array(datums, n, TEXTOID, -1, false,
																	TYPALIGN_INT))));
}
