/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  broker_watch(): what changes is told to the client as it happens.
 *
 * The procedure never returns.  It sends notifications on its own connection, which
 * PQnotifies() hands out while the call is still running: no queue, no lock of NOTIFY's
 * and no WAL is involved.  Between two of them it holds no snapshot.
 *
 * Data is told of by whoever ends a transaction (group/watchers.c), metadata by cache
 * invalidations, which are looked at a few times a second or with the data.
 * On a standby nothing of ours runs where WAL is replayed, so its position is looked at.
 *
 * IDENTIFICATION
 *	  src/wire/watch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "nodes/readfuncs.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"

#include "base/client.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/hash.h"
#include "group/watchers.h"
#include "topic/shape.h"
#include "topic/topic.h"
#include "wire/watch.h"

EL_FUNCTION(eventlog_broker_watch);

#define CHANNEL			"eventlog"
#define HEARTBEAT_MS	1000
/* Between two looks at invalidations, on a standby at the replay position, and between two messages. */
#define LOOK_MS			100
#define STANDBY_LOOK_MS 20
#define PAUSE_MS		1

/* Relations of which an invalidation came: beyond that many, any. */
#define MAX_CHANGED		64

/* Set by callbacks while this backend watches. */
static bool watching = false;
static bool metadata_changed = false;
static bool lost_track = false; /* more relations than are noted */
static Oid	changed[MAX_CHANGED];
static int	nchanged = 0;

/* A partition's table, by what clients know it by. */
typedef struct KnownLeaf
{
	Oid			leaf;			/* hash key */
	Oid			topic;			/* InvalidOid: it is no topic's, or the
								 * DEFAULT partition */
	int32		partition;
} KnownLeaf;

typedef struct Watch
{
	int			place;			/* in the table of watchers; -1: none */
	MemoryContext mcxt;			/* of what follows */
	HTAB	   *topics;			/* OIDs */
	HTAB	   *leaves;			/* KnownLeaf */
	MemoryContext each;			/* reset for each message */
	int64		heartbeat_ms;	/* when the next one is due */
	XLogRecPtr	replayed;		/* on a standby: as of the last look */
	bool		was_standby;
} Watch;

void
el_watch_relation_changed(Datum arg, Oid relid)
{
	if (!watching)
		return;
	if (!OidIsValid(relid) || nchanged == MAX_CHANGED)
		lost_track = true;
	else if (nchanged == 0 || changed[nchanged - 1] != relid)
		changed[nchanged++] = relid;
}

void
el_watch_catalog_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	if (watching)
		metadata_changed = true;
}

/*
 * Catalogs, without a lock: one that somebody holds must not stop the heartbeat
 */

/* The table that this one is a partition of, InvalidOid if it is none (any more). */
static Oid
parent_of(Oid leaf)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			parent = InvalidOid;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(leaf));
	scan = systable_beginscan(rel, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		parent = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return parent;
}

/* The number that a partition is FOR VALUES IN; -1 if it is for anything else. */
static int32
partition_number(Oid leaf)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(leaf));
	Datum		bound;
	bool		isnull = true;
	int32		number = -1;

	if (!HeapTupleIsValid(tuple))
		return -1;
	bound = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &isnull);
	if (!isnull)
	{
		PartitionBoundSpec *spec = stringToNode(TextDatumGetCString(bound));

		if (!spec->is_default && list_length(spec->listdatums) == 1)
		{
			Const	   *value = linitial_node(Const, spec->listdatums);

			if (!value->constisnull)
				number = DatumGetInt32(value->constvalue);
		}
	}
	ReleaseSysCache(tuple);
	return number;
}

static const KnownLeaf *
find_leaf(Watch *w, Oid leaf)
{
	bool		found;
	KnownLeaf  *known = hash_search(w->leaves, &leaf, HASH_FIND, &found);
	Oid			topic = InvalidOid;
	int32		partition;

	if (found)
		return known;

	/*
	 * looked up before there is an entry, which an error would leave half
	 * made
	 */
	partition = el_is_leaf(leaf) ? partition_number(leaf) : -1;
	if (partition >= 0)
		topic = parent_of(leaf);
	known = hash_search(w->leaves, &leaf, HASH_ENTER, NULL);
	known->topic = topic;
	known->partition = partition;
	return known;
}

/* Read which topics there are; what was read before is void. */
static void
read_topics(Watch *w)
{
	ListCell   *lc;
	List	   *topics;

	w->topics = w->leaves = NULL;
	MemoryContextReset(w->mcxt);
	w->topics = el_hash_create("eventlog watched topics", 64, sizeof(Oid),
							   sizeof(Oid), w->mcxt);
	w->leaves = el_hash_create("eventlog watched partitions", 256, sizeof(Oid),
							   sizeof(KnownLeaf), w->mcxt);
	topics = el_all_topics();
	foreach(lc, topics)
		(void) hash_search(w->topics, &lfirst_oid(lc), HASH_ENTER, NULL);
	list_free(topics);
}

/* A relation has changed, been made or been dropped: what of it concerns clients? */
static void
judge_relation(Watch *w, Oid relid, Oid *leaves, int *n)
{
	bool		found;

	(void) hash_search(w->topics, &relid, HASH_FIND, &found);
	if (found || el_is_topic(relid))
	{
		(void) hash_search(w->topics, &relid, HASH_ENTER, NULL);
		metadata_changed = true;
		return;
	}
	/* TRUNCATE moves the start; what else may be is looked up again */
	(void) hash_search(w->leaves, &relid, HASH_REMOVE, NULL);
	if (el_is_leaf(relid))
		leaves[(*n)++] = relid;
}

/*
 * Messages
 */

/* Tell of partitions; all: of any. */
static void
tell_leaves(Watch *w, bool all, const Oid *leaves, int n)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfoChar(&payload, 'e');
	if (all)
		appendStringInfoString(&payload, " *");
	for (int i = 0; i < n && !all; i++)
	{
		const KnownLeaf *known = find_leaf(w, leaves[i]);

		if (OidIsValid(known->topic))
			appendStringInfo(&payload, " %u/%d", known->topic, known->partition);
	}
	if (payload.len > 1)
		el_client_notify(CHANNEL, payload.data);
}

/* Send what has changed since the last time.  Says whether there was anything. */
static bool
tell_changes(Watch *w)
{
	Oid			leaves[EL_WATCHED_LEAVES + MAX_CHANGED];
	int			n = 0;
	bool		all = w->place >= 0 && el_watcher_take(w->place, leaves, &n);
	bool		told;

	AcceptInvalidationMessages();
	if (lost_track)
	{
		lost_track = false;
		nchanged = 0;
		metadata_changed = all = true;
		read_topics(w);
	}

	/*
	 * looking at catalogs may let in more of them; what there is no room for
	 * waits
	 */
	while (nchanged > 0 && n < lengthof(leaves))
		judge_relation(w, changed[--nchanged], leaves, &n);
	if (w->was_standby)
	{
		XLogRecPtr	replayed = GetXLogReplayRecPtr(NULL);

		all |= replayed != w->replayed;
		w->replayed = replayed;
		if (!RecoveryInProgress())
		{
			/* promoted: all leader epochs have risen */
			w->was_standby = false;
			metadata_changed = true;
		}
	}

	told = metadata_changed || all || n > 0;
	if (metadata_changed)
	{
		metadata_changed = false;
		el_client_notify(CHANNEL, "m");
	}
	if (all || n > 0)
		tell_leaves(w, all, leaves, n);
	return told;
}

/*
 * The loop.  A transaction is there all the time, for catalogs are looked at, but
 * no snapshot; it is another one after each heartbeat.
 */
static void
watch(Watch *w)
{
	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(w->each);
		bool		told = tell_changes(w);
		int64		now_ms = el_monotonic_ms();
		bool		heartbeat = now_ms >= w->heartbeat_ms;
		long		timeout = w->was_standby ? STANDBY_LOOK_MS : LOOK_MS;

		if (heartbeat)
		{
			el_client_notify(CHANNEL, "h");
			w->heartbeat_ms = now_ms + HEARTBEAT_MS;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(w->each);
		InvalidateCatalogSnapshot();
		if (heartbeat)
			SPI_commit();
		if (told || heartbeat)
			el_client_flush();

		/* what comes within the pause goes into one message */
		if (told)
			pg_usleep(PAUSE_MS * 1000L);
		el_client_sleep(Min(timeout, Max(w->heartbeat_ms - now_ms, 0)));
	}
}

static void
end_watch(int code, Datum arg)
{
	Watch	   *w = (Watch *) DatumGetPointer(arg);

	watching = false;
	el_watchers_release_lock();
	if (w->place >= 0)
		el_watcher_unregister(w->place);
	w->place = -1;
}

/* CALL broker_watch() */
Datum
eventlog_broker_watch(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	Watch	   *w = palloc0_object(Watch);

	el_require_preload();
	el_check_catalog_version();
	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block or function",
						"broker_watch()")));

	w->mcxt = AllocSetContextCreate(CurrentMemoryContext, "eventlog watch catalogs",
									ALLOCSET_DEFAULT_SIZES);
	w->each = AllocSetContextCreate(CurrentMemoryContext, "eventlog watch",
									ALLOCSET_DEFAULT_SIZES);
	w->was_standby = RecoveryInProgress();
	w->place = el_watcher_register();
	if (w->place < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many sessions run broker_watch()")));
	PG_ENSURE_ERROR_CLEANUP(end_watch, PointerGetDatum(w));
	{
		/* it goes on for as long as the client is there */
		disable_timeout(STATEMENT_TIMEOUT, false);
		SPI_connect_ext(SPI_OPT_NONATOMIC);
		SPI_commit();
		/* the first message says that from here on nothing is missed */
		watching = lost_track = true;
		nchanged = 0;
		watch(w);
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_watch, PointerGetDatum(w));
	PG_RETURN_VOID();
}
