/*-------------------------------------------------------------------------
 *
 * lag.c
 *	  How far a group is behind the end of a partition.
 *
 * IDENTIFICATION
 *	  src/group/lag.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/hash.h"
#include "group/lag.h"
#include "storage/log.h"
#include "storage/stable.h"
#include "topic/log_floor.h"
#include "topic/topic.h"
#include "topic/topic_views.h"

HTAB *
el_log_ends_create(void)
{
	return el_hash_create("eventlog log ends", 64, sizeof(Oid),
						  sizeof(ElLogEnd), CurrentMemoryContext);
}

/*
 * An ElProbe.  Aborted batches at the end do not count: nobody can ever commit
 * behind them.
 */
static void
read_log_end(ElTopic *t, int32 partition, Relation leaf, void *arg)
{
	ElLogEnd   *e = arg;
	ElLogInfo	info;

	el_partition_info(t, partition, leaf, &info);
	e->log_start = info.log_start;
	e->log_end = info.log_end;
	e->visible_end = info.exists ?
		el_log_latest(leaf, GetActiveSnapshot(), info.log_start) : info.log_end;
	e->exists = true;
}

ElLogEnd *
el_log_end(HTAB *ends, ElTopic *t, int32 partition)
{
	Oid			leaf = partition < t->npartitions ? t->leaves[partition] : InvalidOid;
	ElLogEnd   *e;
	bool		found;

	if (!OidIsValid(leaf))
		return NULL;
	e = hash_search(ends, &leaf, HASH_ENTER, &found);
	if (!found)
	{
		e->exists = false;
		(void) el_probe_partition(t, partition, read_log_end, e);
	}
	return e->exists ? e : NULL;
}

int64
el_lag(const ElPartCopy *p, const ElLogEnd *e)
{
	Assert(e->exists);
	return Max(e->visible_end - Max(p->goes_on, e->log_start), 0);
}
