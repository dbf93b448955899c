/*-------------------------------------------------------------------------
 *
 * list_offsets.c
 *	  ListOffsets and OffsetForLeaderEpoch: where times and leader epochs are.
 *
 * IDENTIFICATION
 *	  broker/list_offsets.c
 *
 *-------------------------------------------------------------------------
 */
#include "broker/binary.h"
#include "broker/errors.h"
#include "broker/handlers.h"
#include "broker/topics.h"

/* Times that are none, and the version that brought them (KIP-79, -734, -405). */
#define LATEST			(-1)
#define EARLIEST		(-2)
#define MAX_TIMESTAMP	(-3)
#define EARLIEST_LOCAL	(-4)

/* What is asked of the server, in the order of its answer. */
typedef struct Question
{
	const Topic *topic;
	int32_t		partition;
	int64_t		what;			/* a time, or an epoch */
	void	   *answer;			/* the partition's struct */
} Question;

typedef struct Questions
{
	Request    *request;
	int			n;
	Question   *items;
	union
	{
		ListOffsetsResponse offsets;
		OffsetForLeaderEpochResponse epochs;
	}			response;
} Questions;

static const Oid list_types[] = {BINARY_UUID_ARRAY, BINARY_INT4_ARRAY, BINARY_INT8_ARRAY};
static const ClientStatement list_statement = {
	"broker_list_offsets",
	"SELECT sqlstate, event_time, event_offset, leader_epoch"
	" FROM _eventlog.broker_list_offsets($1, $2, $3)",
	3, list_types
};

static const Oid epoch_types[] = {BINARY_UUID_ARRAY, BINARY_INT4_ARRAY, BINARY_INT4_ARRAY};
static const ClientStatement epoch_statement = {
	"broker_epoch_end",
	"SELECT sqlstate, leader_epoch, end_offset"
	" FROM _eventlog.broker_epoch_end($1, $2, $3)",
	3, epoch_types
};

/* Asks the server all of it; the answer comes to fn. */
static void
ask(Questions *q, const ClientStatement *statement, bool wide, ClientResultFn fn)
{
	KafkaArena *arena = &q->request->arena;
	BinaryArray ids,
				partitions,
				whats;
	ClientParams params = {0};

	if (q->n == 0)
	{
		request_answer(q->request, &q->response);
		return;
	}
	if (!binary_array_begin(&ids, arena, BINARY_UUID, q->n, (size_t) q->n * 16) ||
		!binary_array_begin(&partitions, arena, BINARY_INT4, q->n, (size_t) q->n * 4) ||
		!binary_array_begin(&whats, arena, wide ? BINARY_INT8 : BINARY_INT4, q->n, (size_t) q->n * (wide ? 8 : 4)))
	{
		request_close(q->request, "out of memory");
		return;
	}
	for (int i = 0; i < q->n; i++)
	{
		binary_array_put(&ids, q->items[i].topic->id.bytes, sizeof(q->items[i].topic->id.bytes));
		binary_array_put_int32(&partitions, q->items[i].partition);
		if (wide)
			binary_array_put_int64(&whats, q->items[i].what);
		else
			binary_array_put_int32(&whats, (int32_t) q->items[i].what);
	}
	client_params_add(&params, ids.data, ids.len);
	client_params_add(&params, partitions.data, partitions.len);
	client_params_add(&params, whats.data, whats.len);
	pool_call(q->request->pool, statement, &params, fn, q);
}

static int16_t
row_error(const PGresult *result, int row, const ClientFailure *failure)
{
	if (failure != NULL)
		return kafka_error_of_sqlstate(failure->sqlstate);
	return PQgetisnull(result, row, 0) ? KAFKA_NONE :
		kafka_error_of_sqlstate(PQgetvalue(result, row, 0));
}

/* False: no memory. */
static bool
questions_init(Questions *q, int n)
{
	q->items = kafka_arena_alloc_array(&q->request->arena, n, sizeof(Question));
	return q->items != NULL || n == 0;
}

static void
add_question(Questions *q, const Topic *topic, int32_t partition, int64_t what, void *answer)
{
	Question   *item = &q->items[q->n++];

	item->topic = topic;
	item->partition = partition;
	item->what = what;
	item->answer = answer;
}

/*
 * ListOffsets
 */
static bool
is_known_time(int64_t time, int16_t version)
{
	return time >= EARLIEST ||
		(time == MAX_TIMESTAMP && version >= 7) ||
		(time == EARLIEST_LOCAL && version >= 8);
}

static void
on_offsets(void *arg, PGresult *result, const ClientFailure *failure)
{
	Questions  *q = arg;
	Request    *request = q->request;

	if (request->connection == NULL)
	{
		PQclear(result);
		request_free(request);
		return;
	}
	for (int i = 0; i < q->n; i++)
	{
		ListOffsetsPartitionResponse *to = q->items[i].answer;

		to->error_code = row_error(result, i, failure);
		if (to->error_code != KAFKA_NONE)
			continue;
		to->timestamp = binary_int64(result, i, 1, -1);
		to->offset = binary_int64(result, i, 2, -1);
		to->leader_epoch = binary_int32(result, i, 3, -1);
		/* version 0 has a list, of segments; ours are one */
		to->old_style_offsets.items = kafka_arena_alloc(&request->arena, sizeof(int64_t));
		if (to->old_style_offsets.items != NULL && to->offset >= 0)
		{
			to->old_style_offsets.n = 1;
			to->old_style_offsets.items[0] = to->offset;
		}
	}
	PQclear(result);
	request_answer(request, &q->response.offsets);
}

static bool
begin_list_offsets(Questions *q, const ClientFailure *failure)
{
	Request    *request = q->request;
	const ListOffsetsRequest *body = request->body;
	ListOffsetsResponse *response = &q->response.offsets;
	int			n = 0;

	kafka_set_defaults(&KAFKA_TYPE(ListOffsetsResponse), response);
	for (int i = 0; i < body->topics.n; i++)
		n += body->topics.items[i].partitions.n;
	if (!questions_init(q, n) ||
		!KAFKA_NEW_ITEMS(&request->arena, &response->topics, ListOffsetsTopicResponse, body->topics.n))
		return false;
	for (int i = 0; i < body->topics.n; i++)
	{
		const ListOffsetsTopic *from = &body->topics.items[i];
		ListOffsetsTopicResponse *to = &response->topics.items[i];
		const Topic *topic;
		int16_t		error;

		to->name = from->name;
		topic = topics_find(request->pool->topics, failure, from->name, NULL, TOPIC_READ, &error);
		if (!KAFKA_NEW_ITEMS(&request->arena, &to->partitions, ListOffsetsPartitionResponse, from->partitions.n))
			return false;
		for (int j = 0; j < from->partitions.n; j++)
		{
			const ListOffsetsPartition *asked = &from->partitions.items[j];
			ListOffsetsPartitionResponse *answer = &to->partitions.items[j];

			answer->partition_index = asked->partition_index;
			answer->error_code = error;
			if (answer->error_code == KAFKA_NONE)
				answer->error_code = topic_check_partition(topic, asked->partition_index, asked->current_leader_epoch);
			if (answer->error_code == KAFKA_NONE &&
				!is_known_time(asked->timestamp, request->header.request_api_version))
				answer->error_code = KAFKA_UNSUPPORTED_VERSION;
			if (answer->error_code == KAFKA_NONE)
				add_question(q, topic, asked->partition_index, asked->timestamp, answer);
		}
	}
	return true;
}

static void
list_offsets_on_topics(void *arg, const ClientFailure *failure)
{
	Questions  *q = arg;

	if (q->request->connection == NULL)
		request_free(q->request);
	else if (!begin_list_offsets(q, failure))
		request_close(q->request, "out of memory");
	else
		ask(q, &list_statement, true, on_offsets);
}

/*
 * OffsetForLeaderEpoch
 */
static void
on_epochs(void *arg, PGresult *result, const ClientFailure *failure)
{
	Questions  *q = arg;
	Request    *request = q->request;

	if (request->connection == NULL)
	{
		PQclear(result);
		request_free(request);
		return;
	}
	for (int i = 0; i < q->n; i++)
	{
		EpochEndOffset *to = q->items[i].answer;

		to->error_code = row_error(result, i, failure);
		if (to->error_code != KAFKA_NONE)
			continue;
		to->leader_epoch = binary_int32(result, i, 1, -1);
		to->end_offset = binary_int64(result, i, 2, -1);
	}
	PQclear(result);
	request_answer(request, &q->response.epochs);
}

static bool
begin_epochs(Questions *q, const ClientFailure *failure)
{
	Request    *request = q->request;
	const OffsetForLeaderEpochRequest *body = request->body;
	OffsetForLeaderEpochResponse *response = &q->response.epochs;
	int			n = 0;

	kafka_set_defaults(&KAFKA_TYPE(OffsetForLeaderEpochResponse), response);
	for (int i = 0; i < body->topics.n; i++)
		n += body->topics.items[i].partitions.n;
	if (!questions_init(q, n) ||
		!KAFKA_NEW_ITEMS(&request->arena, &response->topics, OffsetForLeaderTopicResult, body->topics.n))
		return false;
	for (int i = 0; i < body->topics.n; i++)
	{
		const OffsetForLeaderTopic *from = &body->topics.items[i];
		OffsetForLeaderTopicResult *to = &response->topics.items[i];
		const Topic *topic;
		int16_t		error;

		to->topic = from->topic;
		topic = topics_find(request->pool->topics, failure, from->topic, NULL, TOPIC_READ, &error);
		if (!KAFKA_NEW_ITEMS(&request->arena, &to->partitions, EpochEndOffset, from->partitions.n))
			return false;
		for (int j = 0; j < from->partitions.n; j++)
		{
			const OffsetForLeaderPartition *asked = &from->partitions.items[j];
			EpochEndOffset *answer = &to->partitions.items[j];

			answer->partition = asked->partition;
			answer->error_code = error;
			if (answer->error_code == KAFKA_NONE)
				answer->error_code = topic_check_partition(topic, asked->partition, asked->current_leader_epoch);
			if (answer->error_code == KAFKA_NONE)
				add_question(q, topic, asked->partition, asked->leader_epoch, answer);
		}
	}
	return true;
}

static void
epochs_on_topics(void *arg, const ClientFailure *failure)
{
	Questions  *q = arg;

	if (q->request->connection == NULL)
		request_free(q->request);
	else if (!begin_epochs(q, failure))
		request_close(q->request, "out of memory");
	else
		ask(q, &epoch_statement, false, on_epochs);
}

static void
handle(Request *request, TopicsFn fn)
{
	Questions  *q = kafka_arena_alloc(&request->arena, sizeof(Questions));

	if (q == NULL)
	{
		request_close(request, "out of memory");
		return;
	}
	q->request = request;
	request->abandon = request_keep;
	topics_when_ready(request->pool->topics, fn, q);
}

void
handle_list_offsets(Request *request)
{
	handle(request, list_offsets_on_topics);
}

void
handle_offset_for_leader_epoch(Request *request)
{
	handle(request, epochs_on_topics);
}
