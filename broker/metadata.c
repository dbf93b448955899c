/*-------------------------------------------------------------------------
 *
 * metadata.c
 *	  Metadata: which topics there are, and where.
 *
 * This broker is the leader of every partition, and the only replica: what
 * replicates the log is PostgreSQL.
 *
 * IDENTIFICATION
 *	  broker/metadata.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "broker/auto_create.h"
#include "broker/binary.h"
#include "broker/cluster.h"
#include "broker/errors.h"
#include "broker/handlers.h"
#include "broker/settings.h"
#include "broker/topics.h"

/* A request for which topics are created, one after the other. */
typedef struct Creation
{
	Request    *request;
	int			next;			/* of those that were asked for */
	int16_t    *errors;			/* of each, where there was one to be created */
	int64_t		deadline;		/* no further one is begun then */
} Creation;

#define NOT_ASKED	INT32_MIN	/* for authorized operations */
#define ARENA_SLACK	64			/* that an array of partitions may take beside
								 * its items */

/* Kafka's rule: org.apache.kafka.common.internals.Topic.validate(). */
static bool
is_topic_name(KafkaString name)
{
	if (name.len < 1 || name.len > 249 ||
		(name.len == 1 && name.data[0] == '.') ||
		(name.len == 2 && memcmp(name.data, "..", 2) == 0))
		return false;
	for (int i = 0; i < name.len; i++)
	{
		char		ch = name.data[i];

		if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
			  ch == '.' || ch == '_' || ch == '-'))
			return false;
	}
	return true;
}

/* False: no memory. */
static bool
describe_topic(Request *request, MetadataResponseTopic *to, const Topic *topic, KafkaInt32Array nodes)
{
	const MetadataRequest *body = request->body;

	to->name = topic->name;
	to->topic_id = topic->id;
	to->topic_authorized_operations = body->include_topic_authorized_operations ?
		topic->operations : NOT_ASKED;
	if (!KAFKA_NEW_ITEMS(&request->arena, &to->partitions, MetadataResponsePartition, topic->n_partitions))
		return false;
	for (int32_t i = 0; i < topic->n_partitions; i++)
	{
		MetadataResponsePartition *p = &to->partitions.items[i];

		p->partition_index = i;
		p->leader_id = (int32_t) settings.node_id;
		p->leader_epoch = binary_array_item(topic->epochs, i);
		p->replica_nodes = nodes;
		p->isr_nodes = nodes;
	}
	return true;
}

static bool
has_id(const MetadataRequestTopic *asked)
{
	static const KafkaUuid none;

	return memcmp(&asked->topic_id, &none, sizeof(none)) != 0;
}

/*
 * From version 10 on there is a place for an id, or a name that is null, but only
 * from 12 on a meaning.
 */
static bool
can_be_asked(const Request *request)
{
	const MetadataRequest *body = request->body;

	for (int i = 0; i < body->topics.n && request->header.request_api_version < 12; i++)
	{
		if (body->topics.items[i].name.len < 0 || has_id(&body->topics.items[i]))
			return false;
	}
	return true;
}

/* As Kafka, of nothing but the error.  False: no memory. */
static bool
refuse_topics(Request *request, MetadataResponse *response)
{
	const MetadataRequest *body = request->body;

	if (!KAFKA_NEW_ITEMS(&request->arena, &response->topics, MetadataResponseTopic, body->topics.n))
		return false;
	for (int i = 0; i < body->topics.n; i++)
	{
		MetadataResponseTopic *to = &response->topics.items[i];

		to->error_code = KAFKA_INVALID_REQUEST;
		if (body->topics.items[i].name.len >= 0)
			to->name = body->topics.items[i].name;
		to->topic_id = body->topics.items[i].topic_id;
	}
	return true;
}

/* errors: of topics that were not there, what became of creating them; NULL: it was not tried. */
static bool
list_topics(Request *request, MetadataResponse *response, KafkaInt32Array nodes, const int16_t *errors)
{
	const MetadataRequest *body = request->body;
	const TopicCache *cache = request->pool->topics;

	/* version 0 has no null: there an empty list is all topics */
	bool		all = body->topics.n < 0 ||
		(body->topics.n == 0 && request->header.request_api_version == 0);
	int			n = all ? topics_count(cache) : body->topics.n;

	if (!KAFKA_NEW_ITEMS(&request->arena, &response->topics, MetadataResponseTopic, n))
		return false;
	for (int i = 0; i < n; i++)
	{
		MetadataResponseTopic *to = &response->topics.items[i];
		const Topic *topic;

		if (all)
			topic = topics_get(cache, i);
		else
		{
			const MetadataRequestTopic *asked = &body->topics.items[i];
			bool		with_id = asked->name.len < 0 || has_id(asked);

			/* an id decides, whatever name is beside it */
			if (!with_id)
				to->name = asked->name;
			else
				to->name.len = -1;
			to->topic_id = asked->topic_id;
			to->topic_authorized_operations = NOT_ASKED;
			if (!with_id && !is_topic_name(asked->name))
			{
				to->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
				continue;
			}
			topic = topics_find(cache, NULL, asked->name, with_id ? &asked->topic_id : NULL, ~0,
								&to->error_code);
			if (topic == NULL)
			{
				/* one is there, but not for this role */
				if (errors != NULL && !with_id)
					to->error_code = errors[i] != KAFKA_NONE ? errors[i] : KAFKA_TOPIC_AUTHORIZATION_FAILED;
				continue;
			}
			to->error_code = KAFKA_NONE;
		}
		if (!describe_topic(request, to, topic, nodes))
			return false;
	}
	return true;
}

static void
answer(Request *request, const int16_t *errors)
{
	const TopicCache *cache = request->pool->topics;
	MetadataResponse response;
	KafkaInt32Array nodes;
	MetadataResponseBroker *broker;

	kafka_set_defaults(&KAFKA_TYPE(MetadataResponse), &response);
	if (!can_be_asked(request))
	{
		if (refuse_topics(request, &response))
			request_answer(request, &response);
		else
			request_close(request, "out of memory");
		return;
	}
	/* what there is to say does not depend on the size of the request */
	request->arena.limit += topics_count(cache) * sizeof(MetadataResponseTopic) +
		(size_t) topics_count_partitions(cache) * sizeof(MetadataResponsePartition) +
		(size_t) topics_count(cache) * ARENA_SLACK;
	nodes.n = 1;
	nodes.items = kafka_arena_alloc(&request->arena, sizeof(int32_t));
	if (nodes.items == NULL ||
		!KAFKA_NEW_ITEMS(&request->arena, &response.brokers, MetadataResponseBroker, 1))
	{
		request_close(request, "out of memory");
		return;
	}
	nodes.items[0] = (int32_t) settings.node_id;
	broker = response.brokers.items;
	broker->node_id = (int32_t) settings.node_id;
	broker->host.data = request->listener->host;
	broker->host.len = (int32_t) strlen(request->listener->host);
	broker->port = request->listener->port;
	response.controller_id = (int32_t) settings.node_id;
	response.cluster_id = cluster_id();
	response.cluster_authorized_operations = NOT_ASKED;
	if (!list_topics(request, &response, nodes, errors))
	{
		request_close(request, "the list of topics is too long for this request");
		return;
	}
	request_answer(request, &response);
}

/* False: there is nothing to answer any more, or the connection is closed. */
static bool
topics_are_there(Request *request, const ClientFailure *failure)
{
	if (request->connection == NULL)
		request_free(request);
	else if (failure != NULL)
	{
		/*
		 * the answer has no place for an error of its own; a client asks
		 * again
		 */
		request_close(request, "PostgreSQL cannot be asked for topics");
	}
	else
		return true;
	return false;
}

/* Is there to be a topic of this name, and is none? */
static bool
is_wanted(const Request *request, const MetadataRequestTopic *asked)
{
	int16_t		error;

	return asked->name.len >= 0 && !has_id(asked) && is_topic_name(asked->name) &&
		topics_find(request->pool->topics, NULL, asked->name, NULL, ~0, &error) == NULL;
}

static void
on_topics_again(void *arg, const ClientFailure *failure)
{
	Creation   *creation = arg;

	if (topics_are_there(creation->request, failure))
		answer(creation->request, creation->errors);
}

static void create_next(Creation *creation);

static void
on_created(void *arg, int16_t error)
{
	Creation   *creation = arg;

	creation->errors[creation->next++] = error;
	if (creation->request->connection == NULL)
		request_free(creation->request);
	else
		create_next(creation);
}

/*
 * The next topic that is to be created; or the answer.  A name that is asked for
 * twice is one that is there, for the server, when its turn comes again.
 */
static void
create_next(Creation *creation)
{
	Request    *request = creation->request;
	const MetadataRequest *body = request->body;

	for (; creation->next < body->topics.n; creation->next++)
	{
		const MetadataRequestTopic *asked = &body->topics.items[creation->next];

		creation->errors[creation->next] = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
		if (client_loop_now(request->pool->loop) < creation->deadline && is_wanted(request, asked))
		{
			auto_create(request->pool, asked->name, on_created, creation);
			return;
		}
	}
	topics_when_ready(request->pool->topics, on_topics_again, creation);
}

/* Topics that are not there are created.  False: there is nothing to create. */
static bool
create_topics(Request *request)
{
	const MetadataRequest *body = request->body;
	Creation   *creation;
	int			n_wanted = 0;

	if (!settings.auto_create_topics || !body->allow_auto_topic_creation)
		return false;
	for (int i = 0; i < body->topics.n; i++)
		n_wanted += is_wanted(request, &body->topics.items[i]);
	if (n_wanted == 0)
		return false;
	creation = kafka_arena_alloc(&request->arena, sizeof(Creation));
	if (creation == NULL)
		return false;
	creation->request = request;
	creation->errors = kafka_arena_alloc_array(&request->arena, body->topics.n, sizeof(int16_t));
	if (creation->errors == NULL)
		return false;
	creation->deadline = client_loop_now(request->pool->loop) + settings.request_timeout;
	create_next(creation);
	return true;
}

static void
on_topics(void *arg, const ClientFailure *failure)
{
	Request    *request = arg;

	if (topics_are_there(request, failure) && !create_topics(request))
		answer(request, NULL);
}

void
handle_metadata(Request *request)
{
	request->abandon = request_keep;
	topics_when_ready(request->pool->topics, on_topics, request);
}
