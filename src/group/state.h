/*-------------------------------------------------------------------------
 *
 * state.h
 *	  What stands in shared memory: databases, groups, topics, partitions,
 *	  members and subscriptions, each in a slot.
 *
 * IDENTIFICATION
 *	  src/group/state.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_STATE_H
#define EL_STATE_H

#include "postgres.h"

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/uuid.h"

#include "positions/entry.h"

/* Names of groups and members take at most 63 bytes. */
#define EL_NAME_SIZE	64

typedef int32 ElSlotNo;
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
	ElSlotNo	next;			/* in its hash bucket, or in the free list */
} ElSlotHead;

/* Per database. */
typedef struct ElDb
{
	ElSlotHead	head;
	ElSlotNo	next_db;		/* list of all */
	Oid			dbid;
	uint32		relnumber;		/* file of the offsets topic that the cache
								 * mirrors */
	uint64		cache_gen;		/* entries of another generation mean nothing */

	/*
	 * What of the topic is not in slots.  A group that has committed offsets
	 * but no slots, or not all of them, is in the filter if both generations
	 * are the present ones.
	 */
	uint64		complete_gen;	/* cache_gen for which the topic was read and
								 * all groups were dealt with */
	uint64		filter_gen;		/* filling of the filter that has their names */
	bool		all_loaded;		/* there is no such group */
	int64		evicted_version;	/* highest version of an entry that went
									 * with its slot; -1: none did */
	uint64		evictions;		/* groups whose offsets went with their slots */
	int64		evicted_used_ms;	/* last call of such a group, if that was
									 * long after its last commit */
	int64		since_ms;		/* monotonic; calls and commits of before were
								 * made elsewhere: a start, a restore */
	uint64		topics_dropped; /* times that topics' slots were looked for,
								 * to be freed */
	int64		expiry_ms;		/* monotonic; when all was last looked over
								 * for what has expired */
	int32		expiry_stripe;	/* so much of it has been, since */

	int64		warned_end;		/* what of the topic before it is no committed
								 * offset has been reported */

	bool		prepared;		/* a prepared transaction wrote to the offsets
								 * topic, not by commit(): its end invalidates
								 * the cache */
	bool		compact_due;	/* an internal topic has grown */
	bool		compact_waits;	/* it could not be compacted the last time: no
								 * hurry */
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
	ElSlotHead	head;			/* hashed by database and name */
	Oid			dbid;
	char		name[EL_NAME_SIZE];
	int32		use;			/* ElGroupUse; sticks after the last one left */
	ElSlotNo	next_group;		/* list of all groups: room.c */
	ElSlotNo	prev_group;
	ElSlotNo	first_topic;
	ElSlotNo	first_member;	/* in order of joining */
	ElSlotNo	last_member;
	int32		nmembers;
	int32		nparts;			/* partition slots */
	int32		claimers;		/* partitions locked by claims, until their
								 * finish_xact() */
	int32		held;			/* partitions locked by anybody, likewise */
	bool		reconcile;		/* ownership may be able to follow the target
								 * further */
	bool		idle;			/* it stands among those that may be evicted */
	bool		has_dropped;	/* one of its topics does not exist any more */
	bool		has_gone;		/* it has committed offsets in topics that do
								 * not exist, which have no slots */
	int64		epoch;			/* goes up with each change of members or
								 * topics */
	int64		assignment_epoch;	/* epoch for which targets were computed */
	int64		max_poll_ms;	/* options, as of the last call */
	int64		session_timeout_ms;
	int64		last_used_ms;	/* monotonic; 0: not since the start */
	int64		last_commit_ms; /* likewise */
	uint64		loaded_gen;		/* cache_gen for which its parts' entries are
								 * what the topic says */
} ElGroup;

/* A topic in a group. */
typedef struct ElGroupTopic
{
	ElSlotHead	head;			/* hashed by group and uuid */
	ElSlotNo	group;
	ElSlotNo	next_topic;		/* of the group */
	ElSlotNo	first_part;
	pg_uuid_t	uuid;
	Oid			relid;			/* InvalidOid until somebody uses the topic */
	int32		npartitions;	/* as its users told */
	int32		nsubscribers;
	int32		ordinal;		/* scratch for an assignment */
	int32		place;			/* scratch for a call: in its list of topics */
	bool		claimed;		/* claims have read it: what a wait looks at */
	bool		dropped;		/* it does not exist any more: to be freed */
	uint8		start_set;		/* of each partition's start[], the one that
								 * mark means; the other is its pending one's */
	ElEntry		mark;			/* the group's start mark here: next is the
								 * number of starts, -1 if there is none */
} ElGroupTopic;

/* A partition in a group. */
typedef struct ElPart
{
	ElSlotHead	head;			/* hashed by group, topic uuid, partition */
	ElSlotNo	group;
	ElSlotNo	topic;
	ElSlotNo	next_part;		/* of the topic */
	int32		partition;

	ElEntry		entry;
	int64		start[2];		/* where the group's marks say it begins; -1:
								 * not said */

	ElSlotNo	owner;			/* member, or EL_NO_SLOT */
	ElSlotNo	target;			/* member that shall own it; it may have left */
	ElSlotNo	owned_next;		/* list of its owner's partitions */
	ElSlotNo	owned_prev;
	int64		epoch;			/* the group's epoch when its owner got it */
	int32		holder;			/* pid whose transaction holds the lock; 0:
								 * nobody */
	bool		claimed;		/* holder is a claim */
	bool		outstanding;	/* delivered events await their commit */

	int64		delivered;		/* end of what was delivered last; -1: nothing */
	uint64		delivered_seq;	/* which consuming transaction of its member
								 * that was */
	int64		delivered_version;	/* committed entry that goes before it; by
									 * any later one but its own member's
									 * (seek) it is void */
	int64		first_offset;	/* first event of the last delivery; -1: none */
	int64		events_lost;
	TimestampTz stuck_since;	/* first delivery that began at first_offset */
	int32		redeliveries;	/* further deliveries that began there */
	int64		held_since_ms;	/* monotonic; when holder took the lock */
} ElPart;

typedef struct ElMember
{
	ElSlotHead	head;			/* hashed by group and name */
	ElSlotNo	group;
	ElSlotNo	next_member;	/* of the group */
	ElSlotNo	first_sub;
	ElSlotNo	first_owned;
	int32		nowned;
	char		name[EL_NAME_SIZE];
	bool		named;			/* false: a database session */
	bool		heartbeats;		/* it has sent one: session_timeout applies */
	bool		news;			/* its assignment changed since it was last
								 * told */
	int32		pid;			/* of the session, or of the last caller */
	uint64		incarnation;	/* never repeats */
	int64		epoch;			/* the assignment it has come to */
	int64		last_call_ms;	/* monotonic; max_poll_interval counts from
								 * here */
	int64		last_heard_ms;	/* session_timeout counts from here: calls and
								 * heartbeats */
	TimestampTz last_seen;
	int32		xact_pid;		/* backend whose transaction holds locks of
								 * this member */
	int32		xact_holds;		/* how many */
	int32		ordinal;		/* scratch for an assignment */
	uint32		rotor;			/* where the next call starts */
	uint64		last_seq;		/* its last consuming transaction that
								 * committed */
	int64		fenced_count;
} ElMember;

typedef struct ElSub
{
	ElSlotHead	head;			/* hashed by member and topic */
	ElSlotNo	member;
	ElSlotNo	topic;
	ElSlotNo	next_sub;		/* of the member */
	ElSlotNo	prev_sub;
	Oid			role;			/* that asked for the topic */
} ElSub;

typedef struct ElShared
{
	LWLock		lock;			/* the coordinator's lock: all slots and what
								 * follows */
	int			lock_tranche;

	int32		nslots;
	int32		nfree;
	ElSlotNo	first_free;
	uint32		bucket_mask;
	ElSlotNo	first_db;
	ElSlotNo	first_group;	/* those in use, then those that may be
								 * evicted, the least recently used last */
	ElSlotNo	first_idle;
	ElSlotNo	last_group;
	uint64		next_number;	/* epochs and incarnations: starts at a random
								 * place */

	Latch	   *worker_latch;	/* NULL: not running */
	Oid			unfinished_db;	/* database of a maintenance round that came
								 * to no end */
	Oid			unfinished_topic;	/* the topic that it came to */
} ElShared;

/*
 * Names of a partition in a group, which outlive any slot; with EL_MARK_PARTITION, of the group's start
 * mark in the topic.  A hash key: made by el_part_key().
 */
typedef struct ElPartKey
{
	char		group[EL_NAME_SIZE];
	pg_uuid_t	uuid;			/* of the topic */
	int32		partition;
} ElPartKey;

#define EL_MARK_PARTITION	(-1)

/* A member, so that it can be recognised later. */
typedef struct ElMemberRef
{
	ElSlotNo	slot;
	uint64		incarnation;	/* 0: no member (claims, seek) */
	bool		named;
	char		name[EL_NAME_SIZE];
} ElMemberRef;

#endif							/* EL_STATE_H */
