/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Is a log sound?  Reads all of it and says what is not.
 *
 * IDENTIFICATION
 *	  src/storage/check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "base/errors.h"
#include "storage/check.h"
#include "storage/log.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/segment.h"

/* What is checked, and where the walk over its batches is. */
typedef struct CheckWalk
{
	Relation	rel;
	int32		partition;
	ElCheckReport report;
	void	   *arg;
	int64		offset;			/* of the batch looked at */
	uint64		page;			/* logical page it begins on */
	int64		last;			/* offset of the last one where the log could
								 * be read, for progress */
} CheckWalk;

/* Has a segment been freed since the metapage was read? */
static bool
segment_was_freed(Relation rel, uint64 seg)
{
	PGAlignedBlock copy;

	return !el_meta_read(rel, copy.data) ||
		ElPageGetMeta(copy.data)->first_seg > seg;
}

static int
compare_block_numbers(const void *a, const void *b)
{
	BlockNumber x = *(const BlockNumber *) a;
	BlockNumber y = *(const BlockNumber *) b;

	return x < y ? -1 : x > y;
}

/* Would the directory be read as it is now through this copy of the metapage? */
static bool
is_current(Relation rel, const ElMeta *meta)
{
	PGAlignedBlock copy;
	ElMeta	   *now = ElPageGetMeta(copy.data);

	return el_meta_read(rel, copy.data) && now->reuse_seg == meta->reuse_seg &&
		now->first_seg == meta->first_seg && now->end_seg == meta->end_seg &&
		now->alloc_seg == meta->alloc_seg && now->next_block == meta->next_block &&
		now->compactions == meta->compactions;
}

/*
 * No block belongs to two extents, or to an extent and the directory, free ones
 * included: what is given out twice is overwritten sooner or later.
 */
static void
check_blocks(CheckWalk *walk, const ElMeta *meta)
{
	uint64		nsegs = meta->alloc_seg - meta->reuse_seg;
	BlockNumber *extents = palloc((nsegs + 1) * sizeof(BlockNumber));
	ElDirectory *dir = el_directory_new();
	BlockNumber twice = InvalidBlockNumber;
	uint64		n = 0;

	for (uint64 seg = meta->reuse_seg; seg < meta->alloc_seg; seg++)
	{
		ElSegment  *entry = el_directory_entry(walk->rel, meta, dir, seg);

		CHECK_FOR_INTERRUPTS();
		if (entry != NULL && entry->first_block != InvalidBlockNumber)
			extents[n++] = entry->first_block;
	}
	pfree(dir);
	qsort(extents, n, sizeof(BlockNumber), compare_block_numbers);
	for (uint64 i = 1; i < n; i++)
		if (extents[i] - extents[i - 1] < meta->seg_pages)
			twice = extents[i];
	for (uint64 no = EL_DIRECTORY_NO(meta->reuse_seg); nsegs > 0 &&
		 no <= EL_DIRECTORY_NO(meta->alloc_seg - 1); no++)
		for (uint64 i = 0; i < n; i++)
			if (ElMetaRoot(meta, no) - extents[i] < meta->seg_pages)
				twice = ElMetaRoot(meta, no);
	pfree(extents);
	if (twice != InvalidBlockNumber && is_current(walk->rel, meta))
		walk->report(walk->arg, psprintf("block %u: given out twice", twice));
}

/*
 * Relations between the fields of the metapage and the directory.  The log may be
 * appended to, trimmed and compacted meanwhile, and its directory has several pages.
 */
static void
check_structure(void *arg)
{
	CheckWalk  *walk = arg;
	Relation	rel = walk->rel;
	PGAlignedBlock copy;
	ElMeta	   *meta = ElPageGetMeta(copy.data);
	ElDirectory *dir;
	BlockNumber nblocks;
	int64		prev_base = -1;
	uint32		prev_flags = 0;

	if (!el_meta_read(rel, copy.data))
		return;
	nblocks = el_log_blocks(rel);
	if (meta->partition != walk->partition)
		walk->report(walk->arg, psprintf("block %u: this is the log of partition %d",
										 EL_META_BLOCK, meta->partition));
	if (meta->log_start < 0 || meta->log_start > meta->log_end)
		walk->report(walk->arg, psprintf("block %u: log start " INT64_FORMAT " and log end " INT64_FORMAT " do not fit",
										 EL_META_BLOCK, meta->log_start, meta->log_end));
	if (meta->reuse_seg > meta->first_seg || meta->first_seg > meta->end_seg ||
		meta->end_seg > meta->alloc_seg)
		walk->report(walk->arg, psprintf("block %u: segment numbers " UINT64_FORMAT ", " UINT64_FORMAT ", " UINT64_FORMAT ", " UINT64_FORMAT " do not rise",
										 EL_META_BLOCK, meta->reuse_seg, meta->first_seg,
										 meta->end_seg, meta->alloc_seg));
	else
		check_blocks(walk, meta);
	if (meta->settled_pos > meta->tail_pos)
		walk->report(walk->arg, psprintf("block %u: settled position beyond the tail",
										 EL_META_BLOCK));

	dir = el_directory_new();
	for (uint64 seg = meta->first_seg; seg < meta->end_seg; seg++)
	{
		ElSegment  *entry = el_directory_entry(rel, meta, dir, seg);

		CHECK_FOR_INTERRUPTS();
		if (entry == NULL)
		{
			if (!segment_was_freed(rel, seg))
				walk->report(walk->arg, psprintf("segment " UINT64_FORMAT " is missing from the directory", seg));
			prev_base = -1;
			continue;
		}
		/* else it is of a compaction that the one before is not of */
		if (entry->base_offset < prev_base &&
			EL_SEGMENT_PREV_GEN(entry->flags) == EL_SEGMENT_GEN(prev_flags))
			walk->report(walk->arg, psprintf("segment " UINT64_FORMAT ": base offset " INT64_FORMAT " is below the one before",
											 seg, entry->base_offset));
		prev_base = entry->base_offset;
		prev_flags = entry->flags;
		if (entry->first_block >= nblocks)
			nblocks = el_log_blocks(rel);
		if (entry->first_block == EL_META_BLOCK || entry->first_block >= nblocks)
			walk->report(walk->arg, psprintf("segment " UINT64_FORMAT ": first block %u is not in the file",
											 seg, entry->first_block));
	}
	pfree(dir);
}

/*
 * What a segment says of times: seeks by time rely on it.
 *
 * As long as all batches of segment seg were seen from its first one on
 * (known), max_time and time_page are what its pages should say.  A page is
 * compared once no more batches can begin on it: the pages that a batch covers
 * before its last one at once, the last one (pending) when the next batch
 * begins behind it.  When the next batch is in another segment, the directory
 * entry of that one is compared.  After a jump, seg is of no segment and nothing is
 * known until a segment begins again.
 */
typedef struct SegmentTimes
{
	uint64		seg;
	bool		known;			/* all of its batches were seen, and gave: */
	int64		max_time;
	uint32		time_page;

	/* the page that the last batch ends on, where others may begin yet */
	bool		pending;
	uint64		page;
	int64		page_max_time;
	uint32		page_time_page;
} SegmentTimes;

static void
compare_times(CheckWalk *walk, const ElReader *r, const SegmentTimes *t, uint64 page,
			  int64 max_time, uint32 time_page)
{
	if (max_time != t->max_time || time_page != t->time_page)
		walk->report(walk->arg, psprintf("segment " UINT64_FORMAT ": page " UINT64_FORMAT " is wrong about the greatest time so far",
										 page / r->info.seg_pages, page % r->info.seg_pages));
}

/* No batch of the segment follows; max_time is what that says of it. */
static void
check_segment_time(CheckWalk *walk, const SegmentTimes *t, int64 max_time)
{
	if (t->known && max_time != t->max_time)
		walk->report(walk->arg, psprintf("segment " UINT64_FORMAT ": what follows is wrong about its greatest time",
										 t->seg));
}

/* Go on to the batch at hand, which is not used any more. */
static void
check_times(CheckWalk *walk, ElReader *r, SegmentTimes *t)
{
	uint64		pos = el_reader_batch_pos(r);
	uint64		page = EL_POS_PAGE(pos);
	uint64		last = EL_POS_PAGE(pos + EL_BATCH_SPACE(r->batch_len) - 1);
	uint64		seg = page / r->info.seg_pages;

	/*
	 * what an append that failed has left on the last page of a segment does
	 * no harm there
	 */
	if (t->pending && (seg == t->seg ? t->page < page : t->page_max_time <= t->max_time))
		compare_times(walk, r, t, t->page, t->page_max_time, t->page_time_page);
	t->pending = false;
	if (seg != t->seg)
	{
		/*
		 * where the reader is; of a batch over several segments that is the
		 * last one
		 */
		if (last / r->info.seg_pages == t->seg + 1)
			check_segment_time(walk, t, el_reader_time_before(r));
		t->known = false;
	}

	if (pos == EL_PAGE_POS(seg * r->info.seg_pages) ||
		(t->known && r->header.max_timestamp > t->max_time))
	{
		t->known = true;
		t->max_time = r->header.max_timestamp;
		t->time_page = page % r->info.seg_pages;
	}
	t->seg = last / r->info.seg_pages;
	Assert(!t->known || t->time_page < r->info.seg_pages);
	Assert(page <= last);
	if (!t->known)
		return;

	t->page = last;
	t->pending = el_reader_page_times(r, last, &t->page_max_time, &t->page_time_page);
	for (; page < last; page++)
	{
		int64		max_time;
		uint32		time_page;

		if (el_reader_page_times(r, page, &max_time, &time_page))
			compare_times(walk, r, t, page, max_time, time_page);
	}
}

/* Every batch from walk->offset on: CRC, records, offsets; and its pages. */
static void
check_batches(void *arg)
{
	CheckWalk  *walk = arg;
	ElReader   *r = el_reader_begin(walk->rel, NULL, EL_READ_ALL);
	ElBatchReader records = {0};
	SegmentTimes times = {PG_UINT64_MAX};
	ElLogInfo	info = r->info;
	int64		expected = -1;

	walk->offset = Max(walk->offset, r->info.log_start);
	walk->page = 0;
	if (el_reader_seek(r, walk->offset) == EL_SEEK_OK)
	{
		while (walk->offset = r->position, el_reader_next_batch(r))
		{
			ElRecord	rec;
			int			got;

			CHECK_FOR_INTERRUPTS();
			walk->page = el_reader_page(r);

			/*
			 * The log was trimmed or compacted: what we expected of the next
			 * batch no longer applies.
			 */
			if (r->trimmed || r->info.compactions != info.compactions ||
				r->info.first_seg != info.first_seg)
			{
				r->trimmed = false;
				info = r->info;
				expected = -1;
				times.seg = PG_UINT64_MAX;
				times.known = times.pending = false;
			}
			if (expected >= 0 && r->header.base_offset < expected)
				walk->report(walk->arg, psprintf("offset " INT64_FORMAT ": batch overlaps the one before, which ends at " INT64_FORMAT,
												 r->header.base_offset, expected - 1));
			expected = r->header.base_offset + r->header.last_offset_delta + 1;
			if (r->fxid.value >= U64FromFullTransactionId(ReadNextFullTransactionId()))
				walk->report(walk->arg, psprintf("offset " INT64_FORMAT ": transaction " UINT64_FORMAT " is in the future",
												 r->header.base_offset, r->fxid.value));
			if (!el_reader_padding_clean(r))
				walk->report(walk->arg, psprintf("offset " INT64_FORMAT ": bytes behind the batch are not 0",
												 r->header.base_offset));
			got = el_batch_open(&records, r->batch, r->batch_len, false) ? 1 : -1;
			while (got > 0)
				got = el_batch_next(&records, &rec);
			if (got < 0)
				walk->report(walk->arg, psprintf("offset " INT64_FORMAT ": %s",
												 r->header.base_offset, records.error));
			check_times(walk, r, &times);
		}
		if (r->info.compactions == info.compactions && r->info.first_seg == info.first_seg)
			check_segment_time(walk, &times, el_reader_tail_time(r));
		if (expected >= 0 && expected != r->info.log_end)
			walk->report(walk->arg, psprintf("the last batch ends at offset " INT64_FORMAT ", the log at " INT64_FORMAT,
											 expected - 1, r->info.log_end));
	}
	el_reader_end(r);
}

/* Behind the damage: the first page that says where a later batch begins; walk->offset is that batch's, or -1. */
static void
find_behind_damage(void *arg)
{
	CheckWalk  *walk = arg;
	ElReader   *r = el_reader_begin(walk->rel, NULL, EL_READ_ALL);
	uint64		end = r->info.end_seg * r->info.seg_pages;
	int64		found = -1;

	walk->page = Max(walk->page, r->info.first_seg * r->info.seg_pages);
	while (found <= walk->last && ++walk->page < end)
	{
		CHECK_FOR_INTERRUPTS();
		found = el_reader_page_offset(r, walk->page);
	}
	walk->offset = found <= walk->last ? -1 : found;
	el_reader_end(r);
}

/* An unreadable page is a finding. */
static void
report_damage(const CheckWalk *walk, const ErrorData *error)
{
	walk->report(walk->arg, error->detail ?
				 psprintf("%s (%s)", error->message, error->detail) :
				 error->message);
}

/*
 * The caller holds AccessShareLock: appends, retention and compaction go on
 * beside.  Raises nothing for what is damaged, but reports it and goes on
 * behind it, so that each fault is named.
 */
void
el_log_check(Relation rel, int32 partition, ElCheckReport report, void *arg)
{
	CheckWalk	walk = {rel, partition, report, arg, 0, 0, -1};
	ErrorData  *problem = el_attempt(check_structure, &walk);

	if (problem != NULL)
		report_damage(&walk, problem);
	while ((problem = el_attempt(check_batches, &walk)) != NULL)
	{
		uint64		page;

		/* go on behind it: each fault is to be named */
		report_damage(&walk, problem);
		walk.last = walk.offset;
		walk.offset = -1;
		do
			page = walk.page;
		while (el_attempt(find_behind_damage, &walk) != NULL && walk.page > page);
		if (walk.offset < 0)
			break;
	}
}
