/*-------------------------------------------------------------------------
 *
 * dead_letter.c
 *	  dead_letter(): set an event aside that cannot be worked on.
 *
 * The event's bytes go to another topic as they are stored, so that one whose
 * bytes are the trouble can be set aside too, with headers that say where it
 * came from and what was wrong: those of Kafka Connect's dead letter queue
 * (DeadLetterQueueReporter.java).  Nothing else changes: the caller commits past
 * the event, or seeks.
 *
 * IDENTIFICATION
 *	  src/group/dead_letter.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "group/arguments.h"
#include "kafka/record.h"
#include "produce/produce.h"
#include "storage/cursor.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "topic/create.h"
#include "topic/options.h"
#include "topic/topic.h"
#include "value/headers.h"

EL_FUNCTION(eventlog_dead_letter);

/* An error message longer than this is cut: it is not what the topic is for. */
#define MAX_ERROR_BYTES		8192
/* What the headers may add to an event of the greatest size. */
#define HEADERS_ROOM		(4 * MAX_ERROR_BYTES)

/*
 * The topic's own dead letter topic.  Made at the first need, in the topic's
 * schema and by the caller's rights: events of any bytes, kept until somebody
 * has looked at them.
 */
static Oid
dead_letter_topic(const ElTopic *t)
{
	Oid			nsp = get_rel_namespace(t->relid);
	char	   *name = psprintf("%s_dlq", get_rel_name(t->relid));
	Oid			relid;
	ElTopicOptions options;

	relid = get_relname_relid(name, nsp);
	if (OidIsValid(relid))
		return relid;

	el_options_default(&options);
	options.retention_ms = -1;
	options.max_event_bytes = Min(t->options.max_event_bytes + HEADERS_ROOM,
								  EL_MAX_EVENT_BYTES);
	return el_create_topic(makeRangeVar(get_namespace_name(nsp), name, -1),
						   t->npartitions, BYTEAOID, BYTEAOID, &options, true);
}

/* The event at an offset; what nobody could have been given is not there. */
static void
read_event(const ElTopic *t, int32 partition, int64 offset, ElReader **reader,
		   Relation *rel, ElRecord *rec)
{
	*rel = el_open_leaf(t, partition);
	if (*rel != NULL)
	{
		*reader = el_reader_begin(*rel, GetActiveSnapshot(), EL_READ_STABLE);
		if (offset >= 0 &&
			el_reader_seek(*reader, offset) == EL_SEEK_OK &&
			el_reader_next(*reader, rec) && rec->offset == offset)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no event %lld in partition %d of topic \"%s\"",
					(long long) offset, partition, t->name),
			 errhint("It may have been removed, or belong to a transaction that was rolled back or has not ended.")));
}

/*
 * dead_letter(group_name text, topic regclass, partition bigint, event_offset
 * bigint, error text, to_topic regclass)
 */
Datum
eventlog_dead_letter(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"group_name", "topic", "partition", "event_offset", "error"
	};
	static const char *const headers[] = {
		"__connect.errors.topic",
		"__connect.errors.partition",
		"__connect.errors.offset",
		"__connect.errors.connector.name",
		"__connect.errors.exception.message"
	};
	static const ElCallSpec spec = {
		.command = "dead_letter()",
		.writes = true,
		.names = names,
		.nnames = lengthof(names),
		.topic_arg = 1,
		.partition_arg = 2
	};
	const char *values[lengthof(headers)];
	ElCall		call;
	ElTopic    *t;
	char	   *error;
	int64		offset;
	Oid			to;
	ElReader   *reader;
	Relation	rel;
	ElRecord	rec;

	el_call_begin(fcinfo, &spec, &call);
	t = call.topic->topic;
	offset = PG_GETARG_INT64(3);
	error = text_to_cstring(PG_GETARG_TEXT_PP(4));
	if (strlen(error) > MAX_ERROR_BYTES)
		error[pg_mbcliplen(error, strlen(error), MAX_ERROR_BYTES)] = '\0';

	read_event(t, call.partition, offset, &reader, &rel, &rec);
	to = PG_ARGISNULL(5) ? dead_letter_topic(t) : PG_GETARG_OID(5);
	if (to == t->relid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a topic cannot be its own dead letter topic")));

	values[0] = t->name;
	values[1] = psprintf("%d", call.partition);
	values[2] = psprintf("%lld", (long long) offset);
	values[3] = call.group;
	values[4] = error;
	el_headers_append(rec.headers, rec.headers_len, headers, values,
					  lengthof(headers), &rec.headers, &rec.headers_len);
	(void) el_produce_bytes(to, call.partition, &rec, "dead_letter()");

	el_reader_end(reader);
	table_close(rel, AccessShareLock);
	PG_RETURN_VOID();
}
