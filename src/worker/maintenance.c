/*-------------------------------------------------------------------------
 *
 * maintenance.c
 *	  Short-lived workers that keep the databases in order.
 *
 * The permanent worker lists the databases when a round is due and visits one
 * after another, each by a worker of its own that ends after seconds: a
 * session that stays would keep its database from being dropped.
 *
 * IDENTIFICATION
 *	  src/worker/maintenance.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/settings.h"
#include "group/coordinator.h"
#include "group/slots.h"
#include "worker/maintenance.h"
#include "worker/topics.h"

/* The first round comes sooner, by this factor: nobody knows what was left undone before the start. */
#define FIRST_ROUND_SOONER	30
/* A database that asks for it is visited between rounds; if that was in vain, not more often than this. */
#define URGENT_INTERVAL_MS	5000
/* A slot for a worker may be free again by then. */
#define RETRY_MS			1000

/* Databases still to be visited in this round; TopMemoryContext. */
static List *queue = NIL;
static int64 next_round_ms = -1;
static int64 next_urgent_ms = 0;
static BackgroundWorkerHandle *running = NULL;

/*
 * The databases: those to be visited, and all.
 */
static void
list_databases(List **visit, List **all)
{
	MemoryContext cxt = CurrentMemoryContext;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old = MemoryContextSwitchTo(cxt);

		*all = lappend_oid(*all, form->oid);
		if (form->datallowconn && !form->datistemplate)
			*visit = lappend_oid(*visit, form->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(cxt);
}

/* Databases the shared state knows of. */
static List *
known_databases(void)
{
	List	   *result = NIL;
	ElSlotNo	s;

	el_group_lock(LW_SHARED);
	for (s = el_shared->first_db; s != EL_NO_SLOT; s = EL_DB(s)->next_db)
		result = lappend_oid(result, EL_DB(s)->dbid);
	el_group_unlock();
	return result;
}

static void
begin_round(void)
{
	/* known first: what is created meanwhile is not taken for dropped */
	List	   *known = known_databases();
	List	   *visit = NIL;
	List	   *all = NIL;
	ListCell   *lc;
	MemoryContext old;

	list_databases(&visit, &all);
	foreach(lc, known)
	{
		if (!list_member_oid(all, lfirst_oid(lc)))
		{
			el_group_lock(LW_EXCLUSIVE);
			el_db_drop(lfirst_oid(lc));
			el_group_unlock();
		}
	}

	old = MemoryContextSwitchTo(TopMemoryContext);
	list_free(queue);
	queue = list_copy(visit);
	MemoryContextSwitchTo(old);
}

/* The database whose round was longer than one worker's time is next. */
static void
resume_round(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Oid			dbid;

	el_group_lock(LW_SHARED);
	dbid = el_shared->unfinished_db;
	el_group_unlock();
	if (OidIsValid(dbid) && !list_member_oid(queue, dbid))
		queue = lcons_oid(dbid, queue);
	MemoryContextSwitchTo(old);
}

/*
 * A database whose offsets topic has grown, InvalidOid if there is none.  Where
 * something stood in the way the last time, it is not its turn before
 * next_urgent_ms; *later tells if there is such a one.
 */
static Oid
urgent_database(int64 now, bool *later)
{
	Oid			result = InvalidOid;
	ElSlotNo	s;

	*later = false;
	el_group_lock(LW_EXCLUSIVE);
	for (s = el_shared->first_db; s != EL_NO_SLOT && !OidIsValid(result);
		 s = EL_DB(s)->next_db)
	{
		ElDb	   *db = EL_DB(s);

		if (!db->compact_due)
			continue;
		if (db->compact_waits && now < next_urgent_ms)
			*later = true;
		else
		{
			db->compact_due = false;
			result = db->dbid;
		}
	}
	el_group_unlock();
	return result;
}

/* round: it looks after all topics, not only that of committed offsets. */
static bool
start_worker(Oid dbid, bool round)
{
	BackgroundWorker worker;
	MemoryContext old;
	bool		started;

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "eventlog maintenance", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "eventlog maintenance", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "eventlog", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "el_maintenance_main", BGW_MAXLEN);
	worker.bgw_main_arg = ObjectIdGetDatum(dbid);
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_extra[0] = round;

	old = MemoryContextSwitchTo(TopMemoryContext);
	started = RegisterDynamicBackgroundWorker(&worker, &running);
	MemoryContextSwitchTo(old);
	return started;
}

int64
el_maintenance_tick(void)
{
	int64		now = el_monotonic_ms();
	Oid			dbid;
	bool		later;
	bool		round = false;
	pid_t		pid;

	if (next_round_ms < 0)
		next_round_ms = now + (int64) el_retention_check_interval_s * 1000 / FIRST_ROUND_SOONER;

	if (running != NULL)
	{
		BgwHandleStatus status = GetBackgroundWorkerPid(running, &pid);

		if (status == BGWH_STARTED || status == BGWH_NOT_YET_STARTED)
			return RETRY_MS;	/* its end wakes us */
		pfree(running);
		running = NULL;
		resume_round();
	}

	/* a shorter interval takes effect at once */
	next_round_ms = Min(next_round_ms,
						now + (int64) el_retention_check_interval_s * 1000);
	if (queue == NIL && now >= next_round_ms)
	{
		begin_round();
		next_round_ms = now + (int64) el_retention_check_interval_s * 1000;
	}
	dbid = urgent_database(now, &later);
	if (OidIsValid(dbid))
		next_urgent_ms = now + URGENT_INTERVAL_MS;
	if (!OidIsValid(dbid) && queue != NIL)
	{
		dbid = linitial_oid(queue);
		queue = list_delete_first(queue);
		round = true;
	}
	if (OidIsValid(dbid))
	{
		/* all slots for workers taken: this round has to do without, or wait */
		if (!start_worker(dbid, round))
		{
			MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

			running = NULL;
			queue = lcons_oid(dbid, queue);
			MemoryContextSwitchTo(old);
		}
		return RETRY_MS;
	}
	return Max((later ? Min(next_round_ms, next_urgent_ms) : next_round_ms) - now, 1);
}

/*
 * The maintenance worker
 */
void
el_maintenance_main(Datum arg)
{
	bool		installed;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid,
											  0);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	installed = OidIsValid(get_extension_oid("eventlog", true));
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (!installed)
		return;

	pgstat_report_activity(STATE_RUNNING, "eventlog maintenance");
	el_compact_offsets();
	if (MyBgworkerEntry->bgw_extra[0])
		el_maintain_topics();
	pgstat_report_activity(STATE_IDLE, NULL);
}
