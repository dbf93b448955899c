/*-------------------------------------------------------------------------
 *
 * part_lock.h
 *	  Ownership locks: one transaction at a time works on a partition of a
 *	  group.
 *
 * IDENTIFICATION
 *	  src/group/part_lock.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PART_LOCK_H
#define EL_PART_LOCK_H

#include "postgres.h"

#include "base/compat.h"
#include "group/local.h"
#include "group/offsets.h"

typedef enum ElLockResult
{
	EL_LOCK_OK,
	EL_LOCK_BUSY,				/* another transaction works on it */
	EL_LOCK_NOT_OWNED,			/* not the member's any more */
	EL_LOCK_EVICTED				/* without a member: the group has lost its
								 * slots; ask for them again */
} ElLockResult;

/* A delivery that the lock is for: noted in the same moment, if the entry is still the one that was seen. */
typedef struct ElDeliveryNote
{
	ElEntry		seen;			/* as copied, not resolved */
	ElStart		start;			/* likewise, of the start mark */
	int64		first_offset;
	bool		noted;			/* out */
} ElDeliveryNote;

/*
 * Take the ownership lock of a partition until the transaction ends; never
 * waits.  With a member, it must own the partition since epoch.  On success
 * the committed offset is in lp->entry.  55006 if it is for a claim and the
 * group has members.  note may be NULL.
 */
extern ElLockResult el_part_lock(ElLocalPart *lp, ElSlotNo part,
								 const ElMemberRef *member, int64 epoch,
								 bool claim, ElDeliveryNote *note);

/* Give back a lock that turned out to be of no use; nothing was done under it. */
extern void el_part_unlock(ElLocalPart *lp);

/* A delivery from the locked partition begins at this offset: the redelivery counters, which are not rolled back. */
extern void el_part_note_delivery(ElLocalPart *lp, int64 first_offset);

/*
 * The lock by itself, until the transaction ends, without a slot and without a
 * look at owners; of the mark with EL_MARK_PARTITION.  False if another has it.
 */
extern bool el_key_lock(const ElPartKey *key);

/* Lock by which one transaction at a time does the first take of a topic by a group. */
extern bool el_first_take_lock(const char *group, const pg_uuid_t *uuid);

/* Shared state: the transaction no longer works on the partition, which it had locked.  Lock held. */
extern void el_part_clear_holder(ElLocalPart *lp);

#endif							/* EL_PART_LOCK_H */
