/*-------------------------------------------------------------------------
 *
 * local.h
 *	  What this backend's transaction knows of partitions of groups.
 *
 * Each fact is of one of two kinds, and the struct it stands in says which.
 * What was delivered and what shall be committed rewinds with savepoints
 * (ElPartState).  What has happened for others to see never does: locks, a
 * commit() that was refused, a membership that ended (ElLocalPart).  The two
 * meet in comparisons: ownerships never come back, so that one was lost, left
 * or refused holds for what was consumed under it, and for nothing else.
 *
 * IDENTIFICATION
 *	  src/group/local.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LOCAL_H
#define EL_LOCAL_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "group/offsets.h"
#include "group/slots.h"

/* A member that consumed in this transaction and left before the next one had the partition. */
typedef struct ElHand
{
	bool		named;			/* or the session */
	char		name[EL_NAME_SIZE];
	const struct ElHand *before;
} ElHand;

/* What a (sub)transaction's rollback takes back. */
typedef struct ElPartState
{
	ElMemberRef member;			/* to whom events were delivered; incarnation
								 * 0: to nobody, or a claim */
	int64		epoch;			/* since when it owned the partition */
	int64		position;		/* next offset to deliver to it; -1: as
								 * committed */
	int64		version;		/* committed entry that position was derived
								 * from; -1: there was none */
	int64		committed;		/* what that said, or (commit) what this
								 * transaction says; -1: nothing */
	uint64		consumed;		/* number of the consumption: what this
								 * transaction delivered from here and stands;
								 * 0: nothing */
	const ElHand *hands;		/* ... also to these, the last one first */
	bool		commit;			/* committed is to be written when this
								 * transaction commits; -1: as a tombstone */
	bool		any_owner;		/* ... whoever owns the partition (seek,
								 * claim, drop) */
	int64		owed;			/* under ownerships up to this epoch the
								 * session was given events that it never
								 * committed, and it lost them: its next
								 * commit() has to say so; 0: nothing */
	int64		events_skipped; /* because they were gone */
} ElPartState;

typedef struct ElPartSave
{
	SubTransactionId subid;		/* state as it was when that began */
	ElPartState state;
	struct ElPartSave *next;	/* of an outer subtransaction */
} ElPartSave;

typedef struct ElLocalPart
{
	ElPartKey	key;
	Oid			topic;
	ElPartState state;
	ElPartSave *saved;

	/* Of the current transaction, and never rewound. */
	bool		in_xact;		/* in the list of those */
	struct ElLocalPart *next_in_xact;

	bool		locked;			/* it holds the ownership lock */
	bool		claim;			/* the lock was taken for a claim */
	ElSlotNo	slot;			/* while locked */
	ElEntry		entry;			/* while locked: the committed offset,
								 * resolved */
	ElStart		start;			/* while locked: what the start mark says */
	FullTransactionId resolved; /* the pending one that was found to have
								 * ended; or invalid */
	uint64		held_for;		/* incarnation of the member whose xact_holds
								 * counts it; 0: none */
	ElSlotNo	held_slot;		/* that member's slot */
	int64		new_version;	/* given by the append at PRE_COMMIT */
	ElHand	   *spare;			/* for el_local_set_member() */

	int64		left;			/* a member left while it owned the locked
								 * partition since this epoch: what was
								 * consumed under ownerships up to that may be
								 * committed; 0: none did */
	uint64		forgotten;		/* the session left at that time: what it was
								 * given under numbers up to this counts no
								 * more; 0: it did not */
	uint64		refused;		/* number of the consumption that a commit()
								 * was refused for; 0: none */
	int			refused_code;	/* SQLSTATE it was refused with */
	int64		told;			/* commit() has reported what was lost under
								 * ownerships up to this epoch; 0: none */
} ElLocalPart;

/*
 * Parts
 */

/* NULL if this backend knows nothing of the partition. */
extern ElLocalPart *el_local_find(const ElPartKey *key);

/* Made if need be; the end of the transaction looks at it from now on. */
extern ElLocalPart *el_local_get(const ElPartKey *key, Oid topic);

/* Its state is about to change: remember it for a rollback. */
extern void el_local_save(ElLocalPart *lp);

/* All parts of a group, or only those of this transaction. */
extern List *el_local_parts(const char *group, bool in_xact_only);

/* The committed offset as this transaction sees it; -1: none. */
static inline int64
el_local_committed(const ElLocalPart *lp, const ElEntry *entry)
{
	return lp != NULL && lp->state.commit ? lp->state.committed : entry->next;
}

/*
 * Whose deliveries they are.  member is a name; NULL is the session.
 */

/* Were the part's events delivered to that member, in whatever incarnation? */
extern bool el_local_is_of(const ElLocalPart *lp, const char *member);

/* Is what this transaction has consumed from the part, or some of it, that member's? */
extern bool el_local_concerns(const ElLocalPart *lp, const char *member);

/* Did this transaction consume in the group as the member, which did not leave since? */
extern bool el_local_consumed_by(const char *group, const char *member);

/* Saves the state, and has what el_local_set_member() may need, which is called where nothing can be allocated. */
extern void el_local_reserve(ElLocalPart *lp);

/* From now on the part's events go to the member that owns it since epoch, or (incarnation 0) to a claim.  Reserved. */
extern void el_local_set_member(ElLocalPart *lp, const ElMemberRef *member,
								int64 epoch);

/* Events are delivered from the part; its state was saved. */
extern void el_local_set_consumed(ElLocalPart *lp);

/* Has the session lost what it was given under an earlier ownership, and not left since? */
extern bool el_local_owes(const ElLocalPart *lp);

/* Has the session left, so that what earlier transactions were given means nothing any more? */
extern bool el_local_given_up(const ElLocalPart *lp);

/* Does the member that consumed own the partition as it did then, or did it leave while it did?  Lock held. */
extern bool el_local_still_owned(const ElLocalPart *lp, ElSlotNo part);

/* May the part be committed: by its owner, or whoever owns the partition?  Lock held. */
extern bool el_local_may_commit(const ElLocalPart *lp);

/* The member leaves in the middle of this transaction, which may still commit what it consumed while it owned it. */
extern void el_local_leave(const char *group, const ElMemberRef *ref);

/* The session has left the group (NULL: all groups): its positions mean nothing any more. */
extern void el_local_forget(const char *group);

/* The group is dropped: positions in it mean nothing, unless that is rolled back. */
extern void el_local_drop(const char *group);

/*
 * The end of the transaction (xact.c)
 */
typedef enum ElXactPhase
{
	EL_XACT_OPEN,
	EL_XACT_CLOSED,				/* our PRE_COMMIT is over: nothing can be
								 * committed any more */
	EL_XACT_COMMITTED,
	EL_XACT_ABORTED				/* or prepared, with nothing of ours in it */
} ElXactPhase;

extern ElXactPhase el_local_phase(void);
extern void el_local_set_phase(ElXactPhase phase);

/* Parts of this transaction, linked by next_in_xact. */
extern ElLocalPart *el_local_first_in_xact(void);

/* States become what they were before the subtransaction (InvalidSubTransactionId: before all). */
extern void el_local_rollback(SubTransactionId subid);

/* What the subtransaction saved becomes its parent's. */
extern void el_local_merge(SubTransactionId subid, SubTransactionId parent);

/* Parts of a session go on to the next transaction, all others go.  Cannot fail. */
extern void el_local_end(bool is_commit);

#endif							/* EL_LOCAL_H */
