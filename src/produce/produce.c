/*-------------------------------------------------------------------------
 *
 * produce.c
 *	  Producing one event; produce() and flush().
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
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/arguments.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/privileges.h"
#include "kafka/record.h"
#include "produce/buffer.h"
#include "produce/once.h"
#include "produce/produce.h"
#include "topic/checks.h"
#include "topic/options.h"
#include "topic/shape.h"
#include "topic/topic.h"
#include "value/headers.h"
#include "value/serde.h"

EL_FUNCTION(eventlog_produce);
EL_FUNCTION(eventlog_flush);

ElCallSite *
el_call_site(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ElCallSite));
	return fcinfo->flinfo->fn_extra;
}

/*
 * The topic to produce to, locked, once the caller has been found to be
 * allowed to.
 */
static ElTopic *
get_topic(ElCallSite *site, Oid relid, const char *command)
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

ElTopic *
el_topic_to_produce(ElCallSite *site, FunctionCallInfo fcinfo,
					const char *command)
{
	el_arg_not_null(fcinfo, 0, "topic");
	return get_topic(site, PG_GETARG_OID(0), command);
}

void
el_prepare_conversions(ElCallSite *site, FmgrInfo *flinfo, ElTopic *t,
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
	el_conversion_init(&site->key, key_from, &t->key, "key", site->mcxt);
	el_conversion_init(&site->value, value_from, &t->value, "value",
					   site->mcxt);
	site->key_from = key_from;
	site->value_from = value_from;
	site->xact_generation = el_xact_generation;
	site->prepared = t;
}

/* NOT NULL and CHECK constraints of an event in a partition. */
static void
check_constraints(ElTopic *t, const ElRecord *r, Datum key, Datum value,
				  Datum headers, int32 partition)
{
	Datum		values[EL_NATTS];
	bool		nulls[EL_NATTS] = {false};

	values[EL_ATT_PARTITION - 1] = Int32GetDatum(partition);
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
		check_constraints(t, r, key, value, headers, (int32) partition);

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

/* The field's bytes on the log.  Returns it as a datum of the topic's type, if that is needed. */
static inline Datum
serialize_field(ElConversion *c, const ElField *f, void **domain,
				const char **bytes, int32 *len)
{
	Datum		datum = (Datum) 0;

	*bytes = NULL;
	*len = -1;
	if (f->isnull)
	{
		/* the domain may be NOT NULL, or have a check that refuses NULL */
		if (c->to->is_domain)
			domain_check((Datum) 0, true, c->to->type, domain, c->mcxt);
	}
	else if (f->bytes != NULL)
	{
		*bytes = f->bytes;
		*len = f->len;
	}
	else
	{
		datum = f->typed ? f->datum : el_convert(c, f->datum);
		el_serialize(c->to, datum, bytes, len);
	}
	return datum;
}

int32
el_produce_event(ElCallSite *site, ElTopic *t, const ElEvent *event)
{
	ElRecord	r;
	Datum		key;
	Datum		value;

	Assert(site->prepared == t);
	r.offset = 0;
	r.timestamp = event->time_ms;
	r.headers = NULL;
	r.headers_len = 0;

	if (event->key.isnull)
		refuse_null_key(t);
	key = serialize_field(&site->key, &event->key, &site->key_domain, &r.key,
						  &r.key_len);
	value = serialize_field(&site->value, &event->value, &site->value_domain,
							&r.value, &r.value_len);
	if (!event->headers_isnull)
		el_headers_from_jsonb(event->headers, &r.headers, &r.headers_len);

	return buffer_event(t, &r, key, value,
						event->headers_isnull ? (Datum) 0 : event->headers,
						event->has_partition, event->partition);
}

/* The partition that el_produce_event() would choose. */
static int32
partition_of(ElCallSite *site, ElTopic *t, const ElEvent *event)
{
	ElRecord	r = {0};

	if (event->has_partition)
	{
		el_check_partition(t, event->partition);
		return (int32) event->partition;
	}
	(void) serialize_field(&site->key, &event->key, &site->key_domain, &r.key,
						   &r.key_len);
	return el_choose_partition(t, &r);
}

int32
el_produce_bytes(Oid relid, int32 partition, const ElRecord *r,
				 const char *command)
{
	ElCallSite	site = {0};
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

/* The field as a value of the topic's type, if it is one. */
static Datum
check_field(ElSerde *s, const char *data, int32 len)
{
	if (len >= 0)
		return el_deserialize_unknown(s, data, len);
	if (s->is_domain)
		domain_check((Datum) 0, true, s->type, &s->domain_extra, s->mcxt);
	return (Datum) 0;
}

void
el_check_record(ElTopic *t, int32 partition, const ElRecord *r)
{
	Datum		key;
	Datum		value;

	if (r->key_len < 0)
		refuse_null_key(t);
	(void) el_event_time(t, el_ms_to_timestamptz(r->timestamp), false);
	el_check_event_size(t, r, false);
	key = check_field(&t->key, r->key, r->key_len);
	value = check_field(&t->value, r->value, r->value_len);
	if (t->has_check)
		check_constraints(t, r, key, value,
						  el_headers_to_jsonb(r->headers, r->headers_len), partition);
}

bool
el_record_fits(const ElTopic *t, const ElRecord *r)
{
	return !t->has_check &&
		(int64) Max(r->key_len, 0) + Max(r->value_len, 0) + r->headers_len <=
		t->options.max_event_bytes &&
		!t->key.is_domain && !t->value.is_domain &&
		(r->key_len < 0 ? !el_is_compacted(&t->options) :
		 el_bytes_fit(&t->key, r->key, r->key_len)) &&
		(r->value_len < 0 || el_bytes_fit(&t->value, r->value, r->value_len));
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

static int32
produce_once(FunctionCallInfo fcinfo, ElCallSite *site, ElTopic *t, const ElEvent *event)
{
	ElOnce		once;
	int32		partition;

	el_once_begin(&once, fcinfo, 6, t);
	if (once.again)
		return partition_of(site, t, event);
	partition = el_produce_event(site, t, event);
	el_once_done(&once);
	return partition;
}

/*
 * produce(topic, key, value, headers, partition, event_time, producer, sequence), in
 * its four signatures; version 1.0's end before producer.
 */
Datum
eventlog_produce(PG_FUNCTION_ARGS)
{
	ElCallSite *site = el_call_site(fcinfo);
	ElTopic    *t = el_topic_to_produce(site, fcinfo, "produce()");
	ElEvent		event = {0};

	/* the types belong to the call site: found once, at its first call */
	if (site->key_from == InvalidOid)
		el_prepare_conversions(site, fcinfo->flinfo, t,
							   get_argument_type(fcinfo->flinfo, 1),
							   get_argument_type(fcinfo->flinfo, 2));
	else
		el_prepare_conversions(site, fcinfo->flinfo, t, site->key_from,
							   site->value_from);

	event.key.isnull = PG_ARGISNULL(1);
	event.key.datum = PG_GETARG_DATUM(1);
	event.value.isnull = PG_ARGISNULL(2);
	event.value.datum = PG_GETARG_DATUM(2);
	event.headers_isnull = PG_ARGISNULL(3);
	event.headers = PG_GETARG_DATUM(3);
	event.has_partition = !PG_ARGISNULL(4);
	event.partition = event.has_partition ? PG_GETARG_INT64(4) : 0;
	event.time_ms = PG_ARGISNULL(5) ? el_now_ms() :
		el_event_time(t, PG_GETARG_TIMESTAMPTZ(5), false);

	if (PG_NARGS() > 6 && unlikely(!PG_ARGISNULL(6) || !PG_ARGISNULL(7)))
		PG_RETURN_INT32(produce_once(fcinfo, site, t, &event));
	PG_RETURN_INT32(el_produce_event(site, t, &event));
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
	el_buffer_flush(InvalidOid, report_flushed, fcinfo->resultinfo);
	return (Datum) 0;
}
