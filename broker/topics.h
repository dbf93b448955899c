/*-------------------------------------------------------------------------
 *
 * topics.h
 *	  The topics that a role sees, as last read from the server.
 *
 * They are read as a whole when somebody asks and something may have changed
 * since (watch.c), so what was granted or revoked counts from the next request.
 *
 * IDENTIFICATION
 *	  broker/topics.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_TOPICS_H
#define EL_BROKER_TOPICS_H

#include "broker/protocol/message.h"
#include "broker/pool.h"

/* Bits of operations: Kafka's AclOperation. */
#define TOPIC_READ			(1 << 3)
#define TOPIC_WRITE			(1 << 4)

typedef struct Topic
{
	KafkaString name;			/* Kafka's */
	KafkaUuid	id;
	Oid			relid;
	int32_t		operations;		/* that the role may do */
	int32_t		n_partitions;
	const char *epochs;			/* leader epoch of each: binary_array_item() */
	struct Topic *next_by_name; /* with the same hash */
	struct Topic *next_by_id;
} Topic;

typedef struct TopicCache TopicCache;

/* Someone who waits, and is called when topics or rights have changed meanwhile. */
typedef struct TopicsWatcher
{
	void		(*fn) (void *arg);
	void	   *arg;
	struct TopicsWatcher *next;
	struct TopicsWatcher **link;	/* that points to it; NULL: it does not
									 * watch */
} TopicsWatcher;

/* failure: NULL, or why the topics could not be read. */
typedef void (*TopicsFn) (void *arg, const ClientFailure *failure);

extern TopicCache *topics_new(Pool *pool);
extern void topics_free(TopicCache *cache);

/* Calls fn when the topics have been read: now, if nothing has changed since; or from the loop. */
extern void topics_when_ready(TopicCache *cache, TopicsFn fn, void *arg);

/* The schemas that are served, as text[], a parameter of calls. */
extern void topics_add_schemas(const TopicCache *cache, ClientParams *params);

/* What is there is too old. */
extern void topics_invalidate(TopicCache *cache);

/*
 * Until topics_unwatch(): soon after a change, when topics have been read again, fn
 * is called as a TopicsFn without failure would be.
 */
extern void topics_watch(TopicCache *cache, TopicsWatcher *watcher);
extern void topics_unwatch(TopicsWatcher *watcher);

/* Within a TopicsFn without failure. */
extern int	topics_count(const TopicCache *cache);
extern int64_t topics_count_partitions(const TopicCache *cache);
extern const Topic *topics_get(const TopicCache *cache, int i);

/*
 * The topic that a request gives the id of or, if that is NULL, names; for use
 * within a TopicsFn, with the failure it was called with.  *error is 0, 3 or 100
 * (the role sees no such topic), 29 (it may do none of the operations there), or
 * what the failure is; the topic is NULL unless it is 0 or 29.
 */
extern const Topic *topics_find(const TopicCache *cache, const ClientFailure *failure,
								KafkaString name, const KafkaUuid *id,
								int32_t operations, int16_t *error);

/*
 * What is wrong with a request for this partition: 0 or 3 and, if the leader epoch
 * that the client has heard of (-1: it says none) is over, 74, if it is yet to come, 75.
 */
extern int16_t topic_check_partition(const Topic *topic, int32_t partition, int32_t epoch);

#endif							/* EL_BROKER_TOPICS_H */
