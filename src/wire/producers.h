/*-------------------------------------------------------------------------
 *
 * producers.h
 *	  What shared memory knows of idempotent producers.
 *
 * IDENTIFICATION
 *	  src/wire/producers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_PRODUCERS_H
#define EL_WIRE_PRODUCERS_H

#include "postgres.h"

#include "utils/rel.h"

#include "base/log_file.h"
#include "wire/sequence.h"

/* A producer that a call has batches of, in one partition. */
typedef struct ElProducer
{
	int64		id;
	bool		no_room;		/* there is no memory for it */
	ElSequenceState state;		/* a copy, settled */
} ElProducer;

/* All those of a call in one partition, claimed by its transaction. */
typedef struct ElProducers
{
	ElLogFile	file;
	uint64		fxid;
	int			n;
	ElProducer *list;			/* by id */
} ElProducers;

extern Size el_producers_shmem_size(void);
extern void el_producers_shmem_init(void);	/* AddinShmemInitLock is held */

/*
 * Claim these n producers (ids may repeat; they are sorted) in a partition, locked with
 * RowExclusiveLock, until el_producers_store() or the end of the (sub)transaction.
 * Waits for a transaction that has written batches of one of them, reads the log if one
 * is unknown, and gives the transaction an xid.  Allocates in CurrentMemoryContext.
 */
extern ElProducers *el_producers_claim(Relation rel, int64 *ids, int n);

/* The one with this id, which was claimed. */
extern ElProducer *el_producers_find(ElProducers *p, int64 id);

/* Give them back with the states that they have now.  Takes the table's lock only; cannot fail. */
extern void el_producers_store(ElProducers *p);

/* This database has given out a new id: no log had it before. */
extern void el_producers_note_id(int64 id);

#endif							/* EL_WIRE_PRODUCERS_H */
