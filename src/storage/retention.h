/*-------------------------------------------------------------------------
 *
 * retention.h
 *	  What a log may forget, by time and by bytes.
 *
 * IDENTIFICATION
 *	  src/storage/retention.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_RETENTION_H
#define EL_RETENTION_H

#include "postgres.h"

#include "utils/rel.h"

/* What a log need not keep. */
typedef struct ElRetention
{
	int64		before_ms;		/* events before the first page that has one
								 * at or after this time; EL_MIN_TIME: no
								 * limit */
	int64		bytes;			/* the oldest segments beyond that many bytes;
								 * -1: no limit */
	uint64		room;			/* segments about to be opened, which count
								 * against bytes */
	int64		held_from;		/* time does not remove events from this
								 * offset on; INT64 max: none */
	bool		held_counts;	/* bytes do not remove them either */
} ElRetention;

/*
 * Move the log start as far as the policy asks, but never past an undecided
 * batch or the last committed one.  Returns bytes of segments freed; held:
 * held_from stood in the way of bytes.
 */
extern int64 el_log_retain(Relation rel, const ElRetention *policy, bool *held);

/* How many segments bytes are, one at least. */
extern uint64 el_retained_segments(uint32 seg_pages, int64 bytes);

#endif							/* EL_RETENTION_H */
