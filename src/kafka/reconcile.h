/*-------------------------------------------------------------------------
 *
 * reconcile.h
 *	  Who owns which partition: ownership follows the target assignment.
 *
 * IDENTIFICATION
 *	  src/kafka/reconcile.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_RECONCILE_H
#define EL_RECONCILE_H

#include "kafka/assignor.h"

/* One partition, as reconciliation sees it. */
typedef struct ElReconcilePart
{
	int32		owner;			/* in/out; EL_NOBODY: free */
	int32		target;
	int64		epoch;			/* in/out: the epoch at which the owner got it */
	bool		busy;			/* a transaction of its owner holds its lock */
	bool		outstanding;	/* its owner was given events that it has not
								 * committed */
	bool		changed;		/* out: owner is another than before */
} ElReconcilePart;

/*
 * Let ownership follow the target.  A partition is given up when no
 * transaction of its owner works on it and either nothing delivered from it
 * awaits a commit or its owner is the member whose own call this is
 * (yielding; EL_NOBODY if none): whoever asks for more is done with what it
 * had.  A partition goes to its target only when it is free.  Returns how many
 * partitions still wait for their owner.
 */
extern int32 el_reconcile(ElReconcilePart *parts, int32 nparts,
						  int32 yielding, int64 epoch);

#endif							/* EL_RECONCILE_H */
