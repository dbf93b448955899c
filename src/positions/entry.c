/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  What a cache knows of a key of an internal topic: what counts, what is pending.
 *
 * The topic is the truth, a cache makes reading it unnecessary.  What a transaction
 * appends is entered as pending before it commits, and whoever reads the entry finds
 * out what became of it.  So neither a commit callback nor a process that survives is
 * needed, and a COMMIT PREPARED from anywhere is seen too.
 *
 * IDENTIFICATION
 *	  src/positions/entry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "positions/entry.h"
#include "storage/visibility.h"

void
el_entry_renew(ElEntry *e, uint64 gen)
{
	if (e->gen == gen)
		return;
	e->gen = gen;
	e->next = e->version = -1;
	e->fxid = InvalidFullTransactionId;
	e->pending_fxid = InvalidFullTransactionId;
	e->pending_next = e->pending_version = -1;
}

bool
el_entry_resolve(ElEntry *e)
{
	TransactionId xid;

	if (!FullTransactionIdIsValid(e->pending_fxid))
		return true;
	Assert(e->pending_version >= 0);
	xid = XidFromFullTransactionId(e->pending_fxid);
	/* in-progress test first: see heapam_visibility.c */
	if (TransactionIdIsCurrentTransactionId(xid) ||
		TransactionIdIsInProgress(xid))
		return false;
	if (TransactionIdDidCommit(xid) && e->pending_version > e->version)
	{
		e->next = e->pending_next;
		e->version = e->pending_version;
		e->fxid = e->pending_fxid;
	}
	e->pending_fxid = InvalidFullTransactionId;
	Assert(e->next < 0 || e->version >= 0);
	return true;
}

/*
 * Not visible: work done with the snapshot would not see what the committed
 * offset stands for.  Writers of before xmin are visible without a look at the
 * snapshot's list.
 */
bool
el_entry_visible(const ElEntry *e, Snapshot snapshot)
{
	TransactionId xid;

	if (e->version < 0)
		return true;
	if (FullTransactionIdPrecedes(e->fxid, el_full_xid(snapshot->xmin)))
		return true;
	xid = XidFromFullTransactionId(e->fxid);
	return !XidInMVCCSnapshot(xid, snapshot);
}

/*
 * Writers of a key hold its lock until they end, but for those who INSERT into the
 * topic.  A rebuild that came in between may have found this very event, or a later
 * one of theirs; their end invalidates the cache.
 */
void
el_entry_set_pending(ElEntry *e, uint64 gen, const ElEntry *resolved,
					 FullTransactionId fxid, int64 next, int64 version)
{
	el_entry_renew(e, gen);
	if (FullTransactionIdIsValid(e->pending_fxid) && e->gen == resolved->gen &&
		!FullTransactionIdEquals(e->pending_fxid, fxid))
		*e = *resolved;
	e->pending_fxid = fxid;
	e->pending_next = next;
	e->pending_version = version;
}
