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

/* 53200 if there is no room. */
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

/* The topic is gone: take it off all subscriptions.  Cannot fail. */
extern void el_topic_dropped(Oid dbid, Oid relid);

/*
 * Steps 2 and 3 for a group, if there is anything to do; yielding: the member
 * whose call this is, or EL_NO_SLOT.  Returns true if ownership changed: call
 * el_wake_group() once the lock is released.
 */
extern bool el_group_steps(ElSlotNo group, ElSlotNo yielding);

/* Give back what nothing refers to any more; true if the group is gone. */
extern bool el_group_sweep(ElSlotNo group, int64 idle_ms);

/* A database that is gone takes its groups with it. */
extern void el_db_drop(Oid dbid);

#endif							/* EL_COORDINATOR_H */
