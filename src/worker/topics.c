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
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "group/group.h"
#include "worker/worker.h"

/* How long one worker goes on to further topics. */
#define ROUND_MS	4000

static void
maintain_topic(Oid relid)
{
	ElTopic    *t;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return;
	t = el_topic_or_null(relid);
	if (t == NULL)
		return;					/* dropped meanwhile */
	for (int32 i = 0; i < t->npartitions; i++)
	{
		Relation	leaf;

		CHECK_FOR_INTERRUPTS();
		if (!OidIsValid(t->leaves[i]) ||
			!ConditionalLockRelationOid(t->leaves[i], AccessShareLock))
			continue;
		leaf = try_table_open(t->leaves[i], NoLock);
		if (leaf == NULL)
			continue;
		(void) el_retain_partition(t, i, leaf);
		(void) el_log_shrink(leaf);
		table_close(leaf, NoLock);
	}
}

/* In a transaction of its own; an error is logged and ends there. */
static void
guarded(void (*work) (Oid), Oid arg)
{
	MemoryContext cxt = CurrentMemoryContext;

	PG_TRY();
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		work(arg);
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
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
	int64		until = el_monotonic_ms() + ROUND_MS;
	Oid			after = InvalidOid;
	Oid			last = InvalidOid;
	bool		unfinished = false;
	ListCell   *lc;

	el_group_lock(LW_EXCLUSIVE);
	if (el_shared->unfinished_db == MyDatabaseId)
		after = el_shared->unfinished_topic;
	el_shared->unfinished_db = InvalidOid;
	el_group_unlock();

	foreach(lc, sorted_topics())
	{
		Oid			relid = lfirst_oid(lc);

		CHECK_FOR_INTERRUPTS();
		if (relid <= after)
			continue;
		if (el_monotonic_ms() > until)
		{
			unfinished = true;
			break;
		}
		guarded(maintain_topic, relid);
		last = relid;
	}
	if (unfinished)
	{
		el_group_lock(LW_EXCLUSIVE);
		el_shared->unfinished_db = MyDatabaseId;
		el_shared->unfinished_topic = last;
		el_group_unlock();
	}
}
