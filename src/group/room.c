/*-------------------------------------------------------------------------
 *
 * room.c
 *	  Room for groups: who gets slots, and who gives them back.
 *
 * A group is in use while it has members or a transaction holds a partition of
 * it.  The slots of all others are a cache: of their committed offsets, which
 * the topic has, and of what may be forgotten.  They stay as long as there is
 * room, and go when somebody needs it, the least recently used first; the group
 * comes back from the topic at its next call (offsets.c).  So neither dropped
 * groups nor names that are used once fill the memory.
 *
 * All groups are in one list: those in use, in no particular order, then the
 * others, the last used first.
 *
 * What is evicted is remembered in three ways.  The filter has the names of
 * groups whose offsets the topic has.  evicted_version says how far the topic
 * must be read for what they committed.  And evicted_used_ms is the last call of
 * one of them that the topic does not tell (expire.c).
 *
 * IDENTIFICATION
 *	  src/group/room.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "group/filter.h"
#include "group/room.h"

/* This part of the slots is left to members. */
#define KEPT_SHARE		8

/* For so many slots nobody is evicted before it is clear that it would help. */
#define MANY_SLOTS		64

/*
 * The list
 */
static bool
is_in_use(const ElGroup *g)
{
	Assert(g->nmembers >= 0 && g->claimers >= 0 && g->held >= g->claimers);
	return g->nmembers > 0 || g->held > 0;
}

/* Before another group, or (EL_NO_SLOT) at the end. */
static void
link_group(ElSlotNo group, ElSlotNo next)
{
	ElGroup    *g = EL_GROUP(group);

	g->next_group = next;
	g->prev_group = next == EL_NO_SLOT ? el_shared->last_group : EL_GROUP(next)->prev_group;
	if (g->prev_group == EL_NO_SLOT)
		el_shared->first_group = group;
	else
		EL_GROUP(g->prev_group)->next_group = group;
	if (next == EL_NO_SLOT)
		el_shared->last_group = group;
	else
		EL_GROUP(next)->prev_group = group;
}

static void
unlink_group(ElSlotNo group)
{
	ElGroup    *g = EL_GROUP(group);

	if (el_shared->first_idle == group)
		el_shared->first_idle = g->next_group;
	if (g->prev_group == EL_NO_SLOT)
		el_shared->first_group = g->next_group;
	else
		EL_GROUP(g->prev_group)->next_group = g->next_group;
	if (g->next_group == EL_NO_SLOT)
		el_shared->last_group = g->prev_group;
	else
		EL_GROUP(g->next_group)->prev_group = g->prev_group;
}

void
el_group_touch(ElSlotNo group)
{
	ElGroup    *g = EL_GROUP(group);
	bool		idle = !is_in_use(g);

	Assert(el_group_locked_exclusive());
	g->last_used_ms = el_monotonic_ms();
	if (!idle && !g->idle)
		return;
	unlink_group(group);
	g->idle = idle;
	link_group(group, idle ? el_shared->first_idle : el_shared->first_group);
	if (idle)
		el_shared->first_idle = group;
}

/*
 * Slots of a group
 */
/* Is the filter, for this database, what it says? */
static bool
filter_holds(const ElDb *db)
{
	return db->complete_gen == db->cache_gen && db->filter_gen == el_filter_gen();
}

bool
el_group_surely_new(const ElDb *db, const char *name)
{
	return filter_holds(db) && !el_filter_has(db->dbid, name);
}

ElSlotNo
el_group_load(Oid dbid, const char *name)
{
	ElSlotNo	s = el_group_find(dbid, name);
	ElDb	   *db;
	ElGroup    *g;

	if (s != EL_NO_SLOT)
		return s;
	db = EL_DB(el_db_find(dbid));
	s = el_slot_new(EL_SLOT_GROUP);
	g = EL_GROUP(s);
	g->dbid = dbid;
	strlcpy(g->name, name, EL_NAME_SIZE);
	g->use = EL_USE_NONE;
	g->first_topic = EL_NO_SLOT;
	g->first_member = g->last_member = EL_NO_SLOT;
	g->epoch = g->assignment_epoch = ++el_shared->next_number;
	g->max_poll_ms = 300000;
	g->session_timeout_ms = 45000;
	g->loaded_gen = el_group_surely_new(db, name) ? db->cache_gen : 0;
	g->idle = true;
	link_group(s, EL_NO_SLOT);
	if (el_shared->first_idle == EL_NO_SLOT)
		el_shared->first_idle = s;
	el_slot_link(s);
	return s;
}

ElSlotNo
el_group_get(Oid dbid, const char *name)
{
	ElSlotNo	s = el_group_load(dbid, name);

	el_group_touch(s);
	return s;
}

ElSlotNo
el_group_topic_reserve(Oid dbid, const char *group, const pg_uuid_t *uuid,
					   Oid relid, int32 npartitions)
{
	ElSlotNo	g = el_group_find(dbid, group);

	el_slots_reserve((g == EL_NO_SLOT ? 1 : 0) +
					 el_group_topic_needs(g, uuid, npartitions),
					 g != EL_NO_SLOT && EL_GROUP(g)->nmembers > 0, g);
	return el_group_topic_get(el_group_get(dbid, group), uuid, relid, npartitions);
}

/*
 * Giving back
 */

/* An entry goes with its slot; true if the topic has an offset there.  settled: what is pending is committed. */
static bool
leave_entry(ElDb *db, const ElEntry *e, bool settled)
{
	bool		pending = FullTransactionIdIsValid(e->pending_fxid);

	if (e->gen != db->cache_gen)
		return false;
	db->evicted_version = Max(db->evicted_version, e->version);
	if (pending)
		db->evicted_version = Max(db->evicted_version, e->pending_version);
	if (pending && settled)
		return e->pending_next >= 0;
	return e->next >= 0 || pending;
}

/* Slots of a topic go; true if the topic of committed offsets has some of the group there. */
static bool
free_topic(ElDb *db, ElSlotNo topic, bool settled)
{
	ElGroupTopic *t = EL_TOPIC(topic);
	ElGroup    *g = EL_GROUP(t->group);
	ElSlotNo   *p = &g->first_topic;
	ElSlotNo	s;
	bool		offsets = leave_entry(db, &t->mark, settled);

	Assert(t->nsubscribers == 0);
	while ((s = t->first_part) != EL_NO_SLOT)
	{
		Assert(EL_PART(s)->owner == EL_NO_SLOT);
		offsets |= leave_entry(db, &EL_PART(s)->entry, settled);
		t->first_part = EL_PART(s)->next_part;
		g->nparts--;
		el_slot_free(s);
	}
	while (*p != topic)
		p = &EL_TOPIC(*p)->next_topic;
	*p = t->next_topic;
	el_slot_free(topic);
	return offsets;
}

void
el_group_topic_free(ElSlotNo topic)
{
	ElGroup    *g = EL_GROUP(EL_TOPIC(topic)->group);

	Assert(el_group_locked_exclusive());
	g->has_gone |= free_topic(EL_DB(el_db_find(g->dbid)), topic, false);
}

/* The group's offsets go with its slots: others have to know. */
static void
note_evicted(ElDb *db, const ElGroup *g)
{
	int64		expiry_ms = (int64) el_group_expiry_s * 1000;

	el_filter_add(db->dbid, g->name, false);
	db->all_loaded = false;
	db->evictions++;

	/* what comes soon after a commit, the commit tells closely enough */
	if (g->last_used_ms - g->last_commit_ms > expiry_ms / EL_EXPIRY_SLACK)
		db->evicted_used_ms = Max(db->evicted_used_ms, g->last_used_ms);
}

/* settled: what is pending in it is committed. */
static void
free_group(ElSlotNo group, bool settled)
{
	ElGroup    *g = EL_GROUP(group);
	ElDb	   *db = EL_DB(el_db_find(g->dbid));
	bool		offsets = g->has_gone;

	Assert(el_group_locked_exclusive());
	Assert(!is_in_use(g));
	while (g->first_topic != EL_NO_SLOT)
		offsets |= free_topic(db, g->first_topic, settled);
	Assert(g->nparts == 0);
	if (offsets)
		note_evicted(db, g);
	unlink_group(group);
	el_slot_free(group);
}

void
el_group_free(ElSlotNo group)
{
	free_group(group, false);
}

/* Who has dropped it has committed: its tombstones leave nothing behind that others had to know. */
void
el_group_forget(Oid dbid, const char *name)
{
	ElSlotNo	group = el_group_find(dbid, name);

	if (group != EL_NO_SLOT && !is_in_use(EL_GROUP(group)))
		free_group(group, true);
}

/*
 * Making room
 */
static int32
kept_slots(void)
{
	return el_shared->nslots / KEPT_SHARE;
}

bool
el_slots_there(int32 n)
{
	return Max(el_shared->nfree - kept_slots(), 0) >= n;
}

/* Slots of a group that may be evicted. */
static int32
count_slots(const ElGroup *g)
{
	int32		n = 1 + g->nparts;
	ElSlotNo	s;

	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
		n++;
	return n;
}

/* How many slots would be free if all but keep were evicted?  It is enough to know that there are so many. */
static int32
could_be_free(int32 enough, ElSlotNo keep)
{
	int32		n = el_shared->nfree;
	ElSlotNo	s;

	for (s = el_shared->last_group; s != EL_NO_SLOT && n < enough && EL_GROUP(s)->idle;
		 s = EL_GROUP(s)->prev_group)
		n += s != keep ? count_slots(EL_GROUP(s)) : 0;
	return n;
}

/* Evict until so many slots are free, or nobody is left to be evicted. */
static void
evict(int32 n, ElSlotNo keep)
{
	ElSlotNo	s = el_shared->last_group;

	while (el_shared->nfree < n && s != EL_NO_SLOT && EL_GROUP(s)->idle)
	{
		ElSlotNo	prev = EL_GROUP(s)->prev_group;

		if (s != keep)
			el_group_free(s);
		s = prev;
	}
}

static void report_no_room(int64 used) pg_attribute_noreturn();

static void
report_no_room(int64 used)
{
	int64		kb = el_slots_to_kb(used * KEPT_SHARE / (KEPT_SHARE - 1) + 1);

	/*
	 * The error goes to the client before the server releases what was held;
	 * one that does not read would hold up everybody's groups.
	 */
	el_group_unlock();
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of shared memory for consumer groups"),
			 errdetail("\"%s\" is %d kB, this needs %lld kB.",
					   "eventlog.group_memory", el_group_memory_kb,
					   (long long) kb),
			 errhint("Increase \"%s\" to at least %lld kB and restart the server.",
					 "eventlog.group_memory", (long long) kb)));
}

void
el_slots_reserve(int32 n, bool is_member, ElSlotNo keep)
{
	int32		kept = kept_slots();
	int32		needed = n + (is_member ? 0 : kept);

	Assert(el_group_locked_exclusive());
	Assert(n >= 0);
	if (el_shared->nfree >= n + kept)
		return;
	if (n <= MANY_SLOTS || could_be_free(needed, keep) >= needed)
		evict(n + kept, keep);
	if (el_shared->nfree < needed)
		report_no_room((int64) el_shared->nslots - could_be_free(el_shared->nslots, keep) + n);
}

void
el_room_used(ElRoom *room)
{
	ElSlotNo	s;

	Assert(el_group_locked());
	memset(room, 0, sizeof(*room));
	room->nslots = el_shared->nslots;
	room->nfree = el_shared->nfree;
	room->nkept = kept_slots();
	for (s = el_shared->first_group; s != EL_NO_SLOT; s = EL_GROUP(s)->next_group)
	{
		room->groups++;
		if (!EL_GROUP(s)->idle)
			continue;
		room->idle_groups++;
		room->nidle += count_slots(EL_GROUP(s));
	}
}

ElSlotNo
el_db_get(Oid dbid)
{
	ElSlotNo	s = el_db_find(dbid);
	ElDb	   *db;

	if (s != EL_NO_SLOT)
		return s;
	el_slots_reserve(1, true, EL_NO_SLOT);
	s = el_slot_new(EL_SLOT_DB);
	db = EL_DB(s);
	db->dbid = dbid;
	db->cache_gen = ++el_shared->next_number;
	db->evicted_version = -1;
	db->since_ms = el_monotonic_ms();
	db->next_db = el_shared->first_db;
	el_shared->first_db = s;
	el_slot_link(s);
	return s;
}
