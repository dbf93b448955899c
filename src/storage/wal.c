/*-------------------------------------------------------------------------
 *
 * wal.c
 *	  Resource manager: redo, description and masking of the log's WAL.
 *
 * A change that has a record type of its own is one el_apply_* function for
 * each page, which the operation and its redo share, so that they cannot
 * differ.  Compaction and shrinking also make rare changes to single pages,
 * the metapage and directory pages among them, for which the WAL gets the
 * whole page (el_wal_log_page); redo of those is core's.
 *
 * LOCKING
 *	  Redo locks as the operation did: metapage first, then data or directory
 *	  pages.  A reader on a standby thus never sees a tail whose pages are
 *	  not there yet.
 *
 * IDENTIFICATION
 *	  src/storage/wal.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/bufmask.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xloginsert.h"
#include "access/xlogutils.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/standby.h"

#include "base/compat.h"
#include "base/locks.h"
#include "storage/meta.h"
#include "storage/wal.h"

char *
el_apply_append_page(Page page, const xl_el_append *rec,
					 const xl_el_append_mark *mark, uint32 index, uint32 len,
					 bool init)
{
	uint32		nth = rec->first_page + index;
	uint64		page_no = EL_POS_PAGE(rec->batch_pos) + nth;
	uint32		start = EL_PAGE_START;
	ElPageSpecial *special;

	if (nth == 0)
		start += EL_POS_BYTE(rec->batch_pos);
	Assert(init == (start == EL_PAGE_START));
	Assert(len > 0 && start + len <= EL_PAGE_END);
	/* envelope and batch header never cross the end of a page */
	Assert(nth > 0 || len >= EL_BATCH_ROOM);
	Assert(nth > 0 || el_batch_begin_pos(rec->batch_pos) == rec->batch_pos);
	Assert(nth > 0 || mark->first_byte == start);
	Assert(mark->first_byte == 0 ? mark->pages_back > 0 : mark->pages_back == 0);
	if (init)
		el_page_init(page, EL_PAGE_ID_DATA, page_no);
	((PageHeader) page)->pd_lower = start + len;

	special = ElPageGetSpecial(page);

	/* what lies behind where we begin was left by an append that failed */
	if (init || special->first_byte == 0 || special->first_byte >= start)
	{
		special->first_byte = mark->first_byte;
		special->first_offset = mark->first_offset;
		special->pages_back = mark->pages_back;
	}
	special->max_time = mark->max_time;
	special->time_page = mark->time_page;

	/*
	 * a batch begins here, or the page says how far back the one that covers
	 * it does
	 */
	Assert(special->page_no == page_no);
	Assert(special->first_byte != 0 || special->pages_back > 0);
	el_page_seal(page);
	return (char *) page + start;
}

/* The tail moves behind a batch. */
void
el_apply_append_meta(Page page, const xl_el_append *rec)
{
	ElMeta	   *meta = ElPageGetMeta(page);

	Assert(InRecovery || CritSectionCount > 0);
	Assert(rec->flags & EL_APPEND_LAST);
	/* offsets and positions only rise */
	Assert(rec->count > 0);
	Assert(rec->base_offset >= meta->log_end);
	Assert(rec->batch_pos >= meta->tail_pos);

	/* an empty log starts with what comes first, wherever that is */
	if (meta->log_start == meta->log_end)
		meta->log_start = rec->base_offset;
	meta->log_end = rec->base_offset + rec->count;
	meta->tail_pos = rec->batch_pos + rec->space;
	meta->tail_time = rec->max_time;
	meta->tail_time_page = rec->time_page;
	meta->tail_block = rec->tail_block;
	meta->end_seg = EL_POS_PAGE(meta->tail_pos - 1) / meta->seg_pages + 1;
	meta->batches += EL_APPEND_BATCHES(rec->flags);
	el_page_seal(page);
	AssertMeta(page);
}

void
el_apply_segment_meta(Page page, const xl_el_segment *rec)
{
	ElMeta	   *meta = ElPageGetMeta(page);
	uint32		slot = EL_ROOT_SLOT(EL_DIRECTORY_NO(rec->seg));

	Assert(InRecovery || CritSectionCount > 0);
	/* what is not live: the tail and its segment do not change */
	Assert(rec->seg >= meta->end_seg && rec->seg < rec->alloc_seg);
	Assert(rec->reuse_seg >= meta->reuse_seg);
	Assert(rec->alloc_seg >= meta->alloc_seg);
	Assert(rec->next_block >= meta->next_block);
	Assert(rec->directory != EL_META_BLOCK && rec->directory < rec->next_block);
	Assert(rec->entry.first_block + meta->seg_pages <= rec->next_block);

	meta->reuse_seg = rec->reuse_seg;
	meta->alloc_seg = rec->alloc_seg;
	meta->next_block = rec->next_block;
	meta->spare_directory = rec->spare_directory;
	while (meta->nroots <= slot)
		meta->root[meta->nroots++] = InvalidBlockNumber;
	meta->root[slot] = rec->directory;
	((PageHeader) page)->pd_lower = EL_PAGE_START +
		offsetof(ElMeta, root) + meta->nroots * sizeof(BlockNumber);
	el_page_seal(page);
	AssertMeta(page);
}

void
el_apply_segment_directory(Page page, const xl_el_segment *rec)
{
	uint32		end;

	if (rec->flags & EL_SEGMENT_NEW_PAGE)
		el_page_init(page, EL_PAGE_ID_DIRECTORY, EL_DIRECTORY_NO(rec->seg));
	Assert(InRecovery || CritSectionCount > 0);
	Assert(ElPageGetSpecial(page)->page_no == EL_DIRECTORY_NO(rec->seg));
	*ElDirectoryEntry(page, rec->seg) = rec->entry;
	end = (char *) (ElDirectoryEntry(page, rec->seg) + 1) - (char *) page;
	Assert(end <= EL_PAGE_END);
	if (((PageHeader) page)->pd_lower < end)
		((PageHeader) page)->pd_lower = end;
	el_page_seal(page);
}

void
el_apply_compact_meta(Page page, const xl_el_compact *rec)
{
	ElMeta	   *meta = ElPageGetMeta(page);

	Assert(InRecovery || CritSectionCount > 0);
	/* fewer closed segments than there were; the tail's stays as it is */
	Assert(rec->first_seg >= meta->first_seg);
	Assert(rec->first_seg <= rec->end_seg);
	Assert(rec->end_seg < meta->end_seg);
	Assert(EL_PAGE_POS(rec->end_seg * meta->seg_pages) <= meta->settled_pos);
	Assert(rec->compactions == meta->compactions + 1);
	Assert(rec->gen > 0 && rec->gen <= EL_MAX_GENERATION);

	meta->first_seg = rec->first_seg;
	meta->clean_seg = rec->end_seg;
	meta->unshrinkable_segs = 0;
	meta->compactions = rec->compactions;
	meta->tombstones_due = rec->tombstones_due;
	if (rec->removed >= 0)
	{
		ElMetaSpecial *special = el_meta_raise(meta);

		special->removed = rec->removed;
		special->compacted_end = rec->compacted_end;
	}
	el_page_seal(page);
	AssertMeta(page);
}

/* The entries that lie on this directory page. */
void
el_apply_compact_directory(Page page, const xl_el_compact *rec,
						   const ElSegment *segments)
{
	uint64		begin = ElPageGetSpecial(page)->page_no * EL_DIRECTORY_SEGMENTS;
	uint64		end = begin + EL_DIRECTORY_SEGMENTS;

	Assert(InRecovery || CritSectionCount > 0);
	Assert(el_page_special(page, EL_PAGE_ID_DIRECTORY) != NULL);
	/* the page has entries of the segments replaced, or the one behind them */
	Assert(begin <= rec->end_seg && end > rec->first_seg);

	for (uint64 seg = Max(begin, rec->first_seg); seg < Min(end, rec->end_seg); seg++)
		*ElDirectoryEntry(page, seg) = segments[seg - rec->first_seg];
	if (rec->end_seg >= begin && rec->end_seg < end)
	{
		ElSegment  *entry = ElDirectoryEntry(page, rec->end_seg);

		entry->prev_end = rec->prev_end;
		entry->prev_max_time = rec->prev_max_time;
		entry->flags = EL_SEGMENT_FLAGS(entry->flags & EL_SEGMENT_CONTINUES,
										EL_SEGMENT_GEN(entry->flags), rec->gen);
	}
	el_page_seal(page);
}

void
el_apply_trim(Page page, const xl_el_trim *rec)
{
	ElMeta	   *meta = ElPageGetMeta(page);

	Assert(InRecovery || CritSectionCount > 0);
	/* neither goes back, and the tail's segment stays */
	Assert(rec->log_start > meta->log_start);
	Assert(rec->log_start <= meta->log_end);
	Assert(rec->first_seg >= meta->first_seg);

	if (meta->version == EL_FORMAT_VERSION)
	{
		ElMetaSpecial *special = ElMetaGetSpecial(meta);

		special->removed = el_removed_from(special->removed, meta->log_start,
										   special->compacted_end, rec->log_start);
	}
	meta->log_start = rec->log_start;
	meta->first_seg = rec->first_seg;
	el_page_seal(page);
	AssertMeta(page);
}

void
el_apply_settle(Page page, const xl_el_outcome *outcomes, int n)
{
	Assert(InRecovery || CritSectionCount > 0);
	for (int i = 0; i < n; i++)
	{
		ElEnvelope *env = (ElEnvelope *) ((char *) page + outcomes[i].byte);

		Assert(outcomes[i].byte >= EL_PAGE_START);
		Assert(outcomes[i].byte + EL_BATCH_ROOM <= EL_PAGE_END);
		Assert(env->magic == EL_ENVELOPE_MAGIC);
		Assert(outcomes[i].flags == (EL_SETTLED | EL_HINT_COMMITTED) ||
			   outcomes[i].flags == (EL_SETTLED | EL_HINT_ABORTED));
		env->flags = outcomes[i].flags;
	}
}

void
el_apply_settled(Page page, const xl_el_settled *rec)
{
	ElMeta	   *meta = ElPageGetMeta(page);

	Assert(InRecovery || CritSectionCount > 0);
	Assert(rec->settled_pos > meta->settled_pos);
	Assert(rec->settled_offset >= meta->settled_offset);

	meta->settled_pos = rec->settled_pos;
	meta->settled_offset = rec->settled_offset;
	el_page_seal(page);
	AssertMeta(page);
}

/*
 * Returns InvalidXLogRecPtr if the relation needs no WAL.  The metapage is
 * locked exclusively, and the caller in its critical section.
 */
XLogRecPtr
el_wal_log_meta(Relation rel, Buffer metabuf, uint8 info, const void *rec,
				Size size)
{
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	Assert(CritSectionCount > 0);
	Assert(el_buffer_locked_exclusively(metabuf));
	Assert(BufferGetBlockNumber(metabuf) == EL_META_BLOCK);

	MarkBufferDirty(metabuf);
	if (RelationNeedsWAL(rel))
	{
		XLogBeginInsert();
		XLogRegisterData((char *) rec, size);
		XLogRegisterBuffer(0, metabuf, REGBUF_STANDARD |
						   (info == XLOG_EL_INIT ? REGBUF_WILL_INIT : 0));
		lsn = XLogInsert(EL_RMGR_ID, info);
		PageSetLSN(BufferGetPage(metabuf), lsn);
	}
	return lsn;
}

void
el_wal_log_page(Relation rel, Buffer buffer)
{
	Assert(CritSectionCount > 0);
	Assert(el_buffer_locked_exclusively(buffer));
	Assert(el_page_sound(BufferGetPage(buffer)));
	/* block 0 is the metapage, and nothing else is */
	Assert((BufferGetBlockNumber(buffer) == EL_META_BLOCK) ==
		   (el_page_special(BufferGetPage(buffer), EL_PAGE_ID_META) != NULL));

	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
		log_newpage_buffer(buffer, true);
}

static void
finish_redo(XLogReaderState *record, Buffer buffer)
{
	Assert(el_buffer_locked_exclusively(buffer));
	PageSetLSN(BufferGetPage(buffer), record->EndRecPtr);
	MarkBufferDirty(buffer);
}

static void
redo_init(XLogReaderState *record)
{
	xl_el_init *rec = (xl_el_init *) XLogRecGetData(record);
	Buffer		buffer = XLogInitBufferForRedo(record, 0);

	el_meta_init(BufferGetPage(buffer), rec->partition, rec->seg_pages,
				 rec->offset, rec->floor);
	finish_redo(record, buffer);
	UnlockReleaseBuffer(buffer);
}

static void
redo_append(XLogReaderState *record, uint8 info)
{
	xl_el_append *rec = (xl_el_append *) XLogRecGetData(record);
	const char *marks = (char *) rec + SizeOfElAppend;
	Buffer		meta = InvalidBuffer;
	XLogRedoAction meta_action = BLK_NOTFOUND;

	if (rec->flags & EL_APPEND_LAST)
		meta_action = XLogReadBufferForRedo(record, 0, &meta);

	for (int id = 1; id <= XLogRecMaxBlockId(record); id++)
	{
		bool		init;
		Buffer		buffer;
		XLogRedoAction action;

		init = (XLogRecGetBlock(record, id)->flags & BKPBLOCK_WILL_INIT) != 0;
		if (init)
		{
			buffer = XLogInitBufferForRedo(record, id);
			action = BLK_NEEDS_REDO;
		}
		else
			action = XLogReadBufferForRedo(record, id, &buffer);
		if (action == BLK_NEEDS_REDO)
		{
			Size		len;
			char	   *data = XLogRecGetBlockData(record, id, &len);
			xl_el_append_mark mark = el_append_mark_of_one(rec, id - 1);

			if (info == XLOG_EL_APPEND_MANY)
				memcpy(&mark, marks + (id - 1) * sizeof(mark), sizeof(mark));
			memcpy(el_apply_append_page(BufferGetPage(buffer), rec, &mark, id - 1,
										len, init), data, len);
			finish_redo(record, buffer);
		}
		if (BufferIsValid(buffer))
			UnlockReleaseBuffer(buffer);
	}

	if (meta_action == BLK_NEEDS_REDO)
	{
		el_apply_append_meta(BufferGetPage(meta), rec);
		finish_redo(record, meta);
	}
	if (BufferIsValid(meta))
		UnlockReleaseBuffer(meta);
}

static void
redo_segment(XLogReaderState *record)
{
	xl_el_segment *rec = (xl_el_segment *) XLogRecGetData(record);
	Buffer		meta;
	Buffer		buffer;
	XLogRedoAction meta_action;
	XLogRedoAction action;

	meta_action = XLogReadBufferForRedo(record, 0, &meta);
	if (rec->flags & EL_SEGMENT_NEW_PAGE)
	{
		buffer = XLogInitBufferForRedo(record, 1);
		action = BLK_NEEDS_REDO;
	}
	else
		action = XLogReadBufferForRedo(record, 1, &buffer);
	if (action == BLK_NEEDS_REDO)
	{
		el_apply_segment_directory(BufferGetPage(buffer), rec);
		finish_redo(record, buffer);
	}
	if (BufferIsValid(buffer))
		UnlockReleaseBuffer(buffer);
	if (meta_action == BLK_NEEDS_REDO)
	{
		el_apply_segment_meta(BufferGetPage(meta), rec);
		finish_redo(record, meta);
	}
	if (BufferIsValid(meta))
		UnlockReleaseBuffer(meta);
}

static void
redo_compact(XLogReaderState *record, uint8 info)
{
	char	   *data = XLogRecGetData(record);
	xl_el_compact rec = {.removed = -1};
	ElSegment  *segments;
	Buffer		buffers[XLR_MAX_BLOCK_ID + 1];
	int			n = XLogRecMaxBlockId(record);
	Size		size = info == XLOG_EL_COMPACT_1_0 ? SizeOfElCompact_1_0 : sizeof(rec);

	memcpy(&rec, data, size);
	segments = (ElSegment *) (data + size);
	if (InHotStandby)
	{
		RelFileLocator locator;

		XLogRecGetBlockTag(record, 0, &locator, NULL, NULL);
		el_resolve_snapshot_conflict(FullTransactionIdFromU64(rec.conflict_fxid),
									 locator);
	}
	/* all are locked until all are changed: a reader takes them one by one */
	for (int id = 0; id <= n; id++)
	{
		if (XLogReadBufferForRedo(record, id, &buffers[id]) != BLK_NEEDS_REDO)
			continue;
		if (id == 0)
			el_apply_compact_meta(BufferGetPage(buffers[id]), &rec);
		else
			el_apply_compact_directory(BufferGetPage(buffers[id]), &rec, segments);
		finish_redo(record, buffers[id]);
	}
	for (int id = 0; id <= n; id++)
		if (BufferIsValid(buffers[id]))
			UnlockReleaseBuffer(buffers[id]);
}

/* Records that change nothing but block 0. */
static void
redo_one_page(XLogReaderState *record, uint8 info)
{
	Buffer		buffer;

	if (XLogReadBufferForRedo(record, 0, &buffer) == BLK_NEEDS_REDO)
	{
		Page		page = BufferGetPage(buffer);
		char	   *data = XLogRecGetData(record);

		if (info == XLOG_EL_TRIM)
			el_apply_trim(page, (xl_el_trim *) data);
		else if (info == XLOG_EL_SETTLED)
			el_apply_settled(page, (xl_el_settled *) data);
		else
		{
			Size		len;
			char	   *outcomes = XLogRecGetBlockData(record, 0, &len);

			el_apply_settle(page, (xl_el_outcome *) outcomes,
							len / sizeof(xl_el_outcome));
		}
		finish_redo(record, buffer);
	}
	if (BufferIsValid(buffer))
		UnlockReleaseBuffer(buffer);
}

static void
redo_record(XLogReaderState *record)
{
	uint8		info = XLogRecGetInfo(record) & ~XLR_INFO_MASK;

	switch (info)
	{
		case XLOG_EL_INIT:
			redo_init(record);
			break;
		case XLOG_EL_APPEND:
		case XLOG_EL_APPEND_MANY:
			redo_append(record, info);
			break;
		case XLOG_EL_SEGMENT:
			redo_segment(record);
			break;
		case XLOG_EL_COMPACT:
		case XLOG_EL_COMPACT_1_0:
			redo_compact(record, info);
			break;
		case XLOG_EL_TRIM:
		case XLOG_EL_SETTLE:
		case XLOG_EL_SETTLED:
			redo_one_page(record, info);
			break;
		default:
			elog(PANIC, "eventlog: unknown WAL record type 0x%02X; the library is older than the server that wrote it",
				 info);
	}
}

static void
describe_record(StringInfo buf, XLogReaderState *record)
{
	char	   *data = XLogRecGetData(record);

	switch (XLogRecGetInfo(record) & ~XLR_INFO_MASK)
	{
		case XLOG_EL_INIT:
			{
				xl_el_init *rec = (xl_el_init *) data;

				appendStringInfo(buf, "partition %d, segment pages %u, offset " INT64_FORMAT,
								 rec->partition, rec->seg_pages, rec->offset);
				break;
			}
		case XLOG_EL_APPEND:
		case XLOG_EL_APPEND_MANY:
			{
				xl_el_append *rec = (xl_el_append *) data;

				appendStringInfo(buf, "base offset " INT64_FORMAT ", count %u, position " UINT64_FORMAT ", bytes %u, batches %u, from page %u%s",
								 rec->base_offset, rec->count, rec->batch_pos,
								 rec->space, EL_APPEND_BATCHES(rec->flags), rec->first_page,
								 (rec->flags & EL_APPEND_LAST) ? "" : ", to be continued");
				break;
			}
		case XLOG_EL_SEGMENT:
			{
				xl_el_segment *rec = (xl_el_segment *) data;

				appendStringInfo(buf, "segment " UINT64_FORMAT ", first block %u, base offset " INT64_FORMAT,
								 rec->seg, rec->entry.first_block,
								 rec->entry.base_offset);
				break;
			}
		case XLOG_EL_TRIM:
			{
				xl_el_trim *rec = (xl_el_trim *) data;

				appendStringInfo(buf, "log start " INT64_FORMAT ", first segment " UINT64_FORMAT,
								 rec->log_start, rec->first_seg);
				break;
			}
		case XLOG_EL_COMPACT:
		case XLOG_EL_COMPACT_1_0:
			{
				xl_el_compact *rec = (xl_el_compact *) data;

				appendStringInfo(buf, "segments " UINT64_FORMAT " to " UINT64_FORMAT ", compaction %u",
								 rec->first_seg, rec->end_seg, rec->compactions);
				break;
			}
		case XLOG_EL_SETTLED:
			{
				xl_el_settled *rec = (xl_el_settled *) data;

				appendStringInfo(buf, "settled before offset " INT64_FORMAT,
								 rec->settled_offset);
				break;
			}
	}
}

static const char *
identify_record(uint8 info)
{
	switch (info & ~XLR_INFO_MASK)
	{
		case XLOG_EL_INIT:
			return "INIT";
		case XLOG_EL_APPEND:
			return "APPEND";
		case XLOG_EL_APPEND_MANY:
			return "APPEND_MANY";
		case XLOG_EL_SEGMENT:
			return "SEGMENT";
		case XLOG_EL_COMPACT:
			return "COMPACT";
		case XLOG_EL_COMPACT_1_0:
			return "COMPACT_1_0";
		case XLOG_EL_TRIM:
			return "TRIM";
		case XLOG_EL_SETTLE:
			return "SETTLE";
		case XLOG_EL_SETTLED:
			return "SETTLED";
	}
	return NULL;
}

/*
 * Hide from wal_consistency_checking what is not WAL-logged: the hint flags,
 * and bytes that an append which never finished left beyond the tail.
 */
static void
mask_page(char *pagedata, BlockNumber blkno)
{
	Page		page = (Page) pagedata;
	ElPageSpecial *special;
	uint32		byte;

	mask_page_lsn_and_checksum(page);
	if (PageIsNew(page))
		return;
	mask_unused_space(page);
	special = el_page_special(page, EL_PAGE_ID_DATA);
	if (special == NULL)
		return;
	byte = special->first_byte;
	while (byte != 0 && byte + EL_BATCH_ROOM <= EL_PAGE_END &&
		   byte < ((PageHeader) page)->pd_lower)
	{
		ElEnvelope *env = (ElEnvelope *) (pagedata + byte);

		if (env->magic != EL_ENVELOPE_MAGIC)
			break;
		env->flags = 0;
		if (EL_BATCH_SPACE(env->length) > EL_PAGE_END - byte)
			break;
		byte += EL_BATCH_SPACE(env->length);
	}
}

static RmgrData el_rmgr = {
	.rm_name = EL_RMGR_NAME,
	.rm_redo = redo_record,
	.rm_desc = describe_record,
	.rm_identify = identify_record,
	.rm_mask = mask_page
};

void
el_wal_register(void)
{
	RegisterCustomRmgr(EL_RMGR_ID, &el_rmgr);
}
