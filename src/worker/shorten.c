/*-------------------------------------------------------------------------
 *
 * shorten.c
 *	  Keep the topic of committed offsets short.
 *
 * What is still valid among the old events is copied to the end, each copy
 * with the version of its original, in an ordinary transaction.  The originals
 * are trimmed when no snapshot is left that could see them but not the copies:
 * trimming is not transactional, so a pg_dump begun earlier would otherwise
 * find neither.  A pinned snapshot delays this and breaks nothing.
 *
 * IDENTIFICATION
 *	  src/worker/shorten.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "group/group.h"
#include "worker/worker.h"

/* Copies per batch. */
#define COPIES_PER_BATCH	1000
/* How long to wait for snapshots that are about to go, and between two looks. */
#define TRIM_PATIENCE_MS	2000
#define TRIM_FIRST_PAUSE_US	1000L
#define TRIM_PAUSE_US		100000L

typedef enum Step
{
	STEP_DONE,
	STEP_COPIED,				/* trim next, if snapshots allow */
	STEP_WAIT,					/* not yet */
	STEP_IN_VAIN				/* the copies are lost, or freed nothing: again, but later */
} Step;

static void
append_copies(Relation rel, const ElLogOptions *options,
			  ElBatchBuilder *builder, FullTransactionId fxid)
{
	ElScratch	scratch = {0};
	size_t		len;
	char	   *batch = el_batch_finish(builder, EL_CODEC_NONE, &scratch, &len);

	(void) el_log_append(rel, options, batch, len, fxid,
						 GetCurrentCommandId(true), -1);
	el_batch_begin(builder);
}

/*
 * Copy what lives below the first undecided event.  Returns the offset below
 * which nothing is needed any more.
 */
static int64
copy_live(Relation rel, Oid topic, FullTransactionId fxid)
{
	HTAB	   *offsets;
	HASH_SEQ_STATUS seq;
	ElOffset   *o;
	ElLogOptions options;
	ElBatchBuilder builder = {0};
	StringInfoData key;
	StringInfoData value;
	int64		upto;
	int			n = 0;

	offsets = el_offsets_scan(GetActiveSnapshot(), true, &upto);
	el_log_options(el_topic(topic), 0, rel, &options);
	initStringInfo(&key);
	initStringInfo(&value);
	el_batch_begin(&builder);

	hash_seq_init(&seq, offsets);
	while ((o = hash_seq_search(&seq)) != NULL)
	{
		ElRecord	rec = {0};

		if (o->version < 0 || o->offset >= upto)
			continue;			/* nothing there, or it stays */
		if (o->next < 0 && !o->lower)
			continue;			/* a tombstone with nothing left to hide */
		resetStringInfo(&key);
		resetStringInfo(&value);
		el_offset_key_text(&key, &o->key);
		el_offset_value_text(&value, o->next, o->version);
		rec.timestamp = el_now_ms();
		rec.key = key.data;
		rec.key_len = key.len;
		rec.value = value.data;
		rec.value_len = value.len;
		el_batch_add(&builder, &rec);
		if (++n % COPIES_PER_BATCH == 0)
		{
			append_copies(rel, &options, &builder, fxid);
			CHECK_FOR_INTERRUPTS();
		}
	}
	if (n % COPIES_PER_BATCH != 0)
		append_copies(rel, &options, &builder, fxid);
	return upto;
}

/* One step, in a transaction. */
static Step
shorten_step(void)
{
	Oid			topic;
	Oid			leaf;
	Relation	rel;
	ElLogInfo	info;
	FullTransactionId copied = InvalidFullTransactionId;
	int64		upto = 0;
	Step		result = STEP_DONE;
	ElDb	   *db;
	uint64		end_seg;
	uint32		relnumber;
	bool		due;

	if (!el_offsets_relations(&topic, &leaf))
		return STEP_DONE;
	LockRelationOid(topic, RowExclusiveLock);
	/* not beside VACUUM, nor beside another of this kind */
	if (!ConditionalLockRelationOid(leaf, ShareUpdateExclusiveLock))
	{
		el_group_lock(LW_EXCLUSIVE);
		EL_DB(el_db_get(MyDatabaseId))->shorten_waits = true;
		el_group_unlock();
		return STEP_WAIT;
	}
	rel = table_open(leaf, RowExclusiveLock);
	relnumber = el_locator_number(el_rel_locator(rel));

	el_log_info(rel, &info);
	el_group_lock(LW_EXCLUSIVE);
	db = EL_DB(el_db_get(MyDatabaseId));
	due = el_offsets_due(db, relnumber, &info);
	if (db->copy_relnumber == relnumber)
	{
		copied = db->copy_fxid;
		upto = db->copy_upto;
		end_seg = db->copy_end_seg;
	}
	else
		end_seg = 0;
	el_group_unlock();

	if (FullTransactionIdIsValid(copied))
	{
		TransactionId xid = XidFromFullTransactionId(copied);
		FullTransactionId oldest;

		if (TransactionIdIsInProgress(xid))
			result = STEP_WAIT;
		else if (!TransactionIdDidCommit(xid))
			result = STEP_IN_VAIN;
		else
		{
			oldest = el_full_xid(GetOldestNonRemovableTransactionId(rel));
			if (!FullTransactionIdPrecedes(copied, oldest))
				result = STEP_WAIT;
			else if (el_log_trim(rel, upto) == 0)
				result = STEP_IN_VAIN;
		}
		if (result != STEP_WAIT)
			copied = InvalidFullTransactionId;
		if (result == STEP_IN_VAIN)
			end_seg = 0;
	}
	else if (due)
	{
		copied = GetTopFullTransactionId();
		upto = copy_live(rel, topic, copied);
		el_log_info(rel, &info);
		end_seg = info.end_seg;
		result = STEP_COPIED;
	}

	el_group_lock(LW_EXCLUSIVE);
	db = EL_DB(el_db_get(MyDatabaseId));
	db->copy_fxid = copied;
	db->copy_upto = upto;
	db->copy_relnumber = relnumber;
	db->copy_end_seg = end_seg;
	db->shorten_due = false;
	db->shorten_waits = result == STEP_WAIT || result == STEP_IN_VAIN;
	el_group_unlock();
	table_close(rel, NoLock);
	return result;
}

void
el_shorten_offsets(void)
{
	int64		until = el_monotonic_ms() + TRIM_PATIENCE_MS;
	long		pause_us = TRIM_FIRST_PAUSE_US;
	Step		step;

	do
	{
		CHECK_FOR_INTERRUPTS();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		step = shorten_step();
		PopActiveSnapshot();
		CommitTransactionCommand();
		if (step == STEP_WAIT)
		{
			pg_usleep(pause_us);
			pause_us = Min(2 * pause_us, TRIM_PAUSE_US);
		}
	} while ((step == STEP_COPIED || step == STEP_WAIT) &&
			 el_monotonic_ms() < until);
}
