/*-------------------------------------------------------------------------
 *
 * epoch.c
 *	  Leader epochs: which one is in force.
 *
 * Kafka's clients tell by it whether a log has had another leader since, whose
 * events might differ.  Here that is so after each promotion, which begins a new
 * timeline; so the epoch rises with the timeline, whether or not anything is
 * appended.  It is stored with the timeline by the first append after a change.
 *
 * The number of the timeline alone would not do: pg_upgrade begins at timeline 1 again,
 * and a log may come to another server, with a timeline of its own.  There the stored
 * epoch was the last one of the old server, and counting goes on behind it with the
 * timeline of the new one.  So the epoch never falls while stored ones are kept.
 *
 * Version 1.0 stored none and put the timeline into the batches: which is what a
 * stored epoch of 0, of no server, gives here.
 *
 * IDENTIFICATION
 *	  src/storage/epoch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"

#include "storage/epoch.h"

/* The timeline that WAL is written to, or replayed of. */
static TimeLineID
timeline_now(void)
{
	TimeLineID	timeline;

	if (!RecoveryInProgress())
		return GetWALInsertionTimeLine();
	(void) GetXLogReplayRecPtr(&timeline);
	return timeline;
}

ElEpoch
el_epoch_in_force(const ElEpoch *stored)
{
	ElEpoch		now;

	now.timeline = timeline_now();
	now.system = (uint32) GetSystemIdentifier();
	if (now.system != stored->system)
		now.epoch = stored->epoch + now.timeline;
	else if (now.timeline >= stored->timeline)
		now.epoch = stored->epoch + (now.timeline - stored->timeline);
	else
		now.epoch = stored->epoch + 1;	/* reset by force */
	return now;
}
