/*-------------------------------------------------------------------------
 *
 * cursor.h
 *	  Where a reader stands: its segment, its page, its batch.
 *
 * IDENTIFICATION
 *	  src/storage/cursor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CURSOR_H
#define EL_CURSOR_H

#include "postgres.h"

#include "access/transam.h"
#include "storage/buf.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "kafka/batch.h"
#include "storage/aborted.h"
#include "storage/log.h"
#include "storage/page.h"
#include "storage/segment.h"
#include "storage/visibility.h"

typedef enum ElReadMode
{
	EL_READ_STABLE,				/* Kafka's read_committed: stop at the last
								 * stable offset, that is, at the first own or
								 * undecided batch; skip aborted ones */
	EL_READ_MVCC,				/* plain SELECT: own by command id, skip
								 * undecided */
	EL_READ_ALL					/* every batch, with its state; nothing is
								 * skipped */
} ElReadMode;

/*
 * A reader walks a log in offset order.  All it hands out is in private memory,
 * valid until the next call.  The end is the log end as of begin/refresh.
 */
typedef struct ElReader
{
	Relation	rel;
	Snapshot	snapshot;		/* borrowed; must outlive the reader; NULL:
								 * outcomes as of now */
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
	 * Next offset this reader would look at.  After a stop: the base offset
	 * of the batch it stopped at; past aborted batches, it has moved on.
	 */
	int64		position;
	bool		stopped;		/* EL_READ_STABLE met an own or undecided
								 * batch */
	FullTransactionId stop_fxid;	/* whose */
	bool		trimmed;		/* the position was removed meanwhile;
								 * position is the new log start */

	int64		batch_start;	/* current batch: first offset at or after
								 * where the reader stood */
	int64		min_offset;		/* batches that end before it, going back, or
								 * begin behind the other are not looked at:
								 * the caller's to set */
	int64		max_offset;
	bool		headers_only;	/* batch is not set: el_reader_copy_batch()
								 * has its bytes */
	bool		serializable;	/* report conflicts with what the snapshot
								 * does not see */
	BufferAccessStrategy strategy;	/* NULL, or how to go through the buffer
									 * pool */
	struct ElReaderPrivate *priv;
} ElReader;

/* Hints found for the page at hand; what does not fit is found again next time. */
#define EL_MAX_HINTS 64

typedef struct ElReaderPrivate
{
	MemoryContext mcxt;
	bool		has_meta;
	uint64		pos;			/* stream position of the next batch */
	bool		positioned;		/* pos is valid: position was sought */
	uint64		limit;			/* batches begin below it; UINT64 max: no
								 * limit */
	ElBatchReader records;		/* of the current batch */
	bool		in_batch;		/* records is open */
	const char *first_record;	/* where it was opened */
	int32		first_index;
	int64		first_offset;	/* no record below it is there */
	bool		from_rest;		/* its records are to be taken from what the
								 * last reader left (rest.c) */
	int64		batch_end;		/* offset behind the open batch */
	uint64		batch_pos;		/* where the batch at hand begins */

	/* EL_READ_STABLE: aborted batches passed over one after another */
	int			naborted;		/* 0: the batch before was not aborted */
	int64		aborted_from;	/* position before the first of them */
	ElAbortedRun known;			/* looked up at the first of them (aborted.c) */

	/* segment at hand */
	bool		seg_valid;
	uint64		seg;
	BlockNumber seg_block;
	uint32		seg_flags;
	uint64		seg_end;		/* where its data ends; tail for the last one */
	int64		seg_before;		/* greatest time of the segment before */

	/* page at hand */
	bool		page_valid;
	uint64		page_no;
	Buffer		buffer;			/* pinned while the page is at hand */
	int			nhints;
	struct
	{
		uint16		byte;
		uint16		flags;
	}			hints[EL_MAX_HINTS];

	/*
	 * going back (backward.c): batches that begin on a page and are not
	 * passed yet
	 */
	bool		back_listed;
	uint64		back_page;
	int			back_nbatches;
	uint16		back_bytes[EL_PAGE_DATA / EL_BATCH_ROOM + 1];	/* where on it */
	/* and records of the open batch */
	bool		back_open;
	const char *back_base;		/* its first record */
	int32		back_nrecords;	/* not handed out yet */
	uint32	   *back_starts;	/* where each begins, from back_base */
	size_t		back_size;		/* allocated */

	char	   *assembly;		/* batch put together from several pages */
	size_t		assembly_size;

	uint32		rewinds_here;	/* when the metapage was read (cursor.c) */
	ElDirectory dir;
	PGAlignedBlock meta;
	PGAlignedBlock page;
} ElReaderPrivate;

/* Last page of the segment at hand that holds data. */
static inline uint64
el_reader_last_page(const ElReader *r)
{
	return EL_POS_PAGE(r->priv->seg_end - 1);
}

/*
 * This session has rewound a log (rewind.c), and no other could read it meanwhile:
 * readers that were begun before look anew where they are.
 */
extern void el_readers_note_rewind(void);

/*
 * For reader.c, search.c, backward.c and rewind.c
 */

/* Read the metapage; what was cached from the directory is void. */
extern void el_reader_read_meta(ElReader *r);

/* XX001 with block and offset. */
extern void el_reader_corrupt(ElReader *r, uint64 pos, const char *what) pg_attribute_noreturn();

/*
 * Make a segment the one at hand; false if it was trimmed.  Or compacted: the
 * metapage, this entry and the next are read one after another, and must be of
 * the same time.
 */
extern bool el_reader_enter_segment(ElReader *r, uint64 seg);

/* Make a page the one at hand; false if it was trimmed, or this session has rewound a log. */
extern bool el_reader_load_page(ElReader *r, uint64 page_no);

/* Let the page at hand go, with the hints found for it. */
extern void el_reader_leave_page(ElReader *r);

/*
 * Look at the batch at pos without putting it together: its envelope and
 * header.  Moves pos to where a batch really begins.  1: found; 0: end of the
 * log; -1: trimmed.
 */
extern int	el_reader_peek(ElReader *r, ElEnvelope **env);

/* What became of the peeked batch?  Says whether the mode shows it. */
extern bool el_reader_judge(ElReader *r, const ElEnvelope *env);

/*
 * Copy len bytes of the stream from pos on, straight from the buffers but for the
 * page at hand and the last one, which is at hand then.  False if they were trimmed.
 */
extern bool el_reader_copy(ElReader *r, uint64 pos, uint32 len, char *to);

/*
 * Have the bytes of the peeked batch, which begins at pos, in one piece; false
 * if it was trimmed meanwhile.
 */
extern bool el_reader_take(ElReader *r, ElEnvelope *env, uint64 pos);

#endif							/* EL_CURSOR_H */
