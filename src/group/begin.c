/*-------------------------------------------------------------------------
 *
 * begin.c
 *	  A group begins in a topic: its start mark.
 *
 * A group commits in a partition when there is an event.  Until then its place
 * there is where it began: at the log's start, or (start_from latest) at its end
 * as of the first consume.  That is written once for the whole topic, by the
 * first transaction that commits something of the group there, with its offsets.
 *
 * No ownership lock is taken for it.  Whoever commits in another partition
 * meanwhile has an offset there, and an offset counts before any start.
 *
 * IDENTIFICATION
 *	  src/group/begin.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "group/begin.h"
#include "group/mark.h"
#include "group/offsets.h"
#include "group/room.h"
#include "group/slots.h"
#include "storage/lockdefs.h"
#include "storage/log.h"
#include "storage/stable.h"
#include "topic/log_floor.h"

bool
el_dropped_here(const char *group, const pg_uuid_t *uuid)
{
	const ElMarkState *own = el_local_mark(group, uuid);

	return own != NULL && own->n < 0;
}

bool
el_begun_here(const char *group, const pg_uuid_t *uuid)
{
	const ElMarkState *own = el_local_mark(group, uuid);

	return own != NULL && own->n >= 0;
}

/* Committed offsets of all partitions of the topic, pending ones not resolved. */
static ElEntry *
copy_entries(const char *group, const ElTopic *t)
{
	ElEntry    *entries = palloc_array(ElEntry, t->npartitions);
	ElSlotNo	g;

	el_group_lock_with_offsets(group, LW_SHARED);
	g = el_group_find(MyDatabaseId, group);
	for (int32 p = 0; p < t->npartitions; p++)
	{
		ElSlotNo	part = g == EL_NO_SLOT ? EL_NO_SLOT :
			el_part_find(g, &t->uuid, p);

		if (part != EL_NO_SLOT)
			(void) el_entry_copy(part, &entries[p]);
		else
		{
			memset(&entries[p], 0, sizeof(ElEntry));
			entries[p].next = entries[p].version = -1;
		}
	}
	el_group_unlock();
	return entries;
}

bool
el_has_offsets(const char *group, const ElTopic *t)
{
	ElEntry    *entries = copy_entries(group, t);
	bool		result = false;

	for (int32 p = 0; p < t->npartitions && !result; p++)
		result = !el_entry_resolve(&entries[p]) || entries[p].next >= 0;
	pfree(entries);
	return result;
}

/* Where a group that is new to the partition begins. */
static int64
find_start(ElTopic *t, int32 partition, bool latest, Snapshot snapshot)
{
	Relation	rel = el_open_leaf(t, partition);
	ElLogInfo	info;
	int64		start;

	if (rel == NULL)
		return 0;
	el_partition_info(t, partition, rel, &info);
	start = latest && info.exists ?
		el_log_latest(rel, snapshot, info.log_start) : info.log_start;
	table_close(rel, AccessShareLock);
	return start;
}

/*
 * Slots for all partitions that the mark will speak of, for those are where its
 * starts are kept.  53200.
 */
static void
have_slots(const char *group, const ElTopic *t, int32 npartitions)
{
	el_group_lock_with_offsets(group, LW_EXCLUSIVE);
	(void) el_group_topic_reserve(MyDatabaseId, group, &t->uuid, t->relid, npartitions);
	el_group_unlock();
}

/*
 * A partition has no start if it has an offset that nothing can take away
 * without the mark: one that is committed, or that this transaction commits.  A
 * group with offsets, but without a mark (an older version's, or whose first
 * commit found another transaction at it), began at the earliest in the others,
 * whatever its options are now.  Partitions that this transaction has added count
 * as added later: others do not know of them yet, and they may be rolled back.
 */
static void
make_mark(const ElGroupConf *conf, ElTopic *t, Snapshot snapshot)
{
	int32		n = el_topic_partitions_before(t);
	int64	   *starts = palloc_array(int64, n);
	ElEntry    *entries;
	bool		dropped = el_dropped_here(conf->name, &t->uuid);
	bool		has_offsets = false;

	have_slots(conf->name, t, n);
	entries = copy_entries(conf->name, t);
	for (int32 p = 0; p < n; p++)
	{
		ElPartKey	key;

		has_offsets |= !el_entry_resolve(&entries[p]) || entries[p].next >= 0;
		el_part_key(&key, conf->name, &t->uuid, p);
		starts[p] = el_local_committed(el_local_find(&key), &entries[p]);
	}
	for (int32 p = 0; p < n; p++)
	{
		CHECK_FOR_INTERRUPTS();
		if (starts[p] >= 0)
			starts[p] = EL_START_NONE;
		else
			starts[p] = find_start(t, p, conf->start_from == EL_START_LATEST &&
								   (dropped || !has_offsets), snapshot);
	}
	el_local_mark_set(conf->name, &t->uuid, starts, n, false);
	pfree(starts);
	pfree(entries);
}

bool
el_begin(const ElGroupConf *conf, ElTopic *t, Snapshot snapshot)
{
	ElEntry		mark;

	if (el_begun_here(conf->name, &t->uuid))
		return true;
	if (!el_dropped_here(conf->name, &t->uuid))
	{
		if (!el_mark_read(conf->name, &t->uuid, &mark))
			return false;
		if (mark.next >= 0)
			return true;
		if (!el_local_mark_lock(conf->name, &t->uuid))
			return false;
		/* once more: somebody may have been faster */
		if (!el_mark_read(conf->name, &t->uuid, &mark))
			return false;
		if (mark.next >= 0)
			return true;
	}
	make_mark(conf, t, snapshot);
	return true;
}

/*
 * Costs nothing where the mark is known to be there, from when the part was
 * locked.  The topic may not be locked: a session's position comes from an earlier
 * transaction.
 */
void
el_begin_with(const ElGroupConf *conf, List *parts)
{
	ListCell   *lc;

	foreach(lc, parts)
	{
		const ElLocalPart *lp = lfirst(lc);
		ElTopic    *t;

		Assert(lp->locked && lp->state.commit);
		if (el_begun_here(conf->name, &lp->key.uuid) ||
			(lp->start.marked && !el_dropped_here(conf->name, &lp->key.uuid)))
			continue;
		t = el_topic_lock_if_there(lp->topic, AccessShareLock, true);
		if (t != NULL && memcmp(&t->uuid, &lp->key.uuid, UUID_LEN) == 0)
			(void) el_begin(conf, t, GetActiveSnapshot());
	}
}

/*
 * The lock is taken where there is no mark, too: nobody shall begin the group
 * meanwhile.  And it is noted: if the group begins again in this transaction, it
 * is new.
 */
bool
el_begin_drop(const char *group, const pg_uuid_t *uuid)
{
	ElEntry		mark = {.next = -1};

	if (el_dropped_here(group, uuid))
		return true;
	if (!el_begun_here(group, uuid) &&
		(!el_local_mark_lock(group, uuid) || !el_mark_read(group, uuid, &mark)))
		return false;
	el_local_mark_set(group, uuid, NULL, -1, mark.next >= 0);
	return true;
}
