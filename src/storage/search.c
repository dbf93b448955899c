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

/* Estimates of a seek before it goes on by bisection: by offset, and by time, which is less even. */
#define EL_MAX_ESTIMATES 8
#define EL_MAX_TIME_ESTIMATES 6

/*
 * For the first of lo .. hi of which something holds, as it does of all behind
 * it; it holds of hi.  What is searched grows more or less evenly: so it begins at a
 * guess, goes from there in growing steps, and by bisection once it lies between
 * two that were looked at.
 */
typedef struct Search
{
	uint64		lo;
	uint64		hi;
	uint64		mid;			/* to be looked at, while lo < hi */
	uint64		step;
	int			direction;		/* of the last step */
	bool		between;
} Search;

static void
search_begin(Search *s, uint64 lo, uint64 hi, uint64 guess)
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
search_guess(Search *s, int64 wanted, int64 at_lo, int64 at_hi)
{
	double		part = at_hi > at_lo ?
		((double) wanted - at_lo) / ((double) at_hi - at_lo) : 0;

	search_begin(s, s->lo, s->hi, s->lo +
				 (uint64) (Min(Max(part, 0), 1) * (s->hi - s->lo)));
}

static void
search_go_on(Search *s, bool holds)
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

/*
 * Segment: the last one whose base offset is not beyond, in the directory, of
 * which few pages should be read: guessed first.
 * Page in it: interpolated between offsets already known, since batches of a
 * topic are much alike, and by bisection if that does not come to an end.
 */
bool
el_reader_find(ElReader *r, int64 offset)
{
	ElReaderPrivate *p = r->priv;
	uint64		lo = r->info.first_seg;
	uint64		hi = r->info.end_seg;
	Search		search;
	ElSegment  *entry;
	int64		lo_offset,
				hi_offset;

	/* the first segment behind */
	search_begin(&search, lo + 1, hi, lo + 1);
	search_guess(&search, offset, r->info.log_start, r->info.log_end);
	while (search.lo < search.hi)
	{
		/* a directory page used again: its segments were freed, so mid is too low */
		entry = el_directory_entry(r->rel, ElPageGetMeta(p->meta.data),
								   &p->dir, search.mid);
		search_go_on(&search, entry != NULL && entry->base_offset > offset);
	}
	lo = search.lo - 1;
	entry = el_directory_entry(r->rel, ElPageGetMeta(p->meta.data), &p->dir, lo);
	if (entry == NULL)
		return false;
	lo_offset = entry->base_offset;
	hi_offset = r->info.log_end;
	if (lo + 1 < r->info.end_seg)
	{
		entry = el_directory_entry(r->rel, ElPageGetMeta(p->meta.data), &p->dir, lo + 1);
		if (entry == NULL)
			return false;
		hi_offset = entry->base_offset;
	}
	if (!el_reader_enter_segment(r, lo))
		return false;

	/*
	 * The batch begins on page hi - 1 at the latest.  Page lo may begin inside it:
	 * its "back" then says where it begins, even in an earlier segment.
	 */
	lo = lo * r->info.seg_pages;
	hi = el_reader_last_page(r) + 1;
	for (int probes = 0; hi - lo > 1; probes++)
	{
		uint64		mid = lo + (hi - lo) / 2;
		uint64		begin;
		uint64		next_pos;
		ElPageSpecial *special;

		/* estimates come close within a few steps, or the batches are too uneven */
		if (probes < EL_MAX_ESTIMATES && offset >= lo_offset && hi_offset > lo_offset)
			mid = lo + (uint64) ((double) (offset - lo_offset) /
								 (double) (hi_offset - lo_offset) * (hi - lo));
		mid = Min(Max(mid, lo + 1), hi - 1);
		if (!el_reader_load_page(r, mid))
			return false;
		special = ElPageGetSpecial(p->page.data);
		if (special->first_offset > offset)
		{
			/* a batch that covers the page begins on an earlier one */
			hi = mid - (special->first_byte == 0 ? special->back - 1 : 0);
			hi_offset = special->first_offset;
			continue;
		}

		/* where the batch that covers the page begins, its header tells how far it goes */
		begin = mid - (special->first_byte == 0 ? special->back : 0);
		if (!el_reader_load_page(r, begin))
			return false;
		if (find_on_page(r, begin, offset, &next_pos, &lo_offset))
			return true;
		/* so the batch behind the last one on that page is known, too */
		if (EL_POS_PAGE(next_pos) >= hi)
		{
			lo = begin;
			break;
		}
		/* before mid, if that one is damaged */
		lo = Max(EL_POS_PAGE(next_pos), mid);
	}

	/*
	 * From the first batch of page lo on, the caller walks.  The first page of
	 * a segment has not been looked at: if a batch from the segment before
	 * ends on it, that one may be it.
	 */
	if (!el_reader_load_page(r, lo))
		return false;
	if (ElPageGetSpecial(p->page.data)->first_offset > offset &&
		lo > r->info.first_seg * r->info.seg_pages && !el_reader_load_page(r, --lo))
		return false;
	if (ElPageGetSpecial(p->page.data)->first_byte == 0)
	{
		lo -= ElPageGetSpecial(p->page.data)->back;
		if (!el_reader_load_page(r, lo))
			return false;
	}
	p->pos = EL_PAGE_POS(lo) + ElPageGetSpecial(p->page.data)->first_byte -
		EL_PAGE_START;
	return true;
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
		 r->info.compactions != before.compactions))
		return;					/* the position is still there, only elsewhere */
	if (!r->info.exists || r->info.log_start <= r->position)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("topic partition \"%s\" is corrupt at offset " INT64_FORMAT ": a page is missing",
						RelationGetRelationName(r->rel), r->position),
				 errhint("check_topic() names everything that is wrong.")));
	r->trimmed = true;
	r->position = r->info.log_start;
}

/* The segment that a block with that tag is a page of; false if it is of none. */
static bool
find_extent(ElReader *r, BlockNumber block, uint64 tag, uint64 *seg)
{
	ElReaderPrivate *p = r->priv;
	uint64		guess = tag / r->info.seg_pages;

	/* a page that was appended says so itself; one that was compacted is looked for */
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
 */
static bool
find_time_page(ElReader *r, int64 time_ms, int64 last, uint64 *page_no)
{
	int64		before = r->priv->seg_before;
	uint64		begin = r->priv->seg * r->info.seg_pages;
	uint64		lo = begin;
	uint64		hi = el_reader_last_page(r);
	int			moved = 0;		/* 1: lo, -1: hi */
	uint64		from = 0;		/* where that bound was, ... */
	int64		from_time = 0;	/* ... and its time */

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
