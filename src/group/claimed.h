/*-------------------------------------------------------------------------
 *
 * claimed.h
 *	  What a group that is used by claims reads: for who waits as no member.
 *
 * IDENTIFICATION
 *	  src/group/claimed.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CLAIMED_H
#define EL_CLAIMED_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* This session claims from the topic. */
extern void el_claimed_remember(const char *group, Oid relid);

/* DISCARD ALL: whoever comes next is another client. */
extern void el_claimed_forget(void);

/*
 * Topics to look at for a session that is no member of the group: those that
 * were claimed, as shared memory and this session know, and those that the group
 * has committed offsets in.  Locked, a list of ElTopicRef.  NIL if there are none,
 * if the group has members, or if the session has been one; 42501 if the caller
 * may read none of them any more, though they were claimed.
 */
extern List *el_claimed_topics(const char *group);

#endif							/* EL_CLAIMED_H */
