/*-------------------------------------------------------------------------
 *
 * retention.c
 *	  What a log may forget: by time, by bytes, and what it never does.
 *
 * Time goes by the rule of a seek by time: everything before the first page whose
 * greatest time so far is recent enough is older than that.  So the log start
 * moves inside a segment too, and a log of a few events a day needs no
 * rolling of segments to be rid of its old ones; space is freed in whole
 * segments all the same.  Bytes are those of live segments.
 *
 * Two things stay whatever the policy says: a batch that is undecided, with
 * all behind it, and the last committed batch.  Since that one is in every
 * dump, a restored log ends at or beyond every committed offset.
 *
 * LOCKING
 *	  None held while looking; el_log_trim() takes the append lock and never
 *	  moves the start back, so two at the same time do no harm.
 *
 * IDENTIFICATION
 *	  src/storage/retention.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "storage/log.h"
#include "storage/reader.h"
#include "storage/retention.h"
#include "storage/search.h"
#include "storage/segment.h"
#include "storage/trim.h"

uint64
el_retained_segments(uint32 seg_pages, int64 bytes)
{
	return Max((uint64) bytes / ((uint64) seg_pages * BLCKSZ), 1);
}

/* Base offset of a segment that begins with a batch, -1 if it does not, or was freed. */
static int64
segment_begin_offset(Relation rel, const ElMeta *meta, ElDirectory *dir, uint64 seg)
{
	ElSegment  *entry = el_directory_entry(rel, meta, dir, seg);

	return entry == NULL || (entry->flags & EL_SEGMENT_CONTINUES) ? -1 :
		entry->base_offset;
}

/*
 * Base offset of the first segment that stays when no more than keep of them
 * do; the log start if all may.  A batch that runs over several segments goes or
 * stays as a whole.
 */
static int64
offset_for_bytes(Relation rel, uint64 keep)
{
	PGAlignedBlock copy;
	ElMeta	   *meta = ElPageGetMeta(copy.data);
	ElDirectory *dir;
	uint64		seg;
	int64		target = -1;

	if (!el_meta_read(rel, copy.data) ||
		meta->end_seg - meta->first_seg <= keep)
		return -1;
	dir = el_directory_new();

	/*
	 * the next one that begins with a batch; if there is none, the last one
	 * before
	 */
	for (seg = meta->end_seg - keep; seg < meta->end_seg; seg++)
		if ((target = segment_begin_offset(rel, meta, dir, seg)) >= 0)
			break;
	for (seg = meta->end_seg - keep; target < 0 && seg > meta->first_seg; seg--)
		target = segment_begin_offset(rel, meta, dir, seg - 1);
	pfree(dir);
	return target;
}

/*
 * As far as the log start may move towards target: to the first undecided
 * batch, and to the last committed one.  Moves the reader.
 */
static int64
removable_offset(ElReader *r, int64 target)
{
	int64		settled = Max(r->info.settled_offset, r->info.log_start);
	int64		from;
	int64		committed = -1;

	/*
	 * The target may come from a newer metapage: what the reader will not
	 * come to is not known to be decided.
	 */
	target = Min(target, r->info.log_end);
	from = Min(settled, target);
	/* an append has trimmed further meanwhile: there is nothing left to do */
	if (from < r->info.log_start)
		return target;
	if (el_reader_seek(r, from) == EL_SEEK_OK)
	{
		while (el_reader_next_batch(r))
		{
			if (r->position > target)
				return target;	/* decided up to here, and this one stays */
			committed = r->header.base_offset;
		}
		if (r->stopped)
			target = Min(target, r->position);
	}
	if (committed < 0)
		(void) el_reader_last_batch(r, r->info.log_start, from, &committed, NULL);
	return committed < 0 ? target : Min(target, committed);
}

/*
 * The caller holds AccessShareLock and no content lock.  Never waits for a
 * transaction: what is undecided stays.  Reads what lies between the settled
 * position and the new log start, at most.
 */
int64
el_log_retain(Relation rel, const ElRetention *policy, bool *held)
{
	/* no snapshot: what is undecided, or this transaction's, stops the reader */
	ElReader   *r = el_reader_begin(rel, NULL, EL_READ_STABLE);
	int64		start = r->info.log_start;
	int64		target = start;
	int64		freed = 0;

	Assert(policy->held_from >= 0);
	*held = false;
	if (r->info.exists && policy->before_ms > EL_MIN_TIME)
	{
		int64		expired = r->info.log_end;

		if (el_reader_seek_time(r, policy->before_ms) == EL_SEEK_OK)
			expired = r->position;
		target = Max(target, Min(expired, policy->held_from));
	}
	if (r->info.exists && policy->bytes >= 0)
	{
		uint64		keep = el_retained_segments(r->info.seg_pages, policy->bytes);
		int64		over;

		over = offset_for_bytes(rel, keep > policy->room ? keep - policy->room : 1);
		if (policy->held_counts && over > policy->held_from)
		{
			*held = true;
			over = policy->held_from;
		}
		target = Max(target, over);
	}
	if (target > start)
	{
		target = removable_offset(r, target);
		Assert(target <= r->info.log_end);
	}
	el_reader_end(r);
	if (target > start)
		freed = el_log_trim(rel, target);
	return freed;
}
