/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  Reading a log in offset order.
 *
 * IDENTIFICATION
 *	  src/storage/reader.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_READER_H
#define EL_READER_H

#include "postgres.h"

#include "utils/rel.h"
#include "utils/snapshot.h"

#include "kafka/batch.h"
#include "storage/cursor.h"

extern ElReader *el_reader_begin(Relation rel, Snapshot snapshot,
								 ElReadMode mode);
extern void el_reader_end(ElReader *r);

/* Read the metapage again: the log end may have moved.  Keeps the position; clears stopped. */
extern void el_reader_refresh(ElReader *r);

/* The next batch that the mode shows; false at the end or at a stop. */
extern bool el_reader_next_batch(ElReader *r);

/*
 * Copy that batch, batch_len bytes, to where there is room for it; false if it was
 * trimmed or moved meanwhile: the reader stands before it, or at the new log start.
 */
extern bool el_reader_copy_batch(ElReader *r, char *to);

/*
 * The next event at or after the position, going on to further batches; false
 * at the end or at a stop.  Corrupt bytes raise XX001 with block and offset.
 */
extern bool el_reader_next(ElReader *r, ElRecord *rec);

/*
 * Base offset, and the offset behind (NULL: not asked), of the last batch below
 * limit that the mode shows; those that end before low are not looked at.
 * False, and nothing set, if there is none.  Moves the reader.
 */
extern bool el_reader_last_batch(ElReader *r, int64 low, int64 limit,
								 int64 *base, int64 *end);

/*
 * Are the bytes behind the batch that el_reader_next_batch() gave, up to the
 * alignment of the next one, 0 as they should be?
 */
extern bool el_reader_padding_clean(const ElReader *r);

/* The logical page that the reader is at. */
extern uint64 el_reader_page(const ElReader *r);

/* Stream position of the batch that el_reader_next_batch() gave. */
extern uint64 el_reader_batch_pos(const ElReader *r);

/* Open the batch that was taken, to walk its records. */
extern void el_reader_open_batch(ElReader *r);

#endif							/* EL_READER_H */
