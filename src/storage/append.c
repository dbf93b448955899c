/*-------------------------------------------------------------------------
 *
 * append.c
 *	  Appending a batch to a log.
 *
 * NOTES
 *	  The file is extended before the WAL record of a segment or a page in it.
 *	  Batches that are appended together, and for which one record has room, are
 *	  written by one, with one change of the metapage.  A batch larger than one
 *	  record can carry is written by several; only the last one moves the tail,
 *	  so an error or a crash in between leaves bytes beyond the tail, which mean
 *	  nothing.
 *
 * LOCKING
 *	  Metapage exclusively for the whole append; then the batch's pages.
 *
 * IDENTIFICATION
 *	  src/storage/append.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/locks.h"
#include "kafka/batch.h"
#include "storage/append.h"
#include "storage/epoch.h"
#include "storage/extent.h"
#include "storage/retention.h"
#include "storage/rewind.h"
#include "storage/wal.h"

/* With the metapage, within XLR_MAX_BLOCK_ID (32). */
#define EL_PAGES_PER_RECORD 30
/* What XLogBeginInsert() has room for without being asked. */
#define EL_PAGES_WITHOUT_ASKING 4

/*
 * A batch of an append, and where it goes.  head is what the log gets in front of the
 * batch's records: the caller's header, with base offset and leader epoch.
 */
typedef struct Placed
{
	ElAppend   *append;
	struct
	{
		ElEnvelope	envelope;
		char		header[EL_BATCH_HEADER_SIZE];
	}			head;
	uint64		pos;			/* in the stream */
	uint32		space;			/* EL_BATCH_SPACE */
	uint32		count;			/* offsets it takes */
	int64		max_time;
} Placed;

/*
 * Batches that move the tail together: one, or several that follow one another within a
 * segment and have room in one WAL record.
 */
typedef struct Chunk
{
	Placed	   *batches;
	int			n;
	xl_el_append rec;			/* of all of them */
	BlockNumber *blocks;		/* the first of each segment that they touch */
	uint32		npages;
	int64		time_before;	/* greatest of the segment before them, ... */
	uint32		time_page_before;	/* ... and where it was reached */
	bool		begins_segment; /* there is none */
} Chunk;

/* Copy bytes at .. at + n of a piece of the stream that begins at begin; *to is the first of them. */
static void
copy_piece(char *to, uint64 at, uint32 n, uint64 begin, const void *piece, uint32 len)
{
	uint64		from = Max(at, begin);
	uint64		end = Min(at + n, begin + len);

	if (from < end)
		memcpy(to + (from - at), (const char *) piece + (from - begin), end - from);
}

/*
 * Copy bytes at .. at + n of the stream, which the chunk covers: envelopes, batches, and
 * zeros up to the alignment.  *first is the first batch that may have some of them, for
 * calls with rising positions.
 */
static void
copy_stream(const Chunk *c, int *first, uint64 at, uint32 n, char *to)
{
	while (c->batches[*first].pos + c->batches[*first].space <= at)
		(*first)++;
	for (int i = *first; i < c->n; i++)
	{
		const Placed *b = &c->batches[i];
		uint64		records = b->pos + sizeof(ElEnvelope) + EL_BATCH_HEADER_SIZE;
		uint64		end = b->pos + sizeof(ElEnvelope) + b->append->len;

		if (b->pos >= at + n)
			break;
		copy_piece(to, at, n, b->pos, &b->head, sizeof(ElEnvelope) + EL_BATCH_HEADER_SIZE);
		copy_piece(to, at, n, records, b->append->batch + EL_BATCH_HEADER_SIZE,
				   b->append->len - EL_BATCH_HEADER_SIZE);
		for (uint64 pad = Max(end, at); pad < Min(b->pos + b->space, at + n); pad++)
			to[pad - at] = 0;
	}
}

/*
 * Make sure that the segment of the tail has the blocks for a batch that begins at
 * pos.  False if it is too short for it; or if the file would have to be extended,
 * though there is a free extent.
 */
static bool
prepare_tail(Relation rel, Buffer metabuf, uint64 pos, uint32 space)
{
	const ElMeta *meta = ElPageGetMeta(BufferGetPage(metabuf));
	uint64		last_page = EL_POS_PAGE(pos + space - 1);
	BlockNumber last = meta->tail_block + last_page % meta->seg_pages;
	BlockNumber nblocks;

	if (pos + space > EL_PAGE_POS(meta->end_seg * meta->seg_pages))
		return false;
	if (last_page == EL_POS_PAGE(meta->tail_pos - 1))
		return true;			/* nothing but the page that is there */
	nblocks = el_log_blocks(rel);
	if (last >= nblocks)
	{
		if (el_extent_ready(rel, meta, nblocks))
			return false;
		el_extend_to(rel, metabuf, last, meta->tail_block + meta->seg_pages - 1);
	}
	return true;
}

/*
 * Place batches one behind the other from pos on, as many of the n as one record can
 * carry and as end before limit; the first one in any case.  Returns where they end.
 */
static uint64
place_from(Chunk *c, int n, uint64 pos, uint64 limit)
{
	uint64		first_page = EL_POS_PAGE(pos);
	uint64		end = pos;

	for (c->n = 0; c->n < n; c->n++)
	{
		Placed	   *b = &c->batches[c->n];
		uint64		begin = el_batch_begin_pos(end);

		if (c->n > 0 && (begin + b->space > limit ||
						 EL_POS_PAGE(begin + b->space - 1) - first_page >= EL_PAGES_PER_RECORD))
			break;
		b->pos = begin;
		end = begin + b->space;
	}
	return end;
}

/*
 * Choose where a chunk of the n batches goes, opening segments as needed, and make the
 * file long enough for it.  Fills all of the chunk; its base_offset is set.
 */
static void
place_chunk(Relation rel, Buffer metabuf, Chunk *c, int n)
{
	ElMeta	   *meta = ElPageGetMeta(BufferGetPage(metabuf));
	uint64		seg_data = EL_PAGE_POS(meta->seg_pages);
	uint64		pos = el_batch_begin_pos(meta->tail_pos);
	uint64		limit = meta->end_seg * seg_data;
	uint64		end = place_from(c, n, pos, limit);
	uint64		last_page;
	uint64		seg;
	uint64		last_seg;
	int			nblocks = 0;

	Assert(el_buffer_locked_exclusively(metabuf));
	/* it begins the next segment unless this one has room for all of it */
	c->begins_segment = !prepare_tail(rel, metabuf, pos, end - pos);
	if (c->begins_segment)
	{
		pos = limit;
		end = place_from(c, n, pos, limit + seg_data);
	}
	c->rec.batch_pos = pos;
	c->rec.space = end - pos;
	c->rec.count = 0;
	c->time_before = meta->tail_time;
	c->time_page_before = meta->tail_time_page;
	c->rec.max_time = c->begins_segment ? c->batches[0].max_time : meta->tail_time;

	/*
	 * a batch over several segments begins one: the page is 0, right in each
	 * of them
	 */
	c->rec.time_page = c->begins_segment ? 0 : meta->tail_time_page;
	for (int i = 0; i < c->n; i++)
	{
		const Placed *b = &c->batches[i];

		c->rec.count += b->count;
		if (b->max_time > c->rec.max_time)
		{
			c->rec.max_time = b->max_time;
			c->rec.time_page = EL_POS_PAGE(b->pos) % meta->seg_pages;
		}
	}

	last_page = EL_POS_PAGE(end - 1);
	c->npages = last_page - EL_POS_PAGE(pos) + 1;
	last_seg = last_page / meta->seg_pages;
	seg = EL_POS_PAGE(pos) / meta->seg_pages;
	c->blocks = palloc((last_seg - seg + 1) * sizeof(BlockNumber));
	for (; seg <= last_seg; seg++)
	{
		uint32		npages = seg < last_seg ? meta->seg_pages :
			(uint32) (last_page % meta->seg_pages) + 1;
		ElSegment	entry = {0};

		if (seg < meta->end_seg)
		{
			c->blocks[nblocks++] = meta->tail_block;
			continue;
		}
		entry.base_offset = c->rec.base_offset;
		if (seg * seg_data > pos)
		{
			entry.flags = EL_SEGMENT_CONTINUES;
			entry.prev_end = seg * seg_data;
			entry.prev_max_time = c->rec.max_time;
		}
		else
		{
			entry.prev_end = meta->tail_pos;
			entry.prev_max_time = meta->tail_time;
		}
		c->blocks[nblocks++] = el_segment_open(rel, metabuf, seg, &entry, npages);
	}

	/*
	 * a batch that begins in the tail's segment ends in it; else it begins
	 * one
	 */
	Assert(pos % seg_data == 0 || last_seg + 1 == meta->end_seg);
	Assert(c->n == 1 || EL_POS_PAGE(pos) / meta->seg_pages == last_seg);
	Assert(pos >= meta->tail_pos);
	Assert(last_seg < meta->alloc_seg);
	c->rec.tail_block = c->blocks[nblocks - 1];
}

/*
 * What the chunk's pages first .. first + n - 1 say of it, and where its bytes end on
 * each: marks and ends have room for n.
 */
static void
mark_pages(const Chunk *c, uint32 seg_pages, uint32 first, uint32 n,
		   xl_el_append_mark *marks, uint32 *ends)
{
	uint64		from = EL_POS_PAGE(c->rec.batch_pos) + first;
	int64		max_time = c->begins_segment ? c->batches[0].max_time : c->time_before;
	uint32		time_page = c->begins_segment ? 0 : c->time_page_before;
	int64		offset = c->rec.base_offset;

	memset(marks, 0, n * sizeof(*marks));
	for (int i = 0; i < c->n; i++)
	{
		const Placed *b = &c->batches[i];
		uint64		begin_page = EL_POS_PAGE(b->pos);
		uint64		last_page = EL_POS_PAGE(b->pos + b->space - 1);

		if (b->max_time > max_time)
		{
			max_time = b->max_time;
			time_page = begin_page % seg_pages;
		}
		for (uint64 page = Max(begin_page, from); page <= last_page && page < from + n; page++)
		{
			xl_el_append_mark *mark = &marks[page - from];

			if (mark->first_byte == 0)
			{
				mark->first_offset = offset;
				mark->pages_back = page - begin_page;
				if (page == begin_page)
					mark->first_byte = EL_PAGE_START + EL_POS_BYTE(b->pos);
			}
			mark->max_time = max_time;
			mark->time_page = time_page;
			ends[page - from] = page < last_page ? EL_PAGE_DATA : EL_POS_BYTE(b->pos + b->space - 1) + 1;
		}
		offset += b->count;
	}
}

/*
 * Lock the blocks of pages first .. first + n - 1 of the batch exclusively, in
 * ascending order.  Those that hold nothing before the batch are zeros, whatever
 * they were; the first one may be the last page of the log: XX001 if it is not.
 */
static void
lock_pages(Relation rel, const ElMeta *meta, const xl_el_append *rec,
		   const BlockNumber *blocks, uint32 first, uint32 n, Buffer *buffers)
{
	uint64		first_page = EL_POS_PAGE(rec->batch_pos);
	uint64		first_seg = first_page / meta->seg_pages;
	uint32		begin = EL_POS_BYTE(rec->batch_pos);

	for (uint32 i = 0; i < n; i++)
	{
		uint64		page_no = first_page + first + i;
		BlockNumber block = blocks[page_no / meta->seg_pages - first_seg] +
			page_no % meta->seg_pages;
		bool		init = first + i > 0 || begin == 0;

		Assert(block != EL_META_BLOCK && block < meta->next_block);
		buffers[i] = ReadBufferExtended(rel, MAIN_FORKNUM, block,
										init ? RBM_ZERO_AND_LOCK : RBM_NORMAL,
										NULL);
		if (!init)
		{
			ElPageSpecial *special;

			LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
			special = el_page_special(BufferGetPage(buffers[i]),
									  EL_PAGE_ID_DATA);
			if (special == NULL || special->page_no != page_no)
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("block %u of topic partition \"%s\" is not the last page of its log",
								block, RelationGetRelationName(rel))));
		}
		Assert(el_buffer_locked_exclusively(buffers[i]));
	}
}

/*
 * Write pages first .. first + n - 1 of the chunk and their WAL record, and, if
 * they are the last ones, move the tail behind it.  The append lock (metabuf) is held.
 */
static void
write_pages(Relation rel, Buffer metabuf, Chunk *c, uint32 first, uint32 n)
{
	ElMeta	   *meta = ElPageGetMeta(BufferGetPage(metabuf));
	Buffer		buffers[EL_PAGES_PER_RECORD];
	xl_el_append_mark marks[EL_PAGES_PER_RECORD];
	uint32		ends[EL_PAGES_PER_RECORD];
	uint64		first_page = EL_POS_PAGE(c->rec.batch_pos) + first;
	bool		last = first + n == c->npages;
	XLogRecPtr	lsn = InvalidXLogRecPtr;
	bool		needs_wal = RelationNeedsWAL(rel);
	int			copied = 0;

	Assert(el_buffer_locked_exclusively(metabuf));
	Assert(n > 0 && n <= EL_PAGES_PER_RECORD);
	Assert(c->n == 1 || (first == 0 && last));
	c->rec.first_page = first;
	c->rec.flags = EL_APPEND_FLAGS(last, c->n);
	mark_pages(c, meta->seg_pages, first, n, marks, ends);
	lock_pages(rel, meta, &c->rec, c->blocks, first, n, buffers);
	if (needs_wal && n > EL_PAGES_WITHOUT_ASKING)
		XLogEnsureRecordSpace(n, n + 4);

	START_CRIT_SECTION();
	if (needs_wal)
	{
		XLogBeginInsert();
		XLogRegisterData((char *) &c->rec, SizeOfElAppend);
		if (c->n > 1)
			XLogRegisterData((char *) marks, n * sizeof(marks[0]));
	}
	for (uint32 i = 0; i < n; i++)
	{
		uint32		byte = first + i == 0 ? EL_POS_BYTE(c->rec.batch_pos) : 0;
		uint32		len = ends[i] - byte;
		char	   *to = el_apply_append_page(BufferGetPage(buffers[i]), &c->rec,
											  &marks[i], i, len, byte == 0);

		copy_stream(c, &copied, EL_PAGE_POS(first_page + i) + byte, len, to);
		MarkBufferDirty(buffers[i]);
		if (needs_wal)
		{
			XLogRegisterBuffer(i + 1, buffers[i], REGBUF_STANDARD |
							   (byte == 0 ? REGBUF_WILL_INIT : 0));
			XLogRegisterBufData(i + 1, to, len);
		}
	}
	if (last)
	{
		el_apply_append_meta(BufferGetPage(metabuf), &c->rec);
		MarkBufferDirty(metabuf);
		if (needs_wal)
			XLogRegisterBuffer(0, metabuf, REGBUF_STANDARD);
	}
	if (needs_wal)
	{
		lsn = XLogInsert(EL_RMGR_ID, c->n > 1 ? XLOG_EL_APPEND_MANY : XLOG_EL_APPEND);
		for (uint32 i = 0; i < n; i++)
			PageSetLSN(BufferGetPage(buffers[i]), lsn);
		if (last)
			PageSetLSN(BufferGetPage(metabuf), lsn);
	}
	END_CRIT_SECTION();
	for (uint32 i = 0; i < n; i++)
		UnlockReleaseBuffer(buffers[i]);
}

/*
 * Segments that a batch of that many bytes would open, if there were then more
 * than the limit; else 0.
 */
static uint64
segments_over_limit(const ElMeta *meta, uint64 space, int64 retention_bytes)
{
	uint64		seg_data = EL_PAGE_POS(meta->seg_pages);
	uint64		pos = el_batch_begin_pos(meta->tail_pos);
	uint64		end;

	if (pos + space <= meta->end_seg * seg_data)
		return 0;
	end = meta->end_seg + (space + seg_data - 1) / seg_data;
	return end - meta->first_seg > el_retained_segments(meta->seg_pages,
														retention_bytes) ?
		end - meta->end_seg : 0;
}

/*
 * Free what the policy of an append frees, so that room more segments fit.
 * False: nothing can go, because of undecided batches or of one batch beyond
 * the limit.  Raises 53400 if it is held (ElLogOptions).
 */
static bool
make_room(Relation rel, const ElLogOptions *options, uint64 room)
{
	ElRetention policy = {
		.before_ms = EL_MIN_TIME,
		.bytes = options->retention_bytes,
		.room = room,
		.held_from = PG_INT64_MAX
	};
	bool		held;

	if (options->held_from != NULL)
	{
		policy.held_from = options->held_from(options->held_arg,
											  options->partition);
		policy.held_counts = true;
	}
	if (el_log_retain(rel, &policy, &held) > 0)
		return true;
	if (held)
		options->report_full(rel, policy.held_from, options->retention_bytes);
	return false;
}

/*
 * The metapage, locked, with room for the batch within retention_bytes if that can
 * be had.  Freeing looks at batches, so not under the lock; if others take
 * the room meanwhile, it is tried again.
 */
static Buffer
lock_with_room(Relation rel, const ElLogOptions *options, uint64 space)
{
	Buffer		metabuf = el_meta_lock(rel, options);

	while (options->retention_bytes >= 0)
	{
		uint64		room = segments_over_limit(ElPageGetMeta(BufferGetPage(metabuf)),
											   space, options->retention_bytes);
		bool		made;

		if (room == 0)
			break;
		UnlockReleaseBuffer(metabuf);
		CHECK_FOR_INTERRUPTS();
		made = make_room(rel, options, room);
		metabuf = el_meta_lock(rel, options);
		if (!made)
			break;
	}
	return metabuf;
}

void
el_log_require_room(Relation rel, const ElLogOptions *options, uint32 bytes)
{
	PGAlignedBlock copy;
	uint64		room;

	if (!el_meta_read(rel, copy.data))
		return;
	room = segments_over_limit(ElPageGetMeta(copy.data), EL_BATCH_SPACE(bytes),
							   options->retention_bytes);
	if (room > 0)
		(void) make_room(rel, options, room);
}

static void report_offset_too_large(int64 offset) pg_attribute_noreturn();

static void
report_offset_too_large(int64 offset)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("offset %lld is too large", (long long) offset),
			 errdetail("The largest offset is %lld.",
					   (long long) EL_MAX_OFFSET)));
}

static void report_below_end(Relation rel, int64 offset, int64 log_end) pg_attribute_noreturn();

static void
report_below_end(Relation rel, int64 offset, int64 log_end)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("event_offset %lld is below the log end of \"%s\": leave the column out, the log gives offsets",
					(long long) offset, RelationGetRelationName(rel)),
			 errdetail("The next offset is %lld.", (long long) log_end)));
}

/*
 * The metapage, locked, of a log that has room for the batch and does not reach beyond
 * at_offset.  Where only aborted batches are from there on, they go.
 */
static Buffer
lock_for_append(Relation rel, const ElLogOptions *options, uint64 space,
				int64 at_offset)
{
	Buffer		metabuf;
	int64		log_end;

	/* before a log is made: nothing is left behind by what is refused */
	if (at_offset >= 0 && at_offset < options->first_offset)
		report_below_end(rel, at_offset, Max(options->first_offset, options->floor));
	metabuf = lock_with_room(rel, options, space);
	log_end = ElPageGetMeta(BufferGetPage(metabuf))->log_end;
	if (at_offset < 0 || at_offset >= log_end)
		return metabuf;
	UnlockReleaseBuffer(metabuf);
	if (!el_log_rewind(rel, at_offset))
		report_below_end(rel, at_offset, log_end);
	metabuf = lock_with_room(rel, options, space);
	Assert(ElPageGetMeta(BufferGetPage(metabuf))->log_end <= at_offset);
	return metabuf;
}

/*
 * The leader epoch in force, for the batch to be appended.  Where it is another than
 * the stored one, which is told by three numbers, it is stored: the metapage of a log
 * is written for that once after each change of timeline or server.
 */
static int32
take_leader_epoch(Relation rel, Buffer metabuf)
{
	Page		page = BufferGetPage(metabuf);
	ElMeta	   *meta = ElPageGetMeta(page);
	ElEpoch		stored = el_meta_special(meta)->epoch;
	ElEpoch		now = el_epoch_in_force(&stored);

	Assert(el_buffer_locked_exclusively(metabuf));
	if (now.timeline != stored.timeline || now.system != stored.system)
	{
		Assert(now.epoch > stored.epoch);
		START_CRIT_SECTION();
		el_meta_raise(meta)->epoch = now;
		el_page_seal(page);
		AssertMeta(page);
		el_wal_log_page(rel, metabuf);
		END_CRIT_SECTION();
	}
	return now.epoch;
}

/* The chunk's batches get their offsets, epoch and envelopes' checksums. */
static void
finish_chunk(Chunk *c, int32 leader_epoch)
{
	int64		offset = c->rec.base_offset;

	for (int i = 0; i < c->n; i++)
	{
		Placed	   *b = &c->batches[i];

		b->append->base_offset = offset;
		memcpy(b->head.header, b->append->batch, EL_BATCH_HEADER_SIZE);
		el_batch_set_base_offset(b->head.header, offset);
		el_batch_set_leader_epoch(b->head.header, leader_epoch);
		b->head.envelope.crc = el_envelope_crc(&b->head.envelope, b->head.header);
		offset += b->count;
	}
}

/*
 * The caller holds RowExclusiveLock, has assigned the xid, and has encoded and
 * compressed before: what is done here is done under the append lock, and the next
 * append waits for it.  The base offset and the leader epoch lie outside the batch's
 * CRC: the log gets them, the caller's batch stays as it is.
 *
 * Errors leave nothing behind of a single batch, since the tail has not moved: 22023 if
 * at_offset is below the log end and not only of aborted batches, 54000 beyond
 * EL_MAX_OFFSET, 53400 if the log is full, those of extending the file and, if the log
 * is damaged, XX001.  Once the last WAL record is written nothing can fail.
 */
void
el_log_append(Relation rel, const ElLogOptions *options, ElAppend *batches, int n,
			  FullTransactionId fxid, CommandId cid, int64 at_offset)
{
	Placed		one;
	Placed	   *placed = n == 1 ? &one : palloc_array(Placed, n);
	uint64		space = 0;
	int64		count = 0;
	int64		next;
	int32		leader_epoch;
	Buffer		metabuf;
	ElMeta	   *meta;

	Assert(n > 0);
	Assert(CheckRelationLockedByMe(rel, RowExclusiveLock, true));
	Assert(FullTransactionIdIsValid(fxid));
	el_require_preload();
	for (int i = 0; i < n; i++)
	{
		ElAppend   *b = &batches[i];
		Placed	   *p = &placed[i];
		ElBatchHeader header;
		const char *wrong = el_batch_read_header(b->batch, b->len, &header);

		if (wrong != NULL)
			elog(ERROR, "cannot append a malformed batch: %s", wrong);
		p->append = b;
		p->head.envelope = (ElEnvelope)
		{
			.fxid = U64FromFullTransactionId(fxid),
				.length = b->len,
				.cid = cid,
				.magic = EL_ENVELOPE_MAGIC
		};
		p->space = EL_BATCH_SPACE(b->len);
		p->count = header.last_offset_delta + 1;
		p->max_time = header.max_timestamp;
		space += p->space;
		count += p->count;
	}

	/* before a log is made: nothing is left behind by what is refused */
	if (at_offset > EL_MAX_OFFSET - count)
		report_offset_too_large(at_offset);

	metabuf = lock_for_append(rel, options, space, at_offset);
	meta = ElPageGetMeta(BufferGetPage(metabuf));
	next = at_offset >= 0 ? at_offset : Max(meta->log_end, meta->floor);
	if (next > EL_MAX_OFFSET - count)
	{
		UnlockReleaseBuffer(metabuf);
		report_offset_too_large(next);
	}
	leader_epoch = take_leader_epoch(rel, metabuf);

	for (int i = 0; i < n;)
	{
		Chunk		c = {.batches = &placed[i],.rec.base_offset = next};

		place_chunk(rel, metabuf, &c, n - i);
		finish_chunk(&c, leader_epoch);
		for (uint32 first = 0; first < c.npages; first += EL_PAGES_PER_RECORD)
			write_pages(rel, metabuf, &c, first, Min(c.npages - first, EL_PAGES_PER_RECORD));
		next += c.rec.count;
		Assert(meta->log_end == next);
		Assert(meta->tail_pos == c.rec.batch_pos + c.rec.space);
		pfree(c.blocks);
		i += c.n;
	}
	UnlockReleaseBuffer(metabuf);
	if (placed != &one)
		pfree(placed);
}
