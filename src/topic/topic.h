/*-------------------------------------------------------------------------
 *
 * topic.h
 *	  What a topic is: its table, partitions, types and options.
 *
 * A topic is a table PARTITION BY LIST (partition) with exactly the columns
 * below; each partition <topic>_p<n> is a table USING eventlog; the DEFAULT
 * partition <topic>_default stores nothing and routes rows that name no
 * partition.  Options and the topic's uuid are a security label (provider
 * "eventlog", JSON) on the topic table; a topic without label has the
 * defaults and a uuid made from its OID.
 *
 * IDENTIFICATION
 *	  src/topic/topic.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_TOPIC_H
#define EL_TOPIC_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "kafka/batch.h"
#include "storage/log.h"
#include "kafka/partitioner.h"
#include "value/serde.h"

/* Columns of a topic table, by attribute number. */
#define EL_ATT_PARTITION	1
#define EL_ATT_OFFSET		2
#define EL_ATT_TIME			3
#define EL_ATT_KEY			4
#define EL_ATT_VALUE		5
#define EL_ATT_HEADERS		6
#define EL_NATTS			6

typedef enum ElWhenFull
{
	EL_DROP_OLDEST,
	EL_REJECT
} ElWhenFull;

/* Bits of cleanup_policy. */
#define EL_CLEANUP_DELETE	1
#define EL_CLEANUP_COMPACT	2

/* Times in ms, sizes in bytes; -1 means no limit. */
typedef struct ElTopicOptions
{
	int64		retention_ms;
	int64		retention_bytes;	/* per partition */
	int64		segment_bytes;
	ElCodec		compression;
	int64		max_event_bytes;	/* key + value + headers of one event */
	ElPartitioner partitioner;
	int			cleanup_policy; /* EL_CLEANUP_* */
	int64		delete_retention_ms;
	bool		retain_until_consumed;
	ElWhenFull	when_full;
	int64		max_clock_ahead_ms;
} ElTopicOptions;

static inline bool
el_is_compacted(const ElTopicOptions *o)
{
	return (o->cleanup_policy & EL_CLEANUP_COMPACT) != 0;
}

struct ElTopicChecks;

typedef struct ElTopic
{
	Oid			relid;			/* the topic table */
	pg_uuid_t	uuid;
	int32		npartitions;
	Oid		   *leaves;			/* [npartitions] the partitions' tables; InvalidOid where one is missing */
	Oid			default_leaf;	/* InvalidOid if there is none */
	ElSerde		key;
	ElSerde		value;
	ElTopicOptions options;
	bool		has_check;		/* the topic table has CHECK constraints */
	TupleDesc	tupdesc;		/* a copy of the topic table's */
	MemoryContext mcxt;
	char	   *name;			/* as of the last load; for messages */

	/* private to topic.c and checks.c */
	bool		labelled;		/* options and uuid come from a label */
	uint32	   *next_partition; /* round robin of this backend; outlives reloads */
	struct ElTopicChecks *checks;	/* compiled CHECK constraints, made at first use */
	struct ElTopic *next_stale;
} ElTopic;

/*
 * The topic with this OID, from a per-backend cache that relcache
 * invalidations keep honest.  Not a topic: 42809 (or 42P01 if there is no such relation).  The caller holds a lock on it.
 * The result stays valid until the end of the transaction.
 */
extern ElTopic *el_topic(Oid relid);
/* The same, but NULL if relid is not a topic. */
extern ElTopic *el_topic_or_null(Oid relid);
/* The topic that a table of our access method is a partition of, and which; NULL for a table standing alone.
 * partition is -1 for the DEFAULT partition. */
extern ElTopic *el_topic_of_leaf(Oid leaf, int32 *partition);
/* Is this relation a topic table (partitioned, our leaves)? / a table of our access method? */
extern bool el_is_topic(Oid relid);
extern bool el_is_leaf(Oid relid);
/* All topics of this database (OIDs), for views and the worker; without the internal ones of _eventlog. */
extern List *el_all_topics(void);
/* Open a partition's table with AccessShareLock; NULL if it is gone. */
extern Relation el_open_leaf(const ElTopic *t, int32 partition);
/* May the caller see that the topic is there, and figures about it? */
extern bool el_may_look(Oid relid);

/*
 * Let look() look at a partition for a view, if its table is there.  False, after a WARNING, if it cannot
 * be looked at, because it is corrupt or of another format: a monitor is to see the others nevertheless.
 */
typedef void (*ElLook) (ElTopic *t, int32 partition, Relation leaf, void *arg);
extern bool el_look_at_partition(ElTopic *t, int32 partition, ElLook look,
								 void *arg);
/* Free what transactions kept alive; called at transaction end. */
extern void el_topic_xact_end(void);
/* Relcache callback. */
extern void el_topic_invalidate(Datum arg, Oid relid);

/*
 * Why this partitioned table cannot be a topic, whatever its partitions (wrong columns,
 * not PARTITION BY LIST (partition)); NULL if it can.  An untranslated phrase.
 */
extern const char *el_topic_shape_problem(Relation rel);
/* The columns alone, of a topic or a partition. */
extern const char *el_columns_problem(TupleDesc tupdesc);

/*
 * Checks every way of producing makes; topic name in the message.  restored: the event
 * comes back from a dump, so the topic's options are not asked.
 */
/* 54000 with the limit in the detail when key + value + headers exceed max_event_bytes. */
extern void el_check_event_size(ElTopic *t, const ElRecord *r, bool restored);
/* timestamptz -> ms; 22008 for infinite or later than now + max_clock_ahead. */
extern int64 el_event_time(ElTopic *t, TimestampTz time, bool restored);
/* Partition for a key (NULL key: round robin, per backend and topic). */
extern int32 el_choose_partition(ElTopic *t, const ElRecord *r);
/* 22023 if partition is out of range. */
extern void el_check_partition(ElTopic *t, int64 partition);

/* Log options of a partition, with the floor of _eventlog.log_floor looked up when its log is empty. */
extern void el_log_options(ElTopic *t, int32 partition, Relation leaf,
						   ElLogOptions *options);
/* el_log_info() of a partition, with the floor for start and end of a log that has not begun (again) yet. */
extern void el_partition_info(ElTopic *t, int32 partition, Relation leaf,
							  ElLogInfo *info);
/* Record in _eventlog.log_floor that this partition's log has reached log_end. */
extern void el_record_log_floor(ElTopic *t, int32 partition, int64 log_end);
/* Let go what the options do not keep; returns bytes of segments freed. */
extern int64 el_retain_partition(ElTopic *t, int32 partition, Relation leaf);
/*
 * Compact, if the topic is compacted and there is enough to do (or always).  Holds no snapshot;
 * ShareUpdateExclusiveLock is the caller's.
 */
extern int64 el_compact_partition(ElTopic *t, Relation leaf, bool always,
								  bool (*may_go_on) (Relation rel));
/* Forget what was recorded for a topic that is being dropped. */
extern void el_forget_log_floor(const pg_uuid_t *uuid);

/*
 * CHECK constraints of the topic on one event about to be produced by function
 * (INSERT and COPY have the executor do it).  Raises 23514 as INSERT would.
 */
extern void el_check_constraints(ElTopic *t, Datum *values, bool *nulls);

#endif							/* EL_TOPIC_H */
