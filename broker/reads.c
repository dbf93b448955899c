/*-------------------------------------------------------------------------
 *
 * reads.c
 *	  Reads of partitions: calls of broker_fetch(), shared by whoever reads the
 *	  same place, and begun before somebody asks.
 *
 * A read's memory is counted once, and stays until its result has been sent to all
 * who share it.
 *
 * Who has got a part of a partition asks for what is behind it as soon as he has
 * worked on it, so the next read begins while he does.  What was read ahead is given
 * out though the partition may have got more meanwhile: it is what a client would
 * have got who asked earlier.  But it is dropped after a moment, and counts as
 * nothing when the server may be another one: rights and topics are looked at
 * when the client asks.  Where that was in vain, it is not tried for a while.
 *
 * IDENTIFICATION
 *	  broker/reads.c
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/batches.h"
#include "broker/binary.h"
#include "broker/connection.h"
#include "broker/errors.h"
#include "broker/locked.h"
#include "broker/protocol/bytes.h"
#include "broker/reads.h"
#include "broker/settings.h"
#include "broker/watch.h"
#include "client/log.h"
#include "client/memory.h"

/* The result of a call, shared by its reads. */
struct ReadCall
{
	PGresult   *result;
	KafkaPiece *pieces;			/* the records of each of its rows */
	int			n_reads;		/* that use it yet */
	int64_t		size;
	KafkaArena	arena;			/* of the parameters, while it runs */
	struct Read **reads;		/* what it reads */
	int			n_wanted;
};

#define AHEAD_MS		1000	/* that a read ahead waits for its client */
#define AHEAD_SHARE		8		/* of the memory there is, the part for them */
#define AHEAD_PAUSE		16		/* chances that are let pass after one was in
								 * vain */

static const Oid fetch_types[] = {
	BINARY_UUID_ARRAY, BINARY_INT4_ARRAY, BINARY_INT8_ARRAY, BINARY_INT4_ARRAY, BINARY_INT4
};
static const ClientStatement fetch_statement = {
	"broker_fetch",
	"SELECT (row).sqlstate, (row).stable, (row).log_start, (row).log_end, (row).records"
	" FROM (SELECT _eventlog.broker_fetch($1, $2, $3, $4, $5)) s (row)",
	5, fetch_types
};

ReadCounts	read_counts;

static Read *ahead;				/* those that nobody has asked for */
static int64_t ahead_bytes;		/* that they have, or may get */
static ClientTimer ahead_timer;
static ClientLoop *ahead_loop;

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

void
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

static bool
is_of(const Read *read, const Pool *pool, const ReadPlace *place)
{
	return read->offset == place->offset && read->limit == place->limit &&
		read->pool == pool && read->error == KAFKA_NONE &&
		(read->generation == place->partition->generation ||
		 (read->is_ahead && watch_is_live() && read->era == watch_era()));
}

static Read *
find(const Pool *pool, const ReadPlace *place)
{
	Read	   *read = place->partition->reads;

	while (read != NULL && !is_of(read, pool, place))
		read = read->next;
	return read;
}

/*
 * Reads ahead
 */

/* It is not one of them any more. */
static void
ahead_take(Read *read)
{
	Read	  **link = &ahead;

	while (*link != read)
		link = &(*link)->next_ahead;
	*link = read->next_ahead;
	read->is_ahead = false;
	ahead_bytes -= read->limit;
}

Read *
read_find(Pool *pool, const ReadPlace *place)
{
	Read	   *read = find(pool, place);

	if (read == NULL)
		return NULL;
	if (read->is_ahead)
	{
		/* the use that it has is the caller's now */
		ahead_take(read);
		read_counts.ahead_used++;
	}
	else
		read->users++;
	return read;
}

bool
read_is_ahead(Pool *pool, const ReadPlace *place)
{
	const Read *read = find(pool, place);

	return read != NULL && read->is_ahead;
}

/* Nobody has asked for it. */
static void
ahead_drop(Read *read)
{
	ahead_take(read);
	read_release(read);
}

static void
on_ahead_timer(void *arg)
{
	int64_t		now = client_loop_now(ahead_loop);
	Read	   *next;

	for (Read *read = ahead; read != NULL; read = next)
	{
		next = read->next_ahead;
		if (read->done && now >= read->expires)
		{
			read->partition->ahead_pause = AHEAD_PAUSE;
			ahead_drop(read);
		}
	}
	if (ahead != NULL)
		client_timer_start_coarse(ahead_loop, &ahead_timer, now + AHEAD_MS / 4);
}

/* Its result is there, and waits for its client if it is of use. */
static void
ahead_done(Read *read)
{
	if (read->error != KAFKA_NONE || read->records.len <= 0)
		ahead_drop(read);
	else
		read->expires = client_loop_now(ahead_loop) + AHEAD_MS;
}

void
read_ahead(Pool *pool, const ReadPlace *place)
{
	Read	   *read;

	if (!watch_is_live() || !pool_has_free_session(pool) ||
		connection_counts.memory > settings.memory / 2 ||
		ahead_bytes + place->limit > settings.memory / AHEAD_SHARE)
		return;
	if (place->partition->ahead_pause > 0)
	{
		place->partition->ahead_pause--;
		return;
	}
	/* somebody may have come for it already */
	if (find(pool, place) != NULL || !reads_start(pool, place, 1, place->limit, &read))
		return;
	read_counts.ahead++;
	read->is_ahead = true;
	read->next_ahead = ahead;
	ahead = read;
	ahead_bytes += read->limit;
	ahead_loop = pool->loop;
	ahead_timer.fn = on_ahead_timer;
	if (ahead_timer.place == 0)
		client_timer_start_coarse(ahead_loop, &ahead_timer, client_loop_now(ahead_loop) + AHEAD_MS / 4);
}

void
reads_stop(void)
{
	while (ahead != NULL)
	{
		Read	   *read = ahead;

		ahead_take(read);
		/* of a call that runs nobody else will hear */
		if (!read->done)
			read_release(read);
		read_release(read);
	}
	if (ahead_loop != NULL)
		client_timer_stop(ahead_loop, &ahead_timer);
}

/*
 * Calls
 */

/* What somebody has locked is tried again after a pause, which gets longer each time. */
static void
note_lock(const Read *read)
{
	Partition  *p = read->partition;

	if (read->error != KAFKA_REQUEST_TIMED_OUT)
	{
		p->locked_pause = 0;
		p->locked_until = 0;
		return;
	}
	p->locked_pause = locked_next_pause(p->locked_pause);
	p->locked_until = client_loop_now(read->pool->loop) + p->locked_pause;
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
	note_lock(read);
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
	read->next_offset = batches_end(read->records, read->offset);
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
	int			row = 0;

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
	/* all are done before anybody looks at one of them */
	for (int i = 0; i < call->n_wanted; i++)
	{
		Read	   *read = call->reads[i];

		if (failure != NULL)
			read->error = kafka_error_of_sqlstate(failure->sqlstate);
		else
			row = read_result(read, result, row);
		read->done = true;
		if (read->is_ahead)
			ahead_done(read);
	}
	for (int i = 0; i < call->n_wanted; i++)
	{
		Read	   *read = call->reads[i];

		while (read->waiters != NULL)
		{
			ReadWaiter *waiter = read->waiters;

			read->waiters = waiter->next;
			waiter->fn(waiter->arg);
		}
	}
	call->n_reads++;			/* ours */
	for (int i = 0; i < call->n_wanted; i++)
		read_release(call->reads[i]);
	read_call_release(call);
}

static Read *
read_new(Pool *pool, ReadCall *call, const ReadPlace *place)
{
	Read	   *read = client_alloc(sizeof(Read));

	read->call = call;
	call->n_reads++;
	read->partition = partition_get(place->partition->relid, place->partition->index);
	read->pool = pool;
	read->offset = place->offset;
	read->limit = place->limit;
	read->generation = read->partition->generation;
	read->era = watch_era();
	read->users = 2;			/* the call's, until it is done, and the
								 * caller's */
	read->next = read->partition->reads;
	read->partition->reads = read;
	/* others wait for what this one finds */
	if (read->partition->locked_pause > 0)
		read->partition->locked_until = client_loop_now(pool->loop) + read->partition->locked_pause;
	return read;
}

bool
reads_start(Pool *pool, const ReadPlace *places, int n, int32_t max_bytes, Read **reads)
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
		const ReadPlace *place = &places[i];

		reads[i] = call->reads[i] = read_new(pool, call, place);
		binary_array_put(&ids, place->topic_id.bytes, sizeof(place->topic_id.bytes));
		binary_array_put_int32(&partitions, place->partition->index);
		binary_array_put_int64(&offsets, place->offset);
		binary_array_put_int32(&sizes, place->limit);
	}
	kafka_put_int32(max, max_bytes);
	client_params_add(&params, ids.data, ids.len);
	client_params_add(&params, partitions.data, partitions.len);
	client_params_add(&params, offsets.data, offsets.len);
	client_params_add(&params, sizes.data, sizes.len);
	client_params_add(&params, max, sizeof(max_bytes));
	pool_call(pool, &fetch_statement, &params, on_fetched, call);
	return true;
}

void
read_wait(Read *read, ReadWaiter *waiter)
{
	assert(!read->done);
	waiter->next = read->waiters;
	read->waiters = waiter;
}
