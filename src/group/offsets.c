/*-------------------------------------------------------------------------
 *
 * offsets.c
 *	  Committed offsets: events in an internal topic, cached in shared memory.
 *
 * The topic is the truth, the cache makes reading it unnecessary.  An entry
 * knows the committed offset and possibly a pending one: appended, but by a
 * transaction that may not have ended.  It is set before that transaction
 * commits, and whoever reads the entry finds out what became of it.  So
 * neither a commit callback nor a process that survives is needed for the
 * cache to be right, and a COMMIT PREPARED from anywhere is seen too.
 *
 * Versions order the events of a key: they are the events' offsets.  The topic
 * is compacted like any other of that kind, which moves no event to another offset.
 *
 * Start marks are events of the same topic, with an entry per topic of a group
 * and a start in each of its partitions.
 *
 * IDENTIFICATION
 *	  src/group/offsets.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "base/compat.h"
#include "group/offsets.h"
#include "group/wake.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "storage/visibility.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/*
 * The cache
 */

/* With the lock held: our database's slot if its cache may be used. */
static ElDb *
valid_db(void)
{
	ElSlotNo	s = el_db_find(MyDatabaseId);

	Assert(el_group_locked());
	if (s == EL_NO_SLOT || EL_DB(s)->cache_state != EL_CACHE_VALID)
		return NULL;
	return EL_DB(s);
}

/* Make an entry of another generation an empty one of this.  In shared memory: lock held exclusively. */
static void
renew_entry(ElEntry *e, uint64 gen)
{
	if (e->gen == gen)
		return;
	e->gen = gen;
	e->next = e->version = -1;
	e->fxid = InvalidFullTransactionId;
	e->pending_fxid = InvalidFullTransactionId;
	e->pending_next = e->pending_version = -1;
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

/*
 * Partitions of the topic begin where a mark says, or (pending) will say once it
 * has committed.  Lock held.
 */
static void
set_starts(ElSlotNo topic, const int64 *starts, int32 n, bool pending)
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

/* A mark that was read from the topic has a place for each of its starts.  Lock held; 53200. */
static void
merge_starts(ElSlotNo topic, const int64 *starts, int32 n, bool pending)
{
	for (int32 p = 0; p < n; p++)
		(void) el_part_get(EL_TOPIC(topic)->group, topic, p);
	set_starts(topic, starts, n, pending);
}

/* Enter what was read from the topic, unless the entry knows better.  Lock held; 53200. */
static void
merge_offset(const ElOffset *o, uint64 gen)
{
	bool		is_mark = o->key.partition == EL_MARK_PARTITION;
	ElSlotNo	group = el_group_get(MyDatabaseId, o->key.group);
	ElSlotNo	topic = el_group_topic_get(group, &o->key.uuid, InvalidOid, 0);
	ElEntry    *e = is_mark ? &EL_TOPIC(topic)->mark :
		&EL_PART(el_part_get(group, topic, o->key.partition))->entry;

	Assert(el_group_locked_exclusive());
	renew_entry(e, gen);
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
 * Rebuild the cache from the topic.  A transaction that commits meanwhile enters
 * its offsets by itself, after its append: what this scan does not find arrives
 * that way, what it finds undecided is resolved by the next that reads it.
 *
 * One backend at a time, the others wait for the heavyweight lock and find the
 * result.  Offsets are merged one by one, the coordinator's lock taken for each,
 * so that nobody waits long.  If the cache is invalidated while we read, all
 * begins again.
 */
static void
rebuild_cache(uint32 relnumber)
{
	LOCKTAG		tag;
	MemoryContext cxt;
	MemoryContext old;
	bool		valid = false;

	/* one at a time: the others have use for the result */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, 3);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);

	cxt = AllocSetContextCreate(CurrentMemoryContext,
								"eventlog offsets rebuild",
								ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cxt);

	for (;;)
	{
		Snapshot	snapshot;
		HTAB	   *offsets;
		HASH_SEQ_STATUS seq;
		ElOffset   *o;
		ElDb	   *db;
		uint64		gen;

		el_group_lock(LW_EXCLUSIVE);
		db = valid_db();
		valid = db != NULL && db->relnumber == relnumber;
		if (!valid)
		{
			db = EL_DB(el_db_get(MyDatabaseId));
			db->cache_gen = gen = ++el_shared->next_number;
			db->cache_state = EL_CACHE_BUILDING;
			db->relnumber = relnumber;
		}
		el_group_unlock();
		if (valid)
			break;

		CHECK_FOR_INTERRUPTS();
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		offsets = el_offsets_scan(snapshot, true);
		UnregisterSnapshot(snapshot);

		hash_seq_init(&seq, offsets);
		while ((o = hash_seq_search(&seq)) != NULL)
		{
			el_group_lock(LW_EXCLUSIVE);
			db = EL_DB(el_db_find(MyDatabaseId));
			if (db->cache_gen != gen)
			{
				el_group_unlock();
				hash_seq_term(&seq);
				break;
			}
			merge_offset(o, gen);
			el_group_unlock();
		}

		el_group_lock(LW_EXCLUSIVE);
		db = EL_DB(el_db_find(MyDatabaseId));
		if (db->cache_gen == gen)
			db->cache_state = EL_CACHE_VALID;
		el_group_unlock();
		MemoryContextReset(cxt);
	}

	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	LockRelease(&tag, ExclusiveLock, false);
}

/* Opens the table for its file's number, so it notices a TRUNCATE or a restore, too. */
void
el_offsets_ensure(void)
{
	Oid			topic;
	Oid			leaf;
	Relation	rel;
	uint32		relnumber;
	ElDb	   *db;
	bool		valid;

	el_offsets_require_relations(&topic, &leaf);
	rel = table_open(leaf, AccessShareLock);
	relnumber = el_locator_number(el_rel_locator(rel));
	table_close(rel, AccessShareLock);

	el_group_lock(LW_SHARED);
	db = valid_db();
	valid = db != NULL && db->relnumber == relnumber;
	el_group_unlock();
	if (!valid)
		rebuild_cache(relnumber);
}

void
el_group_lock_with_offsets(LWLockMode mode)
{
	el_offsets_ensure();
	for (;;)
	{
		el_group_lock(mode);
		if (valid_db() != NULL)
			break;
		el_group_unlock();
		el_offsets_ensure();
	}
}

/* What the cache says is no longer what the topic says.  Must not fail. */
void
el_offsets_invalidate(void)
{
	ElSlotNo	s;

	if (el_shared == NULL)
		return;
	el_group_lock(LW_EXCLUSIVE);
	s = el_db_find(MyDatabaseId);
	if (s != EL_NO_SLOT)
	{
		EL_DB(s)->cache_state = EL_CACHE_INVALID;
		EL_DB(s)->cache_gen = ++el_shared->next_number;
	}
	el_group_unlock();
}

/* A transaction that wrote offsets by itself was prepared: its end must invalidate again. */
void
el_offsets_note_prepared(void)
{
	ElSlotNo	s;

	el_group_lock(LW_EXCLUSIVE);
	s = el_db_find(MyDatabaseId);
	if (s != EL_NO_SLOT)
		EL_DB(s)->prepared = true;
	el_group_unlock();
}

/* A prepared transaction has ended, whichever it was. */
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
		el_offsets_invalidate();
	el_wake_database();
}

/*
 * Entries
 */
/* The entry in a slot: a partition's, or the mark of a topic; NULL if the slot has another kind by now. */
static ElEntry *
entry_in_slot(ElSlotNo s, ElSlotKind kind)
{
	if (EL_HEAD(s)->kind != kind)
		return NULL;
	return kind == EL_SLOT_PART ? &EL_PART(s)->entry : &EL_TOPIC(s)->mark;
}

/*
 * The caller may have noted the slot's number before it waited for a lock.  A
 * slot that was freed meanwhile holds no committed offset.
 */
static bool
copy_entry(ElSlotNo s, ElSlotKind kind, ElEntry *entry)
{
	ElDb	   *db = valid_db();
	ElEntry    *e = entry_in_slot(s, kind);

	Assert(el_group_locked());
	if (db != NULL && e != NULL && e->gen == db->cache_gen)
		*entry = *e;
	else
	{
		memset(entry, 0, sizeof(*entry));
		renew_entry(entry, db ? db->cache_gen : 1);
	}
	return db != NULL;
}

bool
el_entry_copy(ElSlotNo part, ElEntry *entry)
{
	return copy_entry(part, EL_SLOT_PART, entry);
}

bool
el_mark_copy(ElSlotNo topic, ElEntry *mark)
{
	return copy_entry(topic, EL_SLOT_TOPIC, mark);
}

bool
el_entry_resolve(ElEntry *e)
{
	TransactionId xid;

	/*
	 * the process array and the commit log are asked with none of our locks
	 * held
	 */
	Assert(!el_group_locked());
	if (!FullTransactionIdIsValid(e->pending_fxid))
		return true;
	Assert(e->pending_version >= 0);
	xid = XidFromFullTransactionId(e->pending_fxid);
	/* in-progress test first: see heapam_visibility.c */
	if (TransactionIdIsCurrentTransactionId(xid) ||
		TransactionIdIsInProgress(xid))
		return false;
	if (TransactionIdDidCommit(xid) && e->pending_version > e->version)
	{
		e->next = e->pending_next;
		e->version = e->pending_version;
		e->fxid = e->pending_fxid;
	}
	e->pending_fxid = InvalidFullTransactionId;
	Assert(e->next < 0 || e->version >= 0);
	return true;
}

/* Store what el_entry_resolve() found, unless the entry has moved on. */
static void
store_entry(ElSlotNo s, ElSlotKind kind, const ElEntry *before, const ElEntry *after)
{
	ElEntry    *e;

	el_group_lock(LW_EXCLUSIVE);
	e = entry_in_slot(s, kind);
	if (e != NULL && e->gen == before->gen &&
		FullTransactionIdEquals(e->pending_fxid, before->pending_fxid) &&
		e->pending_version == before->pending_version &&
		e->version == before->version)
	{
		*e = *after;
		/* the pending mark has become the one that counts */
		if (kind == EL_SLOT_TOPIC && after->version != before->version)
			EL_TOPIC(s)->start_set = 1 - EL_TOPIC(s)->start_set;
	}
	el_group_unlock();
}

bool
el_entry_read(ElSlotNo part, ElEntry *entry)
{
	ElEntry		before;

	for (;;)
	{
		bool		valid;

		el_group_lock(LW_SHARED);
		valid = el_entry_copy(part, entry);
		el_group_unlock();
		if (valid)
			break;
		el_offsets_ensure();
	}
	if (!FullTransactionIdIsValid(entry->pending_fxid))
		return true;
	before = *entry;
	if (!el_entry_resolve(entry))
		return false;
	store_entry(part, EL_SLOT_PART, &before, entry);
	return true;
}

bool
el_mark_read(const char *group, const pg_uuid_t *uuid, ElEntry *mark)
{
	ElSlotNo	topic = EL_NO_SLOT;
	ElSlotNo	g;
	ElEntry		before;

	el_group_lock_with_offsets(LW_SHARED);
	g = el_group_find(MyDatabaseId, group);
	if (g != EL_NO_SLOT)
		topic = el_group_topic_find(g, uuid);
	if (topic != EL_NO_SLOT)
		el_mark_copy(topic, mark);
	else
	{
		memset(mark, 0, sizeof(*mark));
		renew_entry(mark, 1);
	}
	el_group_unlock();

	before = *mark;
	if (!FullTransactionIdIsValid(mark->pending_fxid))
		return true;
	if (!el_entry_resolve(mark))
		return false;
	store_entry(topic, EL_SLOT_TOPIC, &before, mark);
	return true;
}

/* Partitions beyond the mark's were added later, and were empty then. */
bool
el_start_copy(ElSlotNo part, ElStart *start)
{
	ElSlotNo	topic = EL_PART(part)->topic;
	ElEntry		mark;
	bool		valid = el_mark_copy(topic, &mark);

	start->marked = mark.next >= 0;
	start->offset = EL_START_NONE;
	if (start->marked)
		start->offset = EL_PART(part)->partition < mark.next ?
			EL_PART(part)->start[EL_TOPIC(topic)->start_set] : 0;
	return valid && !FullTransactionIdIsValid(mark.pending_fxid);
}

void
el_start_read(ElSlotNo part, const ElPartKey *key, ElStart *start)
{
	ElEntry		mark;

	(void) el_mark_read(key->group, &key->uuid, &mark);
	el_group_lock_with_offsets(LW_SHARED);
	if (el_part_matches(part, key))
		(void) el_start_copy(part, start);
	else
		*start = (ElStart) {.offset = EL_START_NONE};
	el_group_unlock();
}

/*
 * Not visible: work done with the snapshot would not see what the committed
 * offset stands for.  Writers of before xmin are visible without a look at the
 * snapshot's list.
 */
bool
el_entry_visible(const ElEntry *e, Snapshot snapshot)
{
	TransactionId xid;

	if (e->version < 0)
		return true;
	if (FullTransactionIdPrecedes(e->fxid, el_full_xid(snapshot->xmin)))
		return true;
	xid = XidFromFullTransactionId(e->fxid);
	return !XidInMVCCSnapshot(xid, snapshot);
}

void
el_entry_set_pending(ElSlotNo part, const ElEntry *resolved,
					 FullTransactionId fxid, int64 next, int64 version)
{
	ElSlotNo	db = el_db_find(MyDatabaseId);
	ElEntry    *e = &EL_PART(part)->entry;

	Assert(el_group_locked_exclusive());

	/*
	 * no database slot: nobody has built a cache, and who does will read the
	 * event
	 */
	if (db == EL_NO_SLOT)
		return;
	renew_entry(e, EL_DB(db)->cache_gen);
	if (FullTransactionIdIsValid(e->pending_fxid) && e->gen == resolved->gen &&
		!FullTransactionIdEquals(e->pending_fxid, fxid))
		*e = *resolved;

	/*
	 * Writers of a key hold its lock until they end, but for those who INSERT
	 * into the topic.  A rebuild that came in between may have found this
	 * very event, or a later one of theirs; their end invalidates the cache.
	 */
	e->pending_fxid = fxid;
	e->pending_next = next;
	e->pending_version = version;
}

void
el_mark_set_pending(ElSlotNo topic, FullTransactionId fxid,
					const int64 *starts, int32 n, int64 version)
{
	ElSlotNo	db = el_db_find(MyDatabaseId);
	ElEntry    *e = &EL_TOPIC(topic)->mark;

	Assert(el_group_locked_exclusive());
	if (db == EL_NO_SLOT)
		return;
	renew_entry(e, EL_DB(db)->cache_gen);
	set_starts(topic, starts, n, true);
	e->pending_fxid = fxid;
	e->pending_next = n < 0 ? -1 : n;
	e->pending_version = version;
}

/*
 * What groups have yet to consume
 */

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
 * Entries are copied under the lock and looked at without it, for what is
 * pending has to be looked up.
 */
int64
el_offsets_held(const pg_uuid_t *uuid, int32 partition)
{
	int64		held = PG_INT64_MAX;
	List	   *groups = NIL;
	ListCell   *lc;
	ElSlotNo	group;

	el_group_lock_with_offsets(LW_SHARED);
	for (group = el_shared->first_group; group != EL_NO_SLOT;
		 group = EL_GROUP(group)->next_group)
	{
		ElSlotNo	topic;

		if (EL_GROUP(group)->dbid != MyDatabaseId)
			continue;
		topic = el_group_topic_find(group, uuid);
		if (topic != EL_NO_SLOT)
			groups = lappend(groups, copy_entries(topic, partition));
	}
	el_group_unlock();

	foreach(lc, groups)
		held = Min(held, held_by(lfirst(lc), partition));
	return held;
}

/* The entry in a slot, of whichever kind, if it has a pending offset; NULL otherwise. */
static ElEntry *
pending_entry(ElSlotNo s)
{
	ElSlotKind	kind = EL_HEAD(s)->kind;
	ElEntry    *e = kind == EL_SLOT_PART ? &((ElPart *) EL_HEAD(s))->entry :
		kind == EL_SLOT_TOPIC ? &((ElGroupTopic *) EL_HEAD(s))->mark : NULL;

	return e != NULL && FullTransactionIdIsValid(e->pending_fxid) ? e : NULL;
}

/*
 * An entry that nobody reads would keep its pending xid until the commit log
 * has forgotten it.
 */
void
el_entries_fold_all(void)
{
	ElSlotNo	s;

	for (s = 0; s < el_shared->nslots; s++)
	{
		ElSlotKind	kind;
		ElEntry    *e;
		ElEntry		before;
		ElEntry		after;

		/* a look without the lock; what counts is looked at again */
		if (pending_entry(s) == NULL)
			continue;
		el_group_lock(LW_SHARED);
		e = pending_entry(s);
		if (e == NULL)
		{
			el_group_unlock();
			continue;
		}
		kind = EL_HEAD(s)->kind;
		before = after = *e;
		el_group_unlock();
		if (el_entry_resolve(&after))
			store_entry(s, kind, &before, &after);
	}
}
