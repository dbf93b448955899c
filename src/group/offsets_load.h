/*-------------------------------------------------------------------------
 *
 * offsets_load.h
 *	  From the topic of committed offsets into slots, on a primary only.
 *
 * IDENTIFICATION
 *	  src/group/offsets_load.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_OFFSETS_LOAD_H
#define EL_OFFSETS_LOAD_H

#include "postgres.h"

#include "storage/lwlock.h"

#include "group/slots.h"

/*
 * Take the coordinator's lock with all committed offsets of a group in slots, if
 * it has any: what is not there is nowhere.  group NULL: with those of all groups
 * of this database that there is room for; ElDb.all_loaded says whether that is
 * all of them.  el_group_unlock() releases the lock.  53200.
 */
extern void el_group_lock_with_offsets(const char *group, LWLockMode mode);

/* The same, but the lock is not taken: so it may be different a moment later. */
extern void el_offsets_ensure(const char *group);

/* Are the entries of the group's slots what the topic says?  Lock held. */
extern bool el_group_is_loaded(ElSlotNo group);

/*
 * What slots say is no longer what the topic says.  restored: the topic may say
 * now what was committed elsewhere.  Cannot fail.
 */
extern void el_offsets_invalidate(bool restored);

/* This transaction has dropped topics: offsets that it finds without one may have one again. */
extern void el_offsets_note_drop(void);

/* A subtransaction that may have done so was rolled back, or (is_end) the transaction has ended.  Cannot fail. */
extern void el_offsets_settle_drop(bool is_commit, bool is_end);

/* A transaction after whose end the cache is invalid is to be prepared / a prepared transaction has ended. */
extern void el_offsets_note_prepared(void);
extern void el_offsets_prepared_ended(void);

/*
 * For offsets.c
 */

/*
 * Partitions of the topic begin where a mark says, or (pending) will say once it
 * has committed.  Lock held.
 */
extern void el_mark_set_starts(ElSlotNo topic, const int64 *starts, int32 n,
							   bool pending);

#endif							/* EL_OFFSETS_LOAD_H */
