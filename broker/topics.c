/*-------------------------------------------------------------------------
 *
 * topics.c
 *	  The topics that a role sees, as last read from the server.
 *
 * IDENTIFICATION
 *	  broker/topics.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "broker/binary.h"
#include "broker/errors.h"
#include "broker/settings.h"
#include "broker/topics.h"
#include "client/log.h"
#include "client/memory.h"

/* Changes that come together are one for those who watch. */
#define WATCH_PAUSE		100

typedef struct Waiter
{
	TopicsFn	fn;
	void	   *arg;
	struct Waiter *next;
} Waiter;

struct TopicCache
{
	Pool	   *pool;
	bool		valid;
	bool		loading;
	bool		changed;		/* since the load began */
	Waiter	   *waiters;		/* in the order they came: requests of a
								 * connection keep theirs */
	Waiter	  **last_waiter;

	PGresult   *result;			/* names and epochs are in it */
	Topic	   *topics;
	int			n;
	Topic	  **by_name;
	Topic	  **by_id;
	uint32_t	mask;			/* of both */
	int64_t		n_partitions;	/* of all topics */

	TopicsWatcher *watchers;
	ClientTimer timer;			/* for them, after a change */

	KafkaArena	arena;			/* of the parameter */
	BinaryArray schemas;
};

static const Oid topics_types[] = {BINARY_TEXT_ARRAY};
static const ClientStatement topics_statement = {
	"broker_topics",
	"SELECT name, topic_id, relid::int4, leader_epochs, operations"
	" FROM _eventlog.broker_topics($1) WHERE sqlstate IS NULL",
	1, topics_types
};

static uint32_t
hash_bytes(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t	h = 2166136261u;	/* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/* "a, b" as an array. */
static void
build_schemas(TopicCache *cache)
{
	const char *list = settings.topic_schemas;
	int			n = 0;

	for (int put = 0; put < 2; put++)
	{
		const char *p = list;

		if (put && !binary_array_begin(&cache->schemas, &cache->arena, BINARY_TEXT, n, strlen(list)))
			abort();			/* a setting's length is bounded */
		while (*p)
		{
			size_t		len = strcspn(p, ",");
			const char *end = p + len;
			const char *from = p;

			while (from < end && *from == ' ')
				from++;
			while (end > from && end[-1] == ' ')
				end--;
			if (end > from && put)
				binary_array_put(&cache->schemas, from, (int) (end - from));
			else if (end > from)
				n++;
			p += len;
			if (*p == ',')
				p++;
		}
	}
}

static void on_watch_timer(void *arg);

TopicCache *
topics_new(Pool *pool)
{
	TopicCache *cache = client_alloc(sizeof(TopicCache));

	cache->pool = pool;
	cache->timer.fn = on_watch_timer;
	cache->timer.arg = cache;
	cache->last_waiter = &cache->waiters;
	kafka_arena_init(&cache->arena, 1 << 20);
	build_schemas(cache);
	return cache;
}

static void
forget(TopicCache *cache)
{
	PQclear(cache->result);
	free(cache->topics);
	free(cache->by_name);
	free(cache->by_id);
	cache->result = NULL;
	cache->topics = NULL;
	cache->by_name = cache->by_id = NULL;
	cache->n = 0;
	cache->n_partitions = 0;
}

void
topics_free(TopicCache *cache)
{
	forget(cache);
	client_timer_stop(cache->pool->loop, &cache->timer);
	while (cache->waiters != NULL)
	{
		Waiter	   *w = cache->waiters;

		cache->waiters = w->next;
		free(w);
	}
	kafka_arena_free(&cache->arena);
	free(cache);
}

static void
build(TopicCache *cache, PGresult *result)
{
	uint32_t	size = 64;

	forget(cache);
	cache->result = result;
	cache->n = PQntuples(result);
	while (size < (uint32_t) cache->n * 2)
		size *= 2;
	cache->mask = size - 1;
	cache->topics = client_alloc((size_t) (cache->n + 1) * sizeof(Topic));
	cache->by_name = client_alloc(size * sizeof(Topic *));
	cache->by_id = client_alloc(size * sizeof(Topic *));
	for (int i = 0; i < cache->n; i++)
	{
		Topic	   *t = &cache->topics[i];
		Topic	  **slot;

		t->name.data = PQgetvalue(result, i, 0);
		t->name.len = PQgetlength(result, i, 0);
		memcpy(t->id.bytes, PQgetvalue(result, i, 1), sizeof(t->id.bytes));
		t->relid = (Oid) binary_int32(result, i, 2, 0);
		t->n_partitions = binary_int32_array(result, i, 3, &t->epochs);
		t->operations = binary_int32(result, i, 4, 0);
		cache->n_partitions += t->n_partitions;
		slot = &cache->by_name[hash_bytes(t->name.data, t->name.len) & cache->mask];
		t->next_by_name = *slot;
		*slot = t;
		slot = &cache->by_id[hash_bytes(t->id.bytes, sizeof(t->id.bytes)) & cache->mask];
		t->next_by_id = *slot;
		*slot = t;
	}
}

static void topics_load(TopicCache *cache);

static void
on_topics(void *arg, PGresult *result, const ClientFailure *failure)
{
	TopicCache *cache = arg;
	Waiter	   *waiters = cache->waiters;

	cache->loading = false;
	if (result != NULL)
	{
		build(cache, result);

		/*
		 * good enough for who has waited; who asks next, and knows of the
		 * change, gets it
		 */
		cache->valid = !cache->changed;
	}
	else
		client_log_limited(CLIENT_WARNING, "topics cannot be read",
						   CLIENT_TEXT("sqlstate", failure->sqlstate),
						   CLIENT_TEXT("reason", failure->message),
						   CLIENT_TEXT("hint", failure->hint));
	cache->waiters = NULL;
	cache->last_waiter = &cache->waiters;
	while (waiters != NULL)
	{
		Waiter	   *w = waiters;

		waiters = w->next;
		w->fn(w->arg, failure);
		free(w);
	}
	if (cache->waiters != NULL && !cache->loading)
		topics_load(cache);
}

void
topics_add_schemas(const TopicCache *cache, ClientParams *params)
{
	client_params_add(params, cache->schemas.data, cache->schemas.len);
}

static void
topics_load(TopicCache *cache)
{
	ClientParams params = {0};

	topics_add_schemas(cache, &params);
	cache->loading = true;
	cache->changed = false;
	pool_call(cache->pool, &topics_statement, &params, on_topics, cache);
}

void
topics_when_ready(TopicCache *cache, TopicsFn fn, void *arg)
{
	Waiter	   *w;

	if (cache->valid)
	{
		fn(arg, NULL);
		return;
	}
	w = client_alloc(sizeof(Waiter));
	w->fn = fn;
	w->arg = arg;
	*cache->last_waiter = w;
	cache->last_waiter = &w->next;
	if (!cache->loading)
		topics_load(cache);
}

void
topics_invalidate(TopicCache *cache)
{
	cache->valid = false;
	cache->changed = true;
	if (cache->watchers != NULL && cache->timer.place == 0)
		client_timer_start_coarse(cache->pool->loop, &cache->timer,
								  client_loop_now(cache->pool->loop) + WATCH_PAUSE);
}

void
topics_watch(TopicCache *cache, TopicsWatcher *watcher)
{
	watcher->next = cache->watchers;
	if (watcher->next != NULL)
		watcher->next->link = &watcher->next;
	watcher->link = &cache->watchers;
	cache->watchers = watcher;
}

void
topics_unwatch(TopicsWatcher *watcher)
{
	if (watcher->link == NULL)
		return;
	*watcher->link = watcher->next;
	if (watcher->next != NULL)
		watcher->next->link = watcher->link;
	watcher->link = NULL;
}

/* Those who watch look for themselves, and may stop watching; others may begin. */
static void
on_watched_topics(void *arg, const ClientFailure *failure)
{
	TopicCache *cache = arg;
	TopicsWatcher *left = cache->watchers;

	/* they wait on, until there is something to see */
	if (failure != NULL || left == NULL)
		return;
	cache->watchers = NULL;
	left->link = &left;
	while (left != NULL)
	{
		TopicsWatcher *first = left;

		topics_unwatch(first);
		topics_watch(cache, first);
		first->fn(first->arg);
	}
}

static void
on_watch_timer(void *arg)
{
	TopicCache *cache = arg;

	topics_when_ready(cache, on_watched_topics, cache);
}

static const Topic *
find_by_name(const TopicCache *cache, KafkaString name)
{
	if (cache->n == 0 || name.len < 0)
		return NULL;
	for (const Topic *t = cache->by_name[hash_bytes(name.data, name.len) & cache->mask]; t != NULL; t = t->next_by_name)
	{
		if (t->name.len == name.len && memcmp(t->name.data, name.data, name.len) == 0)
			return t;
	}
	return NULL;
}

static const Topic *
find_by_id(const TopicCache *cache, const KafkaUuid *id)
{
	if (cache->n == 0)
		return NULL;
	for (const Topic *t = cache->by_id[hash_bytes(id->bytes, sizeof(id->bytes)) & cache->mask]; t != NULL; t = t->next_by_id)
	{
		if (memcmp(t->id.bytes, id->bytes, sizeof(id->bytes)) == 0)
			return t;
	}
	return NULL;
}

int
topics_count(const TopicCache *cache)
{
	return cache->n;
}

int64_t
topics_count_partitions(const TopicCache *cache)
{
	return cache->n_partitions;
}

const Topic *
topics_get(const TopicCache *cache, int i)
{
	return &cache->topics[i];
}

const Topic *
topics_find(const TopicCache *cache, const ClientFailure *failure,
			KafkaString name, const KafkaUuid *id, int32_t operations, int16_t *error)
{
	const Topic *topic;

	if (failure != NULL)
	{
		*error = kafka_error_of_sqlstate(failure->sqlstate);
		return NULL;
	}
	topic = id != NULL ? find_by_id(cache, id) : find_by_name(cache, name);
	if (topic == NULL)
		*error = id != NULL ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
	else if ((topic->operations & operations) == 0)
		*error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
	else
		*error = KAFKA_NONE;
	return topic;
}

int16_t
topic_check_partition(const Topic *topic, int32_t partition, int32_t epoch)
{
	int32_t		known;

	if (partition < 0 || partition >= topic->n_partitions)
		return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
	known = binary_array_item(topic->epochs, partition);
	/* of what is locked the server does not say it */
	if (known >= 0 && epoch > known)
		return KAFKA_UNKNOWN_LEADER_EPOCH;
	if (epoch >= 0 && epoch < binary_array_item(topic->epochs, partition))
		return KAFKA_FENCED_LEADER_EPOCH;
	return KAFKA_NONE;
}
