/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  INSERT and COPY into a topic: rows become events in the producer buffer.
 *
 * A row reaches a partition's table, or the DEFAULT partition, which stores
 * nothing: it routes rows that name no partition by the topic's partitioner.
 * Rows that bring their own event_offset (pg_dump's COPY) are appended at
 * once, as are rows of an INSERT whose RETURNING needs event_offset.
 *
 * COPY collects rows for each table by themselves and hands them on table by
 * table (el_multi_insert()).  Of a topic that would be two tables for one
 * partition: a row without a partition number could overtake one with, and the
 * other way round.  So COPY into a topic inserts row by row.
 *
 * What the event was given (partition, time, offset if known) is written back
 * to the slot, where RETURNING finds it.
 *
 * IDENTIFICATION
 *	  src/table/insert.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "kafka/batch_builder.h"
#include "kafka/record.h"
#include "produce/buffer.h"
#include "storage/page.h"
#include "table/insert.h"
#include "table/tid.h"
#include "table/write_through.h"
#include "topic/checks.h"
#include "topic/options.h"
#include "topic/shape.h"
#include "topic/topic.h"
#include "value/headers.h"
#include "value/serde.h"

/* Rows with their own offsets that a COPY appends together, at most. */
#define COPY_RUN	1000

/* Serialised keys and values of the rows at hand; reset for each call. */
static MemoryContext row_context = NULL;

static MemoryContext
fresh_row_context(void)
{
	if (row_context == NULL)
		row_context = AllocSetContextCreate(TopMemoryContext,
											"eventlog insert",
											ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(row_context);
	return row_context;
}

/* The topic that rows for this table go to; partition -1 for the DEFAULT one. */
static ElTopic *
target_topic(Relation rel, int32 *partition)
{
	ElTopic    *t;

	el_require_preload();
	t = el_topic_of_leaf(RelationGetRelid(rel), partition);
	if (t == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is not a partition of a topic",
						RelationGetRelationName(rel)),
				 errhint("Make topics with create_topic().")));
	Assert(*partition >= -1 && *partition < t->npartitions);
	return t;
}

/*
 * Only the owner may say where an event goes: anybody else could end a topic's offset space.
 * Into an internal topic, which is a superuser's, the database's owner may insert, so that he can
 * restore it.
 */
static void
check_own_offset(ElTopic *t, int64 offset)
{
	if (!el_is_owner(t->relid, GetUserId()) &&
		get_rel_namespace(t->relid) != get_namespace_oid(EL_INTERNAL_SCHEMA, true))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of topic \"%s\" to supply event_offset",
						get_rel_name(t->relid)),
				 errhint("Leave event_offset out: the log gives it.")));
	if (offset < 0 || offset > EL_MAX_OFFSET)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("event_offset %lld is out of range",
						(long long) offset),
				 errdetail("Offsets lie between 0 and %lld.",
						   (long long) EL_MAX_OFFSET)));
}

/*
 * Make the record of a row; allocates in CurrentMemoryContext.  Returns whether the row brings
 * its own offset.  *partition is chosen here for rows of the DEFAULT partition.
 *
 * A row with its own offset is an event that comes back from a dump.  The topic took it once, and
 * its options may have become narrower since, so they are not asked again: COPY would refuse the
 * whole partition.
 */
static bool
row_to_record(ElTopic *t, TupleTableSlot *slot, int32 *partition,
			  ElRecord *rec)
{
	Datum	   *values;
	bool	   *nulls;
	bool		own_offset;

	Assert(slot->tts_tupleDescriptor->natts == EL_NATTS);
	Assert(CurrentMemoryContext == row_context);
	slot_getallattrs(slot);
	values = slot->tts_values;
	nulls = slot->tts_isnull;
	memset(rec, 0, sizeof(*rec));

	own_offset = !nulls[EL_ATT_OFFSET - 1];
	if (own_offset)
	{
		rec->offset = DatumGetInt64(values[EL_ATT_OFFSET - 1]);
		check_own_offset(t, rec->offset);
	}

	rec->key_len = -1;
	if (!nulls[EL_ATT_KEY - 1])
		el_serialize(&t->key, values[EL_ATT_KEY - 1], &rec->key,
					 &rec->key_len);
	else if (el_is_compacted(&t->options) && !own_offset)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a key is needed in compacted topic \"%s\"",
						get_rel_name(t->relid))));
	rec->value_len = -1;
	if (!nulls[EL_ATT_VALUE - 1])
		el_serialize(&t->value, values[EL_ATT_VALUE - 1], &rec->value,
					 &rec->value_len);
	if (!nulls[EL_ATT_HEADERS - 1])
		el_headers_from_jsonb(values[EL_ATT_HEADERS - 1], &rec->headers,
							  &rec->headers_len);
	el_check_event_size(t, rec, own_offset);
	rec->timestamp = nulls[EL_ATT_TIME - 1] ? el_now_ms() :
		el_event_time(t, DatumGetTimestampTz(values[EL_ATT_TIME - 1]),
					  own_offset);

	if (*partition < 0)
	{
		if (!nulls[EL_ATT_PARTITION - 1])
			el_check_partition(t, DatumGetInt32(values[EL_ATT_PARTITION - 1]));
		*partition = el_choose_partition(t, rec);
	}
	return own_offset;
}

/* Copy what a record points to. */
static void
keep_bytes(ElRecord *r, MemoryContext mcxt)
{
	int32		key_len = Max(r->key_len, 0);
	int32		value_len = Max(r->value_len, 0);
	char	   *p = MemoryContextAlloc(mcxt, (Size) key_len + value_len +
									   r->headers_len + 1);

	if (r->key_len >= 0)
		r->key = memcpy(p, r->key, key_len);
	if (r->value_len >= 0)
		r->value = memcpy(p + key_len, r->value, value_len);
	if (r->headers_len > 0)
		r->headers = memcpy(p + key_len + value_len, r->headers, r->headers_len);
}

/* What an event without headers has, made once. */
static Datum
empty_headers(void)
{
	static Datum headers = (Datum) 0;

	if (headers == (Datum) 0)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		headers = el_headers_to_jsonb(NULL, 0);
		MemoryContextSwitchTo(old);
	}
	return headers;
}

/* Tell the slot what the event was given; offset -1: not known yet. */
static void
write_back(Relation rel, TupleTableSlot *slot, int32 partition,
		   const ElRecord *rec, int64 offset)
{
	Assert(partition >= 0 && offset >= -1);
	slot->tts_tableOid = RelationGetRelid(rel);
	slot->tts_values[EL_ATT_PARTITION - 1] = Int32GetDatum(partition);
	slot->tts_isnull[EL_ATT_PARTITION - 1] = false;
	slot->tts_values[EL_ATT_TIME - 1] =
		TimestampTzGetDatum(el_ms_to_timestamptz(rec->timestamp));
	slot->tts_isnull[EL_ATT_TIME - 1] = false;
	if (slot->tts_isnull[EL_ATT_HEADERS - 1])
	{
		slot->tts_values[EL_ATT_HEADERS - 1] = empty_headers();
		slot->tts_isnull[EL_ATT_HEADERS - 1] = false;
	}
	if (offset >= 0)
	{
		slot->tts_values[EL_ATT_OFFSET - 1] = Int64GetDatum(offset);
		slot->tts_isnull[EL_ATT_OFFSET - 1] = false;
		el_offset_to_tid(offset, &slot->tts_tid);
	}
}

/*
 * Rows with their own offsets that go to the log together, so that a restored
 * log has batches, not one per row.
 */
typedef struct Run
{
	Oid			topic;
	ElTopic    *t;
	int32		partition;
	CommandId	cid;
	SubTransactionId subid;		/* in which the COPY runs */
	ElRecord   *records;
	int			n;
	int			max;
	size_t		bytes;
	MemoryContext mcxt;			/* of the records' bytes; NULL: they last */
} Run;

/* The run of the COPY that is under way, NULL if there is none. */
static Run *copy_run = NULL;

/*
 * The run that a row belongs to, NULL: none.  A function that the COPY calls may
 * insert as well, even in a subtransaction that is rolled back: its rows must not
 * stay in the run then, nor take rows of the run with them.
 */
static Run *
run_of_copy(Oid topic)
{
	if (copy_run != NULL && copy_run->topic == topic &&
		copy_run->subid == GetCurrentSubTransactionId())
		return copy_run;
	return NULL;
}

static void
append_run(Run *run)
{
	if (run->n > 0)
		el_buffer_append_now(run->t, run->partition, run->records, run->n,
							 run->cid, true);
	run->n = 0;
	run->bytes = 0;
	if (run->mcxt != NULL)
		MemoryContextReset(run->mcxt);
}

static void
add_to_run(Run *run, ElTopic *t, int32 partition, const ElRecord *rec,
		   CommandId cid)
{
	ElRecord   *r;

	if (run->n == run->max || run->partition != partition ||
		run->bytes >= EL_BATCH_TARGET)
		append_run(run);

	Assert(run->topic == t->relid && run->n < run->max);
	r = &run->records[run->n];
	*r = *rec;
	if (run->mcxt != NULL)
		keep_bytes(r, run->mcxt);
	run->t = t;
	run->partition = partition;
	run->cid = cid;
	run->bytes += el_record_size_bound(r);
	run->n++;
}

void
el_copy_row_by_row(Oid topic, void (*copy) (const void *arg), const void *arg)
{
	Run		   *outer = copy_run;
	Run			run = {
		.topic = topic,
		.subid = GetCurrentSubTransactionId(),
		.records = palloc(COPY_RUN * sizeof(ElRecord)),
		.max = COPY_RUN,
		.mcxt = AllocSetContextCreate(CurrentMemoryContext, "eventlog copy",
									  ALLOCSET_DEFAULT_SIZES)
	};

	PG_TRY();
	{
		copy_run = &run;
		copy(arg);
		append_run(&run);
	}
	PG_FINALLY();
	{
		copy_run = outer;
	}
	PG_END_TRY();
	pfree(run.records);
	MemoryContextDelete(run.mcxt);
}

void
el_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid,
				int options, struct BulkInsertStateData *bistate)
{
	int32		partition;
	ElTopic    *t = target_topic(rel, &partition);
	MemoryContext old = MemoryContextSwitchTo(fresh_row_context());
	Run		   *run = run_of_copy(t->relid);
	ElRecord	rec;
	int64		offset = -1;

	Assert(CheckRelationLockedByMe(rel, RowExclusiveLock, true));
	if (row_to_record(t, slot, &partition, &rec))
	{
		offset = rec.offset;
		if (run != NULL)
			add_to_run(run, t, partition, &rec, cid);
		else
			el_buffer_append_now(t, partition, &rec, 1, cid, true);
	}
	else
	{
		if (run != NULL)
			append_run(run);
		if (el_write_through(t->relid))
			offset = el_buffer_append_now(t, partition, &rec, 1, cid, false);
		else
			el_buffer_add(t, partition, &rec);
	}
	MemoryContextSwitchTo(old);
	write_back(rel, slot, partition, &rec, offset);
}

/* COPY into one table of a topic, as pg_dump's. */
void
el_multi_insert(Relation rel, TupleTableSlot **slots, int nslots,
				CommandId cid, int options,
				struct BulkInsertStateData *bistate)
{
	int32		leaf_partition;
	ElTopic    *t = target_topic(rel, &leaf_partition);
	MemoryContext old = MemoryContextSwitchTo(fresh_row_context());
	Run			run = {.topic = t->relid};

	for (int i = 0; i < nslots; i++)
	{
		int32		partition = leaf_partition;
		ElRecord	rec;
		bool		own_offset = row_to_record(t, slots[i], &partition, &rec);

		CHECK_FOR_INTERRUPTS();
		if (own_offset)
		{
			if (run.records == NULL)
			{
				run.records = palloc(nslots * sizeof(ElRecord));
				run.max = nslots;
			}
			add_to_run(&run, t, partition, &rec, cid);
		}
		else
		{
			append_run(&run);
			el_buffer_add(t, partition, &rec);
		}
		write_back(rel, slots[i], partition, &rec,
				   own_offset ? rec.offset : -1);
	}
	append_run(&run);
	MemoryContextSwitchTo(old);
}
