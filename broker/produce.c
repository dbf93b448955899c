/*-------------------------------------------------------------------------
 *
 * produce.c
 *	  Produce: batches of many clients in one transaction.
 *
 * Batches of a partition stand in a lane, in the order they arrived, and a lane
 * is in one call at a time.  A call takes what stands in all lanes that are not
 * in one, of whichever client: while it runs, the next ones collect.  So small
 * batches share the commit and its flush without waiting for each other, and
 * the order in a partition is that of arrival.
 *
 * IDENTIFICATION
 *	  broker/produce.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "broker/binary.h"
#include "broker/errors.h"
#include "broker/locked.h"
#include "broker/handlers.h"
#include "broker/produce.h"
#include "broker/settings.h"
#include "broker/topics.h"
#include "client/log.h"
#include "client/memory.h"

#define CALL_BYTES		(16 << 20)	/* a call takes no further batch beyond
									 * this */
#define CALL_BATCHES	1000
#define N_BUCKETS		1024
#define LOCKED			"55P03"

/* Of a batch: the low byte of its attributes, and what they say of a codec. */
#define BATCH_CODEC_AT	22
#define BATCH_CODEC		0x07
#define BATCH_ZSTD		4
#define ZSTD_SINCE		7		/* version of Produce (KIP-110) */

typedef struct Produce
{
	Request    *request;
	ProduceResponse response;
	int16_t		acks;
	int			n_left;			/* batches that have no result yet */
	bool		unknown;		/* of one of them nobody knows what became of
								 * it */
} Produce;

typedef struct Batch
{
	Produce    *produce;
	PartitionProduceResponse *response;
	KafkaUuid	topic_id;
	KafkaBytes	records;
	int64_t		deadline;		/* until when it waits for a lock */
	bool		alone;			/* a call with others has failed */
	struct Batch *next;
} Batch;

typedef struct Lane
{
	Oid			relid;
	int32_t		partition;
	Batch	   *first;
	Batch	   *last;
	bool		busy;			/* in a call, or held */
	bool		held;			/* somebody has locked the partition */
	int			pause;			/* ms that it was held last; 0: it was not */
	int64_t		ready_at;		/* while it is held */
	struct Lane *next_in_bucket;
	struct Lane *next_ready;
} Lane;

/* One batch of a call. */
typedef struct Sent
{
	Batch	   *batch;
	Lane	   *lane;
} Sent;

typedef struct ProduceCall
{
	ProduceQueue *queue;
	int			n;
	Sent	   *sent;
	KafkaArena	arena;			/* of the parameters */
} ProduceCall;

struct ProduceQueue
{
	Pool	   *pool;
	Lane	   *buckets[N_BUCKETS];
	Lane	   *first_ready;	/* lanes with batches that are in no call */
	Lane	   *last_ready;
	Lane	   *first_held;
	ClientTimer timer;			/* when they are ready again */
};

static const Oid append_types[] = {
	BINARY_UUID_ARRAY, BINARY_INT4_ARRAY, BINARY_BYTEA_ARRAY, BINARY_TEXT
};
static const ClientStatement append_statement = {
	"broker_append",
	"SELECT sqlstate, base_offset, log_start, message, bad_records"
	" FROM _eventlog.broker_append($1, $2, $3, $4)",
	4, append_types
};

static void on_held_timer(void *arg);

ProduceQueue *
produce_queue_new(Pool *pool)
{
	ProduceQueue *queue = client_alloc(sizeof(ProduceQueue));

	queue->pool = pool;
	queue->timer.fn = on_held_timer;
	queue->timer.arg = queue;
	return queue;
}

/*
 * Lanes
 */
static Lane **
lane_link(ProduceQueue *queue, Oid relid, int32_t partition)
{
	Lane	  **link = &queue->buckets[(relid * 31 + (uint32_t) partition) % N_BUCKETS];

	while (*link != NULL && ((*link)->relid != relid || (*link)->partition != partition))
		link = &(*link)->next_in_bucket;
	return link;
}

static void
lane_ready(ProduceQueue *queue, Lane *lane)
{
	lane->next_ready = NULL;
	if (queue->first_ready == NULL)
		queue->first_ready = lane;
	else
		queue->last_ready->next_ready = lane;
	queue->last_ready = lane;
}

static void
lane_put(ProduceQueue *queue, Oid relid, int32_t partition, Batch *batch)
{
	Lane	  **link = lane_link(queue, relid, partition);
	Lane	   *lane = *link;

	if (lane == NULL)
	{
		lane = *link = client_alloc(sizeof(Lane));
		lane->relid = relid;
		lane->partition = partition;
	}
	if (lane->first != NULL)
		lane->last->next = batch;
	else
	{
		lane->first = batch;
		if (!lane->busy)
			lane_ready(queue, lane);
	}
	lane->last = batch;
}

/* Its batches are tried again in a moment. */
static void
lane_hold(ProduceQueue *queue, Lane *lane)
{
	ClientLoop *loop = queue->pool->loop;

	lane->pause = locked_next_pause(lane->pause);
	lane->ready_at = client_loop_now(loop) + lane->pause;
	lane->next_ready = queue->first_held;
	queue->first_held = lane;
	if (queue->timer.place == 0)
		client_timer_start_coarse(loop, &queue->timer, client_loop_now(loop) + LOCKED_PAUSE);
}

static void
on_held_timer(void *arg)
{
	ProduceQueue *queue = arg;
	ClientLoop *loop = queue->pool->loop;
	Lane	  **link = &queue->first_held;

	while (*link != NULL)
	{
		Lane	   *lane = *link;

		if (client_loop_now(loop) < lane->ready_at)
		{
			link = &lane->next_ready;
			continue;
		}
		*link = lane->next_ready;
		lane->held = lane->busy = false;
		lane_ready(queue, lane);
	}
	if (queue->first_held != NULL)
		client_timer_start_coarse(loop, &queue->timer, client_loop_now(loop) + LOCKED_PAUSE);
	produce_start(queue);
}

/* The call that the lane was in has ended. */
static void
lane_release(ProduceQueue *queue, Lane *lane)
{
	if (lane->held)
	{
		lane_hold(queue, lane);
		return;
	}
	lane->busy = false;
	lane->pause = 0;
	if (lane->first != NULL)
		lane_ready(queue, lane);
	else
	{
		*lane_link(queue, lane->relid, lane->partition) = lane->next_in_bucket;
		free(lane);
	}
}

/*
 * Answers
 */
static void
produce_done(Produce *p)
{
	Request    *request = p->request;

	if (request->connection == NULL)
		request_free(request);
	else if (p->acks == 0)
	{
		bool		failed = p->unknown;

		/*
		 * without an answer, the end of the connection is what tells of an
		 * error
		 */
		for (int i = 0; i < p->response.responses.n; i++)
		{
			for (int j = 0; j < p->response.responses.items[i].partition_responses.n; j++)
				failed |= p->response.responses.items[i].partition_responses.items[j].error_code != 0;
		}
		if (failed)
			request_close(request, "a batch sent with acks=0 was refused");
		else
			request_leave_unanswered(request);
	}
	else if (p->unknown)
		request_close(request, "PostgreSQL was lost while it committed");
	else
		request_answer(request, &p->response);
}

static void
batch_done(Batch *batch)
{
	Produce    *p = batch->produce;

	if (--p->n_left == 0)
		produce_done(p);
}

/* What stands in lanes yet is of clients that have gone. */
void
produce_queue_free(ProduceQueue *queue)
{
	client_timer_stop(queue->pool->loop, &queue->timer);
	for (int i = 0; i < N_BUCKETS; i++)
	{
		while (queue->buckets[i] != NULL)
		{
			Lane	   *lane = queue->buckets[i];

			queue->buckets[i] = lane->next_in_bucket;
			while (lane->first != NULL)
			{
				Batch	   *batch = lane->first;

				lane->first = batch->next;
				batch_done(batch);
			}
			free(lane);
		}
	}
	free(queue);
}

/* A copy in the request's memory; none if that is full. */
static KafkaString
copy_text(KafkaArena *arena, const char *text, int len)
{
	KafkaString copy = {NULL, -1};
	char	   *data = text !=NULL ? kafka_arena_alloc(arena, (size_t) len + 1) : NULL;

	if (data != NULL)
	{
		memcpy(data, text, len);
		copy.data = data;
		copy.len = len;
	}
	return copy;
}

/* One row of the result. */
static void
batch_result(Batch *batch, const PGresult *result, int row)
{
	PartitionProduceResponse *to = batch->response;
	KafkaArena *arena = &batch->produce->request->arena;

	to->error_code = PQgetisnull(result, row, 0) ? KAFKA_NONE :
		kafka_error_of_sqlstate(PQgetvalue(result, row, 0));
	to->base_offset = binary_int64(result, row, 1, -1);
	to->log_start_offset = binary_int64(result, row, 2, -1);
	if (to->error_code != KAFKA_NONE)
	{
		const char *items;
		int			n = binary_int32_array(result, row, 4, &items);

		to->base_offset = -1;
		to->error_message = copy_text(arena, PQgetvalue(result, row, 3), PQgetlength(result, row, 3));
		if (n > 0 && KAFKA_NEW_ITEMS(arena, &to->record_errors, BatchIndexAndErrorMessage, n))
		{
			for (int i = 0; i < n; i++)
			{
				to->record_errors.items[i].batch_index = binary_array_item(items, i);
				to->record_errors.items[i].batch_index_error_message = to->error_message;
			}
		}
	}
}

static void
batch_failure(Batch *batch, const ClientFailure *failure)
{
	PartitionProduceResponse *to = batch->response;

	if (failure->outcome_unknown)
		batch->produce->unknown = true;
	to->error_code = kafka_error_of_sqlstate(failure->sqlstate);
	to->error_message = copy_text(&batch->produce->request->arena, failure->message,
								  (int) strlen(failure->message));
}

/*
 * Calls
 */

/* The batch stands first in its lane again. */
static void
put_back(Sent *sent)
{
	Lane	   *lane = sent->lane;
	Batch	   *batch = sent->batch;

	batch->next = lane->first;
	if (lane->first == NULL)
		lane->last = batch;
	lane->first = batch;
	sent->batch = NULL;
}

/*
 * A call with several batches has failed for good by one of them: each goes by
 * itself now, in the same order.
 */
static void
put_all_back(ProduceCall *call)
{
	for (int i = call->n - 1; i >= 0; i--)
	{
		call->sent[i].batch->alone = true;
		put_back(&call->sent[i]);
	}
}

/*
 * Batches of partitions that somebody has locked wait here, not in a session, which
 * others need; all of a lane, or else they would change places.
 */
static void
hold_locked(ProduceCall *call, const PGresult *result)
{
	int64_t		now = client_loop_now(call->queue->pool->loop);

	for (int i = call->n - 1; i >= 0; i--)
	{
		Sent	   *sent = &call->sent[i];

		if (!PQgetisnull(result, i, 0) && strcmp(PQgetvalue(result, i, 0), LOCKED) == 0 &&
			now < sent->batch->deadline)
		{
			sent->lane->held = true;
			put_back(sent);
		}
	}
}

static void
on_appended(void *arg, PGresult *result, const ClientFailure *failure)
{
	ProduceCall *call = arg;
	ProduceQueue *queue = call->queue;
	bool		again = failure != NULL && failure->action != CLIENT_RETRY &&
		!failure->outcome_unknown && call->n > 1;

	if (failure != NULL)
		client_log_limited(CLIENT_WARNING, "batches were not appended",
						   CLIENT_INT("batches", call->n),
						   CLIENT_TEXT("sqlstate", failure->sqlstate),
						   CLIENT_TEXT("reason", failure->message));
	if (again)
		put_all_back(call);
	else if (failure == NULL)
		hold_locked(call, result);
	for (int i = 0; i < call->n; i++)
	{
		Batch	   *batch = call->sent[i].batch;

		if (batch == NULL)
			continue;
		if (failure != NULL)
			batch_failure(batch, failure);
		else
			batch_result(batch, result, i);
	}
	for (int i = 0; i < call->n; i++)
	{
		/* its batches stand together */
		if (i + 1 == call->n || call->sent[i + 1].lane != call->sent[i].lane)
			lane_release(queue, call->sent[i].lane);
	}
	/* answers last: they may bring new requests */
	for (int i = 0; i < call->n; i++)
	{
		if (call->sent[i].batch != NULL)
			batch_done(call->sent[i].batch);
	}
	PQclear(result);
	kafka_arena_free(&call->arena);
	free(call->sent);
	free(call);
}

/* Take batches of the lanes that are ready; each lane's as they stand. */
static ProduceCall *
collect(ProduceQueue *queue, size_t *bytes)
{
	ProduceCall *call = client_alloc(sizeof(ProduceCall));
	int			capacity = 16;

	call->queue = queue;
	call->sent = client_alloc(capacity * sizeof(Sent));
	*bytes = 0;
	while (queue->first_ready != NULL && call->n < CALL_BATCHES && *bytes < CALL_BYTES)
	{
		Lane	   *lane = queue->first_ready;

		if (lane->first->alone && call->n > 0)
			break;
		queue->first_ready = lane->next_ready;
		lane->busy = true;
		while (lane->first != NULL && call->n < CALL_BATCHES && *bytes < CALL_BYTES)
		{
			Batch	   *batch = lane->first;

			if (batch->alone && call->n > 0)
				break;
			if (call->n == capacity)
				call->sent = client_realloc(call->sent, (capacity *= 2) * sizeof(Sent));
			call->sent[call->n].batch = batch;
			call->sent[call->n++].lane = lane;
			*bytes += batch->records.len;
			lane->first = batch->next;
			batch->next = NULL;
			if (batch->alone)
				return call;
		}
	}
	return call;
}

/* As durable as the strictest of its batches asks for: NULL is as the server is configured. */
static const char *
durability(const ProduceCall *call)
{
	const char *result = "off";

	for (int i = 0; i < call->n; i++)
	{
		int16_t		acks = call->sent[i].batch->produce->acks;

		if (acks < 0)
			return NULL;
		if (acks > 0)
			result = "local";
	}
	return result;
}

void
produce_start(ProduceQueue *queue)
{
	while (queue->first_ready != NULL && pool_has_free_session(queue->pool))
	{
		size_t		bytes;
		ProduceCall *call = collect(queue, &bytes);
		BinaryArray ids,
					partitions,
					batches;
		ClientParams params = {0};
		const char *commit;

		kafka_arena_init(&call->arena, SIZE_MAX);
		if (!binary_array_begin(&ids, &call->arena, BINARY_UUID, call->n, (size_t) call->n * 16) ||
			!binary_array_begin(&partitions, &call->arena, BINARY_INT4, call->n, (size_t) call->n * 4) ||
			!binary_array_begin(&batches, &call->arena, BINARY_BYTEA, call->n, bytes))
		{
			const ClientFailure failure = {
				.action = CLIENT_RETRY,.sqlstate = "53200",.message = "out of memory"
			};

			on_appended(call, NULL, &failure);
			continue;
		}
		for (int i = 0; i < call->n; i++)
		{
			const Batch *batch = call->sent[i].batch;

			binary_array_put(&ids, batch->topic_id.bytes, sizeof(batch->topic_id.bytes));
			binary_array_put_int32(&partitions, call->sent[i].lane->partition);
			binary_array_put(&batches, batch->records.data, batch->records.len);
		}
		commit = durability(call);
		client_params_add(&params, ids.data, ids.len);
		client_params_add(&params, partitions.data, partitions.len);
		client_params_add(&params, batches.data, batches.len);
		client_params_add(&params, commit, commit != NULL ? (int) strlen(commit) : 0);
		pool_call(queue->pool, &append_statement, &params, on_appended, call);
	}
}

/*
 * Requests
 */

static bool
is_zstd(KafkaBytes records)
{
	return records.len > BATCH_CODEC_AT && (records.data[BATCH_CODEC_AT] & BATCH_CODEC) == BATCH_ZSTD;
}

/* A partition of the request; false: no memory. */
static bool
take_partition(Produce *p, const Topic *topic, int16_t error,
			   const PartitionProduceData *from, PartitionProduceResponse *to)
{
	Batch	   *batch;

	to->index = from->index;
	to->base_offset = -1;
	to->log_start_offset = -1;
	if (error == KAFKA_NONE)
		error = topic_check_partition(topic, from->index, -1);
	if (error == KAFKA_NONE && from->records.len <= 0)
		error = KAFKA_INVALID_RECORD;
	if (error == KAFKA_NONE && p->request->header.request_api_version < ZSTD_SINCE && is_zstd(from->records))
		error = KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
	to->error_code = error;
	if (error != KAFKA_NONE)
		return true;
	batch = kafka_arena_alloc(&p->request->arena, sizeof(Batch));
	if (batch == NULL)
		return false;
	batch->produce = p;
	batch->response = to;
	batch->topic_id = topic->id;
	batch->records = from->records;
	batch->deadline = client_loop_now(p->request->pool->loop) + settings.request_timeout;
	p->n_left++;
	lane_put(p->request->pool->produce, topic->relid, from->index, batch);
	return true;
}

/* All partitions of the request; false: no memory. */
static bool
take_partitions(Produce *p, const ClientFailure *failure)
{
	const ProduceRequest *body = p->request->body;
	int16_t		refused = body->acks < -1 || body->acks > 1 ? KAFKA_INVALID_REQUIRED_ACKS :
		body->transactional_id.len >= 0 ? KAFKA_INVALID_REQUEST : KAFKA_NONE;
	KafkaArena *arena = &p->request->arena;

	if (!KAFKA_NEW_ITEMS(arena, &p->response.responses, TopicProduceResponse, body->topic_data.n))
		return false;
	for (int i = 0; i < body->topic_data.n; i++)
	{
		const TopicProduceData *from = &body->topic_data.items[i];
		TopicProduceResponse *to = &p->response.responses.items[i];
		const Topic *topic = NULL;
		int16_t		error = refused;

		to->name = from->name;
		if (error == KAFKA_NONE)
			topic = topics_find(p->request->pool->topics, failure, from->name, NULL, TOPIC_WRITE, &error);
		if (!KAFKA_NEW_ITEMS(arena, &to->partition_responses, PartitionProduceResponse, from->partition_data.n))
			return false;
		for (int j = 0; j < from->partition_data.n; j++)
		{
			if (!take_partition(p, topic, error, &from->partition_data.items[j],
								&to->partition_responses.items[j]))
				return false;
		}
	}
	return true;
}

static void
on_topics(void *arg, const ClientFailure *failure)
{
	Produce    *p = arg;

	p->n_left = 1;				/* ours, until all are taken */

	/*
	 * without memory, what stands in lanes already is appended; the client
	 * does not hear of it
	 */
	if (!take_partitions(p, failure))
		p->unknown = true;
	produce_start(p->request->pool->produce);
	if (--p->n_left == 0)
		produce_done(p);
}

void
handle_produce(Request *request)
{
	Produce    *p = kafka_arena_alloc(&request->arena, sizeof(Produce));

	if (p == NULL)
	{
		request_close(request, "out of memory");
		return;
	}
	p->request = request;
	p->acks = ((const ProduceRequest *) request->body)->acks;
	kafka_set_defaults(&KAFKA_TYPE(ProduceResponse), &p->response);
	request->abandon = request_keep;
	topics_when_ready(request->pool->topics, on_topics, p);
}
