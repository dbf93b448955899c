/*-------------------------------------------------------------------------
 *
 * topics.c
 *	  One round of the maintenance worker over the topics of its database.
 *
 * Each topic has its own transaction, so that locks are short and an error (a
 * corrupt partition) does not keep the others from their turn.  No lock is
 * waited for: a topic that somebody changes is left for the next round.
 *
 * A worker ends after seconds, or its database could not be dropped.  What it
 * did not come to, it leaves in shared memory: the next one goes on there.
 *
 * IDENTIFICATION
 *	  src/worker/topics.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "group/expire.h"
#include "group/offsets_topic.h"
#include "group/room.h"
#include "group/slots.h"
#include "positions/expiry.h"
#include "positions/table.h"
#include "storage/compact.h"
#include "storage/log.h"
#include "storage/shrink.h"
#include "topic/retention_policy.h"
#include "topic/topic.h"
#include "worker/topics.h"

/* How long one worker goes on to further topics; and before, with groups that nobody uses. */
#define ROUND_MS	4000
#define EXPIRY_MS	10000

/* How long to wait for snapshots that keep the offsets from compaction, and between two looks. */
#define OFFSETS_PATIENCE_MS		2000
#define OFFSETS_FIRST_PAUSE_US	1000L
#define OFFSETS_PAUSE_US		100000L

/* The topic, locked, or NULL if it is gone or somebody changes it. */
static ElTopic *
lock_topic(Oid relid)
{
	ElTopic    *t;

	PushActiveSnapshot(GetTransactionSnapshot());
	t = el_topic_lock_if_there(relid, AccessShareLock, false);
	PopActiveSnapshot();
	return t;
}

/* One of its partitions, likewise. */
static Relation
lock_partition(const ElTopic *t, int32 partition, LOCKMODE mode)
{
	Oid			leaf = t->leaves[partition];

	CHECK_FOR_INTERRUPTS();
	if (!OidIsValid(leaf) || !ConditionalLockRelationOid(leaf, mode))
		return NULL;
	return try_table_open(leaf, NoLock);
}

static void
retain_topic(Oid relid)
{
	ElTopic    *t = lock_topic(relid);

	for (int32 i = 0; t != NULL && i < t->npartitions; i++)
	{
		Relation	leaf = lock_partition(t, i, AccessShareLock);

		if (leaf == NULL)
			continue;
		PushActiveSnapshot(GetTransactionSnapshot());
		(void) el_retain_partition(t, i, leaf);
		PopActiveSnapshot();
		(void) el_log_shrink(leaf);
		table_close(leaf, NoLock);
	}
}

/* Who drops the database waits for workers to leave for 5 s. */
static void
leave_if_dropped(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		proc_exit(0);
	LockRelease(&tag, RowExclusiveLock, false);
}

/* Compaction may take longer than others can wait, for the table or for the database. */
static bool
may_go_on(Relation rel)
{
	if (LockHasWaitersRelation(rel, ShareUpdateExclusiveLock))
		return false;
	leave_if_dropped();
	return true;
}

/* Holds no snapshot, however long it takes. */
static void
compact_topic(Oid relid)
{
	ElTopic    *t = lock_topic(relid);

	if (t == NULL || !el_is_compacted(&t->options))
		return;
	InvalidateCatalogSnapshot();
	for (int32 i = 0; i < t->npartitions; i++)
	{
		Relation	leaf = lock_partition(t, i, ShareUpdateExclusiveLock);

		if (leaf == NULL)
			continue;
		(void) el_compact_partition(t, leaf, false, may_go_on);
		table_close(leaf, NoLock);
	}
}

/* In a transaction of its own; an error is logged and ends there: false. */
static bool
guarded(void (*work) (Oid), Oid arg)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool ok = true;

	Assert(!IsTransactionState());

	PG_TRY();
	{
		StartTransactionCommand();
		work(arg);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		ok = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	return ok;
}

/* True if there is still something to do: a snapshot or VACUUM stands in the way, or somebody has the table. */
static bool
compact_internal(ElInternalTopic *it)
{
	Oid			topic;
	Oid			leaf_id;
	ElTopic    *t;
	Relation	leaf;
	ElLogInfo	info;

	if (!el_internal_relations(it, &topic, &leaf_id))
		return false;
	t = lock_topic(topic);
	leaf = t ? lock_partition(t, 0, ShareUpdateExclusiveLock) : NULL;
	InvalidateCatalogSnapshot();
	if (leaf == NULL)
		return true;
	(void) el_compact_partition(t, leaf, false, may_go_on);
	el_log_info(leaf, &info);
	table_close(leaf, NoLock);
	return el_compaction_due(&info);
}

/*
 * The topics of committed offsets and positions.  Commits ask for it as soon as there is enough
 * to do; if it is not possible now there is no use in asking again at once.
 */
static void
compact_offsets(Oid unused)
{
	bool		waits = compact_internal(&el_offsets_internal);
	ElDb	   *db;

	waits |= compact_internal(&el_positions_internal);
	el_group_lock(LW_EXCLUSIVE);
	db = EL_DB(el_db_get(MyDatabaseId));
	db->compact_due = false;
	db->compact_waits = waits;
	el_group_unlock();
}

/* Snapshots that are about to go are waited for a moment. */
void
el_compact_offsets(void)
{
	int64		until = el_monotonic_ms() + OFFSETS_PATIENCE_MS;
	long		pause_us = OFFSETS_FIRST_PAUSE_US;
	bool		waits;
	Oid			topic;
	Oid			leaf;
	bool		there;

	StartTransactionCommand();
	there = el_offsets_relations(&topic, &leaf);
	CommitTransactionCommand();
	while (there)
	{
		CHECK_FOR_INTERRUPTS();
		if (!guarded(compact_offsets, InvalidOid))
			break;
		el_group_lock(LW_SHARED);
		waits = EL_DB(el_db_find(MyDatabaseId))->compact_waits;
		el_group_unlock();
		if (!waits || el_monotonic_ms() > until)
			break;
		pg_usleep(pause_us);
		pause_us = Min(2 * pause_us, OFFSETS_PAUSE_US);
	}
}

/* The pass over groups that this worker makes; NULL: none, or it is over. */
static ElExpiry *expiry = NULL;
static MemoryContext expiry_mcxt;

static void
begin_expiry(Oid unused)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	expiry = el_expiry_begin(expiry_mcxt);
	PopActiveSnapshot();
}

static void
expire_some(Oid unused)
{
	leave_if_dropped();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!el_expiry_step(expiry))
		expiry = NULL;
	PopActiveSnapshot();
}

/* False if time was up before all was done. */
static bool
expire_groups(int64 until)
{
	expiry_mcxt = CurrentMemoryContext;
	(void) guarded(begin_expiry, InvalidOid);
	while (expiry != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (el_monotonic_ms() > until)
			return false;
		if (!guarded(expire_some, InvalidOid))
			break;
	}
	return true;
}

static bool more_positions;

static void
expire_some_positions(Oid unused)
{
	leave_if_dropped();
	PushActiveSnapshot(GetTransactionSnapshot());
	more_positions = el_positions_expire();
	PopActiveSnapshot();
}

static void
expire_positions(int64 until)
{
	do
	{
		more_positions = false;
		(void) guarded(expire_some_positions, InvalidOid);
	} while (more_positions && el_monotonic_ms() < until);
}

static int
compare_oids(const ListCell *a, const ListCell *b)
{
	Oid			x = lfirst_oid(a);
	Oid			y = lfirst_oid(b);

	return x < y ? -1 : x > y;
}

static List *
sorted_topics(void)
{
	MemoryContext cxt = CurrentMemoryContext;
	List	   *topics;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	topics = el_all_topics();
	list_sort(topics, compare_oids);
	MemoryContextSwitchTo(cxt);
	topics = list_copy(topics);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(cxt);
	return topics;
}

void
el_maintain_topics(void)
{
	int64		until;
	Oid			after = InvalidOid;
	Oid			last = InvalidOid;
	bool		unfinished = false;
	ListCell   *lc;

	el_group_lock(LW_EXCLUSIVE);
	if (el_shared->unfinished_db == MyDatabaseId)
		after = el_shared->unfinished_topic;
	el_shared->unfinished_db = InvalidOid;
	el_group_unlock();

	if (!OidIsValid(after))
	{
		expire_positions(el_monotonic_ms() + EXPIRY_MS);
		unfinished = !expire_groups(el_monotonic_ms() + EXPIRY_MS);
	}
	until = el_monotonic_ms() + ROUND_MS;
	foreach(lc, sorted_topics())
	{
		Oid			relid = lfirst_oid(lc);

		CHECK_FOR_INTERRUPTS();
		if (relid <= after)
			continue;
		if (el_monotonic_ms() > until)
		{
			/* the groups' turn comes again when the topics are through */
			unfinished = true;
			break;
		}
		(void) guarded(retain_topic, relid);
		(void) guarded(compact_topic, relid);
		last = relid;
	}
	if (unfinished)
	{
		el_group_lock(LW_EXCLUSIVE);
		el_shared->unfinished_db = MyDatabaseId;
		el_shared->unfinished_topic = lc != NULL ? last : InvalidOid;
		el_group_unlock();
	}
}
