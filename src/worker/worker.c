/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The permanent worker: housekeeping of groups, and maintenance when due.
 *
 * It is connected to no database, so it blocks no DROP DATABASE.
 *
 * IDENTIFICATION
 *	  src/worker/worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "group/slots.h"
#include "worker/housekeeping.h"
#include "worker/maintenance.h"
#include "worker/worker.h"

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
		 * again, should this have been no shutdown but a
		 * pg_terminate_backend().
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
