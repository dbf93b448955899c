/*-------------------------------------------------------------------------
 *
 * append.c
 *	  Appending a batch to a log.
 *
 * NOTES
 *	  The file is extended before the WAL record of a segment or a page in it.
 *	  A batch larger than one record can carry is written by several; only
 *	  the last one moves the tail, so an error or a crash in between leaves
 *	  bytes beyond the tail, which mean nothing.
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
 * A batch as it goes into the stream: envelope, batch bytes, zeros up to the
 * alignment.
 */
typedef struct AppendStream
{
	ElEnvelope	envelope;
	const char *batch;
	uint32		len;
} AppendStream;

/* Bytes from .. from + n of the stream, in scratch unless they lie in one piece. */
static const char *
stream_bytes(const AppendStream *s, uint64 from, uint32 n, char *scratch)
{
	uint32		done = 0;

	if (from >= sizeof(ElEnvelope) && from + n <= sizeof(ElEnvelope) + s->len)
		return s->batch + (from - sizeof(ElEnvelope));

	if (from < sizeof(ElEnvelope))
	{
		done = Min(n, sizeof(ElEnvelope) - from);
		memcpy(scratch, (const char *) &s->envelope + from, done);
	}
	if (done < n && from + done < sizeof(ElEnvelope) + s->len)
	{
		uint64		at = from + done - sizeof(ElEnvelope);
		uint32		piece = Min(n - done, s->len - at);

		memcpy(scratch + done, s->batch + at, piece);
		done += piece;
	}
	memset(scratch + done, 0, n - done);
	return scratch;
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
 * Choose where the batch goes, opening segments as needed, and make the file long
 * enough for it.  Fills rec's position, time and tail block, and the first block
 * of each segment that the batch touches.
 */
static BlockNumber *
place_batch(Relation rel, Buffer metabuf, xl_el_append *rec, int64 max_time)
{
	ElMeta	   *meta = ElPageGetMeta(BufferGetPage(metabuf));
	uint64		seg_data = EL_PAGE_POS(meta->seg_pages);
	uint64		pos = el_batch_begin_pos(meta->tail_pos);
	uint64		limit = meta->end_seg * seg_data;
	uint64		last_page;
	uint64		seg;
	uint64		last_seg;
	BlockNumber *blocks;
	int			n = 0;

	Assert(el_buffer_locked_exclusively(metabuf));
	/* it begins the next segment unless this one has room for all of it */
	if (!prepare_tail(rel, metabuf, pos, rec->space))
		pos = limit;

	rec->batch_pos = pos;
	if (pos < limit && meta->tail_time >= max_time)
	{
		rec->max_time = meta->tail_time;
		rec->time_page = meta->tail_time_page;
	}
	else
	{
		/*
		 * a batch over several segments begins one: the page is 0, right in
		 * each of them
		 */
		rec->max_time = max_time;
		rec->time_page = EL_POS_PAGE(pos) % meta->seg_pages;
	}
	last_page = EL_POS_PAGE(pos + rec->space - 1);
	last_seg = last_page / meta->seg_pages;
	seg = EL_POS_PAGE(pos) / meta->seg_pages;
	blocks = palloc((last_seg - seg + 1) * sizeof(BlockNumber));
	for (; seg <= last_seg; seg++)
	{
		uint32		npages = seg < last_seg ? meta->seg_pages :
			(uint32) (last_page % meta->seg_pages) + 1;
		ElSegment	entry = {0};

		if (seg < meta->end_seg)
		{
			blocks[n++] = meta->tail_block;
			continue;
		}
		entry.base_offset = rec->base_offset;
		if (seg * seg_data > pos)
		{
			entry.flags = EL_SEGMENT_CONTINUES;
			entry.prev_end = seg * seg_data;
			entry.prev_max_time = max_time;
		}
		else
		{
			entry.prev_end = meta->tail_pos;
			entry.prev_max_time = meta->tail_time;
		}
		blocks[n++] = el_segment_open(rel, metabuf, seg, &entry, npages);
	}

	/*
	 * a batch that begins in the tail's segment ends in it; else it begins
	 * one
	 */
	Assert(rec->batch_pos % seg_data == 0 || last_seg + 1 == meta->end_seg);
	Assert(rec->batch_pos >= meta->tail_pos);
	Assert(last_seg < meta->alloc_seg);
	rec->tail_block = blocks[n - 1];
	return blocks;
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
 * Write pages first .. first + n - 1 of the batch and their WAL record, and, if
 * they are the last ones, move the tail behind the batch.  The append lock
 * (metabuf) is held; blocks has the first block of each segment of the batch.
 */
static void
write_pages(Relation rel, Buffer metabuf, xl_el_append *rec,
			const AppendStream *stream, const BlockNumber *blocks,
			uint32 first, uint32 n, bool last)
{
	Buffer		buffers[EL_PAGES_PER_RECORD];
	uint32		begin = EL_POS_BYTE(rec->batch_pos);
	XLogRecPtr	lsn = InvalidXLogRecPtr;
	bool		needs_wal = RelationNeedsWAL(rel);

	Assert(el_buffer_locked_exclusively(metabuf));
	Assert(n > 0 && n <= EL_PAGES_PER_RECORD);
	rec->first_page = first;
	rec->flags = last ? EL_APPEND_LAST : 0;
	lock_pages(rel, ElPageGetMeta(BufferGetPage(metabuf)), rec, blocks, first,
			   n, buffers);
	if (needs_wal && n > EL_PAGES_WITHOUT_ASKING)
		XLogEnsureRecordSpace(n, n + 4);

	START_CRIT_SECTION();
	if (needs_wal)
	{
		XLogBeginInsert();
		XLogRegisterData((char *) rec, SizeOfElAppend);
	}
	for (uint32 i = 0; i < n; i++)
	{
		Page		page = BufferGetPage(buffers[i]);
		uint32		byte = first + i == 0 ? begin : 0;
		uint64		from = first + i == 0 ? 0 :
			(uint64) (first + i) * EL_PAGE_DATA - begin;
		uint32		len = Min(EL_PAGE_DATA - byte, rec->space - from);
		bool		init = byte == 0;
		PGAlignedBlock scratch;

		el_apply_append_page(page, rec, i,
							 stream_bytes(stream, from, len, scratch.data),
							 len, init);
		MarkBufferDirty(buffers[i]);
		if (needs_wal)
		{
			XLogRegisterBuffer(i + 1, buffers[i], REGBUF_STANDARD |
							   (init ? REGBUF_WILL_INIT : 0));
			XLogRegisterBufData(i + 1, (char *) page + EL_PAGE_START + byte,
								len);
		}
	}
	if (last)
	{
		el_apply_append_meta(BufferGetPage(metabuf), rec);
		MarkBufferDirty(metabuf);
		if (needs_wal)
			XLogRegisterBuffer(0, metabuf, REGBUF_STANDARD);
	}
	if (needs_wal)
	{
		lsn = XLogInsert(EL_RMGR_ID, XLOG_EL_APPEND);
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
segments_over_limit(const ElMeta *meta, uint32 space, int64 retention_bytes)
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
lock_with_room(Relation rel, const ElLogOptions *options, uint32 space)
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
lock_for_append(Relation rel, const ElLogOptions *options, uint32 space,
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

/*
 * Returns the base offset that the batch got.  The caller holds
 * RowExclusiveLock, has assigned the xid, and has encoded and compressed before:
 * what is done here is done under the append lock, and the next append waits
 * for it.  The base offset and the leader epoch lie outside the batch's CRC and
 * are patched into it.
 *
 * Errors leave nothing behind, since the tail has not moved: 22023 if at_offset
 * is below the log end and not only of aborted batches, 54000 beyond EL_MAX_OFFSET, 53400 if the log is full,
 * those of extending the file and, if the log is damaged, XX001.  Once the last
 * WAL record is written nothing can fail.
 */
int64
el_log_append(Relation rel, const ElLogOptions *options, char *batch,
			  uint32 len, FullTransactionId fxid, CommandId cid,
			  int64 at_offset)
{
	AppendStream stream = {0};
	xl_el_append rec = {0};
	ElBatchHeader header;
	const char *wrong;
	Buffer		metabuf;
	ElMeta	   *meta;
	BlockNumber *blocks;
	uint32		npages;

	Assert(CheckRelationLockedByMe(rel, RowExclusiveLock, true));
	Assert(FullTransactionIdIsValid(fxid));
	el_require_preload();
	wrong = el_batch_read_header(batch, len, &header);
	if (wrong != NULL)
		elog(ERROR, "cannot append a malformed batch: %s", wrong);

	stream.envelope.fxid = U64FromFullTransactionId(fxid);
	stream.envelope.length = len;
	stream.envelope.cid = cid;
	stream.envelope.magic = EL_ENVELOPE_MAGIC;
	stream.batch = batch;
	stream.len = len;
	rec.space = EL_BATCH_SPACE(len);
	rec.count = header.last_offset_delta + 1;

	/* before a log is made: nothing is left behind by what is refused */
	if (at_offset > EL_MAX_OFFSET - (int64) rec.count)
		report_offset_too_large(at_offset);

	metabuf = lock_for_append(rel, options, rec.space, at_offset);
	meta = ElPageGetMeta(BufferGetPage(metabuf));
	rec.base_offset = at_offset >= 0 ? at_offset : Max(meta->log_end, meta->floor);
	if (rec.base_offset > EL_MAX_OFFSET - (int64) rec.count)
	{
		UnlockReleaseBuffer(metabuf);
		report_offset_too_large(rec.base_offset);
	}
	el_batch_set_base_offset(batch, rec.base_offset);
	el_batch_set_leader_epoch(batch, take_leader_epoch(rel, metabuf));
	stream.envelope.crc = el_envelope_crc(&stream.envelope, batch);

	blocks = place_batch(rel, metabuf, &rec, header.max_timestamp);
	npages = EL_POS_PAGE(rec.batch_pos + rec.space - 1) -
		EL_POS_PAGE(rec.batch_pos) + 1;

	for (uint32 first = 0; first < npages;)
	{
		uint32		n = Min(npages - first, EL_PAGES_PER_RECORD);

		write_pages(rel, metabuf, &rec, &stream, blocks, first, n,
					first + n == npages);
		first += n;
	}
	Assert(meta->log_end == rec.base_offset + rec.count);
	Assert(meta->tail_pos == rec.batch_pos + rec.space);
	UnlockReleaseBuffer(metabuf);
	pfree(blocks);
	return rec.base_offset;
}
