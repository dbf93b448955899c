/*-------------------------------------------------------------------------
 *
 * offsets.h
 *	  Committed offsets: events in an internal topic, cached in shared memory.
 *
 * IDENTIFICATION
 *	  src/group/offsets.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_OFFSETS_H
#define EL_OFFSETS_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/snapshot.h"

#include "group/offsets_load.h"
#include "group/offsets_topic.h"
#include "group/slots.h"

/*
 * Entries
 */

/* A copy of a part's entry, empty if it belongs to another generation; lock held.  False if the group is not loaded. */
extern bool el_entry_copy(ElSlotNo part, ElEntry *entry);

/* Copy, resolve, and store the outcome for others; without the lock.  This transaction holds the part, or its slot may go. */
extern bool el_entry_read(ElSlotNo part, ElEntry *entry);

/*
 * fxid has appended an offset of the partition, whose entry says what resolved
 * says, or has nothing pending; lock held exclusively.
 */
extern void el_part_set_pending(ElSlotNo part, const ElEntry *resolved,
								FullTransactionId fxid, int64 next,
								int64 version);

/*
 * Start marks
 *
 * Where a group begins in the partitions of a topic, written once for the topic.
 * A start counts where nothing is committed, and only there.
 */

/* What a mark says of a partition. */
#define EL_START_NONE	INT64CONST(-1)
typedef struct ElStart
{
	bool		marked;			/* there is a mark */
	int64		offset;			/* where the group begins; or EL_START_NONE */
} ElStart;

/* Lock held.  False if that may be out of date: the cache is not valid, or a mark is pending. */
extern bool el_start_copy(ElSlotNo part, ElStart *start);

/* The same as far as it is decided; without the lock. */
extern void el_start_read(ElSlotNo part, const ElPartKey *key, ElStart *start);

/* As el_entry_copy(), of a topic's mark; lock held. */
extern bool el_mark_copy(ElSlotNo topic, ElEntry *mark);

/* As el_entry_read(), of the mark of a topic in a group; empty if there is no such slot. */
extern bool el_mark_read(const char *group, const pg_uuid_t *uuid, ElEntry *mark);

/* fxid has appended a mark of n starts (n < 0: a tombstone); lock held exclusively. */
extern void el_mark_set_pending(ElSlotNo topic, FullTransactionId fxid,
								const int64 *starts, int32 n, int64 version);

/* Settle what is pending in a slot, if it is decided; the slot may be another's by now. */
extern void el_entry_fold(ElSlotNo s);

/* Settle pending offsets of all databases before their xids grow old (worker). */
extern void el_entries_fold_all(void);

#endif							/* EL_OFFSETS_H */
