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
 * An ownership lock is a heavyweight lock, so that it ends exactly when the
 * transaction has ended for everybody, and a note of its holder in shared
 * memory, so that others can see and count it.  The note is made once the lock
 * is there, and taken back by the transaction that made it: before the lock is
 * given back within the transaction, but after it is gone at the end of it.
 * In that moment another may have taken the partition over: so what was counted
 * for us is given back whoever is the holder by then.
 *
 * What runs at the end of a transaction must not fail after the commit record:
 * it only writes to memory that is there, under LWLocks.
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
#include "storage/lock.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/clock.h"
#include "base/hash.h"
#include "group/local.h"
#include "group/offsets.h"

static HTAB *local_parts = NULL;
static ElLocalPart *first_in_xact = NULL;
static ElXactPhase phase = EL_XACT_OPEN;

/*
 * Parts
 */
ElLocalPart *
el_local_find(const ElPartKey *key)
{
	if (local_parts == NULL)
		return NULL;
	return hash_search(local_parts, key, HASH_FIND, NULL);
}

ElLocalPart *
el_local_get(const ElPartKey *key, Oid topic)
{
	ElLocalPart *lp;
	bool		found;

	if (local_parts == NULL)
		local_parts = el_hash_create("eventlog positions", 64,
									 sizeof(ElPartKey), sizeof(ElLocalPart),
									 TopMemoryContext);
	lp = hash_search(local_parts, key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) lp + sizeof(ElPartKey), 0,
			   sizeof(ElLocalPart) - sizeof(ElPartKey));
		lp->member.slot = EL_NO_SLOT;
		lp->slot = EL_NO_SLOT;
		lp->state.position = lp->state.version = lp->state.committed = -1;
		lp->state.first_offset = -1;
	}
	lp->topic = topic;

	/* from here on the end of the transaction looks at it */
	if (!lp->in_xact)
	{
		Assert(!lp->locked && lp->held_for == 0 && lp->saved == NULL);
		lp->in_xact = true;
		lp->drop_at_end = false;
		lp->new_version = -1;
		lp->next_in_xact = first_in_xact;
		first_in_xact = lp;
	}
	return lp;
}

void
el_local_save(ElLocalPart *lp)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	ElPartSave *save;

	Assert(lp->in_xact);
	Assert(lp->saved == NULL || lp->saved->subid <= subid);
	if (lp->saved != NULL && lp->saved->subid == subid)
		return;
	save = MemoryContextAlloc(TopTransactionContext, sizeof(ElPartSave));
	save->subid = subid;
	save->state = lp->state;
	save->next = lp->saved;
	lp->saved = save;
}

List *
el_local_parts(const char *group, bool in_xact_only)
{
	List	   *result = NIL;
	ElLocalPart *lp;

	if (in_xact_only)
	{
		for (lp = first_in_xact; lp != NULL; lp = lp->next_in_xact)
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

void
el_local_remove(ElLocalPart *lp)
{
	if (lp->in_xact)
	{
		/*
		 * The end of the transaction removes it.  Until then it is known
		 * whose it was: what the transaction said it commits is still to be
		 * checked.
		 */
		lp->drop_at_end = true;
		lp->state.position = -1;
		lp->state.consumed = false;
		return;
	}
	hash_search(local_parts, &lp->key, HASH_REMOVE, NULL);
}

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

bool
el_local_consumed_by(const char *group, const char *member)
{
	ElLocalPart *lp;

	for (lp = first_in_xact; lp != NULL; lp = lp->next_in_xact)
	{
		if (lp->state.consumed && lp->member.incarnation != 0 &&
			strcmp(lp->key.group, group) == 0 &&
			lp->member.named == (member != NULL) &&
			(member == NULL || strcmp(lp->member.name, member) == 0))
			return true;
	}
	return false;
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
	for (lp = first_in_xact; lp != NULL; lp = lp->next_in_xact)
	{
		if (lp->locked && strcmp(lp->key.group, group) == 0 &&
			lp->member.incarnation == ref->incarnation &&
			EL_HEAD(lp->slot)->kind == EL_SLOT_PART &&
			el_part_owned_by(lp->slot, ref, lp->epoch))
			lp->member.incarnation = 0;
	}
	el_group_unlock();
}

bool
el_local_may_commit(const ElLocalPart *lp)
{
	Assert(lp->locked);
	return lp->state.any_owner || lp->member.incarnation == 0 ||
		el_part_owned_by(lp->slot, &lp->member, lp->epoch);
}

/*
 * Ownership locks
 *
 * Heavyweight locks of the advisory kind, told apart from SQL's by field 4.  A
 * flag in shared memory could not promise to end exactly when the transaction
 * has ended for everybody.
 */
static void
make_lock_tag(LOCKTAG *tag, const ElPartKey *key)
{
	uint64		h;

	h = hash_bytes_extended((const unsigned char *) key->group,
							strlen(key->group), 0);
	h = hash_bytes_extended(key->uuid.data, UUID_LEN, h);
	h = hash_bytes_extended((const unsigned char *) &key->partition,
							sizeof(key->partition), h);
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (h >> 32), (uint32) h, 3);
}

/*
 * Take a lock for the top transaction: it must outlive the savepoint in which
 * it was taken, since the transaction goes on with what it consumed before.
 */
static bool
try_lock(const LOCKTAG *tag)
{
	ResourceOwner saved = CurrentResourceOwner;
	volatile LockAcquireResult result;

	/* never waited for, but the lock manager's own LWLocks are */
	Assert(!el_group_locked());
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
release_lock(const LOCKTAG *tag)
{
	ResourceOwner saved = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	LockRelease(tag, ExclusiveLock, false);
	CurrentResourceOwner = saved;
}

bool
el_first_take_lock(const char *group, const pg_uuid_t *uuid)
{
	ElPartKey	key;
	LOCKTAG		tag;

	el_part_key(&key, group, uuid, -1);
	make_lock_tag(&tag, &key);
	return try_lock(&tag);
}

/* The partition is no longer counted among those held for a member.  Lock held. */
static void
release_hold(ElLocalPart *lp)
{
	ElMember   *m;

	Assert(el_group_locked_exclusive());
	if (lp->held_for == 0)
		return;
	if (EL_HEAD(lp->held_slot)->kind == EL_SLOT_MEMBER)
	{
		m = EL_MEMBER(lp->held_slot);
		if (m->incarnation == lp->held_for && --m->xact_holds <= 0)
		{
			/* until now it counted as alive; from here it has to say so again */
			Assert(m->xact_holds == 0);
			Assert(m->xact_pid == MyProcPid);
			m->xact_holds = 0;
			m->xact_pid = 0;
			m->last_heard_ms = el_monotonic_ms();
		}
	}
	lp->held_for = 0;
}

/*
 * Count the partition among those held for a member.  A named member's calls
 * from two sessions may both get as far as their locks; only one at a time takes
 * any (the caller has checked), so that xact_pid is who all holds belong to.
 * Lock held.
 */
static void
take_hold(ElLocalPart *lp, const ElMemberRef *member)
{
	ElMember   *m = EL_MEMBER(member->slot);

	Assert(el_group_locked_exclusive());
	Assert(m->incarnation == member->incarnation);
	if (lp->held_for == member->incarnation)
		return;
	release_hold(lp);
	Assert(m->xact_pid == 0 || m->xact_pid == MyProcPid);
	Assert((m->xact_pid == 0) == (m->xact_holds == 0));
	m->xact_pid = MyProcPid;
	m->xact_holds++;
	lp->held_for = member->incarnation;
	lp->held_slot = member->slot;
}

/*
 * Record which member consumes this partition.  If that is another ownership
 * than at the last delivery, the remembered position is void; and if events had
 * been delivered up to it that were never committed, the session's next commit()
 * must fail, since another member may have been given them.
 */
static void
set_member(ElLocalPart *lp, const ElMemberRef *member, int64 epoch)
{
	if (lp->member.incarnation != member->incarnation || lp->epoch != epoch)
	{
		if (lp->member.incarnation != 0 && !lp->member.named &&
			lp->state.position > lp->state.committed)
			lp->must_fail_commit = true;
		lp->state.position = -1;
	}
	lp->member = *member;
	lp->epoch = epoch;
	lp->drop_at_end = false;
}

/*
 * Shared state: this transaction no longer works on the partition.  Lock held.
 *
 * At the end of the transaction the heavyweight lock is gone already, so
 * somebody else may be the holder by now.  What was counted for us is given
 * back all the same.
 */
static void
clear_holder(ElLocalPart *lp)
{
	ElPart	   *p;
	ElGroup    *g;

	Assert(el_group_locked_exclusive());
	Assert(lp->locked);
	release_hold(lp);
	if (EL_HEAD(lp->slot)->kind != EL_SLOT_PART)
		return;
	p = EL_PART(lp->slot);
	g = EL_GROUP(p->group);
	if (lp->claim)
		g->claimers--;
	g->held--;
	Assert(g->claimers >= 0 && g->held >= g->claimers);
	if (p->holder == MyProcPid)
	{
		p->holder = 0;
		p->claimed = false;
	}
	g->last_used_ms = el_monotonic_ms();
	if (p->owner != p->target)
		g->reconcile = true;
}

/*
 * el_part_lock() of a partition that this transaction has locked already, in
 * an earlier call: but is it still the member's?
 */
static ElLockResult
relock_part(ElLocalPart *lp, const ElMemberRef *member, int64 epoch,
			ElEntry *entry)
{
	ElLockResult result = EL_LOCK_OK;

	el_group_lock(LW_EXCLUSIVE);
	Assert(EL_PART(lp->slot)->holder == MyProcPid);
	if (member != NULL &&
		(!el_part_owned_by(lp->slot, member, epoch) ||
		 (lp->state.consumed &&
		  (lp->member.incarnation != member->incarnation ||
		   lp->epoch != epoch))))
		result = EL_LOCK_NOT_OWNED;
	else if (member != NULL &&
			 el_member_busy_elsewhere(EL_MEMBER(member->slot)))
		result = EL_LOCK_BUSY;
	else if (member != NULL &&
			 (lp->held_for != member->incarnation || lp->epoch != epoch))
	{
		/* taken by seek(), and now the member consumes from there */
		int64		sought = lp->state.position;

		set_member(lp, member, epoch);
		if (lp->state.any_owner)	/* the seek was not rolled back */
			lp->state.position = sought;
		take_hold(lp, member);
	}
	el_group_unlock();

	if (result == EL_LOCK_OK && !el_entry_read(lp->slot, entry))
		result = EL_LOCK_BUSY;
	return result;
}

/* Note in shared memory that this transaction holds the partition.  Lock held. */
static void
set_holder(ElLocalPart *lp, ElSlotNo part, const ElMemberRef *member,
		   int64 epoch, bool claim)
{
	ElPart	   *p = EL_PART(part);
	ElGroup    *g = EL_GROUP(p->group);

	Assert(el_group_locked_exclusive());
	Assert(!lp->locked && lp->held_for == 0);
	/* perhaps taken over from one whose finish_xact() is yet to come */
	p->holder = MyProcPid;
	p->held_since_ms = el_monotonic_ms();
	p->claimed = claim;
	g->held++;
	if (claim)
		g->claimers++;
	if (member != NULL)
	{
		take_hold(lp, member);
		set_member(lp, member, epoch);
	}
	lp->slot = part;
	lp->locked = true;
	lp->claim = claim;
}

/*
 * The heavyweight lock first, without waiting; then, under the coordinator's
 * lock, is everything still as the caller saw it?  Only then does it count.
 */
ElLockResult
el_part_lock(ElLocalPart *lp, ElSlotNo part, const ElMemberRef *member,
			 int64 epoch, bool claim, ElEntry *entry)
{
	LOCKTAG		tag;
	ElLockResult result = EL_LOCK_OK;
	bool		mixed = false;

	Assert(lp->in_xact);
	Assert(!claim || member == NULL);
	if (lp->locked)
		return relock_part(lp, member, epoch, entry);

	make_lock_tag(&tag, &lp->key);
	if (!try_lock(&tag))
		return EL_LOCK_BUSY;

	el_group_lock(LW_EXCLUSIVE);
	if (!el_part_matches(part, &lp->key))
		result = EL_LOCK_NOT_OWNED;
	else if (member != NULL && !el_part_owned_by(part, member, epoch))
		result = EL_LOCK_NOT_OWNED;
	else if (claim && EL_GROUP(EL_PART(part)->group)->nmembers > 0)
		mixed = true;
	else if (member != NULL &&
			 el_member_busy_elsewhere(EL_MEMBER(member->slot)))
		result = EL_LOCK_BUSY;
	else
		set_holder(lp, part, member, epoch, claim);
	el_group_unlock();

	if (mixed)
	{
		/* the transaction may go on, behind a savepoint */
		release_lock(&tag);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("group \"%s\" is used by members", lp->key.group),
				 errhint("A group is used either by consume() or by claim(); use another group.")));
	}
	if (result != EL_LOCK_OK)
		release_lock(&tag);
	else if (!el_entry_read(part, entry))
	{
		/* written by a transaction that ignores our locks; it will end */
		el_part_unlock(lp);
		result = EL_LOCK_BUSY;
	}
	return result;
}

void
el_part_unlock(ElLocalPart *lp)
{
	LOCKTAG		tag;

	make_lock_tag(&tag, &lp->key);
	el_group_lock(LW_EXCLUSIVE);
	clear_holder(lp);
	el_group_unlock();
	lp->locked = false;
	lp->slot = EL_NO_SLOT;
	release_lock(&tag);
}

/*
 * The end of the transaction
 */
ElXactPhase
el_local_phase(void)
{
	return phase;
}

/*
 * OPEN, CLOSED at our PRE_COMMIT or PRE_PREPARE, COMMITTED or (an error may come
 * at any time before the commit record) ABORTED, and OPEN again when the locks
 * are gone.
 */
void
el_local_set_phase(ElXactPhase next)
{
	Assert(next != EL_XACT_CLOSED || phase != EL_XACT_COMMITTED);
	Assert(next != EL_XACT_COMMITTED || phase == EL_XACT_CLOSED);
	Assert(next != EL_XACT_ABORTED || phase != EL_XACT_COMMITTED);
	Assert(next != EL_XACT_OPEN || phase == EL_XACT_COMMITTED ||
		   phase == EL_XACT_ABORTED);
	phase = next;
}

ElLocalPart *
el_local_first_in_xact(void)
{
	return first_in_xact;
}

void
el_local_rollback(SubTransactionId subid)
{
	ElLocalPart *lp;

	for (lp = first_in_xact; lp != NULL; lp = lp->next_in_xact)
	{
		while (lp->saved != NULL && lp->saved->subid >= subid)
		{
			lp->state = lp->saved->state;
			lp->saved = lp->saved->next;
		}
	}
}

void
el_local_merge(SubTransactionId subid, SubTransactionId parent)
{
	ElLocalPart *lp;

	for (lp = first_in_xact; lp != NULL; lp = lp->next_in_xact)
	{
		ElPartSave *s = lp->saved;

		Assert(s == NULL || s->subid <= subid);
		if (s == NULL || s->subid != subid)
			continue;
		if (s->next != NULL && s->next->subid == parent)
			lp->saved = s->next;	/* what it was before is older there */
		else
			s->subid = parent;
	}
}

void
el_local_clear_holders(void)
{
	ElLocalPart *lp;

	for (lp = first_in_xact; lp != NULL; lp = lp->next_in_xact)
	{
		if (lp->locked)
			clear_holder(lp);
	}
}

/*
 * After the locks.  Cannot fail: dynahash does not allocate to remove, and what
 * was saved goes with TopTransactionContext.
 */
void
el_local_end(bool is_commit)
{
	ElLocalPart *lp;
	ElLocalPart *next;

	for (lp = first_in_xact; lp != NULL; lp = next)
	{
		Assert(lp->in_xact);
		Assert(lp->held_for == 0);
		next = lp->next_in_xact;
		lp->in_xact = false;
		lp->locked = lp->claim = false;
		lp->slot = EL_NO_SLOT;
		lp->next_in_xact = NULL;
		lp->saved = NULL;
		if (lp->member.incarnation != 0 && !lp->member.named && !lp->drop_at_end)
		{
			/* the session's position goes on */
			if (is_commit && lp->state.commit)
				lp->state.version = lp->new_version;
			lp->state.consumed = lp->state.commit = false;
			lp->state.any_owner = lp->state.tombstone = false;
			lp->state.first_offset = -1;
			lp->state.events_skipped = 0;
		}
		else
			hash_search(local_parts, &lp->key, HASH_REMOVE, NULL);
	}
	first_in_xact = NULL;
}
