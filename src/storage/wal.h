/*-------------------------------------------------------------------------
 *
 * wal.h
 *	  WAL records of the log.
 *
 * Every record type is versioned by its info code: once 1.0 is released, a
 * changed layout takes a new code, and a standby's library is upgraded first.
 * Physical truncation is core's own record.
 *
 * IDENTIFICATION
 *	  src/storage/wal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WAL_H
#define EL_WAL_H

#include "postgres.h"

#include "access/xlogreader.h"
#include "storage/buf.h"
#include "utils/rel.h"

#include "storage/page.h"

/*
 * Custom resource managers have ids 128..255; WAL on disk carries it, so it
 * never changes.
 */
#define EL_RMGR_ID		163
#define EL_RMGR_NAME	"eventlog"

#define XLOG_EL_INIT		0x00
#define XLOG_EL_APPEND		0x10
#define XLOG_EL_SEGMENT		0x20
#define XLOG_EL_TRIM		0x30
#define XLOG_EL_SETTLE		0x40
#define XLOG_EL_SETTLED		0x50
#define XLOG_EL_COMPACT_1_0	0x60
#define XLOG_EL_COMPACT		0x80
#define XLOG_EL_APPEND_MANY	0x90

/*
 * XLOG_EL_INIT: an empty log.  Version 1.0 wrote it; now the WAL gets the whole page.
 * Backup block 0: metapage (will init)
 */
typedef struct xl_el_init
{
	int32		partition;
	uint32		seg_pages;
	int64		offset;			/* log start and end */
	int64		floor;
} xl_el_init;

/*
 * XLOG_EL_APPEND: some pages of a batch; the last record of a batch moves the
 * tail.
 * XLOG_EL_APPEND_MANY: all pages of several batches, which follow one another in the
 * stream and in one segment.  There is an xl_el_append_mark for each page behind the
 * record, and its batch_pos, base_offset, space and count are those of all of them.
 * Backup block 0: metapage, only with EL_APPEND_LAST
 * Backup block 1..: pages of the batch in order; data: the bytes from where
 * the batch begins (first page) or from EL_PAGE_START on.
 */
typedef struct xl_el_append
{
	int64		base_offset;
	int64		max_time;		/* greatest in the segment, this batch's
								 * included */
	uint64		batch_pos;		/* stream position of the batch */
	uint32		space;			/* EL_BATCH_SPACE of the batch */
	uint32		count;			/* offsets it takes */
	uint32		first_page;		/* pages of the batch in earlier records */
	BlockNumber tail_block;		/* first block of the segment the batch ends
								 * in */
	uint32		time_page;		/* of its segment: the first to reach max_time */
	uint32		flags;			/* EL_APPEND_*, and how many batches */
} xl_el_append;

#define EL_APPEND_LAST		0x01
#define EL_APPEND_FLAGS(last, nbatches) \
	(((last) ? EL_APPEND_LAST : 0) | (uint32) ((nbatches) - 1) << 8)
#define EL_APPEND_BATCHES(flags)	(((flags) >> 8) + 1)
#define SizeOfElAppend		(offsetof(xl_el_append, flags) + sizeof(uint32))

/* What an append says in the special area of a page: the fields of ElPageSpecial. */
typedef struct xl_el_append_mark
{
	int64		first_offset;
	int64		max_time;
	uint32		pages_back;
	uint32		time_page;
	uint32		first_byte;		/* 0: none of the batches begins here */
	uint32		unused;
} xl_el_append_mark;

/* That of the record of one batch, for its page number index. */
static inline xl_el_append_mark
el_append_mark_of_one(const xl_el_append *rec, uint32 index)
{
	uint32		nth = rec->first_page + index;

	return (xl_el_append_mark)
	{
		.first_offset = rec->base_offset,
			.max_time = rec->max_time,
			.pages_back = nth,
			.time_page = rec->time_page,
			.first_byte = nth == 0 ? EL_PAGE_START + EL_POS_BYTE(rec->batch_pos) : 0
	};
}

/*
 * XLOG_EL_SEGMENT: a segment's directory entry is written.
 * Backup block 0: metapage
 * Backup block 1: directory page (will init with EL_SEGMENT_NEW_PAGE)
 */
typedef struct xl_el_segment
{
	uint64		seg;
	ElSegment	entry;
	uint64		reuse_seg;		/* of the metapage, afterwards */
	uint64		alloc_seg;
	BlockNumber next_block;
	BlockNumber spare_directory;	/* InvalidBlockNumber, but of earlier
									 * versions */
	BlockNumber directory;		/* block of the directory page */
	uint32		flags;
} xl_el_segment;

#define EL_SEGMENT_NEW_PAGE	0x01

/*
 * XLOG_EL_TRIM: the log start moves.  No recovery conflict: readers check the
 * logical number of each page and find themselves trimmed.
 * Backup block 0: metapage
 */
typedef struct xl_el_trim
{
	int64		log_start;
	uint64		first_seg;
} xl_el_trim;

/*
 * XLOG_EL_SETTLE: outcomes of batches that begin on one page become permanent.
 * No recovery conflict: the xid stays and is still tested against snapshots.
 * Backup block 0: data page; data: xl_el_outcome[]
 */
typedef struct xl_el_outcome
{
	uint16		byte;			/* of the envelope, from the page's start */
	uint16		flags;
} xl_el_outcome;

/*
 * XLOG_EL_SETTLED: the settled position moves.
 * Backup block 0: metapage
 */
typedef struct xl_el_settled
{
	uint64		settled_pos;
	int64		settled_offset;
} xl_el_settled;

/*
 * XLOG_EL_COMPACT: segments first_seg .. end_seg - 1 of the directory are those that compaction
 * has written, and the log's first; their entries follow.  Queries on a standby that do
 * not see all that was compacted are cancelled.  XLOG_EL_COMPACT_1_0 ends before removed.
 * Backup block 0: metapage
 * Backup block 1..: directory pages of segments first_seg .. end_seg
 */
typedef struct xl_el_compact
{
	uint64		first_seg;
	uint64		end_seg;
	uint64		prev_end;		/* of entry end_seg: where the data before
								 * ends, ... */
	int64		prev_max_time;	/* ... its greatest time ... */
	uint32		gen;			/* ... and generation */
	uint32		compactions;
	int64		tombstones_due;
	uint64		conflict_fxid;	/* greatest of the batches replaced */
	int64		removed;		/* of the metapage, afterwards; -1: not known */
	int64		compacted_end;
} xl_el_compact;

#define SizeOfElCompact_1_0	offsetof(xl_el_compact, removed)

/*
 * Changes that do and redo share; each works on pages that the caller has
 * locked exclusively, and changes nothing but the page.
 */

/*
 * All but the batches' bytes, of which the page gets len: returns where they go.
 * index counts the record's pages, init says that the page holds nothing before them.
 */
extern char *el_apply_append_page(Page page, const xl_el_append *rec,
								  const xl_el_append_mark *mark, uint32 index,
								  uint32 len, bool init);
extern void el_apply_append_meta(Page page, const xl_el_append *rec);
extern void el_apply_segment_meta(Page page, const xl_el_segment *rec);
extern void el_apply_segment_directory(Page page, const xl_el_segment *rec);
extern void el_apply_compact_meta(Page page, const xl_el_compact *rec);
extern void el_apply_compact_directory(Page page, const xl_el_compact *rec,
									   const ElSegment *segments);
extern void el_apply_trim(Page page, const xl_el_trim *rec);
extern void el_apply_settle(Page page, const xl_el_outcome *outcomes, int n);
extern void el_apply_settled(Page page, const xl_el_settled *rec);

/*
 * The other half of such a change: the page is marked dirty and its WAL record
 * written, in the critical section that has changed it.
 */

/*
 * A record whose only page is the metapage; rec is all its data.  Returns its
 * LSN, InvalidXLogRecPtr if the relation needs no WAL.
 */
extern XLogRecPtr el_wal_log_meta(Relation rel, Buffer metabuf, uint8 info,
								  const void *rec, Size size);

/* A page that was changed without a record of our own: all of it. */
extern void el_wal_log_page(Relation rel, Buffer buffer);

/* Register the resource manager; while the library is preloaded. */
extern void el_wal_register(void);

#endif							/* EL_WAL_H */
