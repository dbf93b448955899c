/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  Reading a log in offset order.
 *
 * NOTES
 *	  cursor.c says how pages are looked at, search.c how a place is found.
 *	  If the log start has moved past the position meanwhile, the reader goes
 *	  on there, saying so in "trimmed".
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
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "storage/reader.h"
#include "storage/rest.h"
#include "storage/search.h"

/* Fewer aborted batches one after another are not remembered: about a page of small ones. */
#define EL_MIN_ABORTED	64

ElReader *
el_reader_begin(Relation rel, Snapshot snapshot, ElReadMode mode)
{
	ElReader   *r = palloc0(sizeof(ElReader));

	/* own batches are told apart by command id, which only a snapshot has */
	Assert(mode != EL_READ_MVCC || snapshot != NULL);
	r->rel = rel;
	r->snapshot = snapshot;
	r->mode = mode;
	r->max_offset = EL_MAX_OFFSET;
	r->serializable = mode == EL_READ_MVCC;
	if (snapshot != NULL && IsMVCCSnapshot(snapshot))
		r->snapshot_xmin = el_full_xid(snapshot->xmin);

	/*
	 * the blocks at its end are written before they are read
	 * (el_reader_read_meta)
	 */
	r->priv = palloc(sizeof(ElReaderPrivate));
	memset(r->priv, 0, offsetof(ElReaderPrivate, dir));
	r->priv->mcxt = CurrentMemoryContext;
	r->priv->limit = PG_UINT64_MAX;
	el_reader_read_meta(r);
	return r;
}

void
el_reader_end(ElReader *r)
{
	RelFileLocator locator = el_rel_locator(r->rel);

	if (r->priv->in_batch)
		el_rest_keep(&locator, r->fxid, r->position, &r->priv->records);
	el_reader_leave_page(r);
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
	el_reader_leave_page(r);	/* the tail page has grown */
	el_reader_read_meta(r);
	r->stopped = false;
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
ensure_positioned(ElReader *r)
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

void
el_reader_open_batch(ElReader *r)
{
	ElReaderPrivate *p = r->priv;
	MemoryContext old;
	bool		ok = true;

	/* its scratch outlives the caller's per-tuple context */
	old = MemoryContextSwitchTo(p->mcxt);
	if (p->from_rest)
		el_rest_open(&p->records);
	else
		ok = el_batch_open(&p->records, r->batch, r->batch_len, false);
	MemoryContextSwitchTo(old);
	p->from_rest = false;
	if (!ok)
		el_reader_corrupt(r, p->batch_pos, p->records.error);
}

/* Has the rest that another reader left the batch at hand, from the position on? */
static bool
rest_has_batch(const ElReader *r)
{
	RelFileLocator locator = el_rel_locator(r->rel);

	return el_rest_has(&locator, r->fxid,
					   Max(r->position, r->header.base_offset), &r->header);
}

/*
 * The batch at hand was aborted, and is passed over.  If all that follow are known
 * to be, the reader goes on behind those.
 */
static void
pass_aborted(ElReader *r, int64 next_offset)
{
	ElReaderPrivate *p = r->priv;

	if (p->naborted == 0)
	{
		RelFileLocator locator = el_rel_locator(r->rel);

		p->aborted_from = r->position;
		p->known = el_aborted_run(&locator, r->info.rewinds);
	}
	p->naborted++;
	r->position = next_offset;
	if (p->known.from <= next_offset && next_offset < p->known.to &&
		p->limit == PG_UINT64_MAX)
	{
		r->position = Min(p->known.to, r->info.log_end);
		p->positioned = false;
		p->naborted += EL_MIN_ABORTED;
	}
}

/* Something else follows on aborted batches: remember where they are, if they are many. */
static void
end_aborted(ElReader *r)
{
	ElReaderPrivate *p = r->priv;

	if (p->naborted >= EL_MIN_ABORTED)
	{
		RelFileLocator locator = el_rel_locator(r->rel);
		ElAbortedRun run = {p->aborted_from, r->position};

		el_aborted_keep(&locator, r->info.rewinds, run);
	}
	p->naborted = 0;
}

/*
 * As el_reader_next_batch().  But if the tail that another reader left (rest.c)
 * has the batch, and may be used, then from_rest is set, and batch is not.
 *
 * True: a batch that the mode shows; position is the offset behind it.  False:
 * the end, or a stop, of which position, stopped and stop_fxid tell.  XX001 if
 * something is damaged.
 */
static bool
read_next_batch(ElReader *r, bool may_use_rest)
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

		if (!ensure_positioned(r) || (found = el_reader_peek(r, &env)) == 0)
		{
			end_aborted(r);
			return false;
		}
		if (found < 0)
		{
			el_reader_restart(r);
			continue;
		}
		if (r->header.base_offset > r->max_offset)
		{
			end_aborted(r);
			return false;
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
		if (r->state != EL_BATCH_ABORTED)
			end_aborted(r);
		if (r->mode == EL_READ_STABLE && (r->state == EL_BATCH_OWN ||
										  r->state == EL_BATCH_IN_PROGRESS))
		{
			/* a batch whose beginning was delivered is decided */
			r->position = Max(r->position, r->header.base_offset);
			r->stopped = true;
			r->stop_fxid = r->fxid;
			Assert(r->position < r->info.log_end);
			return false;
		}
		if (wanted && may_use_rest && rest_has_batch(r))
			p->from_rest = true;
		else if (wanted && !r->headers_only && !el_reader_take(r, env, pos))
		{
			el_reader_restart(r);
			continue;
		}
		p->batch_pos = pos;
		p->pos = next_pos;
		Assert(next_pos <= r->info.tail_pos);
		if (wanted)
		{
			r->batch_start = Max(r->position, r->header.base_offset);
			r->position = next_offset;
			Assert(r->batch_start < r->position);
			return true;
		}
		if (r->mode == EL_READ_STABLE)
			pass_aborted(r, next_offset);
		else
			r->position = next_offset;
	}
}

bool
el_reader_next_batch(ElReader *r)
{
	return read_next_batch(r, false);
}

bool
el_reader_copy_batch(ElReader *r, char *to)
{
	int64		base = r->header.base_offset;

	if (el_reader_copy(r, r->priv->batch_pos + sizeof(ElEnvelope), r->batch_len, to))
		return true;
	r->position = base;
	el_reader_restart(r);
	return false;
}

bool
el_reader_last_batch(ElReader *r, int64 low, int64 limit, int64 *base,
					 int64 *end)
{
	int64		step = 1;
	bool		found = false;

	/* back in growing steps: usually the last one is near */
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

	Assert(!r->headers_only);
	for (;;)
	{
		int			got;

		if (!p->in_batch)
		{
			if (!read_next_batch(r, true))
				return false;
			p->batch_end = r->position;
			r->position = r->batch_start;
			/* what another reader left begins somewhere in the batch */
			p->first_offset = p->from_rest ? r->position : r->header.base_offset;
			el_reader_open_batch(r);
			p->first_record = p->records.pos;
			p->first_index = p->records.index;
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
		Assert(rec->offset >= r->batch_start);
		Assert(rec->offset < p->batch_end);
		return true;
	}
}
