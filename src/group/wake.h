/*-------------------------------------------------------------------------
 *
 * wake.h
 *	  The table of those who sleep until there is something for them.
 *
 * IDENTIFICATION
 *	  src/group/wake.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WAKE_H
#define EL_WAKE_H

#include "postgres.h"

#include "group/slots.h"

/* What would end a wait. */
#define EL_INTEREST_GROUPS	4
#define EL_INTEREST_LEAVES	16
typedef struct ElInterest
{
	bool		any_group;		/* more groups than fit */
	bool		any_leaf;		/* more partitions than fit */
	int32		ngroups;
	uint64		groups[EL_INTEREST_GROUPS]; /* whose assignment changes
											 * concern it: el_wake_group_id() */
	int32		nleaves;
	Oid			leaves[EL_INTEREST_LEAVES]; /* partitions' tables */
} ElInterest;

/*
 * What a waiter knows a group by.  A slot's number would not do: the group may
 * lose its slots and come back in others.  Two groups with the same one wake
 * each other's waiters for nothing.
 */
extern uint64 el_wake_group_id(Oid dbid, const char *group);

extern Size el_wake_shmem_size(void);
extern void el_wake_shmem_init(void);	/* AddinShmemInitLock is held */

/*
 * Enter this backend into the table, or (place >= 0) change what it waits for;
 * then look whether that is there already.  Returns its place, -1 if the table
 * is full.
 */
extern int	el_waiter_register(int place, const ElInterest *interest);

/* A release of a partition in the groups would end the wait, too. */
extern void el_waiter_want_free(int place);
extern void el_waiter_unregister(int place);

/* Does this backend wait for events? */
extern bool el_waits(int pid);

/*
 * Signal those who wait on partitions' tables / on a group / all of this
 * database, and its watchers; the worker.  Take the tables' locks only, one after
 * another; cannot fail.
 */
extern void el_wake_leaves(const Oid *leaves, int n);
extern void el_wake_group(Oid dbid, const char *group, bool only_want_free);
extern void el_wake_database(void);
extern void el_wake_worker(void);

/* For exit callbacks: an error may have come while the table's lock was held. */
extern void el_wake_release_lock(void);

#endif							/* EL_WAKE_H */
