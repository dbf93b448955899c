/*-------------------------------------------------------------------------
 *
 * visibility.h
 *	  What became of the transaction that wrote a batch?
 *
 * IDENTIFICATION
 *	  src/storage/visibility.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_VISIBILITY_H
#define EL_VISIBILITY_H

#include "postgres.h"

#include "access/transam.h"
#include "storage/buf.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "storage/page.h"

/* What became of that transaction, as a reader's snapshot sees it. */
typedef enum ElBatchState
{
	EL_BATCH_VISIBLE,			/* committed for the snapshot */
	EL_BATCH_OWN,				/* of the current transaction */
	EL_BATCH_IN_PROGRESS,		/* undecided for the snapshot */
	EL_BATCH_ABORTED
} ElBatchState;

/*
 * What became of a batch, for a snapshot or, if that is NULL, as of now.  xmin
 * is the full form of the snapshot's.  report_conflicts: a serializable
 * transaction is told of what the snapshot does not see.
 */
extern ElBatchState el_batch_state(Relation rel, Snapshot snapshot,
								   FullTransactionId xmin,
								   bool report_conflicts,
								   const ElEnvelope *env);

/* Flags worth remembering for a batch in that state, 0 if none (yet). */
extern uint16 el_hint_for(const ElEnvelope *env, ElBatchState state,
						  Buffer buffer);

/* Full form of a 32-bit xid that is or was recently running. */
extern FullTransactionId el_full_xid(TransactionId xid);

#endif							/* EL_VISIBILITY_H */
