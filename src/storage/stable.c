/*-------------------------------------------------------------------------
 *
 * stable.c
 *	  The last stable offset: how far a log is decided for a snapshot.
 *
 * Found by walking from where VACUUM has settled outcomes to the first batch
 * that is undecided, or to the end.  A monitor that asks every second
 * would walk the same batches each time, so a backend remembers per log how far it has
 * come: what was decided for one snapshot is decided for every later one.
 *
 * IDENTIFICATION
 *	  src/storage/stable.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/hash.h"
#include "storage/log.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/stable.h"
#include "storage/visibility.h"

/* Logs remembered; when there are more, all are forgotten. */
#define MAX_KNOWN	16384

typedef struct KnownLog
{
	RelFileLocator locator;		/* hash key */
	uint32		rewinds;		/* of the log: then */
	int64		offset;			/* all below was decided for a snapshot with: */
	uint64		xmax;			/* full form of its xmax */
	uint32		xcnt;			/* number of transactions that it saw in
								 * progress */
} KnownLog;

static HTAB *known_logs = NULL;

static KnownLog *
get_known_log(Relation rel, uint32 rewinds)
{
	RelFileLocator locator = el_rel_locator(rel);
	KnownLog   *k;
	bool		found;

	known_logs = el_hash_bounded(known_logs, "eventlog stable offsets",
								 MAX_KNOWN, sizeof(RelFileLocator),
								 sizeof(KnownLog));
	k = hash_search(known_logs, &locator, HASH_ENTER, &found);
	if (!found || k->rewinds != rewinds)
	{
		k->rewinds = rewinds;
		k->offset = 0;
		k->xmax = 0;
		k->xcnt = 0;
	}
	return k;
}

static uint64
full_snapshot_xmax(Snapshot snapshot)
{
	return U64FromFullTransactionId(el_full_xid(snapshot->xmax));
}

/* Number of transactions that the snapshot saw in progress. */
static uint32
count_running(Snapshot snapshot)
{
	return snapshot->takenDuringRecovery ? snapshot->subxcnt : snapshot->xcnt;
}

/*
 * Is the snapshot at least as new as the one whose result is remembered?
 * xmax only grows, and while it stays transactions below it only end.
 */
static bool
snapshot_is_newer(Snapshot snapshot, const KnownLog *k)
{
	uint64		xmax = full_snapshot_xmax(snapshot);

	return xmax > k->xmax || (xmax == k->xmax && count_running(snapshot) <= k->xcnt);
}

/*
 * Returns the offset of the first event that the snapshot does not see decided,
 * or the log end as of now.  The caller holds AccessShareLock.  Cost: what was
 * appended since VACUUM, and in later calls of this session since the call before.
 */
int64
el_log_stable_offset(Relation rel, Snapshot snapshot,
					 FullTransactionId *stop_fxid)
{
	ElReader   *r = el_reader_begin(rel, snapshot, EL_READ_STABLE);
	int64		offset;

	r->headers_only = true;
	if (stop_fxid)
		*stop_fxid = InvalidFullTransactionId;
	if (r->info.exists)
	{
		int64		from = Max(r->info.settled_offset, r->info.log_start);
		KnownLog   *k = get_known_log(rel, r->info.rewinds);
		bool		newer = snapshot_is_newer(snapshot, k) && k->offset <= r->info.log_end;

		/* what is remembered holds for any snapshot that is at least as new */
		Assert(k->offset >= 0);
		if (newer)
			from = Max(from, k->offset);
		if (el_reader_seek(r, from) == EL_SEEK_OK)
			while (el_reader_next_batch(r))
				CHECK_FOR_INTERRUPTS();
		if (r->stopped && stop_fxid)
			*stop_fxid = r->stop_fxid;
		if (newer)
		{
			k->offset = r->stopped ? r->position : r->info.log_end;
			k->xmax = full_snapshot_xmax(snapshot);
			k->xcnt = count_running(snapshot);
		}
	}
	offset = r->stopped ? r->position : r->info.log_end;
	Assert(!r->info.exists || offset <= r->info.log_end);
	Assert(!r->stopped || FullTransactionIdIsValid(r->stop_fxid));
	el_reader_end(r);
	return offset;
}

/*
 * Aborted batches at the end are passed over: a dump does not bring them back,
 * and a committed offset must not lie beyond a restored log.
 *
 * Returns an offset in low .. the last stable offset, unless that is below low:
 * then low.  The caller holds AccessShareLock.  Reads backward from the last
 * stable offset in growing steps, so it is cheap unless many batches there
 * were aborted.
 */
int64
el_log_latest(Relation rel, Snapshot snapshot, int64 low)
{
	int64		stable = el_log_stable_offset(rel, snapshot, NULL);
	ElReader   *r = el_reader_begin(rel, snapshot, EL_READ_STABLE);
	int64		base;
	int64		end = low;

	if (el_reader_last_batch(r, low, stable, &base, &end))
		end = Min(end, stable);
	Assert(end >= low);
	el_reader_end(r);
	return end;
}
