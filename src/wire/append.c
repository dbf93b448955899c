/*-------------------------------------------------------------------------
 *
 * append.c
 *	  broker_append(): batches of Kafka's producers go into the log as they are.
 *
 * All batches are checked first: CHECK constraints may take long, and from the first
 * append on readers wait for this transaction.  Then those of one partition are
 * appended together, under one lock of topic and partition, in the order given.
 * Base offset and leader epoch, which the CRC leaves out, are all that is changed.
 *
 * A batch that is refused is a row with its sqlstate; an ERROR ends the transaction,
 * and with it what was appended.
 *
 * IDENTIFICATION
 *	  src/wire/append.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/extension.h"
#include "produce/appender.h"
#include "produce/buffer.h"
#include "storage/append.h"
#include "topic/log_floor.h"
#include "wire/arguments.h"
#include "wire/batch_check.h"
#include "wire/durable.h"
#include "wire/find.h"
#include "wire/keep_memory.h"
#include "wire/producers.h"

EL_FUNCTION(eventlog_broker_append);

#define FULL		"53400"
#define NCOLUMNS	5

/* One batch of the call. */
typedef struct Entry
{
	int			number;			/* in the call */
	ElTopic    *topic;			/* NULL: there is none, or no right on it */
	int32		partition;
	Oid			leaf;
	bytea	   *batch;
	ElSequence	sequence;		/* its producer_id -1: it has none */
	int64		greatest;		/* time in the batch */
	ElBatchFault fault;			/* its sqlstate NULL: none */
	int64		base_offset;	/* -1: not appended */
	int64		log_start;		/* -1: not known */
} Entry;

/* Those of one partition, in the order given. */
typedef struct Part
{
	int			n;
	Entry	  **entries;
	ElProducers *producers;		/* NULL: no batch has one */
} Part;

/*
 * Set synchronous_commit for this transaction, but never to more than it is: what an
 * administrator has turned off stays off.  22023 for another word.
 */
static void
set_durability(const char *durability)
{
	int			level;

	if (strcmp(durability, "local") == 0)
		level = SYNCHRONOUS_COMMIT_LOCAL_FLUSH;
	else if (strcmp(durability, "off") == 0)
		level = SYNCHRONOUS_COMMIT_OFF;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid durability: \"%s\"", durability),
				 errhint("Give \"local\", \"off\" or NULL.")));
	if (synchronous_commit > level)
		(void) set_config_option("synchronous_commit", durability, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* Is the entry before it one of the same partition, which could not be locked? */
static bool
is_behind_locked(const Entry *e, const ElPlaces *places, const Entry *previous)
{
	int			n = e->number;

	return previous != NULL && previous->fault.sqlstate != NULL &&
		strcmp(previous->fault.sqlstate, EL_WIRE_LOCKED) == 0 &&
		places->partitions[n] == places->partitions[n - 1] &&
		memcmp(&places->topics[n], &places->topics[n - 1], UUID_LEN) == 0;
}

/* The entry's topic, locked, and partition; or its fault. */
static void
find_place(Entry *e, const ElPlaces *places, const Entry *previous)
{
	const pg_uuid_t *id = &places->topics[e->number];
	const char *wrong = NULL;

	/* the lock may be free by now, but their order is kept */
	if (is_behind_locked(e, places, previous))
		wrong = EL_WIRE_LOCKED;
	/* most often it is the one before, which has the lock */
	else if (previous != NULL && previous->topic != NULL &&
			 memcmp(&previous->topic->uuid, id, UUID_LEN) == 0)
		e->topic = previous->topic;
	else
		wrong = el_wire_topic(id, ACL_INSERT, RowExclusiveLock, &e->topic);
	e->partition = places->partitions[e->number];
	if (wrong == NULL && (e->partition < 0 || e->partition >= e->topic->npartitions ||
						  !OidIsValid(e->topic->leaves[e->partition])))
		wrong = EL_WIRE_NO_PARTITION;
	/* what is locked later on is locked already then */
	if (wrong == NULL &&
		!ConditionalLockRelationOid(e->topic->leaves[e->partition], RowExclusiveLock))
		wrong = EL_WIRE_LOCKED;
	if (wrong == NULL)
		e->leaf = e->topic->leaves[e->partition];
	else
	{
		e->topic = NULL;
		e->fault.sqlstate = wrong;
		e->fault.message = strcmp(wrong, EL_WIRE_NO_TOPIC) == 0 ? "topic does not exist" :
			strcmp(wrong, EL_WIRE_NO_RIGHT) == 0 ? "permission denied for topic" :
			strcmp(wrong, EL_WIRE_LOCKED) == 0 ? "topic or partition is locked" :
			"partition does not exist";
	}
}

/* Those of a partition beside each other, in the order given; those without one last. */
static int
compare_entries(const void *a, const void *b)
{
	const Entry *x = *(Entry *const *) a;
	const Entry *y = *(Entry *const *) b;

	if (x->leaf != y->leaf)
		return OidIsValid(x->leaf) && (!OidIsValid(y->leaf) || x->leaf < y->leaf) ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static bool is_full = false;

/* In place of the error: an ElLogOptions.report_full. */
static void
note_full(Relation rel, int64 held_from, int64 retention_bytes)
{
	is_full = true;
}

/* Has a partition whose groups hold their events no room for the batch? */
static bool
has_no_room(const ElAppender *a, size_t len)
{
	ElLogOptions options = a->options;

	if (options.held_from == NULL)
		return false;
	options.report_full = note_full;
	is_full = false;
	el_log_require_room(a->rel, &options, len);
	return is_full;
}

static void
set_fault(Entry *e, int code, char *message)
{
	e->fault.sqlstate = pstrdup(unpack_sql_state(code));
	e->fault.message = message;
}

/*
 * Is the batch the next of its producer?  If it is one that is there already, it gets
 * that one's offset.
 */
static bool
is_next(Entry *e, const ElProducer *producer)
{
	const ElSequence *s = &e->sequence;
	const ElSequenceState *state = &producer->state;
	const ElSequenceBatch *newest = &state->batches[Max(state->ncommitted + state->npending - 1, 0)];

	if (producer->no_room)
	{
		set_fault(e, ERRCODE_OUT_OF_MEMORY,
				  psprintf("no room for idempotent producer %lld: eventlog.producer_memory is too small",
						   (long long) s->producer_id));
		return false;
	}
	switch (el_sequence_judge(state, s, &e->base_offset))
	{
		case EL_SEQUENCE_NEXT:
			return true;
		case EL_SEQUENCE_DUPLICATE:
			el_commit_behind_all();
			break;
		case EL_SEQUENCE_OLD:
			set_fault(e, ERRCODE_EL_DUPLICATE_SEQUENCE,
					  psprintf("sequence %d to %d of producer %lld is in the log, but where is not remembered: the last is %d",
							   s->first, s->last, (long long) s->producer_id, newest->last));
			break;
		case EL_SEQUENCE_GAP:
			set_fault(e, ERRCODE_EL_OUT_OF_SEQUENCE,
					  psprintf("sequence %d to %d, epoch %d of producer %lld does not follow %d, epoch %d",
							   s->first, s->last, s->epoch, (long long) s->producer_id,
							   newest->last, newest->epoch));
			break;
		case EL_SEQUENCE_FENCED:
			set_fault(e, ERRCODE_EL_PRODUCER_FENCED,
					  psprintf("epoch %d of producer %lld is over: it is in epoch %d", s->epoch,
							   (long long) s->producer_id, newest->epoch));
			break;
	}
	return false;
}

/* Its producer, if it has one, and its place in that one's sequence. */
static void
read_sequence(Entry *e)
{
	ElBatchHeader header;

	e->sequence.producer_id = -1;
	if (e->fault.sqlstate != NULL ||
		el_batch_read_header(VARDATA_ANY(e->batch), VARSIZE_ANY_EXHDR(e->batch), &header) != NULL ||
		header.producer_id < 0)
		return;
	e->sequence.producer_id = header.producer_id;
	e->sequence.epoch = header.producer_epoch;
	e->sequence.first = header.base_sequence;
	e->sequence.last = el_sequence_last(header.base_sequence, header.record_count);
}

/*
 * Have the producers of a partition's batches.  This may wait for other transactions,
 * so it comes before anything is appended.
 */
static void
claim_producers(Part *part)
{
	int64	   *ids = palloc_array(int64, part->n);
	int			n = 0;
	Relation	rel;

	for (int i = 0; i < part->n; i++)
	{
		if (part->entries[i]->sequence.producer_id >= 0)
			ids[n++] = part->entries[i]->sequence.producer_id;
	}
	if (n > 0)
	{
		LockRelationOid(part->entries[0]->leaf, RowExclusiveLock);
		rel = RelationIdGetRelation(part->entries[0]->leaf);
		/* or appending says so */
		if (rel != NULL)
		{
			part->producers = el_producers_claim(rel, ids, n);
			RelationClose(rel);
		}
	}
	pfree(ids);
}

/*
 * Batches of a partition that are appended together.  Until they are, the offset of
 * number i is UNKNOWN(i): batches of the same call that are sent twice have it, too.
 */
typedef struct Run
{
	ElAppender *appender;
	Part	   *part;
	ElAppend   *appends;
	Entry	  **entries;
	int			n;
	int64		events;
	size_t		bytes;
} Run;

/* More are not appended together: the partition's metapage is locked meanwhile. */
#define RUN_BYTES	(1024 * 1024)

#define UNKNOWN(i)			(-2 - (int64) (i))
#define UNKNOWN_NUMBER(o)	(-2 - (o))

/* Append what is in the run, and empty it. */
static void
append_run(Run *run)
{
	Part	   *part = run->part;

	if (run->n == 0)
		return;
	el_appender_append_all(run->appender, run->appends, run->n, run->events,
						   GetCurrentFullTransactionId(), GetCurrentCommandId(true), -1);
	for (int i = 0; i < part->n; i++)
	{
		Entry	   *e = part->entries[i];

		if (e->base_offset <= UNKNOWN(0))
			e->base_offset = run->appends[UNKNOWN_NUMBER(e->base_offset)].base_offset;
	}
	for (int i = 0; i < run->n; i++)
	{
		Entry	   *e = run->entries[i];

		if (e->sequence.producer_id >= 0)
			el_sequence_place(&el_producers_find(part->producers, e->sequence.producer_id)->state,
							  UNKNOWN(i), e->base_offset);
	}
	run->n = 0;
	run->events = 0;
	run->bytes = 0;
}

/* A copy of a batch with that greatest time. */
static char *
with_greatest_time(const char *batch, size_t len, ElBatchHeader header, int64 greatest)
{
	char	   *copy = palloc(len);

	memcpy(copy, batch, len);
	header.max_timestamp = greatest;
	el_batch_write_header(copy, &header);
	return copy;
}

/* A batch that is fine goes into the run, if its producer has not sent it before. */
static void
add_to_run(Run *run, Entry *e)
{
	ElProducers *producers = run->part->producers;
	ElProducer *producer = NULL;
	const char *batch = VARDATA_ANY(e->batch);
	size_t		len = VARSIZE_ANY_EXHDR(e->batch);
	ElBatchHeader header;

	if (e->sequence.producer_id >= 0)
	{
		producer = el_producers_find(producers, e->sequence.producer_id);
		if (!is_next(e, producer))
			return;
	}
	/* to see what room it has left; or to let others in */
	if (run->appender->options.held_from != NULL || run->bytes + len > RUN_BYTES)
		append_run(run);
	if (has_no_room(run->appender, len))
	{
		e->fault.sqlstate = FULL;
		e->fault.message = psprintf("topic partition \"%s\" is full",
									RelationGetRelationName(run->appender->rel));
		return;
	}
	(void) el_batch_read_header(batch, len, &header);

	/*
	 * the log finds events by it; some clients put the last record's time
	 * there
	 */
	if (e->greatest > header.max_timestamp)
		batch = with_greatest_time(batch, len, header, e->greatest);
	e->base_offset = UNKNOWN(run->n);
	if (producer != NULL)
		el_sequence_add(&producer->state, &e->sequence, e->base_offset, producers->fxid);
	run->appends[run->n] = (ElAppend)
	{
		.batch = batch,.len = len
	};
	run->entries[run->n++] = e;
	run->events += header.record_count;
	run->bytes += len;
}

/* The batches of one partition. */
static void
append_to_partition(Part *part)
{
	Entry	   *first = part->entries[0];
	ElAppender	a;
	ElLogInfo	info;
	Run			run = {.appender = &a,.part = part};

	/* what this transaction has produced before comes before */
	el_buffer_flush(first->leaf, NULL, NULL);
	LockRelationOid(first->leaf, RowExclusiveLock);
	if (!el_appender_open(&a, first->topic->relid, first->partition, first->leaf))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("partition %d of topic \"%s\" does not exist",
						first->partition, first->topic->name)));
	run.appends = palloc_array(ElAppend, part->n);
	run.entries = palloc_array(Entry *, part->n);
	for (int i = 0; i < part->n; i++)
	{
		if (part->entries[i]->fault.sqlstate == NULL)
			add_to_run(&run, part->entries[i]);
	}
	append_run(&run);
	if (part->producers != NULL)
		el_producers_store(part->producers);
	el_partition_info(a.topic, first->partition, a.rel, &info);
	for (int i = 0; i < part->n; i++)
		part->entries[i]->log_start = info.log_start;
	el_appender_close(&a);
}

static void
put_row(ReturnSetInfo *rsinfo, const Entry *e)
{
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS] = {false};
	Datum	   *bad;

	nulls[0] = nulls[3] = e->fault.sqlstate == NULL;
	nulls[1] = e->base_offset < 0;
	nulls[2] = e->log_start < 0;
	nulls[4] = e->fault.nbad == 0;
	if (!nulls[0])
	{
		values[0] = CStringGetTextDatum(e->fault.sqlstate);
		values[3] = CStringGetTextDatum(e->fault.message);
	}
	values[1] = Int64GetDatum(e->base_offset);
	values[2] = Int64GetDatum(e->log_start);
	if (!nulls[4])
	{
		bad = palloc_array(Datum, e->fault.nbad);
		for (int i = 0; i < e->fault.nbad; i++)
			bad[i] = Int32GetDatum(e->fault.bad[i]);
		values[4] = PointerGetDatum(construct_array(bad, e->fault.nbad, INT4OID,
													sizeof(int32), true, TYPALIGN_INT));
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* broker_append(topic_ids uuid[], partitions int[], batches bytea[], durability text) */
Datum
eventlog_broker_append(PG_FUNCTION_ARGS)
{
	ElPlaces	places;
	Entry	   *entries;
	Entry	  **order;
	Part	   *parts;
	Datum	   *batches;
	ReturnSetInfo *rsinfo;
	int			n;
	int			nparts = 0;

	el_keep_memory();
	el_require_write("broker_append()");
	el_places(fcinfo, &places);
	deconstruct_array(el_plain_array(fcinfo, 2, "batches", places.n), BYTEAOID, -1,
					  false, TYPALIGN_INT, &batches, NULL, &n);
	if (!PG_ARGISNULL(3))
		set_durability(text_to_cstring(PG_GETARG_TEXT_PP(3)));
	InitMaterializedSRF(fcinfo, 0);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	entries = palloc0_array(Entry, Max(n, 1));
	order = palloc_array(Entry *, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		Entry	   *e = order[i] = &entries[i];

		e->number = i;
		e->base_offset = e->log_start = e->sequence.producer_id = -1;
		find_place(e, &places, i > 0 ? &entries[i - 1] : NULL);
	}
	for (int i = 0; i < n; i++)
	{
		Entry	   *e = &entries[i];

		CHECK_FOR_INTERRUPTS();
		if (e->topic == NULL)
			continue;
		e->batch = DatumGetByteaPP(batches[i]);
		(void) el_batch_check(e->topic, e->partition, VARDATA_ANY(e->batch),
							  VARSIZE_ANY_EXHDR(e->batch), &e->greatest, &e->fault);
		read_sequence(e);
	}
	qsort(order, n, sizeof(Entry *), compare_entries);
	parts = palloc0_array(Part, Max(n, 1));
	for (int i = 0; i < n && OidIsValid(order[i]->leaf); i++)
	{
		if (i == 0 || order[i]->leaf != order[i - 1]->leaf)
			parts[nparts++].entries = &order[i];
		parts[nparts - 1].n++;
	}
	for (int i = 0; i < nparts; i++)
		claim_producers(&parts[i]);
	for (int i = 0; i < nparts; i++)
		append_to_partition(&parts[i]);
	for (int i = 0; i < n; i++)
		put_row(rsinfo, &entries[i]);
	return (Datum) 0;
}
