/*-------------------------------------------------------------------------
 *
 * subscription.h
 *	  The topics of a member: those that are there and may be read.
 *
 * In all of these, member NULL is this session's.
 *
 * IDENTIFICATION
 *	  src/group/subscription.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SUBSCRIPTION_H
#define EL_SUBSCRIPTION_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "group/arguments.h"
#include "group/catalog.h"

/* Syscache callback: topics or rights may be others than before. */
extern void el_subscriptions_recheck(Datum arg, int cacheid, uint32 hashvalue);

/* How often they have been, as far as this backend knows. */
extern uint64 el_subscription_changes(void);

/*
 * Topics of a member's subscription, locked; a list of ElTopicRef.  Those that
 * are gone or that their role may not read any more leave the subscription, the
 * latter with a WARNING each, and 42501 if nothing is left; 42501, too, if the
 * caller may not read what stays.
 */
extern List *el_member_topics(const ElGroupConf *conf,
							  const ElMemberName *member);

/*
 * The same for a call that is not about the topics, which are not locked.
 * Anybody can give a member's name: only a role that may read its topics acts
 * for it (42501).
 */
extern void el_member_check_may_act(const ElGroupConf *conf,
									const ElMemberName *member);

/*
 * For a call with which the subscription ends, or these (OIDs, NIL: none) take
 * its place: nothing need be left.
 */
extern void el_member_check_may_leave(const ElGroupConf *conf,
									  const ElMemberName *member,
									  List *relids);

/* For a call about one topic, which is its caller's business: the others. */
extern void el_member_check_others(const ElGroupConf *conf,
								   const ElMemberName *member, Oid relid);

#endif							/* EL_SUBSCRIPTION_H */
