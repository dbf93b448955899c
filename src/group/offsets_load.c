/*-------------------------------------------------------------------------
 *
 * offsets_load.c
 *	  From the topic of committed offsets into slots, on a primary only.
 *
 * The topic is the truth; slots have what is in use.  A group's slots say what
 * the topic says if it was loaded in the present generation of the cache
 * (ElGroup.loaded_gen, ElDb.cache_gen).  If it was not, its next call reads the
 * topic: once for all groups of the database after a start or a restore, and for
 * that group alone, or as many as there is room for, when its slots went to
 * others (room.c).  A name that is in no slot and not in the filter is new, and
 * nothing is read for it.
 *
 * The topic is read without the lock, for that takes long.  Meanwhile others
 * commit.  A group that has slots gets what it commits into them, by itself
 * (el_entry_set_pending), and what is merged later does not undo it: versions
 * tell which is newer.  A group may also come, commit, and lose its slots again;
 * then evicted_version is beyond what was read, and the rest is read, too.
 *
 * Offsets of topics that do not exist take no slots; nor do tombstones.  Which
 * uuids there are is asked after the events were read: who committed one saw its
 * topic, so it is seen here, unless it is gone.  The offsets stay in the topic
 * (expire.c): a restore may bring the uuid back, which begins another generation.
 *
 * IDENTIFICATION
 *	  src/group/offsets_load.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "group/coordinator.h"
#include "group/filter.h"
#include "group/offsets_load.h"
#include "group/offsets_topic.h"
#include "group/room.h"
#include "group/wake.h"
#include "topic/options.h"
#include "topic/uuids.h"

/* So many offsets are merged under one hold of the lock. */
#define MERGE_CHUNK		64

/* With so many slots free, beyond what is kept, a group that comes back brings others along. */
#define ROOMY_SHARE		16

/* A reading of the topic on its way into the slots. */
typedef struct Load
{
	const char *group;			/* needed; NULL: none in particular */
	bool		all;			/* of all groups */
	uint64		gen;			/* of the cache */
	uint64		filter_gen;
	uint64		evictions;
	uint64		topics_dropped;
	int64		warn_from;
	HTAB	   *needed;			/* names: that group, and all that had slots
								 * when we began */
	int64		limit;			/* so many offsets of others are kept */
	ElOffsets  *offsets;
	HTAB	   *labelled;		/* topics that exist: uuids.h */
	ElOffsetGroup *done;		/* groups up to this are merged */
	bool		left_out;		/* there was no room for some */
} Load;

void
el_mark_set_starts(ElSlotNo topic, const int64 *starts, int32 n, bool pending)
{
	ElGroupTopic *t = EL_TOPIC(topic);
	int			set = pending ? 1 - t->start_set : t->start_set;

	Assert(el_group_locked_exclusive());
	for (ElSlotNo s = t->first_part; s != EL_NO_SLOT; s = EL_PART(s)->next_part)
	{
		ElPart	   *p = EL_PART(s);

		p->start[set] = p->partition < n ? starts[p->partition] : -1;
	}
}

/* Is what was read as pending news to the entry? */
static bool
is_newer_pending(const ElOffset *o, const ElEntry *e)
{
	return FullTransactionIdIsValid(o->pending_fxid) &&
		o->pending_version > e->version &&
		(!FullTransactionIdIsValid(e->pending_fxid) ||
		 o->pending_version > e->pending_version);
}

/* A mark that was read from the topic has a place for each of its starts.  Lock held, room is reserved. */
static void
merge_starts(ElSlotNo topic, const int64 *starts, int32 n, bool pending)
{
	for (int32 p = 0; p < n; p++)
		(void) el_part_get(EL_TOPIC(topic)->group, topic, p);
	el_mark_set_starts(topic, starts, n, pending);
}

/* Enter what was read from the topic, unless the entry knows better.  Lock held, room is reserved. */
static void
merge_offset(const ElOffset *o, ElSlotNo group, uint64 gen)
{
	bool		is_mark = o->key.partition == EL_MARK_PARTITION;
	ElSlotNo	topic = el_group_topic_get(group, &o->key.uuid, InvalidOid, 0);
	ElEntry    *e = is_mark ? &EL_TOPIC(topic)->mark :
		&EL_PART(el_part_get(group, topic, o->key.partition))->entry;

	if (o->topic_exists)
		EL_TOPIC(topic)->dropped = false;	/* it was restored */
	el_entry_renew(e, gen);
	if (o->version > e->version)
	{
		if (is_mark)
			merge_starts(topic, o->starts, o->next, false);
		e->next = o->next;
		e->version = o->version;
		e->fxid = o->fxid;
	}
	if (is_newer_pending(o, e))
	{
		if (is_mark)
			merge_starts(topic, o->pending_starts, o->pending_next, true);
		e->pending_fxid = o->pending_fxid;
		e->pending_next = o->pending_next;
		e->pending_version = o->pending_version;
	}
}

/*
 * Reading
 */
static bool
is_pending(const ElOffset *o)
{
	return FullTransactionIdIsValid(o->pending_fxid);
}

/*
 * An offset of a topic that exists.  One that is undecided counts as such: its
 * transaction may be creating the topic.
 */
static bool
is_live(const ElOffset *o)
{
	return is_pending(o) || (o->next >= 0 && o->topic_exists);
}

/* An offset of a topic that does not. */
static bool
is_gone(const ElOffset *o)
{
	return o->next >= 0 && !o->topic_exists && !is_pending(o);
}

/*
 * Of groups for which there is no room only the name is kept, in the filter.  It
 * is asked without the lock: it is full of such names, and only more come, unless
 * it is emptied, which is noticed in the end.
 */
static void
leave_out(const char *group)
{
	el_group_lock(LW_EXCLUSIVE);
	el_filter_add(MyDatabaseId, group, true);
	el_group_unlock();
}

static bool
was_left_out(const char *group)
{
	return el_filter_has(MyDatabaseId, group);
}

/* Read the topic, or on from where that ended; then see which topics there are. */
static void
read_topic(Load *l)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ElOffsetGroup *og;
	ElOffset   *o;

	if (l->offsets == NULL)
	{
		l->offsets = el_offsets_begin(true, 0);
		l->offsets->warn_from = l->warn_from;
		if (l->all)
		{
			l->offsets->needed = l->needed;
			l->offsets->limit = l->limit;
			l->offsets->leave_out = leave_out;
			l->offsets->was_left_out = was_left_out;
		}
		else
			l->offsets->only_group = l->group;
		el_offsets_read_on(l->offsets, snapshot);
		el_offsets_sort_groups(l->offsets);
	}
	else
	{
		hash_destroy(l->labelled);
		l->offsets->limit = -1; /* the list is being worked through */
		el_offsets_read_on(l->offsets, snapshot);
	}
	UnregisterSnapshot(snapshot);

	l->labelled = el_labelled_topics();
	for (og = l->offsets->first_group; og != NULL; og = og->next)
	{
		CHECK_FOR_INTERRUPTS();
		for (o = og->first; o != NULL; o = o->next_of_group)
			o->topic_exists = OidIsValid(el_topic_with_uuid(l->labelled, &o->key.uuid));
		el_offsets_sort_group(og);
	}
}

/*
 * Take the lock with nothing missing in what was read of groups that have no
 * slots.  NULL, and not locked, if another generation has begun.
 */
static ElDb *
lock_up_to_date(Load *l)
{
	for (;;)
	{
		ElDb	   *db;

		CHECK_FOR_INTERRUPTS();
		el_group_lock(LW_EXCLUSIVE);
		db = EL_DB(el_db_find(MyDatabaseId));
		if (db->cache_gen != l->gen)
		{
			el_group_unlock();
			return NULL;
		}
		db->warned_end = Max(db->warned_end, l->offsets->end);
		if (db->evicted_version < l->offsets->end &&
			db->topics_dropped == l->topics_dropped)
			return db;
		l->topics_dropped = db->topics_dropped;
		el_group_unlock();
		read_topic(l);
	}
}

/*
 * Merging; all with the lock held
 */

/* How many slots does what was read of the group need that it does not have?  It is sorted, or a topic may count twice. */
static int32
count_slots(ElSlotNo group, const ElOffsetGroup *og)
{
	int32		n = group == EL_NO_SLOT ? 1 : 0;
	const pg_uuid_t *uuid = NULL;
	ElSlotNo	topic = EL_NO_SLOT;
	ElOffset   *o;

	for (o = og->first; o != NULL; o = o->next_of_group)
	{
		if (!is_live(o))
			continue;
		if (uuid == NULL || memcmp(uuid, &o->key.uuid, UUID_LEN) != 0)
		{
			uuid = &o->key.uuid;
			topic = group == EL_NO_SLOT ? EL_NO_SLOT :
				el_group_topic_find(group, uuid);
			n += topic == EL_NO_SLOT ? 1 : 0;
		}
		if (o->key.partition == EL_MARK_PARTITION)
			n += Max(o->next, o->pending_next);
		else if (topic == EL_NO_SLOT ||
				 el_part_find(group, uuid, o->key.partition) == EL_NO_SLOT)
			n++;
	}
	return n;
}

/* Is there a slot already? */
static bool
has_slot(ElSlotNo group, const ElOffset *o)
{
	return o->key.partition == EL_MARK_PARTITION ?
		el_group_topic_find(group, &o->key.uuid) != EL_NO_SLOT :
		el_part_find(group, &o->key.uuid, o->key.partition) != EL_NO_SLOT;
}

/* An event's time on the clock of ElGroup.last_commit_ms. */
static int64
monotonic_time(int64 time_ms)
{
	return el_monotonic_ms() - Max(el_now_ms() - time_ms, 0);
}

static void
merge_group(const Load *l, ElSlotNo group, const ElOffsetGroup *og)
{
	ElGroup    *g = EL_GROUP(group);
	int64		time_ms = PG_INT64_MIN;
	ElOffset   *o;

	g->has_gone = false;
	for (o = og->first; o != NULL; o = o->next_of_group)
	{
		g->has_gone |= is_gone(o);
		if (!is_live(o) && !has_slot(group, o))
			continue;
		merge_offset(o, group, l->gen);
		time_ms = Max(time_ms, o->time_ms);
	}
	if (time_ms > PG_INT64_MIN)
		g->last_commit_ms = Max(g->last_commit_ms, monotonic_time(time_ms));
	g->loaded_gen = l->gen;
}

/* The group that the load is for comes in, whoever has to give way.  53200; the lock is released then. */
static void
merge_needed(const Load *l)
{
	ElOffsetGroup *og = el_offsets_of_group(l->offsets, l->group);
	ElSlotNo	group = el_group_find(MyDatabaseId, l->group);
	int32		n = group == EL_NO_SLOT ? 1 : 0;

	if (og != NULL)
		n = count_slots(group, og);
	el_slots_reserve(n, group != EL_NO_SLOT && EL_GROUP(group)->nmembers > 0, group);
	group = el_group_get(MyDatabaseId, l->group);
	if (og != NULL)
		merge_group(l, group, og);
	else
	{
		EL_GROUP(group)->has_gone = false;
		EL_GROUP(group)->loaded_gen = l->gen;
	}
}

static bool
has_any(const ElOffsetGroup *og, bool (*test) (const ElOffset *o))
{
	ElOffset   *o = og->first;

	while (o != NULL && !test(o))
		o = o->next_of_group;
	return o != NULL;
}

/*
 * A group that was left out has come back, with what it has committed since, if
 * the filter was emptied meanwhile.
 */
static bool
may_be_partial(const Load *l, const ElOffsetGroup *og)
{
	return l->offsets->some_left_out && !og->needed && el_filter_gen() != l->filter_gen;
}

/* Any other comes in if there is room.  Returns how much there was to do. */
static int
merge_other(Load *l, ElOffsetGroup *og)
{
	ElSlotNo	group = el_group_find(MyDatabaseId, og->name);
	bool		live = has_any(og, is_live);
	int32		n;

	if (group == EL_NO_SLOT && !live)
	{
		if (has_any(og, is_gone))
			el_filter_add(MyDatabaseId, og->name, true);
		return 1;
	}
	if (group != EL_NO_SLOT && EL_GROUP(group)->loaded_gen == l->gen)
		return 1;
	n = count_slots(group, og);
	if ((n > 0 && !el_slots_there(n)) || may_be_partial(l, og))
	{
		el_filter_add(MyDatabaseId, og->name, true);
		l->left_out = true;
		return 1;
	}
	merge_group(l, el_group_load(MyDatabaseId, og->name), og);
	return n + 1;
}

/*
 * Slots of topics that are gone, which nobody was told of: in a group that has
 * members they would stay.  A topic that a transaction has just created is not
 * seen here: if it has used it, something is held, committed or subscribed to.
 */
static void
find_dropped(const Load *l, ElSlotNo group)
{
	ElSlotNo	s;

	if (EL_GROUP(group)->held > 0)
		return;
	for (s = EL_GROUP(group)->first_topic; s != EL_NO_SLOT;
		 s = EL_TOPIC(s)->next_topic)
	{
		ElGroupTopic *t = EL_TOPIC(s);
		bool		offsets = t->mark.gen == l->gen;
		ElSlotNo	p;

		if (t->nsubscribers > 0 ||
			hash_search(l->labelled, &t->uuid, HASH_FIND, NULL) != NULL ||
			OidIsValid(el_uuid_to_oid(&t->uuid)))
			continue;
		for (p = t->first_part; p != EL_NO_SLOT && !offsets; p = EL_PART(p)->next_part)
			offsets = EL_PART(p)->entry.gen == l->gen;
		if (!offsets)
			t->dropped = EL_GROUP(group)->has_dropped = true;
	}
	el_group_free_dropped(group);
}

/* All groups are dealt with: what had slots all the time and was not met has no offsets. */
static void
finish_all(const Load *l, ElDb *db)
{
	ElSlotNo	s;

	el_filter_filled();
	for (s = el_shared->first_group; s != EL_NO_SLOT; s = EL_GROUP(s)->next_group)
	{
		ElGroup    *g = EL_GROUP(s);

		if (g->dbid != db->dbid)
			continue;
		if (g->loaded_gen != l->gen && el_offsets_of_group(l->offsets, g->name) == NULL &&
			hash_search(l->needed, g->name, HASH_FIND, NULL) != NULL)
		{
			g->loaded_gen = l->gen;
			g->has_gone = false;
		}
		find_dropped(l, s);
	}
	db->complete_gen = l->gen;
	db->filter_gen = l->filter_gen;
	db->all_loaded = !l->left_out && !l->offsets->some_left_out &&
		db->evictions == l->evictions;
}

/* False if another generation has begun meanwhile. */
static bool
merge_all(Load *l)
{
	for (;;)
	{
		ElDb	   *db = lock_up_to_date(l);
		ElOffsetGroup *og;
		int			work = 0;

		if (db == NULL)
			return false;
		og = l->done == NULL ? l->offsets->first_group : l->done->next;
		if (og == NULL)
		{
			finish_all(l, db);
			el_group_unlock();
			return true;
		}
		for (; og != NULL && work < MERGE_CHUNK; og = og->next)
		{
			work += merge_other(l, og);
			l->done = og;
		}
		el_group_unlock();
	}
}

/*
 * Loading
 */

/* Is there nothing to load?  Lock held. */
static bool
is_ready(const ElDb *db, const char *group)
{
	ElSlotNo	g;

	if (group == NULL)
		return db->complete_gen == db->cache_gen;
	g = el_group_find(db->dbid, group);
	return g != EL_NO_SLOT ? EL_GROUP(g)->loaded_gen == db->cache_gen :
		el_group_surely_new(db, group);
}

static void
begin_generation(ElDb *db)
{
	Assert(el_group_locked_exclusive());
	db->cache_gen = ++el_shared->next_number;
	db->evicted_version = -1;
	db->all_loaded = false;
}

/* This transaction has dropped a topic / and has loaded since. */
static bool own_drop = false;
static bool loaded_in_own_drop = false;

/* Note who is to be loaded in any case.  Lock held. */
static void
list_needed(Load *l)
{
	ElSlotNo	s;

	for (s = el_shared->first_group; s != EL_NO_SLOT; s = EL_GROUP(s)->next_group)
	{
		if (EL_GROUP(s)->dbid == MyDatabaseId)
			(void) hash_search(l->needed, EL_GROUP(s)->name, HASH_ENTER, NULL);
	}
	if (l->group != NULL)
		(void) hash_search(l->needed, l->group, HASH_ENTER, NULL);
}

/* False if there is nothing to load (any more). */
static bool
begin_load(Load *l, uint32 relnumber)
{
	HASHCTL		ctl = {
		.keysize = EL_NAME_SIZE,
		.entrysize = EL_NAME_SIZE,
		.hcxt = CurrentMemoryContext
	};
	ElDb	   *db;
	bool		ready;

	l->needed = hash_create("eventlog groups in slots", 256, &ctl,
							HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);

	el_group_lock(LW_EXCLUSIVE);
	db = EL_DB(el_db_get(MyDatabaseId));
	if (db->relnumber != relnumber)
	{
		begin_generation(db);
		db->relnumber = relnumber;
		db->warned_end = 0;
	}
	ready = is_ready(db, l->group);
	l->gen = db->cache_gen;
	l->filter_gen = el_filter_gen();
	l->evictions = db->evictions;
	l->topics_dropped = db->topics_dropped;
	l->warn_from = db->warned_end;
	l->all = db->complete_gen != db->cache_gen || db->filter_gen != l->filter_gen ||
		el_slots_there(el_shared->nslots / ROOMY_SHARE);
	if (!ready && l->all)
		list_needed(l);
	el_group_unlock();

	/*
	 * More than there may be room for: each time that some are left out, all
	 * are looked at, so that has to be worth it.
	 */
	l->limit = el_shared->nslots;
	return !ready;
}

/*
 * One backend at a time, the others wait for the heavyweight lock and find the
 * result.  If another generation begins while we read, all begins again.
 */
static void
load_offsets(const char *group, uint32 relnumber)
{
	LOCKTAG		tag;
	MemoryContext cxt;
	MemoryContext old;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, 3);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	cxt = AllocSetContextCreate(CurrentMemoryContext, "eventlog offsets load",
								ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	for (;;)
	{
		Load		l = {.group = group};

		if (!begin_load(&l, relnumber))
			break;
		loaded_in_own_drop |= own_drop;
		read_topic(&l);
		if (group != NULL && lock_up_to_date(&l) != NULL)
		{
			merge_needed(&l);
			el_group_unlock();
			if (!l.all)
				break;
		}
		if (l.all)
			(void) merge_all(&l);
		MemoryContextReset(cxt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	LockRelease(&tag, ExclusiveLock, false);
}

/* Opens the table for its file's number, so it notices a TRUNCATE or a restore, too. */
static uint32
get_relnumber(void)
{
	Oid			topic;
	Oid			leaf;
	Relation	rel;
	uint32		relnumber;

	el_offsets_require_relations(&topic, &leaf);
	rel = table_open(leaf, AccessShareLock);
	relnumber = el_locator_number(el_rel_locator(rel));
	table_close(rel, AccessShareLock);
	return relnumber;
}

void
el_group_lock_with_offsets(const char *group, LWLockMode mode)
{
	for (;;)
	{
		uint32		relnumber = get_relnumber();
		ElSlotNo	db;

		el_group_lock(mode);
		db = el_db_find(MyDatabaseId);
		if (db != EL_NO_SLOT && EL_DB(db)->relnumber == relnumber &&
			is_ready(EL_DB(db), group))
			break;
		el_group_unlock();
		load_offsets(group, relnumber);
	}
}

void
el_offsets_ensure(const char *group)
{
	el_group_lock_with_offsets(group, LW_SHARED);
	el_group_unlock();
}

bool
el_group_is_loaded(ElSlotNo group)
{
	const ElGroup *g = EL_GROUP(group);
	ElSlotNo	db = el_db_find(g->dbid);

	return db != EL_NO_SLOT && g->loaded_gen == EL_DB(db)->cache_gen;
}

void
el_offsets_invalidate(bool restored)
{
	ElSlotNo	s;

	if (el_shared == NULL)
		return;
	el_group_lock(LW_EXCLUSIVE);
	s = el_db_find(MyDatabaseId);
	if (s != EL_NO_SLOT)
	{
		begin_generation(EL_DB(s));
		if (restored)
			EL_DB(s)->since_ms = el_monotonic_ms();
	}
	el_group_unlock();
}

void
el_offsets_note_drop(void)
{
	own_drop = true;
}

void
el_offsets_settle_drop(bool is_commit, bool is_end)
{
	if (loaded_in_own_drop && !is_commit)
		el_offsets_invalidate(false);
	loaded_in_own_drop = false;
	if (is_end)
		own_drop = false;
}

void
el_offsets_note_prepared(void)
{
	el_group_lock(LW_EXCLUSIVE);
	EL_DB(el_db_get(MyDatabaseId))->prepared = true;
	el_group_unlock();
}

void
el_offsets_prepared_ended(void)
{
	ElSlotNo	s;
	bool		prepared = false;

	el_group_lock(LW_SHARED);
	s = el_db_find(MyDatabaseId);
	if (s != EL_NO_SLOT)
		prepared = EL_DB(s)->prepared;
	el_group_unlock();
	if (prepared)
		el_offsets_invalidate(true);
	el_wake_database();
}
