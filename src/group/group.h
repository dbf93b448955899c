/*-------------------------------------------------------------------------
 *
 * group.h
 *	  Consumer groups: shared state, a backend's part of it, and delivery.
 *
 * See README for the idea.  Shared memory holds slots of one size, linked by
 * number, under one LWLock; a backend keeps what its transaction did to a
 * partition in an ElLocalPart, whose values roll back with savepoints.
 *
 * IDENTIFICATION
 *	  src/group/group.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_GROUP_H
#define EL_GROUP_H

#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/arguments.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/extension.h"
#include "storage/log.h"
#include "rows/rows.h"
#include "topic/checks.h"
#include "topic/log_floor.h"
#include "topic/topic.h"
#include "topic/topic_views.h"

/* Names of groups and members take at most 63 bytes. */
#define EL_NAME_SIZE	64

/*
 * Slots
 */
typedef int32 ElSlot;
#define EL_NO_SLOT		(-1)
#define EL_SLOT_SIZE	192

typedef enum ElSlotKind
{
	EL_SLOT_FREE = 0,
	EL_SLOT_DB,
	EL_SLOT_GROUP,
	EL_SLOT_TOPIC,
	EL_SLOT_PART,
	EL_SLOT_MEMBER,
	EL_SLOT_SUB
} ElSlotKind;

typedef struct ElSlotHead
{
	int32		kind;			/* ElSlotKind */
	ElSlot		next;			/* in its hash bucket, or in the free list */
} ElSlotHead;

/* State of the cache of committed offsets of one database. */
typedef enum ElCacheState
{
	EL_CACHE_INVALID = 0,
	EL_CACHE_BUILDING,
	EL_CACHE_VALID
} ElCacheState;

/* Per database. */
typedef struct ElDb
{
	ElSlotHead	head;
	Oid			dbid;
	int32		cache_state;	/* ElCacheState */
	uint32		relnumber;		/* file of the offsets topic that the cache mirrors */
	uint64		cache_gen;		/* entries of another generation mean nothing */

	bool		prepared;		/* a prepared transaction wrote offsets by itself */
	bool		compact_due;	/* the offsets topic has grown */
	bool		compact_waits;	/* it could not be compacted the last time: no hurry */
} ElDb;

/* How a group is used at the moment. */
typedef enum ElGroupUse
{
	EL_USE_NONE = 0,
	EL_USE_MEMBERS,
	EL_USE_CLAIMS
} ElGroupUse;

typedef struct ElGroup
{
	ElSlotHead	head;
	Oid			dbid;
	char		name[EL_NAME_SIZE];
	int32		use;			/* ElGroupUse; sticks after the last one left */
	ElSlot		next_group;		/* list of all groups */
	ElSlot		first_topic;
	ElSlot		first_member;	/* in order of joining */
	ElSlot		last_member;
	int32		nmembers;
	int32		nparts;			/* partition slots */
	int32		claimers;		/* partitions locked by claims, until their finish() */
	int32		held;			/* partitions locked by anybody, likewise */
	bool		reconcile;		/* ownership may be able to follow the target further */
	int64		epoch;			/* goes up with each change of members or topics */
	int64		assignment_epoch;	/* epoch for which targets were computed */
	int64		max_poll_ms;	/* options, as of the last call */
	int64		session_timeout_ms;
	int64		last_used_ms;	/* monotonic */
} ElGroup;

/* A topic in a group. */
typedef struct ElGroupTopic
{
	ElSlotHead	head;			/* not hashed */
	ElSlot		group;
	ElSlot		next_topic;		/* of the group */
	ElSlot		first_part;
	pg_uuid_t	uuid;
	Oid			relid;			/* InvalidOid until somebody uses the topic */
	int32		npartitions;	/* as its users told */
	int32		nsubscribers;
	int32		ordinal;		/* scratch of whoever computes an assignment */
	bool		claimed;		/* claims have read it: what a wait looks at */
} ElGroupTopic;

/*
 * A committed offset as cached.  version is the offset of the event that
 * recorded it, -1: there is none; next is -1 if the group was dropped.
 */
typedef struct ElEntry
{
	uint64		gen;			/* of the cache */
	int64		next;			/* next offset to consume */
	int64		version;
	FullTransactionId fxid;		/* who wrote it */

	/* appended by a transaction that may be undecided; readers find out */
	FullTransactionId pending_fxid; /* invalid: none */
	int64		pending_next;
	int64		pending_version;
} ElEntry;

/* A partition in a group. */
typedef struct ElPart
{
	ElSlotHead	head;			/* hashed by group, topic uuid, partition */
	ElSlot		group;
	ElSlot		topic;
	ElSlot		next_part;		/* of the topic */
	int32		partition;

	ElEntry		entry;

	ElSlot		owner;			/* member, or EL_NO_SLOT */
	ElSlot		target;			/* member that shall own it */
	ElSlot		owned_next;		/* list of its owner's partitions */
	ElSlot		owned_prev;
	int64		epoch;			/* the group's epoch when its owner got it */
	int32		holder;			/* pid whose transaction holds the lock; 0: nobody */
	bool		claimed;		/* holder is a claim */
	bool		outstanding;	/* delivered events await their commit */

	int64		delivered;		/* end of what was delivered last; -1: nothing */
	uint64		delivered_seq;	/* which consuming transaction of its member that was */
	int64		first_offset;	/* first event of the last delivery; -1: none */
	int64		events_lost;
	TimestampTz stuck_since;	/* first delivery that began at first_offset */
	int32		redeliveries;	/* further deliveries that began there */
	int64		held_since_ms;	/* monotonic; when holder took the lock */
} ElPart;

typedef struct ElMember
{
	ElSlotHead	head;			/* hashed by group and name */
	ElSlot		group;
	ElSlot		next_member;	/* of the group */
	ElSlot		first_sub;
	ElSlot		first_owned;
	int32		nowned;
	char		name[EL_NAME_SIZE];
	bool		named;			/* false: a database session */
	bool		heartbeats;		/* it has sent one: session_timeout applies */
	bool		news;			/* its assignment changed since it was last told */
	int32		pid;			/* of the session, or of the last caller */
	uint64		incarnation;	/* never repeats */
	int64		epoch;			/* the assignment it has come to */
	int64		last_call_ms;	/* monotonic; max_poll_interval counts from here */
	int64		last_heard_ms;	/* ... and session_timeout from here: calls and heartbeats */
	TimestampTz last_seen;
	int32		xact_pid;		/* backend whose transaction holds locks of this member */
	int32		xact_holds;		/* how many */
	int32		ordinal;		/* scratch of whoever computes an assignment */
	uint32		rotor;			/* where the next call starts */
	uint64		last_seq;		/* its last consuming transaction that committed */
	int64		fenced_count;
} ElMember;

typedef struct ElSub
{
	ElSlotHead	head;			/* not hashed */
	ElSlot		next_sub;
	ElSlot		topic;
} ElSub;

/* One that sleeps until there is something for it. */
#define EL_WAITER_KEYS 16
#define EL_WAITER_GROUPS 4
typedef struct ElWaiter
{
	Latch	   *latch;			/* NULL: free */
	int32		pid;
	Oid			dbid;
	bool		any_group;		/* more groups than fit */
	bool		any_topic;		/* more partitions than fit */
	bool		want_free;		/* it met a partition that somebody works on */
	int32		ngroups;
	ElSlot		groups[EL_WAITER_GROUPS];	/* whose assignment changes concern it */
	int32		nkeys;
	Oid			keys[EL_WAITER_KEYS];	/* partitions' tables */
} ElWaiter;

typedef struct ElShared
{
	LWLock		lock;			/* everything but the waiters */
	LWLock		wait_lock;		/* the waiters; never taken before lock */
	int			lock_tranche;
	int			wait_tranche;

	int32		nslots;
	int32		nfree;
	ElSlot		first_free;
	uint32		bucket_mask;
	ElSlot		first_group;
	uint64		next_number;	/* epochs and incarnations: starts at a random place */

	Latch	   *worker_latch;	/* NULL: not running */
	Oid			unfinished_db;	/* a maintenance round that has not come to the end ... */
	Oid			unfinished_topic;	/* ... but to this topic */

	int32		max_waiters;
	pg_atomic_uint32 nwaiters;	/* registered; read without a lock by whoever might signal */
	int32		waiters_high;	/* no waiter at or beyond it */
} ElShared;

extern ElShared *el_shared;
extern ElSlot *el_buckets;
extern char *el_slots;
extern ElWaiter *el_waiters;

#define EL_HEAD(s)		((ElSlotHead *) (el_slots + (Size) (s) * EL_SLOT_SIZE))
#define EL_DB(s)		((ElDb *) EL_HEAD(s))
#define EL_GROUP(s)		((ElGroup *) EL_HEAD(s))
#define EL_TOPIC(s)		((ElGroupTopic *) EL_HEAD(s))
#define EL_PART(s)		((ElPart *) EL_HEAD(s))
#define EL_MEMBER(s)	((ElMember *) EL_HEAD(s))
#define EL_SUB(s)		((ElSub *) EL_HEAD(s))

/*
 * slots.c: the memory.  All below with the lock held; those that allocate
 * raise 53200 before anything is changed.
 */
#define el_group_lock(mode) LWLockAcquire(&el_shared->lock, (mode))
#define el_group_unlock()	LWLockRelease(&el_shared->lock)

extern void el_slots_reserve(int32 n);
extern ElSlot el_slot_new(ElSlotKind kind);	/* after el_slots_reserve; not hashed yet */
extern void el_slot_link(ElSlot s); /* into the hash table, once its key is set */
extern void el_slot_free(ElSlot s);
extern ElSlot el_db_find(Oid dbid);
extern ElSlot el_db_get(Oid dbid);
extern ElSlot el_group_find(Oid dbid, const char *name);
extern ElSlot el_group_get(Oid dbid, const char *name);
extern ElSlot el_group_topic_find(ElSlot group, const pg_uuid_t *uuid);
/* Makes the slots of partitions that are missing; relid InvalidOid: only known from its offsets. */
extern ElSlot el_group_topic_get(ElSlot group, const pg_uuid_t *uuid, Oid relid,
								 int32 npartitions);
extern ElSlot el_part_find(ElSlot group, const pg_uuid_t *uuid,
						   int32 partition);
extern ElSlot el_part_get(ElSlot group, ElSlot topic, int32 partition);
/* A named member; sessions' are found through their session only. */
extern ElSlot el_member_find(ElSlot group, const char *name);
extern bool el_part_matches(ElSlot part, const char *group,
							const pg_uuid_t *uuid, int32 partition);

extern void el_check_name(const char *what, const char *name);

/*
 * coordinator.c: the group's steps.  All with the lock held.
 */
extern ElSlot el_member_join(ElSlot group, const char *name, bool named);
/* A new incarnation of a named member. */
extern void el_member_rejoin(ElSlot member);
extern void el_member_leave(ElSlot member);
/* true if that changed anything */
extern bool el_member_subscribe(ElSlot member, ElSlot topic);
extern bool el_member_unsubscribe(ElSlot member, ElSlot topic);
extern bool el_member_subscribed(ElSlot member, ElSlot topic);
extern void el_group_changed(ElSlot group);
/*
 * Steps 2 and 3 for a group, if there is anything to do; yielding: the member
 * whose call this is, or EL_NO_SLOT.  Returns true if ownership changed: call
 * el_wake_group() once the lock is released.
 */
extern bool el_group_steps(ElSlot group, ElSlot yielding);
/* Give back what nothing refers to any more; a database that is gone takes its groups with it. */
extern bool el_group_sweep(ElSlot group, int64 idle_ms);
extern void el_db_drop(Oid dbid);
/* The topic is gone: take it off all subscriptions.  Cannot fail. */
extern void el_topic_dropped(Oid dbid, Oid relid);

/*
 * member.c: joining, and what a call of a member gets to know
 */

/* Options of a group, and the right to use it. */
typedef enum ElOnLost
{
	EL_LOST_ERROR,
	EL_LOST_EARLIEST,
	EL_LOST_LATEST
} ElOnLost;

typedef struct ElGroupConf
{
	char		name[EL_NAME_SIZE];
	bool		exists;			/* made by create_group */
	Oid			owner;
	bool		start_latest;
	ElOnLost	on_lost;
	int64		session_timeout_ms;
	int64		max_poll_ms;
	int64		expire_after_ms;	/* -1: never */
	int64		noted_ms;		/* when it was created or the worker last noted it in use, ms since 1970 */
} ElGroupConf;

/* A topic that a call is about; locked. */
typedef struct ElWant
{
	ElTopic    *topic;
	Oid			relid;
	pg_uuid_t	uuid;
	int32		npartitions;
	bool		no_offsets;		/* the group has committed nothing in it */
} ElWant;

/* A named member as a caller names it: 'name', or 'name#incarnation' as join_group() returned it. */
typedef struct ElMemberName
{
	char		name[EL_NAME_SIZE];
	uint64		incarnation;	/* 0: whichever there is */
} ElMemberName;

/* A member, so that it can be recognised later. */
typedef struct ElMemberRef
{
	ElSlot		slot;
	uint64		incarnation;	/* 0: no member (claims, seek) */
	bool		named;
	char		name[EL_NAME_SIZE];
} ElMemberRef;

/* A partition that a call may deliver from. */
typedef struct ElAssigned
{
	ElSlot		part;
	ElWant	   *want;
	int32		partition;
	int64		epoch;
	int32		holder;			/* pid that held the lock a moment ago */
	ElEntry		entry;			/* pending not resolved */
} ElAssigned;

typedef struct ElAssignment
{
	ElSlot		group;
	ElMemberRef member;
	uint32		rotor;
	int32		n;
	ElAssigned *parts;
} ElAssignment;

/*
 * Topics of a member's subscription, locked, that the caller may read (else
 * 42501); the caller frees nothing.  member NULL: this session's, everywhere
 * below.
 */
extern List *el_member_topics(const ElGroupConf *conf,
							  const ElMemberName *member);
extern ElWant *el_want(Oid relid);

/* What a member's call does to its membership. */
typedef enum ElJoin
{
	EL_JOIN_NO,					/* a non-member is EL001 */
	EL_JOIN_ADD,				/* join if it must, and subscribe to the topics */
	EL_JOIN_AFRESH				/* as a new incarnation, subscribed to just these */
} ElJoin;

/*
 * A member calls: its news is taken, the group's steps are driven, and what it
 * owns of the topics is returned.  With yield it is done with what it was
 * given before.  Errors: EL001, 40L01 (put out while it worked, or replaced by
 * a later incarnation), 55006 (busy in another session; group used by claims),
 * 53200.
 */
extern void el_member_call(const ElGroupConf *conf,
						   const ElMemberName *member, List *wants,
						   ElJoin join, bool yield, ElAssignment *result);
/*
 * The member that acts, or the errors above.  working: this is a call for
 * max_poll_interval, and nothing for a member busy in another session.
 */
extern void el_member_require(const char *group, const ElMemberName *member,
							  bool working, ElMemberRef *ref);
/* Lock held: the member's slot if it is still there. */
extern ElMember *el_member_of_ref(const ElMemberRef *ref);
/* All partitions of the topics, for claims. */
extern void el_claim_call(const ElGroupConf *conf, List *wants,
						  ElAssignment *result);
extern bool el_group_used_by_claims(const char *group);
extern List *el_claimed_topics(const char *group);
/* The session's membership of a group; false if it has none. */
extern bool el_session_member(const char *group, ElMemberRef *ref);
extern void el_session_init(void);	/* before a session may join */
extern void el_session_leave_all(void);
extern void el_session_leave(const char *group);
extern void el_session_forget(const char *group);

/* DISCARD ALL: the session leaves all its groups. */
extern void el_session_discard(void);

/*
 * What eventlog.c calls
 */
extern Size el_group_shmem_size(void);
extern void el_group_shmem_init(void);	/* AddinShmemInitLock is held */
extern void el_group_xact(XactEvent event);
extern void el_group_subxact(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent);
extern void el_group_after_locks(bool is_commit);	/* top-level only; must not fail */
extern void el_group_utility_done(Node *stmt);
extern void el_offsets_forget_relations(Datum arg, int cacheid, uint32 hashvalue);	/* syscache callback */

/*
 * local.c: what this transaction did, and ownership locks
 */

/* What a (sub)transaction's rollback takes back. */
typedef struct ElPartValues
{
	int64		position;		/* next offset to deliver; -1: not known */
	int64		version;		/* committed entry it was derived from; -1: there was none */
	int64		committed;		/* what that said, or what this transaction will say; -1: nothing */
	bool		consumed;		/* this transaction delivered from here */
	bool		commit;			/* committed is to be written when this transaction commits */
	bool		tombstone;		/* ... as a tombstone */
	bool		forced;			/* ... whoever owns the partition (seek, latest, claim) */
	int64		first_offset;	/* first event delivered */
	int64		lost;			/* events skipped because they were gone */
} ElPartValues;

typedef struct ElPartSave
{
	SubTransactionId subid;		/* values as they were when it began */
	ElPartValues values;
	struct ElPartSave *next;	/* of an outer subtransaction */
} ElPartSave;

typedef struct ElPartKey
{
	char		group[EL_NAME_SIZE];
	pg_uuid_t	uuid;
	int32		partition;
} ElPartKey;

typedef struct ElLocalPart
{
	ElPartKey	key;
	ElMemberRef member;			/* who consumed; incarnation 0: nobody */
	int64		epoch;			/* under which it did */
	bool		lost;			/* under an earlier one it was given events that it never
								 * committed: its next commit() fails */
	Oid			topic;
	ElPartValues v;

	/* of the current transaction */
	bool		touched;		/* in the list of those */
	bool		forgotten;		/* its position does not outlive the transaction */
	bool		locked;			/* it holds the ownership lock */
	bool		claim;			/* ... for a claim */
	ElSlot		slot;			/* while locked */
	uint64		held_for;		/* incarnation of the member whose xact_holds counts it; 0: none */
	ElSlot		held_slot;		/* ... and its slot */
	int64		new_version;	/* given by the append at PRE_COMMIT */
	ElPartSave *saved;
	struct ElLocalPart *next_touched;
} ElLocalPart;

extern ElLocalPart *el_local_find(const char *group, const pg_uuid_t *uuid,
								  int32 partition);
extern ElLocalPart *el_local_get(const char *group, const ElWant *want,
								 int32 partition);
/* Values are about to change: remember them for a rollback. */
extern void el_local_save(ElLocalPart *lp);
/* All parts of a group, or (touched_only) those of this transaction. */
extern List *el_local_parts(const char *group, bool touched_only);
extern void el_local_forget(const char *group);	/* the session left */
extern void el_local_remove(ElLocalPart *lp);
extern bool el_local_consumed_by(const char *group, const char *member);

typedef enum ElLockResult
{
	EL_LOCK_OK,
	EL_LOCK_BUSY,				/* another transaction works on it */
	EL_LOCK_LOST				/* not the member's any more */
} ElLockResult;

/*
 * Take the ownership lock of a partition until the transaction ends; never
 * waits.  With a member, it must own the partition since epoch.  On success
 * the committed offset is in *entry, resolved.
 */
extern ElLockResult el_part_lock(ElLocalPart *lp, ElSlot part,
								 const ElMemberRef *member, int64 epoch,
								 bool claim, ElEntry *entry);
extern void el_part_unlock(ElLocalPart *lp);
/* Lock by which one transaction at a time does the first take of a topic by a group. */
extern bool el_first_take_lock(const char *group, const pg_uuid_t *uuid);
extern void el_lock_tag(LOCKTAG *tag, const char *group, const pg_uuid_t *uuid,
						int32 partition);
/* Is our PRE_COMMIT over?  Nothing can be committed any more then. */
extern bool el_local_closed(void);
/* The member leaves in the middle of this transaction: what it has said it commits stays so. */
extern void el_local_release(const char *group, const ElMemberRef *ref);

/*
 * notes.c: what others have to know when this transaction has ended
 */
extern void el_note_append(Oid topic, Oid leaf);	/* ElTopicCallbacks */
extern void el_note_topic(Oid topic, bool dropped); /* ElTopicCallbacks */
/* A group whose members shall be removed if this transaction commits. */
extern void el_note_dropped_group(const char *group);
extern bool el_notes_pending(void);
extern void el_notes_check_prepare(void);	/* 0A000 for what cannot be prepared */
extern void el_notes_prepared(void);
extern void el_notes_subxact(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent);
extern void el_notes_finish(bool is_commit);	/* must not fail */

/*
 * offsets.c: committed offsets
 */
typedef struct ElOffsetKey
{
	char		group[EL_NAME_SIZE];
	pg_uuid_t	uuid;
	int32		partition;
} ElOffsetKey;

/* The table that stores committed offsets: topic and its only partition. */
extern bool el_offsets_relations(Oid *topic, Oid *leaf);
/* See that the cache mirrors the topic (primary only).  Once per call. */
extern void el_offsets_ensure(void);
/* Take the coordinator's lock with a cache that is valid. */
extern void el_offsets_lock(LWLockMode mode);
/* With the lock held: is the cache valid? */
extern bool el_offsets_valid(void);
/* A copy of a part's entry with what belongs to another generation taken out; lock held. */
extern void el_entry_copy(ElSlot part, ElEntry *entry);
/*
 * Find out what became of a pending offset; without the lock.  Returns false
 * while that is undecided (the rest of the entry holds).
 */
extern bool el_entry_resolve(ElEntry *entry);
/*
 * Lowest offset of a partition that a group with committed offsets in the topic has yet to consume; INT64 max if
 * there is no such group.  For ElTopicCallbacks.
 */
extern int64 el_offsets_held(const pg_uuid_t *uuid, int32 partition);
/* Copy, resolve, and store the outcome for others. */
extern bool el_entry_read(ElSlot part, ElEntry *entry);
/* Is the transaction that wrote the entry visible to the snapshot? */
extern bool el_entry_visible(const ElEntry *entry, Snapshot snapshot);
/* Locks the topic for writing; commit() calls it. */
extern void el_offsets_prepare_commit(void);
/* At PRE_COMMIT: append the committed offsets of these parts. */
extern void el_offsets_append(ElLocalPart **parts, int nparts);
/* Tombstones for all of a group's committed offsets, with this transaction. */
extern void el_drop_offsets(const char *group);
extern void el_offsets_invalidate(void);
extern void el_offsets_note_prepared(void);
extern void el_offsets_prepared_ended(void);
/* Settle pending offsets of all databases before their xids grow old (worker). */
extern void el_offsets_fold_all(void);

/* A committed offset read from the topic. */
typedef struct ElOffset
{
	ElOffsetKey key;
	int64		next;
	int64		version;		/* its offset; -1: only a pending one was found */
	int64		time_ms;		/* when it was committed */
	FullTransactionId fxid;
	FullTransactionId pending_fxid;
	int64		pending_next;
	int64		pending_version;
} ElOffset;

/*
 * Read the topic itself into a hash of ElOffset, by key.  With all, undecided
 * ones become pending; otherwise only what the snapshot sees counts.
 */
extern HTAB *el_offsets_scan(Snapshot snapshot, bool all);

/*
 * offset_text.c: committed offsets as JSON text
 */
extern void el_offset_key_text(StringInfo buf, const ElOffsetKey *key);
extern void el_offset_value_text(StringInfo buf, int64 next);
/* False for what is not of that shape. */
extern bool el_offset_parse_key(const char *data, int32 len, ElOffsetKey *key);
extern bool el_offset_parse_value(const char *data, int32 len, int64 *next);

/*
 * deliver.c: from a partition into the result
 */
typedef struct ElDelivery
{
	const ElGroupConf *conf;
	Snapshot	snapshot;
	bool		claim;
	bool		commit;			/* what is delivered is committed with the transaction */
	ElRows	   *rows;
	int64		events_left;
	int64		bytes_left;
	int64		min_age_ms;		/* -1: none */

	/* what came of it */
	int64		nrows;
	bool		busy;			/* a partition with events was left to another transaction */
	int64		due_ms;			/* event time + min_age of the earliest held back; 0: none */
} ElDelivery;

extern void el_deliver(ElDelivery *d, ElAssignment *a);
/* Is there an event that el_deliver would deliver?  Takes no ownership lock. */
extern bool el_deliver_peek(ElDelivery *d, ElAssignment *a);

/*
 * consume.c: arguments common to the functions that deliver
 */
extern void el_consume_setup(ElDelivery *d, FunctionCallInfo fcinfo,
							 ElRowForm form, int64 max_events,
							 int64 max_bytes, Interval *min_age);

/*
 * arguments.c: arguments and checks that the SQL functions have in common
 */
extern char *el_text_to_name(const text *t, const char *what);
extern ElMemberName *el_text_to_member(const text *t);
/* Argument 0, not null. */
extern char *el_group_arg(FunctionCallInfo fcinfo);
/* Argument n, a topic: locked, readable by the caller, and with that partition (22023). */
extern ElWant *el_topic_arg(FunctionCallInfo fcinfo, int n, int64 partition);
extern void el_check_select(Oid relid);
/* 55006: another transaction works on the partition. */
extern void el_part_busy(const char *group, Oid topic,
						 int32 partition) pg_attribute_noreturn();

/*
 * catalog.c: _eventlog.groups
 */
extern void el_group_conf(const char *name, ElGroupConf *conf);
/* Of all groups that have a row; ElGroupConf *. */
extern List *el_group_confs(void);
/* May the caller use this group, which exists? */
extern bool el_group_may_use(const ElGroupConf *conf);
/* 42501 unless the caller may use the group / owns it. */
extern void el_group_check_use(const ElGroupConf *conf);
extern void el_group_check_owner(const ElGroupConf *conf);
/* Run SQL on the internal tables as their owner; returns the rows it was about. */
extern uint64 el_internal_sql(const char *sql, int nargs, Oid *types,
							  Datum *values);

/*
 * expire.c: take the committed offsets of groups that have not been used for expire_after (worker)
 */
extern void el_expire_groups(void);

/*
 * wait.c
 */
typedef struct ElWaitState
{
	int			index;			/* in the table, -1: not registered */
	int64		deadline_ms;	/* monotonic */
	int64		max_poll_ms;	/* the member must be heard of at least this often */
} ElWaitState;

extern void el_wait_begin(ElWaitState *w, int64 wait_ms);
/*
 * Say what would end the wait, before looking whether it is there already:
 * changes of these groups, and events in what is assigned.
 */
extern void el_wait_register(ElWaitState *w, const ElAssignment *a, int n);
extern void el_wait_want_free(ElWaitState *w);
/*
 * Sleep until signalled, or one second, or due (Unix ms; 0: none), or the
 * deadline.  False: the deadline has passed.
 */
extern bool el_wait_sleep(ElWaitState *w, int64 due_ms);
extern void el_wait_end(ElWaitState *w);
extern void el_wait_cleanup(int code, Datum arg);	/* el_wait_end for an error */
/*
 * Signal those who wait on a group / on partitions' tables / everybody of this
 * database; cannot fail.
 */
extern void el_wake_group(Oid dbid, ElSlot group, bool only_want_free);
extern void el_wake_leaves(const Oid *leaves, int n);
extern void el_wake_database(void);
extern void el_wake_worker(void);
/* Does this backend wait for events? */
extern bool el_waits(int pid);

#endif							/* EL_GROUP_H */
