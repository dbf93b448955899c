/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Sleeping until there is something to consume.
 *
 * A waiter registers in a shared table what would end its wait, then looks,
 * then sleeps on its latch.  Whoever ends a transaction that appended, or that
 * held a partition, sets the latches of those concerned, once its locks are
 * gone (local.c, finish()).  So no signal is lost; that a waiter looks again
 * every second all the same is for standbys' sake, where nobody signals.
 *
 * IDENTIFICATION
 *	  src/group/wait.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "group/group.h"

EL_FUNCTION(eventlog_wait_for_events);

/*
 * How long to sleep at most: registered, and when the table of waiters was
 * full.  A look also counts as a call of the member, so max_poll_interval is
 * another bound.
 */
#define LOOK_AGAIN_MS		1000
#define LOOK_OFTEN_MS		50

/*
 * Signalling
 */
static bool
anybody_waits(void)
{
	if (el_shared == NULL)
		return false;
	/* pairs with the barrier between a waiter's registration and its look */
	pg_memory_barrier();
	return pg_atomic_read_u32(&el_shared->nwaiters) > 0;
}

static bool
has_key(const ElWaiter *w, const Oid *leaves, int n)
{
	int			i;
	int			k;

	for (k = 0; k < w->nkeys; k++)
	{
		for (i = 0; i < n; i++)
		{
			if (w->keys[k] == leaves[i])
				return true;
		}
	}
	return false;
}

void
el_wake_leaves(const Oid *leaves, int n)
{
	int			i;

	if (!anybody_waits())
		return;
	LWLockAcquire(&el_shared->wait_lock, LW_SHARED);
	for (i = 0; i < el_shared->waiters_high; i++)
	{
		ElWaiter   *w = &el_waiters[i];

		if (w->latch != NULL && w->dbid == MyDatabaseId &&
			(w->any_topic || has_key(w, leaves, n)))
			SetLatch(w->latch);
	}
	LWLockRelease(&el_shared->wait_lock);
}

void
el_wake_group(Oid dbid, ElSlot group, bool only_want_free)
{
	int			i;

	if (!anybody_waits())
		return;
	LWLockAcquire(&el_shared->wait_lock, LW_SHARED);
	for (i = 0; i < el_shared->waiters_high; i++)
	{
		ElWaiter   *w = &el_waiters[i];

		if (w->latch != NULL && w->dbid == dbid && w->group == group &&
			(w->want_free || !only_want_free))
			SetLatch(w->latch);
	}
	LWLockRelease(&el_shared->wait_lock);
}

void
el_wake_database(void)
{
	int			i;

	if (!anybody_waits())
		return;
	LWLockAcquire(&el_shared->wait_lock, LW_SHARED);
	for (i = 0; i < el_shared->waiters_high; i++)
	{
		ElWaiter   *w = &el_waiters[i];

		if (w->latch != NULL && w->dbid == MyDatabaseId)
			SetLatch(w->latch);
	}
	LWLockRelease(&el_shared->wait_lock);
}

void
el_wake_worker(void)
{
	Latch	   *latch = el_shared->worker_latch;

	/* a latch of a process that has gone belongs to nobody, or to one that will not mind */
	if (latch != NULL)
		SetLatch(latch);
}

/*
 * Waiting
 */
void
el_wait_begin(ElWaitState *w, int64 wait_ms)
{
	w->index = -1;
	w->deadline_ms = el_monotonic_ms() + wait_ms;
	w->max_poll_ms = PG_INT64_MAX;
}

void
el_wait_register(ElWaitState *w, const ElAssignment *a)
{
	ElWaiter   *e;
	int			i;

	LWLockAcquire(&el_shared->wait_lock, LW_EXCLUSIVE);
	if (w->index < 0)
	{
		for (i = 0; i < el_shared->max_waiters; i++)
		{
			if (el_waiters[i].latch == NULL)
				break;
		}
		if (i < el_shared->max_waiters)
		{
			w->index = i;
			el_waiters[i].want_free = false;
			el_shared->waiters_high = Max(el_shared->waiters_high, i + 1);
			pg_atomic_fetch_add_u32(&el_shared->nwaiters, 1);
		}
	}
	if (w->index >= 0)
	{
		e = &el_waiters[w->index];
		e->latch = MyLatch;
		e->dbid = MyDatabaseId;
		e->group = a->group;
		e->any_topic = a->n > EL_WAITER_KEYS;
		e->nkeys = e->any_topic ? 0 : a->n;
		for (i = 0; i < e->nkeys; i++)
			e->keys[i] = a->parts[i].want->topic->leaves[a->parts[i].partition];
	}
	LWLockRelease(&el_shared->wait_lock);
	pg_memory_barrier();
}

/* A partition with events is in somebody else's hands: its release concerns us too. */
void
el_wait_want_free(ElWaitState *w)
{
	if (w->index < 0)
		return;
	LWLockAcquire(&el_shared->wait_lock, LW_EXCLUSIVE);
	if (!el_waiters[w->index].want_free)
	{
		el_waiters[w->index].want_free = true;
		SetLatch(MyLatch);		/* it may be free by now: look once more */
	}
	LWLockRelease(&el_shared->wait_lock);
}

bool
el_wait_sleep(ElWaitState *w, int64 due_ms)
{
	int64		left = w->deadline_ms - el_monotonic_ms();
	long		timeout = w->index >= 0 ? LOOK_AGAIN_MS : LOOK_OFTEN_MS;

	if (left <= 0)
		return false;
	timeout = Min(timeout, Min(left, w->max_poll_ms / 2));
	if (due_ms > 0)
	{
		int64		due_in = due_ms - el_now_ms();

		timeout = Max(Min(timeout, due_in), 1);
	}

	CHECK_FOR_INTERRUPTS();
	if (MyProcPort != NULL && FeBeWaitSet != NULL &&
		WaitEventSetCanReportClosed())
	{
		WaitEvent	events[FeBeWaitSetNEvents];
		int			n;
		int			i;

		/* a client that went away must not keep its partitions */
		ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED,
						NULL);
		n = WaitEventSetWait(FeBeWaitSet, timeout, events, lengthof(events),
							 el_wait_event_info());
		for (i = 0; i < n; i++)
		{
			if (events[i].events & WL_POSTMASTER_DEATH)
				proc_exit(1);
			if (events[i].events & WL_SOCKET_CLOSED)
			{
				ClientConnectionLost = true;
				InterruptPending = true;
			}
		}
	}
	else
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 timeout, el_wait_event_info());
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return true;
}

void
el_wait_end(ElWaitState *w)
{
	if (w->index < 0)
		return;
	LWLockAcquire(&el_shared->wait_lock, LW_EXCLUSIVE);
	el_waiters[w->index].latch = NULL;
	pg_atomic_fetch_sub_u32(&el_shared->nwaiters, 1);
	while (el_shared->waiters_high > 0 &&
		   el_waiters[el_shared->waiters_high - 1].latch == NULL)
		el_shared->waiters_high--;
	LWLockRelease(&el_shared->wait_lock);
	w->index = -1;
}

void
el_wait_cleanup(int code, Datum arg)
{
	/* an error may have come while a lock was held */
	if (LWLockHeldByMe(&el_shared->wait_lock))
		LWLockRelease(&el_shared->wait_lock);
	el_wait_end((ElWaitState *) DatumGetPointer(arg));
}

/*
 * wait_for_events(group_name text, wait interval, member text, min_age
 * interval, INOUT ready boolean)
 *
 * Each look is a transaction of its own, so that nothing at all is held
 * between two of them: no snapshot, no lock.
 */
static bool
look(ElDelivery *d, const char *group, const char *member, ElWaitState *w)
{
	ElGroupConf conf;
	ElAssignment a;
	List	   *wants;
	bool		ready;

	PushActiveSnapshot(GetTransactionSnapshot());
	el_group_conf(group, &conf);
	el_group_check_use(&conf);
	w->max_poll_ms = conf.max_poll_ms;
	d->conf = &conf;
	d->claim = member == NULL && el_group_used_by_claims(group);
	if (d->claim)
	{
		wants = el_claimed_topics(group);
		el_claim_call(&conf, wants, &a);
	}
	else
	{
		wants = el_member_topics(&conf, member);
		el_member_call(&conf, member, wants, false, true, &a);
	}
	el_wait_register(w, &a);

	/* what a snapshot taken from here on does not see will wake us */
	PopActiveSnapshot();
	PushActiveSnapshot(GetLatestSnapshot());
	d->snapshot = GetActiveSnapshot();
	ready = el_deliver_peek(d, &a);
	PopActiveSnapshot();
	if (!ready && d->busy)
		el_wait_want_free(w);
	return ready;
}

/* The arguments of a wait. */
typedef struct WaitCall
{
	char	   *group;
	char	   *member;			/* NULL: the session, or claims */
	ElDelivery	delivery;
	ElWaitState wait;
} WaitCall;

static bool
wait_loop(WaitCall *c)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "eventlog wait",
											  ALLOCSET_DEFAULT_SIZES);
	bool		ready;

	do
	{
		MemoryContext old = MemoryContextSwitchTo(cxt);

		ready = look(&c->delivery, c->group, c->member, &c->wait);
		MemoryContextSwitchTo(old);
		MemoryContextReset(cxt);
		SPI_commit();
	} while (!ready && el_wait_sleep(&c->wait, c->delivery.due_ms));
	MemoryContextDelete(cxt);
	return ready;
}

Datum
eventlog_wait_for_events(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	WaitCall	c;
	int64		wait_ms;
	TupleDesc	tupdesc;
	Datum		values[1];
	bool		nulls[1] = {false};

	el_require_preload();
	el_require_primary("wait_for_events()");
	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("wait_for_events() cannot run inside a transaction block or function"),
				 errhint("There, use consume(wait => ...).")));
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("wait_for_events() cannot run in a transaction that has written"),
				 errhint("COMMIT first.")));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null",
						PG_ARGISNULL(0) ? "group_name" : "wait")));
	memset(&c, 0, sizeof(c));
	c.group = el_text_to_name(PG_GETARG_TEXT_PP(0), "group");
	wait_ms = el_interval_ms(PG_GETARG_INTERVAL_P(1), "wait");
	if (!PG_ARGISNULL(2))
		c.member = el_text_to_member(PG_GETARG_TEXT_PP(2));
	c.delivery.min_age_ms = PG_ARGISNULL(3) ? -1 :
		el_interval_ms(PG_GETARG_INTERVAL_P(3), "min_age");
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tupdesc = BlessTupleDesc(tupdesc);

	el_session_init();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	el_wait_begin(&c.wait, wait_ms);
	PG_ENSURE_ERROR_CLEANUP(el_wait_cleanup, PointerGetDatum(&c.wait));
	{
		values[0] = BoolGetDatum(wait_loop(&c));
	}
	PG_END_ENSURE_ERROR_CLEANUP(el_wait_cleanup, PointerGetDatum(&c.wait));
	el_wait_end(&c.wait);
	SPI_finish();

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}
