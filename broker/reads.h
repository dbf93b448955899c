/*-------------------------------------------------------------------------
 *
 * reads.h
 *	  Reads of partitions: calls of broker_fetch(), shared by whoever reads the
 *	  same place, and begun before somebody asks.
 *
 * IDENTIFICATION
 *	  broker/reads.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_READS_H
#define EL_BROKER_READS_H

#include "broker/partition.h"
#include "broker/pool.h"
#include "broker/protocol/message.h"

typedef struct ReadCall ReadCall;

/* Someone who waits for a read. */
typedef struct ReadWaiter
{
	void		(*fn) (void *arg);
	void	   *arg;
	struct ReadWaiter *next;
} ReadWaiter;

/* One partition's part of a call. */
typedef struct Read
{
	ReadCall   *call;
	Partition  *partition;
	Pool	   *pool;			/* as whom it reads */
	int64_t		offset;
	int32_t		limit;
	uint64_t	generation;		/* of the partition when the call began */
	uint64_t	era;			/* of the watch, likewise */
	int			users;
	bool		done;			/* what follows is there */
	int16_t		error;
	int64_t		stable;
	int64_t		log_start;
	int64_t		log_end;
	KafkaBytes	records;
	int64_t		next_offset;	/* behind the records */
	ReadWaiter *waiters;		/* until it is done */
	struct Read *next;			/* of the partition */

	bool		is_ahead;		/* nobody has asked for it yet */
	int64_t		expires;		/* when it is, and done */
	struct Read *next_ahead;
} Read;

/* What is to be read. */
typedef struct ReadPlace
{
	Partition  *partition;
	KafkaUuid	topic_id;
	int64_t		offset;
	int32_t		limit;			/* bytes */
} ReadPlace;

/*
 * A read of this place that runs, or whose result is there and as good as a new one's;
 * NULL: there is none.  read_release() gives it back.
 */
extern Read *read_find(Pool *pool, const ReadPlace *place);

/* Is there one that was begun ahead, and that nobody has taken yet? */
extern bool read_is_ahead(Pool *pool, const ReadPlace *place);

/*
 * Begins one call for n places; each may have up to its limit, and all together
 * max_bytes.  The reads, each to be released, are put into reads.  False: no memory.
 */
extern bool reads_start(Pool *pool, const ReadPlace *places, int n, int32_t max_bytes, Read **reads);

/* The waiter is called, from the loop, when the read is done; it may be called in any order. */
extern void read_wait(Read *read, ReadWaiter *waiter);

extern void read_release(void *read);

/*
 * Begins a read that somebody will probably ask for soon, if a session is free and
 * memory is not short.  If nobody does, it is dropped after a moment.
 */
extern void read_ahead(Pool *pool, const ReadPlace *place);

/* At the end, when no callback comes any more. */
extern void reads_stop(void);

/* For metrics. */
typedef struct ReadCounts
{
	int64_t		ahead;			/* begun before somebody asked */
	int64_t		ahead_used;		/* of them, for somebody who did */
} ReadCounts;

extern ReadCounts read_counts;

#endif							/* EL_BROKER_READS_H */
