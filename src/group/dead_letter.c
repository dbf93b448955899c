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
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/extension.h"
#include "group/arguments.h"
#include "kafka/record.h"
#include "produce/produce.h"
#include "storage/cursor.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "topic/create.h"
#include "topic/options.h"
#include "topic/rights.h"
#include "topic/topic.h"
#include "value/headers.h"

EL_FUNCTION(eventlog_dead_letter);

#define COMMAND		"dead_letter()"

#define SUFFIX		"_dlq"
/* What stays of a topic's name that the suffix does not fit behind: "_" and the piece in hexadecimal do. */
#define UUID_PIECE	4
#define LONG_NAME_BYTES	(EL_MAX_TOPIC_NAME - (int) strlen("_" SUFFIX) - 2 * UUID_PIECE)

/* An error message longer than this is cut: it is not what the topic is for. */
#define MAX_ERROR_BYTES		8192
/* What the headers may add to an event of the greatest size. */
#define HEADERS_ROOM		(4 * MAX_ERROR_BYTES)

/*
 * <topic>_dlq.  Where that does not fit, the name's beginning and a piece of the
 * topic's uuid, which keeps topics apart that begin alike; of a uuid that is made
 * from the OID it is the piece with the OID.
 */
static char *
dead_letter_name(const ElTopic *t)
{
	const char *name = get_rel_name(t->relid);
	const unsigned char *piece = t->uuid.data;

	if (strlen(name) + strlen(SUFFIX) <= EL_MAX_TOPIC_NAME)
		return psprintf("%s" SUFFIX, name);
	if (OidIsValid(el_uuid_to_oid(&t->uuid)))
		piece += UUID_LEN - UUID_PIECE;
	return psprintf("%.*s_%02x%02x%02x%02x" SUFFIX,
					pg_mbcliplen(name, strlen(name), LONG_NAME_BYTES), name,
					piece[0], piece[1], piece[2], piece[3]);
}

/*
 * Make it for the current user, who owns the topic, or find it if another
 * transaction has made it meanwhile: for events of any bytes, which are kept until
 * somebody has looked at them.  42501 if the owner may not create there.
 */
static Oid
make_dead_letter_topic(const ElTopic *t, Oid nsp, char *name)
{
	Oid			owner = GetUserId();
	Oid			relid;
	bool		made;
	ElTopicOptions options;

	if (el_schema_aclcheck(nsp, owner, ACL_CREATE) != ACLCHECK_OK ||
		el_schema_aclcheck(nsp, owner, ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to make dead letter topic \"%s\"", name),
				 errdetail("It would belong to role \"%s\", the owner of topic \"%s\", who may not create in schema \"%s\".",
						   GetUserNameFromId(owner, false),
						   get_rel_name(t->relid), get_namespace_name(nsp)),
				 errhint("Make it with create_topic() and grant INSERT on it, or name another topic.")));

	el_options_default(&options);
	options.retention_ms = -1;
	options.max_event_bytes = Min(t->options.max_event_bytes + HEADERS_ROOM,
								  EL_MAX_EVENT_BYTES);
	relid = el_create_topic(makeRangeVar(get_namespace_name(nsp), name, -1),
							t->npartitions, BYTEAOID, BYTEAOID, &options, true,
							&made);
	if (made)
		el_select_follows(el_topic(relid), t->relid);
	return relid;
}

/*
 * To the topic's own dead letter topic, which is made at the first need.  It is
 * the owner's as the topic is, so the owner writes it, for whoever may read the
 * topic in a group.  One that belongs to somebody else is like any other topic.
 */
static void
produce_to_own(const ElTopic *t, int32 partition, const ElRecord *rec)
{
	Oid			owner = el_relation_owner(t->relid);
	Oid			nsp = get_rel_namespace(t->relid);
	char	   *name = dead_letter_name(t);
	Oid			to = get_relname_relid(name, nsp);
	ElActing	before;

	/* an internal topic's owner makes nothing for those who may read it */
	if (nsp == get_namespace_oid(EL_INTERNAL_SCHEMA, true))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("internal topic \"%s\" has no dead letter topic",
						t->name),
				 errhint("Name another topic.")));
	if (!OidIsValid(to))
	{
		el_act_as(owner, &before);
		to = make_dead_letter_topic(t, nsp, name);
		el_act_end(&before);
	}
	el_act_as(el_relation_owner(to) == owner ? owner : GetUserId(), &before);
	(void) el_produce_bytes(to, partition, rec, COMMAND);
	el_act_end(&before);
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
		.command = COMMAND,
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
	if (!PG_ARGISNULL(5) && PG_GETARG_OID(5) == t->relid)
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
	if (PG_ARGISNULL(5))
		produce_to_own(t, call.partition, &rec);
	else
		(void) el_produce_bytes(PG_GETARG_OID(5), call.partition, &rec, COMMAND);

	el_reader_end(reader);
	table_close(rel, AccessShareLock);
	PG_RETURN_VOID();
}
