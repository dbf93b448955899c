/*-------------------------------------------------------------------------
 *
 * entry.h
 *	  What a cache knows of a key of an internal topic: what counts, what is pending.
 *
 * IDENTIFICATION
 *	  src/positions/entry.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ENTRY_H
#define EL_ENTRY_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/snapshot.h"

/*
 * A committed offset, a start mark, or a position, as cached.
 *
 * Which field wins: an entry whose gen is not its cache's is empty,
 * whatever else it says.  Of two offsets the one with the higher version is the
 * committed one, for a version is the offset of the event that recorded it.  A
 * pending one (pending_fxid valid) was appended by a transaction that may be
 * undecided; el_entry_resolve() finds out: while that transaction runs, next and
 * version hold; once it has committed, pending_next and pending_version take
 * their place if their version is higher; if it was rolled back they are void.
 */
typedef struct ElEntry
{
	uint64		gen;			/* of the cache */
	int64		next;			/* next offset to consume, number of starts,
								 * or position; -1: nothing there, or dropped */
	int64		version;		/* -1: no event has recorded one */
	FullTransactionId fxid;		/* the transaction that wrote it */

	FullTransactionId pending_fxid; /* invalid: none */
	int64		pending_next;
	int64		pending_version;
} ElEntry;

/* Make an entry of another generation an empty one of this.  In shared memory: lock held exclusively. */
extern void el_entry_renew(ElEntry *e, uint64 gen);

/*
 * Find out what became of a pending offset; asks the process array and the commit
 * log.  Returns false while that is undecided (the rest of the entry holds).
 */
extern bool el_entry_resolve(ElEntry *entry);

/* Is the transaction that wrote the entry visible to the snapshot? */
extern bool el_entry_visible(const ElEntry *entry, Snapshot snapshot);

/*
 * fxid has appended an offset of the key, whose entry said what resolved says, or had
 * nothing pending.  In shared memory: lock held exclusively.
 */
extern void el_entry_set_pending(ElEntry *e, uint64 gen, const ElEntry *resolved,
								 FullTransactionId fxid, int64 next, int64 version);

#endif							/* EL_ENTRY_H */
