/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Scans of a partition as a table, by the rules of plain MVCC.
 *
 * A scan shows what the snapshot sees, also beyond events that are not committed
 * yet: unlike read_topic() and consume(), which end at the last stable offset, it
 * may miss those when it goes on where it ended.
 *
 * A scan goes through a range of offsets, or a list of them, forward or
 * (scrollable cursors, ORDER BY event_offset DESC) backward, with one reader that is
 * placed anew when the direction changes.  A parallel one deals out ranges of offsets: where they lie
 * may change meanwhile.
 *
 * IDENTIFICATION
 *	  src/table/scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/skey.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "kafka/record.h"
#include "storage/backward.h"
#include "storage/page.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/visibility.h"
#include "table/scan.h"
#include "table/slot.h"
#include "table/tid.h"
#include "topic/shape.h"

/* Ranges of a parallel scan, and how many pages one has at least. */
#define EL_PARALLEL_RANGES	256
#define EL_PARALLEL_PAGES	64

typedef struct ElParallelScan
{
	ParallelTableScanDescData base;
	pg_atomic_uint64 next_range;
	int			nranges;
	int64		begin[EL_PARALLEL_RANGES];	/* offsets; the last range has no
											 * end */
} ElParallelScan;

typedef struct ElScan
{
	TableScanDescData base;
	ElReader   *reader;
	MemoryContext mcxt;			/* of the reader */
	ScanDirection placed;		/* where the reader goes on; no movement: it
								 * is to be placed first */
	int64		range_end;		/* parallel: end of the range at hand */
	bool		in_range;		/* one is at hand */
	int64		current;		/* offset of the row last returned, -1 before
								 * the first */
	ElScanRange range;			/* what is asked for; from_time is EL_MIN_TIME
								 * when min_offset has it in */
} ElScan;

/*
 * The topic table is not looked at, and so not locked: ANALYZE has locked the
 * partition, TRUNCATE and DROP lock the topic first.
 */
static void
check_columns(Relation rel)
{
	if (RelationGetDescr(rel)->natts != EL_NATTS)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a partition of a topic",
						RelationGetRelationName(rel))));
}

static ElReadMode
mode_for(Snapshot snapshot)
{
	return snapshot != NULL && IsMVCCSnapshot(snapshot) ? EL_READ_MVCC :
		EL_READ_ALL;
}

/* Under a snapshot that is not MVCC the reader shows all; these count as rows. */
static bool
is_row(ElReader *r)
{
	return r->mode != EL_READ_ALL || r->state == EL_BATCH_VISIBLE ||
		r->state == EL_BATCH_OWN;
}

TableScanDesc
el_scan_begin(Relation rel, Snapshot snapshot, int nkeys, ScanKey key,
			  ParallelTableScanDesc pscan, uint32 flags)
{
	ElScan	   *scan = palloc0(sizeof(ElScan));

	Assert(CheckRelationLockedByMe(rel, AccessShareLock, true));
	check_columns(rel);
	RelationIncrementReferenceCount(rel);
	scan->base.rs_rd = rel;
	scan->base.rs_snapshot = snapshot;
	scan->base.rs_nkeys = nkeys;
	scan->base.rs_flags = flags;
	scan->base.rs_parallel = pscan;
	scan->mcxt = CurrentMemoryContext;
	scan->current = -1;
	scan->range = EL_SCAN_ALL;

	if (flags & (SO_TYPE_SEQSCAN | SO_TYPE_SAMPLESCAN))
		PredicateLockRelation(rel, snapshot);
	pgstat_count_heap_scan(rel);
	return (TableScanDesc) scan;
}

static void
stop_reader(ElScan *scan)
{
	ElReader   *r = scan->reader;

	if (r == NULL)
		return;
	if (r->strategy)
		FreeAccessStrategy(r->strategy);
	el_reader_end(r);
	scan->reader = NULL;
}

/* Start over.  The reader stays: its snapshot sees nothing behind the end that it knows. */
static void
rewind_scan(ElScan *scan)
{
	scan->placed = NoMovementScanDirection;
	scan->in_range = false;
	scan->current = -1;
}

void
el_scan_end(TableScanDesc sscan)
{
	ElScan	   *scan = (ElScan *) sscan;

	stop_reader(scan);
	if (sscan->rs_flags & SO_TEMP_SNAPSHOT)
		UnregisterSnapshot(sscan->rs_snapshot);
	RelationDecrementReferenceCount(sscan->rs_rd);
	if (scan->range.offsets != NULL)
		pfree(scan->range.offsets);
	pfree(scan);
}

void
el_scan_rescan(TableScanDesc sscan, ScanKey key, bool set_params,
			   bool allow_strat, bool allow_sync, bool allow_pagemode)
{
	rewind_scan((ElScan *) sscan);
	pgstat_count_heap_scan(sscan->rs_rd);
}

static ElReader *
make_reader(ElScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->mcxt);
	ElReader   *r = el_reader_begin(scan->base.rs_rd, scan->base.rs_snapshot,
									mode_for(scan->base.rs_snapshot));

	/* as heap does: a scan of a large table must not flush the buffer pool */
	if ((scan->base.rs_flags & SO_ALLOW_STRAT) &&
		r->info.tail_pos / BLCKSZ > NBuffers / 4)
		r->strategy = GetAccessStrategy(BAS_BULKREAD);
	MemoryContextSwitchTo(old);
	return r;
}

/* Parallel: start on the next range; false when all are dealt out. */
static bool
next_range(ElScan *scan)
{
	ElParallelScan *p = (ElParallelScan *) scan->base.rs_parallel;
	uint64		range;

	Assert(p != NULL && p->nranges > 0 && p->nranges <= EL_PARALLEL_RANGES);
	do
	{
		CHECK_FOR_INTERRUPTS();
		range = pg_atomic_fetch_add_u64(&p->next_range, 1);
		if (range >= p->nranges)
			return false;
		scan->range_end = range + 1 < p->nranges ? p->begin[range + 1] :
			EL_MAX_OFFSET + 1;
	} while (el_reader_seek(scan->reader, p->begin[range]) == EL_SEEK_AT_END);
	return true;
}

static ElReader *
reader_of(ElScan *scan)
{
	if (scan->reader == NULL)
		scan->reader = make_reader(scan);
	return scan->reader;
}

/*
 * Have the reader where the scan begins or goes on in that direction; false if
 * there is nothing.
 */
static bool
place_reader(ElScan *scan, ScanDirection direction)
{
	ElReader   *r;
	ElScanRange *range = &scan->range;
	int64		from;

	if (range->min_offset > range->max_offset)
		return false;
	r = reader_of(scan);
	Assert(CheckRelationLockedByMe(scan->base.rs_rd, AccessShareLock, true));
	scan->placed = direction;
	if (scan->base.rs_parallel || range->noffsets >= 0)
		return true;			/* goes by ranges, or from one to the other */

	from = -1;
	if (range->from_time != EL_MIN_TIME)
	{
		/* nothing before it is late enough, and that stays so */
		if (el_reader_seek_time(r, range->from_time) == EL_SEEK_AT_END)
		{
			range->max_offset = -1;
			return false;
		}
		range->from_time = EL_MIN_TIME;
		from = r->position;
		range->min_offset = Max(range->min_offset, from);
	}
	r->min_offset = range->min_offset;
	r->max_offset = range->max_offset;
	if (ScanDirectionIsBackward(direction))
	{
		from = scan->current < 0 ? range->max_offset + 1 : scan->current;
		if (from <= range->min_offset)
			return false;
		(void) el_reader_seek(r, from);
		return true;
	}
	if (Max(range->min_offset, scan->current + 1) == from)
		return from <= range->max_offset;	/* the time has led there */
	from = Max(Max(r->info.log_start, range->min_offset), scan->current + 1);
	return from <= range->max_offset && el_reader_seek(r, from) == EL_SEEK_OK;
}

/* The event at an offset, if the reader's mode shows it. */
static bool
read_record(ElReader *r, int64 offset, ElRecord *rec)
{
	r->max_offset = offset;		/* no batch behind it is looked at */
	return el_reader_seek(r, offset) == EL_SEEK_OK && el_reader_next(r, rec) &&
		rec->offset == offset;
}

/* The next one of the offsets that are asked for. */
static bool
next_listed(ElScan *scan, bool backward, ElRecord *rec)
{
	ElScanRange *range = &scan->range;
	int64		from = scan->current;
	int			lo = 0;
	int			hi = range->noffsets;

	/* the first one behind the row at hand, or not before it */
	if (backward && from < 0)
		from = range->max_offset + 1;
	while (lo < hi)
	{
		int			mid = lo + (hi - lo) / 2;

		if (range->offsets[mid] < from + (backward ? 0 : 1))
			lo = mid + 1;
		else
			hi = mid;
	}
	for (int i = backward ? lo - 1 : lo; i >= 0 && i < range->noffsets;
		 i += backward ? -1 : 1)
	{
		CHECK_FOR_INTERRUPTS();
		if (read_record(scan->reader, range->offsets[i], rec) &&
			is_row(scan->reader))
			return true;
	}
	return false;
}

/* A parallel scan goes on to further ranges. */
static bool
next_forward(ElScan *scan, ElRecord *rec)
{
	ElReader   *r = scan->reader;

	for (;;)
	{
		if (scan->base.rs_parallel && !scan->in_range)
		{
			if (!next_range(scan))
				return false;
			scan->in_range = true;
		}
		if (el_reader_next(r, rec) &&
			(!scan->base.rs_parallel || rec->offset < scan->range_end))
		{
			if (rec->offset > scan->range.max_offset)
				return false;
			if (!is_row(r))
				continue;
			return true;
		}
		if (!scan->base.rs_parallel)
			return false;
		scan->in_range = false;
	}
}

static bool
next_backward(ElScan *scan, ElRecord *rec)
{
	ElReader   *r = scan->reader;

	while (r->position > scan->range.min_offset && el_reader_prev(r, rec))
	{
		if (rec->offset < scan->range.min_offset)
			return false;
		if (is_row(r))
			return true;
	}
	return false;
}

/* At an end the scan turns round: asked in the other direction, it begins with the row it ended with. */
bool
el_scan_getnextslot(TableScanDesc sscan, ScanDirection direction,
					TupleTableSlot *slot)
{
	ElScan	   *scan = (ElScan *) sscan;
	bool		backward = ScanDirectionIsBackward(direction);
	ElRecord	rec;
	bool		found;

	if (scan->placed != direction && !place_reader(scan, direction))
		found = false;
	else if (scan->range.noffsets >= 0)
		found = next_listed(scan, backward, &rec);
	else if (backward)
		found = next_backward(scan, &rec);
	else
		found = scan->current < scan->range.max_offset && next_forward(scan, &rec);
	if (!found)
	{
		scan->current = backward ? -1 : scan->range.max_offset + 1;
		scan->placed = NoMovementScanDirection;
		ExecClearTuple(slot);
		return false;
	}
	Assert(rec.offset >= scan->range.min_offset && rec.offset <= scan->range.max_offset);
	Assert(scan->current < 0 || (backward ? rec.offset < scan->current :
								 rec.offset > scan->current));
	scan->current = rec.offset;
	el_slot_store(slot, sscan->rs_rd, scan->reader->info.partition, &rec);
	pgstat_count_heap_getnext(sscan->rs_rd);
	return true;
}

void
el_scan_set_range(TableScanDesc sscan, const ElScanRange *range)
{
	ElScan	   *scan = (ElScan *) sscan;
	ElScanRange *own = &scan->range;

	rewind_scan(scan);
	if (own->offsets != NULL)
		pfree(own->offsets);
	*own = *range;
	own->min_offset = Max(range->min_offset, 0);
	own->max_offset = Min(range->max_offset, EL_MAX_OFFSET);
	own->offsets = NULL;
	if (own->noffsets < 0)
		return;
	/* palloc() of nothing gives something, too */
	own->offsets = MemoryContextAllocHuge(scan->mcxt,
										  own->noffsets * sizeof(int64));
	own->noffsets = 0;
	for (int i = 0; i < range->noffsets; i++)
	{
		int64		offset = range->offsets[i];

		Assert(i == 0 || offset > range->offsets[i - 1]);
		if (offset >= own->min_offset && offset <= own->max_offset)
			own->offsets[own->noffsets++] = offset;
	}
}

int32
el_scan_partition(TableScanDesc sscan)
{
	ElReader   *r = reader_of((ElScan *) sscan);

	return r->info.exists ? r->info.partition : -1;
}

/*
 * The offset of an inclusive bound.  Core makes bounds by counting line
 * pointers beyond what a tid of ours has: 0, or up to 65535.
 */
static int64
tid_bound(ItemPointer tid, bool upper)
{
	int64		first = (int64) ItemPointerGetBlockNumberNoCheck(tid) << EL_TID_BITS;
	OffsetNumber line = ItemPointerGetOffsetNumberNoCheck(tid);

	if (line == 0)
		return upper ? first - 1 : first;
	if (line > EL_TID_LINES)
		return upper ? first + EL_TID_LINES - 1 : first + EL_TID_LINES;
	return first + line - 1;
}

void
el_scan_set_tidrange(TableScanDesc sscan, ItemPointer mintid,
					 ItemPointer maxtid)
{
	ElScanRange range = EL_SCAN_ALL;

	range.min_offset = tid_bound(mintid, false);
	range.max_offset = tid_bound(maxtid, true);
	el_scan_set_range(sscan, &range);
}

bool
el_scan_getnextslot_tidrange(TableScanDesc sscan, ScanDirection direction,
							 TupleTableSlot *slot)
{
	return el_scan_getnextslot(sscan, direction, slot);
}

Size
el_parallelscan_estimate(Relation rel)
{
	return sizeof(ElParallelScan);
}

/* Ranges of about as many pages each. */
static void
deal_ranges(Relation rel, ElParallelScan *p)
{
	ElReader   *r = el_reader_begin(rel, NULL, EL_READ_ALL);
	uint64		first = r->info.first_seg * r->info.seg_pages;
	uint64		pages = (r->info.end_seg - r->info.first_seg) * r->info.seg_pages;
	uint64		n = Min(pages / EL_PARALLEL_PAGES, EL_PARALLEL_RANGES);

	p->nranges = 0;
	p->begin[p->nranges++] = 0;
	for (uint64 i = 1; i < n; i++)
	{
		int64		offset = el_reader_page_offset(r, first + pages * i / n);

		if (offset > p->begin[p->nranges - 1])
			p->begin[p->nranges++] = offset;
	}
	Assert(p->nranges <= EL_PARALLEL_RANGES);
	el_reader_end(r);
}

Size
el_parallelscan_initialize(Relation rel, ParallelTableScanDesc pscan)
{
	ElParallelScan *p = (ElParallelScan *) pscan;

	el_set_parallel_locator(pscan, rel);
	pscan->phs_syncscan = false;
	pg_atomic_init_u64(&p->next_range, 0);
	deal_ranges(rel, p);
	return sizeof(ElParallelScan);
}

void
el_parallelscan_reinitialize(Relation rel, ParallelTableScanDesc pscan)
{
	pg_atomic_write_u64(&((ElParallelScan *) pscan)->next_range, 0);
}

bool
el_fetch_row_version(Relation rel, ItemPointer tid, Snapshot snapshot,
					 TupleTableSlot *slot)
{
	int64		offset = el_tid_valid(tid) ? el_tid_to_offset(tid) : -1;
	ElReader   *r = el_reader_begin(rel, snapshot, mode_for(snapshot));
	ElRecord	rec;
	bool		found = false;

	check_columns(rel);
	if (offset >= 0 && read_record(r, offset, &rec) &&
		(snapshot == SnapshotAny || is_row(r)))
	{
		el_slot_store(slot, rel, r->info.partition, &rec);
		ExecMaterializeSlot(slot);
		found = true;
	}
	el_reader_end(r);
	return found;
}

bool
el_analyze_block(TableScanDesc sscan, BlockNumber block)
{
	ElScan	   *scan = (ElScan *) sscan;
	uint64		page_no;

	if (scan->reader == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->mcxt);

		scan->reader = el_reader_begin(sscan->rs_rd, NULL, EL_READ_ALL);
		MemoryContextSwitchTo(old);
	}
	/* blocks without rows count too: rows per block is what is estimated */
	scan->in_range = el_reader_block_page(scan->reader, block, &page_no) &&
		el_reader_seek_pages(scan->reader, page_no, page_no + 1);
	return true;
}

bool
el_analyze_tuple(TableScanDesc sscan, TransactionId oldest_xmin,
				 double *liverows, double *deadrows, TupleTableSlot *slot)
{
	ElScan	   *scan = (ElScan *) sscan;
	ElRecord	rec;

	while (scan->in_range && el_reader_next(scan->reader, &rec))
	{
		ElBatchState state = scan->reader->state;

		if (state == EL_BATCH_VISIBLE || state == EL_BATCH_OWN)
		{
			*liverows += 1;
			el_slot_store(slot, sscan->rs_rd, scan->reader->info.partition,
						  &rec);
			return true;
		}
		if (state == EL_BATCH_ABORTED)
			*deadrows += 1;
	}
	scan->in_range = false;
	ExecClearTuple(slot);
	return false;
}
