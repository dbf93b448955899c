/*-------------------------------------------------------------------------
 *
 * tableam.c
 *	  The table access method's callbacks.
 *
 * Every callback is implemented, or refuses with 0A000 and says what to do
 * instead.
 *
 * IDENTIFICATION
 *	  src/table/tableam.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/multixact.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/storage.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "storage/smgr.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/extension.h"
#include "produce/buffer.h"
#include "storage/log.h"
#include "storage/page.h"
#include "storage/reader.h"
#include "storage/rewrite.h"
#include "storage/search.h"
#include "storage/settle.h"
#include "storage/visibility.h"
#include "table/insert.h"
#include "table/scan.h"
#include "table/slot.h"
#include "table/tid.h"
#include "topic/log_floor.h"
#include "topic/topic.h"

#define HINT_APPEND_ONLY \
	"A log only grows. Produce a newer event for the key, or use delete_events_before()."

static const TupleTableSlotOps *
slot_callbacks(Relation rel)
{
	return &ElTupleSlotOps;
}

/*
 * Rows once written never change
 */

static void
no_speculative_insert(Relation rel, TupleTableSlot *slot, CommandId cid,
					  int options, struct BulkInsertStateData *bistate,
					  uint32 token)
{
	el_not_supported("INSERT ... ON CONFLICT", "Insert without ON CONFLICT.");
}

static void
no_speculative_complete(Relation rel, TupleTableSlot *slot, uint32 token,
						bool succeeded)
{
	el_not_supported("INSERT ... ON CONFLICT", "Insert without ON CONFLICT.");
}

static TM_Result
no_delete(Relation rel, ItemPointer tid, CommandId cid, Snapshot snapshot,
		  Snapshot crosscheck, bool wait, TM_FailureData *tmfd,
		  bool changingPart)
{
	el_not_supported("DELETE", HINT_APPEND_ONLY);
}

static TM_Result
no_update(Relation rel, ItemPointer otid, TupleTableSlot *slot, CommandId cid,
		  Snapshot snapshot, Snapshot crosscheck, bool wait,
		  TM_FailureData *tmfd, LockTupleMode *lockmode,
		  el_update_indexes *update_indexes)
{
	el_not_supported("UPDATE", HINT_APPEND_ONLY);
}

static TM_Result
no_lock(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
		CommandId cid, LockTupleMode mode, LockWaitPolicy wait_policy,
		uint8 flags, TM_FailureData *tmfd)
{
	el_not_supported("SELECT ... FOR UPDATE/SHARE",
					 "Events never change and need no locks; consume() and claim() share out work.");
}

/*
 * No indexes
 */

#define HINT_NO_INDEX \
	"Offsets and times are found without an index; keep a table of your own for other look-ups."

static IndexFetchTableData *
no_index_fetch_begin(Relation rel)
{
	el_not_supported("an index", HINT_NO_INDEX);
}

static void
no_index_fetch_reset(IndexFetchTableData *data)
{
}

static bool
no_index_fetch_tuple(struct IndexFetchTableData *scan, ItemPointer tid,
					 Snapshot snapshot, TupleTableSlot *slot, bool *call_again,
					 bool *all_dead)
{
	el_not_supported("an index", HINT_NO_INDEX);
}

static TransactionId
no_index_delete_tuples(Relation rel, TM_IndexDeleteOp *delstate)
{
	el_not_supported("an index", HINT_NO_INDEX);
}

static double
no_index_build(Relation table, Relation index, IndexInfo *info,
			   bool allow_sync, bool anyvisible, bool progress,
			   BlockNumber start_blockno, BlockNumber numblocks,
			   IndexBuildCallback callback, void *callback_state,
			   TableScanDesc scan)
{
	el_not_supported("an index", HINT_NO_INDEX);
}

static void
no_index_validate(Relation table, Relation index, IndexInfo *info,
				  Snapshot snapshot, ValidateIndexState *state)
{
	el_not_supported("an index", HINT_NO_INDEX);
}

/*
 * Row identity
 */

static bool
tuple_tid_valid(TableScanDesc scan, ItemPointer tid)
{
	return el_tid_valid(tid);
}

static void
tuple_get_latest_tid(TableScanDesc scan, ItemPointer tid)
{
	/* there are no newer versions */
}

static bool
tuple_satisfies_snapshot(Relation rel, TupleTableSlot *slot, Snapshot snapshot)
{
	int64		offset = el_tid_to_offset(&slot->tts_tid);
	ElReader   *r = el_reader_begin(rel, snapshot,
									IsMVCCSnapshot(snapshot) ? EL_READ_MVCC : EL_READ_ALL);
	bool		found;

	found = el_reader_seek(r, offset) == EL_SEEK_OK &&
		el_reader_next_batch(r) && r->header.base_offset <= offset &&
		(r->mode == EL_READ_MVCC || r->state == EL_BATCH_VISIBLE ||
		 r->state == EL_BATCH_OWN);
	el_reader_end(r);
	return found;
}

/*
 * Files
 */

/*
 * A new file: CREATE TABLE, or TRUNCATE of a table that may have a log.  The file stays
 * empty, so that TRUNCATE needs no space: the first append to it goes on at the log end
 * that is recorded here.
 */
static void
relation_set_new_filelocator(Relation rel, const RelFileLocator *newlocator,
							 char persistence, TransactionId *freezeXid,
							 MultiXactId *minmulti)
{
	SMgrRelation srel;

	Assert(rel->rd_createSubid != InvalidSubTransactionId ||
		   CheckRelationLockedByMe(rel, AccessExclusiveLock, true));
	if (persistence != RELPERSISTENCE_PERMANENT)
		el_not_supported("an unlogged or temporary table",
						 "Topics are as durable as the server; set synchronous_commit for speed.");
	if (!IsBinaryUpgrade)
		el_require_preload();

	/* xacts older than this cannot append here */
	*freezeXid = RecentXmin;
	/* there are none in a log, but monitors look at the age */
	*minmulti = GetOldestMultiXactId();

	srel = RelationCreateStorage(*newlocator, persistence, true);
	smgrclose(srel);

	if (el_locator_number(el_rel_locator(rel)) != el_locator_number(*newlocator))
	{
		el_keep_log_floor(rel);
		el_buffer_forget(RelationGetRelid(rel));
	}
}

/*
 * TRUNCATE of a table made or truncated in this subtransaction already: its
 * file is emptied, but not forgotten where its offsets go on.
 */
static void
relation_nontransactional_truncate(Relation rel)
{
	Assert(CheckRelationLockedByMe(rel, AccessExclusiveLock, true));
	el_require_preload();
	el_keep_log_floor(rel);
	el_buffer_forget(RelationGetRelid(rel));
	RelationTruncate(rel, 0);
	el_log_forget(rel);
}

/*
 * SET TABLESPACE: a copy block by block is a right copy of a log.  What is
 * buffered goes into the old file: the new one may be taken back alone.
 */
static void
relation_copy_data(Relation rel, const RelFileLocator *newlocator)
{
	SMgrRelation dst;

	el_buffer_flush(RelationGetRelid(rel), NULL, NULL);
	dst = smgropen(*newlocator, rel->rd_backend);
	FlushRelationBuffers(rel);
	RelationCreateStorage(*newlocator, rel->rd_rel->relpersistence, true);
	RelationCopyStorage(RelationGetSmgr(rel), dst, MAIN_FORKNUM,
						rel->rd_rel->relpersistence);
	RelationDropStorage(rel);
	smgrclose(dst);
}

/* VACUUM FULL, CLUSTER: the new file has the live segments only. */
static void
relation_copy_for_cluster(Relation OldTable, Relation NewTable,
						  Relation OldIndex, bool use_sort,
						  TransactionId OldestXmin, TransactionId *xid_cutoff,
						  MultiXactId *multi_cutoff, double *num_tuples,
						  double *tups_vacuumed, double *tups_recently_dead)
{
	ElLogInfo	info;

	el_log_rewrite(OldTable, NewTable);

	/* nothing was settled: the xids on the pages stay as old as they were */
	*xid_cutoff = OldTable->rd_rel->relfrozenxid;
	*multi_cutoff = OldTable->rd_rel->relminmxid;
	el_log_info(OldTable, &info);
	*num_tuples = el_log_events(&info);
	*tups_vacuumed = 0;
	*tups_recently_dead = 0;
}

/*
 * There are no dead rows.  What is settled is which transactions wrote what, so
 * that their xids need not be known any more.
 */
static void
relation_vacuum(Relation rel, struct VacuumParams *params,
				BufferAccessStrategy bstrategy)
{
	TransactionId oldest_xmin = GetOldestNonRemovableTransactionId(rel);
	TransactionId frozen = InvalidTransactionId;
	ElLogInfo	info;
	TimestampTz start = GetCurrentTimestamp();

	Assert(CheckRelationLockedByMe(rel, ShareUpdateExclusiveLock, true));
	/* without the resource manager nothing can be settled; say so once, go on */
	if (!el_preloaded)
	{
		ereport(WARNING,
				(errcode(ERRCODE_EL_NOT_PRELOADED),
				 errmsg("skipping vacuum of topic partition \"%s\": eventlog is not in shared_preload_libraries",
						RelationGetRelationName(rel))));
		return;
	}
	frozen = el_log_settle(rel, oldest_xmin, true);
	el_log_info(rel, &info);
	Assert(info.log_start <= info.log_end);
	el_vac_update_relstats(rel, RelationGetNumberOfBlocks(rel),
						   (double) el_log_events(&info), frozen,
						   GetOldestMultiXactId());
	el_pgstat_report_vacuum(rel, el_log_events(&info), start);
}

static uint64
relation_size(Relation rel, ForkNumber forkNumber)
{
	return table_block_relation_size(rel, forkNumber);
}

static bool
relation_needs_toast_table(Relation rel)
{
	return false;
}

static void
relation_estimate_size(Relation rel, int32 *attr_widths, BlockNumber *pages,
					   double *tuples, double *allvisfrac)
{
	ElLogInfo	info;

	el_log_info(rel, &info);
	*pages = RelationGetNumberOfBlocks(rel);
	*tuples = (double) el_log_events(&info);
	*allvisfrac = 0;
}

/*
 * ANALYZE and TABLESAMPLE
 */

static bool
scan_analyze_next_block(TableScanDesc scan, EL_ANALYZE_PARAMS)
{
	BlockNumber block;

	return el_analyze_next(&block) && el_analyze_block(scan, block);
}

static bool
no_sample_block(TableScanDesc scan, struct SampleScanState *scanstate)
{
	el_not_supported("TABLESAMPLE", "Filter by event_offset, or by random().");
}

static bool
no_sample_tuple(TableScanDesc scan, struct SampleScanState *scanstate,
				TupleTableSlot *slot)
{
	el_not_supported("TABLESAMPLE", "Filter by event_offset, or by random().");
}

static const TableAmRoutine el_methods = {
	.type = T_TableAmRoutine,

	.slot_callbacks = slot_callbacks,

	.scan_begin = el_scan_begin,
	.scan_end = el_scan_end,
	.scan_rescan = el_scan_rescan,
	.scan_getnextslot = el_scan_getnextslot,

	.scan_set_tidrange = el_scan_set_tidrange,
	.scan_getnextslot_tidrange = el_scan_getnextslot_tidrange,

	.parallelscan_estimate = el_parallelscan_estimate,
	.parallelscan_initialize = el_parallelscan_initialize,
	.parallelscan_reinitialize = el_parallelscan_reinitialize,

	.index_fetch_begin = no_index_fetch_begin,
	.index_fetch_reset = no_index_fetch_reset,
	.index_fetch_end = no_index_fetch_reset,
	.index_fetch_tuple = no_index_fetch_tuple,

	.tuple_insert = el_tuple_insert,
	.tuple_insert_speculative = no_speculative_insert,
	.tuple_complete_speculative = no_speculative_complete,
	.multi_insert = el_multi_insert,
	.tuple_delete = no_delete,
	.tuple_update = no_update,
	.tuple_lock = no_lock,

	.tuple_fetch_row_version = el_fetch_row_version,
	.tuple_get_latest_tid = tuple_get_latest_tid,
	.tuple_tid_valid = tuple_tid_valid,
	.tuple_satisfies_snapshot = tuple_satisfies_snapshot,
	.index_delete_tuples = no_index_delete_tuples,

	.el_relation_set_new_filelocator = relation_set_new_filelocator,
	.relation_nontransactional_truncate = relation_nontransactional_truncate,
	.relation_copy_data = relation_copy_data,
	.relation_copy_for_cluster = relation_copy_for_cluster,
	.relation_vacuum = relation_vacuum,
	.scan_analyze_next_block = scan_analyze_next_block,
	.scan_analyze_next_tuple = el_analyze_tuple,
	.index_build_range_scan = no_index_build,
	.index_validate_scan = no_index_validate,

	.relation_size = relation_size,
	.relation_needs_toast_table = relation_needs_toast_table,

	.relation_estimate_size = relation_estimate_size,

	.scan_sample_next_block = no_sample_block,
	.scan_sample_next_tuple = no_sample_tuple
};

EL_FUNCTION(eventlog_handler);
Datum
eventlog_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&el_methods);
}
