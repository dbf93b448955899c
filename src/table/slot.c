/*-------------------------------------------------------------------------
 *
 * slot.c
 *	  A tuple slot over a record of the log.
 *
 * A virtual slot that may hold a record instead of values: columns are
 * deserialised when somebody asks for them, so that count(*) or a filter on
 * event_offset never looks at a value.  Datums live in a context of the slot's
 * own; the record's bytes in the reader, until its next record.  How the bytes of
 * keys and values are read is looked up once for a slot: whoever puts records into
 * it, row by row for a ctid each, leaves nothing in memory.
 *
 * IDENTIFICATION
 *	  src/table/slot.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "kafka/record.h"
#include "storage/page.h"
#include "table/slot.h"
#include "table/tid.h"
#include "topic/shape.h"
#include "value/headers.h"
#include "value/serde.h"

/* Room for text that a slot keeps from row to row. */
#define EL_SLOT_TEXT	(64 * 1024)

typedef struct ElTupleSlot
{
	VirtualTupleTableSlot base;
	Relation	rel;			/* of the record; NULL: plain virtual values */
	int32		partition;
	ElRecord	record;
	MemoryContext mcxt;			/* of the datums; made when first needed */
	MemoryContext types_mcxt;	/* of the types, likewise */
	ElSerde    *key;
	ElSerde    *value;

	/*
	 * text and the like is not allocated for each row: it goes here, one
	 * behind the other
	 */
	char	   *text;
	Size		text_size;
	Size		text_used;
} ElTupleSlot;

static void
add_event_context(void *arg)
{
	ElTupleSlot *s = (ElTupleSlot *) arg;

	errcontext("event %lld of topic partition \"%s\"",
			   (long long) s->record.offset, RelationGetRelationName(s->rel));
}

/* What one column's bytes are, by the slot's descriptor. */
static ElSerde *
column_type(ElTupleSlot *s, AttrNumber column)
{
	Form_pg_attribute att = TupleDescAttr(s->base.base.tts_tupleDescriptor,
										  column - 1);
	ElSerde    *serde;

	if (s->types_mcxt == NULL)
		s->types_mcxt = AllocSetContextCreate(s->base.base.tts_mcxt,
											  "eventlog slot types",
											  ALLOCSET_SMALL_SIZES);
	serde = MemoryContextAlloc(s->types_mcxt, sizeof(ElSerde));
	el_serde_init(serde, att->atttypid, att->atttypmod, s->types_mcxt);
	return serde;
}

/* A key or value that is not null. */
static Datum
make_value(ElTupleSlot *s, ElSerde *serde, const char *data, int32 len)
{
	char	   *text;

	Assert(len >= 0);
	if (!el_serde_is_bytes(serde))
		return el_deserialize(serde, data, len);
	if (s->text_used == 0)
	{
		/* of both, since the first one must not move */
		Size		need = 2 * MAXALIGN(VARHDRSZ) + MAXALIGN(Max(s->record.key_len, 0)) +
			MAXALIGN(Max(s->record.value_len, 0));

		if (s->text_size < need)
		{
			if (s->text)
				pfree(s->text);
			s->text = NULL;
			need = Max(need, EL_SLOT_TEXT / 4);
			s->text = MemoryContextAlloc(s->base.base.tts_mcxt, need);
			s->text_size = need;
		}
	}
	text = &s->text[s->text_used];

	s->text_used += MAXALIGN(VARHDRSZ + len);
	Assert(s->text_used <= s->text_size);
	SET_VARSIZE(text, VARHDRSZ + len);
	memcpy(VARDATA(text), data, len);
	return PointerGetDatum(text);
}

/*
 * Columns first .. end - 1, counted from 0, of the record.
 *
 * el_make_row() (rows/row.c) makes the same columns for functions.  They are not
 * one: this makes columns bit by bit and puts text where it lies from row to row,
 * that makes a whole row, in one of three forms, in memory of its own.  A common
 * function would ask for each column of each row which of both is wanted.
 */
static void
make_columns(ElTupleSlot *s, int first, int end, Datum *values, bool *nulls)
{
	ElRecord   *r = &s->record;
	ErrorContextCallback context;

	Assert(first >= 0 && first <= end && end <= EL_NATTS);
	Assert(CurrentMemoryContext == s->mcxt);
	context.callback = add_event_context;
	context.arg = s;
	context.previous = error_context_stack;
	error_context_stack = &context;
	for (int i = first; i < end; i++)
	{
		nulls[i] = false;
		switch (i + 1)
		{
			case EL_ATT_PARTITION:
				values[i] = Int32GetDatum(s->partition);
				break;
			case EL_ATT_OFFSET:
				values[i] = Int64GetDatum(r->offset);
				break;
			case EL_ATT_TIME:
				values[i] = TimestampTzGetDatum(el_ms_to_timestamptz(r->timestamp));
				break;
			case EL_ATT_KEY:
				nulls[i] = r->key_len < 0;
				if (s->key == NULL && !nulls[i])
					s->key = column_type(s, i + 1);
				values[i] = nulls[i] ? (Datum) 0 :
					make_value(s, s->key, r->key, r->key_len);
				break;
			case EL_ATT_VALUE:
				nulls[i] = r->value_len < 0;
				if (s->value == NULL && !nulls[i])
					s->value = column_type(s, i + 1);
				values[i] = nulls[i] ? (Datum) 0 :
					make_value(s, s->value, r->value, r->value_len);
				break;
			case EL_ATT_HEADERS:
				values[i] = el_headers_to_jsonb(r->headers, r->headers_len);
				break;
			default:
				nulls[i] = true;
				break;
		}
	}
	error_context_stack = context.previous;
}

static void
el_slot_init(TupleTableSlot *slot)
{
	ElTupleSlot *s = (ElTupleSlot *) slot;

	s->rel = NULL;
	s->mcxt = s->types_mcxt = NULL;
	s->key = s->value = NULL;
	s->text = NULL;
	s->text_size = s->text_used = 0;
}

static void
el_slot_release(TupleTableSlot *slot)
{
	ElTupleSlot *s = (ElTupleSlot *) slot;

	if (s->mcxt)
		MemoryContextDelete(s->mcxt);
	if (s->types_mcxt)
		MemoryContextDelete(s->types_mcxt);
	s->mcxt = s->types_mcxt = NULL;
	s->key = s->value = NULL;
	if (s->text)
		pfree(s->text);
	s->text = NULL;
	s->text_size = s->text_used = 0;
}

static void
el_slot_clear(TupleTableSlot *slot)
{
	ElTupleSlot *s = (ElTupleSlot *) slot;

	TTSOpsVirtual.clear(slot);
	s->rel = NULL;
	s->text_used = 0;
	if (s->text_size > EL_SLOT_TEXT)
	{
		pfree(s->text);
		s->text = NULL;
		s->text_size = 0;
	}
	if (s->mcxt)
		MemoryContextReset(s->mcxt);
}

static void
el_slot_getsomeattrs(TupleTableSlot *slot, int natts)
{
	ElTupleSlot *s = (ElTupleSlot *) slot;
	MemoryContext old;

	if (s->rel == NULL)
	{
		TTSOpsVirtual.getsomeattrs(slot, natts);
		return;
	}
	Assert(slot->tts_nvalid < natts);
	if (s->mcxt == NULL)
		s->mcxt = AllocSetContextCreate(slot->tts_mcxt, "eventlog slot",
										ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(s->mcxt);
	make_columns(s, slot->tts_nvalid, natts, slot->tts_values,
				 slot->tts_isnull);
	MemoryContextSwitchTo(old);
	slot->tts_nvalid = natts;
}

static Datum
el_slot_getsysattr(TupleTableSlot *slot, int attnum, bool *isnull)
{
	return TTSOpsVirtual.getsysattr(slot, attnum, isnull);
}

/* Asked only for rows to be updated, of which there are none. */
static pg_attribute_unused()
bool
el_slot_is_current_xact_tuple(TupleTableSlot *slot)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("do not have transaction information of an event")));
	return false;
}

static void
el_slot_materialize(TupleTableSlot *slot)
{
	ElTupleSlot *s = (ElTupleSlot *) slot;

	if (s->rel == NULL)
	{
		TTSOpsVirtual.materialize(slot);
		return;
	}
	/* the datums are the slot's own; the bytes are not needed any more */
	slot_getallattrs(slot);
	Assert(slot->tts_nvalid == EL_NATTS);
	s->rel = NULL;
}

static void
el_slot_copyslot(TupleTableSlot *dst, TupleTableSlot *src)
{
	el_slot_clear(dst);
	TTSOpsVirtual.copyslot(dst, src);
	dst->tts_tid = src->tts_tid;
	dst->tts_tableOid = src->tts_tableOid;
}

/* ANALYZE sorts its sample by the tuples' t_self. */
static HeapTuple
el_slot_copy_heap_tuple(TupleTableSlot *slot)
{
	HeapTuple	tuple;

	slot_getallattrs(slot);
	tuple = heap_form_tuple(slot->tts_tupleDescriptor, slot->tts_values,
							slot->tts_isnull);
	tuple->t_self = slot->tts_tid;
	tuple->t_tableOid = slot->tts_tableOid;
	return tuple;
}

static MinimalTuple
el_slot_copy_minimal_tuple(TupleTableSlot *slot EL_EXTRA_PARAM)
{
	slot_getallattrs(slot);
	return el_heap_form_minimal_tuple(slot->tts_tupleDescriptor,
									  slot->tts_values, slot->tts_isnull);
}

const TupleTableSlotOps ElTupleSlotOps = {
	.base_slot_size = sizeof(ElTupleSlot),
	.init = el_slot_init,
	.release = el_slot_release,
	.clear = el_slot_clear,
	.getsomeattrs = el_slot_getsomeattrs,
	.getsysattr = el_slot_getsysattr,
	EL_SLOT_OPS_17(el_slot_is_current_xact_tuple)
	.materialize = el_slot_materialize,
	.copyslot = el_slot_copyslot,
	.get_heap_tuple = NULL,
	.get_minimal_tuple = NULL,
	.copy_heap_tuple = el_slot_copy_heap_tuple,
	.copy_minimal_tuple = el_slot_copy_minimal_tuple
};

void
el_slot_store(TupleTableSlot *slot, Relation rel, int32 partition,
			  const ElRecord *r)
{
	ElTupleSlot *s = (ElTupleSlot *) slot;

	Assert(slot->tts_ops == &ElTupleSlotOps);
	Assert(slot->tts_tupleDescriptor->natts == EL_NATTS);
	Assert(r->offset >= 0 && r->offset <= EL_MAX_OFFSET);
	Assert(r->key_len >= -1 && r->value_len >= -1 && r->headers_len >= 0);
	el_slot_clear(slot);
	s->rel = rel;
	s->partition = partition;
	s->record = *r;
	slot->tts_flags &= ~TTS_FLAG_EMPTY;
	slot->tts_nvalid = 0;
	slot->tts_tableOid = RelationGetRelid(rel);
	el_offset_to_tid(r->offset, &slot->tts_tid);
}
