/*-------------------------------------------------------------------------
 *
 * row.c
 *	  From a record of the log to SQL rows.
 *
 * IDENTIFICATION
 *	  src/rows/row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "kafka/record.h"
#include "rows/row.h"
#include "value/headers.h"
#include "value/serde.h"

/* Which event is being deserialised, for the error context. */
typedef struct RowContext
{
	ElTopic    *topic;
	int32		partition;
	const ElRecord *record;
} RowContext;

static void
row_error_callback(void *arg)
{
	RowContext *rc = arg;

	errcontext("event %lld of partition %d of topic \"%s\"",
			   (long long) rc->record->offset, rc->partition, rc->topic->name);
}

static inline Datum
bytes_datum(const char *data, int32 len)
{
	return PointerGetDatum(cstring_to_text_with_len(data, len));
}

/*
 * Key, value and headers that are not asked for have no value.
 * table/slot.c makes the same columns of a topic's own row, and says why there
 * are two.
 */
void
el_make_row(ElTopic *t, int32 partition, const ElRecord *r, ElRowForm form,
			uint32 columns, Datum *values, bool *nulls)
{
	RowContext	rc = {t, partition, r};
	ErrorContextCallback callback;
	int			i = 0;
	int			key;
	int			value;
	bool		with_key;
	bool		with_value;

	Assert(partition >= 0 && r->offset >= 0 && r->headers_len >= 0);
	callback.callback = row_error_callback;
	callback.arg = &rc;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	if (form != EL_ROW_TYPED)
		values[i++] = ObjectIdGetDatum(t->relid);
	values[i++] = Int32GetDatum(partition);
	values[i++] = Int64GetDatum(r->offset);
	values[i++] = TimestampTzGetDatum(el_ms_to_timestamptz(r->timestamp));
	key = i++;
	value = i++;
	Assert(i < EL_ROW_MAX_COLUMNS);
	memset(nulls, 0, sizeof(bool) * (i + 1));
	nulls[key] = r->key_len < 0;
	nulls[value] = r->value_len < 0;
	values[key] = values[value] = (Datum) 0;
	with_key = !nulls[key] && (columns & (1 << key));
	with_value = !nulls[value] && (columns & (1 << value));

	switch (form)
	{
		case EL_ROW_EVENT:
			if (with_key)
				values[key] = el_bytes_to_text(&t->key, r->key, r->key_len);
			if (with_value)
				values[value] = el_bytes_to_json(&t->value, r->value, r->value_len);
			break;

		case EL_ROW_BYTES:
			if (with_key)
				values[key] = bytes_datum(r->key, r->key_len);
			if (with_value)
				values[value] = bytes_datum(r->value, r->value_len);
			break;

		case EL_ROW_TYPED:
			if (with_key)
				values[key] = el_deserialize(&t->key, r->key, r->key_len);
			if (with_value)
				values[value] = el_deserialize(&t->value, r->value, r->value_len);
			break;
	}

	if (columns & (1 << i))
		values[i] = el_headers_to_jsonb(r->headers, r->headers_len);

	error_context_stack = callback.previous;
}
