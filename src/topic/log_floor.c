/*-------------------------------------------------------------------------
 *
 * log_floor.c
 *	  Log ends that must not be forgotten: _eventlog.log_floor.
 *
 * A log's end is in its metapage.  What empties a log also removes the rows
 * that would carry its end through pg_dump, and TRUNCATE the metapage itself,
 * so it is written down in a dumped table, by the topic's uuid since OIDs
 * change; the first append to an empty log begins there.  So is the leader epoch.
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

#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/hash.h"
#include "base/locks.h"
#include "storage/epoch.h"
#include "storage/rewind.h"
#include "topic/callbacks.h"
#include "topic/log_floor.h"
#include "topic/options.h"
#include "topic/topic.h"

enum
{
	Anum_floor_topic = EL_ATT_FLOOR_TOPIC,
	Anum_floor_partition,
	Anum_floor_log_end,
	Natts_floor_1_0 = Anum_floor_log_end,
	Anum_floor_committed_end,
	Anum_floor_leader_epoch,
	Anum_floor_timeline,
	Anum_floor_system,
	Natts_floor = Anum_floor_system
};

/* What is recorded of a partition's log; zeros if nothing is. */
typedef struct LogFloor
{
	int64		log_end;
	int64		committed_end;	/* from here on no event was committed */
	ElEpoch		epoch;
} LogFloor;

/* Files remembered; when there are more, all are forgotten. */
#define MAX_FLOORS	16384

/* Of a file for which no floor was found, that is believed so long. */
#define NO_FLOOR_MS	1000

/*
 * Cache: floors of files that hold no log yet, for who polls one.  A floor that was found
 * stays as it is until a log is there, or the file is emptied in place; one that was not
 * found may be restored at any time.
 */
typedef struct KnownFloor
{
	RelFileLocator locator;		/* hash key */
	pg_uuid_t	topic;
	int32		partition;
	bool		found;
	int64		looked_ms;		/* when it was looked up */
	LogFloor	floor;
} KnownFloor;

static HTAB *known_floors = NULL;

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

static void
read_floor_tuple(Relation rel, HeapTuple tup, LogFloor *floor)
{
	Datum		values[Natts_floor];
	bool		nulls[Natts_floor];

	memset(floor, 0, sizeof(*floor));
	heap_deform_tuple(tup, RelationGetDescr(rel), values, nulls);
	floor->log_end = DatumGetInt64(values[Anum_floor_log_end - 1]);
	if (RelationGetNumberOfAttributes(rel) < Natts_floor)
		return;
	floor->committed_end = DatumGetInt64(values[Anum_floor_committed_end - 1]);
	floor->epoch.epoch = DatumGetInt32(values[Anum_floor_leader_epoch - 1]);
	floor->epoch.timeline = (uint32) DatumGetInt32(values[Anum_floor_timeline - 1]);
	floor->epoch.system = (uint32) DatumGetInt32(values[Anum_floor_system - 1]);
}

/* False if none was recorded. */
static bool
look_up_floor(ElTopic *t, int32 partition, LogFloor *floor)
{
	Oid			index;
	Relation	rel = open_floor(AccessShareLock, &index);
	SysScanDesc scan;
	HeapTuple	tup;

	memset(floor, 0, sizeof(*floor));
	if (rel == NULL)
		return false;
	scan = scan_floor(rel, index, &t->uuid, partition);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
		read_floor_tuple(rel, tup, floor);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tup);
}

/* The floor of a partition whose file, leaf's, holds no log; for who only looks. */
static void
get_floor(ElTopic *t, int32 partition, Relation leaf, LogFloor *floor)
{
	RelFileLocator locator = el_rel_locator(leaf);
	int64		now = el_monotonic_ms();
	bool		found;
	KnownFloor *k = known_floors == NULL ? NULL :
		hash_search(known_floors, &locator, HASH_FIND, NULL);

	if (k != NULL && k->partition == partition &&
		memcmp(&k->topic, &t->uuid, UUID_LEN) == 0 &&
		(k->found || now - k->looked_ms < NO_FLOOR_MS))
	{
		*floor = k->floor;
		return;
	}
	found = look_up_floor(t, partition, floor);
	known_floors = el_hash_bounded(known_floors, "eventlog log floors",
								   MAX_FLOORS, sizeof(RelFileLocator),
								   sizeof(KnownFloor));
	k = hash_search(known_floors, &locator, HASH_ENTER, NULL);
	k->topic = t->uuid;
	k->partition = partition;
	k->found = found;
	k->looked_ms = now;
	k->floor = *floor;
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
	{
		LogFloor	floor;

		(void) look_up_floor(t, partition, &floor);
		options->floor = floor.log_end;
		options->first_offset = floor.committed_end;
		options->epoch = floor.epoch;
	}
}

void
el_partition_info(ElTopic *t, int32 partition, Relation leaf, ElLogInfo *info)
{
	Assert(partition >= 0 && partition < t->npartitions);
	el_log_info(leaf, info);
	if (!info->exists)
	{
		LogFloor	floor;

		get_floor(t, partition, leaf, &floor);
		info->log_start = info->log_end = floor.log_end;
		info->epoch = floor.epoch;
	}
}

/*
 * Takes RowExclusiveLock on _eventlog.log_floor until the transaction ends.  No two
 * transactions get here for one partition: TRUNCATE and delete_events_before hold
 * locks on it that exclude each other.
 */
void
el_record_log_floor(ElTopic *t, int32 partition, Relation leaf,
					const ElLogInfo *info, int64 committed_end)
{
	Oid			index;
	Relation	rel = open_floor(RowExclusiveLock, &index);
	RelFileLocator locator = el_rel_locator(leaf);
	ElEpoch		epoch = el_epoch_in_force(&info->epoch);
	LogFloor	floor = {Max(info->log_end, info->floor), committed_end, epoch};
	LogFloor	old_floor;
	SysScanDesc scan;
	HeapTuple	old;
	Datum		values[Natts_floor];
	bool		nulls[Natts_floor] = {false};
	bool		replace[Natts_floor];

	Assert(committed_end >= 0 && committed_end <= info->log_end);
	Assert(info->log_end <= EL_MAX_OFFSET + 1);
	Assert(el_relation_locked(t->leaves[partition], ShareUpdateExclusiveLock));
	if (!rel)
		return;
	if (known_floors != NULL)
		(void) hash_search(known_floors, &locator, HASH_REMOVE, NULL);

	scan = scan_floor(rel, index, &t->uuid, partition);
	old = systable_getnext(scan);
	memset(&old_floor, 0, sizeof(old_floor));
	if (HeapTupleIsValid(old))
		read_floor_tuple(rel, old, &old_floor);
	floor.log_end = Max(floor.log_end, old_floor.log_end);
	floor.committed_end = Max(floor.committed_end, old_floor.committed_end);

	values[Anum_floor_topic - 1] = UUIDPGetDatum(&t->uuid);
	values[Anum_floor_partition - 1] = Int32GetDatum(partition);
	values[Anum_floor_log_end - 1] = Int64GetDatum(floor.log_end);
	values[Anum_floor_committed_end - 1] = Int64GetDatum(floor.committed_end);
	values[Anum_floor_leader_epoch - 1] = Int32GetDatum(epoch.epoch);
	values[Anum_floor_timeline - 1] = Int32GetDatum((int32) epoch.timeline);
	values[Anum_floor_system - 1] = Int32GetDatum((int32) epoch.system);
	for (int i = 0; i < Natts_floor; i++)
		replace[i] = i >= Anum_floor_log_end - 1;

	/* version 1.0's table has fewer columns: the first ones */
	if (!HeapTupleIsValid(old))
		CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, nulls));
	else if (floor.log_end != old_floor.log_end ||
			 (RelationGetNumberOfAttributes(rel) == Natts_floor &&
			  (floor.committed_end != old_floor.committed_end ||
			   memcmp(&epoch, &old_floor.epoch, sizeof(epoch)) != 0)))
		CatalogTupleUpdate(rel, &old->t_self,
						   heap_modify_tuple(old, RelationGetDescr(rel), values,
											 nulls, replace));
	systable_endscan(scan);
	table_close(rel, NoLock);

	/* a second call in this command must see it */
	CommandCounterIncrement();
}

/* A table that stands alone takes no events: there is nothing to keep. */
void
el_keep_log_floor(Relation leaf)
{
	int32		partition;
	ElTopic    *t = el_topic_of_leaf(RelationGetRelid(leaf), &partition);
	ElLogInfo	info;

	if (t == NULL || partition < 0)
		return;
	el_log_info(leaf, &info);
	if (info.exists && info.log_end > 0)
		el_record_log_floor(t, partition, leaf, &info, el_log_committed_end(leaf));
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
