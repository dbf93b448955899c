/*-------------------------------------------------------------------------
 *
 * expire.c
 *	  Committed offsets of groups that nobody uses any more, and of topics that
 *	  do not exist.
 *
 * Done by the maintenance worker.  A group expires when nobody has used it for
 * its expire_after, if it was created, or for eventlog.group_expiry, if it was
 * not.  What counts is the latest of: its last commit, as the topic says; its
 * last call, as shared memory says; and the start of this server or the last
 * restore, for what was called before that is not known here.  A group with
 * members or claims at work does not expire.  If it was created, the row stays,
 * with options and grants: whoever uses the group again starts where start_from
 * says.
 *
 * Offsets of a topic that does not exist wait for a restore for as long as
 * eventlog.group_expiry, and go one by one.
 *
 * Nothing of this needs slots, and neither memory nor locks in proportion to the
 * groups there are: the topic of committed offsets is read in stripes, each of
 * the groups with the same hash of their names, and tombstones are written in
 * batches, each in a transaction that holds the ownership locks of its
 * partitions.  Once they are held it is asked whether anything was committed
 * since the topic was read; then that group is left for the next time.
 *
 * IDENTIFICATION
 *	  src/group/expire.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/hash.h"
#include "base/settings.h"
#include "group/catalog.h"
#include "group/expire.h"
#include "group/offsets.h"
#include "group/offsets_append.h"
#include "group/part_lock.h"
#include "group/room.h"
#include "topic/uuids.h"

/* A pass is made this many times in the shortest time after which something expires, but not more rarely than every hour. */
#define PASSES_PER_EXPIRY	8
#define MAX_PASS_INTERVAL_MS	(3600 * 1000)

/* Bytes of the topic per stripe. */
#define STRIPE_BYTES		(16 * 1024 * 1024)

/* Offsets that go together, at most: tombstones, and locks, per transaction may be twice as many. */
#define BATCH_KEYS			256

/* What is logged of the offsets of a group that has expired. */
#define MAX_LOGGED_BYTES	1000

typedef struct GroupConf
{
	char		name[EL_NAME_SIZE]; /* hash key */
	int64		expire_after_ms;	/* -1: never */
	int64		noted_ms;
} GroupConf;

/* Offsets of a group. */
typedef struct Expired
{
	char		group[EL_NAME_SIZE];
	bool		whole;			/* nobody uses the group; else they are of
								 * topics that do not exist */
	int64		unused_ms;
	int			nkeys;
	ElPartKey  *keys;
	int			done;			/* so many of them have had their turn */
	char	   *text;			/* for the log */
} Expired;

struct ElExpiry
{
	MemoryContext mcxt;
	int64		now_ms;			/* as event times are */
	int64		since_ms;		/* likewise; nothing is known of before */
	int64		monotonic_offset;	/* to be added to a monotonic time */
	uint64		gen;			/* of the cache */
	HTAB	   *confs;			/* of groups that have a row */

	int			nstripes;
	int			stripe;			/* the next to be read */
	int			left;			/* so many are left */

	/* the stripe that was read */
	MemoryContext stripe_mcxt;
	ElOffsets  *since;			/* what has come after that */
	List	   *expired;
	int			next;			/* of them */
	List	   *forget;			/* names whose tombstones were committed by
								 * the last step */
};

static int64
group_expiry_ms(void)
{
	return el_group_expiry_s > 0 ? (int64) el_group_expiry_s * 1000 : -1;
}

/* -1: never. */
static int64
expiry_of(const GroupConf *conf)
{
	return conf != NULL ? conf->expire_after_ms : group_expiry_ms();
}

/*
 * A created group that is in use has that noted in its row now and then: a
 * consumer of a quiet topic commits nothing for weeks.
 */
static void
note_use(const ElGroupConf *conf, int64 now_ms)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(conf->name)};
	ElSlotNo	g;
	bool		used;

	if (now_ms - conf->noted_ms <= conf->expire_after_ms / 4)
		return;
	el_group_lock(LW_SHARED);
	g = el_group_find(MyDatabaseId, conf->name);
	used = g != EL_NO_SLOT && !EL_GROUP(g)->idle;
	el_group_unlock();
	if (used)
		(void) el_internal_sql("UPDATE _eventlog.groups SET last_used = pg_catalog.clock_timestamp()"
							   " WHERE group_name OPERATOR(pg_catalog.=) $1",
							   1, types, values);
}

/* Read the rows of groups; the shortest time after which something expires, -1: nothing does. */
static int64
read_confs(ElExpiry *e)
{
	int64		shortest = group_expiry_ms();
	HASHCTL		ctl = {
		.keysize = EL_NAME_SIZE,
		.entrysize = sizeof(GroupConf),
		.hcxt = e->mcxt
	};
	ListCell   *lc;

	e->confs = hash_create("eventlog group rows", 64, &ctl,
						   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	foreach(lc, el_group_confs())
	{
		const ElGroupConf *conf = lfirst(lc);
		GroupConf  *c = hash_search(e->confs, conf->name, HASH_ENTER, NULL);

		c->expire_after_ms = conf->expire_after_ms;
		c->noted_ms = conf->noted_ms;
		if (conf->expire_after_ms < 0)
			continue;
		note_use(conf, e->now_ms);
		if (shortest < 0 || conf->expire_after_ms < shortest)
			shortest = conf->expire_after_ms;
	}
	return shortest;
}

static int
count_stripes(void)
{
	Oid			topic;
	Oid			leaf;
	Relation	rel;
	int64		bytes;

	el_offsets_require_relations(&topic, &leaf);
	rel = table_open(leaf, AccessShareLock);
	bytes = (int64) RelationGetNumberOfBlocks(rel) * BLCKSZ;
	table_close(rel, AccessShareLock);
	return (int) (1 + bytes / STRIPE_BYTES);
}

ElExpiry *
el_expiry_begin(MemoryContext mcxt)
{
	MemoryContext cxt;
	MemoryContext old;
	ElExpiry   *e;
	Oid			topic;
	Oid			leaf;
	ElDb	   *db;
	int64		monotonic = el_monotonic_ms();
	int64		shortest;
	bool		due;

	if (!el_offsets_relations(&topic, &leaf))
		return NULL;
	cxt = AllocSetContextCreate(CurrentMemoryContext, "eventlog expiry",
								ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);
	e = palloc0_object(ElExpiry);
	e->mcxt = cxt;
	e->now_ms = el_now_ms();
	e->monotonic_offset = e->now_ms - monotonic;
	shortest = read_confs(e);
	MemoryContextSwitchTo(old);
	if (shortest < 0)
		return NULL;

	el_offsets_ensure(NULL);
	el_group_lock(LW_SHARED);
	db = EL_DB(el_db_find(MyDatabaseId));
	e->gen = db->cache_gen;
	e->since_ms = db->since_ms + e->monotonic_offset;
	e->stripe = db->expiry_stripe;
	due = db->complete_gen == db->cache_gen &&
		monotonic - db->since_ms >= shortest &&
		(db->expiry_stripe > 0 || monotonic - db->expiry_ms >=
		 Min(shortest / PASSES_PER_EXPIRY, MAX_PASS_INTERVAL_MS));
	el_group_unlock();
	if (!due)
		return NULL;
	e->nstripes = count_stripes();
	if (e->stripe >= e->nstripes)
		e->stripe = 0;
	e->left = e->nstripes - e->stripe;
	MemoryContextSetParent(cxt, mcxt);
	return e;
}

/*
 * Finding
 */

/*
 * When was the group called, on the clock of this server?  For one without slots,
 * or that has them again but was not called since, that is not known: it was not
 * called later than any that was evicted, but for calls soon after a commit
 * (room.c).  Lock held.
 */
static int64
last_call_ms(const ElExpiry *e, ElSlotNo group, bool *known)
{
	int64		ms = group != EL_NO_SLOT ? EL_GROUP(group)->last_used_ms : 0;

	*known = ms > 0;
	if (!*known)
		ms = EL_DB(el_db_find(MyDatabaseId))->evicted_used_ms;
	return ms + e->monotonic_offset;
}

/* How long has nobody used the group, whose last commit was then?  -1: somebody does. */
static int64
unused_for(const ElExpiry *e, const char *name, int64 last_ms)
{
	ElSlotNo	g;
	bool		in_use;
	bool		known;
	int64		call_ms;

	el_group_lock(LW_SHARED);
	g = el_group_find(MyDatabaseId, name);
	in_use = g != EL_NO_SLOT && !EL_GROUP(g)->idle;
	call_ms = last_call_ms(e, g, &known);
	el_group_unlock();
	if (!known)
		last_ms += Max(group_expiry_ms(), 0) / EL_EXPIRY_SLACK;
	last_ms = Max(last_ms, call_ms);
	return in_use ? -1 : e->now_ms - Max(last_ms, e->since_ms);
}

/* Whole, or only what is of topics that do not exist. */
static Expired *
make_expired(ElOffsetGroup *og, bool whole, int64 unused_ms, int64 before_ms,
			 HTAB *labelled)
{
	Expired    *x = palloc0_object(Expired);
	StringInfoData text;
	const ElOffset *o;
	Oid			last = InvalidOid;
	int			n = 0;

	el_offsets_sort_group(og);
	initStringInfo(&text);
	strlcpy(x->group, og->name, EL_NAME_SIZE);
	x->whole = whole;
	x->unused_ms = unused_ms;
	for (o = og->first; o != NULL; o = o->next_of_group)
		n++;
	x->keys = palloc_array(ElPartKey, n);
	for (o = og->first; o != NULL; o = o->next_of_group)
	{
		Oid			topic;

		if (o->next < 0)
			continue;
		topic = el_topic_with_uuid(labelled, &o->key.uuid);
		if (!whole && (OidIsValid(topic) || o->time_ms > before_ms))
			continue;
		x->keys[x->nkeys++] = o->key;
		if (!OidIsValid(topic) || o->key.partition == EL_MARK_PARTITION ||
			text.len > MAX_LOGGED_BYTES)
			continue;
		if (topic != last)
			appendStringInfo(&text, "%s%s", text.len > 0 ? "; " : "", get_rel_name(topic));
		appendStringInfo(&text, "%s %d: %lld", topic == last ? "," : "",
						 o->key.partition, (long long) o->next);
		last = topic;
	}
	x->text = text.data;

	return x;
}

/* Offsets of topics that do not exist go if they are not younger. */
static int64
gone_before(const ElExpiry *e)
{
	int64		expiry = group_expiry_ms();

	return expiry < 0 || e->now_ms - e->since_ms < expiry ? PG_INT64_MIN :
		e->now_ms - expiry;
}

/* What of the group has expired; NULL if nothing has. */
static Expired *
find_expired(const ElExpiry *e, ElOffsetGroup *og, HTAB *labelled)
{
	const GroupConf *conf = hash_search(e->confs, og->name, HASH_FIND, NULL);
	int64		expiry = expiry_of(conf);
	int64		gone_before_ms = gone_before(e);
	int64		last_ms = conf != NULL ? conf->noted_ms : PG_INT64_MIN;
	int64		unused_ms;
	bool		any = false;
	bool		gone = false;
	const ElOffset *o;

	for (o = og->first; o != NULL; o = o->next_of_group)
	{
		if (o->next < 0)
			continue;
		any = true;
		last_ms = Max(last_ms, o->time_ms);
		gone |= o->time_ms <= gone_before_ms &&
			!OidIsValid(el_topic_with_uuid(labelled, &o->key.uuid));
	}
	if (any && expiry >= 0 && e->now_ms - last_ms > expiry)
	{
		unused_ms = unused_for(e, og->name, last_ms);
		if (unused_ms > expiry)
			return make_expired(og, true, unused_ms, 0, labelled);
	}
	return gone ? make_expired(og, false, 0, gone_before_ms, labelled) : NULL;
}

static void
read_stripe(ElExpiry *e)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "eventlog expiry offsets",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	ElOffsets  *offsets;
	HTAB	   *labelled;

	offsets = el_offsets_begin(false, 0);
	offsets->stripe = e->stripe;
	offsets->stripes = e->nstripes;
	el_offsets_read_on(offsets, GetActiveSnapshot());
	labelled = el_labelled_topics();
	MemoryContextSwitchTo(e->stripe_mcxt);
	for (ElOffsetGroup *og = offsets->first_group; og != NULL; og = og->next)
	{
		Expired    *x;

		CHECK_FOR_INTERRUPTS();
		x = find_expired(e, og, labelled);
		if (x != NULL)
			e->expired = lappend(e->expired, x);
	}
	e->since = el_offsets_begin(true, offsets->end);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/*
 * Tombstones
 */

/* Offsets that go in one transaction. */
typedef struct Part
{
	Expired    *x;
	int			from;			/* of its keys */
	int			to;
} Part;

/* Lock these offsets of the group; false if somebody works on one. */
static bool
lock_keys(const Part *p)
{
	for (int i = p->from; i < p->to; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!el_key_lock(&p->x->keys[i]))
			return false;
	}
	return true;
}

/* What can be locked of the next groups; what cannot, the next pass will look at again. */
static List *
lock_batch(ElExpiry *e)
{
	List	   *parts = NIL;
	int			n = 0;

	while (e->next < list_length(e->expired) && n < BATCH_KEYS)
	{
		Expired    *x = list_nth(e->expired, e->next);
		Part	   *p = palloc_object(Part);

		p->x = x;
		p->from = x->done;
		p->to = Min(x->done + BATCH_KEYS, x->nkeys);
		x->done = lock_keys(p) ? p->to : x->nkeys;
		if (x->done == p->to)
		{
			parts = lappend(parts, p);
			n += p->to - p->from;
		}
		if (x->done == x->nkeys)
			e->next++;
	}
	return parts;
}

/* Is the group as it was, and has nobody called since?  Nor committed; what is locked cannot be any more. */
static bool
is_still_unused(const ElExpiry *e, const Part *p)
{
	ElSlotNo	group;
	bool		known;
	bool		unused = true;

	for (int i = p->from; i < p->to && unused; i++)
		unused = hash_search(e->since->offsets, &p->x->keys[i], HASH_FIND, NULL) == NULL;
	if (!unused)
		return false;
	el_group_lock(LW_SHARED);
	group = el_group_find(MyDatabaseId, p->x->group);
	unused = EL_DB(el_db_find(MyDatabaseId))->cache_gen == e->gen &&
		(!p->x->whole ||
		 ((group == EL_NO_SLOT || EL_GROUP(group)->idle) &&
		  last_call_ms(e, group, &known) < e->now_ms));
	el_group_unlock();
	return unused;
}

static void
log_expired(const Expired *x)
{
	ereport(LOG,
			(errmsg("committed offsets of group \"%s\" have expired", x->group),
			 x->text[0] != '\0' ?
			 errdetail("Nobody has used it for %lld seconds. Its offsets were: %s.",
					   (long long) (x->unused_ms / 1000), x->text) :
			 errdetail("Nobody has used it for %lld seconds.",
					   (long long) (x->unused_ms / 1000))));
}

static void
write_batch(ElExpiry *e)
{
	List	   *keys = NIL;
	List	   *parts;
	Snapshot	snapshot;
	ListCell   *lc;

	/* should the server crash, they expire once more */
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	el_offsets_prepare_commit();
	parts = lock_batch(e);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	el_offsets_read_on(e->since, snapshot);
	UnregisterSnapshot(snapshot);
	foreach(lc, parts)
	{
		const Part *p = lfirst(lc);
		Expired    *x = p->x;
		MemoryContext old;

		if (!is_still_unused(e, p))
		{
			if (x->done < x->nkeys)
			{
				x->done = x->nkeys;
				e->next++;
			}
			continue;
		}
		for (int i = p->from; i < p->to; i++)
			keys = lappend(keys, &x->keys[i]);
		if (!x->whole || p->from > 0)
			continue;
		log_expired(x);
		old = MemoryContextSwitchTo(e->stripe_mcxt);
		e->forget = lappend(e->forget, x->group);
		MemoryContextSwitchTo(old);
	}
	el_offsets_append_tombstones(keys);
}

/* Slots of groups that have expired go. */
static void
forget_groups(ElExpiry *e)
{
	ListCell   *lc;

	foreach(lc, e->forget)
	{
		el_group_lock(LW_EXCLUSIVE);
		el_group_forget(MyDatabaseId, lfirst(lc));
		el_group_unlock();
	}
	e->forget = NIL;
}

/* So much is done: whoever goes on begins with this stripe. */
static void
note_progress(const ElExpiry *e)
{
	ElSlotNo	s;

	el_group_lock(LW_EXCLUSIVE);
	s = el_db_find(MyDatabaseId);
	EL_DB(s)->expiry_stripe = e->left > 0 ? e->stripe : 0;
	if (e->left == 0)
		EL_DB(s)->expiry_ms = el_monotonic_ms();
	el_group_unlock();
}

bool
el_expiry_step(ElExpiry *e)
{
	forget_groups(e);
	if (e->next < list_length(e->expired))
	{
		write_batch(e);
		return true;
	}

	if (e->stripe_mcxt != NULL)
	{
		MemoryContextDelete(e->stripe_mcxt);
		e->stripe_mcxt = NULL;
		e->expired = e->forget = NIL;
		e->next = 0;
		e->stripe++;
		e->left--;
		note_progress(e);
	}
	if (e->left == 0)
		return false;
	e->stripe_mcxt = AllocSetContextCreate(e->mcxt, "eventlog expired groups",
										   ALLOCSET_DEFAULT_SIZES);
	read_stripe(e);
	return true;
}
