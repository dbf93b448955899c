/*-------------------------------------------------------------------------
 *
 * local.h
 *	  What this backend's transaction did to partitions of groups.
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

#include "group/slots.h"

/* What a (sub)transaction's rollback takes back. */
typedef struct ElPartState
{
	int64		position;		/* next offset to deliver; -1: not known */
	int64		version;		/* committed entry it was derived from; -1:
								 * there was none */
	int64		committed;		/* what that said, or what this transaction
								 * will say; -1: nothing */
	bool		consumed;		/* this transaction delivered from here */
	bool		commit;			/* committed is to be written when this
								 * transaction commits */
	bool		tombstone;		/* it is to be written as a tombstone */
	bool		any_owner;		/* it is to be written whoever owns the
								 * partition (seek, latest, claim) */
	int64		first_offset;	/* first event delivered */
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
	ElMemberRef member;			/* the consuming member; incarnation 0: none */
	int64		epoch;			/* under which it consumed */
	bool		must_fail_commit;	/* under an earlier epoch it was given
									 * events that it never committed: its
									 * next commit() fails */
	Oid			topic;
	ElPartState state;

	/* of the current transaction */
	bool		in_xact;		/* in the list of those */
	bool		drop_at_end;	/* its position does not outlive the
								 * transaction */
	bool		locked;			/* it holds the ownership lock */
	bool		claim;			/* the lock was taken for a claim */
	ElSlotNo	slot;			/* while locked */
	uint64		held_for;		/* incarnation of the member whose xact_holds
								 * counts it; 0: none */
	ElSlotNo	held_slot;		/* that member's slot */
	int64		new_version;	/* given by the append at PRE_COMMIT */
	ElPartSave *saved;
	struct ElLocalPart *next_in_xact;
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

/* The session left the group (NULL: all groups). */
extern void el_local_forget(const char *group);

/* Its position means nothing any more. */
extern void el_local_remove(ElLocalPart *lp);

/* Did this transaction consume in the group as this member (NULL: the session)? */
extern bool el_local_consumed_by(const char *group, const char *member);

/* The member leaves in the middle of this transaction: what it has said it commits stays so. */
extern void el_local_release(const char *group, const ElMemberRef *ref);

/* May the part commit, whoever owns the partition or because its member does?  Lock held. */
extern bool el_local_may_commit(const ElLocalPart *lp);

/*
 * Ownership locks
 */
typedef enum ElLockResult
{
	EL_LOCK_OK,
	EL_LOCK_BUSY,				/* another transaction works on it */
	EL_LOCK_NOT_OWNED			/* not the member's any more */
} ElLockResult;

/*
 * Take the ownership lock of a partition until the transaction ends; never
 * waits.  With a member, it must own the partition since epoch.  On success
 * the committed offset is in *entry, resolved.  55006 if it is for a claim and
 * the group has members.
 */
extern ElLockResult el_part_lock(ElLocalPart *lp, ElSlotNo part,
								 const ElMemberRef *member, int64 epoch,
								 bool claim, ElEntry *entry);

/* Give back a lock that turned out to be of no use; nothing was done under it. */
extern void el_part_unlock(ElLocalPart *lp);

/* Lock by which one transaction at a time does the first take of a topic by a group. */
extern bool el_first_take_lock(const char *group, const pg_uuid_t *uuid);

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

/* Shared state: the transaction works on none of its partitions any more.  Lock held. */
extern void el_local_clear_holders(void);

/* Parts of a session go on to the next transaction, all others go.  Cannot fail. */
extern void el_local_end(bool is_commit);

#endif							/* EL_LOCAL_H */
