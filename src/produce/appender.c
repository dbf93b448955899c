/*-------------------------------------------------------------------------
 *
 * appender.c
 *	  Appending finished batches to one partition.
 *
 * IDENTIFICATION
 *	  src/produce/appender.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/subtrans.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"

#include "kafka/batch_header.h"
#include "produce/appender.h"
#include "storage/append.h"
#include "storage/visibility.h"
#include "topic/callbacks.h"
#include "topic/log_floor.h"

/* Bytes appended between two calls of the WAL writer. */
#define WAL_WRITER_BYTES (256 * 1024)

/* Bytes that this transaction has appended since it called the WAL writer. */
static size_t unflushed = 0;

bool
el_appender_open(ElAppender *a, Oid topic, int32 partition, Oid leaf)
{
	memset(a, 0, sizeof(*a));

	/*
	 * as try_table_open() does, but for a look into the catalog cache: it is
	 * locked
	 */
	a->rel = RelationIdGetRelation(leaf);
	if (a->rel == NULL)
		return false;
	pgstat_init_relation(a->rel);
	Assert(CheckRelationLockedByMe(a->rel, RowExclusiveLock, true));
	a->topic = el_topic(topic);
	a->partition = partition;
	el_log_options(a->topic, partition, a->rel, &a->options);
	return true;
}

void
el_appender_close(ElAppender *a)
{
	Oid			topic = a->topic->relid;
	Oid			leaf = RelationGetRelid(a->rel);

	if (a->events > 0)
		pgstat_count_heap_insert(a->rel, a->events);
	table_close(a->rel, NoLock);
	if (a->events > 0 && el_topic_callbacks != NULL)
		el_topic_callbacks->appended(topic, leaf);
}

/*
 * Getting one's own xid gives every parent one, and pg_subtrans then knows
 * the immediate parent of each.
 */
FullTransactionId
el_appender_owner(ElAppender *a, int level)
{
	Assert(level >= 1 && level <= GetCurrentTransactionNestLevel());
	if (a->owner_level != level)
	{
		FullTransactionId fxid = GetCurrentFullTransactionId();

		if (level <= 1)
			fxid = GetTopFullTransactionId();
		else if (level < GetCurrentTransactionNestLevel())
		{
			TransactionId xid = XidFromFullTransactionId(fxid);
			int			i;

			for (i = GetCurrentTransactionNestLevel(); i > level; i--)
				xid = SubTransGetParent(xid);
			fxid = el_full_xid(xid);
		}
		a->owner_xid = fxid;
		a->owner_level = level;
	}
	Assert(FullTransactionIdIsValid(a->owner_xid));
	return a->owner_xid;
}

/*
 * A transaction appends in its commit, faster than the WAL writer wakes by
 * itself, and would have to flush most of it alone.  So the WAL writer is
 * called now and then, as by an asynchronous commit; that costs a signal.
 */
static void
call_wal_writer(uint32 appended)
{
	unflushed += appended;
	if (unflushed >= WAL_WRITER_BYTES && XactLastRecEnd != InvalidXLogRecPtr)
	{
		XLogSetAsyncXactLSN(XactLastRecEnd);
		unflushed = 0;
	}
}

void
el_appender_append_all(ElAppender *a, ElAppend *batches, int n, int64 count,
					   FullTransactionId fxid, CommandId cid, int64 at_offset)
{
	Assert(n > 0 && count >= n);
	CHECK_FOR_INTERRUPTS();
	CheckForSerializableConflictIn(a->rel, NULL, InvalidBlockNumber);
	/* an error between batches must not leave waiters asleep */
	if (a->events == 0 && el_topic_callbacks != NULL)
		el_topic_callbacks->appended(a->topic->relid, RelationGetRelid(a->rel));
	el_log_append(a->rel, &a->options, batches, n, fxid, cid, at_offset);
	/* nothing may fail until the caller has forgotten the batches */
	Assert(at_offset < 0 || batches[0].base_offset == at_offset);
	a->events += count;
	for (int i = 0; i < n; i++)
		call_wal_writer(batches[i].len);
}

int64
el_appender_append(ElAppender *a, const char *batch, uint32 len, int32 count,
				   FullTransactionId fxid, CommandId cid, int64 at_offset)
{
	ElAppend	one = {.batch = batch,.len = len};

	el_appender_append_all(a, &one, 1, count, fxid, cid, at_offset);
	return one.base_offset;
}

void
el_appender_reset(void)
{
	unflushed = 0;
}
