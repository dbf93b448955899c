/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  Fetch: record batches as they are stored, now or when there are some.
 *
 * A fetch asks the server for those of its partitions of which it is not known
 * that nothing is behind its offset, all in one call.  If that is not enough it
 * is parked until the server tells a change, or its time is over.
 *
 * Fetches of the same place share one read: one call, and one copy of its
 * result, which stays until it has been sent to all of them.
 *
 * IDENTIFICATION
 *	  broker/fetch.c
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/binary.h"
#include "broker/errors.h"
#include "broker/handlers.h"
#include "broker/partition.h"
#include "broker/protocol/bytes.h"
#include "broker/settings.h"
#include "broker/topics.h"
#include "broker/watch.h"
#include "client/log.h"
#include "client/memory.h"

/* An answer with nothing but errors is not given at once: clients ask again at once. */
#define ERROR_PAUSE		200

#define READ_COMMITTED	1		/* an isolation level; 0 is the other */

/* Epochs of sessions with which a request says all that it wants. */
#define SESSION_BEGINS	0
#define SESSION_ENDS	(-1)

/* Where in a batch what is: its length, which counts what is behind it, and attributes. */
#define BATCH_LENGTH_END	12
#define BATCH_ATTRIBUTES	21
#define BATCH_HEADER		61
#define CODEC_MASK			7
#define CODEC_ZSTD			4

#define ZSTD_SINCE			10	/* version of Fetch */

/* The result of a call, shared by its reads. */
typedef struct ReadCall
{
	PGresult   *result;
	KafkaPiece *pieces;			/* the records of each of its rows */
	int			n_reads;		/* that use it yet */
	int64_t		size;
	KafkaArena	arena;			/* of the parameters, while it runs */
	struct Read **reads;		/* what it reads */
	int			n_wanted;
} ReadCall;

/* One partition's part of it. */
typedef struct Read
{
	ReadCall   *call;
	Partition  *partition;
	Pool	   *pool;			/* as whom it reads */
	int64_t		offset;
	int32_t		limit;
	uint64_t	generation;		/* of the partition when the call began */
	int			users;
	bool		done;
	int16_t		error;
	int64_t		stable;
	int64_t		log_start;
	int64_t		log_end;
	KafkaBytes	records;
	struct Item *waiting;		/* until it is done */
	struct Read *next;			/* of the partition */
} Read;

/* One partition of a request. */
typedef struct Item
{
	struct Fetch *fetch;
	const FetchPartition *asked;
	FetchPartitionData *answer;
	KafkaUuid	topic_id;
	Partition  *partition;		/* NULL: there is an error */
	Read	   *read;			/* or NULL */
	struct Item *next_waiting;
	Parked		parked;
} Item;

typedef struct Fetch
{
	Request    *request;
	FetchResponse response;
	Item	   *items;
	int			n_items;
	int			n_reading;		/* reads that are waited for */
	int64_t		deadline;
	ClientTimer timer;
	bool		failed;			/* some partition has an error */
	bool		settled;		/* nothing changes the answer any more, which
								 * waits for its time */
	bool		alone;			/* shares no read */
	TopicsWatcher watcher;		/* while it is parked */
} Fetch;

static const Oid fetch_types[] = {
	BINARY_UUID_ARRAY, BINARY_INT4_ARRAY, BINARY_INT8_ARRAY, BINARY_INT4_ARRAY, BINARY_INT4
};
static const ClientStatement fetch_statement = {
	"broker_fetch",
	"SELECT (row).sqlstate, (row).stable, (row).log_start, (row).log_end, (row).records"
	" FROM (SELECT _eventlog.broker_fetch($1, $2, $3, $4, $5)) s (row)",
	5, fetch_types
};

static void fetch_try(Fetch *f);

/*
 * Reads
 */
static void
read_call_release(ReadCall *call)
{
	if (--call->n_reads > 0)
		return;
	PQclear(call->result);
	free(call->pieces);
	connection_memory(-call->size);
	kafka_arena_free(&call->arena);
	free(call->reads);
	free(call);
}

static void
read_release(void *arg)
{
	Read	   *read = arg;
	Read	  **link;

	assert(read->users > 0);
	if (--read->users > 0)
		return;
	for (link = &read->partition->reads; *link != read; link = &(*link)->next)
		;
	*link = read->next;
	partition_release(read->partition);
	read_call_release(read->call);
	free(read);
}

/* One that reads the same, or has read it and nothing has changed since. */
static Read *
find_read(const Item *item, int32_t limit)
{
	for (Read *read = item->partition->reads; read != NULL; read = read->next)
	{
		if (read->offset == item->asked->fetch_offset && read->limit == limit &&
			read->pool == item->fetch->request->pool &&
			read->generation == item->partition->generation && read->error == KAFKA_NONE)
			return read;
	}
	return NULL;
}

/* The item looks at the read, now or when it is done. */
static void
use_read(Item *item, Read *read)
{
	item->read = read;
	read->users++;
	if (read->done)
		return;
	item->next_waiting = read->waiting;
	read->waiting = item;
	item->fetch->n_reading++;
}

/*
 * The partition whose first row this is; those that go on with its records have nulls
 * but for these.  Returns the row behind them.
 */
static int
read_result(Read *read, const PGresult *result, int row)
{
	Partition  *p = read->partition;
	int			next = row;

	if (PQgetisnull(result, row, 0))
		read->error = KAFKA_NONE;
	else if (strcmp(PQgetvalue(result, row, 0), "22003") == 0)
		read->error = KAFKA_OFFSET_OUT_OF_RANGE;
	else
		read->error = kafka_error_of_sqlstate(PQgetvalue(result, row, 0));
	read->stable = binary_int64(result, row, 1, -1);
	read->log_start = binary_int64(result, row, 2, -1);
	read->log_end = binary_int64(result, row, 3, -1);
	read->records.pieces = &read->call->pieces[row];
	do
	{
		read->call->pieces[next].data = PQgetvalue(result, next, 4);
		read->call->pieces[next].len = PQgetlength(result, next, 4);
		read->records.len += read->call->pieces[next].len;
		next++;
	} while (next < PQntuples(result) && PQgetisnull(result, next, 0) && PQgetisnull(result, next, 1));
	if (read->error == KAFKA_NONE && read->generation == p->generation && watch_is_live())
	{
		p->known = true;
		p->stable = read->stable;
		p->log_start = read->log_start;
		p->log_end = read->log_end;
	}
	return next;
}

static void
on_fetched(void *arg, PGresult *result, const ClientFailure *failure)
{
	ReadCall   *call = arg;
	Fetch	  **ready = client_alloc((size_t) call->n_wanted * sizeof(Fetch *));
	int			n_ready = 0,
				capacity = call->n_wanted,
				row = 0;

	if (failure != NULL)
		client_log_limited(CLIENT_WARNING, "partitions cannot be read",
						   CLIENT_TEXT("sqlstate", failure->sqlstate),
						   CLIENT_TEXT("reason", failure->message));
	call->result = result;
	if (result != NULL)
	{
		call->pieces = client_alloc((size_t) PQntuples(result) * sizeof(KafkaPiece));
		call->size = (int64_t) PQresultMemorySize(result);
		connection_memory(call->size);
	}
	call->n_reads++;			/* ours */
	for (int i = 0; i < call->n_wanted; i++)
	{
		Read	   *read = call->reads[i];

		if (failure != NULL)
			read->error = kafka_error_of_sqlstate(failure->sqlstate);
		else
			row = read_result(read, result, row);
		read->done = true;
		while (read->waiting != NULL)
		{
			Item	   *item = read->waiting;

			read->waiting = item->next_waiting;
			if (--item->fetch->n_reading > 0)
				continue;
			if (n_ready == capacity)
				ready = client_realloc(ready, (size_t) (capacity *= 2) * sizeof(Fetch *));
			ready[n_ready++] = item->fetch;
		}
	}
	for (int i = 0; i < call->n_wanted; i++)
		read_release(call->reads[i]);
	for (int i = 0; i < n_ready; i++)
		fetch_try(ready[i]);
	free(ready);
	read_call_release(call);
}

/*
 * Begins one call for what these items want to read; each may have up to its
 * limit, and all together max_bytes.  False: no memory.
 */
static bool
start_reads(Fetch *f, Item **items, const int32_t *limits, int n, int32_t max_bytes)
{
	ReadCall   *call = client_alloc(sizeof(ReadCall));
	BinaryArray ids,
				partitions,
				offsets,
				sizes;
	char	   *max;
	ClientParams params = {0};

	kafka_arena_init(&call->arena, SIZE_MAX);
	max = kafka_arena_alloc(&call->arena, sizeof(max_bytes));
	if (max == NULL ||
		!binary_array_begin(&ids, &call->arena, BINARY_UUID, n, (size_t) n * 16) ||
		!binary_array_begin(&partitions, &call->arena, BINARY_INT4, n, (size_t) n * 4) ||
		!binary_array_begin(&offsets, &call->arena, BINARY_INT8, n, (size_t) n * 8) ||
		!binary_array_begin(&sizes, &call->arena, BINARY_INT4, n, (size_t) n * 4))
	{
		kafka_arena_free(&call->arena);
		free(call);
		return false;
	}
	call->reads = client_alloc((size_t) n * sizeof(Read *));
	call->n_wanted = n;
	for (int i = 0; i < n; i++)
	{
		Item	   *item = items[i];
		Read	   *read = client_alloc(sizeof(Read));

		read->call = call;
		call->n_reads++;
		read->partition = partition_get(item->partition->relid, item->partition->index);
		read->pool = f->request->pool;
		read->offset = item->asked->fetch_offset;
		read->limit = limits[i];
		read->generation = read->partition->generation;
		read->users = 1;		/* the call's, until it is done */
		read->next = read->partition->reads;
		read->partition->reads = read;
		call->reads[i] = read;
		use_read(item, read);

		binary_array_put(&ids, item->topic_id.bytes, sizeof(item->topic_id.bytes));
		binary_array_put_int32(&partitions, item->partition->index);
		binary_array_put_int64(&offsets, read->offset);
		binary_array_put_int32(&sizes, read->limit);
	}
	kafka_put_int32(max, max_bytes);
	client_params_add(&params, ids.data, ids.len);
	client_params_add(&params, partitions.data, partitions.len);
	client_params_add(&params, offsets.data, offsets.len);
	client_params_add(&params, sizes.data, sizes.len);
	client_params_add(&params, max, sizeof(max_bytes));
	pool_call(f->request->pool, &fetch_statement, &params, on_fetched, call);
	return true;
}

/*
 * Fetches
 */

/* Nothing of the fetch points to it any more, or is pointed to by it, but reads it holds. */
static void
fetch_leave(Fetch *f)
{
	client_timer_stop(f->request->pool->loop, &f->timer);
	topics_unwatch(&f->watcher);
	for (int i = 0; i < f->n_items; i++)
	{
		Item	   *item = &f->items[i];

		partition_leave(&item->parked);
		if (item->partition != NULL)
			partition_release(item->partition);
		item->partition = NULL;
	}
}

static void
fetch_drop_reads(Fetch *f)
{
	for (int i = 0; i < f->n_items; i++)
	{
		if (f->items[i].read != NULL)
			read_release(f->items[i].read);
		f->items[i].read = NULL;
	}
}

/* The client has gone.  Reads that are waited for come back to fetch_try(). */
static void
fetch_abandon(Request *request)
{
	Fetch	   *f = request->state;

	if (f->n_reading > 0)
		return;
	fetch_leave(f);
	fetch_drop_reads(f);
	request_free(request);
}

static void
item_error(Item *item, int16_t error)
{
	item->answer->error_code = error;
	item->answer->high_watermark = -1;
	item->answer->last_stable_offset = -1;
	item->answer->log_start_offset = -1;
	item->answer->records.len = 0;
	item->fetch->failed = true;
}

static void
item_answer(Item *item, int64_t stable, int64_t log_start, KafkaBytes records)
{
	item->answer->error_code = KAFKA_NONE;
	item->answer->high_watermark = stable;
	item->answer->last_stable_offset = stable;
	item->answer->log_start_offset = log_start;
	item->answer->records = records;
}

/*
 * What of the records a client of this version can read: those before the first
 * batch of zstd, which came with version 10 (KIP-110).
 */
static KafkaBytes
readable(KafkaBytes records, int16_t version)
{
	const KafkaPiece *piece = records.pieces;
	int32_t		begin = 0;		/* of the piece */
	int32_t		at = 0;			/* where the next batch begins */

	if (version >= ZSTD_SINCE)
		return records;
	for (; begin < records.len; begin += piece++->len)
	{
		/* the server cuts no header in two */
		while (at - begin + BATCH_HEADER <= piece->len)
		{
			const char *batch = piece->data + (at - begin);

			if ((batch[BATCH_ATTRIBUTES + 1] & CODEC_MASK) == CODEC_ZSTD)
			{
				records.len = at;
				return records;
			}
			at += BATCH_LENGTH_END + kafka_get_int32(batch + BATCH_LENGTH_END - 4);
		}
	}
	return records;
}

static void
fetch_answer(Fetch *f)
{
	Request    *request = f->request;

	fetch_leave(f);
	for (int i = 0; i < f->n_items; i++)
	{
		Read	   *read = f->items[i].read;

		f->items[i].read = NULL;
		if (read != NULL && !request_hold(request, read_release, read))
		{
			fetch_drop_reads(f);
			request_close(request, "out of memory");
			return;
		}
	}
	request_answer(request, &f->response);
}

static void
on_change(void *arg)
{
	Item	   *item = arg;

	if (item->fetch->n_reading == 0)
		fetch_try(item->fetch);
}

/* Topics have gone meanwhile, or the right to read them: what waits for them is told. */
static void
on_topics_changed(void *arg)
{
	Fetch	   *f = arg;
	const Request *request = f->request;
	bool		with_id = request->header.request_api_version >= 13;

	/* who is not parked asks the server, which knows */
	if (f->n_reading > 0 || f->settled)
		return;
	for (int i = 0; i < f->n_items; i++)
	{
		Item	   *item = &f->items[i];
		KafkaString none = {NULL, -1};
		int16_t		error;

		if (item->partition == NULL)
			continue;
		(void) topics_find(request->pool->topics, NULL, none, &item->topic_id, TOPIC_READ, &error);
		if (error == KAFKA_UNKNOWN_TOPIC_ID && !with_id)
			error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
		if (error != KAFKA_NONE)
			item_error(item, error);
	}
	if (f->failed)
		fetch_answer(f);
}

static void
on_deadline(void *arg)
{
	Fetch	   *f = arg;

	if (f->settled)
		fetch_answer(f);
	else if (f->n_reading == 0)
		fetch_try(f);
}

/*
 * Looks what is there, reads what may be, and answers if that is enough or the
 * time is over; otherwise waits for a change.
 */
static void
fetch_try(Fetch *f)
{
	Request    *request = f->request;
	const FetchRequest *body = request->body;
	int64_t		now = client_loop_now(request->pool->loop);
	int64_t		left = body->max_bytes < settings.fetch_size ? body->max_bytes : settings.fetch_size;
	int64_t		bytes = 0;
	bool		more = false;	/* than fits into this answer */
	bool		unknown = false;
	const KafkaBytes nothing = {0};
	Item	  **wanted;
	int32_t    *limits;
	int			n_wanted = 0;

	if (request->connection == NULL)
	{
		fetch_abandon(request);
		return;
	}
	wanted = client_alloc((size_t) f->n_items * sizeof(Item *));
	limits = client_alloc((size_t) f->n_items * sizeof(int32_t));
	for (int i = 0; i < f->n_items; i++)
	{
		Item	   *item = &f->items[i];
		Partition  *p = item->partition;
		int64_t		offset = item->asked->fetch_offset;
		int32_t		limit = item->asked->partition_max_bytes;

		partition_leave(&item->parked);
		if (p == NULL)
			continue;
		if (item->read != NULL)
		{
			Read	   *read = item->read;

			if (read->error != KAFKA_NONE)
				item_error(item, read->error);
			else
			{
				KafkaBytes	records = readable(read->records, request->header.request_api_version);

				if (records.len <= 0 && read->records.len > 0)
					item_error(item, KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
				else
					item_answer(item, read->stable, read->log_start, records);
				bytes += records.len;
				if (records.len > 0 && records.len < read->records.len)
					more = true;
				if (read->records.len == 0 && offset < read->stable)
					more = true;	/* others had the call's bytes */
			}
			if (read->generation != p->generation)
				unknown = true;
			continue;
		}
		if (p->known && (offset < p->log_start || offset > p->log_end))
			item_error(item, KAFKA_OFFSET_OUT_OF_RANGE);
		else if (p->known && offset >= p->stable)
			item_answer(item, p->stable, p->log_start, nothing);
		else
		{
			Read	   *read;

			if (limit > left)
				limit = (int32_t) left;
			if (limit < 0)
				limit = 0;
			read = f->alone ? NULL : find_read(item, limit);
			if (read != NULL)
				use_read(item, read);
			else
			{
				wanted[n_wanted] = item;
				limits[n_wanted++] = limit;
			}
		}
	}
	if (n_wanted > 0 && !start_reads(f, wanted, limits, n_wanted, (int32_t) (left > 0 ? left : 0)))
	{
		free(wanted);
		free(limits);
		fetch_leave(f);
		fetch_drop_reads(f);
		request_close(request, "out of memory");
		return;
	}
	free(wanted);
	free(limits);
	if (f->n_reading > 0)
		return;

	if (bytes == 0 && more)
	{
		/*
		 * whoever it shared with had the bytes: now by itself, when the first
		 * that has some gives them
		 */
		f->alone = true;
		fetch_drop_reads(f);
		fetch_try(f);
		return;
	}
	if (bytes >= (body->min_bytes > 0 ? body->min_bytes : 0) || more || f->n_items == 0 ||
		now >= f->deadline || (f->failed && bytes > 0))
	{
		fetch_answer(f);
		return;
	}

	/*
	 * what was read is not enough, or nothing; it is read anew when there is
	 * more
	 */
	fetch_drop_reads(f);
	if (f->failed)
	{
		/*
		 * but not errors: where they come from PostgreSQL's absence, trying
		 * again may take long
		 */
		f->settled = true;
		if (f->deadline > now + ERROR_PAUSE)
			f->deadline = now + ERROR_PAUSE;
		client_timer_start_coarse(request->pool->loop, &f->timer, f->deadline);
		return;
	}
	if (unknown && watch_is_live())
	{
		fetch_try(f);
		return;
	}
	for (int i = 0; i < f->n_items; i++)
	{
		if (f->items[i].partition != NULL)
			partition_park(f->items[i].partition, &f->items[i].parked);
	}
	topics_unwatch(&f->watcher);
	topics_watch(request->pool->topics, &f->watcher);
	client_timer_start_coarse(request->pool->loop, &f->timer, f->deadline);
}

/* The client has heard of a leader that is none any more: from version 16 on it is told who is.  False: no memory. */
static bool
tell_leader(Fetch *f, Item *item, const Topic *topic)
{
	Request    *request = f->request;
	NodeEndpoint *node;

	if (request->header.request_api_version < 16)
		return true;
	item->answer->current_leader.leader_id = (int32_t) settings.node_id;
	item->answer->current_leader.leader_epoch = binary_array_item(topic->epochs, item->asked->partition);
	if (f->response.node_endpoints.n > 0)
		return true;
	if (!KAFKA_NEW_ITEMS(&request->arena, &f->response.node_endpoints, NodeEndpoint, 1))
		return false;
	node = f->response.node_endpoints.items;
	node->node_id = (int32_t) settings.node_id;
	node->host.data = request->listener->host;
	node->host.len = (int32_t) strlen(request->listener->host);
	node->port = request->listener->port;
	return true;
}

/* False: no memory. */
static bool
fetch_begin(Fetch *f, const ClientFailure *failure)
{
	Request    *request = f->request;
	const FetchRequest *body = request->body;
	bool		with_id = request->header.request_api_version >= 13;
	int			n = 0;

	for (int i = 0; i < body->topics.n; i++)
		n += body->topics.items[i].partitions.n;
	f->items = kafka_arena_alloc_array(&request->arena, n, sizeof(Item));
	if ((f->items == NULL && n > 0) ||
		!KAFKA_NEW_ITEMS(&request->arena, &f->response.responses, FetchableTopicResponse, body->topics.n))
		return false;
	for (int i = 0; i < body->topics.n; i++)
	{
		const FetchTopic *from = &body->topics.items[i];
		FetchableTopicResponse *to = &f->response.responses.items[i];
		const Topic *topic;
		int16_t		topic_error;

		to->topic = from->topic;
		to->topic_id = from->topic_id;
		topic = topics_find(request->pool->topics, failure, from->topic,
							with_id ? &from->topic_id : NULL, TOPIC_READ, &topic_error);
		if (!KAFKA_NEW_ITEMS(&request->arena, &to->partitions, FetchPartitionData, from->partitions.n))
			return false;
		for (int j = 0; j < from->partitions.n; j++)
		{
			Item	   *item = &f->items[f->n_items++];
			int16_t		error = topic_error;

			item->fetch = f;
			item->asked = &from->partitions.items[j];
			item->answer = &to->partitions.items[j];
			item->answer->partition_index = item->asked->partition;
			item->answer->preferred_read_replica = -1;

			/*
			 * what was rolled back is not among the records, so nobody has to
			 * be told of it
			 */
			if (body->isolation_level != READ_COMMITTED)
				item->answer->aborted_transactions.n = -1;
			item->parked.fn = on_change;
			item->parked.arg = item;
			if (error == KAFKA_NONE)
				error = topic_check_partition(topic, item->asked->partition, item->asked->current_leader_epoch);
			if (error == KAFKA_NONE && item->asked->fetch_offset < 0)
				error = KAFKA_OFFSET_OUT_OF_RANGE;
			if (error != KAFKA_NONE)
			{
				item_error(item, error);
				if (error == KAFKA_FENCED_LEADER_EPOCH && !tell_leader(f, item, topic))
					return false;
				continue;
			}
			item->topic_id = topic->id;
			item->partition = partition_get(topic->relid, item->asked->partition);
		}
	}
	return true;
}

static void
on_topics(void *arg, const ClientFailure *failure)
{
	Fetch	   *f = arg;
	Request    *request = f->request;

	if (request->connection == NULL)
		request_free(request);
	else if (!fetch_begin(f, failure))
	{
		fetch_leave(f);
		request_close(request, "out of memory");
	}
	else
	{
		request->abandon = fetch_abandon;
		fetch_try(f);
	}
}

void
handle_fetch(Request *request)
{
	const FetchRequest *body = request->body;
	Fetch	   *f = kafka_arena_alloc(&request->arena, sizeof(Fetch));

	if (f == NULL)
	{
		request_close(request, "out of memory");
		return;
	}
	request->state = f;
	f->request = request;
	f->timer.fn = on_deadline;
	f->timer.arg = f;
	f->watcher.fn = on_topics_changed;
	f->watcher.arg = f;
	f->deadline = client_loop_now(request->pool->loop) + (body->max_wait_ms > 0 ? body->max_wait_ms : 0);
	kafka_set_defaults(&KAFKA_TYPE(FetchResponse), &f->response);
	if (body->session_epoch != SESSION_BEGINS && body->session_epoch != SESSION_ENDS)
	{
		/*
		 * there are no sessions (KIP-227), so the one that this goes on with
		 * is none of ours
		 */
		f->response.error_code = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
		request_answer(request, &f->response);
		return;
	}
	request->abandon = request_keep;
	topics_when_ready(request->pool->topics, on_topics, f);
}
