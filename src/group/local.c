/*-------------------------------------------------------------------------
 *
 * local.c
 *	  What this backend's transaction knows of partitions of groups.
 *
 * A part's state is saved once per subtransaction that changes it, so that a
 * rollback to a savepoint restores it.  Parts of a session, whose position goes
 * on, live on between transactions; those of named members and claims do not.
 *
 * Ownerships are told apart by two numbers that never repeat: the member's
 * incarnation, and the epoch at which it got the partition.  Both come from one
 * counter that only grows, so "up to this one" is a comparison.
 *
 * IDENTIFICATION
 *	  src/group/local.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/hash.h"
#include "group/local.h"

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
		lp->state.member.slot = EL_NO_SLOT;
		lp->slot = EL_NO_SLOT;
		lp->state.position = lp->state.version = lp->state.committed = -1;
	}
	lp->topic = topic;

	/* from here on the end of the transaction looks at it */
	if (!lp->in_xact)
	{
		Assert(!lp->locked && lp->held_for == 0 && lp->saved == NULL);
		Assert(lp->left == 0 && lp->forgotten == 0 && lp->refused == 0 && lp->told == 0);
		lp->in_xact = true;
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

/*
 * Whose deliveries they are
 */
bool
el_local_is_of(const ElLocalPart *lp, const char *member)
{
	const ElMemberRef *ref = &lp->state.member;

	return ref->incarnation != 0 && ref->named == (member != NULL) &&
		(member == NULL || strcmp(ref->name, member) == 0);
}

/* Has the member, NULL: the session, consumed before the present one? */
static bool
was_of(const ElLocalPart *lp, const char *member)
{
	for (const ElHand *hand = lp->state.hands; hand != NULL; hand = hand->before)
	{
		if (hand->named == (member != NULL) &&
			(member == NULL || strcmp(hand->name, member) == 0))
			return true;
	}
	return false;
}

bool
el_local_concerns(const ElLocalPart *lp, const char *member)
{
	return el_local_is_of(lp, member) || was_of(lp, member);
}

bool
el_local_consumed_by(const char *group, const char *member)
{
	ElLocalPart *lp;

	for (lp = first_in_xact; lp != NULL; lp = lp->next_in_xact)
	{
		if (lp->state.consumed != 0 && strcmp(lp->key.group, group) == 0 &&
			el_local_is_of(lp, member) &&
			lp->state.epoch > lp->left)
			return true;
	}
	return false;
}

bool
el_local_owes(const ElLocalPart *lp)
{
	return lp->state.owed != 0 && (uint64) lp->state.owed > lp->forgotten;
}

bool
el_local_given_up(const ElLocalPart *lp)
{
	return lp->state.consumed == 0 && !lp->state.member.named &&
		lp->state.member.incarnation <= lp->forgotten;
}

/*
 * Has the session been told of the loss that the state speaks of?  Then what it
 * was given since is void as well, for it has been told to do all of it again.
 */
static bool
is_settled(const ElLocalPart *lp)
{
	const ElPartState *state = &lp->state;

	return (state->owed != 0 ? state->owed : state->epoch) <= lp->told;
}

/* Does the session go on from the part's position? */
static bool
has_position(const ElLocalPart *lp)
{
	return el_local_is_of(lp, NULL) && lp->state.position >= 0 &&
		lp->state.member.incarnation > lp->forgotten && !is_settled(lp);
}

void
el_local_reserve(ElLocalPart *lp)
{
	el_local_save(lp);
	if (lp->state.consumed != 0 && lp->spare == NULL)
		lp->spare = MemoryContextAlloc(TopTransactionContext, sizeof(ElHand));
}

/* What stands was delivered to the present member as well, whoever is the next. */
static void
add_hand(ElLocalPart *lp)
{
	const ElMemberRef *ref = &lp->state.member;
	ElHand	   *hand = lp->spare;

	if (ref->incarnation == 0 || was_of(lp, ref->named ? ref->name : NULL))
		return;
	Assert(hand != NULL);
	hand->named = ref->named;
	strlcpy(hand->name, ref->name, sizeof(hand->name));
	hand->before = lp->state.hands;
	lp->state.hands = hand;
	lp->spare = NULL;
}

/*
 * If that is another ownership than at the last delivery, the remembered
 * position is void; and what had been delivered up to it and never committed is
 * owed a word at the session's next commit(), since another member may have
 * been given it.  But what this very transaction consumed goes on, whose member
 * left while it owned the partition: the lock has kept others away since.
 */
void
el_local_set_member(ElLocalPart *lp, const ElMemberRef *member, int64 epoch)
{
	ElPartState *state = &lp->state;

	if (state->member.incarnation == member->incarnation &&
		state->epoch == epoch)
		return;
	Assert(member->incarnation == 0 || epoch > state->epoch);
	Assert(lp->saved != NULL);
	if (state->consumed == 0)
	{
		if (has_position(lp) && state->position > state->committed)
			state->owed = state->epoch;
		else if (is_settled(lp))
			state->owed = 0;
		state->position = -1;
	}
	else
		add_hand(lp);
	state->member = *member;
	state->epoch = epoch;
}

/* A consumption that was rolled back as a whole never comes back: the next has another number. */
void
el_local_set_consumed(ElLocalPart *lp)
{
	static uint64 consumptions = 0;

	Assert(lp->locked && lp->saved != NULL);
	if (lp->state.consumed == 0)
	{
		lp->state.consumed = ++consumptions;
		lp->state.hands = NULL;
	}
}

bool
el_local_still_owned(const ElLocalPart *lp, ElSlotNo part)
{
	Assert(lp->state.member.incarnation != 0 && lp->state.epoch > 0);
	return lp->state.epoch <= lp->left ||
		(part != EL_NO_SLOT &&
		 el_part_owned_by(part, &lp->state.member, lp->state.epoch));
}

bool
el_local_may_commit(const ElLocalPart *lp)
{
	Assert(lp->locked);
	return lp->state.any_owner || lp->state.member.incarnation == 0 ||
		el_local_still_owned(lp, lp->slot);
}

void
el_local_leave(const char *group, const ElMemberRef *ref)
{
	ElLocalPart *lp;

	el_group_lock(LW_SHARED);
	for (lp = first_in_xact; lp != NULL; lp = lp->next_in_xact)
	{
		if (lp->locked && strcmp(lp->key.group, group) == 0 &&
			lp->state.member.incarnation == ref->incarnation &&
			el_part_matches(lp->slot, &lp->key) &&
			el_local_still_owned(lp, lp->slot))
			lp->left = lp->state.epoch;
	}
	el_group_unlock();
}

void
el_local_forget(const char *group)
{
	HASH_SEQ_STATUS seq;
	ElLocalPart *lp;
	uint64		now;

	if (local_parts == NULL)
		return;
	/* a number that is given from now on is higher */
	el_group_lock(LW_SHARED);
	now = el_shared->next_number;
	el_group_unlock();
	hash_seq_init(&seq, local_parts);
	while ((lp = hash_seq_search(&seq)) != NULL)
	{
		if (group != NULL && strcmp(lp->key.group, group) != 0)
			continue;
		if (lp->in_xact)
			lp->forgotten = now;
		else
			hash_search(local_parts, &lp->key, HASH_REMOVE, NULL);
	}
}

void
el_local_drop(const char *group)
{
	List	   *parts = el_local_parts(group, false);
	ListCell   *lc;

	foreach(lc, parts)
	{
		ElLocalPart *lp = lfirst(lc);

		if (lp->state.position < 0 && lp->state.owed == 0)
			continue;
		(void) el_local_get(&lp->key, lp->topic);
		el_local_save(lp);
		lp->state.position = -1;
		lp->state.owed = 0;
	}
	list_free(parts);
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

/*
 * After the locks.  Cannot fail: dynahash does not allocate to remove, and what
 * was saved goes with TopTransactionContext.
 */
void
el_local_end(bool is_commit)
{
	ElLocalPart *lp;
	ElLocalPart *next;
	bool		goes_on;

	for (lp = first_in_xact; lp != NULL; lp = next)
	{
		Assert(lp->in_xact);
		Assert(lp->held_for == 0);
		next = lp->next_in_xact;
		goes_on = has_position(lp);
		if (goes_on || (el_local_owes(lp) && !is_settled(lp)))
		{
			if (is_commit && lp->state.commit)
				lp->state.version = lp->new_version;
			if (!goes_on)
			{
				/*
				 * it only owes; another member or a claim may have worked on
				 * it
				 */
				lp->state.member.incarnation = 0;
				lp->state.position = -1;
			}
			if (!el_local_owes(lp))
				lp->state.owed = 0;
			lp->state.consumed = 0;
			lp->state.hands = NULL;
			lp->spare = NULL;
			lp->state.commit = lp->state.any_owner = false;
			lp->state.events_skipped = 0;
			lp->in_xact = lp->locked = lp->claim = false;
			lp->next_in_xact = NULL;
			lp->saved = NULL;
			lp->slot = EL_NO_SLOT;
			lp->forgotten = lp->refused = 0;
			lp->left = lp->told = 0;
		}
		else
			hash_search(local_parts, &lp->key, HASH_REMOVE, NULL);
	}
	first_in_xact = NULL;
}
