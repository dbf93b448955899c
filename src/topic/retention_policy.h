/*-------------------------------------------------------------------------
 *
 * retention_policy.h
 *	  What a topic's options discard.
 *
 * IDENTIFICATION
 *	  src/topic/retention_policy.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_RETENTION_POLICY_H
#define EL_RETENTION_POLICY_H

#include "postgres.h"

#include "utils/rel.h"

#include "topic/topic.h"

/*
 * Discard what the options do not keep; returns bytes of segments freed.  leaf is
 * open and locked.
 */
extern int64 el_retain_partition(ElTopic *t, int32 partition, Relation leaf);

/*
 * Compact, if the topic is compacted and there is enough to do (or always); returns
 * bytes of segments freed.  The caller holds ShareUpdateExclusiveLock on leaf.
 * Holds no snapshot.  may_go_on (or NULL) is asked now and then; false gives up.
 */
extern int64 el_compact_partition(ElTopic *t, Relation leaf, bool always,
								  bool (*may_go_on) (Relation rel));

#endif							/* EL_RETENTION_POLICY_H */
