/*-------------------------------------------------------------------------
 *
 * offsets_topic.h
 *	  The topic of committed offsets and start marks: finding and reading it.
 *
 * IDENTIFICATION
 *	  src/group/offsets_topic.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_OFFSETS_TOPIC_H
#define EL_OFFSETS_TOPIC_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/hsearch.h"
#include "utils/snapshot.h"

#include "group/state.h"
#include "positions/internal.h"

/*
 * The table that stores committed offsets: topic and its only partition.  False
 * without the extension; the latter function raises 42P01 then.
 */
extern ElInternalTopic el_offsets_internal;
extern bool el_offsets_relations(Oid *topic, Oid *leaf);
extern void el_offsets_require_relations(Oid *topic, Oid *leaf);

/* A committed offset, or a start mark (EL_MARK_PARTITION), read from the topic. */
typedef struct ElOffset
{
	ElPartKey	key;
	struct ElOffsetGroup *group;
	struct ElOffset *next_of_group;
	int64		next;			/* of a mark: the number of starts */
	int64	   *starts;			/* of a mark: by partition, -1: not said */
	int64		version;		/* its offset; -1: only a pending one was
								 * found */
	int64		time_ms;		/* when it was committed */
	bool		topic_exists;	/* for who loads them */
	FullTransactionId fxid;
	FullTransactionId pending_fxid;
	int64		pending_next;
	int64	   *pending_starts;
	int64		pending_version;
} ElOffset;

/* All that was read of a group. */
typedef struct ElOffsetGroup
{
	char		name[EL_NAME_SIZE]; /* hash key */
	ElOffset   *first;
	int32		n;				/* offsets */
	int64		last;			/* the latest event's offset */
	bool		needed;			/* ElOffsets.needed says so */
	struct ElOffsetGroup *next; /* in the order of their first events */
} ElOffsetGroup;

typedef struct ElOffsets
{
	HTAB	   *offsets;		/* of ElOffset, by key */
	HTAB	   *groups;			/* of ElOffsetGroup, by name */
	ElOffsetGroup *first_group;
	ElOffsetGroup *last_group;
	int64		end;			/* the topic was read up to here */

	bool		all;			/* undecided events are read, too, and become
								 * pending; else what the snapshot sees */
	MemoryContext mcxt;

	/* what is read; may be set before the first el_offsets_read_on() */
	const char *only_group;		/* NULL: of all */
	const pg_uuid_t *only_topic;	/* NULL: all */
	int			stripes;		/* 0: all groups; else those of one part of so
								 * many, */
	int			stripe;			/* which is this */
	int64		warn_from;		/* a WARNING for what is no committed offset,
								 * from this offset on */

	/*
	 * If the offsets of groups that are not needed become more than twice the
	 * limit, those of the groups that have committed least recently are left
	 * out, until there are no more than the limit.
	 */
	int64		limit;			/* -1: none */
	int64		unneeded;		/* so many there are */
	HTAB	   *needed;			/* names; NULL: none */
	bool		some_left_out;
	void		(*leave_out) (const char *group);
	bool		(*was_left_out) (const char *group);
} ElOffsets;

/* To be read from that offset on, into the current memory context. */
extern ElOffsets *el_offsets_begin(bool all, int64 from);

/* Read what has come since. */
extern void el_offsets_read_on(ElOffsets *offsets, Snapshot snapshot);

/* All of it, of one group and one topic (NULL: of all). */
extern ElOffsets *el_offsets_read(Snapshot snapshot, bool all,
								  const char *only_group,
								  const pg_uuid_t *only_topic);

/* Put the groups that have committed most recently first. */
extern void el_offsets_sort_groups(ElOffsets *offsets);

/* Sort what was read of a group by topic and partition. */
extern void el_offsets_sort_group(ElOffsetGroup *og);

/* NULL if nothing was read of that group. */
extern ElOffsetGroup *el_offsets_of_group(const ElOffsets *offsets,
										  const char *group);

#endif							/* EL_OFFSETS_TOPIC_H */
