/*-------------------------------------------------------------------------
 *
 * positions.h
 *	  Positions: numbers by key that are committed with a transaction's work.
 *
 * IDENTIFICATION
 *	  src/positions/positions.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_POSITIONS_H
#define EL_POSITIONS_H

#include "postgres.h"

#include "access/xact.h"

#include "positions/entry.h"
#include "positions/key.h"

/* What a key was when it was taken. */
typedef struct ElTaken
{
	int64		position;		/* -1: none */
	ElEntry		read;			/* what counted when it was locked */
} ElTaken;

/*
 * Lock the key until the transaction ends, waiting for who has it, and tell its last position
 * as this transaction sees it: its own, else the last committed one, whatever the snapshot.
 * 55006 if somebody has written to the key without the lock, 25000 once the
 * transaction is committing, 42P01 where the extension has no positions yet.
 */
extern void el_position_take(const ElPositionKey *key, ElTaken *taken);

/*
 * From this subtransaction's end on, if it commits.  The key was taken in it; false, and nothing
 * is set, if this transaction has given it another position since.
 */
extern bool el_position_set(const ElPositionKey *key, const ElTaken *taken, int64 position);

/* The same lock, not waited for: false if another transaction has it. */
extern bool el_position_try_lock(const ElPositionHash *hash);

/* Appends at PRE_COMMIT and PRE_PREPARE. */
extern void el_positions_xact(XactEvent event);
extern void el_positions_subxact(SubXactEvent event, SubTransactionId mine,
								 SubTransactionId parent);

#endif							/* EL_POSITIONS_H */
