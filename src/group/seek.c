/*-------------------------------------------------------------------------
 *
 * seek.c
 *	  Committed offsets set from outside: seek(), reset_group(), drop_group().
 *
 * These need no membership, only the right to (owner of the group), and the
 * partition's lock: nobody works on it meanwhile.
 *
 * IDENTIFICATION
 *	  src/group/seek.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "group/group.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/stable.h"

EL_FUNCTION(eventlog_seek);
EL_FUNCTION(eventlog_reset_group);

/* The partition's table and where its log starts and ends. */
static Relation
open_partition(const ElWant *want, int32 partition, ElLogInfo *info)
{
	Relation	rel = el_open_leaf(want->topic, partition);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("partition %d of topic \"%s\" does not exist",
						partition, get_rel_name(want->relid))));
	el_partition_info(want->topic, partition, rel, info);
	return rel;
}

/*
 * From here the group goes on, whoever owns the partition; 55006 if somebody
 * works on it.  What was removed before it got there counts as lost.
 */
static void
set_offset(const char *group, const ElWant *want, int32 partition,
		   int64 offset, int64 log_start)
{
	ElLocalPart *lp;
	ElEntry		entry;
	ElSlot		part;
	ElSlot		g;

	el_group_lock(LW_EXCLUSIVE);
	g = el_group_get(MyDatabaseId, group);
	part = el_part_get(g, el_group_topic_get(g, &want->uuid, want->relid,
											 want->npartitions), partition);
	el_group_unlock();

	lp = el_local_get(group, want, partition);
	if (el_part_lock(lp, part, NULL, 0, false, &entry) != EL_LOCK_OK)
		el_part_busy(group, want->relid, partition);
	el_local_save(lp);
	lp->v.position = offset;
	lp->v.version = entry.version;
	lp->v.committed = offset;
	lp->v.commit = true;
	lp->v.forced = true;
	lp->v.tombstone = false;
	if (entry.next >= 0 && entry.next < log_start)
		lp->v.lost += log_start - entry.next;
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
	char	   *group;
	ElWant	   *want;
	int32		partition;
	int64		offset;
	ElGroupConf conf;
	ElLogInfo	info;

	el_require_write("seek()");
	el_args_not_null(fcinfo, names, lengthof(names));
	group = el_group_arg(fcinfo);
	el_group_conf(group, &conf);
	el_group_check_owner(&conf);
	want = el_topic_arg(fcinfo, 1, PG_GETARG_INT64(2));
	partition = (int32) PG_GETARG_INT64(2);
	offset = PG_GETARG_INT64(3);

	table_close(open_partition(want, partition, &info), AccessShareLock);
	if (offset < info.log_start || offset > info.log_end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset %lld is outside partition %d of topic \"%s\"",
						(long long) offset, partition,
						get_rel_name(want->relid)),
				 errhint("The log goes from %lld to %lld.",
						 (long long) info.log_start,
						 (long long) info.log_end)));

	el_offsets_prepare_commit();
	el_offsets_ensure();
	set_offset(group, want, partition, offset, info.log_start);
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
	char	   *group;
	ElGroupConf conf;
	Target		target;
	int64		time_ms = 0;
	ElWant	   *want;
	int32		p;

	el_require_write("reset_group()");
	el_args_not_null(fcinfo, names, lengthof(names));
	group = el_group_arg(fcinfo);
	target = parse_target(text_to_cstring(PG_GETARG_TEXT_PP(2)), &time_ms);
	el_group_conf(group, &conf);
	el_group_check_owner(&conf);
	want = el_topic_arg(fcinfo, 1, 0);

	el_offsets_prepare_commit();
	el_offsets_ensure();
	for (p = 0; p < want->npartitions; p++)
	{
		ElLogInfo	info;
		Relation	rel = open_partition(want, p, &info);
		int64		offset = info.log_start;

		CHECK_FOR_INTERRUPTS();
		if (target != TARGET_EARLIEST && info.exists)
			offset = el_log_latest(rel, GetActiveSnapshot(), info.log_start);
		if (target == TARGET_TIME && info.exists)
			offset = offset_for_time(rel, time_ms, offset);
		table_close(rel, AccessShareLock);
		set_offset(group, want, p, offset, info.log_start);
	}
	PG_RETURN_VOID();
}

/*
 * drop_group(): tombstones for the group's committed offsets.  Who would go on
 * consuming in it keeps it from being dropped.
 */
void
el_drop_offsets(const char *group)
{
	ElMemberRef me;
	bool		session = el_session_member(group, &me);
	ElSlot		g;
	ElSlot		s;
	ElSlot		ts;
	int			n = 0;
	int			i;
	char		other[EL_NAME_SIZE] = "";
	ElSlot	   *slots = NULL;
	ElWant	   *wants = NULL;
	int32	   *partitions = NULL;

	el_offsets_prepare_commit();
	el_offsets_ensure();

	el_group_lock(LW_SHARED);
	g = el_group_find(MyDatabaseId, group);
	if (g != EL_NO_SLOT)
	{
		for (s = EL_GROUP(g)->first_member; s != EL_NO_SLOT;
			 s = EL_MEMBER(s)->next_member)
		{
			if (!session || s != me.slot)
				strlcpy(other, EL_MEMBER(s)->name, EL_NAME_SIZE);
		}
		slots = palloc_array(ElSlot, EL_GROUP(g)->nparts + 1);
		wants = palloc0_array(ElWant, EL_GROUP(g)->nparts + 1);
		partitions = palloc_array(int32, EL_GROUP(g)->nparts + 1);
		for (ts = EL_GROUP(g)->first_topic; ts != EL_NO_SLOT;
			 ts = EL_TOPIC(ts)->next_topic)
		{
			for (s = EL_TOPIC(ts)->first_part; s != EL_NO_SLOT;
				 s = EL_PART(s)->next_part)
			{
				slots[n] = s;
				wants[n].relid = EL_TOPIC(ts)->relid;
				wants[n].uuid = EL_TOPIC(ts)->uuid;
				partitions[n++] = EL_PART(s)->partition;
			}
		}
	}
	el_group_unlock();

	if (other[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("group \"%s\" has members", group),
				 errdetail("One of them is \"%s\".", other),
				 errhint("Stop its consumers first.")));

	for (i = 0; i < n; i++)
	{
		ElLocalPart *lp;
		ElEntry		entry;

		if (el_entry_read(slots[i], &entry) && entry.next < 0)
			continue;			/* nothing committed there */
		lp = el_local_get(group, &wants[i], partitions[i]);
		if (el_part_lock(lp, slots[i], NULL, 0, false, &entry) != EL_LOCK_OK)
			el_part_busy(group, wants[i].relid, partitions[i]);
		el_local_save(lp);
		lp->v.position = -1;
		lp->v.version = entry.version;
		lp->v.committed = -1;
		lp->v.commit = lp->v.forced = lp->v.tombstone = true;
	}
}
