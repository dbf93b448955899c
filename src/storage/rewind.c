/*-------------------------------------------------------------------------
 *
 * rewind.c
 *	  Offsets that only aborted batches took.
 *
 * A restore brings its offsets.  If it is rolled back, its batches stay at the log's
 * end, aborted, and it could not be repeated.  So the log's end goes back to where they
 * begin.  Nobody was ever given an event at these offsets: no position, and no committed
 * offset, speaks of one.  What the log gives out by itself stays behind them all the
 * same (floor).
 *
 * Positions in the stream are given once more then, with other bytes, which no reader
 * on its way there could tell.  Hence the AccessExclusiveLock: it keeps those of
 * others away, on standbys too.  What sessions remember of the log goes by the number of
 * rewinds.
 *
 * The tail never goes back into what was compacted or freed, and retention and
 * compaction free aborted batches, too.  But a log that never held anything else begins
 * anew: all its blocks are free.  Any other is refused there; TRUNCATE helps, unless the
 * log has been emptied before.
 *
 * IDENTIFICATION
 *	  src/storage/rewind.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"

#include "base/errors.h"
#include "storage/cursor.h"
#include "storage/reader.h"
#include "storage/rewind.h"
#include "storage/search.h"
#include "storage/wal.h"

/* What the metapage says of the tail. */
typedef struct Tail
{
	uint64		pos;
	int64		time;
	uint32		time_page;
	BlockNumber block;
} Tail;

/*
 * Has the log held, from offset on, aborted batches and nothing else?  Where the first of
 * those that are there begins goes to pos, and its base offset to base.  Only that
 * one is looked at if first_alone is set.
 */
static bool
is_aborted_from(Relation rel, int64 offset, bool first_alone, uint64 *pos,
				int64 *base)
{
	ElReader   *r = el_reader_begin(rel, NULL, EL_READ_ALL);
	bool		below = offset < r->info.log_start;
	bool		found = false;
	bool		aborted = below && r->info.not_emptied &&
		r->info.log_start == r->info.log_end;

	if ((!below || r->info.not_emptied) &&
		el_reader_seek(r, Max(offset, r->info.log_start)) == EL_SEEK_OK)
	{
		while (el_reader_next_batch(r))
		{
			CHECK_FOR_INTERRUPTS();
			if (!found)
			{
				*pos = el_reader_batch_pos(r);
				*base = r->header.base_offset;
			}
			found = true;
			aborted = r->state == EL_BATCH_ABORTED;
			if (!aborted || first_alone)
				break;
		}
	}
	el_reader_end(r);
	return aborted;
}

/*
 * The tail of a log that ends where the batch at cut begins.  False if it would lie in
 * what was compacted or freed.
 */
static bool
find_tail(ElReader *r, uint64 cut, Tail *tail)
{
	ElReaderPrivate *p = r->priv;
	const ElMeta *meta = ElPageGetMeta(p->meta.data);
	uint64		seg = EL_POS_PAGE(cut) / r->info.seg_pages;
	uint64		page;
	ElSegment  *entry;

	tail->pos = cut;
	tail->time = EL_MIN_TIME;
	tail->time_page = 0;
	tail->block = InvalidBlockNumber;
	if (cut == 0)
		return meta->clean_seg == 0;
	if (cut == EL_PAGE_POS(seg * r->info.seg_pages))
	{
		/* it begins its segment: the one before is that of the tail again */
		tail->pos = el_directory_require(r->rel, meta, &p->dir, seg)->prev_end;
		seg--;
	}
	if (seg < Max(meta->first_seg, meta->clean_seg))
		return false;

	/* greatest time: what the page before says, and the batches on this one */
	entry = el_directory_require(r->rel, meta, &p->dir, seg);
	tail->block = entry->first_block;
	if (entry->flags & EL_SEGMENT_CONTINUES)
		tail->time = entry->prev_max_time;
	page = EL_POS_PAGE(tail->pos);
	if (page > seg * r->info.seg_pages)
	{
		if (!el_reader_load_page(r, page - 1))
			return false;
		tail->time = ElPageGetSpecial(p->page.data)->max_time;
		tail->time_page = ElPageGetSpecial(p->page.data)->time_page;
	}
	if (EL_POS_BYTE(tail->pos) == 0)
		return true;
	if (!el_reader_load_page(r, page))
		return false;
	if (ElPageGetSpecial(p->page.data)->first_byte == 0)
		return true;
	p->pos = EL_PAGE_POS(page) + ElPageGetSpecial(p->page.data)->first_byte - EL_PAGE_START;
	while (p->pos < tail->pos)
	{
		ElEnvelope *env;

		if (el_reader_peek(r, &env) <= 0)
			return false;
		if (r->header.max_timestamp > tail->time)
		{
			tail->time = r->header.max_timestamp;
			tail->time_page = page % r->info.seg_pages;
		}
		p->pos += EL_BATCH_SPACE(env->length);
	}
	return true;
}

static void
move_tail_back(Relation rel, const Tail *tail, int64 log_end)
{
	Buffer		metabuf = el_meta_lock(rel, NULL);
	Page		page = BufferGetPage(metabuf);
	ElMeta	   *meta = ElPageGetMeta(page);

	Assert(tail->pos < meta->tail_pos);
	START_CRIT_SECTION();
	el_meta_raise(meta)->rewinds++;
	meta->floor = Max(meta->floor, meta->log_end);
	meta->log_end = Max(log_end, meta->log_start);
	meta->tail_pos = tail->pos;
	meta->tail_time = tail->time;
	meta->tail_time_page = tail->time_page;
	meta->tail_block = tail->block;
	/* segments behind are set aside, as by an append that failed */
	meta->end_seg = tail->pos == 0 ? 0 :
		EL_POS_PAGE(tail->pos - 1) / meta->seg_pages + 1;
	if (tail->pos == 0)
		meta->batches = 0;
	meta->settled_pos = Min(meta->settled_pos, meta->tail_pos);
	meta->settled_offset = Min(meta->settled_offset, meta->log_end);
	meta->unshrinkable_segs = Min(meta->unshrinkable_segs,
								  meta->end_seg - meta->clean_seg);
	el_page_seal(page);
	AssertMeta(page);
	el_wal_log_page(rel, metabuf);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(metabuf);
}

/* The log holds nothing, and its blocks are in no entry. */
static void
begin_anew(Relation rel, int64 offset)
{
	Buffer		metabuf = el_meta_lock(rel, NULL);
	Page		page = BufferGetPage(metabuf);
	ElMeta	   *meta = ElPageGetMeta(page);
	ElMeta		old = *meta;
	ElMetaSpecial special;

	START_CRIT_SECTION();
	special = *el_meta_raise(meta);
	el_meta_init(page, old.partition, old.seg_pages, offset,
				 Max(old.floor, old.log_end));
	meta->next_block = old.next_block;
	meta->compactions = old.compactions;
	special.removed = special.compacted_end = 0;
	special.rewinds++;
	*ElMetaGetSpecial(meta) = special;
	el_page_seal(page);
	AssertMeta(page);
	el_wal_log_page(rel, metabuf);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(metabuf);
}

bool
el_log_rewind(Relation rel, int64 offset)
{
	uint64		cut;
	int64		base;
	ElReader   *r;
	Tail		tail;
	bool		found;

	/* nobody is waited for in vain */
	if (!is_aborted_from(rel, offset, true, &cut, &base))
		return false;
	LockRelation(rel, AccessExclusiveLock);
	if (!is_aborted_from(rel, offset, false, &cut, &base))
		return false;
	r = el_reader_begin(rel, NULL, EL_READ_ALL);
	found = offset >= r->info.log_start && find_tail(r, cut, &tail);
	el_reader_end(r);
	if (found)
		move_tail_back(rel, &tail, Min(base, offset));
	else if (is_aborted_from(rel, 0, false, &cut, &base))
		begin_anew(rel, offset);
	else
		return false;
	el_readers_note_rewind();
	return true;
}

void
el_log_note_emptied(Relation rel)
{
	Buffer		metabuf = el_meta_lock(rel, NULL);
	Page		page;
	ElMetaSpecial *special;

	Assert(CheckRelationLockedByMe(rel, ShareUpdateExclusiveLock, true));
	if (!BufferIsValid(metabuf))
		return;
	page = BufferGetPage(metabuf);
	special = ElMetaGetSpecial(ElPageGetMeta(page));
	if (el_meta_special(ElPageGetMeta(page))->flags & EL_META_NOT_EMPTIED)
	{
		START_CRIT_SECTION();
		special->flags &= ~EL_META_NOT_EMPTIED;
		el_page_seal(page);
		el_wal_log_page(rel, metabuf);
		END_CRIT_SECTION();
	}
	UnlockReleaseBuffer(metabuf);
}

/* A call of el_log_committed_end(). */
typedef struct EndSearch
{
	Relation	rel;
	int64		low;			/* log start and end */
	int64		high;
	int64		end;			/* found; at first what it is if there is none */
} EndSearch;

/* Reads backward from the log end in growing steps, over what was aborted. */
static void
find_committed_end(void *arg)
{
	EndSearch  *s = arg;
	ElReader   *r = el_reader_begin(s->rel, NULL, EL_READ_STABLE);
	int64		base;
	int64		end = s->end;

	(void) el_reader_last_batch(r, s->low, s->high, &base, &end);
	/* what this transaction has appended counts: it knows the offsets */
	s->end = r->stopped ? s->high : end;
	el_reader_end(r);
}

/* A log that is damaged can be truncated, too: there everything counts. */
int64
el_log_committed_end(Relation rel)
{
	PGAlignedBlock copy;
	const ElMeta *meta = ElPageGetMeta(copy.data);
	EndSearch	s = {.rel = rel};

	Assert(CheckRelationLockedByMe(rel, AccessExclusiveLock, true));
	if (!el_meta_read(rel, copy.data))
		return 0;
	s.low = meta->log_start;
	s.high = meta->log_end;
	if (!(el_meta_special(meta)->flags & EL_META_NOT_EMPTIED))
		s.end = s.low;
	if (s.low < s.high && el_attempt(find_committed_end, &s) != NULL)
		s.end = s.high;
	return s.end;
}
