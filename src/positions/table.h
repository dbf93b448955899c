/*-------------------------------------------------------------------------
 *
 * table.h
 *	  Positions in shared memory: a cache of the internal topic "positions".
 *
 * IDENTIFICATION
 *	  src/positions/table.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_POSITION_TABLE_H
#define EL_POSITION_TABLE_H

#include "postgres.h"

#include "utils/rel.h"

#include "positions/entry.h"
#include "positions/internal.h"
#include "positions/key.h"

extern Size el_positions_shmem_size(void);
extern void el_positions_shmem_init(void);	/* AddinShmemInitLock is held */

/* The topic. */
extern ElInternalTopic el_positions_internal;

/*
 * The entry of a key that this transaction has locked, settled; reads the topic if the
 * table does not know it.  False if somebody has written to the key without its
 * lock and is undecided.  The relation is locked with RowExclusiveLock.
 */
extern bool el_position_read(Relation rel, const ElPositionHash *hash, ElEntry *entry);

/*
 * fxid has appended a position of that key (-1: a tombstone); read is what
 * el_position_read() found.  Takes the table's lock only; cannot fail.
 */
extern void el_position_enter(Relation rel, const ElPositionHash *hash,
							  const ElEntry *read, FullTransactionId fxid,
							  int64 position, int64 version);

/* The generation of what is cached of this database. */
extern uint64 el_positions_gen(void);

/* Somebody else has written to this database's topic: what is cached of it means nothing.  Cannot fail. */
extern void el_positions_invalidate(void);

/*
 * A transaction that has done so is being prepared: from then on each end of a prepared one, of which
 * the latter function is told, invalidates.
 */
extern void el_positions_note_prepared(void);
extern void el_positions_prepared_ended(void);

/*
 * Since when (el_monotonic_ms()) this server writes and knows this database's topic as it is: its start or
 * promotion, a restore.
 */
extern int64 el_positions_since_ms(void);

#endif							/* EL_POSITION_TABLE_H */
