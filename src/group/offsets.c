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
 * offsets_load.c brings into the slots what the topic says.
 *
 * IDENTIFICATION
 *	  src/group/offsets.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "base/compat.h"
#include "group/offsets.h"
#include "storage/procarray.h"
#include "storage/visibility.h"
#include "utils/snapmgr.h"

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
	ElSlotNo	db = el_db_find(MyDatabaseId);
	ElEntry    *e = entry_in_slot(s, kind);

	Assert(el_group_locked());
	if (db != EL_NO_SLOT && e != NULL && e->gen == EL_DB(db)->cache_gen)
		*entry = *e;
	else
	{
		memset(entry, 0, sizeof(*entry));
		el_entry_renew(entry, db != EL_NO_SLOT ? EL_DB(db)->cache_gen : 1);
	}
	return e != NULL && el_group_is_loaded(kind == EL_SLOT_PART ?
										   EL_PART(s)->group : EL_TOPIC(s)->group);
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
		char		group[EL_NAME_SIZE];

		el_group_lock(LW_SHARED);
		valid = el_entry_copy(part, entry);
		if (!valid)
			strlcpy(group, EL_GROUP(EL_PART(part)->group)->name, EL_NAME_SIZE);
		el_group_unlock();
		if (valid)
			break;
		el_offsets_ensure(group);
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

	el_group_lock_with_offsets(group, LW_SHARED);
	g = el_group_find(MyDatabaseId, group);
	if (g != EL_NO_SLOT)
		topic = el_group_topic_find(g, uuid);
	if (topic != EL_NO_SLOT)
		el_mark_copy(topic, mark);
	else
	{
		memset(mark, 0, sizeof(*mark));
		el_entry_renew(mark, 1);
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
	el_group_lock_with_offsets(key->group, LW_SHARED);
	if (el_part_matches(part, key))
		(void) el_start_copy(part, start);
	else
		*start = (ElStart)
	{
		.offset = EL_START_NONE
	};
	el_group_unlock();
}

void
el_part_set_pending(ElSlotNo part, const ElEntry *resolved,
					FullTransactionId fxid, int64 next, int64 version)
{
	ElSlotNo	db = el_db_find(MyDatabaseId);

	Assert(el_group_locked_exclusive());

	/*
	 * no database slot: nobody has built a cache, and who does will read the
	 * event
	 */
	if (db != EL_NO_SLOT)
		el_entry_set_pending(&EL_PART(part)->entry, EL_DB(db)->cache_gen, resolved,
							 fxid, next, version);
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
	el_entry_renew(e, EL_DB(db)->cache_gen);
	el_mark_set_starts(topic, starts, n, true);
	e->pending_fxid = fxid;
	e->pending_next = n < 0 ? -1 : n;
	e->pending_version = version;
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

void
el_entry_fold(ElSlotNo s)
{
	ElSlotKind	kind;
	ElEntry    *e;
	ElEntry		before;
	ElEntry		after;

	el_group_lock(LW_SHARED);
	e = pending_entry(s);
	if (e == NULL)
	{
		el_group_unlock();
		return;
	}
	kind = EL_HEAD(s)->kind;
	before = after = *e;
	el_group_unlock();
	if (el_entry_resolve(&after))
		store_entry(s, kind, &before, &after);
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
		/* a look without the lock; what counts is looked at again */
		if (pending_entry(s) != NULL)
			el_entry_fold(s);
	}
}
