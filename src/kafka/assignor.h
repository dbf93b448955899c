/*-------------------------------------------------------------------------
 *
 * assignor.h
 *	  Who should own which partition, and who does: pure functions.
 *
 * The group protocol has three steps, in the shape of KIP-848: take a member's
 * news (the coordinator's part: join, leave, subscribe; the group's epoch goes
 * up), compute a target assignment if the group changed (el_assign), and let
 * ownership follow the target as far as it may (el_reconcile).  The latter two
 * are functions of plain arrays; they build without the server
 * (EL_STANDALONE), for unit tests.
 *
 * IDENTIFICATION
 *	  src/kafka/assignor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ASSIGNOR_H
#define EL_ASSIGNOR_H

#ifdef EL_STANDALONE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef int32_t int32;
typedef int64_t int64;
#else
#include "postgres.h"
#endif

#define EL_NOBODY (-1)

/*
 * One topic of the group.  Members are numbers 0 .. nmembers - 1, in the order
 * in which they joined.
 */
typedef struct ElAssignTopic
{
	int32		npartitions;
	int32	   *target;			/* [npartitions] in: target so far, or EL_NOBODY; out: the new
								 * one */
	int32		nsubscribers;
	const int32 *subscribers;	/* [nsubscribers] members, ascending */
} ElAssignTopic;

/* What el_assign needs to remember per member; the caller provides nmembers of them. */
typedef struct ElAssignLoad
{
	int32		member;
	int32		kept;			/* partitions of the current topic */
	int32		total;			/* partitions of all topics so far */
	int32		subscribed;		/* to the current topic: its ordinal + 1 */
} ElAssignLoad;

/*
 * Compute the target of every topic: balanced within one per topic among the
 * topic's subscribers, moving as few partitions as that allows; who gets one
 * more is who has least in the other topics.
 */
extern void el_assign(ElAssignTopic *topics, int32 ntopics,
					  ElAssignLoad *load, ElAssignLoad *order,
					  int32 nmembers);

/* One partition, as reconciliation sees it. */
typedef struct ElReconcilePart
{
	int32		owner;			/* in/out; EL_NOBODY: free */
	int32		target;
	int64		epoch;			/* in/out: the epoch at which the owner got it */
	bool		busy;			/* a transaction of its owner holds its lock */
	bool		outstanding;	/* its owner was given events that it has not committed */
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

#endif							/* EL_ASSIGNOR_H */
