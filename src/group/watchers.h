/*-------------------------------------------------------------------------
 *
 * watchers.h
 *	  The table of those who are told of everything that changes in a database.
 *
 * IDENTIFICATION
 *	  src/group/watchers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WATCHERS_H
#define EL_WATCHERS_H

#include "postgres.h"

/* Partitions' tables that a watcher is told of at once; if there are more, it is "all". */
#define EL_WATCHED_LEAVES	256

extern Size el_watchers_shmem_size(void);
extern void el_watchers_shmem_init(void);	/* AddinShmemInitLock is held */

/*
 * Enter this backend into the table: from here on it is told of what changes in its
 * database.  Returns its place, -1 if the table is full.
 */
extern int	el_watcher_register(void);
extern void el_watcher_unregister(int place);

/* What has changed since the last call: n of the leaves; true if it is all of them. */
extern bool el_watcher_take(int place, Oid *leaves, int *n);

/*
 * A transaction of this database has ended that has appended to these partitions'
 * tables (n -1: whatever changed).  Takes the table's lock only; cannot fail.
 */
extern void el_watchers_tell(const Oid *leaves, int n);

/* For exit callbacks: an error may have come while the table's lock was held. */
extern void el_watchers_release_lock(void);

#endif							/* EL_WATCHERS_H */
