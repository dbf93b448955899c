/*-------------------------------------------------------------------------
 *
 * eventlog.c
 *	  The roof: settings, and every hook and callback of the library.
 *
 * NOTES
 *	  Nothing else in src registers with the server, but for what a backend
 *	  does for itself when it needs it (exit callbacks).  So what runs when, and
 *	  in which order, is to be read here, from top to bottom: at server start, when
 *	  a statement is planned and run, when a transaction ends, when catalogs
 *	  change.
 *
 *	  Each hook calls who had it before us; before or after our part, as
 *	  the comment on it says.
 *
 * IDENTIFICATION
 *	  src/eventlog.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "commands/seclabel.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/settings.h"
#include "ddl/ddl.h"
#include "ddl/dml.h"
#include "group/notes.h"
#include "group/offsets_append.h"
#include "group/offsets_held.h"
#include "group/offsets_topic.h"
#include "group/owned.h"
#include "group/shmem.h"
#include "group/subscription.h"
#include "group/xact.h"
#include "positions/internal.h"
#include "positions/positions.h"
#include "positions/table.h"
#include "produce/buffer.h"
#include "rows/rows_scan.h"
#include "storage/wal.h"
#include "table/seek_scan.h"
#include "table/write_through.h"
#include "topic/callbacks.h"
#include "topic/topic.h"
#include "wire/producers.h"
#include "wire/watch.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/* SQL functions that return events, for rows_scan.c. */
extern Datum eventlog_read_topic(PG_FUNCTION_ARGS);
extern Datum eventlog_latest(PG_FUNCTION_ARGS);
extern Datum eventlog_claim(PG_FUNCTION_ARGS);
extern Datum eventlog_consume(PG_FUNCTION_ARGS);
extern Datum eventlog_consume_bytes(PG_FUNCTION_ARGS);
extern Datum eventlog_consume_as(PG_FUNCTION_ARGS);

/*
 * Server start: shared memory.  Before us: the others.
 */
static shmem_request_hook_type prev_shmem_request = NULL;
static shmem_startup_hook_type prev_shmem_startup = NULL;

static void
shmem_request(void)
{
	if (prev_shmem_request)
		prev_shmem_request();
	RequestAddinShmemSpace(el_group_shmem_size());
	RequestAddinShmemSpace(el_positions_shmem_size());
	RequestAddinShmemSpace(el_producers_shmem_size());
}

static void
shmem_startup(void)
{
	if (prev_shmem_startup)
		prev_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	el_group_shmem_init();
	el_positions_shmem_init();
	el_producers_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Planning.  Statements are checked before anybody plans them; paths are offered
 * after the others have.
 */
static planner_hook_type prev_planner = NULL;
static set_rel_pathlist_hook_type prev_set_rel_pathlist = NULL;

static PlannedStmt *
plan_query(Query *parse, const char *query_string, int cursor_options,
		   ParamListInfo bound_params)
{
	el_dml_check_parsed(parse);
	if (prev_planner)
		return prev_planner(parse, query_string, cursor_options, bound_params);
	return standard_planner(parse, query_string, cursor_options, bound_params);
}

static void
set_rel_pathlist(PlannerInfo *root, RelOptInfo *rel, Index rti,
				 RangeTblEntry *rte)
{
	if (prev_set_rel_pathlist)
		prev_set_rel_pathlist(root, rel, rti, rte);
	el_rows_scan_pathlist(root, rel, rte);
	el_seek_scan_pathlist(root, rel, rte);
}

/*
 * Queries.  Checked before they start; forgotten before the others end them.
 */
static ExecutorStart_hook_type prev_executor_start = NULL;
static ExecutorEnd_hook_type prev_executor_end = NULL;

static void
executor_start(QueryDesc *query, int eflags)
{
	el_dml_check_plan(query);
	if (prev_executor_start)
		prev_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

static void
executor_end(QueryDesc *query)
{
	el_write_through_end(query);
	if (prev_executor_end)
		prev_executor_end(query);
	else
		standard_ExecutorEnd(query);
}

/*
 * Utility statements.  Those that end a prepared transaction or a session's
 * work are the groups' business, afterwards and without any look at a catalog,
 * for the transaction may have failed.  The groups note of others what may take
 * rights away, and do their part of DROP OWNED before and of REASSIGN OWNED after the
 * statement.  Around all others stands DDL of topics.
 */
static ProcessUtility_hook_type prev_process_utility = NULL;

static void
run_utility(const ElUtility *u)
{
	if (prev_process_utility)
		prev_process_utility(u->pstmt, u->query_string, u->read_only_tree,
							 u->context, u->params, u->query_env, u->dest, u->qc);
	else
		standard_ProcessUtility(u->pstmt, u->query_string, u->read_only_tree,
								u->context, u->params, u->query_env, u->dest, u->qc);
}

static void
process_utility(PlannedStmt *pstmt, const char *query_string,
				bool read_only_tree, ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *query_env,
				DestReceiver *dest, QueryCompletion *qc)
{
	ElUtility	u = {
		pstmt, query_string, read_only_tree, context, params, query_env, dest,
		qc, run_utility
	};

	switch (nodeTag(pstmt->utilityStmt))
	{
		case T_TransactionStmt:
		case T_DiscardStmt:
			run_utility(&u);
			if (el_preloaded)
				el_group_utility_done(pstmt->utilityStmt);
			break;
		default:
			if (el_preloaded)
				el_group_utility_begins(pstmt->utilityStmt);
			if (IsA(pstmt->utilityStmt, DropOwnedStmt))
				el_group_drop_owned((DropOwnedStmt *) pstmt->utilityStmt);
			el_ddl_utility(&u);
			if (IsA(pstmt->utilityStmt, ReassignOwnedStmt))
				el_group_reassign_owned((ReassignOwnedStmt *) pstmt->utilityStmt);
			break;
	}
}

/* What a statement does to objects on its way.  Before us: the others. */
static object_access_hook_type prev_object_access = NULL;

static void
object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id,
			  void *arg)
{
	if (prev_object_access)
		prev_object_access(access, class_id, object_id, sub_id, arg);
	el_ddl_object_access(access, class_id, object_id, sub_id);
}

/*
 * The end of transactions.  Before the commit record exists (PRE_*), a module
 * may do anything and raise; after it, nothing that can fail.  Events first, then
 * positions, committed offsets last.
 */
static void
xact_callback(XactEvent event, void *arg)
{
	el_write_through_xact(event);
	el_buffer_xact(event);
	el_positions_xact(event);
	el_group_xact(event);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		el_topic_xact_end();
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent, void *arg)
{
	el_write_through_subxact(event, mine);
	el_buffer_subxact(event, mine, parent);
	el_positions_subxact(event, mine, parent);
	el_group_subxact(event, mine, parent);
}

static void
resource_release_callback(ResourceReleasePhase phase, bool is_commit,
						  bool is_top_level, void *arg)
{
	/* also called for portals and subtransactions, hence the cheap tests */
	if (phase == RESOURCE_RELEASE_AFTER_LOCKS && is_top_level)
		el_group_after_locks(is_commit);
}

/* What topics tell those who stand above them. */
static void
append_buffered(Oid topic)
{
	el_buffer_flush(topic, NULL, NULL);
}

static const ElTopicCallbacks topic_callbacks = {
	.appended = el_note_append,
	.options_change = append_buffered,
	.topic_changed = el_note_topic,
	.uuid_given = el_note_uuid,
	.held_from = el_offsets_held,
	.compaction_due = el_offsets_ask_compaction
};

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
	DefineCustomIntVariable("eventlog.group_expiry",
							"Time after which the committed offsets of a group that nobody uses are dropped.",
							"This is for groups that nobody created; those that were created have the option expire_after. 0 is never.",
							&el_group_expiry_s,
							7 * 24 * 3600, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.max_waiters",
							"Backends that can wait for events at the same time.",
							"Higher allows more waiting consumers, lower takes less memory at start.",
							&el_max_waiters,
							1024, 8, 262143,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.producer_memory",
							"Shared memory for idempotent producers of Kafka's protocol.",
							"Higher allows more of them at a time, lower takes less memory at start.",
							&el_producer_memory_kb,
							4 * 1024, 64, MAX_KILOBYTES,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.producer_expiry",
							"Time after which the last sequence of a producer that produces nothing is dropped.",
							"A retry after that produces once more. 0 is never.",
							&el_producer_expiry_s,
							7 * 24 * 3600, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("eventlog.position_memory",
							"Shared memory for the last sequences of SQL producers.",
							"Higher lets more producers be active without reading their topic again, lower takes less memory at start.",
							&el_position_memory_kb,
							1024, 64, MAX_KILOBYTES,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("eventlog.enable_seek",
							 "Enables the planner's use of plans that seek in topics.",
							 "As enable_indexscan for tables with indexes: off is for looking at what difference it makes.",
							 &el_enable_seek,
							 true, PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	MarkGUCPrefixReserved("eventlog");
}

/* What needs the library at server start: settings, WAL, shared memory, the worker. */
static void
preload(void)
{
	define_settings();
	el_wal_register();
	prev_shmem_request = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
	el_worker_register();
	el_topic_callbacks = &topic_callbacks;
}

void
_PG_init(void)
{
	static const PGFunction returning_events[] = {
		eventlog_read_topic, eventlog_latest, eventlog_claim, eventlog_consume,
		eventlog_consume_bytes, eventlog_consume_as, NULL
	};

	/*
	 * Not preloaded is no error here: topics can still be read, so that data
	 * can be rescued, and pg_upgrade loads libraries this way.
	 */
	el_preloaded = process_shared_preload_libraries_in_progress;
	if (el_preloaded)
		preload();

	prev_planner = planner_hook;
	planner_hook = plan_query;
	prev_set_rel_pathlist = set_rel_pathlist_hook;
	set_rel_pathlist_hook = set_rel_pathlist;
	el_rows_scan_install(returning_events);
	el_seek_scan_install();

	prev_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	prev_executor_end = ExecutorEnd_hook;
	ExecutorEnd_hook = executor_end;

	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	prev_object_access = object_access_hook;
	object_access_hook = object_access;
	register_label_provider(EL_LABEL_PROVIDER, el_ddl_check_label);

	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
	RegisterResourceReleaseCallback(resource_release_callback, NULL);

	CacheRegisterRelcacheCallback(el_topic_invalidate, (Datum) 0);
	CacheRegisterRelcacheCallback(el_watch_relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AMOID, el_extension_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(RELNAMENSP, el_internal_forget, (Datum) 0);
	CacheRegisterSyscacheCallback(RELOID, el_subscriptions_recheck, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, el_subscriptions_recheck, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, el_subscriptions_recheck, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACENAME, el_internal_forget, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, el_watch_catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, el_watch_catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, el_watch_catalog_changed, (Datum) 0);
}
