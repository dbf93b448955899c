/*-------------------------------------------------------------------------
 *
 * log.h
 *	  The log of one partition: append, read, seek, trim.
 *
 * A log lives in one relation.  This layer knows pages, batches, segments and
 * transactions, but no tuples, topics or groups.  The caller has the relation
 * open and locked (AccessShareLock to read, RowExclusiveLock to append).
 *
 * IDENTIFICATION
 *	  src/storage/log.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LOG_H
#define EL_LOG_H

#include "postgres.h"

#include "access/transam.h"
#include "storage/bufpage.h"
#include "storage/buf.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "base/compat.h"
#include "kafka/batch.h"

/* Offsets must fit a ctid: 32 bits of block, 15 of line pointer. */
#define EL_MAX_OFFSET	((INT64CONST(1) << 47) - 1)

/* What the metapage says about a log, copied under its share lock. */
typedef struct ElLogInfo
{
	bool		exists;			/* false: nothing was ever appended; the rest is 0 */
	int32		partition;
	int64		log_start;		/* first offset that may be read */
	int64		log_end;		/* next offset to be given */
	uint64		tail_pos;		/* stream position of the next batch */
	uint64		settled_pos;	/* batches below it carry permanent outcomes */
	int64		settled_offset;
	uint64		first_seg;		/* live segments are first_seg .. end_seg - 1 */
	uint64		end_seg;
	uint32		seg_pages;		/* pages of a segment */
	uint64		appended_batches;	/* ever, for statistics */
	uint32		compactions;	/* ever */
	uint64		tried_seg;		/* compaction has done what it could with the segments before */
} ElLogInfo;

extern void el_log_info(Relation rel, ElLogInfo *info);
/* Is there a log, that is, was anything ever appended?  Cheap. */
extern bool el_log_exists(Relation rel);

/*
 * How to make the log, should this be its first append, and bounds that the
 * append itself keeps.
 */
typedef struct ElLogOptions
{
	int32		partition;
	int64		segment_bytes;
	int64		first_offset;	/* log start and end of a log made now; 0 as a rule */
	int64		floor;			/* offsets below were given out before, in an earlier file */
	int64		retention_bytes;	/* an append that opens segments frees the oldest first, to keep
								 * live ones within; -1: no limit */

	/*
	 * If set: what this says is held (from which offset on) is not freed for
	 * that, and the append refused with 53400.
	 */
	int64		(*held_from) (void *arg, int32 partition);
	void	   *held_arg;
} ElLogOptions;

/*
 * Append one finished batch (el_batch_finish) of the transaction fxid/cid; the
 * base offset and leader epoch are patched in place.  at_offset >= 0 asks
 * for that base offset, which must be at or beyond the log end (22023
 * otherwise); -1 takes the log end, or the floor if that is higher.  An empty log that gets explicit offsets
 * starts there.  Returns the base offset.  Errors: 54000 beyond EL_MAX_OFFSET,
 * those of extending the file; nothing is left behind then.
 */
extern int64 el_log_append(Relation rel, const ElLogOptions *options,
						   char *batch, uint32 len, FullTransactionId fxid,
						   CommandId cid, int64 at_offset);

/*
 * Move the log start to offset (<= log_end) and offer whole segments below it for reuse.
 * Never goes back and never passes an undecided batch: the caller
 * sees to the latter.  Flushes its WAL record before it returns.  Returns bytes offered.
 */
extern int64 el_log_trim(Relation rel, int64 offset);

/* What compaction goes by. */
typedef struct ElCompaction
{
	ElCodec		codec;			/* of what it writes, unless events had a stronger one */
	int64		now_ms;
	int64		delete_retention_ms;	/* tombstones stay so long after they were first met; -1: for ever */
	int32		leader_epoch;	/* the timeline */
	bool		always;			/* not only when half of the log is new */
	bool		(*may_go_on) (Relation rel);	/* asked now and then, if set; false gives up */
} ElCompaction;

/*
 * Keep only the last event of each key in the closed segments that VACUUM has
 * settled.  The caller holds ShareUpdateExclusiveLock.  Returns bytes of segments freed.
 */
extern int64 el_log_compact(Relation rel, const ElCompaction *policy);

/* Is half of the closed segments new?  One alone is not worth it. */
static inline bool
el_compaction_due(const ElLogInfo *info)
{
	uint64		closed = info->end_seg - 1 - info->first_seg;
	uint64		tried = Max(info->tried_seg, info->first_seg) - info->first_seg;

	return info->exists && info->end_seg > 0 && closed >= 2 &&
		(closed - tried) * 2 >= closed;
}

/*
 * Give free segments at the end of the file back to the file system, if the
 * table can be had alone at once and no standby would notice.  Returns bytes.
 */
extern int64 el_log_shrink(Relation rel);

/* What a log need not keep. */
typedef struct ElRetention
{
	int64		before_ms;		/* events before the first page that has one at or after this time;
								 * EL_MIN_TIME: no limit */
	int64		bytes;			/* the oldest segments beyond so many bytes; -1: no limit */
	uint64		room;			/* ... counting so many that are about to be opened */
	int64		held_from;		/* time does not remove events from this offset on; INT64 max: none */
	bool		held_counts;	/* nor do bytes */
} ElRetention;

/*
 * Move the log start as far as the policy asks, but never past an undecided
 * batch or the last committed one.  Returns bytes of segments freed; held:
 * held_from stood in the way of bytes.
 */
extern int64 el_log_retain(Relation rel, const ElRetention *policy, bool *held);
/* 53400 if an append of a batch of so many bytes would be refused for what is held; frees what it may first. */
extern void el_log_require_room(Relation rel, const ElLogOptions *options,
								uint32 bytes);
/* How many segments bytes are, one at least. */
extern uint64 el_retained_segments(uint32 seg_pages, int64 bytes);

/* Make an empty log whose first offset will be offset, in a new file (TRUNCATE). */
extern void el_log_create(const RelFileLocator *locator, char persistence,
						  int32 partition, uint32 seg_pages, int64 offset);

/* Make the metapage of a log that has none yet. */
extern void el_log_make(Relation rel, const ElLogOptions *options);

/* What became of the transaction that wrote a batch, as the reader's snapshot sees it. */
typedef enum ElBatchState
{
	EL_BATCH_VISIBLE,			/* committed for the snapshot */
	EL_BATCH_OWN,				/* of the current transaction */
	EL_BATCH_IN_PROGRESS,		/* undecided for the snapshot */
	EL_BATCH_ABORTED
} ElBatchState;

typedef enum ElReadMode
{
	EL_READ_STOP,				/* G3: stop at the first own or undecided batch, skip aborted */
	EL_READ_MVCC,				/* plain SELECT: own by command id, skip undecided */
	EL_READ_ALL					/* every batch, with its state; nothing is skipped */
} ElReadMode;

typedef enum ElSeek
{
	EL_SEEK_OK,
	EL_SEEK_BELOW_START,		/* offset < log start: the reader is there, trimmed is set */
	EL_SEEK_AT_END				/* at or beyond the log end as of now */
} ElSeek;

/*
 * A reader walks a log in offset order.  All it hands out is in private memory,
 * valid until the next call.  The end is the log end as of begin/refresh.
 */
typedef struct ElReader
{
	Relation	rel;
	Snapshot	snapshot;		/* borrowed; must outlive the reader; NULL only with EL_READ_ALL */
	ElReadMode	mode;
	FullTransactionId snapshot_xmin;	/* full form of the snapshot's xmin */
	ElLogInfo	info;			/* as of begin or the last refresh */

	/* the current batch, after el_reader_next_batch() returned true */
	char	   *batch;			/* contiguous RecordBatch bytes */
	uint32		batch_len;
	ElBatchHeader header;
	FullTransactionId fxid;
	CommandId	cid;
	ElBatchState state;

	/*
	 * Next offset this reader would look at.  After a stop: the base offset of
	 * the batch it stopped at; past aborted batches, it has moved on.
	 */
	int64		position;
	bool		stopped;		/* EL_READ_STOP met an own or undecided batch */
	FullTransactionId stop_fxid;	/* whose */
	bool		trimmed;		/* the position was removed meanwhile; position is the new log start */

	int64		batch_start;	/* current batch: first offset at or after where the reader stood */
	bool		serializable;	/* report conflicts with what the snapshot does not see */
	BufferAccessStrategy strategy;	/* NULL, or how to go through the buffer pool */
	struct ElReaderPrivate *priv;
} ElReader;

extern ElReader *el_reader_begin(Relation rel, Snapshot snapshot,
								 ElReadMode mode);
extern void el_reader_end(ElReader *r);
/* Read the metapage again: the log end may have moved.  Keeps the position; clears stopped. */
extern void el_reader_refresh(ElReader *r);
/* Go to the first event whose offset is >= offset. */
extern ElSeek el_reader_seek(ElReader *r, int64 offset);
/* Go to the first batch that may hold an event with time >= ms (events still have to be compared). */
extern ElSeek el_reader_seek_time(ElReader *r, int64 time_ms);
/*
 * Only batches that begin on the logical pages first .. end - 1, for ANALYZE and compaction; false
 * if there is none.  What is trimmed or compacted meanwhile is left out.
 */
extern bool el_reader_seek_pages(ElReader *r, uint64 first, uint64 end);
/* Are the bytes up to the next batch's alignment, behind the one that el_reader_next_batch() gave, 0 as they should be? */
extern bool el_reader_padding_clean(const ElReader *r);
/* The logical page that the reader is at. */
extern uint64 el_reader_page(const ElReader *r);
/* Stream position of the batch that el_reader_next_batch() gave. */
extern uint64 el_reader_batch_pos(const ElReader *r);
/*
 * What a page of the segment that the reader is in says of times (ElPageSpecial); false if it is of another one, or gone.
 * The batch at hand is not to be used afterwards, but the reader can go on.
 */
extern bool el_reader_page_times(ElReader *r, uint64 page_no, int64 *max_time,
								 uint32 *time_page);
/* The greatest time of the segment before that one; and of the last one there is. */
extern int64 el_reader_time_before(const ElReader *r);
extern int64 el_reader_tail_time(const ElReader *r);
/* Base offset of the first batch that begins on, or covers, a logical page; -1 if it is not there (any more). */
extern int64 el_reader_page_offset(ElReader *r, uint64 page_no);
/* Logical page that a block of the file holds, if it holds part of the log as of the reader's end. */
extern bool el_reader_block_page(ElReader *r, BlockNumber block,
								 uint64 *page_no);
/* The next batch that the mode shows; false at the end or at a stop. */
extern bool el_reader_next_batch(ElReader *r);
/* The next event at or after the position, going on to further batches; false at the end or at a stop.
 * Corrupt bytes raise XX001 with block and offset. */
extern bool el_reader_next(ElReader *r, ElRecord *rec);
/*
 * The last event before the position, going on to earlier batches; false at the log start.  Not with
 * EL_READ_STOP.  From the end: el_reader_seek() to the log end, or EL_MAX_OFFSET + 1.
 */
extern bool el_reader_prev(ElReader *r, ElRecord *rec);

/*
 * Base offset, and the offset behind (NULL: not asked), of the last batch below limit that the mode shows;
 * those that end before low are not looked at.  False, and nothing set, if there is none.  Moves the reader.
 */
extern bool el_reader_last_batch(ElReader *r, int64 low, int64 limit,
								 int64 *base, int64 *end);

/* Last stable offset for the snapshot: where EL_READ_STOP would stop, else the log end. stop_fxid may be NULL. */
extern int64 el_log_stable_offset(Relation rel, Snapshot snapshot,
								  FullTransactionId *stop_fxid);

/* Full form of a 32-bit xid that is or was recently running. */
extern FullTransactionId el_full_xid(TransactionId xid);

/* Report what is wrong with the log's pages and batches, one call of report() each; it should be that partition's. */
typedef void (*ElCheckReport) (void *arg, const char *problem);
extern void el_log_check(Relation rel, int32 partition, ElCheckReport report,
						 void *arg);

/*
 * VACUUM: settle outcomes below the horizon, all there are, or up to the first batch that has to be left, which
 * is as far as the settled position moves.  Returns the oldest xid that may still be undecided
 * on a page, at most oldest_xmin; invalid if the pass has not seen all.
 */
extern TransactionId el_log_settle(Relation rel, TransactionId oldest_xmin, bool all);

#endif							/* EL_LOG_H */
