/*-------------------------------------------------------------------------
 *
 * visibility.c
 *	  Is a batch committed for a reader?
 *
 * The xid in the envelope decides, with PostgreSQL's commit log and
 * snapshots, in the order of heapam_visibility.c: current transaction first
 * (its own xid is in no snapshot), then the snapshot, then the commit log.
 *
 * The xids on disk are 64 bits wide.  A snapshot's are not, so the snapshot is
 * asked only about xids at or beyond its xmin, where 32 bits tell them apart.
 *
 * IDENTIFICATION
 *	  src/storage/visibility.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "storage/visibility.h"

/*
 * xid must be within two billion of the next one, as all are that a transaction
 * or a snapshot can name.  Special xids are of epoch 0.
 */
FullTransactionId
el_full_xid(TransactionId xid)
{
	FullTransactionId next;
	uint64		full;
	int32		distance;

	if (!TransactionIdIsNormal(xid))
		return FullTransactionIdFromEpochAndXid(0, xid);
	next = ReadNextFullTransactionId();
	distance = (int32) (XidFromFullTransactionId(next) - xid);
	full = U64FromFullTransactionId(next) - (int64) distance;
	Assert((TransactionId) full == xid);
	return FullTransactionIdFromEpochAndXid((uint32) (full >> 32),
											(uint32) full);
}

/* Outcome of a transaction that is not in progress. */
static ElBatchState
decided_state(const ElEnvelope *env)
{
	/* a permanent outcome is there as a hint, too */
	Assert(!(env->flags & EL_SETTLED) ||
		   (env->flags & (EL_HINT_COMMITTED | EL_HINT_ABORTED)));
	if (env->flags & EL_HINT_COMMITTED)
		return EL_BATCH_VISIBLE;
	if (env->flags & EL_HINT_ABORTED)
		return EL_BATCH_ABORTED;
	return TransactionIdDidCommit((TransactionId) env->fxid) ?
		EL_BATCH_VISIBLE : EL_BATCH_ABORTED;
}

/*
 * A serializable transaction passes over a batch that it does not see: it
 * comes before the writer.  As HeapCheckForSerializableConflictOut().
 */
static void
report_conflict(Relation rel, Snapshot snapshot, TransactionId xid)
{
	if (!CheckForSerializableConflictOutNeeded(rel, snapshot))
		return;
	if (TransactionIdPrecedes(xid, TransactionXmin))
		return;
	xid = SubTransGetTopmostTransaction(xid);
	if (TransactionIdPrecedes(xid, TransactionXmin) ||
		TransactionIdEquals(xid, GetTopTransactionIdIfAny()))
		return;
	CheckForSerializableConflictOut(rel, xid, snapshot);
}

/*
 * The tests in the order of HeapTupleSatisfiesMVCC(), and for the same reasons.
 * Takes no lock but those of the commit log and the process array.  In a
 * serializable transaction it may raise 40001.
 */
ElBatchState
el_batch_state(Relation rel, Snapshot snapshot, FullTransactionId xmin,
			   bool report_conflicts, const ElEnvelope *env)
{
	TransactionId xid = (TransactionId) env->fxid;

	Assert(snapshot == NULL || !IsMVCCSnapshot(snapshot) ||
		   XidFromFullTransactionId(xmin) == snapshot->xmin);
	if (env->flags & EL_SETTLED)
	{
		if (env->flags & EL_HINT_ABORTED)
			return EL_BATCH_ABORTED;
	}
	else if (TransactionIdIsCurrentTransactionId(xid))
		return EL_BATCH_OWN;

	if (snapshot == NULL || !IsMVCCSnapshot(snapshot))
	{
		if (!(env->flags & (EL_HINT_COMMITTED | EL_HINT_ABORTED)) &&
			TransactionIdIsInProgress(xid))
			return EL_BATCH_IN_PROGRESS;
		return decided_state(env);
	}

	if (env->fxid >= U64FromFullTransactionId(xmin) &&
		XidInMVCCSnapshot(xid, snapshot))
	{
		if (report_conflicts)
			report_conflict(rel, snapshot, xid);
		return EL_BATCH_IN_PROGRESS;
	}
	return decided_state(env);
}

/*
 * The hint to leave for a batch whose state is known; 0 if it must not be
 * left yet.  As in SetHintBits(): a committed hint must not reach the disk
 * before the commit record does.
 */
uint16
el_hint_for(const ElEnvelope *env, ElBatchState state, Buffer buffer)
{
	if (env->flags & (EL_HINT_COMMITTED | EL_HINT_ABORTED))
		return 0;
	Assert(!(env->flags & EL_SETTLED));
	if (state == EL_BATCH_ABORTED)
		return EL_HINT_ABORTED;
	if (state == EL_BATCH_VISIBLE)
	{
		XLogRecPtr	lsn = TransactionIdGetCommitLSN((TransactionId) env->fxid);

		if (BufferIsPermanent(buffer) && XLogNeedsFlush(lsn) &&
			BufferGetLSNAtomic(buffer) < lsn)
			return 0;
		return EL_HINT_COMMITTED;
	}
	return 0;
}
