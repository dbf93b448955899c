/*-------------------------------------------------------------------------
 *
 * seek.c
 *	  Committed offsets set from outside: seek(), reset_group().
 *
 * These need no membership, only the right to (owner of the group), and the
 * partition's lock: no other transaction works on it meanwhile.
 *
 * IDENTIFICATION
 *	  src/group/seek.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "group/arguments.h"
#include "group/begin.h"
#include "group/local.h"
#include "group/mark.h"
#include "group/offsets.h"
#include "group/offsets_append.h"
#include "group/part_lock.h"
#include "group/room.h"
#include "group/slots.h"
#include "kafka/record.h"
#include "storage/cursor.h"
#include "storage/log.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/stable.h"
#include "topic/checks.h"
#include "topic/log_floor.h"
#include "topic/topic.h"

EL_FUNCTION(eventlog_seek);
EL_FUNCTION(eventlog_reset_group);

/* The partition's table and where its log starts and ends. */
static Relation
open_partition(const ElTopicRef *topic, int32 partition, ElLogInfo *info)
{
	Relation	rel = el_open_leaf(topic->topic, partition);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("partition %d of topic \"%s\" does not exist",
						partition, get_rel_name(topic->relid))));
	el_partition_info(topic->topic, partition, rel, info);
	return rel;
}

/* The partition's slot in the group. */
static ElSlotNo
get_part(const char *group, const ElTopicRef *topic, int32 partition)
{
	ElSlotNo	in_group;
	ElSlotNo	part;

	el_group_lock_with_offsets(group, LW_EXCLUSIVE);
	in_group = el_group_topic_reserve(MyDatabaseId, group, &topic->uuid,
									  topic->relid, topic->npartitions);
	part = el_part_get(EL_TOPIC(in_group)->group, in_group, partition);
	el_group_unlock();
	return part;
}

/*
 * The group begins in the topic, if this is its first commit there.  One that
 * starts from the latest must not go on without: what it would be given of the
 * other partitions then is all of their past.  55006.
 */
static void
begin_in_topic(const ElCall *call)
{
	if (!el_begin(&call->conf, call->topic->topic, GetActiveSnapshot()) &&
		call->conf.start_from == EL_START_LATEST)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another transaction is about to begin group \"%s\" in topic \"%s\"",
						call->group, get_rel_name(call->topic->relid)),
				 errhint("Retry the transaction.")));
}

/*
 * From here the group goes on, whoever owns the partition; 55006 if another
 * transaction works on it.  What was removed before it got there counts as lost.
 */
static void
set_offset(const char *group, const ElTopicRef *topic, int32 partition,
		   int64 offset, int64 log_start)
{
	ElPartKey	key;
	ElLocalPart *lp;
	ElLockResult result;
	int64		before;

	el_part_key(&key, group, &topic->uuid, partition);
	lp = el_local_get(&key, topic->relid);
	do
	{
		result = el_part_lock(lp, get_part(group, topic, partition), NULL, 0,
							  false, NULL);
	} while (result == EL_LOCK_EVICTED);
	if (result != EL_LOCK_OK)
		el_report_part_busy(group, topic->relid, partition);
	el_local_save(lp);
	before = el_local_committed(lp, &lp->entry);
	if (before < 0)
		before = el_local_start(&key, &lp->start);
	if (before >= 0 && before < log_start)
		lp->state.events_skipped += log_start - before;
	lp->state.position = -1;
	lp->state.owed = 0;
	lp->state.committed = offset;
	lp->state.commit = true;
	lp->state.any_owner = true;
}

/*
 * seek(group_name text, topic regclass, partition bigint, event_offset
 * bigint): position and committed offset, whoever owns the partition
 */
Datum
eventlog_seek(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"group_name", "topic", "partition", "event_offset"
	};
	static const ElCallSpec spec = {
		.command = "seek()",
		.writes = true,
		.right = EL_CALL_OWNER,
		.names = names,
		.nnames = lengthof(names),
		.topic_arg = 1,
		.partition_arg = 2
	};
	ElCall		call;
	int64		offset;
	ElLogInfo	info;

	el_call_begin(fcinfo, &spec, &call);
	offset = PG_GETARG_INT64(3);
	table_close(open_partition(call.topic, call.partition, &info),
				AccessShareLock);
	if (offset < info.log_start || offset > info.log_end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset %lld is outside partition %d of topic \"%s\"",
						(long long) offset, call.partition,
						get_rel_name(call.topic->relid)),
				 errhint("The log goes from %lld to %lld.",
						 (long long) info.log_start,
						 (long long) info.log_end)));

	el_offsets_prepare_commit();
	set_offset(call.group, call.topic, call.partition, offset, info.log_start);
	begin_in_topic(&call);
	PG_RETURN_VOID();
}

/*
 * What reset_group() goes to
 */
typedef enum Target
{
	TARGET_EARLIEST,
	TARGET_LATEST,
	TARGET_TIME
} Target;

static Target
parse_target(const char *text, int64 *time_ms)
{
	TimestampTz time;

	if (pg_strcasecmp(text, "earliest") == 0)
		return TARGET_EARLIEST;
	if (pg_strcasecmp(text, "latest") == 0)
		return TARGET_LATEST;
	time = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
												   CStringGetDatum(text),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"target\" cannot be infinite"),
				 errhint("Use 'earliest', 'latest' or a timestamp.")));

	/*
	 * Rounded up: the first event not earlier than it.  Times in the log have
	 * whole milliseconds.
	 */
	time += (TimestampTz) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	*time_ms = time >= 0 ? (time + 999) / 1000 : time / 1000;
	return TARGET_TIME;
}

/* Kafka's rule: the first event in offset order whose time is not earlier; if there is none, the end. */
static int64
offset_for_time(Relation rel, int64 time_ms, int64 end)
{
	ElReader   *r = el_reader_begin(rel, GetActiveSnapshot(), EL_READ_STABLE);
	ElRecord	rec;
	int64		result = end;

	if (el_reader_seek_time(r, time_ms) != EL_SEEK_AT_END)
	{
		while (el_reader_next(r, &rec))
		{
			CHECK_FOR_INTERRUPTS();
			if (rec.timestamp >= time_ms)
			{
				result = rec.offset;
				break;
			}
		}
	}
	el_reader_end(r);
	return result;
}

/*
 * reset_group(group_name text, topic regclass, target text): seek() in all
 * partitions of a topic, to 'earliest', 'latest' or the first event since a time
 */
Datum
eventlog_reset_group(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"group_name", "topic", "target"};
	static const ElCallSpec spec = {
		.command = "reset_group()",
		.writes = true,
		.right = EL_CALL_OWNER,
		.names = names,
		.nnames = lengthof(names),
		.topic_arg = 1
	};
	ElCall		call;
	Target		target;
	int64		time_ms = 0;
	int32		p;

	el_call_begin(fcinfo, &spec, &call);
	el_check_partition(call.topic->topic, 0);	/* it has some */
	target = parse_target(text_to_cstring(PG_GETARG_TEXT_PP(2)), &time_ms);

	el_offsets_prepare_commit();
	for (p = 0; p < call.topic->topic->npartitions; p++)
	{
		ElLogInfo	info;
		Relation	rel = open_partition(call.topic, p, &info);
		int64		offset = info.log_start;

		CHECK_FOR_INTERRUPTS();
		if (target != TARGET_EARLIEST && info.exists)
			offset = el_log_latest(rel, GetActiveSnapshot(), info.log_start);
		if (target == TARGET_TIME && info.exists)
			offset = offset_for_time(rel, time_ms, offset);
		table_close(rel, AccessShareLock);
		set_offset(call.group, call.topic, p, offset, info.log_start);
	}
	begin_in_topic(&call);
	PG_RETURN_VOID();
}
