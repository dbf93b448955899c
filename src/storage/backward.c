/*-------------------------------------------------------------------------
 *
 * backward.c
 *	  Reading a log from the end towards its start.
 *
 * NOTES
 *	  A batch says how long it is, not where the one before begins.  But each
 *	  page says where the first batch begins on it, so a page's batches are
 *	  listed once and passed from the last to the first; then comes the page
 *	  before.  In a batch it is the same with its records: they are walked once
 *	  to know where each begins, four bytes a record, and decoded from the last
 *	  to the first.
 *
 *	  What makes a reader start over when its place was trimmed or compacted, and
 *	  how, is search.c's.
 *
 * IDENTIFICATION
 *	  src/storage/backward.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "storage/backward.h"
#include "storage/reader.h"
#include "storage/search.h"

/*
 * List the batches that begin on a page or, if none does, on the one where the
 * batch begins that covers it.  False if it was trimmed.
 */
static bool
list_page(ElReader *r, uint64 page_no)
{
	ElReaderPrivate *p = r->priv;
	ElPageSpecial *special = ElPageGetSpecial(p->page.data);
	uint64		pos;

	for (;;)
	{
		/* the segment at hand may be another one than the page's */
		if (!el_reader_enter_segment(r, page_no / r->info.seg_pages) ||
			!el_reader_load_page(r, page_no))
			return false;
		if (special->first_byte != 0)
			break;
		if (special->pages_back == 0 || special->pages_back > page_no)
			el_reader_corrupt(r, EL_PAGE_POS(page_no), "page does not say where its batch begins");
		page_no -= special->pages_back;
	}

	p->back_page = page_no;
	p->back_nbatches = 0;
	pos = EL_PAGE_POS(page_no) + special->first_byte - EL_PAGE_START;
	while (pos < p->seg_end && EL_POS_PAGE(pos) == page_no)
	{
		ElEnvelope *env = (ElEnvelope *)
			(p->page.data + EL_PAGE_START + EL_POS_BYTE(pos));

		Assert(p->back_nbatches < lengthof(p->back_bytes));
		p->back_bytes[p->back_nbatches++] = EL_POS_BYTE(pos);
		if (el_envelope_problem(env) != NULL)
			break;				/* reading it will say what is wrong */
		pos = el_batch_begin_pos(pos + EL_BATCH_SPACE(env->length));
	}
	p->back_listed = true;
	return true;
}

/* List the page on which the last batch begins that has offsets before the position. */
static bool
list_at_position(ElReader *r)
{
	int64		offset = Min(r->position, r->info.log_end) - 1;
	uint64		at;

	if (!el_reader_find(r, offset))
		return false;
	at = r->priv->pos;
	for (;;)
	{
		ElEnvelope *env;
		int			found = el_reader_peek(r, &env);

		if (found < 0)
			return false;

		/*
		 * should even the first one be behind, it and all after it are passed
		 * over
		 */
		if (found == 0 || r->header.base_offset > offset)
			break;
		at = r->priv->pos;
		if (r->header.base_offset + r->header.last_offset_delta >= offset)
			break;
		r->priv->pos += EL_BATCH_SPACE(env->length);
	}
	return list_page(r, EL_POS_PAGE(at));
}

/* List the page before.  1: done; 0: there is none; -1: trimmed. */
static int
list_page_before(ElReader *r)
{
	ElReaderPrivate *p = r->priv;
	uint64		page_no = p->back_page;
	uint64		seg = page_no / r->info.seg_pages;

	if (page_no % r->info.seg_pages != 0)
		return list_page(r, page_no - 1) ? 1 : -1;
	while (seg > r->info.first_seg)
	{
		seg--;
		if (!el_reader_enter_segment(r, seg))
			return -1;
		if (p->seg_end > EL_PAGE_POS(seg * r->info.seg_pages))
			return list_page(r, el_reader_last_page(r)) ? 1 : -1;
	}
	return 0;
}

/* The last batch with events before the position that the mode shows; its bytes are there. */
static bool
read_prev_batch(ElReader *r)
{
	ElReaderPrivate *p = r->priv;

	p->in_batch = false;
	p->positioned = false;
	for (;;)
	{
		ElEnvelope *env;
		int			found = 1;

		CHECK_FOR_INTERRUPTS();
		if (!r->info.exists ||
			Min(r->position, r->info.log_end) <= Max(r->info.log_start, r->min_offset))
			return false;
		if (!p->back_listed)
			found = list_at_position(r) ? 1 : -1;
		else if (p->back_nbatches == 0)
			found = list_page_before(r);
		if (found == 0)
			return false;
		if (found > 0 && p->back_nbatches > 0)
		{
			p->pos = EL_PAGE_POS(p->back_page) +
				p->back_bytes[--p->back_nbatches];
			found = el_reader_peek(r, &env);
			if (found > 0)
			{
				if (r->header.base_offset >= r->position)
					continue;
				if (!el_reader_judge(r, env))
				{
					r->position = r->header.base_offset;
					continue;
				}
				if (el_reader_take(r, env, p->pos))
					return true;
			}
			/* a page's batches lie before the end: what is not there is gone */
			found = -1;
		}
		if (found < 0)
			el_reader_restart(r);
	}
}

/* Where do the records before the position begin in the batch that was taken? */
static void
open_records_backward(ElReader *r)
{
	ElReaderPrivate *p = r->priv;
	ElBatchReader *records = &p->records;
	int64		n;

	el_reader_open_batch(r);
	p->back_base = records->pos;
	p->back_nrecords = 0;
	/* a record takes a byte at least, whatever the header says */
	n = Min(records->header.record_count, records->end - records->pos);
	if (p->back_size < n)
	{
		if (p->back_starts)
			pfree(p->back_starts);
		p->back_starts = NULL;
		p->back_starts = MemoryContextAlloc(p->mcxt, n * sizeof(uint32));
		p->back_size = n;
	}
	for (;;)
	{
		uint32		start = records->pos - p->back_base;
		ElRecord	rec;
		int			got = el_batch_next(records, &rec);

		Assert(got <= 0 || p->back_nrecords < n);
		if (got < 0)
			el_reader_corrupt(r, p->batch_pos, records->error);
		if (got == 0 || rec.offset >= r->position)
			break;
		p->back_starts[p->back_nrecords++] = start;
	}
	p->back_open = true;
}

bool
el_reader_prev(ElReader *r, ElRecord *rec)
{
	ElReaderPrivate *p = r->priv;

	Assert(r->mode != EL_READ_STABLE);
	for (;;)
	{
		if (!p->back_open)
		{
			if (!read_prev_batch(r))
				return false;
			open_records_backward(r);
		}
		if (p->back_nrecords > 0)
		{
			p->back_nrecords--;
			p->records.pos = p->back_base + p->back_starts[p->back_nrecords];
			p->records.index = p->back_nrecords;
			if (el_batch_next(&p->records, rec) != 1)
				el_reader_corrupt(r, p->batch_pos, p->records.error);
			Assert(rec->offset < r->position);
			r->position = rec->offset;
			return rec->offset >= r->info.log_start;
		}
		p->back_open = false;
		r->position = Min(r->position, r->header.base_offset);
	}
}
