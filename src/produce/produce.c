/*-------------------------------------------------------------------------
 *
 * produce.c
 *	  The SQL functions that produce events.
 *
 * An event is converted to the topic's types, checked, given a partition and
 * handed to the producer buffer, which appends it when the transaction
 * commits.  Nothing here touches a page.
 *
 * What does not change from event to event is kept at the call site
 * (fn_extra): that the user may produce to the topic, and the conversions of
 * the arguments.  A topic pointer is good until the transaction ends, so the
 * conversions are prepared again when the pointer or the transaction differs;
 * a call costs one hash lookup for the topic.
 *
 * IDENTIFICATION
 *	  src/produce/produce.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaddress.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "base/arguments.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/privileges.h"
#include "kafka/record.h"
#include "produce/buffer.h"
#include "produce/produce.h"
#include "topic/checks.h"
#include "topic/options.h"
#include "topic/shape.h"
#include "topic/topic.h"
#include "value/headers.h"
#include "value/serde.h"

/* What a call site remembers between calls. */
typedef struct CallSite
{
	Oid			topic;			/* checked for user, and locked */
	Oid			user;
	uint64		lock_generation;	/* el_lock_generation when it was locked */

	ElTopic    *prepared;		/* the conversions are for it */
	uint64		xact_generation;	/* and for the transaction of this number */
	Oid			key_from;		/* type of the arguments */
	Oid			value_from;
	ElConversion key;
	ElConversion value;
	void	   *key_domain;		/* domain_check()'s caches */
	void	   *value_domain;
	MemoryContext mcxt;			/* of the conversions */
} CallSite;

/* One event as the caller gives it; key and value of the call site's types. */
typedef struct Event
{
	Datum		key;
	Datum		value;
	Datum		headers;		/* jsonb */
	bool		key_isnull;
	bool		value_isnull;
	bool		headers_isnull;
	bool		has_partition;
	int64		partition;
	int64		time_ms;
} Event;

EL_FUNCTION(eventlog_produce);
EL_FUNCTION(eventlog_produce_batch_jsonb);
EL_FUNCTION(eventlog_produce_batch_arrays);
EL_FUNCTION(eventlog_flush);

static CallSite *
get_call_site(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(CallSite));
	return fcinfo->flinfo->fn_extra;
}

/*
 * The topic to produce to, locked, once the caller has been found to be
 * allowed to.
 */
static ElTopic *
get_topic(CallSite *site, Oid relid, const char *command)
{
	Oid			user = GetUserId();

	el_require_write(command);

	if (unlikely(site->topic != relid || site->user != user ||
				 site->lock_generation != el_lock_generation))
	{
		/* before the lock: a user who may not produce must not block others */
		el_check_right(relid, ACL_INSERT);
		LockRelationOid(relid, RowExclusiveLock);
		site->topic = relid;
		site->user = user;
		site->lock_generation = el_lock_generation;
	}
	return el_topic(relid);
}

static Oid
get_topic_argument(FunctionCallInfo fcinfo, int argno)
{
	el_arg_not_null(fcinfo, argno, "topic");
	return PG_GETARG_OID(argno);
}

/* Prepare the conversions from these types to the topic's, unless they are. */
static inline void
prepare_conversions(CallSite *site, FmgrInfo *flinfo, ElTopic *t,
					Oid key_from, Oid value_from)
{
	if (likely(site->prepared == t &&
			   site->xact_generation == el_xact_generation &&
			   site->key_from == key_from && site->value_from == value_from))
		return;

	site->prepared = NULL;
	if (site->mcxt == NULL)
		site->mcxt = AllocSetContextCreate(flinfo->fn_mcxt,
										   "eventlog produce",
										   ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(site->mcxt);
	site->key_domain = NULL;
	site->value_domain = NULL;
	el_conversion_init(&site->key, key_from, &t->key, site->mcxt);
	el_conversion_init(&site->value, value_from, &t->value, site->mcxt);
	site->key_from = key_from;
	site->value_from = value_from;
	site->xact_generation = el_xact_generation;
	site->prepared = t;
}

/* Check an event whose record is made, give it a partition, and buffer it. */
static int32
buffer_event(ElTopic *t, const ElRecord *r, Datum key, Datum value,
			 Datum headers, bool has_partition, int64 partition)
{
	el_check_event_size(t, r, false);

	if (has_partition)
		el_check_partition(t, partition);
	else
		partition = el_choose_partition(t, r);

	if (unlikely(t->has_check))
	{
		Datum		values[EL_NATTS];
		bool		nulls[EL_NATTS] = {false};

		values[EL_ATT_PARTITION - 1] = Int32GetDatum((int32) partition);
		values[EL_ATT_OFFSET - 1] = (Datum) 0;
		nulls[EL_ATT_OFFSET - 1] = true;
		values[EL_ATT_TIME - 1] =
			TimestampTzGetDatum(el_ms_to_timestamptz(r->timestamp));
		values[EL_ATT_KEY - 1] = key;
		nulls[EL_ATT_KEY - 1] = r->key_len < 0;
		values[EL_ATT_VALUE - 1] = value;
		nulls[EL_ATT_VALUE - 1] = r->value_len < 0;
		values[EL_ATT_HEADERS - 1] = headers;
		nulls[EL_ATT_HEADERS - 1] = headers == (Datum) 0;
		el_check_constraints(t, values, nulls);
	}

	Assert(partition >= 0 && partition < t->npartitions);
	el_buffer_add(t, (int32) partition, r);
	return (int32) partition;
}

static void
refuse_null_key(ElTopic *t)
{
	if (el_is_compacted(&t->options))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a key is needed in compacted topic \"%s\"",
						t->name),
				 errdetail("Compaction keeps the last event of each key.")));
}

/*
 * Convert, check and buffer one event; returns its partition.  Works in
 * CurrentMemoryContext and leaves what it allocates to the caller.
 */
static int32
produce_event(CallSite *site, ElTopic *t, const Event *event)
{
	ElRecord	r;
	Datum		key = (Datum) 0;
	Datum		value = (Datum) 0;

	Assert(site->prepared == t);
	r.offset = 0;
	r.timestamp = event->time_ms;
	r.key = NULL;
	r.key_len = -1;
	r.value = NULL;
	r.value_len = -1;
	r.headers = NULL;
	r.headers_len = 0;

	if (!event->key_isnull)
	{
		key = el_convert(&site->key, event->key);
		el_serialize(&t->key, key, &r.key, &r.key_len);
	}
	else
	{
		refuse_null_key(t);
		/* the domain may be NOT NULL, or have a check that refuses NULL */
		if (t->key.is_domain)
			domain_check((Datum) 0, true, t->key.type, &site->key_domain,
						 site->mcxt);
	}

	if (!event->value_isnull)
	{
		value = el_convert(&site->value, event->value);
		el_serialize(&t->value, value, &r.value, &r.value_len);
	}
	else if (t->value.is_domain)
		domain_check((Datum) 0, true, t->value.type, &site->value_domain,
					 site->mcxt);

	if (!event->headers_isnull)
		el_headers_from_jsonb(event->headers, &r.headers, &r.headers_len);

	return buffer_event(t, &r, key, value,
						event->headers_isnull ? (Datum) 0 : event->headers,
						event->has_partition, event->partition);
}

int32
el_produce_bytes(Oid relid, int32 partition, const ElRecord *r,
				 const char *command)
{
	CallSite	site = {0};
	ElTopic    *t = get_topic(&site, relid, command);
	Datum		key = (Datum) 0;
	Datum		value = (Datum) 0;

	if (r->key_len < 0)
		refuse_null_key(t);
	else
		key = el_deserialize_unknown(&t->key, r->key, r->key_len);
	if (r->value_len >= 0)
		value = el_deserialize_unknown(&t->value, r->value, r->value_len);
	return buffer_event(t, r, key, value,
						el_headers_to_jsonb(r->headers, r->headers_len),
						partition < t->npartitions, partition);
}

/* Type of an argument declared "any", or text. */
static Oid
get_argument_type(FmgrInfo *flinfo, int argno)
{
	Oid			type = get_fn_expr_argtype(flinfo, argno);

	/* called without an expression: what the declaration says */
	if (!OidIsValid(type))
	{
		Oid		   *types;
		int			ntypes;

		(void) get_func_signature(flinfo->fn_oid, &types, &ntypes);
		if (argno < ntypes && types[argno] != ANYOID)
			type = types[argno];
	}
	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_DATATYPE),
				 errmsg("could not determine data type of argument %d of produce()",
						argno + 1)));
	return type;
}

/*
 * produce(topic, key, value, headers, partition, event_time), in its four
 * signatures.
 */
Datum
eventlog_produce(PG_FUNCTION_ARGS)
{
	CallSite   *site = get_call_site(fcinfo);
	ElTopic    *t = get_topic(site, get_topic_argument(fcinfo, 0),
							  "produce()");
	Event		event;

	/* the types belong to the call site: found once, at its first call */
	if (site->key_from == InvalidOid)
		prepare_conversions(site, fcinfo->flinfo, t,
							get_argument_type(fcinfo->flinfo, 1),
							get_argument_type(fcinfo->flinfo, 2));
	else
		prepare_conversions(site, fcinfo->flinfo, t, site->key_from,
							site->value_from);

	event.key_isnull = PG_ARGISNULL(1);
	event.key = PG_GETARG_DATUM(1);
	event.value_isnull = PG_ARGISNULL(2);
	event.value = PG_GETARG_DATUM(2);
	event.headers_isnull = PG_ARGISNULL(3);
	event.headers = PG_GETARG_DATUM(3);
	event.has_partition = !PG_ARGISNULL(4);
	event.partition = event.has_partition ? PG_GETARG_INT64(4) : 0;
	event.time_ms = PG_ARGISNULL(5) ? el_now_ms() :
		el_event_time(t, PG_GETARG_TIMESTAMPTZ(5), false);

	PG_RETURN_INT32(produce_event(site, t, &event));
}


/*
 * produce_batch(topic, events jsonb)
 */

/* Says which of many events an error is about. */
static void
batch_error_context(void *arg)
{
	errcontext("event %d of produce_batch()", *(int *) arg);
}

static inline bool
is_member(const JsonbValue *name, const char *what)
{
	return name->val.string.len == strlen(what) &&
		memcmp(name->val.string.val, what, name->val.string.len) == 0;
}

/* The type as which a member of an event reaches the conversion to serde. */
static Oid
json_source_type(const ElSerde *s)
{
	switch (s->kind)
	{
		case EL_SERDE_JSON:
			return JSONOID;
		case EL_SERDE_JSONB:
			return JSONBOID;
		default:
			return TEXTOID;
	}
}

/*
 * A member as a value of that type: JSON for JSON, a string's content for
 * others, and the JSON text of what is no string.
 */
static Datum
json_source_datum(const ElSerde *s, JsonbValue *v)
{
	Jsonb	   *jb;

	if (json_source_type(s) == TEXTOID && v->type == jbvString)
		return PointerGetDatum(cstring_to_text_with_len(v->val.string.val,
														v->val.string.len));
	jb = JsonbValueToJsonb(v);
	if (json_source_type(s) == JSONBOID)
		return JsonbPGetDatum(jb);
	return CStringGetTextDatum(JsonbToCString(NULL, &jb->root, VARSIZE(jb)));
}

static int64
json_partition(const JsonbValue *v)
{
	if (v->type == jbvNumeric)
	{
		char	   *s = DatumGetCString(DirectFunctionCall1(numeric_out,
															NumericGetDatum(v->val.numeric)));
		char	   *end;
		long long	n;

		errno = 0;
		n = strtoll(s, &end, 10);
		if (errno == 0 && *end == '\0')
			return n;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("member \"partition\" must be an integer")));
}

static int64
json_event_time(ElTopic *t, const JsonbValue *v)
{
	char	   *s;
	Datum		time;

	if (v->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("member \"event_time\" must be a string"),
				 errhint("Write it as a timestamp with time zone, for example \"2024-01-31T12:00:00Z\".")));
	s = pnstrdup(v->val.string.val, v->val.string.len);
	time = DirectFunctionCall3(timestamptz_in, CStringGetDatum(s),
							   ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
	return el_event_time(t, DatumGetTimestampTz(time), false);
}

/* Members of a JSON object as an event; 22023 for one that is unknown or of the wrong kind. */
static void
event_from_json(ElTopic *t, JsonbContainer *object, int64 now_ms,
				Event *event)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	v;

	memset(event, 0, sizeof(*event));
	event->key_isnull = true;
	event->value_isnull = true;
	event->headers_isnull = true;
	event->time_ms = now_ms;

	while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &v, true);

		if (is_member(&name, "key"))
		{
			event->key_isnull = v.type == jbvNull;
			if (!event->key_isnull)
				event->key = json_source_datum(&t->key, &v);
		}
		else if (is_member(&name, "value"))
		{
			event->value_isnull = v.type == jbvNull;
			if (!event->value_isnull)
				event->value = json_source_datum(&t->value, &v);
		}
		else if (is_member(&name, "headers"))
		{
			event->headers_isnull = v.type == jbvNull;
			if (!event->headers_isnull)
				event->headers = JsonbPGetDatum(JsonbValueToJsonb(&v));
		}
		else if (is_member(&name, "partition"))
		{
			event->has_partition = v.type != jbvNull;
			if (event->has_partition)
				event->partition = json_partition(&v);
		}
		else if (is_member(&name, "event_time"))
		{
			if (v.type != jbvNull)
				event->time_ms = json_event_time(t, &v);
		}
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized member \"%s\" in an event",
							pnstrdup(name.val.string.val,
									 name.val.string.len)),
					 errhint("Valid members are \"key\", \"value\", \"headers\", \"partition\" and \"event_time\".")));
	}
}

/*
 * Returns the number of events.  An error names the event by its number, and
 * rolls the statement back, events before it included.
 */
Datum
eventlog_produce_batch_jsonb(PG_FUNCTION_ARGS)
{
	CallSite   *site = get_call_site(fcinfo);
	ElTopic    *t = get_topic(site, get_topic_argument(fcinfo, 0),
							  "produce_batch()");
	int64		now_ms = el_now_ms();
	int			n = 0;
	Jsonb	   *events;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	MemoryContext work;
	MemoryContext old;
	ErrorContextCallback context;

	el_arg_not_null(fcinfo, 1, "events");
	events = PG_GETARG_JSONB_P(1);
	if (!JB_ROOT_IS_ARRAY(events) || JB_ROOT_IS_SCALAR(events))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("events must be a JSON array of objects")));

	prepare_conversions(site, fcinfo->flinfo, t, json_source_type(&t->key),
						json_source_type(&t->value));

	context.callback = batch_error_context;
	context.arg = &n;
	context.previous = error_context_stack;
	error_context_stack = &context;

	it = JsonbIteratorInit(&events->root);
	work = AllocSetContextCreate(CurrentMemoryContext, "eventlog event",
								 ALLOCSET_DEFAULT_SIZES);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		Event		event;

		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		n++;

		if (v.type != jbvBinary ||
			!JsonContainerIsObject(v.val.binary.data))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("an event must be a JSON object")));

		old = MemoryContextSwitchTo(work);
		event_from_json(t, v.val.binary.data, now_ms, &event);
		produce_event(site, t, &event);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	MemoryContextDelete(work);
	error_context_stack = context.previous;

	PG_RETURN_INT64(n);
}


/*
 * produce_batch(topic, keys text[], event_values text[])
 */

static void
check_dimensions(ArrayType *a, const char *name)
{
	if (ARR_NDIM(a) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must be a one-dimensional array", name)));
}

/* The same for texts; NULL keys: none of the events has one. */
Datum
eventlog_produce_batch_arrays(PG_FUNCTION_ARGS)
{
	CallSite   *site = get_call_site(fcinfo);
	ElTopic    *t = get_topic(site, get_topic_argument(fcinfo, 0),
							  "produce_batch()");
	Datum	   *keys = NULL;
	Datum	   *values;
	bool	   *key_nulls = NULL;
	bool	   *value_nulls;
	int			nkeys = 0;
	int			nvalues;
	int			n = 0;
	ArrayType  *array;
	Event		event;
	MemoryContext work;
	MemoryContext old;
	ErrorContextCallback context;

	el_arg_not_null(fcinfo, 2, "event_values");
	array = PG_GETARG_ARRAYTYPE_P(2);
	check_dimensions(array, "event_values");
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values,
					  &value_nulls, &nvalues);

	if (!PG_ARGISNULL(1))
	{
		array = PG_GETARG_ARRAYTYPE_P(1);
		check_dimensions(array, "keys");
		deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &keys,
						  &key_nulls, &nkeys);
		if (nkeys != nvalues)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("keys and event_values must have the same length"),
					 errdetail("There are %d keys and %d event values.",
							   nkeys, nvalues)));
	}

	prepare_conversions(site, fcinfo->flinfo, t, TEXTOID, TEXTOID);

	memset(&event, 0, sizeof(event));
	event.headers_isnull = true;
	event.time_ms = el_now_ms();

	context.callback = batch_error_context;
	context.arg = &n;
	context.previous = error_context_stack;
	error_context_stack = &context;

	work = AllocSetContextCreate(CurrentMemoryContext, "eventlog event",
								 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(work);
	while (n < nvalues)
	{
		int			i = n++;

		CHECK_FOR_INTERRUPTS();
		event.key_isnull = keys == NULL || key_nulls[i];
		event.key = event.key_isnull ? (Datum) 0 : keys[i];
		event.value_isnull = value_nulls[i];
		event.value = values[i];
		produce_event(site, t, &event);
		MemoryContextReset(work);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	error_context_stack = context.previous;

	PG_RETURN_INT64(nvalues);
}


/*
 * flush()
 */

static void
report_flushed(void *arg, Oid topic, int32 partition, int64 first_offset,
			   int64 last_offset)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};

	values[0] = ObjectIdGetDatum(topic);
	values[1] = Int32GetDatum(partition);
	values[2] = Int64GetDatum(first_offset);
	values[3] = Int64GetDatum(last_offset);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
eventlog_flush(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	el_buffer_flush(report_flushed, fcinfo->resultinfo);
	return (Datum) 0;
}
