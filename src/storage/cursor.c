/*-------------------------------------------------------------------------
 *
 * cursor.c
 *	  Where a reader stands: its segment, its page, its batch.
 *
 * NOTES
 *	  Everything before the tail that the metapage named is immutable but for
 *	  hint flags, so a page is copied to private memory once, under its share
 *	  lock, and read there.  A batch on one page is handed out from that
 *	  copy; one that spans pages is put together.
 *
 *	  Recycling needs no more than the page's exclusive lock, so neither a
 *	  pin nor a snapshot protects a reader from it.  Each copied page is asked
 *	  for its logical number.  If that is another one, the functions here
 *	  say so ("trimmed") and the caller starts over, with el_reader_restart().
 *
 * LOCKING
 *	  One content lock at a time, none across calls.
 *
 * IDENTIFICATION
 *	  src/storage/cursor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "base/compat.h"
#include "base/locks.h"
#include "storage/cursor.h"

/* Logs that this session has rewound, ever. */
static uint32 rewinds_here = 0;

void
el_readers_note_rewind(void)
{
	rewinds_here++;
}

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
			 errmsg("topic partition \"%s\" is corrupt at offset %lld: %s",
					RelationGetRelationName(r->rel), (long long) r->position,
					what),
			 errdetail("Block %u, byte %u of its page data.", block,
					   EL_POS_BYTE(pos)),
			 errhint("check_topic() names everything that is wrong; other offsets may still be read.")));
}

/* Write the hints found on the page at hand, if it is dirty anyway, and let it go. */
void
el_reader_leave_page(ElReader *r)
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
		/* unless it was recycled meanwhile */
		if (special != NULL &&
			special->page_no == ElPageGetSpecial(p->page.data)->page_no)
		{
			for (int i = 0; i < p->nhints; i++)
			{
				ElEnvelope *env = (ElEnvelope *) ((char *) page +
												  p->hints[i].byte);

				Assert(p->hints[i].byte >= EL_PAGE_START);
				Assert(p->hints[i].byte + EL_BATCH_ROOM <= EL_PAGE_END);
				/* unless this session has rewound the log meanwhile */
				if (memcmp(env, p->page.data + p->hints[i].byte,
						   offsetof(ElEnvelope, flags)) == 0)
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
void
el_reader_read_meta(ElReader *r)
{
	ElReaderPrivate *p = r->priv;

	p->has_meta = el_meta_read(r->rel, p->meta.data);
	if (p->has_meta)
		el_meta_to_info(ElPageGetMeta(p->meta.data), &r->info);
	else
		memset(&r->info, 0, sizeof(r->info));
	p->dir.valid = false;
	p->seg_valid = false;
	p->rewinds_here = rewinds_here;
}

bool
el_reader_enter_segment(ElReader *r, uint64 seg)
{
	ElReaderPrivate *p = r->priv;
	ElSegment  *entry;

	Assert(r->info.exists);
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
	if (p->seg_block == EL_META_BLOCK)
		return false;			/* an entry that was never written: the page
								 * is an old one */
	p->seg = seg;
	p->seg_valid = true;
	return true;
}

/*
 * The buffer of a page, pinned and locked in share mode; InvalidBuffer if it was
 * trimmed.  No other content lock is held.
 */
static Buffer
lock_page(ElReader *r, uint64 page_no)
{
	ElReaderPrivate *p = r->priv;
	BlockNumber block;
	Buffer		buffer;
	Page		page;
	ElPageSpecial *special;
	bool		right;
	bool		damaged;

	CHECK_FOR_INTERRUPTS();
	if (p->rewinds_here != rewinds_here)
		return InvalidBuffer;
	if (!el_reader_enter_segment(r, page_no / r->info.seg_pages))
		return InvalidBuffer;
	block = p->seg_block + page_no % r->info.seg_pages;
	buffer = ReadBufferExtended(r->rel, MAIN_FORKNUM, block, RBM_NORMAL,
								r->strategy);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	special = el_page_special(page, EL_PAGE_ID_DATA);
	right = special != NULL &&
		special->page_no == el_page_tag(p->seg_flags, block, page_no);
	damaged = special != NULL && !el_page_sound(page);
	if (right && !damaged)
		return buffer;
	UnlockReleaseBuffer(buffer);
	if (damaged)
		el_reader_corrupt(r, EL_PAGE_POS(page_no), "checksum of the page differs");
	return InvalidBuffer;
}

bool
el_reader_load_page(ElReader *r, uint64 page_no)
{
	ElReaderPrivate *p = r->priv;
	Page		page;

	if (p->page_valid && p->page_no == page_no)
		return true;
	el_reader_leave_page(r);
	Assert(!p->page_valid && p->nhints == 0);
	p->buffer = lock_page(r, page_no);
	if (!BufferIsValid(p->buffer))
		return false;
	page = BufferGetPage(p->buffer);
	memcpy(p->page.data, page, Min(((PageHeader) page)->pd_lower, EL_PAGE_END));
	memcpy(p->page.data + EL_PAGE_END, (char *) page + EL_PAGE_END,
		   BLCKSZ - EL_PAGE_END);
	LockBuffer(p->buffer, BUFFER_LOCK_UNLOCK);
	p->page_no = page_no;
	p->page_valid = true;
	return true;
}

/* The next batch most likely begins on the last page, so that one is taken as a whole. */
bool
el_reader_copy(ElReader *r, uint64 pos, uint32 len, char *to)
{
	ElReaderPrivate *p = r->priv;
	uint64		last_page = EL_POS_PAGE(pos + len - 1);
	uint32		done = 0;

	while (done < len)
	{
		uint64		page_no = EL_POS_PAGE(pos + done);
		uint32		byte = EL_POS_BYTE(pos + done);
		uint32		n = Min(EL_PAGE_DATA - byte, len - done);

		if ((p->page_valid && p->page_no == page_no) || page_no == last_page)
		{
			if (!el_reader_load_page(r, page_no))
				return false;
			memcpy(to + done, p->page.data + EL_PAGE_START + byte, n);
		}
		else
		{
			Buffer		buffer = lock_page(r, page_no);

			if (!BufferIsValid(buffer))
				return false;
			memcpy(to + done, (char *) BufferGetPage(buffer) + EL_PAGE_START + byte, n);
			UnlockReleaseBuffer(buffer);
		}
		done += n;
	}
	return true;
}

/*
 * Copy len bytes of the stream from pos on, which span pages, into one piece.
 * False if they were trimmed meanwhile.
 */
static bool
assemble_batch(ElReader *r, uint64 pos, uint32 len)
{
	ElReaderPrivate *p = r->priv;

	if (p->assembly_size < len)
	{
		if (p->assembly)
			pfree(p->assembly);
		p->assembly = NULL;
		p->assembly = MemoryContextAlloc(p->mcxt, len);
		p->assembly_size = len;
	}
	return el_reader_copy(r, pos, len, p->assembly);
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
		Assert(seg >= r->info.first_seg && seg < r->info.end_seg);
		if (p->pos < p->seg_end)
			break;
		p->pos = EL_PAGE_POS((seg + 1) * r->info.seg_pages);
	}
	if (!el_reader_load_page(r, EL_POS_PAGE(p->pos)))
		return -1;

	/*
	 * no content lock is held while the copy is looked at, and none across
	 * calls
	 */
	Assert(p->page_valid && !el_buffer_locked(p->buffer));
	Assert(p->pos % MAXIMUM_ALIGNOF == 0);
	Assert(EL_PAGE_DATA - EL_POS_BYTE(p->pos) >= EL_BATCH_ROOM);
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
el_reader_judge(ElReader *r, const ElEnvelope *env)
{
	ElReaderPrivate *p = r->priv;

	/* what is handed out lies in the private copy of the page */
	Assert(p->page_valid);
	Assert((char *) env >= p->page.data + EL_PAGE_START);
	Assert((char *) env + EL_BATCH_ROOM <= p->page.data + EL_PAGE_END);
	r->fxid.value = env->fxid;
	r->cid = env->cid;
	r->batch_len = env->length;
	r->state = el_batch_state(r->rel, r->snapshot, r->snapshot_xmin,
							  r->serializable, env);
	if (p->nhints < EL_MAX_HINTS)
	{
		uint16		hint = el_hint_for(env, r->state, p->buffer);

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
		case EL_READ_STABLE:
			return r->state == EL_BATCH_VISIBLE;
	}
	return false;
}

bool
el_reader_take(ElReader *r, ElEnvelope *env, uint64 pos)
{
	ElReaderPrivate *p = r->priv;

	Assert(pos + EL_BATCH_SPACE(r->batch_len) <= r->info.tail_pos);
	if (EL_PAGE_DATA - EL_POS_BYTE(pos) >= sizeof(ElEnvelope) + env->length)
		r->batch = (char *) (env + 1);
	else if (assemble_batch(r, pos + sizeof(ElEnvelope), r->batch_len))
		r->batch = p->assembly;
	else
		return false;
	p->batch_pos = pos;
	return true;
}
