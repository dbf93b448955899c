/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  Reading a log in offset order.
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

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "storage/meta.h"
#include "storage/reader.h"

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
	p->seg_valid = false;
	entry = el_directory_entry(r->rel, ElPageGetMeta(p->meta.data), &p->dir, seg);
	if (entry == NULL)
		return false;
	p->seg_block = entry->first_block;
	p->seg_flags = entry->flags;
	p->seg_before = entry->prev_max_time;
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

uint64
el_reader_batch_pos(const ElReader *r)
{
	return r->priv->batch_pos;
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
