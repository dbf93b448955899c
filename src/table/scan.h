/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Scans of a partition as a table: callbacks of the access method.
 *
 * IDENTIFICATION
 *	  src/table/scan.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SCAN_H
#define EL_SCAN_H

#include "postgres.h"

#include "access/sdir.h"
#include "access/tableam.h"
#include "storage/itemptr.h"

/* As the callbacks of TableAmRoutine that have these names. */
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

#endif							/* EL_SCAN_H */
