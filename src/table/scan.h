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

#include "kafka/record.h"
#include "storage/page.h"

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

/* The rows that are asked for. */
typedef struct ElScanRange
{
	int64		min_offset;		/* none if max_offset is less */
	int64		max_offset;
	int64		from_time;		/* without those before the first event that
								 * is as late (ms); EL_MIN_TIME: no bound */
	int			noffsets;		/* -1: all of these; else only those ... */
	int64	   *offsets;		/* ... that are here too, in order, each once */
} ElScanRange;

#define EL_SCAN_ALL	((ElScanRange) {0, EL_MAX_OFFSET, EL_MIN_TIME, -1, NULL})

/* Start over with a range, which is copied. */
extern void el_scan_set_range(TableScanDesc scan, const ElScanRange *range);

/* The number of the partition; -1 if it holds nothing. */
extern int32 el_scan_partition(TableScanDesc scan);
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
