/*-------------------------------------------------------------------------
 *
 * topic.h
 *	  What a topic is: its table, partitions, types and options.
 *
 * A topic is a table PARTITION BY LIST (partition) with exactly the columns of
 * shape.h; each partition <topic>_p<n> is a table USING eventlog; the DEFAULT
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
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "topic/options.h"
#include "value/serde.h"

struct ElTopicChecks;

typedef struct ElTopic
{
	Oid			relid;			/* the topic table */
	pg_uuid_t	uuid;
	int32		npartitions;
	Oid		   *leaves;			/* [npartitions] the partitions' tables;
								 * InvalidOid where one is missing */
	Oid			default_leaf;	/* InvalidOid if there is none */
	ElSerde		key;
	ElSerde		value;
	ElTopicOptions options;
	bool		has_check;		/* the topic table has CHECK constraints */
	TupleDesc	tupdesc;		/* a copy of the topic table's */
	MemoryContext mcxt;
	char	   *name;			/* as of the last load; for messages */

	/* private to topic.c and checks.c */
	TransactionId loaded_by;	/* top transaction, if it had an xid when this
								 * was loaded */
	bool		labelled;		/* options and uuid come from a label */
	uint32	   *next_partition; /* round robin of this backend; outlives
								 * reloads */
	struct ElTopicChecks *checks;	/* compiled CHECK constraints, made at
									 * first use */
	struct ElTopic *next_stale;

	/* private to wire/topics.c: NULL, or the leader epochs that stay ... */
	int32	   *epochs;
	TimeLineID	epochs_on;		/* ... on this timeline */
} ElTopic;

/*
 * The topic with this OID, from a cache of this backend that relcache
 * invalidations keep right.  The caller holds a lock on the topic's table, and
 * took it before: the invalidations come in with the lock.  The result stays
 * valid until the transaction ends, whatever else is loaded meanwhile.
 * 42809 if it is not a topic, 42P01 if there is no such relation, 0A000 if the
 * extension has another version.
 */
extern ElTopic *el_topic(Oid relid);

/*
 * The same, but NULL if relid is not a topic, and without a look at the
 * extension's version.  Without a lock the answer is what was true a moment ago.
 */
extern ElTopic *el_topic_or_null(Oid relid);

/*
 * The topic that a table of our access method is a partition of, and the
 * partition's number (-1: the DEFAULT partition; may be NULL).  NULL for a table
 * that stands alone.  The caller holds a lock on the partition.
 */
extern ElTopic *el_topic_of_leaf(Oid leaf, int32 *partition);

/*
 * Lock a topic that somebody may have dropped: NULL, and no lock, if it is gone.
 * wait: for the lock; otherwise NULL, too, if it cannot be had at once.
 */
extern ElTopic *el_topic_lock_if_there(Oid relid, LOCKMODE mode, bool wait);

/*
 * The topic, with AccessShareLock, for a function that shows its events; 42501
 * if the current user may not SELECT from it.
 */
extern ElTopic *el_topic_to_read(Oid relid);

/* Is this relation a topic's table?  Takes no lock. */
extern bool el_is_topic(Oid relid);

/* All topics of this database (OIDs), for views and the worker; without the internal ones of _eventlog. */
extern List *el_all_topics(void);

/* Open a partition's table with AccessShareLock; NULL if it is gone, or never was. */
extern Relation el_open_leaf(const ElTopic *t, int32 partition);

/*
 * How many partitions the topic had before this transaction, which may have
 * created it or added some: for what does not go back with a rollback.
 */
extern int32 el_topic_partitions_before(const ElTopic *t);

/* Free what the transaction kept alive; called when it ends. */
extern void el_topic_xact_end(void);

/* Another number than before when any relation may have changed meanwhile: for what is remembered of all topics. */
extern uint64 el_topic_changes(void);

/* Relcache callback.  Cannot fail, and looks at no catalog. */
extern void el_topic_invalidate(Datum arg, Oid relid);

#endif							/* EL_TOPIC_H */
