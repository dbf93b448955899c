/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  The memory of groups: slots, how they are found, and the lock on them.
 *
 * Slots have one size, refer to each other by number, and are guarded by one
 * LWLock.  A number alone proves nothing: a slot may have been freed and used
 * again, as soon as the lock is released.  Whoever keeps one beyond the lock
 * keeps something with it that never repeats: an incarnation (ElMemberRef), or
 * names (ElPartKey).  Only what a transaction holds stays (ElGroup.held).
 *
 * Who gets slots, and who gives them back, is room.c's business.
 *
 * IDENTIFICATION
 *	  src/group/slots.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SLOTS_H
#define EL_SLOTS_H

#include "postgres.h"

#include "storage/lwlock.h"
#include "utils/uuid.h"

#include "group/state.h"

extern ElShared *el_shared;
extern char *el_slots;

#define el_group_lock(mode) LWLockAcquire(&el_shared->lock, (mode))
#define el_group_unlock()	LWLockRelease(&el_shared->lock)
/* For assertions. */
#define el_group_locked()	LWLockHeldByMe(&el_shared->lock)
#define el_group_locked_exclusive() \
	LWLockHeldByMeInMode(&el_shared->lock, LW_EXCLUSIVE)

/* The head can be read of any slot; what it holds only of one of that kind. */
#define EL_HEAD(s)		((ElSlotHead *) (el_slots + (Size) (s) * EL_SLOT_SIZE))

static inline ElSlotHead *
el_slot_of_kind(ElSlotNo s, ElSlotKind kind)
{
	Assert(s >= 0 && s < el_shared->nslots);
	Assert(EL_HEAD(s)->kind == kind);
	return EL_HEAD(s);
}

#define EL_DB(s)		((ElDb *) el_slot_of_kind((s), EL_SLOT_DB))
#define EL_GROUP(s)		((ElGroup *) el_slot_of_kind((s), EL_SLOT_GROUP))
#define EL_TOPIC(s)		((ElGroupTopic *) el_slot_of_kind((s), EL_SLOT_TOPIC))
#define EL_PART(s)		((ElPart *) el_slot_of_kind((s), EL_SLOT_PART))
#define EL_MEMBER(s)	((ElMember *) el_slot_of_kind((s), EL_SLOT_MEMBER))
#define EL_SUB(s)		((ElSub *) el_slot_of_kind((s), EL_SLOT_SUB))

extern Size el_slots_shmem_size(void);
extern void el_slots_shmem_init(void);	/* AddinShmemInitLock is held */

/* All below with the lock held, exclusively if they change anything. */

/* So much group_memory is n slots of all kinds, in kB. */
extern int64 el_slots_to_kb(int64 n);

/* Those that allocate: after el_slots_reserve(). */
extern ElSlotNo el_slot_new(ElSlotKind kind);	/* not hashed yet */
extern void el_slot_link(ElSlotNo s);	/* into the hash table, once its key
										 * is set */
extern void el_slot_free(ElSlotNo s);

extern ElSlotNo el_db_find(Oid dbid);
extern ElSlotNo el_group_find(Oid dbid, const char *name);
extern void el_group_changed(ElSlotNo group);
extern ElSlotNo el_group_topic_find(ElSlotNo group, const pg_uuid_t *uuid);
extern ElSlotNo el_group_topic_get(ElSlotNo group, const pg_uuid_t *uuid,
								   Oid relid, int32 npartitions);

/* How many slots would el_group_topic_get() take?  group: EL_NO_SLOT if there is none yet. */
extern int32 el_group_topic_needs(ElSlotNo group, const pg_uuid_t *uuid,
								  int32 npartitions);
extern ElSlotNo el_part_find(ElSlotNo group, const pg_uuid_t *uuid,
							 int32 partition);
extern ElSlotNo el_part_get(ElSlotNo group, ElSlotNo topic, int32 partition);

/* A named member; sessions' are found through their session only. */
extern ElSlotNo el_member_find(ElSlotNo group, const char *name);

/* A member's subscription to a topic. */
extern ElSlotNo el_sub_find(ElSlotNo member, ElSlotNo topic);

extern void el_part_key(ElPartKey *key, const char *group,
						const pg_uuid_t *uuid, int32 partition);
extern bool el_part_matches(ElSlotNo part, const ElPartKey *key);
extern bool el_part_owned_by(ElSlotNo part, const ElMemberRef *member,
							 int64 epoch);
extern ElMember *el_member_of_ref(const ElMemberRef *ref);
extern bool el_member_busy_elsewhere(const ElMember *m);

#endif							/* EL_SLOTS_H */
