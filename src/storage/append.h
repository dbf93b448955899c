/*-------------------------------------------------------------------------
 *
 * append.h
 *	  Appending a batch to a log.
 *
 * IDENTIFICATION
 *	  src/storage/append.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_APPEND_H
#define EL_APPEND_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/rel.h"

#include "storage/log.h"

/* A finished batch (el_batch_finish) to be appended. */
typedef struct ElAppend
{
	const char *batch;
	uint32		len;
	int64		base_offset;	/* is set: where it went */
} ElAppend;

/*
 * Append batches of the transaction fxid/cid, one behind the other.  at_offset >= 0 asks
 * for the first one's base offset, which must be at or beyond the log end, or beyond all
 * batches but aborted ones, which then go (22023 otherwise; rewind.h); -1 takes the log
 * end, or the floor if that is higher.  An empty log that gets explicit offsets starts
 * there.  Errors: 54000 beyond EL_MAX_OFFSET, 53400 if the log is full, those of
 * extending the file; of one batch nothing is left behind then, of several, whole
 * batches may be, whose transaction the caller has to abort.
 */
extern void el_log_append(Relation rel, const ElLogOptions *options,
						  ElAppend *batches, int n, FullTransactionId fxid,
						  CommandId cid, int64 at_offset);

/*
 * Raise 53400 if a batch of this size cannot be appended because
 * retain_until_consumed keeps old segments.  Frees what may be freed first.
 */
extern void el_log_require_room(Relation rel, const ElLogOptions *options,
								uint32 bytes);

#endif							/* EL_APPEND_H */
