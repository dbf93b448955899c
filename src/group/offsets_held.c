/*-------------------------------------------------------------------------
 *
 * offsets_held.c
 *	  What groups have yet to consume.
 *
 * Retention that waits for groups (retain_until_consumed) asks for the lowest
 * offset that any of them has yet to consume.  Groups in use are in slots; those
 * that are not are asked of the topic.  What was read of it for one topic is kept
 * for the next question, which is mostly about another partition of the same: it
 * holds as long as no group that has committed since has lost its slots.
 *
 * IDENTIFICATION
 *	  src/group/offsets_held.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "group/offsets.h"
#include "group/offsets_held.h"
#include "group/offsets_load.h"
#include "group/offsets_topic.h"

/* A copy of the entries of one topic in one group. */
typedef struct TopicEntries
{
	ElEntry		mark;
	int64		start[2];		/* of the partition asked for: by the mark,
								 * and by its pending one */
	int			n;
	int32	   *partitions;
	ElEntry    *entries;
} TopicEntries;

/* Of a topic in slots.  Lock held. */
static TopicEntries *
copy_entries(ElSlotNo topic, int32 partition)
{
	TopicEntries *c = palloc0_object(TopicEntries);
	int			set = EL_TOPIC(topic)->start_set;
	ElSlotNo	s;
	int			n = 0;

	for (s = EL_TOPIC(topic)->first_part; s != EL_NO_SLOT; s = EL_PART(s)->next_part)
		n++;
	c->partitions = palloc_array(int32, n + 1);
	c->entries = palloc_array(ElEntry, n + 1);
	for (s = EL_TOPIC(topic)->first_part; s != EL_NO_SLOT; s = EL_PART(s)->next_part)
	{
		c->partitions[c->n] = EL_PART(s)->partition;
		if (EL_PART(s)->partition == partition)
		{
			c->start[0] = EL_PART(s)->start[set];
			c->start[1] = EL_PART(s)->start[1 - set];
		}
		el_entry_copy(s, &c->entries[c->n++]);
	}
	el_mark_copy(topic, &c->mark);
	return c;
}

/* Where the entry says that the group goes on, the lower offset if that is undecided; -1: nowhere. */
static int64
lowest_next(ElEntry *e)
{
	(void) el_entry_resolve(e);
	if (!FullTransactionIdIsValid(e->pending_fxid) || e->pending_next < 0)
		return e->next;
	return e->next < 0 ? e->pending_next : Min(e->next, e->pending_next);
}

/*
 * Where the group goes on in a partition in which it has no committed offset: at
 * its start, the lower one if that is undecided.  At the log's beginning if the
 * mark does not say, or there is none and it has committed in other partitions
 * (any); nowhere (INT64 max) if it has neither.
 */
static int64
held_by_mark(TopicEntries *c, int32 partition, bool any)
{
	int64		version = c->mark.version;
	int64		held = PG_INT64_MAX;

	(void) el_entry_resolve(&c->mark);
	if (c->mark.version != version)
		c->start[0] = c->start[1];
	if (c->mark.next >= 0)
		held = partition < c->mark.next ? Max(c->start[0], 0) : 0;
	else if (any)
		held = 0;
	if (FullTransactionIdIsValid(c->mark.pending_fxid) && c->mark.pending_next >= 0)
		held = Min(held, partition < c->mark.pending_next ? Max(c->start[1], 0) : 0);
	return held;
}

/* The lowest offset of the partition that the group has yet to consume; INT64 max if it has no place there. */
static int64
held_by(TopicEntries *c, int32 partition)
{
	int64		held = PG_INT64_MAX;
	bool		any = false;

	for (int i = 0; i < c->n; i++)
	{
		ElEntry    *e = &c->entries[i];
		int64		next = lowest_next(e);

		if (c->partitions[i] != partition)
			any |= next >= 0;
		else if (e->next >= 0)
			return next;
		else if (next >= 0)
			held = next;
	}
	return Min(held, held_by_mark(c, partition, any));
}

/*
 * Groups that are not in slots
 */

/* What was read of the topic of committed offsets, for one topic. */
static ElOffsets *seen = NULL;
static pg_uuid_t seen_topic;
static uint64 seen_gen;			/* of the cache */

static void
forget_seen(void)
{
	MemoryContext cxt = seen->mcxt;

	seen = NULL;
	MemoryContextDelete(cxt);
}

/* Does it still say what there is of groups without slots?  Lock held. */
static bool
is_seen_current(const ElDb *db, const pg_uuid_t *uuid)
{
	return seen != NULL && seen_gen == db->cache_gen &&
		memcmp(&seen_topic, uuid, UUID_LEN) == 0 &&
		db->evicted_version < seen->end;
}

/* Without the lock. */
static void
see(const pg_uuid_t *uuid, uint64 gen)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	if (seen != NULL &&
		(seen_gen != gen || memcmp(&seen_topic, uuid, UUID_LEN) != 0))
		forget_seen();
	if (seen != NULL)
		el_offsets_read_on(seen, snapshot);
	else
	{
		MemoryContext cxt = AllocSetContextCreate(TopTransactionContext,
												  "eventlog held offsets",
												  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);
		ElOffsets  *offsets;

		seen_topic = *uuid;
		seen_gen = gen;
		offsets = el_offsets_read(snapshot, true, NULL, &seen_topic);
		MemoryContextSwitchTo(old);
		MemoryContextSetParent(cxt, TopMemoryContext);
		seen = offsets;
	}
	UnregisterSnapshot(snapshot);
}

static void
set_entry(ElEntry *e, const ElOffset *o)
{
	e->next = o->next;
	e->version = o->version;
	e->fxid = o->fxid;
	e->pending_fxid = o->pending_fxid;
	e->pending_next = o->pending_next;
	e->pending_version = o->pending_version;
}

static int64
start_of(const int64 *starts, int64 n, int32 partition)
{
	return starts != NULL && partition < n ? starts[partition] : -1;
}

/* Of what was read. */
static TopicEntries *
read_entries(const ElOffsetGroup *og, int32 partition)
{
	TopicEntries *c = palloc0_object(TopicEntries);
	ElOffset   *o;
	int			n = 0;

	for (o = og->first; o != NULL; o = o->next_of_group)
		n++;
	c->partitions = palloc_array(int32, n);
	c->entries = palloc0_array(ElEntry, n);
	c->mark.next = c->mark.version = -1;
	for (o = og->first; o != NULL; o = o->next_of_group)
	{
		if (o->key.partition == EL_MARK_PARTITION)
		{
			set_entry(&c->mark, o);
			c->start[0] = start_of(o->starts, o->next, partition);
			c->start[1] = start_of(o->pending_starts, o->pending_next, partition);
			continue;
		}
		c->partitions[c->n] = o->key.partition;
		set_entry(&c->entries[c->n++], o);
	}
	return c;
}

/*
 * All groups.  Entries are copied under the lock and looked at without it, for
 * what is pending has to be looked up.
 */
static List *
list_groups(const pg_uuid_t *uuid, int32 partition, bool with_seen)
{
	List	   *result = NIL;
	ElOffsetGroup *og;
	ElSlotNo	group;

	for (group = el_shared->first_group; group != EL_NO_SLOT;
		 group = EL_GROUP(group)->next_group)
	{
		ElSlotNo	topic;

		if (EL_GROUP(group)->dbid != MyDatabaseId || !el_group_is_loaded(group))
			continue;
		topic = el_group_topic_find(group, uuid);
		if (topic != EL_NO_SLOT)
			result = lappend(result, copy_entries(topic, partition));
	}
	for (og = with_seen ? seen->first_group : NULL; og != NULL; og = og->next)
	{
		group = el_group_find(MyDatabaseId, og->name);
		if (group == EL_NO_SLOT || !el_group_is_loaded(group))
			result = lappend(result, read_entries(og, partition));
	}
	return result;
}

int64
el_offsets_held(const pg_uuid_t *uuid, int32 partition)
{
	int64		held = PG_INT64_MAX;
	List	   *groups;
	ListCell   *lc;

	for (;;)
	{
		const ElDb *db;
		uint64		gen;

		el_group_lock_with_offsets(NULL, LW_SHARED);
		db = EL_DB(el_db_find(MyDatabaseId));
		if (db->all_loaded || is_seen_current(db, uuid))
		{
			groups = list_groups(uuid, partition, !db->all_loaded);
			el_group_unlock();
			break;
		}
		gen = db->cache_gen;
		el_group_unlock();
		see(uuid, gen);
	}
	foreach(lc, groups)
		held = Min(held, held_by(lfirst(lc), partition));
	return held;
}
