/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  VACUUM of a log: turn outcomes into permanent flags.
 *
 * The xid of a settled batch stays in its envelope and is still tested
 * against snapshots; only the commit log is not asked any more, so it may
 * forget the xid.  Hence no recovery conflict.  Cost follows new data: the pass starts
 * at the settled position, below which every batch is settled.
 *
 * Nothing here appends or takes an xid: other snapshots do not see a VACUUM's.
 *
 * IDENTIFICATION
 *	  src/storage/settle.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xloginsert.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/locks.h"
#include "storage/log.h"
#include "storage/segment.h"
#include "storage/settle.h"
#include "storage/visibility.h"
#include "storage/wal.h"

/* At most one batch per EL_BATCH_ROOM bytes begins on a page. */
#define EL_MAX_OUTCOMES (EL_PAGE_DATA / EL_BATCH_ROOM)

/* The pass: where it is, and what it has found. */
typedef struct SettlePass
{
	Relation	rel;
	uint64		horizon;		/* xids below are decided */
	uint64		oldest_left;	/* smallest xid left unsettled */
	bool		gap;			/* something was left: the settled position
								 * stays */
	uint64		settled_pos;
	int64		settled_offset;
} SettlePass;

/*
 * Settle the batches that begin on the page in buffer, from *pos on and before end.  Moves *pos
 * behind the last of them.
 */
static void
settle_page(SettlePass *pass, Buffer buffer, uint64 *pos, uint64 end)
{
	xl_el_outcome outcomes[EL_MAX_OUTCOMES];
	int			n = 0;
	Page		page = BufferGetPage(buffer);
	uint64		page_end = EL_PAGE_POS(EL_POS_PAGE(*pos) + 1);
	XLogRecPtr	lsn;

	Assert(el_buffer_locked_exclusively(buffer));
	while (*pos < end && *pos < page_end &&
		   el_batch_begin_pos(*pos) == *pos)
	{
		uint32		byte = EL_PAGE_START + EL_POS_BYTE(*pos);
		ElEnvelope *env = (ElEnvelope *) ((char *) page + byte);
		TransactionId xid = (TransactionId) env->fxid;
		ElBatchHeader h;
		bool		settled = (env->flags & EL_SETTLED) != 0;

		if (el_envelope_problem(env) != NULL ||
			el_batch_read_header((char *) (env + 1), EL_BATCH_HEADER_SIZE,
								 &h) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("topic partition \"%s\" is corrupt in block %u, byte %u",
							RelationGetRelationName(pass->rel),
							BufferGetBlockNumber(buffer), byte),
					 errhint("check_topic() names everything that is wrong.")));
		if (!settled && env->fxid < pass->horizon)
		{
			outcomes[n].byte = byte;
			outcomes[n].flags = EL_SETTLED |
				(TransactionIdDidCommit(xid) ? EL_HINT_COMMITTED : EL_HINT_ABORTED);
			n++;
			settled = true;
		}
		if (!settled)
		{
			pass->gap = true;
			pass->oldest_left = Min(pass->oldest_left, env->fxid);
		}
		*pos += EL_BATCH_SPACE(env->length);
		if (!pass->gap)
		{
			pass->settled_pos = *pos;
			pass->settled_offset = h.base_offset + h.last_offset_delta + 1;
		}
	}
	Assert(n <= EL_MAX_OUTCOMES);
	if (n == 0)
		return;

	START_CRIT_SECTION();
	el_apply_settle(page, outcomes, n);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(pass->rel))
	{
		XLogBeginInsert();
		XLogRegisterBuffer(0, buffer, REGBUF_STANDARD);
		XLogRegisterBufData(0, (char *) outcomes, n * sizeof(xl_el_outcome));
		lsn = XLogInsert(EL_RMGR_ID, XLOG_EL_SETTLE);
		PageSetLSN(page, lsn);
	}
	END_CRIT_SECTION();
}

/* Move the settled position, never back. */
static void
publish_settled(SettlePass *pass)
{
	Buffer		metabuf = el_meta_lock(pass->rel, NULL);
	ElMeta	   *meta = ElPageGetMeta(BufferGetPage(metabuf));
	xl_el_settled rec;

	Assert(pass->settled_pos <= meta->tail_pos);
	if (pass->settled_pos > meta->settled_pos)
	{
		rec.settled_pos = pass->settled_pos;
		rec.settled_offset = pass->settled_offset;
		START_CRIT_SECTION();
		el_apply_settled(BufferGetPage(metabuf), &rec);
		(void) el_wal_log_meta(pass->rel, metabuf, XLOG_EL_SETTLED, &rec,
							   sizeof(rec));
		END_CRIT_SECTION();
	}
	UnlockReleaseBuffer(metabuf);
}

/*
 * The caller holds ShareUpdateExclusiveLock, so this is the only pass.  Each
 * page is locked exclusively while its batches are settled, one after another;
 * appends go on beside.  XX001 if a batch is damaged.
 *
 * oldest_xmin: xids before it are decided for everybody.  The result says what
 * relfrozenxid may become: no xid before it is needed any more.
 */
TransactionId
el_log_settle(Relation rel, TransactionId oldest_xmin, bool all)
{
	PGAlignedBlock copy;
	ElMeta	   *meta = ElPageGetMeta(copy.data);
	ElDirectory *dir;
	SettlePass	pass = {0};
	uint64		pos;
	FullTransactionId horizon = el_full_xid(oldest_xmin);

	el_require_preload();
	if (!el_meta_read(rel, copy.data))
		return oldest_xmin;
	pass.rel = rel;
	pass.horizon = U64FromFullTransactionId(horizon);
	pass.oldest_left = pass.horizon;
	pass.settled_pos = meta->settled_pos;
	dir = el_directory_new();

	Assert(CheckRelationLockedByMe(rel, ShareUpdateExclusiveLock, true));
	pos = Max(meta->settled_pos, EL_PAGE_POS(meta->first_seg * meta->seg_pages));
	while (pos < meta->tail_pos)
	{
		uint64		seg;
		uint64		seg_end = meta->tail_pos;
		ElSegment  *entry;
		BlockNumber first_block;
		Buffer		buffer;
		ElPageSpecial *special;

		el_vacuum_delay_point();
		if (pass.gap && !all)
			break;
		pos = el_batch_begin_pos(pos);
		if (pos >= meta->tail_pos)
			break;
		seg = EL_POS_PAGE(pos) / meta->seg_pages;
		entry = el_directory_entry(rel, meta, dir, seg);
		if (entry == NULL)
			goto trimmed;
		first_block = entry->first_block;
		if (seg + 1 < meta->end_seg)
		{
			entry = el_directory_entry(rel, meta, dir, seg + 1);
			if (entry == NULL)
				goto trimmed;
			seg_end = entry->prev_end;
		}
		if (pos >= seg_end)
		{
			pos = EL_PAGE_POS((seg + 1) * meta->seg_pages);
			continue;
		}
		buffer = ReadBuffer(rel, first_block + EL_POS_PAGE(pos) % meta->seg_pages);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		special = el_page_special(BufferGetPage(buffer), EL_PAGE_ID_DATA);
		if (special == NULL || special->page_no != EL_POS_PAGE(pos))
		{
			UnlockReleaseBuffer(buffer);
			goto trimmed;
		}
		settle_page(&pass, buffer, &pos, seg_end);
		UnlockReleaseBuffer(buffer);
	}
	pfree(dir);
	publish_settled(&pass);
	return pos < meta->tail_pos ? InvalidTransactionId : (TransactionId) pass.oldest_left;

trimmed:

	/*
	 * The segment was freed meanwhile.  What lies behind it has not been
	 * looked at, so nothing can be said about its xids; the next pass will.
	 */
	pfree(dir);
	publish_settled(&pass);
	return InvalidTransactionId;
}
