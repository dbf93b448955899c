/*-------------------------------------------------------------------------
 *
 * local.c
 *	  What this backend's transaction did to partitions of groups.
 *
 * An ElLocalPart per (group, topic, partition) holds the position, what is to
 * be committed, and whether this transaction holds the ownership lock.  Its
 * values are saved once per subtransaction that changes them, so that a
 * rollback to a savepoint finds them again.  Parts of a session member live
 * on from transaction to transaction (that is its position); all others go
 * when the transaction ends.
 *
 * Callbacks after the commit record must not fail: they only write to memory
 * that is there, under LWLocks.
 *
 * IDENTIFICATION
 *	  src/group/local.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "group/group.h"

typedef enum XactPhase
{
	PHASE_OPEN,
	PHASE_CLOSED,				/* our PRE_COMMIT is over */
	PHASE_COMMITTED,
	PHASE_ABORTED
} XactPhase;

static HTAB *local_parts = NULL;
static ElLocalPart *touched = NULL;
static XactPhase phase = PHASE_OPEN;

/*
 * Parts
 */
static void
part_key(ElPartKey *key, const char *group, const pg_uuid_t *uuid,
		 int32 partition)
{
	memset(key, 0, sizeof(*key));
	strlcpy(key->group, group, EL_NAME_SIZE);
	key->uuid = *uuid;
	key->partition = partition;
}

ElLocalPart *
el_local_find(const char *group, const pg_uuid_t *uuid, int32 partition)
{
	ElPartKey	key;

	if (local_parts == NULL)
		return NULL;
	part_key(&key, group, uuid, partition);
	return hash_search(local_parts, &key, HASH_FIND, NULL);
}

ElLocalPart *
el_local_get(const char *group, const ElWant *want, int32 partition)
{
	ElPartKey	key;
	ElLocalPart *lp;
	bool		found;

	if (local_parts == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(ElPartKey);
		ctl.entrysize = sizeof(ElLocalPart);
		ctl.hcxt = TopMemoryContext;
		local_parts = hash_create("eventlog positions", 64, &ctl,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	part_key(&key, group, &want->uuid, partition);
	lp = hash_search(local_parts, &key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) lp + sizeof(ElPartKey), 0,
			   sizeof(ElLocalPart) - sizeof(ElPartKey));
		lp->member.slot = EL_NO_SLOT;
		lp->slot = EL_NO_SLOT;
		lp->v.position = lp->v.version = lp->v.committed = -1;
		lp->v.first_offset = -1;
	}
	lp->topic = want->relid;

	/* from here on the end of the transaction looks at it */
	if (!lp->touched)
	{
		lp->touched = true;
		lp->forgotten = false;
		lp->locked = lp->claim = false;
		lp->held_for = 0;
		lp->new_version = -1;
		lp->saved = NULL;
		lp->next_touched = touched;
		touched = lp;
	}
	return lp;
}

void
el_local_save(ElLocalPart *lp)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	ElPartSave *save;

	if (lp->saved != NULL && lp->saved->subid == subid)
		return;
	save = MemoryContextAlloc(TopTransactionContext, sizeof(ElPartSave));
	save->subid = subid;
	save->values = lp->v;
	save->next = lp->saved;
	lp->saved = save;
}

List *
el_local_parts(const char *group, bool touched_only)
{
	List	   *result = NIL;
	ElLocalPart *lp;

	if (touched_only)
	{
		for (lp = touched; lp != NULL; lp = lp->next_touched)
		{
			if (strcmp(lp->key.group, group) == 0)
				result = lappend(result, lp);
		}
	}
	else if (local_parts != NULL)
	{
		HASH_SEQ_STATUS seq;

		hash_seq_init(&seq, local_parts);
		while ((lp = hash_seq_search(&seq)) != NULL)
		{
			if (strcmp(lp->key.group, group) == 0)
				result = lappend(result, lp);
		}
	}
	return result;
}

/* A position that means nothing any more. */
void
el_local_remove(ElLocalPart *lp)
{
	if (lp->touched)
	{
		/*
		 * The end of the transaction removes it.  Until then it is known whose
		 * it was: what the transaction said it commits is still to be checked.
		 */
		lp->forgotten = true;
		lp->v.position = -1;
		lp->v.consumed = false;
		return;
	}
	hash_search(local_parts, &lp->key, HASH_REMOVE, NULL);
}

/* The session is no member of the group any more (NULL: of any). */
void
el_local_forget(const char *group)
{
	HASH_SEQ_STATUS seq;
	ElLocalPart *lp;

	if (local_parts == NULL)
		return;
	hash_seq_init(&seq, local_parts);
	while ((lp = hash_seq_search(&seq)) != NULL)
	{
		if (group == NULL || strcmp(lp->key.group, group) == 0)
			el_local_remove(lp);
	}
}

/* Did this transaction consume in the group as this member (NULL: the session)? */
bool
el_local_consumed_by(const char *group, const char *member)
{
	ElLocalPart *lp;

	for (lp = touched; lp != NULL; lp = lp->next_touched)
	{
		if (lp->v.consumed && lp->member.incarnation != 0 &&
			strcmp(lp->key.group, group) == 0 &&
			lp->member.named == (member != NULL) &&
			(member == NULL || strcmp(lp->member.name, member) == 0))
			return true;
	}
	return false;
}

bool
el_local_closed(void)
{
	return phase != PHASE_OPEN;
}

/*
 * Ownership locks
 *
 * Heavyweight locks of the advisory kind, told apart from SQL's by field 4:
 * they end exactly when the transaction has ended for everybody, which no
 * flag in shared memory could promise.
 */
void
el_lock_tag(LOCKTAG *tag, const char *group, const pg_uuid_t *uuid,
			int32 partition)
{
	uint64		h;

	h = hash_bytes_extended((const unsigned char *) group, strlen(group), 0);
	h = hash_bytes_extended(uuid->data, UUID_LEN, h);
	h = hash_bytes_extended((const unsigned char *) &partition,
							sizeof(partition), h);
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (h >> 32), (uint32) h, 3);
}

/*
 * Take a lock for the top transaction: it must outlive the savepoint in which
 * it was taken, since the transaction goes on with what it consumed before.
 */
static bool
lock_try(const LOCKTAG *tag)
{
	ResourceOwner saved = CurrentResourceOwner;
	LockAcquireResult result;

	CurrentResourceOwner = TopTransactionResourceOwner;
	PG_TRY();
	{
		result = LockAcquire(tag, ExclusiveLock, false, true);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = saved;
	}
	PG_END_TRY();
	return result != LOCKACQUIRE_NOT_AVAIL;
}

static void
lock_release(const LOCKTAG *tag)
{
	ResourceOwner saved = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	LockRelease(tag, ExclusiveLock, false);
	CurrentResourceOwner = saved;
}

bool
el_first_take_lock(const char *group, const pg_uuid_t *uuid)
{
	LOCKTAG		tag;

	el_lock_tag(&tag, group, uuid, -1);
	return lock_try(&tag);
}

/* The member whose hold on the partition is no longer counted.  Lock held. */
static void
release_hold(ElLocalPart *lp)
{
	ElMember   *m;

	if (lp->held_for == 0)
		return;
	m = EL_MEMBER(lp->held_slot);
	if (m->head.kind == EL_SLOT_MEMBER && m->incarnation == lp->held_for &&
		--m->xact_holds <= 0)
	{
		/* until now it counted as alive; from here it has to say so again */
		m->xact_holds = 0;
		m->xact_pid = 0;
		m->last_heard_ms = el_monotonic_ms();
	}
	lp->held_for = 0;
}

/* The partition is held for a member that is not busy in another session.  Lock held. */
static void
take_hold(ElLocalPart *lp, const ElMemberRef *member)
{
	ElMember   *m = EL_MEMBER(member->slot);

	if (lp->held_for == member->incarnation)
		return;
	release_hold(lp);
	m->xact_pid = MyProcPid;
	m->xact_holds++;
	lp->held_for = member->incarnation;
	lp->held_slot = member->slot;
}

/*
 * Who consumes from the partition from here on.  If it is another ownership than
 * before, a position from then means nothing; and if events had been delivered
 * up to it that were never committed, the session has lost them, which its next
 * commit() must not hide.
 */
static void
set_member(ElLocalPart *lp, const ElMemberRef *member, int64 epoch)
{
	if (lp->member.incarnation != member->incarnation || lp->epoch != epoch)
	{
		if (lp->member.incarnation != 0 && !lp->member.named &&
			lp->v.position > lp->v.committed)
			lp->lost = true;
		lp->v.position = -1;
	}
	lp->member = *member;
	lp->epoch = epoch;
	lp->forgotten = false;
}

/*
 * A named member's calls from two sessions may both get as far as their locks.
 * Only one at a time takes any, so that xact_pid is who all holds belong to.
 */
static bool
member_is_busy(const ElMemberRef *member)
{
	int32		pid = EL_MEMBER(member->slot)->xact_pid;

	return pid != 0 && pid != MyProcPid;
}

/*
 * Shared state: this transaction no longer works on the partition.  Lock held.
 *
 * In finish() the heavyweight lock is gone already, so somebody else may be
 * the holder by now.  What was counted for us is given back all the same.
 */
static void
clear_holder(ElLocalPart *lp)
{
	ElPart	   *p = EL_PART(lp->slot);

	release_hold(lp);
	if (p->head.kind != EL_SLOT_PART)
		return;
	if (lp->claim)
		EL_GROUP(p->group)->claimers--;
	EL_GROUP(p->group)->held--;
	if (p->holder == MyProcPid)
	{
		p->holder = 0;
		p->claimed = false;
	}
	EL_GROUP(p->group)->last_used_ms = el_monotonic_ms();
	if (p->owner != p->target)
		EL_GROUP(p->group)->reconcile = true;
}

static bool
still_owned(const ElPart *p, const ElMemberRef *member, int64 epoch)
{
	return p->owner != EL_NO_SLOT && p->owner == member->slot &&
		EL_MEMBER(p->owner)->incarnation == member->incarnation &&
		p->epoch == epoch;
}

/*
 * Its commit no longer depends on its ownership: nobody else can have consumed
 * from what this transaction has locked since then.
 */
void
el_local_release(const char *group, const ElMemberRef *ref)
{
	ElLocalPart *lp;

	el_group_lock(LW_SHARED);
	for (lp = touched; lp != NULL; lp = lp->next_touched)
	{
		if (lp->locked && strcmp(lp->key.group, group) == 0 &&
			lp->member.incarnation == ref->incarnation &&
			EL_HEAD(lp->slot)->kind == EL_SLOT_PART &&
			still_owned(EL_PART(lp->slot), ref, lp->epoch))
			lp->member.incarnation = 0;
	}
	el_group_unlock();
}

ElLockResult
el_part_lock(ElLocalPart *lp, ElSlot part, const ElMemberRef *member,
			 int64 epoch, bool claim, ElEntry *entry)
{
	LOCKTAG		tag;
	ElLockResult result = EL_LOCK_OK;
	bool		mixed = false;

	if (lp->locked)
	{
		/* ours since earlier in this transaction; but is it still the member's? */
		el_group_lock(LW_EXCLUSIVE);
		if (member != NULL &&
			(!still_owned(EL_PART(lp->slot), member, epoch) ||
			 (lp->v.consumed &&
			  (lp->member.incarnation != member->incarnation ||
			   lp->epoch != epoch))))
			result = EL_LOCK_LOST;
		else if (member != NULL && member_is_busy(member))
			result = EL_LOCK_BUSY;
		else if (member != NULL &&
				 (lp->held_for != member->incarnation || lp->epoch != epoch))
		{
			/* taken by seek(), and now the member consumes from there */
			int64		sought = lp->v.position;

			set_member(lp, member, epoch);
			if (lp->v.forced)	/* ... which was not rolled back */
				lp->v.position = sought;
			take_hold(lp, member);
		}
		el_group_unlock();
		if (result == EL_LOCK_OK && !el_entry_read(lp->slot, entry))
			result = EL_LOCK_BUSY;
		return result;
	}

	el_lock_tag(&tag, lp->key.group, &lp->key.uuid, lp->key.partition);
	if (!lock_try(&tag))
		return EL_LOCK_BUSY;

	el_group_lock(LW_EXCLUSIVE);
	if (!el_part_matches(part, lp->key.group, &lp->key.uuid, lp->key.partition))
		result = EL_LOCK_LOST;
	else if (member != NULL && !still_owned(EL_PART(part), member, epoch))
		result = EL_LOCK_LOST;
	else if (claim && EL_GROUP(EL_PART(part)->group)->nmembers > 0)
		mixed = true;
	else if (member != NULL && member_is_busy(member))
		result = EL_LOCK_BUSY;
	else
	{
		ElPart	   *p = EL_PART(part);

		/* perhaps taken over from one whose finish() is yet to come */
		p->holder = MyProcPid;
		p->held_since_ms = el_monotonic_ms();
		p->claimed = claim;
		EL_GROUP(p->group)->held++;
		if (claim)
			EL_GROUP(p->group)->claimers++;
		if (member != NULL)
		{
			take_hold(lp, member);
			set_member(lp, member, epoch);
		}
		lp->slot = part;
		lp->locked = true;
		lp->claim = claim;
	}
	el_group_unlock();

	if (mixed)
	{
		/* the transaction may go on, behind a savepoint */
		lock_release(&tag);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("group \"%s\" is used by members", lp->key.group),
				 errhint("A group is used either by consume() or by claim(); use another group.")));
	}
	if (result == EL_LOCK_OK && !el_entry_read(part, entry))
	{
		/* written by a transaction that ignores our locks; it will end */
		el_part_unlock(lp);
		result = EL_LOCK_BUSY;
	}
	else if (result != EL_LOCK_OK)
		lock_release(&tag);
	return result;
}

/* Give back a lock that turned out to be of no use; nothing was done under it. */
void
el_part_unlock(ElLocalPart *lp)
{
	LOCKTAG		tag;

	el_lock_tag(&tag, lp->key.group, &lp->key.uuid, lp->key.partition);
	el_group_lock(LW_EXCLUSIVE);
	clear_holder(lp);
	el_group_unlock();
	lp->locked = false;
	lp->slot = EL_NO_SLOT;
	lock_release(&tag);
}

/*
 * Transaction callbacks
 */
static void
pre_commit(void)
{
	ElLocalPart *lp;
	ElLocalPart **parts;
	int			n = 0;

	for (lp = touched; lp != NULL; lp = lp->next_touched)
		n += lp->v.commit ? 1 : 0;
	if (n > 0)
	{
		/*
		 * A procedure's COMMIT comes here in the procedure's own context,
		 * which lives until that ends: leave nothing behind in it.
		 */
		MemoryContext cxt = AllocSetContextCreate(TopTransactionContext,
												  "eventlog commit",
												  ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);

		parts = palloc_array(ElLocalPart *, n);
		n = 0;
		for (lp = touched; lp != NULL; lp = lp->next_touched)
		{
			if (lp->v.commit)
				parts[n++] = lp;
		}
		el_offsets_append(parts, n);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(cxt);
	}
	phase = PHASE_CLOSED;
}

/* The transaction committed: let the others see what it delivered.  Locks are still held. */
static void
publish(void)
{
	ElLocalPart *lp;
	uint64		seq;

	if (touched == NULL)
		return;

	el_group_lock(LW_EXCLUSIVE);
	seq = ++el_shared->next_number;
	for (lp = touched; lp != NULL; lp = lp->next_touched)
	{
		ElPart	   *p;

		if (!lp->locked)
			continue;
		p = EL_PART(lp->slot);
		if (p->head.kind != EL_SLOT_PART || p->holder != MyProcPid)
			continue;
		p->events_lost += lp->v.lost;
		if (!lp->v.consumed && !lp->v.commit)
			continue;
		if (lp->claim)
			p->delivered = lp->v.position;
		else if (lp->member.incarnation != 0 &&
				 still_owned(p, &lp->member, lp->epoch))
		{
			if (lp->v.consumed)
			{
				p->delivered = lp->v.position;
				p->delivered_seq = seq;
				EL_MEMBER(p->owner)->last_seq = seq;
			}
			p->outstanding = lp->v.position > lp->v.committed;
		}
		else
		{
			/* seek: whatever its owner was given counts no more */
			p->delivered = -1;
			p->delivered_seq = 0;
			p->outstanding = false;
		}
	}
	el_group_unlock();
}

/* After COMMIT or ABORT and after the locks: tidy up.  Must not fail. */
static void
finish(bool is_commit)
{
	ElLocalPart *lp;
	ElLocalPart *next;

	if (touched != NULL)
	{
		ElSlot		woken = EL_NO_SLOT;

		el_group_lock(LW_EXCLUSIVE);
		for (lp = touched; lp != NULL; lp = lp->next_touched)
		{
			if (lp->locked)
				clear_holder(lp);
		}
		el_group_unlock();

		for (lp = touched; lp != NULL; lp = lp->next_touched)
		{
			ElSlot		group;
			bool		moves;
			bool		sought;

			if (!lp->locked || EL_HEAD(lp->slot)->kind != EL_SLOT_PART)
				continue;
			/* a read without the lock: a stale answer only wakes for nothing */
			group = EL_PART(lp->slot)->group;
			moves = EL_PART(lp->slot)->owner != EL_PART(lp->slot)->target;
			/* after a seek there may be events for whoever waits at the end */
			sought = lp->v.forced && !lp->claim;
			if (group != woken || moves || sought)
			{
				el_wake_group(MyDatabaseId, group, !moves && !sought);
				if (moves)
					el_wake_worker();
				woken = group;
			}
		}
	}

	for (lp = touched; lp != NULL; lp = next)
	{
		next = lp->next_touched;
		lp->touched = false;
		lp->locked = lp->claim = false;
		lp->slot = EL_NO_SLOT;
		lp->next_touched = NULL;
		lp->saved = NULL;
		if (lp->member.incarnation != 0 && !lp->member.named && !lp->forgotten)
		{
			/* the session's position goes on */
			if (is_commit && lp->v.commit)
				lp->v.version = lp->new_version;
			lp->v.consumed = lp->v.commit = false;
			lp->v.forced = lp->v.tombstone = false;
			lp->v.first_offset = -1;
			lp->v.lost = 0;
		}
		else
			hash_search(local_parts, &lp->key, HASH_REMOVE, NULL);
	}
	touched = NULL;
	el_notes_finish(is_commit);
}

void
el_group_xact(XactEvent event)
{
	ElLocalPart *lp;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			pre_commit();
			break;

		case XACT_EVENT_PRE_PREPARE:
			for (lp = touched; lp != NULL; lp = lp->next_touched)
			{
				if (lp->locked)
					ereport(ERROR,
							(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							 errmsg("cannot PREPARE a transaction that has consumed or committed offsets of group \"%s\"",
									lp->key.group),
							 errhint("Use COMMIT, or consume in another transaction.")));
			}
			el_notes_check_prepare();
			phase = PHASE_CLOSED;
			break;

		case XACT_EVENT_COMMIT:
			publish();
			phase = PHASE_COMMITTED;
			break;

		case XACT_EVENT_ABORT:
			for (lp = touched; lp != NULL; lp = lp->next_touched)
			{
				while (lp->saved != NULL)
				{
					lp->v = lp->saved->values;
					lp->saved = lp->saved->next;
				}
			}
			phase = PHASE_ABORTED;
			break;

		case XACT_EVENT_PREPARE:
			el_notes_prepared();
			phase = PHASE_ABORTED;	/* parts touched but not locked go */
			break;

		default:
			break;				/* parallel workers have no part in this */
	}
}

void
el_group_subxact(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent)
{
	ElLocalPart *lp;

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		for (lp = touched; lp != NULL; lp = lp->next_touched)
		{
			while (lp->saved != NULL && lp->saved->subid >= mine)
			{
				lp->v = lp->saved->values;
				lp->saved = lp->saved->next;
			}
		}
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (lp = touched; lp != NULL; lp = lp->next_touched)
		{
			ElPartSave *s = lp->saved;

			if (s == NULL || s->subid != mine)
				continue;
			if (s->next != NULL && s->next->subid == parent)
				lp->saved = s->next;	/* what it was before is older there */
			else
				s->subid = parent;
		}
	}
	el_notes_subxact(event, mine, parent);
}

void
el_group_after_locks(bool is_commit)
{
	/* portals and subtransactions release resources too */
	if (phase != PHASE_COMMITTED && phase != PHASE_ABORTED)
		return;
	is_commit = phase == PHASE_COMMITTED;
	phase = PHASE_OPEN;
	if (el_shared == NULL)
		return;
	if (touched == NULL && !el_notes_pending())
		return;
	finish(is_commit);
}

/* After a statement that ends transactions or a session's work; looks at no catalog. */
void
el_group_utility_done(Node *stmt)
{
	if (el_shared == NULL)
		return;
	if (IsA(stmt, TransactionStmt))
	{
		TransactionStmtKind kind = ((TransactionStmt *) stmt)->kind;

		if (kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED)
			el_offsets_prepared_ended();
	}
	else if (IsA(stmt, DiscardStmt) &&
			 ((DiscardStmt *) stmt)->target == DISCARD_ALL)
		el_session_discard();	/* what a pooler sends when a client is gone */
}
