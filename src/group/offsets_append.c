/*-------------------------------------------------------------------------
 *
 * offsets_append.c
 *	  Committed offsets of a transaction: appended when it commits.
 *
 * All offsets that a transaction commits become one batch of the internal topic,
 * appended inside its PRE_COMMIT.  After the append it is seen, once more, that
 * those who commit still own what they commit, and the entries in the cache say
 * from then on that an offset of this transaction is pending (offsets.c).
 *
 * IDENTIFICATION
 *	  src/group/offsets_append.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "base/clock.h"
#include "base/errors.h"
#include "group/losses.h"
#include "group/offset_text.h"
#include "group/offsets.h"
#include "group/offsets_append.h"
#include "group/slots.h"
#include "group/wake.h"
#include "kafka/batch_builder.h"
#include "kafka/compression.h"
#include "kafka/record.h"
#include "kafka/scratch.h"
#include "storage/append.h"
#include "storage/compact.h"
#include "storage/lmgr.h"
#include "storage/log.h"
#include "topic/log_floor.h"
#include "topic/topic.h"
#include "utils/lsyscache.h"


void
el_offsets_prepare_commit(void)
{
	if (el_local_phase() != EL_XACT_OPEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("offsets cannot be committed while the transaction is committing")));

	/*
	 * Wait here, in the statement, for whoever rewrites or truncates the
	 * table; not inside COMMIT.
	 */
	el_internal_lock(&el_offsets_internal);
}

/*
 * Take the coordinator's lock with nothing in these parts' entries but what is
 * known to have ended, or is our own: a cache that was built since the append
 * has it already.  55006 if another transaction has written to one: who INSERTs
 * into the topic ignores our locks.
 */
static void
lock_with_entries(ElLocalPart **parts, int nparts, FullTransactionId own)
{
	for (;;)
	{
		bool		known = true;
		ElEntry		entry;
		int			i;

		el_group_lock(LW_EXCLUSIVE);
		for (i = 0; i < nparts && known; i++)
		{
			known = el_entry_copy(parts[i]->slot, &entry) &&
				(!FullTransactionIdIsValid(entry.pending_fxid) ||
				 FullTransactionIdEquals(entry.pending_fxid, own) ||
				 (entry.gen == parts[i]->entry.gen &&
				  FullTransactionIdEquals(entry.pending_fxid, parts[i]->resolved)));
		}
		if (known)
			return;
		el_group_unlock();
		for (i = 0; i < nparts; i++)
		{
			if (!el_entry_read(parts[i]->slot, &entry) &&
				!FullTransactionIdEquals(entry.pending_fxid, own))
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_IN_USE),
						 errmsg("committed offset of group \"%s\" is being changed by another transaction",
								parts[i]->key.group)));
		}
	}
}

/* 40L01 unless members still own what they commit.  Lock held, and released before the error. */
static void
check_owned(ElLocalPart **parts, int nparts)
{
	List	   *lost = NIL;
	ElLocalPart *first = NULL;
	int			i;

	for (i = 0; i < nparts; i++)
	{
		ElLocalPart *lp = parts[i];

		Assert(lp->state.commit);
		if (first == NULL ? el_local_may_commit(lp) :
			(strcmp(lp->key.group, first->key.group) != 0 ||
			 lp->state.member.incarnation != first->state.member.incarnation ||
			 el_local_may_commit(lp)))
			continue;
		if (first == NULL)
			first = lp;
		lost = lappend(lost, lp);
	}
	if (first == NULL)
		return;
	el_group_unlock();
	el_losses_report(first->key.group,
					 first->state.member.named ? first->state.member.name : NULL,
					 lost);
}

/* A batch in the making, and room for the texts of its events. */
typedef struct Batch
{
	ElBatchBuilder builder;
	int64		now;
	StringInfoData key;
	StringInfoData value;
} Batch;

/* One event more, whose value the caller has written; an empty one is a tombstone. */
static void
add_event(Batch *b, const ElPartKey *key)
{
	ElRecord	rec = {0};

	resetStringInfo(&b->key);
	el_offset_key_text(&b->key, key);
	rec.timestamp = b->now;
	rec.key = b->key.data;
	rec.key_len = b->key.len;
	rec.value = b->value.data;
	rec.value_len = b->value.len > 0 ? b->value.len : -1;
	el_batch_add(&b->builder, &rec);
	resetStringInfo(&b->value);
}

static void
begin_batch(Batch *b)
{
	memset(b, 0, sizeof(*b));
	b->now = el_now_ms();
	initStringInfo(&b->key);
	initStringInfo(&b->value);
	el_batch_begin(&b->builder);
}

/* These parts' offsets and these marks, in this order. */
static void
add_events(Batch *b, ElLocalPart **parts, int nparts, ElLocalMark **marks, int nmarks)
{
	int			i;

	for (i = 0; i < nparts; i++)
	{
		if (parts[i]->state.committed >= 0)
			el_offset_value_text(&b->value, parts[i]->state.committed);
		add_event(b, &parts[i]->key);
	}
	for (i = 0; i < nmarks; i++)
	{
		if (marks[i]->state->n >= 0)
			el_starts_text(&b->value, marks[i]->state->starts, marks[i]->state->n);
		add_event(b, &marks[i]->key);
	}
}

/*
 * What was appended has no slot: who is reading the topic now has to read on,
 * and the group, if it is in slots, has to be loaded again.  Lock held.
 */
static void
note_unslotted(ElSlotNo group, int64 version)
{
	ElSlotNo	db = el_db_find(MyDatabaseId);

	if (db != EL_NO_SLOT)
		EL_DB(db)->evicted_version = Max(EL_DB(db)->evicted_version, version);
	if (group != EL_NO_SLOT)
		EL_GROUP(group)->loaded_gen = 0;
}

/* Enter a mark of n starts (n < 0: a tombstone) that was appended.  Lock held; cannot fail. */
static void
enter_mark(const ElPartKey *key, const int64 *starts, int32 n,
		   FullTransactionId fxid, int64 version)
{
	ElSlotNo	g = el_group_find(MyDatabaseId, key->group);
	ElSlotNo	topic = EL_NO_SLOT;

	if (g != EL_NO_SLOT)
		topic = el_group_topic_find(g, &key->uuid);
	if (topic != EL_NO_SLOT)
		el_mark_set_pending(topic, fxid, starts, n, version);
	else
		note_unslotted(n < 0 ? EL_NO_SLOT : g, version);
}

void
el_offsets_ask_compaction(void)
{
	ElSlotNo	db;
	bool		ask;

	el_group_lock(LW_EXCLUSIVE);
	db = el_db_find(MyDatabaseId);
	ask = db != EL_NO_SLOT && !EL_DB(db)->compact_due;
	if (ask)
		EL_DB(db)->compact_due = true;
	el_group_unlock();
	if (ask)
		el_wake_worker();
}

/* Append the batch; the offset of its first event.  The relation stays open. */
static int64
append_batch(Batch *b, FullTransactionId fxid, Relation *rel)
{
	*rel = el_internal_open(&el_offsets_internal);
	return el_internal_append(*rel, &el_offsets_internal, &b->builder, fxid);
}

/*
 * Returns with the entries pending.  40L01 if a member has lost a partition that
 * it commits, 55006, 53100 and what an append raises.  The coordinator's lock is
 * taken once, after the append: a batch whose transaction fails then was never
 * there for anybody.  The offsets topic was locked by
 * el_offsets_prepare_commit(), so nothing is waited for here.
 */
void
el_offsets_append(ElLocalPart **parts, int nparts,
				  ElLocalMark **marks, int nmarks)
{
	FullTransactionId fxid = GetTopFullTransactionId();
	Relation	rel;
	Batch		batch;
	int64		base;
	int			i;

	Assert(el_local_phase() == EL_XACT_OPEN);
	begin_batch(&batch);
	add_events(&batch, parts, nparts, marks, nmarks);
	base = append_batch(&batch, fxid, &rel);

	lock_with_entries(parts, nparts, fxid);
	check_owned(parts, nparts);
	/* from here on nothing fails */
	for (i = 0; i < nparts; i++)
	{
		ElLocalPart *lp = parts[i];

		lp->new_version = base + i;
		el_part_set_pending(lp->slot, &lp->entry, fxid, lp->state.committed,
							lp->new_version);
	}
	for (i = 0; i < nmarks; i++)
		enter_mark(&marks[i]->key, marks[i]->state->starts, marks[i]->state->n,
				   fxid, base + nparts + i);
	el_group_unlock();
	table_close(rel, NoLock);
}

/* The slot that has the key's entry, if any.  Lock held. */
static ElSlotNo
find_key(const ElPartKey *key)
{
	ElSlotNo	group = el_group_find(MyDatabaseId, key->group);

	if (group == EL_NO_SLOT)
		return EL_NO_SLOT;
	return key->partition == EL_MARK_PARTITION ?
		el_group_topic_find(group, &key->uuid) :
		el_part_find(group, &key->uuid, key->partition);
}

/*
 * Take the coordinator's lock with nothing pending in these keys' entries that
 * has ended: should we roll back, that is what counts.
 */
static void
lock_with_keys(List *keys, FullTransactionId own)
{
	int			i = 0;

	for (;;)
	{
		ElSlotNo	s = EL_NO_SLOT;

		el_group_lock(LW_EXCLUSIVE);
		for (; i < list_length(keys); i++)
		{
			const ElPartKey *key = list_nth(keys, i);
			const ElEntry *e;

			s = find_key(key);
			if (s == EL_NO_SLOT)
				continue;
			e = key->partition == EL_MARK_PARTITION ? &EL_TOPIC(s)->mark : &EL_PART(s)->entry;
			if (FullTransactionIdIsValid(e->pending_fxid) &&
				!FullTransactionIdEquals(e->pending_fxid, own))
				break;
		}
		if (i == list_length(keys))
			return;
		el_group_unlock();
		/* if it is undecided still, its end invalidates the cache */
		el_entry_fold(s);
		i++;
	}
}

/* The tombstone of an offset was appended.  Lock held; cannot fail. */
static void
enter_tombstone(const ElPartKey *key, FullTransactionId fxid, int64 version)
{
	ElSlotNo	part;
	ElEntry		entry;

	if (key->partition == EL_MARK_PARTITION)
	{
		enter_mark(key, NULL, -1, fxid, version);
		return;
	}
	part = find_key(key);
	if (part == EL_NO_SLOT)
	{
		note_unslotted(EL_NO_SLOT, version);
		return;
	}
	(void) el_entry_copy(part, &entry);
	el_part_set_pending(part, &entry, fxid, -1, version);
}

void
el_offsets_append_tombstones(List *keys)
{
	FullTransactionId fxid;
	Relation	rel;
	Batch		batch;
	int64		base;
	ListCell   *lc;

	if (keys == NIL)
		return;
	fxid = GetCurrentFullTransactionId();
	begin_batch(&batch);
	foreach(lc, keys)
		add_event(&batch, lfirst(lc));
	base = append_batch(&batch, fxid, &rel);

	lock_with_keys(keys, fxid);
	foreach(lc, keys)
		enter_tombstone(lfirst(lc), fxid, base + foreach_current_index(lc));
	el_group_unlock();
	table_close(rel, NoLock);
}
