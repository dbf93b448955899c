/*-------------------------------------------------------------------------
 *
 * log_floor.c
 *	  Log ends that must not be forgotten: _eventlog.log_floor.
 *
 * A log's end is in its metapage.  What empties a log also removes the rows
 * that would carry its end through pg_dump, so it is written down in a dumped
 * table, by the topic's uuid since OIDs change; the first append to an empty
 * log begins there.
 *
 * The table is read and written below SQL: a user who may TRUNCATE a topic need
 * not have any right on it.
 *
 * IDENTIFICATION
 *	  src/topic/log_floor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/locks.h"
#include "topic/callbacks.h"
#include "topic/log_floor.h"
#include "topic/options.h"
#include "topic/topic.h"

enum
{
	Anum_floor_topic = 1,
	Anum_floor_partition,
	Anum_floor_log_end,
	Natts_floor = 3
};

/* Open the table and find its primary key; NULL if it is gone (extension being dropped). */
static Relation
open_floor(LOCKMODE mode, Oid *index)
{
	Oid			nsp = get_namespace_oid(EL_INTERNAL_SCHEMA, true);
	Oid			relid = InvalidOid;

	if (OidIsValid(nsp))
		relid = get_relname_relid("log_floor", nsp);
	if (!OidIsValid(relid))
		return NULL;

	*index = get_relname_relid("log_floor_pkey", nsp);
	return table_open(relid, mode);
}

static SysScanDesc
scan_floor(Relation rel, Oid index, const pg_uuid_t *uuid, int32 partition)
{
	ScanKeyData key[2];
	int			nkeys = 1;

	Assert(partition >= -1);
	ScanKeyInit(&key[0], Anum_floor_topic, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(uuid));
	if (partition >= 0)
	{
		ScanKeyInit(&key[1], Anum_floor_partition, BTEqualStrategyNumber,
					F_INT4EQ, Int32GetDatum(partition));
		nkeys = 2;
	}

	return systable_beginscan(rel, index, OidIsValid(index), NULL, nkeys, key);
}

static int64
floor_log_end(Relation rel, HeapTuple tup)
{
	bool		isnull;
	Datum		end = heap_getattr(tup, Anum_floor_log_end,
								   RelationGetDescr(rel), &isnull);

	return isnull ? 0 : DatumGetInt64(end);
}

/* The floor of a partition; 0 if none was recorded. */
static int64
get_floor(ElTopic *t, int32 partition)
{
	Oid			index;
	Relation	rel = open_floor(AccessShareLock, &index);
	SysScanDesc scan;
	HeapTuple	tup;
	int64		floor = 0;

	if (rel == NULL)
		return 0;
	scan = scan_floor(rel, index, &t->uuid, partition);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
		floor = floor_log_end(rel, tup);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return floor;
}

/* ElLogOptions.held_from */
static int64
ask_held_from(void *arg, int32 partition)
{
	return el_topic_callbacks->held_from(&((ElTopic *) arg)->uuid, partition);
}

/* The error of an append to a full partition: from is where its groups hold it. */
static void
report_full(Relation leaf, int64 from, int64 retention_bytes)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("topic partition \"%s\" is full",
					RelationGetRelationName(leaf)),
			 errdetail("Events from offset %lld on are not consumed by all groups, and retention_bytes is %lld.",
					   (long long) from, (long long) retention_bytes),
			 errhint("Consume them, raise retention_bytes, or drop groups that are no longer used.")));
}

void
el_log_options(ElTopic *t, int32 partition, Relation leaf,
			   ElLogOptions *options)
{
	const ElTopicOptions *o = &t->options;

	Assert(partition >= 0 && partition < t->npartitions);
	Assert(t->leaves[partition] == RelationGetRelid(leaf));
	Assert(CheckRelationLockedByMe(leaf, AccessShareLock, true));
	memset(options, 0, sizeof(*options));
	options->partition = partition;
	options->segment_bytes = o->segment_bytes;
	/* a compacted log is for the worker: what it frees depends on the keys */
	options->retention_bytes = el_is_compacted(o) ? -1 : o->retention_bytes;
	if (options->retention_bytes >= 0 && o->retain_until_consumed &&
		o->when_full == EL_REJECT && el_topic_callbacks != NULL)
	{
		options->held_from = ask_held_from;
		options->held_arg = t;
		options->report_full = report_full;
	}
	if (!el_log_exists(leaf))
		options->floor = get_floor(t, partition);
}

void
el_partition_info(ElTopic *t, int32 partition, Relation leaf, ElLogInfo *info)
{
	Assert(partition >= 0 && partition < t->npartitions);
	el_log_info(leaf, info);
	if (!info->exists)
		info->log_start = info->log_end = get_floor(t, partition);
}

/* Takes RowExclusiveLock on _eventlog.log_floor until the transaction ends. */
void
el_record_log_floor(ElTopic *t, int32 partition, int64 log_end)
{
	Oid			index;
	Relation	rel = open_floor(RowExclusiveLock, &index);
	SysScanDesc scan;
	HeapTuple	old;
	HeapTuple	tup;
	Datum		values[Natts_floor];
	bool		nulls[Natts_floor] = {false};
	bool		replace[Natts_floor] = {false};

	Assert(log_end >= 0 && log_end <= EL_MAX_OFFSET + 1);
	Assert(el_relation_locked(t->leaves[partition], ShareUpdateExclusiveLock));
	if (!rel)
		return;

	values[Anum_floor_topic - 1] = UUIDPGetDatum(&t->uuid);
	values[Anum_floor_partition - 1] = Int32GetDatum(partition);
	values[Anum_floor_log_end - 1] = Int64GetDatum(log_end);

	/*
	 * No two transactions get here for one partition: TRUNCATE and
	 * delete_events_before hold locks on it that exclude each other.
	 */
	scan = scan_floor(rel, index, &t->uuid, partition);
	old = systable_getnext(scan);
	if (!HeapTupleIsValid(old))
	{
		tup = heap_form_tuple(RelationGetDescr(rel), values, nulls);
		CatalogTupleInsert(rel, tup);
	}
	else if (floor_log_end(rel, old) < log_end)
	{
		replace[Anum_floor_log_end - 1] = true;
		tup = heap_modify_tuple(old, RelationGetDescr(rel), values, nulls,
								replace);
		CatalogTupleUpdate(rel, &old->t_self, tup);
	}
	systable_endscan(scan);
	table_close(rel, NoLock);

	/* a second call in this command must see it */
	CommandCounterIncrement();
}

void
el_forget_log_floor(const pg_uuid_t *uuid)
{
	Oid			index;
	Relation	rel = open_floor(RowExclusiveLock, &index);
	SysScanDesc scan;
	HeapTuple	tup;

	if (!rel)
		return;

	scan = scan_floor(rel, index, uuid, -1);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
		CatalogTupleDelete(rel, &tup->t_self);
	systable_endscan(scan);
	table_close(rel, NoLock);
}
