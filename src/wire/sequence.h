/*-------------------------------------------------------------------------
 *
 * sequence.h
 *	  The rules of Kafka's idempotent producers, for one producer in one partition.
 *
 * Pure: no memory but what is handed in, no locks, no server.
 *
 * IDENTIFICATION
 *	  src/wire/sequence.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_SEQUENCE_H
#define EL_WIRE_SEQUENCE_H

#include "postgres.h"

/* A batch that was sent again is known as long as it is one of so many. */
#define EL_SEQUENCE_BATCHES	5

/* What a batch says of its producer. */
typedef struct ElSequence
{
	int64		producer_id;
	int32		first;			/* sequence numbers; 0 follows PG_INT32_MAX */
	int32		last;
	int16		epoch;
} ElSequence;

/* A batch that is in the log. */
typedef struct ElSequenceBatch
{
	int64		base_offset;
	uint64		fxid;			/* who wrote it; 0 once it has committed */
	int32		first;
	int32		last;
	uint32		run;			/* so many sequence numbers up to last are
								 * known to be in the log without a gap */
	int16		epoch;
} ElSequenceBatch;

/*
 * Batches of committed transactions, and behind them those of the one that has
 * not ended, or that nobody has asked about since; each in the order of the log.
 */
typedef struct ElSequenceState
{
	int16		ncommitted;
	int16		npending;
	ElSequenceBatch batches[2 * EL_SEQUENCE_BATCHES];
} ElSequenceState;

typedef enum ElVerdict
{
	EL_SEQUENCE_NEXT,			/* to be appended */
	EL_SEQUENCE_DUPLICATE,		/* one of the last five: nothing is to be done */
	EL_SEQUENCE_OLD,			/* in the log, but where is not known */
	EL_SEQUENCE_GAP,			/* does not follow what is there */
	EL_SEQUENCE_FENCED			/* the producer's epoch has risen */
} ElVerdict;

typedef enum ElWriterState
{
	EL_WRITER_OURS,
	EL_WRITER_RUNNING,
	EL_WRITER_COMMITTED,
	EL_WRITER_ABORTED
} ElWriterState;

typedef ElWriterState (*ElWriterAsk) (uint64 fxid);

/* Of n events from sequence number first on, the last one's. */
extern int32 el_sequence_last(int32 first, int32 n);

/*
 * Find out what became of the writers.  Returns one that is another's and not over,
 * and the state is as it was; 0: there is none.
 */
extern uint64 el_sequence_settle(ElSequenceState *state, ElWriterAsk ask);

/* May the batch come next?  For a duplicate *base_offset is set.  Of a settled state. */
extern ElVerdict el_sequence_judge(const ElSequenceState *state,
								   const ElSequence *s, int64 *base_offset);

/* The batch has been appended, by fxid (0: which has committed). */
extern void el_sequence_add(ElSequenceState *state, const ElSequence *s,
							int64 base_offset, uint64 fxid);

/* Batches that were added with this in place of their offset, which was not known yet. */
extern void el_sequence_place(ElSequenceState *state, int64 unknown, int64 base_offset);

#endif							/* EL_WIRE_SEQUENCE_H */
