/*-------------------------------------------------------------------------
 *
 * coordinator.h
 *	  The group's steps: members come and go, targets follow, ownership follows.
 *
 * All with the coordinator's lock held exclusively.
 *
 * IDENTIFICATION
 *	  src/group/coordinator.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_COORDINATOR_H
#define EL_COORDINATOR_H

#include "postgres.h"

#include "group/slots.h"

/* These two after el_slots_reserve(). */
extern ElSlotNo el_member_join(ElSlotNo group, const char *name, bool named);

/* A new incarnation of a named member. */
extern void el_member_rejoin(ElSlotNo member);
extern void el_member_leave(ElSlotNo member);

/*
 * These return true if they changed anything.  A subscription is its role's who
 * asked for it last.
 */
extern bool el_member_subscribe(ElSlotNo member, ElSlotNo topic, Oid role);
extern bool el_member_unsubscribe(ElSlotNo member, ElSlotNo topic);
extern bool el_member_subscribed(ElSlotNo member, ElSlotNo topic);

/* A topic that was dropped. */
typedef struct ElDroppedTopic
{
	Oid			relid;
	pg_uuid_t	uuid;
	uint64		number;			/* el_shared->next_number when it was locked
								 * for that: what has a greater one is about
								 * another topic with that uuid, a restored
								 * one */
} ElDroppedTopic;

/*
 * Topics are gone: they are taken off all subscriptions, and their slots go as
 * soon as nobody has a partition of them.  A part of all slots is looked at,
 * from 0 first; returns where to go on, after others had the lock, or EL_NO_SLOT
 * at the end.  Cannot fail.
 */
extern ElSlotNo el_topics_dropped(Oid dbid, const ElDroppedTopic *topics, int n,
								  ElSlotNo from);

/* Once more those of a group that could not go (ElGroup.has_dropped). */
extern void el_group_free_dropped(ElSlotNo group);

/*
 * Steps 2 and 3 for a group, if there is anything to do; yielding: the member
 * whose call this is, or EL_NO_SLOT.  Returns true if ownership changed: call
 * el_wake_group() once the lock is released.
 */
extern bool el_group_steps(ElSlotNo group, ElSlotNo yielding);


/* A database that is gone takes its groups with it. */
extern void el_db_drop(Oid dbid);

#endif							/* EL_COORDINATOR_H */
