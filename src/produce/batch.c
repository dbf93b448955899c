/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  produce_batch(): many events in one call.
 *
 * Events come as a JSON array, or as arrays of keys and values.  JSON is taken
 * as text, whatever the argument's type: key and value are slices of it, so a
 * topic of JSON gets the bytes that stand there.  jsonb has no other bytes than
 * its text form.
 *
 * An error in an event says in its DETAIL which one it is.
 *
 * A producer's sequence is that of the batch.  One that was produced before is not
 * looked at: 0 events.
 *
 * IDENTIFICATION
 *	  src/produce/batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/arguments.h"
#include "base/clock.h"
#include "base/compat.h"
#include "produce/once.h"
#include "produce/produce.h"
#include "topic/checks.h"
#include "topic/topic.h"
#include "value/json_scan.h"
#include "value/serde.h"

/* Bytes of a key that an error shows. */
#define SHOWN_KEY	64

/* A value as it stands in the document, without the space around it. */
typedef struct Slice
{
	const char *data;			/* NULL: there is none */
	int32		len;
} Slice;

/* A column of the events: how a JSON value becomes a datum for the call site. */
typedef struct Column
{
	ElSerde    *serde;
	bool		is_json;		/* JSON is what the type holds */
	bool		as_bytes;		/* slices are what is on the log */
	bool		has_rows;		/* JSON is how its bytes are on the log */
	StringInfoData datum;		/* text or json, of the event at hand */
} Column;

typedef struct Batch
{
	ElCallSite *site;
	ElTopic    *t;
	int64		number;			/* of the event at hand, counted from 0 */
	MemoryContext work;			/* for one event */

	/* a JSON array */
	const char *json;
	Slice		key;			/* of the event at hand, if known yet */
	Column		columns[2];
	int64		now_ms;

	/* arrays */
	Datum	   *keys;			/* NULL: no event has a key */
	Datum	   *values;
	bool	   *key_nulls;
	bool	   *value_nulls;
	int			nvalues;
} Batch;

EL_FUNCTION(eventlog_produce_batch_text);
EL_FUNCTION(eventlog_produce_batch_jsonb);
EL_FUNCTION(eventlog_produce_batch_arrays);

/* The key of the event at hand, NULL if it has none. */
static char *
shown_key(const Batch *b)
{
	char	   *key = NULL;
	int			len;

	if (b->key.data != NULL)
		key = pnstrdup(b->key.data, b->key.len);
	else if (b->keys != NULL && !b->key_nulls[b->number])
		key = psprintf("\"%s\"", TextDatumGetCString(b->keys[b->number]));
	if (key == NULL)
		return NULL;

	len = strlen(key);
	if (len > SHOWN_KEY)
		key = psprintf("%.*s...%s", pg_mbcliplen(key, len, SHOWN_KEY), key,
					   key[0] == '"' ? "\"" : "");
	return key;
}

/*
 * Raise the error that has been caught once more, with the event that it is
 * about.  What its DETAIL says already goes first.
 */
static void
pg_attribute_noreturn()
rethrow_for_event(const Batch *b)
{
	ErrorData  *error = CopyErrorData();
	char	   *key;
	char	   *event;

	FlushErrorState();
	key = shown_key(b);
	event = psprintf("Raised at event %lld of the batch (counted from 0), %s%s.",
					 (long long) b->number, key != NULL ? "key " : "without key",
					 key != NULL ? key : "");
	error->detail = error->detail == NULL ? event :
		psprintf("%s\n%s", error->detail, event);
	ReThrowError(error);
}

/* The call's producer and sequence, behind its other arguments.  True if this batch was produced before. */
static bool
begin_once(ElOnce *once, FunctionCallInfo fcinfo, int nothers, const ElTopic *t)
{
	memset(once, 0, sizeof(*once));
	if (PG_NARGS() > nothers)
		el_once_begin(once, fcinfo, nothers, t);
	return once->again;
}

/* Produce the events by that function; returns their number. */
static int64
produce_events(Batch *b, void (*produce) (Batch *b))
{
	MemoryContext caller = CurrentMemoryContext;

	b->work = AllocSetContextCreate(caller, "eventlog event",
									ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		produce(b);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		rethrow_for_event(b);
	}
	PG_END_TRY();
	MemoryContextDelete(b->work);
	return b->number;
}


/*
 * produce_batch(topic, events), events being text, json or jsonb
 */

enum
{
	MEMBER_KEY,
	MEMBER_VALUE,
	MEMBER_HEADERS,
	MEMBER_PARTITION,
	MEMBER_TIME,
	MEMBERS
};

static const char *const member_names[MEMBERS] = {
	"key", "value", "headers", "partition", "event_time"
};

static int
find_member(const char *name)
{
	int			member = 0;

	while (member < MEMBERS && !el_json_string_is(name, member_names[member]))
		member++;
	return member;
}

/*
 * The members of the event that begins at p; none for those that are left out or
 * null.  22023 for an unknown one.  Returns what is behind the event.
 */
static const char *
find_members(Batch *b, const char *p, Slice *members)
{
	const char *name;
	const char *value;
	const char *unknown = NULL;

	memset(members, 0, MEMBERS * sizeof(Slice));
	while (el_json_next_member(&p, &name, &value))
	{
		int			member = find_member(name);

		if (member == MEMBERS)
			unknown = name;
		else
		{
			members[member].data = *value == 'n' ? NULL : value;
			members[member].len = p - value;
		}
	}

	/* once the key is known */
	b->key = members[MEMBER_KEY];
	if (unknown != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized member \"%s\" in an event",
						el_json_decode(unknown)),
				 errhint("Valid members are \"key\", \"value\", \"headers\", \"partition\" and \"event_time\".")));
	return p + 1;
}

/* What a JSON string says. */
static Slice
string_content(Slice json)
{
	Slice		content = {json.data + 1, json.len - 2};

	Assert(json.len >= 2 && *json.data == '"');
	if (memchr(content.data, '\\', content.len) != NULL)
	{
		content.data = el_json_decode(json.data);
		content.len = strlen(content.data);
	}
	return content;
}

/*
 * JSON goes to the log as it stands, unless somebody has to look at the value;
 * jsonb as well, if the document is in the form that jsonb gives it.
 */
static void
init_column(Column *c, ElTopic *t, ElSerde *serde, bool from_jsonb)
{
	c->serde = serde;
	c->is_json = serde->kind == EL_SERDE_JSON || serde->kind == EL_SERDE_JSONB;
	c->as_bytes = (serde->kind == EL_SERDE_JSON ||
				   (serde->kind == EL_SERDE_JSONB && from_jsonb)) &&
		!serde->is_domain && !t->has_check && GetDatabaseEncoding() == PG_UTF8;
	c->has_rows = el_serde_has_rows(serde);
	initStringInfo(&c->datum);
}

/* The type as which a column's values reach the call site. */
static Oid
column_source(const Column *c)
{
	return c->is_json ? JSONOID : TEXTOID;
}

/*
 * A JSON value as the topic's key or value: JSON for JSON, a string's content for others, and the
 * JSON text of what is no string.  Rows, and arrays of them, are JSON on the log:
 * such a value is one by the names of attributes.
 */
static void
get_field(Column *c, Slice json, ElField *f)
{
	StringInfo	buf = &c->datum;

	f->isnull = json.data == NULL;
	if (f->isnull)
		return;
	if (c->as_bytes)
	{
		f->bytes = json.data;
		f->len = json.len;
		return;
	}
	if (c->has_rows && *json.data != '"')
	{
		char	   *utf8 = pg_server_to_any(json.data, json.len, PG_UTF8);

		f->typed = true;
		f->datum = el_deserialize_unknown(c->serde, utf8,
										  utf8 == json.data ? json.len : strlen(utf8));
		return;
	}

	if (!c->is_json && *json.data == '"')
		json = string_content(json);
	resetStringInfo(buf);
	enlargeStringInfo(buf, VARHDRSZ + json.len);
	memcpy(buf->data + VARHDRSZ, json.data, json.len);
	SET_VARSIZE(buf->data, VARHDRSZ + json.len);
	f->datum = PointerGetDatum(buf->data);
}

/* A string that functions of types can read. */
static char *
json_cstring(Slice json)
{
	return pnstrdup(json.data, json.len);
}

static int64
json_partition(Slice json)
{
	char	   *end;
	long long	n;

	/* behind a number there is something that is no part of it */
	errno = 0;
	n = strtoll(json.data, &end, 10);
	if (errno != 0 || end != json.data + json.len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("member \"partition\" must be an integer")));
	return n;
}

static int64
json_event_time(ElTopic *t, Slice json)
{
	Datum		time;

	if (*json.data != '"')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("member \"event_time\" must be a string"),
				 errhint("Write it as a timestamp with time zone, for example \"2024-01-31T12:00:00Z\".")));
	time = DirectFunctionCall3(timestamptz_in,
							   CStringGetDatum(json_cstring(string_content(json))),
							   ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
	return el_event_time(t, DatumGetTimestampTz(time), false);
}

/* The event that begins at p; returns what is behind it. */
static const char *
produce_json_event(Batch *b, const char *p)
{
	Slice		members[MEMBERS];
	ElEvent		event = {0};

	p = find_members(b, p, members);

	get_field(&b->columns[MEMBER_KEY], members[MEMBER_KEY], &event.key);
	get_field(&b->columns[MEMBER_VALUE], members[MEMBER_VALUE], &event.value);
	event.headers_isnull = members[MEMBER_HEADERS].data == NULL;
	if (!event.headers_isnull)
		event.headers = DirectFunctionCall1(jsonb_in,
											CStringGetDatum(json_cstring(members[MEMBER_HEADERS])));
	event.has_partition = members[MEMBER_PARTITION].data != NULL;
	if (event.has_partition)
		event.partition = json_partition(members[MEMBER_PARTITION]);
	event.time_ms = members[MEMBER_TIME].data == NULL ? b->now_ms :
		json_event_time(b->t, members[MEMBER_TIME]);

	el_produce_event(b->site, b->t, &event);
	return p;
}

static void
produce_json(Batch *b)
{
	MemoryContext old = MemoryContextSwitchTo(b->work);
	const char *p = b->json;

	while (el_json_at_element(&p))
	{
		CHECK_FOR_INTERRUPTS();
		b->key.data = NULL;
		if (*p != '{')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("an event must be a JSON object")));
		p = produce_json_event(b, p);
		MemoryContextReset(b->work);
		b->number++;
	}
	MemoryContextSwitchTo(old);
}

/* Produce the events of a JSON text that is known to be valid. */
static int64
produce_batch_json(FunctionCallInfo fcinfo, ElCallSite *site, ElTopic *t,
				   const char *json, bool from_jsonb)
{
	Batch		b = {0};

	json = el_json_skip_space(json);
	if (*json != '[')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("events must be a JSON array of objects")));

	b.site = site;
	b.t = t;
	b.json = json;
	b.now_ms = el_now_ms();
	init_column(&b.columns[MEMBER_KEY], t, &t->key, from_jsonb);
	init_column(&b.columns[MEMBER_VALUE], t, &t->value, from_jsonb);
	el_prepare_conversions(site, fcinfo->flinfo, t,
						   column_source(&b.columns[MEMBER_KEY]),
						   column_source(&b.columns[MEMBER_VALUE]));
	return produce_events(&b, produce_json);
}

/*
 * For text and json.  json is looked at once more: types can be cast to it
 * without a function.
 */
Datum
eventlog_produce_batch_text(PG_FUNCTION_ARGS)
{
	ElCallSite *site = el_call_site(fcinfo);
	ElTopic    *t = el_topic_to_produce(site, fcinfo, "produce_batch()");
	ElOnce		once;
	text	   *events;
	int64		n;

	el_arg_not_null(fcinfo, 1, "events");
	if (begin_once(&once, fcinfo, 2, t))
		PG_RETURN_INT64(0);
	events = PG_GETARG_TEXT_PP(1);
	el_json_validate(VARDATA_ANY(events), VARSIZE_ANY_EXHDR(events));
	n = produce_batch_json(fcinfo, site, t, VARDATA_ANY(events), false);
	el_once_done(&once);
	PG_RETURN_INT64(n);
}

Datum
eventlog_produce_batch_jsonb(PG_FUNCTION_ARGS)
{
	ElCallSite *site = el_call_site(fcinfo);
	ElTopic    *t = el_topic_to_produce(site, fcinfo, "produce_batch()");
	ElOnce		once;
	Jsonb	   *events;
	int64		n;

	el_arg_not_null(fcinfo, 1, "events");
	if (begin_once(&once, fcinfo, 2, t))
		PG_RETURN_INT64(0);
	events = PG_GETARG_JSONB_P(1);
	n = produce_batch_json(fcinfo, site, t,
						   JsonbToCString(NULL, &events->root, VARSIZE(events)), true);
	el_once_done(&once);
	PG_RETURN_INT64(n);
}


/*
 * produce_batch(topic, keys text[], event_values text[])
 */

static void
produce_arrays(Batch *b)
{
	MemoryContext old = MemoryContextSwitchTo(b->work);
	ElEvent		event = {0};

	event.headers_isnull = true;
	event.time_ms = el_now_ms();
	while (b->number < b->nvalues)
	{
		int			i = (int) b->number;

		CHECK_FOR_INTERRUPTS();
		event.key.isnull = b->keys == NULL || b->key_nulls[i];
		event.key.datum = event.key.isnull ? (Datum) 0 : b->keys[i];
		event.value.isnull = b->value_nulls[i];
		event.value.datum = b->values[i];
		el_produce_event(b->site, b->t, &event);
		MemoryContextReset(b->work);
		b->number++;
	}
	MemoryContextSwitchTo(old);
}

static ArrayType *
get_array(FunctionCallInfo fcinfo, int argno, const char *name)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argno);

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must be a one-dimensional array", name)));
	return array;
}

/* NULL keys: none of the events has one. */
Datum
eventlog_produce_batch_arrays(PG_FUNCTION_ARGS)
{
	Batch		b = {0};
	ElOnce		once;
	int64		n;

	b.site = el_call_site(fcinfo);
	b.t = el_topic_to_produce(b.site, fcinfo, "produce_batch()");

	el_arg_not_null(fcinfo, 2, "event_values");
	if (begin_once(&once, fcinfo, 3, b.t))
		PG_RETURN_INT64(0);
	deconstruct_array(get_array(fcinfo, 2, "event_values"), TEXTOID, -1, false,
					  TYPALIGN_INT, &b.values, &b.value_nulls, &b.nvalues);
	if (!PG_ARGISNULL(1))
	{
		int			nkeys;

		deconstruct_array(get_array(fcinfo, 1, "keys"), TEXTOID, -1, false,
						  TYPALIGN_INT, &b.keys, &b.key_nulls, &nkeys);
		if (nkeys != b.nvalues)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("keys and event_values must have the same length"),
					 errdetail("There are %d keys and %d event values.",
							   nkeys, b.nvalues)));
	}

	el_prepare_conversions(b.site, fcinfo->flinfo, b.t, TEXTOID, TEXTOID);
	n = produce_events(&b, produce_arrays);
	el_once_done(&once);
	PG_RETURN_INT64(n);
}
