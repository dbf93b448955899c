/*-------------------------------------------------------------------------
 *
 * room.h
 *	  Room for groups: who gets slots, and who gives them back.
 *
 * All with the coordinator's lock held, exclusively but for el_room_used().
 *
 * IDENTIFICATION
 *	  src/group/room.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ROOM_H
#define EL_ROOM_H

#include "postgres.h"

#include "group/slots.h"

/*
 * Of a group that was evicted, calls that came within this part of
 * eventlog.group_expiry after its last commit are not remembered.
 */
#define EL_EXPIRY_SLACK		8

/*
 * See that n slots are free, before anything is changed: the least recently used
 * groups that nobody is in give theirs, but not the group keep.  An eighth of
 * all slots is left to members (is_member): who is in already is not to fail
 * because others have come.  53200; the lock is released then.
 */
extern void el_slots_reserve(int32 n, bool is_member, ElSlotNo keep);

/* Are so many free for who can do without, and evicts nobody? */
extern bool el_slots_there(int32 n);

/* The slot of a database, without which none of its groups has any.  53200, as above. */
extern ElSlotNo el_db_get(Oid dbid);

/* The slot of a group; after el_slots_reserve() if it may be new. */
extern ElSlotNo el_group_get(Oid dbid, const char *name);

/*
 * The slot of a topic in the group of this name.  Slots that are missing are made:
 * the group's, the topic's, and those of its first npartitions partitions.
 * 53200, as above.
 */
extern ElSlotNo el_group_topic_reserve(Oid dbid, const char *group, const pg_uuid_t *uuid,
									   Oid relid, int32 npartitions);

/* As el_group_get(), but it is only loaded, not used. */
extern ElSlotNo el_group_load(Oid dbid, const char *name);

/*
 * The group is called, or the number of its members or of its held partitions
 * has changed.
 */
extern void el_group_touch(ElSlotNo group);

/* Nobody has committed anything as this group: it need not be read from the topic. */
extern bool el_group_surely_new(const ElDb *db, const char *name);

/* Its slots go, if no member and no transaction needs them. */
extern void el_group_forget(Oid dbid, const char *name);
extern void el_group_free(ElSlotNo group);

/* A topic that nobody is subscribed to and no transaction has partitions of: its slots go. */
extern void el_group_topic_free(ElSlotNo topic);

/* How the slots are used. */
typedef struct ElRoom
{
	int32		nslots;
	int32		nfree;
	int32		nkept;			/* of which for members alone */
	int32		nidle;			/* of groups that may be evicted */
	int32		groups;
	int32		idle_groups;
} ElRoom;

extern void el_room_used(ElRoom *room);

#endif							/* EL_ROOM_H */
