/*-------------------------------------------------------------------------
 *
 * assignor.h
 *	  Who should own which partition: a pure function.
 *
 * The group protocol has three steps, in the shape of KIP-848: take a member's
 * news (the coordinator's part: join, leave, subscribe; the group's epoch goes
 * up), compute a target assignment if the group changed (el_assign), and let
 * ownership follow the target as far as it may (el_reconcile, in reconcile.h).
 * The latter two are functions of plain arrays and allocate nothing.
 *
 * IDENTIFICATION
 *	  src/kafka/assignor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ASSIGNOR_H
#define EL_ASSIGNOR_H

/* as a member: none */
#define EL_NOBODY (-1)

/*
 * One topic of the group.  Members are numbers 0 .. nmembers - 1, in the order
 * in which they joined.
 */
typedef struct ElAssignTopic
{
	int32		npartitions;
	int32	   *target;			/* [npartitions] in: target so far, or
								 * EL_NOBODY; out: the new one */
	int32		nsubscribers;
	const int32 *subscribers;	/* [nsubscribers] members, ascending */
} ElAssignTopic;

/* What el_assign needs to remember per member. */
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
 * more is who has least in the other topics.  With subscribers every partition
 * has one of them as its target, without any it has EL_NOBODY.  The result
 * depends on the arguments alone.
 *
 * Targets so far are EL_NOBODY or members.  load and order are the caller's
 * memory of nmembers entries each, whatever is in them.
 */
extern void el_assign(ElAssignTopic *topics, int32 ntopics,
					  ElAssignLoad *load, ElAssignLoad *order,
					  int32 nmembers);

#endif							/* EL_ASSIGNOR_H */
