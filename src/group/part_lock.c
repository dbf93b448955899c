/*-------------------------------------------------------------------------
 *
 * part_lock.c
 *	  Ownership locks: one transaction at a time works on a partition of a
 *	  group.
 *
 * Heavyweight locks of the advisory kind, told apart from SQL's by field 4.  A
 * flag in shared memory could not promise to end exactly when the transaction
 * has ended for everybody.  They are never waited for.
 *
 * Shared memory says beside it who holds a partition, for the views, for the
 * steps of the group and for those who keep its time.
 *
 * IDENTIFICATION
 *	  src/group/part_lock.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "group/offsets.h"
#include "group/part_lock.h"
#include "group/room.h"

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
el_key_lock(const ElPartKey *key)
{
	LOCKTAG		tag;

	make_lock_tag(&tag, key);
	return try_lock(&tag);
}

bool
el_first_take_lock(const char *group, const pg_uuid_t *uuid)
{
	ElPartKey	key;

	el_part_key(&key, group, uuid, EL_MARK_PARTITION);
	return el_key_lock(&key);
}

/*
 * Holders
 */

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

/* Note in shared memory that this transaction holds the partition.  Lock held. */
static void
set_holder(ElLocalPart *lp, ElSlotNo part, bool claim)
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
	el_group_touch(p->group);
	lp->slot = part;
	lp->locked = true;
	lp->claim = claim;
}

/*
 * At the end of the transaction the heavyweight lock is gone already, so
 * somebody else may be the holder by now.  What was counted for us is given
 * back all the same.
 */
void
el_part_clear_holder(ElLocalPart *lp)
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
	el_group_touch(p->group);
	if (p->owner != p->target)
		g->reconcile = true;
}

/* Lock held. */
static void
note_delivery(ElPart *p, int64 first_offset)
{
	Assert(el_group_locked_exclusive());
	Assert(p->holder == MyProcPid);
	if (p->first_offset == first_offset)
		p->redeliveries++;
	else
	{
		p->first_offset = first_offset;
		p->redeliveries = 0;
		p->stuck_since = GetCurrentTimestamp();
	}
}

void
el_part_note_delivery(ElLocalPart *lp, int64 first_offset)
{
	el_group_lock(LW_EXCLUSIVE);
	note_delivery(EL_PART(lp->slot), first_offset);
	el_group_unlock();
}

/*
 * The lock
 */

/*
 * What this transaction consumes from the partition goes on from what it consumed
 * before, and is committed with it: has that been right?  Lock held.
 */
static bool
may_go_on(const ElLocalPart *lp, ElSlotNo part)
{
	return lp->state.consumed == 0 || lp->state.member.incarnation == 0 ||
		el_local_still_owned(lp, part);
}

/* What keeps the member from working on the partition?  Lock held. */
static ElLockResult
check_owner(const ElLocalPart *lp, ElSlotNo part, const ElMemberRef *member,
			int64 epoch)
{
	if (!el_part_owned_by(part, member, epoch) || !may_go_on(lp, part))
		return EL_LOCK_NOT_OWNED;
	if (el_member_busy_elsewhere(EL_MEMBER(member->slot)))
		return EL_LOCK_BUSY;
	return EL_LOCK_OK;
}

/* A claim takes a partition that this transaction has locked by seek().  False if the group has members.  Lock held. */
static bool
become_claim(ElLocalPart *lp)
{
	ElPart	   *p = EL_PART(lp->slot);
	ElGroup    *g = EL_GROUP(p->group);

	if (g->nmembers > 0)
		return false;
	if (!lp->claim)
	{
		lp->claim = p->claimed = true;
		g->claimers++;
	}
	return true;
}

static void report_mixed(const char *group) pg_attribute_noreturn();

static void
report_mixed(const char *group)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("group \"%s\" is used by members", group),
			 errhint("A group is used either by consume() or by claim(); use another group.")));
}

/*
 * The ownership lock keeps the committed offset as it is, but not the start mark: another
 * transaction may have written it since the lock was taken.
 */
static void
refresh_start(ElLocalPart *lp)
{
	Assert(lp->locked);
	if (!lp->start.marked)
		el_start_read(lp->slot, &lp->key, &lp->start);
}

/* el_part_lock() of a partition that this transaction has locked already, in an earlier call. */
static ElLockResult
relock_part(ElLocalPart *lp, const ElMemberRef *member, int64 epoch,
			bool claim, ElDeliveryNote *note)
{
	ElLockResult result = EL_LOCK_OK;
	bool		mixed;
	bool		goes_on = member == NULL ||
		(lp->state.member.incarnation == member->incarnation &&
		 lp->state.epoch == epoch);

	if (member == NULL && !claim)
		return EL_LOCK_OK;
	el_group_lock(LW_EXCLUSIVE);
	Assert(EL_PART(lp->slot)->holder == MyProcPid);
	mixed = claim && !become_claim(lp);
	if (member != NULL)
		result = check_owner(lp, lp->slot, member, epoch);
	else if (!may_go_on(lp, lp->slot))
		result = EL_LOCK_NOT_OWNED;
	if (result == EL_LOCK_OK && member != NULL)
	{
		el_local_set_member(lp, member, epoch);
		take_hold(lp, member);
	}
	if (result == EL_LOCK_OK && !mixed && note != NULL && goes_on)
	{
		note_delivery(EL_PART(lp->slot), note->first_offset);
		note->noted = true;
	}
	el_group_unlock();
	if (mixed)
		report_mixed(lp->key.group);
	return result;
}

/* Copy the committed offset and the start of a partition that was just locked, and note the delivery if it is as it was.  Lock held. */
static bool
take_entry(ElLocalPart *lp, ElDeliveryNote *note)
{
	ElEntry    *e = &lp->entry;
	bool		valid = el_entry_copy(lp->slot, e);

	lp->resolved = e->pending_fxid;
	valid &= el_start_copy(lp->slot, &lp->start);
	if (valid && note != NULL && e->gen == note->seen.gen &&
		e->version == note->seen.version &&
		e->pending_version == note->seen.pending_version &&
		lp->start.marked == note->start.marked &&
		lp->start.offset == note->start.offset)
	{
		note_delivery(EL_PART(lp->slot), note->first_offset);
		note->noted = true;
	}
	return valid;
}

/* Without the lock.  False if a transaction is at it that ignores our locks; it will end. */
static bool
resolve_entry(ElLocalPart *lp, bool valid)
{
	if (valid)
		return el_entry_resolve(&lp->entry);
	lp->resolved = InvalidFullTransactionId;
	if (!el_entry_read(lp->slot, &lp->entry))
		return false;
	el_start_read(lp->slot, &lp->key, &lp->start);
	return true;
}

/*
 * The heavyweight lock first, without waiting; then, under the coordinator's
 * lock, is everything still as the caller saw it?  Only then does it count.
 */
ElLockResult
el_part_lock(ElLocalPart *lp, ElSlotNo part, const ElMemberRef *member,
			 int64 epoch, bool claim, ElDeliveryNote *note)
{
	LOCKTAG		tag;
	ElLockResult result = EL_LOCK_OK;
	bool		mixed = false;
	bool		valid = false;

	Assert(lp->in_xact);
	Assert(!claim || member == NULL);
	if (member != NULL)
		el_local_reserve(lp);	/* under the lock nothing is allocated */
	if (lp->locked)
	{
		refresh_start(lp);
		return relock_part(lp, member, epoch, claim, note);
	}

	make_lock_tag(&tag, &lp->key);
	if (!try_lock(&tag))
		return EL_LOCK_BUSY;

	el_group_lock(LW_EXCLUSIVE);
	if (!el_part_matches(part, &lp->key))
		result = member != NULL ? EL_LOCK_NOT_OWNED : EL_LOCK_EVICTED;
	else if (claim && EL_GROUP(EL_PART(part)->group)->nmembers > 0)
		mixed = true;
	else if (member != NULL)
		result = check_owner(lp, part, member, epoch);
	if (result == EL_LOCK_OK && !mixed)
	{
		set_holder(lp, part, claim);
		if (member != NULL)
		{
			take_hold(lp, member);
			el_local_set_member(lp, member, epoch);
		}
		valid = take_entry(lp, note);
	}
	el_group_unlock();

	if (mixed)
	{
		/* the transaction may go on, behind a savepoint */
		release_lock(&tag);
		report_mixed(lp->key.group);
	}
	if (result != EL_LOCK_OK)
		release_lock(&tag);
	else if (!resolve_entry(lp, valid))
	{
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
	el_part_clear_holder(lp);
	el_group_unlock();
	lp->locked = false;
	lp->slot = EL_NO_SLOT;
	release_lock(&tag);
}
