/*-------------------------------------------------------------------------
 *
 * compact.h
 *	  Compaction: of each key only the last event stays.
 *
 * IDENTIFICATION
 *	  src/storage/compact.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_COMPACT_H
#define EL_COMPACT_H

#include "postgres.h"

#include "utils/rel.h"

#include "kafka/batch.h"
#include "storage/log.h"

typedef struct ElCompaction
{
	ElCodec		codec;			/* of what it writes, unless events had a
								 * stronger one; those of gzip and Snappy,
								 * which are not written, get this one */
	int64		now_ms;
	int64		delete_retention_ms;	/* tombstones stay that long after
										 * they were first met; -1: for ever */
	bool		always;			/* not only when half of the log is new */
	bool		(*may_go_on) (Relation rel);	/* asked now and then, if set;
												 * false gives up */
} ElCompaction;

/*
 * Keep only the last event of each key in the closed segments that VACUUM has
 * settled.  The caller holds ShareUpdateExclusiveLock.  Returns bytes of
 * segments freed.
 */
extern int64 el_log_compact(Relation rel, const ElCompaction *policy);

/* Is half of the closed segments new?  One alone is not worth it. */
static inline bool
el_compaction_due(const ElLogInfo *info)
{
	uint64		closed = info->end_seg - 1 - info->first_seg;
	uint64		tried = Max(info->tried_seg, info->first_seg) - info->first_seg;

	return info->exists && info->end_seg > 0 && closed >= 2 &&
		(closed - tried) * 2 >= closed;
}

#endif							/* EL_COMPACT_H */
