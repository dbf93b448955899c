/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  Fetch: record batches as they are stored, now or when there are some.
 *
 * A fetch asks the server for those of its partitions of which it is not known
 * that nothing is behind its offset, all in one call.  If that is not enough it
 * is parked until the server tells a change, or its time is over.
 *
 * Fetches of the same place share one read (reads.c), and what is behind an
 * answer is read ahead.
 *
 * IDENTIFICATION
 *	  broker/fetch.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "broker/batches.h"
#include "broker/binary.h"
#include "broker/errors.h"
#include "broker/handlers.h"
#include "broker/partition.h"
#include "broker/reads.h"
#include "broker/settings.h"
#include "broker/topics.h"
#include "broker/watch.h"
#include "client/memory.h"

/* An answer with nothing but errors is not given at once: clients ask again at once. */
#define ERROR_PAUSE		200

#define READ_COMMITTED	1		/* an isolation level; 0 is the other */

/* Epochs of sessions with which a request says all that it wants. */
#define SESSION_BEGINS	0
#define SESSION_ENDS	(-1)

#define ZSTD_SINCE			10	/* version of Fetch (KIP-110) */
#define MOST_AHEAD			8	/* places behind an answer that are read */

/* One partition of a request. */
typedef struct Item
{
	struct Fetch *fetch;
	const FetchPartition *asked;
	FetchPartitionData *answer;
	KafkaUuid	topic_id;
	Partition  *partition;		/* NULL: there is an error */
	Read	   *read;			/* or NULL */
	ReadWaiter	waiter;
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
	bool		recheck;		/* topics have changed while it read */
	TopicsWatcher watcher;
} Fetch;

/* What one look at all partitions has found. */
typedef struct Try
{
	int64_t		bytes;
	int64_t		room;			/* bytes that an answer may have */
	bool		more;			/* than fits into this answer */
	bool		unknown;		/* what was read is not what there is now */
	int64_t		locked_until;	/* when a partition that cannot be read just
								 * now is tried again; 0: there is none */
	int			n_wanted;
	Item	  **wanted;			/* to be read, and where */
	ReadPlace  *places;
} Try;

static void fetch_try(Fetch *f);

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

/* With what they have said: it may be answered before they are read again. */
static void
fetch_drop_reads(Fetch *f)
{
	for (int i = 0; i < f->n_items; i++)
	{
		Item	   *item = &f->items[i];

		if (item->read == NULL)
			continue;
		read_release(item->read);
		item->read = NULL;
		item->answer->records = (KafkaBytes)
		{
			.data = ""
		};
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
item_fail(Item *item, int16_t error)
{
	item->answer->error_code = error;
	item->answer->high_watermark = -1;
	item->answer->last_stable_offset = -1;
	item->answer->log_start_offset = -1;
	item->answer->records.len = 0;
}

static void
item_error(Item *item, int16_t error)
{
	item_fail(item, error);
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

/* The places behind what is answered, where there is more: the client will ask for them. */
static int
find_ahead(const Fetch *f, ReadPlace *places)
{
	int			n = 0;

	for (int i = 0; i < f->n_items && n < MOST_AHEAD; i++)
	{
		const Item *item = &f->items[i];
		const Read *read = item->read;

		if (read == NULL || read->error != KAFKA_NONE || item->answer->records.len <= 0 ||
			item->answer->records.len < read->records.len || read->next_offset >= read->stable)
			continue;
		places[n].partition = partition_get(read->partition->relid, read->partition->index);
		places[n].topic_id = item->topic_id;
		places[n].offset = read->next_offset;
		places[n++].limit = read->limit;
	}
	return n;
}

static void
fetch_answer(Fetch *f)
{
	Request    *request = f->request;
	Pool	   *pool = request->pool;
	ReadPlace	places[MOST_AHEAD];
	int			n = find_ahead(f, places);
	bool		held = true;

	fetch_leave(f);
	for (int i = 0; i < f->n_items; i++)
	{
		Read	   *read = f->items[i].read;

		f->items[i].read = NULL;
		if (read != NULL)
			held &= request_hold(request, read_release, read);
	}
	if (held)
		request_answer(request, &f->response);
	else
		request_close(request, "out of memory");
	/* the answer is on its way */
	for (int i = 0; i < n; i++)
	{
		read_ahead(pool, &places[i]);
		partition_release(places[i].partition);
	}
}

static void
on_change(void *arg)
{
	Item	   *item = arg;

	if (item->fetch->n_reading == 0)
		fetch_try(item->fetch);
}

/* Have topics gone meanwhile, or the right to read them?  True: they have, and it is answered. */
static bool
fetch_recheck(Fetch *f)
{
	const Request *request = f->request;
	bool		with_id = request->header.request_api_version >= 13;

	f->recheck = false;
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
	if (!f->failed)
		return false;
	fetch_answer(f);
	return true;
}

static void
on_topics_changed(void *arg)
{
	Fetch	   *f = arg;

	/* who reads looks before he parks: the server's answer may be older */
	if (f->n_reading > 0)
		f->recheck = true;
	else if (!f->settled)
		(void) fetch_recheck(f);
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

static void
on_read(void *arg)
{
	Item	   *item = arg;

	if (--item->fetch->n_reading == 0)
		fetch_try(item->fetch);
}

/* Somebody has the partition locked: it is tried again when the first one of all is to be. */
static void
note_locked(const Partition *p, Try *t)
{
	if (t->locked_until == 0 || p->locked_until < t->locked_until)
		t->locked_until = p->locked_until;
}

/* A partition that has been read. */
static void
look_at_read(Item *item, Try *t)
{
	const Read *read = item->read;
	const Partition *p = item->partition;
	bool		knows_zstd = item->fetch->request->header.request_api_version >= ZSTD_SINCE;
	KafkaBytes	records = knows_zstd ? read->records : batches_before_zstd(read->records);

	if (read->error == KAFKA_REQUEST_TIMED_OUT)
	{
		/* what clients are told if it stays so: that code is none of Fetch's */
		if (p->known)
			item_answer(item, p->stable, p->log_start, records);
		else
			item_fail(item, KAFKA_NOT_LEADER_OR_FOLLOWER);
		note_locked(p, t);
	}
	else if (read->error != KAFKA_NONE)
		item_error(item, read->error);
	else if (records.len <= 0 && read->records.len > 0)
		item_error(item, KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
	else
	{
		/* what a client was told of the end is not taken back */
		item_answer(item, p->known && p->stable > read->stable ? p->stable : read->stable,
					read->log_start, records);
		t->bytes += records.len;
		/* behind it is zstd; or others had the call's bytes */
		if (records.len > 0 ? records.len < read->records.len : item->asked->fetch_offset < read->stable)
			t->more = true;
	}
	if (read->generation != p->generation)
		t->unknown = true;
}

/* A partition of which something is to be read: a read that is there, or one to be begun. */
static void
look_for_read(Item *item, Try *t)
{
	Fetch	   *f = item->fetch;
	Pool	   *pool = f->request->pool;
	const FetchRequest *body = f->request->body;
	const Partition *p = item->partition;
	int32_t		limit = item->asked->partition_max_bytes;
	const KafkaBytes nothing = {0};
	ReadPlace	place = {.partition = item->partition,.topic_id = item->topic_id,.offset = item->asked->fetch_offset};

	place.limit = limit > t->room ? (int32_t) t->room : limit < 0 ? 0 : limit;

	if (p->locked_until > client_loop_now(pool->loop))
	{
		/* one of those who wait tries it, when it is time */
		if (p->known)
			item_answer(item, p->stable, p->log_start, nothing);
		else
			item_fail(item, KAFKA_NOT_LEADER_OR_FOLLOWER);
		note_locked(p, t);
		return;
	}

	/*
	 * what partitions before it have is enough, or is asked for and may be:
	 * what is there of this one waits for its turn
	 */
	if (p->known && !f->alone &&
		((t->bytes > 0 && t->bytes >= body->min_bytes) ||
		 (t->n_wanted > 0 && read_is_ahead(pool, &place))))
	{
		item_answer(item, p->stable, p->log_start, nothing);
		t->more = true;
		return;
	}
	item->read = f->alone ? NULL : read_find(pool, &place);
	if (item->read == NULL)
	{
		t->wanted[t->n_wanted] = item;
		t->places[t->n_wanted++] = place;
	}
	else if (item->read->done)
		look_at_read(item, t);
	else
	{
		f->n_reading++;
		read_wait(item->read, &item->waiter);
	}
}

static void
look_at_item(Item *item, Try *t)
{
	const Partition *p = item->partition;
	int64_t		offset = item->asked->fetch_offset;
	const KafkaBytes nothing = {0};

	if (item->read != NULL)
		look_at_read(item, t);
	else if (p->known && (offset < p->log_start || offset > p->log_end))
		item_error(item, KAFKA_OFFSET_OUT_OF_RANGE);
	else if (p->known && offset >= p->stable)
		item_answer(item, p->stable, p->log_start, nothing);
	else
		look_for_read(item, t);
}

/* Begins to read what is wanted. */
static void
read_wanted(Fetch *f, const Try *t)
{
	Read	  **reads;
	bool		begun;

	if (t->n_wanted == 0)
		return;
	reads = client_alloc((size_t) t->n_wanted * sizeof(Read *));
	begun = reads_start(f->request->pool, t->places, t->n_wanted, (int32_t) t->room, reads);
	for (int i = 0; i < t->n_wanted; i++)
	{
		Item	   *item = t->wanted[i];

		if (!begun)
		{
			item_error(item, KAFKA_UNKNOWN_SERVER_ERROR);
			continue;
		}
		item->read = reads[i];
		f->n_reading++;
		read_wait(item->read, &item->waiter);
	}
	free(reads);
}

/* Waits for a change, for as long as there is time; or, of what is locked, for a moment. */
static void
fetch_park(Fetch *f, int64_t locked_until)
{
	Pool	   *pool = f->request->pool;
	int64_t		until = locked_until > 0 ? locked_until : f->deadline;

	if (f->recheck && fetch_recheck(f))
		return;
	for (int i = 0; i < f->n_items; i++)
	{
		if (f->items[i].partition != NULL)
			partition_park(f->items[i].partition, &f->items[i].parked);
	}
	client_timer_start_coarse(pool->loop, &f->timer, until < f->deadline ? until : f->deadline);
}

/* With errors, but not at once: where they come from PostgreSQL's absence, trying again may take long. */
static void
fetch_settle(Fetch *f)
{
	ClientLoop *loop = f->request->pool->loop;

	f->settled = true;
	if (f->deadline > client_loop_now(loop) + ERROR_PAUSE)
		f->deadline = client_loop_now(loop) + ERROR_PAUSE;
	client_timer_start_coarse(loop, &f->timer, f->deadline);
}

/* All partitions have been looked at: is that an answer? */
static void
fetch_judge(Fetch *f, const Try *t)
{
	const FetchRequest *body = f->request->body;

	if (t->bytes == 0 && t->more && !f->alone)
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
	if (t->bytes >= (body->min_bytes > 0 ? body->min_bytes : 0) || t->more || f->n_items == 0 ||
		client_loop_now(f->request->pool->loop) >= f->deadline || (f->failed && t->bytes > 0))
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
		fetch_settle(f);
	else if (t->unknown && t->locked_until == 0 && watch_is_live())
		fetch_try(f);
	else
		fetch_park(f, t->locked_until);
}

/*
 * Looks what is there, reads what may be, and answers if that is enough or the
 * time is over; otherwise waits for a change.
 */
static void
fetch_try(Fetch *f)
{
	Request    *request = f->request;
	int32_t		max_bytes = ((const FetchRequest *) request->body)->max_bytes;
	Try			t = {0};

	if (request->connection == NULL)
	{
		fetch_abandon(request);
		return;
	}
	t.room = max_bytes > settings.fetch_size ? settings.fetch_size : max_bytes < 0 ? 0 : max_bytes;
	t.wanted = client_alloc((size_t) f->n_items * sizeof(Item *));
	t.places = client_alloc((size_t) f->n_items * sizeof(ReadPlace));
	for (int i = 0; i < f->n_items; i++)
	{
		partition_leave(&f->items[i].parked);
		if (f->items[i].partition != NULL)
			look_at_item(&f->items[i], &t);
	}
	read_wanted(f, &t);
	free(t.wanted);
	free(t.places);
	if (f->n_reading == 0)
		fetch_judge(f, &t);
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
			item->waiter.fn = on_read;
			item->waiter.arg = item;
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
		topics_watch(request->pool->topics, &f->watcher);
		request->abandon = fetch_abandon;
		fetch_try(f);
	}
}

void
handle_fetch(Request *request)
{
	const FetchRequest *body = request->body;
	Fetch	   *f = kafka_arena_alloc(&request->arena, sizeof(Fetch));
	int64_t		wait;

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

	/*
	 * whoever waits for longer than that may be gone, which nobody would
	 * notice
	 */
	wait = body->max_wait_ms > settings.idle_timeout ? settings.idle_timeout : body->max_wait_ms;
	f->deadline = client_loop_now(request->pool->loop) + (wait > 0 ? wait : 0);
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
