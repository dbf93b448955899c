/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  Reading a log in offset order, and finding places in it.
 *
 * NOTES
 *	  Everything before the tail that the metapage named is immutable but for
 *	  hint flags, so a page is copied to private memory once, under its share
 *	  lock, and read there.  A batch on one page is handed out from that
 *	  copy; one that spans pages is put together.
 *
 *	  Recycling needs no more than the page's exclusive lock, so neither a
 *	  pin nor a snapshot protects a reader from it.  Each copied page is asked
 *	  for its logical number; if it is another one, the log start has moved
 *	  and the reader goes on there, saying so in "trimmed".
 *
 * LOCKING
 *	  One content lock at a time, none across calls.
 *
 * IDENTIFICATION
 *	  src/storage/reader.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "eventlog.h"
#include "storage/meta.h"
#include "storage/reader.h"

/* Interpolation steps of a seek before it goes on by bisection. */
#define EL_MAX_ESTIMATES 8

/*
 * What is left of the last batch that a reader of this session has decompressed
 * and not read to its end: where the next reader goes on, as a rule.  The rest
 * of a batch is as immutable as the batch, which is known by its file,
 * offset, length, transaction and CRC.
 */
static struct
{
	RelFileLocator locator;
	uint64		fxid;
	int64		from;			/* offset of the first record here may be no less; -1: nothing here */
	ElBatchReader records;		/* where pos .. end is bytes 0 .. */
	char	   *bytes;
}			rest = {.from = -1};

/* A longer one is not kept. */
#define EL_MAX_REST	(128 * 1024)

void
el_reader_corrupt(ElReader *r, uint64 pos, const char *what)
{
	ElReaderPrivate *p = r->priv;
	uint64		page_no = EL_POS_PAGE(pos);
	BlockNumber block = InvalidBlockNumber;

	if (p->seg_valid && page_no / r->info.seg_pages == p->seg)
		block = p->seg_block + page_no % r->info.seg_pages;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("topic partition \"%s\" is corrupt at offset " INT64_FORMAT ": %s",
					RelationGetRelationName(r->rel), r->position, what),
			 errdetail("Block %u, byte %u of its page data.", block,
					   EL_POS_BYTE(pos)),
			 errhint("check_topic() names everything that is wrong; other offsets may still be read.")));
}

/* Write the hints found on the page at hand, if it is dirty anyway, and let it go. */
static void
leave_page(ElReader *r)
{
	ElReaderPrivate *p = r->priv;

	if (!p->page_valid)
		return;
	if (p->nhints > 0 && el_buffer_is_dirty(p->buffer))
	{
		Page		page = BufferGetPage(p->buffer);
		ElPageSpecial *special;

		LockBuffer(p->buffer, BUFFER_LOCK_SHARE);
		special = el_page_special(page, EL_PAGE_ID_DATA);
		if (special != NULL &&
			special->page_no == ElPageGetSpecial(p->page.data)->page_no)
		{
			for (int i = 0; i < p->nhints; i++)
			{
				ElEnvelope *env = (ElEnvelope *) ((char *) page +
												  p->hints[i].byte);

				env->flags |= p->hints[i].flags;
			}
			MarkBufferDirtyHint(p->buffer, true);
		}
		LockBuffer(p->buffer, BUFFER_LOCK_UNLOCK);
	}
	ReleaseBuffer(p->buffer);
	p->page_valid = false;
	p->nhints = 0;
}

/* Read the metapage; what was cached from the directory may be out of date. */
static void
read_meta(ElReader *r)
{
	ElReaderPrivate *p = r->priv;

	p->has_meta = el_meta_read(r->rel, p->meta.data);
	if (p->has_meta)
		el_meta_to_info(ElPageGetMeta(p->meta.data), &r->info);
	else
		memset(&r->info, 0, sizeof(r->info));
	p->dir.valid = false;
	p->seg_valid = false;
}

ElReader *
el_reader_begin(Relation rel, Snapshot snapshot, ElReadMode mode)
{
	ElReader   *r = palloc0(sizeof(ElReader));

	r->rel = rel;
	r->snapshot = snapshot;
	r->mode = mode;
	r->serializable = mode == EL_READ_MVCC;
	if (snapshot != NULL && IsMVCCSnapshot(snapshot))
		r->snapshot_xmin = el_full_xid(snapshot->xmin);
	r->priv = palloc0(sizeof(ElReaderPrivate));
	r->priv->mcxt = CurrentMemoryContext;
	r->priv->limit = PG_UINT64_MAX;
	read_meta(r);
	return r;
}

static void
keep_rest(ElReader *r)
{
	ElReaderPrivate *p = r->priv;
	const ElBatchReader *b = &p->records;
	size_t		len = b->end - b->pos;

	/* without compression the pages have it */
	if (!p->in_batch || len == 0 || len > EL_MAX_REST ||
		(b->header.attributes & EL_ATTR_CODEC_MASK) == EL_CODEC_NONE)
		return;
	rest.from = -1;
	if (rest.bytes == NULL)
		rest.bytes = MemoryContextAlloc(TopMemoryContext, EL_MAX_REST);
	memcpy(rest.bytes, b->pos, len);
	rest.records = *b;
	memset(&rest.records.scratch, 0, sizeof(ElScratch));
	rest.records.pos = rest.bytes;
	rest.records.end = rest.bytes + len;
	rest.locator = el_rel_locator(r->rel);
	rest.fxid = r->fxid.value;
	rest.from = r->position;
}

/* Has rest the batch whose header was read, from the position on? */
static bool
has_rest(const ElReader *r)
{
	const ElBatchHeader *h = &rest.records.header;

	return rest.from >= 0 &&
		rest.from <= Max(r->position, r->header.base_offset) &&
		RelFileLocatorEquals(rest.locator, el_rel_locator(r->rel)) &&
		rest.fxid == r->fxid.value &&
		h->base_offset == r->header.base_offset &&
		h->batch_length == r->header.batch_length &&
		h->last_offset_delta == r->header.last_offset_delta &&
		h->crc == r->header.crc;
}

/* Open records with a copy of it: another reader may keep another one meanwhile. */
static void
open_rest(ElReader *r)
{
	ElReaderPrivate *p = r->priv;
	ElScratch	scratch = p->records.scratch;
	size_t		len = rest.records.end - rest.records.pos;

	if (scratch.cap < len)
	{
		if (scratch.buf)
			pfree(scratch.buf);
		scratch.buf = palloc(len);
		scratch.cap = len;
	}
	memcpy(scratch.buf, rest.bytes, len);
	p->records = rest.records;
	p->records.scratch = scratch;
	p->records.pos = scratch.buf;
	p->records.end = p->records.pos + len;
}

void
el_reader_end(ElReader *r)
{
	keep_rest(r);
	leave_page(r);
	if (r->priv->assembly)
		pfree(r->priv->assembly);
	if (r->priv->back_starts)
		pfree(r->priv->back_starts);
	if (r->priv->records.scratch.buf)
		pfree(r->priv->records.scratch.buf);
	pfree(r->priv);
	pfree(r);
}

void
el_reader_refresh(ElReader *r)
{
	leave_page(r);				/* the tail page has grown */
	read_meta(r);
	r->stopped = false;
}

void
el_reader_restart(ElReader *r)
{
	ElLogInfo	before = r->info;

	leave_page(r);
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
	read_meta(r);
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

bool
el_reader_enter_segment(ElReader *r, uint64 seg)
{
	ElReaderPrivate *p = r->priv;
	ElSegment  *entry;

	if (p->seg_valid && p->seg == seg)
		return true;
	entry = el_directory_entry(r->rel, ElPageGetMeta(p->meta.data), &p->dir, seg);
	if (entry == NULL)
		return false;
	p->seg_block = entry->first_block;
	p->seg_flags = entry->flags;
	p->seg_end = r->info.tail_pos;
	if (seg + 1 < r->info.end_seg)
	{
		entry = el_directory_entry(r->rel, ElPageGetMeta(p->meta.data), &p->dir, seg + 1);
		if (entry == NULL ||
			EL_SEGMENT_PREV_GEN(entry->flags) != EL_SEGMENT_GEN(p->seg_flags))
			return false;
		p->seg_end = entry->prev_end;
	}
	else if (EL_SEGMENT_GEN(p->seg_flags) != 0)
		return false;			/* the last one never is */
	p->seg = seg;
	p->seg_valid = true;
	return true;
}

bool
el_reader_load_page(ElReader *r, uint64 page_no)
{
	ElReaderPrivate *p = r->priv;
	BlockNumber block;
	Page		page;
	ElPageSpecial *special;
	bool		right;
	bool		damaged;

	if (p->page_valid && p->page_no == page_no)
		return true;
	CHECK_FOR_INTERRUPTS();
	leave_page(r);
	if (!el_reader_enter_segment(r, page_no / r->info.seg_pages))
		return false;
	block = p->seg_block + page_no % r->info.seg_pages;
	p->buffer = ReadBufferExtended(r->rel, MAIN_FORKNUM, block, RBM_NORMAL,
								   r->strategy);
	page = BufferGetPage(p->buffer);
	LockBuffer(p->buffer, BUFFER_LOCK_SHARE);
	special = el_page_special(page, EL_PAGE_ID_DATA);
	right = special != NULL &&
		special->page_no == el_page_tag(p->seg_flags, block, page_no);
	damaged = special != NULL && !el_page_sound(page);
	if (right)
	{
		memcpy(p->page.data, page, Min(((PageHeader) page)->pd_lower,
									   EL_PAGE_END));
		memcpy(p->page.data + EL_PAGE_END, (char *) page + EL_PAGE_END,
			   BLCKSZ - EL_PAGE_END);
	}
	LockBuffer(p->buffer, BUFFER_LOCK_UNLOCK);
	if (!right || damaged)
	{
		ReleaseBuffer(p->buffer);
		if (damaged)
			el_reader_corrupt(r, EL_PAGE_POS(page_no), "checksum of the page differs");
		return false;
	}
	p->page_no = page_no;
	p->page_valid = true;
	return true;
}

/*
 * Copy a batch that spans pages, from byte "at" of the page at hand, into one piece.  False if
 * it was trimmed meanwhile.
 */
static bool
assemble(ElReader *r, uint64 pos, uint32 len)
{
	ElReaderPrivate *p = r->priv;
	uint32		done = 0;

	if (p->assembly_size < len)
	{
		if (p->assembly)
			pfree(p->assembly);
		p->assembly = NULL;
		p->assembly = MemoryContextAlloc(p->mcxt, len);
		p->assembly_size = len;
	}
	while (done < len)
	{
		uint64		at = pos + done;
		uint32		byte = EL_POS_BYTE(at);
		uint32		n = Min(EL_PAGE_DATA - byte, len - done);

		if (!el_reader_load_page(r, EL_POS_PAGE(at)))
			return false;
		memcpy(p->assembly + done, p->page.data + EL_PAGE_START + byte, n);
		done += n;
	}
	return true;
}

int
el_reader_peek(ElReader *r, ElEnvelope **env)
{
	ElReaderPrivate *p = r->priv;
	const char *wrong;

	for (;;)
	{
		uint64		seg;

		p->pos = el_batch_begin_pos(p->pos);
		if (p->pos >= Min(r->info.tail_pos, p->limit))
			return 0;
		seg = EL_POS_PAGE(p->pos) / r->info.seg_pages;
		if (!el_reader_enter_segment(r, seg))
			return -1;
		if (p->pos < p->seg_end)
			break;
		p->pos = EL_PAGE_POS((seg + 1) * r->info.seg_pages);
	}
	if (!el_reader_load_page(r, EL_POS_PAGE(p->pos)))
		return -1;
	*env = (ElEnvelope *) (p->page.data + EL_PAGE_START + EL_POS_BYTE(p->pos));
	wrong = el_envelope_problem(*env);
	if (wrong != NULL)
		el_reader_corrupt(r, p->pos, wrong);
	if ((*env)->length < EL_BATCH_HEADER_SIZE ||
		EL_BATCH_SPACE((*env)->length) > r->info.tail_pos - p->pos)
		el_reader_corrupt(r, p->pos, "batch length out of bounds");
	wrong = el_batch_read_header((char *) (*env + 1), EL_BATCH_HEADER_SIZE,
								 &r->header);
	if (wrong == NULL &&
		r->header.batch_length + EL_BATCH_LOG_OVERHEAD != (*env)->length)
		wrong = "batch length differs from its envelope's";
	if (wrong != NULL)
		el_reader_corrupt(r, p->pos, wrong);
	return 1;
}

bool
el_reader_padding_clean(const ElReader *r)
{
	const ElReaderPrivate *p = r->priv;
	uint64		at = p->batch_pos + sizeof(ElEnvelope) + r->batch_len;

	/* the page at hand is the one that the batch ends on */
	for (; at < p->batch_pos + EL_BATCH_SPACE(r->batch_len); at++)
		if (p->page.data[EL_PAGE_START + EL_POS_BYTE(at)] != 0)
			return false;
	return true;
}

uint64
el_reader_page(const ElReader *r)
{
	return EL_POS_PAGE(r->priv->pos);
}

/* Establish pos for the position; false at the end. */
static bool
be_positioned(ElReader *r)
{
	while (!r->priv->positioned)
	{
		if (!r->info.exists || r->position >= r->info.log_end)
			return false;
		if (r->position < r->info.log_start)
		{
			r->position = r->info.log_start;
			r->trimmed = true;
			continue;
		}
		if (el_reader_find(r, r->position))
			r->priv->positioned = true;
		else
			el_reader_restart(r);
	}
	return true;
}

bool
el_reader_judge(ElReader *r, const ElEnvelope *env)
{
	ElReaderPrivate *p = r->priv;

	r->fxid.value = env->fxid;
	r->cid = env->cid;
	r->batch_len = env->length;
	r->state = el_batch_state(r, env);
	if (p->nhints < EL_MAX_HINTS)
	{
		uint16		hint = el_hint_for(r, env, r->state, p->buffer);

		if (hint != 0)
		{
			p->hints[p->nhints].byte = (char *) env - p->page.data;
			p->hints[p->nhints++].flags = hint;
		}
	}

	switch (r->mode)
	{
		case EL_READ_ALL:
			return true;
		case EL_READ_MVCC:
			return r->state == EL_BATCH_VISIBLE ||
				(r->state == EL_BATCH_OWN && r->cid < r->snapshot->curcid);
		case EL_READ_STOP:
			return r->state == EL_BATCH_VISIBLE;
	}
	return false;
}

bool
el_reader_take(ElReader *r, ElEnvelope *env, uint64 pos)
{
	ElReaderPrivate *p = r->priv;

	if (EL_PAGE_DATA - EL_POS_BYTE(pos) >= sizeof(ElEnvelope) + env->length)
		r->batch = (char *) (env + 1);
	else if (assemble(r, pos + sizeof(ElEnvelope), r->batch_len))
		r->batch = p->assembly;
	else
		return false;
	p->batch_pos = pos;
	return true;
}

void
el_reader_open_batch(ElReader *r)
{
	ElReaderPrivate *p = r->priv;
	MemoryContext old;
	bool		ok = true;

	/* its scratch outlives the caller's per-tuple context */
	old = MemoryContextSwitchTo(p->mcxt);
	if (p->from_rest)
		open_rest(r);
	else
		ok = el_batch_open(&p->records, r->batch, r->batch_len, false);
	MemoryContextSwitchTo(old);
	p->from_rest = false;
	if (!ok)
		el_reader_corrupt(r, p->batch_pos, p->records.error);
}

/* as el_reader_next_batch(); unless rest has the batch and may be used: then batch is not set */
static bool
next_batch(ElReader *r, bool may_use_rest)
{
	ElReaderPrivate *p = r->priv;

	p->in_batch = false;
	p->back_listed = p->back_open = false;
	if (r->stopped)
		return false;
	for (;;)
	{
		ElEnvelope *env;
		int			found;
		uint64		pos;
		uint64		next_pos;
		int64		next_offset;
		bool		wanted;

		if (!be_positioned(r))
			return false;
		found = el_reader_peek(r, &env);
		if (found == 0)
			return false;
		if (found < 0)
		{
			el_reader_restart(r);
			continue;
		}
		pos = p->pos;
		next_pos = pos + EL_BATCH_SPACE(env->length);
		next_offset = r->header.base_offset + r->header.last_offset_delta + 1;
		if (next_offset <= r->position)
		{
			p->pos = next_pos;
			continue;
		}

		wanted = el_reader_judge(r, env);
		if (r->mode == EL_READ_STOP && (r->state == EL_BATCH_OWN ||
										r->state == EL_BATCH_IN_PROGRESS))
		{
			/* a batch whose beginning was delivered is decided */
			r->position = Max(r->position, r->header.base_offset);
			r->stopped = true;
			r->stop_fxid = r->fxid;
			return false;
		}
		if (wanted && may_use_rest && has_rest(r))
			p->from_rest = true;
		else if (wanted && !el_reader_take(r, env, pos))
		{
			el_reader_restart(r);
			continue;
		}
		p->batch_pos = pos;
		p->pos = next_pos;
		if (wanted)
		{
			r->batch_start = Max(r->position, r->header.base_offset);
			r->position = next_offset;
			return true;
		}
		r->position = next_offset;
	}
}

bool
el_reader_next_batch(ElReader *r)
{
	return next_batch(r, false);
}

bool
el_reader_last_batch(ElReader *r, int64 low, int64 limit, int64 *base,
					 int64 *end)
{
	int64		step = 1;
	bool		found = false;

	/* back in growing steps: as a rule the last one is near */
	while (!found && limit > low)
	{
		int64		from = limit - low > step ? limit - step : low;

		CHECK_FOR_INTERRUPTS();
		if (el_reader_seek(r, from) == EL_SEEK_OK)
		{
			while (el_reader_next_batch(r) && r->header.base_offset < limit)
			{
				found = true;
				*base = r->header.base_offset;
				if (end != NULL)
					*end = *base + r->header.last_offset_delta + 1;
			}
		}
		if (from == low)
			break;
		step *= 16;
	}
	return found;
}

bool
el_reader_next(ElReader *r, ElRecord *rec)
{
	ElReaderPrivate *p = r->priv;

	for (;;)
	{
		int			got;

		if (!p->in_batch)
		{
			if (!next_batch(r, true))
				return false;
			p->batch_end = r->position;
			r->position = r->batch_start;
			el_reader_open_batch(r);
			p->in_batch = true;
		}
		got = el_batch_next(&p->records, rec);
		if (got < 0)
			el_reader_corrupt(r, p->batch_pos, p->records.error);
		if (got == 0)
		{
			p->in_batch = false;
			r->position = p->batch_end;
			continue;
		}
		if (rec->offset < r->position)
			continue;
		r->position = rec->offset + 1;
		return true;
	}
}

/*
 * Search
 */

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

/* Where the reader is now, for the seeks. */
static void
place(ElReader *r, int64 offset)
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
		place(r, r->info.log_start);
		r->trimmed = true;
		return EL_SEEK_BELOW_START;
	}
	place(r, offset);
	if (!r->info.exists || offset >= r->info.log_end)
		return EL_SEEK_AT_END;
	return EL_SEEK_OK;
}

int64
el_reader_page_offset(ElReader *r, uint64 page_no)
{
	if (page_no / r->info.seg_pages >= r->info.end_seg ||
		!el_reader_enter_segment(r, page_no / r->info.seg_pages) ||
		EL_PAGE_POS(page_no) >= r->priv->seg_end || !el_reader_load_page(r, page_no))
		return -1;
	return ElPageGetSpecial(r->priv->page.data)->first_offset;
}

bool
el_reader_seek_pages(ElReader *r, uint64 first, uint64 end)
{
	ElReaderPrivate *p = r->priv;

	place(r, r->info.log_start);
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

/*
 * The first page of a segment, the one at hand, whose greatest time so far reaches time_ms; the last one's
 * does.  before, last: greatest times of the segment before and of this one.  False if it was trimmed; else
 * the page is at hand.
 */
static bool
find_time_page(ElReader *r, int64 time_ms, int64 before, int64 last,
			   uint64 *page_no)
{
	uint64		begin = r->priv->seg * r->info.seg_pages;
	uint64		lo = begin;
	uint64		hi = el_reader_last_page(r);
	int			row = 0;		/* guesses in a row that were too early, or (negative) too late */

	while (lo < hi)
	{
		uint64		mid = lo;
		uint64		step = 0;
		ElPageSpecial *special;

		/*
		 * Where it would be if events came evenly between two pages that were
		 * looked at.  They do not, and guesses would creep up on it from one side;
		 * so from the second in a row on they go further, up to the middle.  Where
		 * the segment before does not tell how early this one begins, its first page
		 * does.
		 */
		if (before != EL_MIN_TIME && before < time_ms)
			mid = lo + (uint64) (((double) time_ms - before) /
								 ((double) last - before) * (hi - lo));
		if (abs(row) > 1)
			step = Min(UINT64CONST(1) << Min(2 * (abs(row) - 1), 32), (hi - lo) / 2);
		mid = row > 0 ? Max(mid, lo + step) : Min(mid, hi - 1 - step);
		mid = Min(mid, hi - 1);
		if (!el_reader_load_page(r, mid))
			return false;
		special = ElPageGetSpecial(r->priv->page.data);
		if (special->max_time < time_ms)
		{
			row = Max(row, 0) + 1;
			lo = mid + 1;
			before = special->max_time;
			continue;
		}
		row = Min(row, 0) - 1;
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
		place(r, r->info.log_end);
		return EL_SEEK_AT_END;
	}
	place(r, r->info.log_start);
	for (uint64 seg = r->info.first_seg; seg < r->info.end_seg; seg++)
	{
		int64		max_time = ElPageGetMeta(p->meta.data)->tail_time;
		int64		before;
		uint64		page_no;
		ElSegment  *entry;
		ElPageSpecial *special;

		if (seg + 1 < r->info.end_seg)
		{
			entry = el_directory_entry(r->rel, ElPageGetMeta(p->meta.data),
									   &p->dir, seg + 1);
			if (entry == NULL)
				goto trimmed;
			max_time = entry->prev_max_time;
		}
		if (max_time < time_ms)
			continue;
		entry = el_directory_entry(r->rel, ElPageGetMeta(p->meta.data),
								   &p->dir, seg);
		if (entry == NULL)
			goto trimmed;
		before = entry->prev_max_time;
		if (!el_reader_enter_segment(r, seg) ||
			!find_time_page(r, time_ms, before, max_time, &page_no))
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
	place(r, r->info.log_end);
	return EL_SEEK_AT_END;

trimmed:
	r->position = r->info.log_start;
	el_reader_restart(r);
	goto restart;
}
