/*-------------------------------------------------------------------------
 *
 * eventlog.c
 *	  Loading the library: settings, hooks, shared memory, workers.
 *
 * NOTES
 *	  All modules share one transaction callback, one subtransaction
 *	  callback and one resource-release callback, registered here, so that their
 *	  order is written in one place.
 *
 * IDENTIFICATION
 *	  src/eventlog.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_extension.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#include "eventlog.h"
#include "rows/rows.h"
#include "topic/topic.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

bool		el_preloaded = false;

/*
 * Memory that one transaction's unsent events may take before full batches go
 * to a temporary file.  Higher: fewer temporary files for bulk loads.  Lower:
 * less memory per backend.
 */
int			el_producer_buffer_kb = 64 * 1024;

/*
 * Terminate a backend whose transaction has held a partition of a group for
 * longer than max_poll_interval.  On: a stuck consumer cannot hold up its
 * partitions for ever.  Off: its work is never cut short, its partitions wait.
 */
bool		el_terminate_stuck_consumers = true;

/*
 * Seconds between two maintenance runs in a database.  Lower: space is
 * given back sooner.  Higher: fewer short-lived workers.
 */
int			el_retention_check_interval_s = 300;

/*
 * Shared memory for consumer groups: members, assignments and committed
 * offsets in use.  Higher: more and larger groups.  Lower: less memory taken at start.
 */
int			el_group_memory_kb = 16 * 1024;

/*
 * Backends that can wait for events at the same time.  Each place takes some
 * hundred bytes of shared memory.
 */
int			el_max_waiters = 1024;

/*
 * Let the planner seek in partitions (seek_scan.c).  Off: each SELECT from a
 * topic reads all of it, to compare.
 */
bool		el_enable_seek = true;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static Oid	am_oid_cache = InvalidOid;
static bool am_oid_valid = false;
static bool catalog_known = false;

void
el_require_preload(void)
{
	if (!el_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_EL_NOT_PRELOADED),
				 errmsg("eventlog must be loaded at server start"),
				 errhint("Add it to shared_preload_libraries, best as the first entry, and restart the server.")));
}

static void
am_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	am_oid_valid = false;
	catalog_known = false;
}

/* Negative answers are cached too: DDL in a database without the extension asks often. */
Oid
el_am_oid(void)
{
	if (!am_oid_valid)
	{
		if (!IsTransactionState())
			return InvalidOid;
		am_oid_cache = get_table_am_oid(EL_AM_NAME, true);
		am_oid_valid = true;
	}
	return am_oid_cache;
}

/* The extension's schema and version; error if it is not here. */
static Oid
look_up_extension(char **version)
{
	Oid			extension = get_extension_oid("eventlog", false);
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			schema = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
		*version = TextDatumGetCString(heap_getattr(tuple, Anum_pg_extension_extversion,
													RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return schema;
}

Oid
el_extension_schema(void)
{
	char	   *version;

	return look_up_extension(&version);
}

void
el_check_catalog_version(void)
{
	char	   *version = NULL;

	if (catalog_known)
		return;
	(void) look_up_extension(&version);
	if (version == NULL || strtol(version, NULL, 10) != EL_CATALOG_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("extension \"eventlog\" has version %s, this library knows versions %d.x",
						version ? version : "null", EL_CATALOG_VERSION),
				 errhint("Install the library of that version, or run ALTER EXTENSION eventlog UPDATE.")));
	catalog_known = true;
}

void
el_not_supported(const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s is not supported on topics", what),
			 hint ? errhint("%s", hint) : 0));
}

EL_FUNCTION(eventlog_require_preload);
Datum
eventlog_require_preload(PG_FUNCTION_ARGS)
{
	el_require_preload();
	PG_RETURN_VOID();
}

/*
 * Before the commit record exists (PRE_*), a module may do anything and
 * raise; after it, nothing that can fail.  Events first, committed offsets
 * last.
 */
static void
xact_callback(XactEvent event, void *arg)
{
	el_buffer_xact(event);
	el_group_xact(event);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		el_topic_xact_end();
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent, void *arg)
{
	el_buffer_subxact(event, mine, parent);
	el_group_subxact(event, mine, parent);
}

static void
resource_release_callback(ResourceReleasePhase phase, bool isCommit,
						  bool isTopLevel, void *arg)
{
	/* also called for portals and subtransactions, hence the cheap tests */
	if (phase == RESOURCE_RELEASE_AFTER_LOCKS && isTopLevel)
		el_group_after_locks(isCommit);
}

/* Does an error say nothing of what was looked at, but of the moment: interrupts, locks, memory? */
static bool
is_of_the_moment(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_OPERATOR_INTERVENTION ||
		category == ERRCODE_TRANSACTION_ROLLBACK ||
		category == ERRCODE_INSUFFICIENT_RESOURCES ||
		sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

ErrorData *
el_attempt(void (*step) (void *), void *arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile problem = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		step(arg);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(mcxt);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(mcxt);
		problem = CopyErrorData();
		if (is_of_the_moment(problem->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(mcxt);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();
	return problem;
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(el_group_shmem_size());
}

static void
shmem_startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	el_group_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

static void
define_settings(void)
{
	DefineCustomIntVariable("eventlog.producer_buffer",
							"Memory for a transaction's events that are not appended yet.",
							"Beyond it full batches go to a temporary file: higher means fewer temporary files, lower less memory per backend.",
							&el_producer_buffer_kb,
							64 * 1024, 64, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("eventlog.terminate_stuck_consumers",
							 "Terminate backends that hold a partition longer than max_poll_interval.",
							 "On keeps a stuck consumer from holding up its partitions; off never cuts work short.",
							 &el_terminate_stuck_consumers,
							 true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.retention_check_interval",
							"Time between two maintenance runs in a database.",
							"Lower gives space back sooner, higher starts fewer short-lived workers.",
							&el_retention_check_interval_s,
							300, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.group_memory",
							"Shared memory for consumer groups.",
							"Higher allows more groups, members and partitions in use, lower takes less memory at start.",
							&el_group_memory_kb,
							16 * 1024, 256, MAX_KILOBYTES,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.max_waiters",
							"Backends that can wait for events at the same time.",
							"Higher allows more waiting consumers, lower takes less memory at start.",
							&el_max_waiters,
							1024, 8, 262143,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("eventlog.enable_seek",
							 "Enables the planner's use of plans that seek in topics.",
							 "As enable_indexscan for tables with indexes: off is for looking at what difference it makes.",
							 &el_enable_seek,
							 true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	MarkGUCPrefixReserved("eventlog");
}

void
_PG_init(void)
{
	/* the functions that return events */
	static const PGFunction putting[] = {
		eventlog_read_topic, eventlog_latest, eventlog_claim, eventlog_consume,
		eventlog_consume_bytes, eventlog_consume_as, NULL
	};

	/*
	 * Not preloaded is no error here: topics can still be read, so that data
	 * can be rescued, and pg_upgrade loads libraries this way.
	 */
	el_preloaded = process_shared_preload_libraries_in_progress;

	if (el_preloaded)
	{
		define_settings();
		el_wal_register();
		prev_shmem_request_hook = shmem_request_hook;
		shmem_request_hook = shmem_request;
		prev_shmem_startup_hook = shmem_startup_hook;
		shmem_startup_hook = shmem_startup;
		el_worker_register();
	}
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
	RegisterResourceReleaseCallback(resource_release_callback, NULL);
	CacheRegisterSyscacheCallback(AMOID, am_changed, (Datum) 0);
	el_ddl_init();
	el_rows_scan_install(putting);
	el_seek_scan_init();
}
