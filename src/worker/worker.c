/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The permanent worker: members' deadlines, and maintenance when due.
 *
 * It is connected to no database, so it blocks no DROP DATABASE, and works in
 * shared memory alone.  Calls of members drive the same steps, so nothing but
 * the expiry of the silent depends on it.
 *
 * IDENTIFICATION
 *	  src/worker/worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/settings.h"
#include "group/group.h"
#include "worker/worker.h"

/* Groups that nobody has used for so long are given back. */
#define SWEEP_IDLE_MS		60000
/* Upper bound of a sleep: shared state is looked over at least this often. */
#define MAX_SLEEP_MS		30000

void
el_worker_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "eventlog coordinator", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "eventlog coordinator", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, "eventlog", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "el_worker_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/*
 * A transaction has held a partition for longer than max_poll_interval: end
 * its session, or the partition waits for ever.
 */
static void
terminate_stuck(int pid, const char *group, const char *member)
{
	if (!el_terminate_stuck_consumers || BackendPidGetProc(pid) == NULL)
		return;
	ereport(LOG,
			(member[0] != '\0' ?
			 errmsg("terminating process %d: member \"%s\" of group \"%s\" has held partitions longer than max_poll_interval",
					pid, member, group) :
			 errmsg("terminating process %d: it has held a partition in group \"%s\" longer than max_poll_interval",
					pid, group),
			 errhint("The setting eventlog.terminate_stuck_consumers controls this.")));
	(void) kill(pid, SIGTERM);
}

/* Backends to be terminated, collected while the lock is held. */
#define MAX_STUCK 32
typedef struct Stuck
{
	int			pid;
	char		member[EL_NAME_SIZE];	/* empty: it holds the partition as no member */
} Stuck;

/* How long a member may stay silent from now on. */
static int64
time_left(const ElGroup *g, const ElMember *m, int64 now)
{
	int64		left = m->last_call_ms + g->max_poll_ms - now;

	if (!m->heartbeats)
		return left;
	/* while its transaction works it counts as alive; look again some time after */
	if (m->xact_pid != 0)
		return left > 0 ? Min(left, g->session_timeout_ms) : left;
	return Min(left, m->last_heard_ms + g->session_timeout_ms - now);
}

static bool
is_listed(const Stuck *stuck, int nstuck, int pid)
{
	int			i;

	for (i = 0; i < nstuck && stuck[i].pid != pid; i++)
		;
	return i < nstuck;
}

/*
 * Partitions held by who is no member that could be put out: a claim, a
 * member that already was, or an earlier incarnation.
 */
static int64
find_stuck_holders(const ElGroup *g, int64 now, Stuck *stuck, int *nstuck)
{
	int64		next = MAX_SLEEP_MS;
	ElSlot		ts;
	ElSlot		s;

	if (g->held == 0)
		return next;
	for (ts = g->first_topic; ts != EL_NO_SLOT; ts = EL_TOPIC(ts)->next_topic)
	{
		for (s = EL_TOPIC(ts)->first_part; s != EL_NO_SLOT;
			 s = EL_PART(s)->next_part)
		{
			ElPart	   *p = EL_PART(s);
			int64		left;

			if (p->holder == 0 || p->held_since_ms == PG_INT64_MAX ||
				(p->owner != EL_NO_SLOT &&
				 EL_MEMBER(p->owner)->xact_pid == p->holder))
				continue;
			left = p->held_since_ms + g->max_poll_ms - now;
			next = Min(next, Max(left, 0));
			if (left > 0 || *nstuck >= MAX_STUCK)
				continue;
			p->held_since_ms = PG_INT64_MAX;	/* once is enough */
			if (is_listed(stuck, *nstuck, p->holder))
				continue;
			stuck[*nstuck].pid = p->holder;
			stuck[(*nstuck)++].member[0] = '\0';
		}
	}
	return next;
}

static int64
keep_group(ElSlot group)
{
	ElGroup    *g = EL_GROUP(group);
	int64		now = el_monotonic_ms();
	int64		next = MAX_SLEEP_MS;
	char		name[EL_NAME_SIZE];
	Stuck		stuck[MAX_STUCK];
	int			nstuck = 0;
	bool		moved = false;
	Oid			dbid;
	ElSlot		s;
	int			i;

	el_group_lock(LW_EXCLUSIVE);
	if (g->head.kind != EL_SLOT_GROUP)
	{
		el_group_unlock();
		return next;
	}
	strlcpy(name, g->name, EL_NAME_SIZE);
	dbid = g->dbid;

	s = g->first_member;
	while (s != EL_NO_SLOT)
	{
		ElMember   *m = EL_MEMBER(s);
		ElSlot		following = m->next_member;
		int64		left = time_left(g, m, now);

		next = Min(next, Max(left, 0));
		if (left <= 0 && nstuck < MAX_STUCK)
		{
			if (m->xact_pid != 0)
			{
				stuck[nstuck].pid = m->xact_pid;
				strlcpy(stuck[nstuck++].member, m->name, EL_NAME_SIZE);
			}
			el_member_leave(s);
			moved = true;
		}
		s = following;
	}
	next = Min(next, find_stuck_holders(g, now, stuck, &nstuck));

	if (g->nmembers > 0)
		moved |= el_group_steps(group, EL_NO_SLOT);
	else if (!moved)
		(void) el_group_sweep(group, SWEEP_IDLE_MS);
	el_group_unlock();

	for (i = 0; i < nstuck; i++)
		terminate_stuck(stuck[i].pid, name, stuck[i].member);
	if (moved)
		el_wake_group(dbid, group, false);
	return next;
}

int64
el_housekeeping(void)
{
	int64		next = MAX_SLEEP_MS;
	static int64 last_fold = 0;
	int64		now = el_monotonic_ms();
	ElSlot	   *groups;
	ElSlot		s;
	int			n = 0;
	int			i;

	/* one group at a time: nobody waits for more than that */
	el_group_lock(LW_SHARED);
	for (s = el_shared->first_group; s != EL_NO_SLOT; s = EL_GROUP(s)->next_group)
		n++;
	groups = palloc_array(ElSlot, n + 1);
	n = 0;
	for (s = el_shared->first_group; s != EL_NO_SLOT; s = EL_GROUP(s)->next_group)
		groups[n++] = s;
	el_group_unlock();

	for (i = 0; i < n; i++)
		next = Min(next, keep_group(groups[i]));
	pfree(groups);

	if (now - last_fold > 10 * 60 * 1000)
	{
		el_offsets_fold_all();
		last_fold = now;
	}
	return next;
}

static void
forget_latch(int code, Datum arg)
{
	el_shared->worker_latch = NULL;
}

void
el_worker_main(Datum arg)
{
	MemoryContext cxt;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(forget_latch, (Datum) 0);
	el_shared->worker_latch = MyLatch;
	cxt = AllocSetContextCreate(TopMemoryContext, "eventlog coordinator",
								ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(cxt);

	for (;;)
	{
		int64		sleep_ms;

		/*
		 * Always with code 1: after code 0 the postmaster would not start it
		 * again, should this have been no shutdown but a pg_terminate_backend().
		 */
		if (ShutdownRequestPending)
			proc_exit(1);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		sleep_ms = el_housekeeping();
		sleep_ms = Min(sleep_ms, el_maintenance_tick());
		MemoryContextSwitchTo(cxt);
		MemoryContextReset(cxt);

		/* a little rest in any case: many joins in a row are one change */
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Max(sleep_ms, 1), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
