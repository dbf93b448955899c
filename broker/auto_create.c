/*-------------------------------------------------------------------------
 *
 * auto_create.c
 *	  Topics that are made because a client has asked for them.
 *
 * Each is a call, and a transaction, of its own: what goes wrong with one does
 * not touch others.  Thousands of clients that come at once with the same name
 * are one call.
 *
 * IDENTIFICATION
 *	  broker/auto_create.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "broker/auto_create.h"
#include "broker/binary.h"
#include "broker/errors.h"
#include "broker/protocol/bytes.h"
#include "broker/settings.h"
#include "broker/topics.h"
#include "client/log.h"
#include "client/memory.h"

typedef struct Waiter
{
	AutoCreateFn fn;
	void	   *arg;
	struct Waiter *next;
} Waiter;

/* A topic that is being made. */
struct AutoCreate
{
	Pool	   *pool;
	char	   *name;
	int32_t		name_len;
	char		partitions[4];
	char		value_type[4];
	Waiter	   *waiters;
	AutoCreate *next;			/* of the pool */
};

static const Oid create_types[] = {BINARY_TEXT, BINARY_TEXT_ARRAY, BINARY_INT4, BINARY_REGTYPE};
static const ClientStatement create_statement = {
	"broker_create_topic",
	"SELECT _eventlog.broker_create_topic($1, $2, $3, $4)::int4",
	4, create_types
};

static int16_t
error_of(const AutoCreate *creation, const PGresult *result, const ClientFailure *failure)
{
	if (failure != NULL)
	{
		client_log_limited(CLIENT_WARNING, "a topic cannot be created",
						   CLIENT_BYTES("topic", creation->name, creation->name_len),
						   CLIENT_TEXT("sqlstate", failure->sqlstate),
						   CLIENT_TEXT("reason", failure->message));

		/*
		 * whatever it was, a lost race for a name too: the next try sees what
		 * there is
		 */
		return KAFKA_LEADER_NOT_AVAILABLE;
	}
	return binary_int32(result, 0, 0, 0) ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static void
on_created(void *arg, PGresult *result, const ClientFailure *failure)
{
	AutoCreate *creation = arg;
	AutoCreate **link = &creation->pool->creations;
	int16_t		error = error_of(creation, result, failure);

	PQclear(result);
	while (*link != creation)
		link = &(*link)->next;
	*link = creation->next;
	/* the server tells it, too, but some moments later */
	if (error == KAFKA_NONE)
		topics_invalidate(creation->pool->topics);
	while (creation->waiters != NULL)
	{
		Waiter	   *w = creation->waiters;

		creation->waiters = w->next;
		w->fn(w->arg, error);
		free(w);
	}
	free(creation->name);
	free(creation);
}

static void
begin(AutoCreate *creation)
{
	Pool	   *pool = creation->pool;
	ClientParams params = {0};

	kafka_put_int32(creation->partitions, (int32_t) settings.default_partitions);
	kafka_put_int32(creation->value_type, settings.default_value_type == VALUE_JSON ? BINARY_JSON :
					settings.default_value_type == VALUE_TEXT ? BINARY_TEXT : BINARY_BYTEA);
	client_params_add(&params, creation->name, creation->name_len);
	topics_add_schemas(pool->topics, &params);
	client_params_add(&params, creation->partitions, sizeof(creation->partitions));
	client_params_add(&params, creation->value_type, sizeof(creation->value_type));
	pool_call(pool, &create_statement, &params, on_created, creation);
}

void
auto_create(Pool *pool, KafkaString name, AutoCreateFn fn, void *arg)
{
	AutoCreate *creation = pool->creations;
	Waiter	   *w = client_alloc(sizeof(Waiter));

	w->fn = fn;
	w->arg = arg;
	while (creation != NULL &&
		   (creation->name_len != name.len || memcmp(creation->name, name.data, name.len) != 0))
		creation = creation->next;
	if (creation != NULL)
	{
		w->next = creation->waiters;
		creation->waiters = w;
		return;
	}
	creation = client_alloc(sizeof(AutoCreate));
	creation->pool = pool;
	creation->name = client_alloc((size_t) name.len);
	memcpy(creation->name, name.data, name.len);
	creation->name_len = name.len;
	creation->waiters = w;
	creation->next = pool->creations;
	pool->creations = creation;
	begin(creation);
}

void
auto_create_forget(Pool *pool)
{
	while (pool->creations != NULL)
	{
		AutoCreate *creation = pool->creations;

		pool->creations = creation->next;
		while (creation->waiters != NULL)
		{
			Waiter	   *w = creation->waiters;

			creation->waiters = w->next;
			free(w);
		}
		free(creation->name);
		free(creation);
	}
}
