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
/* How long to wait for snapshots that are about to go. */
#define TRIM_ATTEMPTS		20
#define TRIM_PAUSE_US		100000L

typedef enum Step
{
	STEP_DONE,
	STEP_COPIED,				/* trim next, if snapshots allow */
	STEP_WAIT
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
	ElSlot		db;
	uint32		relnumber;

	if (!el_offsets_relations(&topic, &leaf))
		return STEP_DONE;
	LockRelationOid(topic, RowExclusiveLock);
	/* not beside VACUUM, nor beside another of this kind */
	if (!ConditionalLockRelationOid(leaf, ShareUpdateExclusiveLock))
		return STEP_DONE;
	rel = table_open(leaf, RowExclusiveLock);
	relnumber = el_locator_number(el_rel_locator(rel));

	el_group_lock(LW_EXCLUSIVE);
	db = el_db_get(MyDatabaseId);
	if (EL_DB(db)->copy_relnumber == relnumber)
	{
		copied = EL_DB(db)->copy_fxid;
		upto = EL_DB(db)->copy_upto;
	}
	el_group_unlock();

	if (FullTransactionIdIsValid(copied))
	{
		TransactionId xid = XidFromFullTransactionId(copied);
		FullTransactionId oldest;

		if (TransactionIdIsInProgress(xid))
			result = STEP_WAIT;
		else if (TransactionIdDidCommit(xid))
		{
			oldest = el_full_xid(GetOldestNonRemovableTransactionId(rel));
			if (FullTransactionIdPrecedes(copied, oldest))
				(void) el_log_trim(rel, upto);
			else
				result = STEP_WAIT;
		}
		if (result == STEP_DONE)
			copied = InvalidFullTransactionId;
	}
	else
	{
		el_log_info(rel, &info);
		if (info.exists &&
			info.end_seg - info.first_seg > EL_OFFSETS_SEGMENTS)
		{
			copied = GetTopFullTransactionId();
			upto = copy_live(rel, topic, copied);
			result = STEP_COPIED;
		}
	}

	el_group_lock(LW_EXCLUSIVE);
	db = el_db_get(MyDatabaseId);
	EL_DB(db)->copy_fxid = copied;
	EL_DB(db)->copy_upto = upto;
	EL_DB(db)->copy_relnumber = relnumber;
	el_group_unlock();
	table_close(rel, NoLock);
	return result;
}

void
el_shorten_offsets(void)
{
	int			attempt;

	for (attempt = 0; attempt < TRIM_ATTEMPTS; attempt++)
	{
		Step		step;

		CHECK_FOR_INTERRUPTS();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		step = shorten_step();
		PopActiveSnapshot();
		CommitTransactionCommand();
		if (step == STEP_DONE)
			break;
		if (step == STEP_WAIT)
			pg_usleep(TRIM_PAUSE_US);
	}
}
