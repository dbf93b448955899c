/*-------------------------------------------------------------------------
 *
 * topic_views.c
 *	  Looking at topics and looking after them: eventlog_topics,
 *	  delete_events_before, check_topic.
 *
 * IDENTIFICATION
 *	  src/topic/topic_views.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/extension.h"
#include "kafka/record.h"
#include "storage/check.h"
#include "storage/log.h"
#include "storage/reader.h"
#include "storage/rewind.h"
#include "storage/search.h"
#include "storage/stable.h"
#include "storage/trim.h"
#include "topic/checks.h"
#include "topic/event_check.h"
#include "topic/log_floor.h"
#include "topic/options.h"
#include "topic/publications.h"
#include "topic/topic.h"
#include "topic/topic_views.h"

EL_FUNCTION(eventlog_topics);
EL_FUNCTION(eventlog_delete_events_before);
EL_FUNCTION(eventlog_check_topic);

bool
el_may_see_topic(Oid relid)
{
	return pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		el_is_owner(relid, GetUserId()) ||
		has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
}

/* A call of el_probe_partition(). */
typedef struct ProbeCall
{
	ElTopic    *topic;
	int32		partition;
	ElProbe		probe;
	void	   *arg;
} ProbeCall;

static void
open_and_probe(void *arg)
{
	ProbeCall  *call = arg;
	Relation	leaf = el_open_leaf(call->topic, call->partition);

	if (leaf == NULL)
		return;
	call->probe(call->topic, call->partition, leaf, call->arg);
	table_close(leaf, AccessShareLock);
}

bool
el_probe_partition(ElTopic *t, int32 partition, ElProbe probe, void *arg)
{
	ProbeCall	call = {t, partition, probe, arg};
	ErrorData  *problem = el_attempt(open_and_probe, &call);

	if (problem != NULL)
		ereport(WARNING,
				(errcode(problem->sqlerrcode),
				 errmsg("cannot look at partition %d of topic \"%s\": %s",
						partition, t->name, problem->message),
				 errhint("check_topic() names everything that is wrong.")));
	return problem == NULL;
}

/* Sums over a topic's partitions. */
typedef struct TopicStats
{
	int64		events;
	int64		bytes;
} TopicStats;

static void
add_partition(ElTopic *t, int32 partition, Relation leaf, void *arg)
{
	TopicStats *stats = arg;
	ElLogInfo	info;

	stats->bytes += (int64) RelationGetNumberOfBlocks(leaf) * BLCKSZ;
	el_log_info(leaf, &info);
	stats->events += el_log_events(&info);
}

/* The view eventlog_topics: the topics that the user may see, with figures that are true for no single moment. */
Datum
eventlog_topics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);

	foreach(lc, el_all_topics())
	{
		Oid			relid = lfirst_oid(lc);
		ElTopic    *t;
		TopicStats	stats = {0};
		Datum		values[7];
		bool		nulls[7] = {false};

		CHECK_FOR_INTERRUPTS();
		if (!el_may_see_topic(relid))
			continue;

		t = el_topic_lock_if_there(relid, AccessShareLock, true);
		if (t == NULL)
			continue;

		for (int32 i = 0; i < t->npartitions; i++)
			(void) el_probe_partition(t, i, add_partition, &stats);

		values[0] = ObjectIdGetDatum(relid);
		values[1] = Int64GetDatum(t->npartitions);
		values[2] = ObjectIdGetDatum(t->key.type);
		values[3] = ObjectIdGetDatum(t->value.type);
		values[4] = PointerGetDatum(el_options_to_jsonb(&t->options));
		values[5] = Int64GetDatum(stats.events);
		values[6] = Int64GetDatum(stats.bytes);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);

		UnlockRelationOid(relid, AccessShareLock);
	}

	return (Datum) 0;
}

/*
 * Is there a committed event from offset on?  Then a dump has the log's end in
 * its rows and needs no floor.  A row of _eventlog.log_floor written each time
 * would be a dead one at the next, whose pruning cancels queries on standbys.
 */
static bool
events_remain(Relation leaf, int64 offset)
{
	ElReader   *r = el_reader_begin(leaf, GetActiveSnapshot(), EL_READ_STABLE);
	ElRecord	rec;
	bool		found;

	(void) el_reader_seek(r, offset);
	found = el_reader_next(r, &rec);
	el_reader_end(r);
	return found;
}

/*
 * delete_events_before(topic regclass, partition int, event_offset bigint): the
 * topic's owner alone.  Takes effect at once, whatever becomes of the transaction.
 */
Datum
eventlog_delete_events_before(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"topic", "partition", "event_offset"};
	Oid			relid;
	int64		partition;
	int64		offset;
	ElTopic    *t;
	Relation	leaf;
	ElLogInfo	info;
	int64		stable;

	el_args_not_null(fcinfo, names, lengthof(names));
	relid = PG_GETARG_OID(0);
	partition = PG_GETARG_INT64(1);
	offset = PG_GETARG_INT64(2);

	el_require_write("delete_events_before()");

	LockRelationOid(relid, AccessShareLock);
	t = el_topic(relid);
	if (!el_is_owner(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, t->name);
	el_check_partition(t, partition);

	/* one at a time, and not beside VACUUM; producers and consumers go on */
	leaf = table_open(t->leaves[partition], ShareUpdateExclusiveLock);
	el_partition_info(t, partition, leaf, &info);
	stable = info.exists ?
		el_log_stable_offset(leaf, GetActiveSnapshot(), NULL) : info.log_end;
	Assert(stable >= info.log_start);

	if (offset < 0 || offset > info.log_end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("event_offset %lld is outside partition %lld of topic \"%s\"",
						(long long) offset, (long long) partition, t->name),
				 errdetail("The log start offset is %lld, the log end offset is %lld.",
						   (long long) info.log_start, (long long) info.log_end)));
	if (offset > stable)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot delete events of partition %lld of topic \"%s\" before offset %lld",
						(long long) partition, t->name, (long long) offset),
				 errdetail("A transaction that began at offset %lld has not ended or is not visible yet.",
						   (long long) stable),
				 errhint("Delete up to offset %lld, or wait for that transaction.",
						 (long long) stable)));

	/*
	 * Before the trim, which takes effect at once.  Asked for again even if
	 * there is nothing to trim: the transaction that emptied the log may have
	 * rolled back.
	 */
	if (info.exists && !events_remain(leaf, offset))
	{
		el_record_log_floor(t, partition, leaf, &info, offset);
		el_log_note_emptied(leaf);
	}
	if (info.exists && offset > info.log_start)
		(void) el_log_trim(leaf, offset);

	/* until the end of the transaction: the floor row is not committed yet */
	table_close(leaf, NoLock);
	PG_RETURN_VOID();
}

typedef struct CheckState
{
	ReturnSetInfo *rsinfo;
	int32		partition;		/* -1: of the topic as a whole */
	int64		problems;
} CheckState;

static void
report_problem(void *arg, const char *problem)
{
	CheckState *state = arg;
	Datum		values[2];
	bool		nulls[2] = {false};

	values[0] = Int32GetDatum(state->partition);
	nulls[0] = state->partition < 0;
	state->problems++;
	values[1] = CStringGetTextDatum(problem);
	tuplestore_putvalues(state->rsinfo->setResult, state->rsinfo->setDesc,
						 values, nulls);
}

/* check_topic(topic regclass): a row for each problem; AccessShareLock on topic and partitions. */
Datum
eventlog_check_topic(PG_FUNCTION_ARGS)
{
	CheckState	state = {(ReturnSetInfo *) fcinfo->resultinfo, -1};
	Oid			relid;
	ElTopic    *t;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);

	if (PG_ARGISNULL(0))
		return (Datum) 0;
	relid = PG_GETARG_OID(0);

	LockRelationOid(relid, AccessShareLock);
	t = el_topic(relid);
	if (!el_may_see_topic(relid))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, t->name);

	foreach(lc, el_publications_of(relid))
		report_problem(&state,
					   psprintf("publication \"%s\" includes this topic, but logical replication does not carry events",
								(char *) lfirst(lc)));

	for (int32 i = 0; i < t->npartitions; i++)
	{
		Relation	leaf;

		CHECK_FOR_INTERRUPTS();
		state.partition = i;
		if (!OidIsValid(t->leaves[i]))
		{
			report_problem(&state, "the table of this partition is missing");
			continue;
		}

		leaf = table_open(t->leaves[i], AccessShareLock);
		state.problems = 0;
		el_log_check(leaf, i, report_problem, &state);

		/* a log that is damaged would raise where it is read */
		if (state.problems == 0)
			el_check_events(t, leaf, report_problem, &state);
		table_close(leaf, AccessShareLock);
	}

	return (Datum) 0;
}
