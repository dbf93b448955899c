/*-------------------------------------------------------------------------
 *
 * losses.h
 *	  Partitions lost with events that were not committed, and commits that
 *	  were refused.
 *
 * In all of these, member is a name; NULL is this session.
 *
 * IDENTIFICATION
 *	  src/group/losses.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LOSSES_H
#define EL_LOSSES_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "base/compat.h"
#include "group/local.h"

/*
 * Partitions of which the member (NULL: the session) was given events that it has
 * not committed, and which it has lost since: a list of ElLocalPart.  only: look at
 * this one.  Takes the coordinator's lock.
 */
extern List *el_losses_find(const char *group, const char *member,
							const ElLocalPart *only);

/* "partitions 0, 2 of topic "a", partition 1 of topic "b"" */
extern char *el_losses_text(List *lost);

/* They are reported now: the end of the transaction settles them. */
extern void el_losses_tell(List *lost);

/* 40L01, for a commit() that comes too late; it stays refused. */
extern void el_losses_report(const char *group, const char *member,
							 List *lost) pg_attribute_noreturn();

/* A commit() of the member is refused for what this transaction has consumed as it. */
extern void el_refuse_consumed(const char *group, const char *member,
							   int sqlstate);

/* A commit() of the partition is refused, in whatever name, for what this transaction has consumed from it. */
extern void el_refuse_partition(const ElPartKey *key, int sqlstate);

/*
 * Raise again what a commit() of this transaction was refused with, if what it
 * consumed still stands; group NULL: for all groups and members.
 */
extern void el_refusals_check(const char *group, const char *member);

#endif							/* EL_LOSSES_H */
