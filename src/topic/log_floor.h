/*-------------------------------------------------------------------------
 *
 * log_floor.h
 *	  Log ends that must not be forgotten, and what a log is opened with.
 *
 * IDENTIFICATION
 *	  src/topic/log_floor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LOG_FLOOR_H
#define EL_LOG_FLOOR_H

#include "postgres.h"

#include "utils/rel.h"
#include "utils/uuid.h"

#include "storage/log.h"
#include "topic/topic.h"

/* The first column of _eventlog.log_floor: the topic's uuid. */
#define EL_ATT_FLOOR_TOPIC	1

/*
 * What an append to a partition, whose table leaf is open and locked, has to know
 * of its topic.  The floor in _eventlog.log_floor is looked up if the log is empty.
 */
extern void el_log_options(ElTopic *t, int32 partition, Relation leaf,
						   ElLogOptions *options);

/* el_log_info() of a partition, with the floor for start and end of a log that has not begun (again) yet. */
extern void el_partition_info(ElTopic *t, int32 partition, Relation leaf,
							  ElLogInfo *info);

/*
 * Record in _eventlog.log_floor how far this partition's log has come, and that from
 * committed_end on it holds no committed event.  The caller holds
 * ShareUpdateExclusiveLock or more on the partition, leaf, until its transaction
 * ends.
 */
extern void el_record_log_floor(ElTopic *t, int32 partition, Relation leaf,
								const ElLogInfo *info, int64 committed_end);

/* TRUNCATE of leaf, under its lock and before its file goes: record what its log was. */
extern void el_keep_log_floor(Relation leaf);

/* Forget what was recorded for a topic that is being dropped. */
extern void el_forget_log_floor(const pg_uuid_t *uuid);

#endif							/* EL_LOG_FLOOR_H */
