/*-------------------------------------------------------------------------
 *
 * tableam.h
 *	  The table access method: what its files share.
 *
 * IDENTIFICATION
 *	  src/table/tableam.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_TABLEAM_H
#define EL_TABLEAM_H

#include "postgres.h"

#include "access/tableam.h"
#include "executor/tuptable.h"

#include "topic/topic.h"

/* A row's ctid is its offset: 32 bits of block number, 15 of line pointer, counted from 1. */
#define EL_TID_BITS 15
static inline void
el_offset_to_tid(int64 offset, ItemPointer tid)
{
	ItemPointerSet(tid, (BlockNumber) (offset >> EL_TID_BITS),
				   (OffsetNumber) ((offset & ((1 << EL_TID_BITS) - 1)) + 1));
}

#define EL_TID_LINES (1 << EL_TID_BITS)

/* The tid must be valid: line pointers go from 1 to EL_TID_LINES. */
static inline bool
el_tid_valid(ItemPointer tid)
{
	OffsetNumber line = ItemPointerGetOffsetNumberNoCheck(tid);

	return line >= 1 && line <= EL_TID_LINES;
}

static inline int64
el_tid_to_offset(ItemPointer tid)
{
	return ((int64) ItemPointerGetBlockNumberNoCheck(tid) << EL_TID_BITS) +
		ItemPointerGetOffsetNumberNoCheck(tid) - 1;
}

/* slot.c: a slot that deserialises columns when they are asked for */
extern const TupleTableSlotOps ElSlotOps;
/* Store a record; its bytes stay the reader's and must outlive the slot's use, or its materialisation. */
extern void el_slot_store(TupleTableSlot *slot, ElTopic *t, int32 partition,
						  const ElRecord *r);

/* scan.c */
extern TableScanDesc el_scan_begin(Relation rel, Snapshot snapshot, int nkeys,
								   struct ScanKeyData *key,
								   ParallelTableScanDesc pscan, uint32 flags);
extern void el_scan_end(TableScanDesc scan);
extern void el_scan_rescan(TableScanDesc scan, struct ScanKeyData *key,
						   bool set_params, bool allow_strat, bool allow_sync,
						   bool allow_pagemode);
extern bool el_scan_getnextslot(TableScanDesc scan, ScanDirection direction,
								TupleTableSlot *slot);
/*
 * Start over with the rows min_offset .. max_offset (none if it is empty), without those that lie before the
 * first event at or after from_time (ms; EL_MIN_TIME: no bound).
 */
extern void el_scan_set_range(TableScanDesc scan, int64 min_offset,
							  int64 max_offset, int64 from_time);
extern void el_scan_set_tidrange(TableScanDesc scan, ItemPointer mintid,
								 ItemPointer maxtid);
extern bool el_scan_getnextslot_tidrange(TableScanDesc scan,
										 ScanDirection direction,
										 TupleTableSlot *slot);
extern Size el_parallelscan_estimate(Relation rel);
extern Size el_parallelscan_initialize(Relation rel,
									   ParallelTableScanDesc pscan);
extern void el_parallelscan_reinitialize(Relation rel,
										 ParallelTableScanDesc pscan);
extern bool el_fetch_row_version(Relation rel, ItemPointer tid,
								 Snapshot snapshot, TupleTableSlot *slot);
/* ANALYZE: start with the batches that begin on this block / the next of their rows. */
extern bool el_analyze_block(TableScanDesc scan, BlockNumber block);
extern bool el_analyze_tuple(TableScanDesc scan, TransactionId oldest_xmin,
							 double *liverows, double *deadrows,
							 TupleTableSlot *slot);

/* insert.c */
extern void el_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid,
							int options, struct BulkInsertStateData *bistate);
extern void el_multi_insert(Relation rel, TupleTableSlot **slots, int nslots,
							CommandId cid, int options,
							struct BulkInsertStateData *bistate);

#endif							/* EL_TABLEAM_H */
