/*-------------------------------------------------------------------------
 *
 * search.c
 *	  Finding places in a log: by offset, by time, by page and by block.
 *
 * NOTES
 *	  Segments are searched in the directory, pages within one by what their
 *	  special areas say.  Pages are looked at as cursor.c does: in private
 *	  copies, and one that is another page by now was trimmed.
 *
 * LOCKING
 *	  One content lock at a time, none across calls.
 *
 * IDENTIFICATION
 *	  src/storage/search.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/bufmgr.h"

#include "storage/search.h"

/*
 * Estimates of a seek before it goes on by bisection: by offset, and by time,
 * which is less even.
 */
#define EL_MAX_ESTIMATES 8
#define EL_MAX_TIME_ESTIMATES 6

/*
 * Galloping search for the first element in lo .. hi for which a predicate is
 * true.  The predicate is monotone and true at hi.  What is searched grows
 * more or less evenly: so it starts at an estimate, steps away from it in
 * growing steps, and bisects once the element lies between two that were
 * looked at.
 */
typedef struct GallopSearch
{
	uint64		lo;
	uint64		hi;
	uint64		mid;			/* to be looked at, while lo < hi */
	uint64		step;
	int			direction;		/* of the last step */
	bool		between;		/* two were looked at, and it is between them */
} GallopSearch;

static void
gallop_begin(GallopSearch *s, uint64 lo, uint64 hi, uint64 guess)
{
	s->lo = lo;
	s->hi = hi;
	s->mid = Min(Max(guess, lo), Max(hi, lo + 1) - 1);
	s->step = 1;
	s->direction = 0;
	s->between = false;
}

/* Begin again where wanted lies between the values at lo and hi. */
static void
gallop_from_guess(GallopSearch *s, int64 wanted, int64 at_lo, int64 at_hi)
{
	double		part = at_hi > at_lo ?
		((double) wanted - at_lo) / ((double) at_hi - at_lo) : 0;

	gallop_begin(s, s->lo, s->hi, s->lo +
				 (uint64) (Min(Max(part, 0), 1) * (s->hi - s->lo)));
}

static void
gallop_on(GallopSearch *s, bool holds)
{
	if (holds)
	{
		s->hi = s->mid;
		s->between |= s->direction > 0;
		s->direction = -1;
	}
	else
	{
		s->lo = s->mid + 1;
		s->between |= s->direction < 0;
		s->direction = 1;
	}
	if (s->between || s->step > (s->hi - s->lo) / 2)
		s->mid = s->lo + (s->hi - s->lo) / 2;
	else
		s->mid = s->direction < 0 ? s->hi - s->step : s->lo + s->step - 1;
	s->step *= 4;
	Assert(s->lo <= s->hi);
	Assert(s->lo == s->hi || (s->mid >= s->lo && s->mid < s->hi));
}

/*
 * Is there a batch on the page at hand that holds offset?  Sets pos if so; else
 * says where the batch behind the page's last one begins and its base offset.
 */
static bool
find_on_page(ElReader *r, uint64 page_no, int64 offset, uint64 *next_pos,
			 int64 *next_offset)
{
	ElReaderPrivate *p = r->priv;
	ElPageSpecial *special = ElPageGetSpecial(p->page.data);
	uint64		pos = EL_PAGE_POS(page_no) + special->first_byte - EL_PAGE_START;

	Assert(p->page_valid && p->page_no == page_no);
	*next_offset = special->first_offset;
	while (pos < p->seg_end && EL_POS_PAGE(pos) == page_no)
	{
		ElEnvelope *env = (ElEnvelope *)
			(p->page.data + EL_PAGE_START + EL_POS_BYTE(pos));
		ElBatchHeader h;

		if (el_envelope_problem(env) != NULL ||
			el_batch_read_header((char *) (env + 1), EL_BATCH_HEADER_SIZE,
								 &h) != NULL)
			break;				/* reading will say what is wrong */
		*next_offset = h.base_offset + h.last_offset_delta + 1;
		if (*next_offset > offset)
		{
			p->pos = pos;
			return true;
		}
		pos = el_batch_begin_pos(pos + EL_BATCH_SPACE(env->length));
	}
	*next_pos = pos;
	return false;
}

/* The pages that a batch may begin on. */
typedef struct PageRange
{
	uint64		lo;				/* on this one, or before it if it begins
								 * inside the batch */
	uint64		hi;				/* before this one */
	int64		lo_offset;		/* an offset at or before what lo holds */
	int64		hi_offset;		/* an offset behind what hi - 1 holds */
} PageRange;

/*
 * The segment that offset is in, as the one at hand: the last one whose base
 * offset is not beyond.  It is looked for in the directory, of which few pages
 * should be read: estimated first.  range gets all its pages.  False if it was
 * trimmed.
 */
static bool
find_segment(ElReader *r, int64 offset, PageRange *range)
{
	ElReaderPrivate *p = r->priv;
	const ElMeta *meta = ElPageGetMeta(p->meta.data);
	uint64		seg;
	GallopSearch search;
	ElSegment  *entry;

	/* the first segment behind */
	gallop_begin(&search, r->info.first_seg + 1, r->info.end_seg,
				 r->info.first_seg + 1);
	gallop_from_guess(&search, offset, r->info.log_start, r->info.log_end);
	while (search.lo < search.hi)
	{
		/*
		 * a directory page used again: its segments were freed, so mid is too
		 * low
		 */
		entry = el_directory_entry(r->rel, meta, &p->dir, search.mid);
		gallop_on(&search, entry != NULL && entry->base_offset > offset);
	}
	seg = search.lo - 1;
	entry = el_directory_entry(r->rel, meta, &p->dir, seg);
	if (entry == NULL)
		return false;
	range->lo_offset = entry->base_offset;
	range->hi_offset = r->info.log_end;
	if (seg + 1 < r->info.end_seg)
	{
		entry = el_directory_entry(r->rel, meta, &p->dir, seg + 1);
		if (entry == NULL)
			return false;
		range->hi_offset = entry->base_offset;
	}
	if (!el_reader_enter_segment(r, seg))
		return false;
	range->lo = seg * r->info.seg_pages;
	range->hi = el_reader_last_page(r) + 1;
	return true;
}

/*
 * Narrow the range down to one page, or find the batch on the way: then found
 * is set, and pos.  Interpolated between offsets already known, since batches
 * of one log are much alike, and by bisection if that does not come to an end.
 * False if it was trimmed.
 *
 * The batch begins on page hi - 1 at the latest.  Page lo may begin inside it:
 * its pages_back then says where it begins, even in an earlier segment.
 */
static bool
narrow_range(ElReader *r, int64 offset, PageRange *range, bool *found)
{
	ElReaderPrivate *p = r->priv;

	*found = false;
	for (int probes = 0; range->hi - range->lo > 1; probes++)
	{
		uint64		mid = range->lo + (range->hi - range->lo) / 2;
		uint64		begin;
		uint64		next_pos;
		ElPageSpecial *special;

		Assert(range->lo < range->hi);

		/*
		 * estimates come close within a few steps, or the batches are too
		 * uneven
		 */
		if (probes < EL_MAX_ESTIMATES && offset >= range->lo_offset &&
			range->hi_offset > range->lo_offset)
			mid = range->lo +
				(uint64) ((double) (offset - range->lo_offset) /
						  (double) (range->hi_offset - range->lo_offset) *
						  (range->hi - range->lo));
		mid = Min(Max(mid, range->lo + 1), range->hi - 1);
		if (!el_reader_load_page(r, mid))
			return false;
		special = ElPageGetSpecial(p->page.data);
		if (special->first_offset > offset)
		{
			/* a batch that covers the page begins on an earlier one */
			range->hi = mid -
				(special->first_byte == 0 ? special->pages_back - 1 : 0);
			range->hi_offset = special->first_offset;
			continue;
		}

		/*
		 * where the batch that covers the page begins, its header tells how
		 * far it goes
		 */
		begin = mid - (special->first_byte == 0 ? special->pages_back : 0);
		if (!el_reader_load_page(r, begin))
			return false;
		*found = find_on_page(r, begin, offset, &next_pos, &range->lo_offset);
		if (*found)
			return true;
		/* so the batch behind the last one on that page is known, too */
		if (EL_POS_PAGE(next_pos) >= range->hi)
		{
			range->lo = begin;
			return true;
		}
		/* before mid, if that one is damaged */
		range->lo = Max(EL_POS_PAGE(next_pos), mid);
	}
	return true;
}

/*
 * Set pos to the first batch of a page, from which the caller walks on to
 * offset.  The first page of a segment has not been looked at by now: if a
 * batch from the segment before ends on it, that one may be it.  False if it
 * was trimmed.
 */
static bool
begin_on_page(ElReader *r, int64 offset, uint64 page_no)
{
	ElReaderPrivate *p = r->priv;
	ElPageSpecial *special = ElPageGetSpecial(p->page.data);

	if (!el_reader_load_page(r, page_no))
		return false;
	if (special->first_offset > offset &&
		page_no > r->info.first_seg * r->info.seg_pages &&
		!el_reader_load_page(r, --page_no))
		return false;
	if (special->first_byte == 0)
	{
		page_no -= special->pages_back;
		if (!el_reader_load_page(r, page_no))
			return false;
	}
	p->pos = EL_PAGE_POS(page_no) + special->first_byte - EL_PAGE_START;
	return true;
}

bool
el_reader_find(ElReader *r, int64 offset)
{
	PageRange	range;
	bool		found;

	Assert(r->info.exists);
	Assert(offset >= r->info.log_start && offset < r->info.log_end);
	if (!find_segment(r, offset, &range) ||
		!narrow_range(r, offset, &range, &found))
		return false;
	return found || begin_on_page(r, offset, range.lo);
}

int64
el_reader_time_before(const ElReader *r)
{
	return r->priv->seg_before;
}

int64
el_reader_tail_time(const ElReader *r)
{
	return ElPageGetMeta(r->priv->meta.data)->tail_time;
}

/* The greatest time of a segment; false if what follows it is gone. */
static bool
segment_time(ElReader *r, uint64 seg, int64 *max_time)
{
	ElSegment  *entry;

	*max_time = el_reader_tail_time(r);
	if (seg + 1 >= r->info.end_seg)
		return true;
	entry = el_directory_entry(r->rel, ElPageGetMeta(r->priv->meta.data),
							   &r->priv->dir, seg + 1);
	if (entry == NULL)
		return false;
	*max_time = entry->prev_max_time;
	return true;
}

int64
el_reader_max_time(ElReader *r)
{
	int64		greatest;
	int64		max_time;

restart:
	greatest = EL_MIN_TIME;
	for (uint64 seg = r->info.first_seg; seg < r->info.end_seg; seg++)
	{
		if (!segment_time(r, seg, &max_time))
		{
			r->position = r->info.log_start;
			el_reader_restart(r);
			goto restart;
		}
		greatest = Max(greatest, max_time);
	}
	return greatest;
}

/* Where the reader is now, for the seeks. */
static void
place_reader(ElReader *r, int64 offset)
{
	r->position = offset;
	r->stopped = false;
	r->trimmed = false;
	r->priv->in_batch = false;
	r->priv->back_listed = r->priv->back_open = false;
	r->priv->positioned = false;
	r->priv->limit = PG_UINT64_MAX;
}

ElSeek
el_reader_seek(ElReader *r, int64 offset)
{
	ElReaderPrivate *p = r->priv;

	/*
	 * in the batch at hand, which need not be looked for, nor decompressed
	 * again
	 */
	if (p->in_batch && offset >= p->first_offset && offset < p->batch_end &&
		offset >= r->info.log_start && offset < r->info.log_end)
	{
		if (offset < r->position)
		{
			p->records.pos = p->first_record;
			p->records.index = p->first_index;
			r->batch_start = offset;
		}
		r->position = offset;
		r->trimmed = false;
		p->positioned = false;	/* who goes on by batches gets this one */
		p->limit = PG_UINT64_MAX;
		return EL_SEEK_OK;
	}
	if (r->info.exists && offset < r->info.log_start)
	{
		place_reader(r, r->info.log_start);
		r->trimmed = true;
		return EL_SEEK_BELOW_START;
	}
	place_reader(r, offset);
	if (!r->info.exists || offset >= r->info.log_end)
		return EL_SEEK_AT_END;
	return EL_SEEK_OK;
}

int64
el_reader_page_offset(ElReader *r, uint64 page_no)
{
	r->priv->in_batch = false;
	if (page_no / r->info.seg_pages < r->info.first_seg ||
		page_no / r->info.seg_pages >= r->info.end_seg ||
		!el_reader_enter_segment(r, page_no / r->info.seg_pages) ||
		EL_PAGE_POS(page_no) >= r->priv->seg_end || !el_reader_load_page(r, page_no))
		return -1;
	return ElPageGetSpecial(r->priv->page.data)->first_offset;
}

/*
 * It stays in its segment: to go back to another one would read the directory
 * again, and what was compacted meanwhile would not show any more.
 */
bool
el_reader_page_times(ElReader *r, uint64 page_no, int64 *max_time,
					 uint32 *time_page)
{
	ElReaderPrivate *p = r->priv;

	p->in_batch = false;
	if (!p->seg_valid || page_no / r->info.seg_pages != p->seg ||
		!el_reader_load_page(r, page_no))
		return false;
	*max_time = ElPageGetSpecial(p->page.data)->max_time;
	*time_page = ElPageGetSpecial(p->page.data)->time_page;
	return true;
}

bool
el_reader_seek_pages(ElReader *r, uint64 first, uint64 end)
{
	ElReaderPrivate *p = r->priv;

	place_reader(r, r->info.log_start);
	if (!r->info.exists)
		return false;
	first = Max(first, r->info.first_seg * r->info.seg_pages);
	while (first < end)
	{
		uint64		seg = first / r->info.seg_pages;
		uint32		byte;

		if (seg >= r->info.end_seg)
			return false;
		/* no more data in this segment, or it was trimmed: the next one */
		if (!el_reader_enter_segment(r, seg) || EL_PAGE_POS(first) >= p->seg_end ||
			!el_reader_load_page(r, first))
		{
			first = (seg + 1) * r->info.seg_pages;
			continue;
		}
		byte = ElPageGetSpecial(p->page.data)->first_byte;
		if (byte != 0)
		{
			p->pos = EL_PAGE_POS(first) + byte - EL_PAGE_START;
			p->limit = EL_PAGE_POS(end);
			p->positioned = true;
			return true;
		}
		first++;
	}
	return false;
}

/*
 * What the reader looked for is not where it was: trimmed, or compacted.  Three
 * cases.  A reader with bounds (el_reader_seek_pages) goes on in the next
 * segment.  One whose position is still in the log, as compaction has moved it or
 * an earlier part was trimmed, looks for it again.  Else the position is
 * gone: the reader goes on at the log start and says so in trimmed.  XX001 if
 * nothing has changed that would explain it.
 */
void
el_reader_restart(ElReader *r)
{
	ElLogInfo	before = r->info;

	el_reader_leave_page(r);
	r->priv->in_batch = false;
	r->priv->back_listed = r->priv->back_open = false;
	if (r->priv->limit != PG_UINT64_MAX)
	{
		/* within bounds, in the next segment, if that is within them */
		uint64		limit = r->priv->limit;
		uint64		seg = EL_POS_PAGE(r->priv->pos) / r->info.seg_pages;

		if (!el_reader_seek_pages(r, (seg + 1) * r->info.seg_pages,
								  EL_POS_PAGE(limit)))
		{
			r->priv->pos = r->priv->limit = limit;
			r->priv->positioned = true;
		}
		return;
	}
	r->priv->positioned = false;
	el_reader_read_meta(r);
	if (r->info.exists && r->info.log_start <= r->position &&
		(r->info.first_seg != before.first_seg ||
		 r->info.log_start != before.log_start ||
		 r->info.rewinds != before.rewinds ||
		 r->info.compactions != before.compactions))
		return;					/* the position is still there, only elsewhere */
	if (!r->info.exists || r->info.log_start <= r->position)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("topic partition \"%s\" is corrupt at offset %lld: a page is missing",
						RelationGetRelationName(r->rel),
						(long long) r->position),
				 errhint("check_topic() names everything that is wrong.")));
	r->trimmed = true;
	r->position = r->info.log_start;
	Assert(r->position <= r->info.log_end);
}

/* The segment that a block with that tag is a page of; false if it is of none. */
static bool
find_extent(ElReader *r, BlockNumber block, uint64 tag, uint64 *seg)
{
	ElReaderPrivate *p = r->priv;
	uint64		guess = tag / r->info.seg_pages;

	/*
	 * a page that was appended says so itself; one that was compacted is
	 * looked for
	 */
	for (*seg = r->info.first_seg; *seg < r->info.end_seg; (*seg)++)
	{
		ElSegment  *entry;

		if ((tag >> 63) == 0)
		{
			if (guess < r->info.first_seg || guess >= r->info.end_seg)
				return false;
			*seg = guess;
		}
		entry = el_directory_entry(r->rel, ElPageGetMeta(p->meta.data), &p->dir, *seg);
		if (entry != NULL && block >= entry->first_block &&
			block - entry->first_block < r->info.seg_pages &&
			tag == el_page_tag(entry->flags, block,
							   *seg * r->info.seg_pages + (block - entry->first_block)))
			return true;
		if ((tag >> 63) == 0)
			return false;
	}
	return false;
}

bool
el_reader_block_page(ElReader *r, BlockNumber block, uint64 *page_no)
{
	Buffer		buffer;
	ElPageSpecial *special;
	uint64		tag = 0;
	uint64		seg;
	bool		found;

	if (!r->info.exists || block == EL_META_BLOCK)
		return false;
	buffer = ReadBufferExtended(r->rel, MAIN_FORKNUM, block, RBM_NORMAL,
								r->strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	special = el_page_special(BufferGetPage(buffer), EL_PAGE_ID_DATA);
	found = special != NULL;
	if (found)
		tag = special->page_no;
	UnlockReleaseBuffer(buffer);

	/* a page of a free segment, or beyond the tail, is no part of the log */
	if (!found || !find_extent(r, block, tag, &seg) || !el_reader_enter_segment(r, seg))
		return false;
	*page_no = seg * r->info.seg_pages + (block - r->priv->seg_block);
	return EL_PAGE_POS(*page_no) < r->priv->seg_end;
}

/* a - b, where a is not less */
static inline double
time_span(int64 a, int64 b)
{
	return (double) ((uint64) a - (uint64) b);
}

/*
 * The first page of a segment, the one at hand, whose greatest time so far
 * reaches time_ms; the last one's does.  last: greatest time of the segment.
 * False if it was trimmed; else the page is at hand.
 *
 * Guessed as if events came evenly between the bounds, or, as there are pauses,
 * as evenly as between the last two bounds on the same side, whichever is further
 * from there.  Where that does not come to an end it is bisected.  Where the
 * segment before does not tell how early this one begins, its first page does.
 *
 *	  page     from       lo         mid        hi
 *	  time     from_time  before     time_ms ?  last
 *
 * before is the greatest time in front of page lo, and earlier than time_ms; last
 * is that of page hi, and not earlier.  If lo was the last bound to move (moved
 * is 1), from is where it was, with from_time; if hi was, the same on its side.
 */
static bool
find_time_page(ElReader *r, int64 time_ms, int64 last, uint64 *page_no)
{
	int64		before = r->priv->seg_before;
	uint64		begin = r->priv->seg * r->info.seg_pages;
	uint64		lo = begin;
	uint64		hi = el_reader_last_page(r);
	int			moved = 0;		/* 1: lo, -1: hi */
	uint64		from = 0;		/* where the bound that moved was before */
	int64		from_time = 0;	/* time known at from */

	for (int probes = 0; lo < hi; probes++)
	{
		double		width = hi - lo;
		double		part = 0;	/* pages from lo on */
		uint64		mid;
		ElPageSpecial *special;

		if (before != EL_MIN_TIME && before < time_ms)
			part = width * time_span(time_ms, before) / time_span(last, before);
		if (moved > 0 && from_time != EL_MIN_TIME && from_time < before)
			part = Max(part, time_span(time_ms, before) * (lo - from) /
					   time_span(before, from_time));
		if (moved < 0 && from_time > last)
			part = Min(part, width - 1 - time_span(last, time_ms) * (from - hi) /
					   time_span(from_time, last));
		if (probes >= EL_MAX_TIME_ESTIMATES)
			part = width / 2;
		mid = lo + (uint64) Max(Min(part, width - 1), 0);

		if (!el_reader_load_page(r, mid))
			return false;
		special = ElPageGetSpecial(r->priv->page.data);
		if (special->max_time < time_ms)
		{
			moved = 1;
			from = lo;
			from_time = before;
			lo = mid + 1;
			before = special->max_time;
			continue;
		}
		moved = -1;
		from = hi;
		from_time = last;
		/* however many pages have the same time, each knows the first */
		hi = Max(lo, Min(mid, begin + special->time_page));
		last = special->max_time;
		if (last == time_ms)
			lo = hi;
	}
	Assert(lo == hi && EL_POS_PAGE(r->priv->seg_end - 1) >= lo);
	*page_no = lo;
	return el_reader_load_page(r, lo);
}

/*
 * Kafka's rule: the first event in offset order whose time is not earlier.
 * Times may run backwards, so segments are asked in order for their greatest time;
 * within one, the greatest so far only grows and can be searched.
 */
ElSeek
el_reader_seek_time(ElReader *r, int64 time_ms)
{
	ElReaderPrivate *p = r->priv;

restart:
	if (!r->info.exists || r->info.log_start == r->info.log_end)
	{
		place_reader(r, r->info.log_end);
		return EL_SEEK_AT_END;
	}
	place_reader(r, r->info.log_start);
	for (uint64 seg = r->info.first_seg; seg < r->info.end_seg; seg++)
	{
		int64		max_time;
		uint64		page_no;
		ElPageSpecial *special;

		if (!segment_time(r, seg, &max_time))
			goto trimmed;
		if (max_time < time_ms)
			continue;
		if (!el_reader_enter_segment(r, seg) ||
			!find_time_page(r, time_ms, max_time, &page_no))
			goto trimmed;
		special = ElPageGetSpecial(p->page.data);
		r->position = Max(r->info.log_start, special->first_offset);
		if (special->first_byte != 0 &&
			special->first_offset >= r->info.log_start)
		{
			/* no need to look for it again */
			p->pos = EL_PAGE_POS(page_no) + special->first_byte - EL_PAGE_START;
			p->positioned = true;
		}
		return EL_SEEK_OK;
	}
	place_reader(r, r->info.log_end);
	return EL_SEEK_AT_END;

trimmed:
	r->position = r->info.log_start;
	el_reader_restart(r);
	goto restart;
}
