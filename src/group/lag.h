/*-------------------------------------------------------------------------
 *
 * lag.h
 *	  How far a group is behind the end of a partition.
 *
 * IDENTIFICATION
 *	  src/group/lag.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LAG_H
#define EL_LAG_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "group/group_copy.h"
#include "topic/topic.h"

/* What groups lag behind. */
typedef struct ElLogEnd
{
	Oid			leaf;			/* hash key: the partition's table */
	bool		exists;
	int64		log_start;
	int64		log_end;
	int64		visible_end;	/* end of the last committed batch before the
								 * stable offset */
} ElLogEnd;

/*
 * Log ends that were looked at already, however many groups ask for them: one
 * per call of a view, in the current memory context.
 */
extern HTAB *el_log_ends_create(void);

/*
 * The end of a partition; NULL if there is no such partition, or it cannot be
 * looked at, of which the caller is warned once.
 */
extern ElLogEnd *el_log_end(HTAB *ends, ElTopic *t, int32 partition);

/* Offsets between where the group goes on and the last that could be consumed. */
extern int64 el_lag(const ElPartCopy *p, const ElLogEnd *e);

#endif							/* EL_LAG_H */
