/*-------------------------------------------------------------------------
 *
 * group_copy.h
 *	  What is known about groups, copied out of shared memory.
 *
 * IDENTIFICATION
 *	  src/group/group_copy.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_GROUP_COPY_H
#define EL_GROUP_COPY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/uuid.h"

#include "group/catalog.h"
#include "group/slots.h"

/* A partition in a group. */
typedef struct ElPartCopy
{
	int32		partition;
	ElEntry		entry;			/* pending resolved, as far as it is decided */
	int64		start[2];		/* as in ElPart */
	int64		goes_on;		/* where the group goes on: its committed
								 * offset, its start, or EL_FROM_START or
								 * EL_FROM_END of the log */
	char		owner[EL_NAME_SIZE];	/* "": nobody */
	int32		holder;			/* pid, 0: nobody */
	bool		moving;			/* owner is not yet who it shall be */
	int64		delivered;		/* -1: nothing */
	int64		first_offset;	/* of the last delivery; -1: nothing */
	int64		events_lost;
	TimestampTz stuck_since;
	int32		redeliveries;
} ElPartCopy;

#define EL_FROM_START	INT64CONST(-1)
#define EL_FROM_END		PG_INT64_MAX

/* A topic in a group. */
typedef struct ElTopicCopy
{
	pg_uuid_t	uuid;
	bool		used;			/* the group has a place in it, or somebody
								 * reads it for the group */
	bool		has_offsets;	/* the group has committed in it */
	ElEntry		mark;			/* pending resolved, likewise */
	int			start_set;		/* as in ElGroupTopic */
	int64	   *starts;			/* by partition, where they were read from the
								 * topic; NULL: they stand in the parts */
	int			nparts;
	ElPartCopy *parts;			/* by partition; those that nothing is known
								 * of are missing */
} ElTopicCopy;

typedef struct ElMemberCopy
{
	char		name[EL_NAME_SIZE];
	bool		named;
	int32		pid;
	int32		xact_pid;		/* 0: holds no partition */
	int32		nowned;
	int64		epoch;
	uint64		incarnation;
	int64		fenced_count;
	TimestampTz last_seen;
	int			ntopics;
	Oid		   *topics;
} ElMemberCopy;

typedef struct ElGroupCopy
{
	char		name[EL_NAME_SIZE];
	ElGroupConf conf;
	int32		use;			/* ElGroupUse */
	int64		epoch;			/* 0: never had members */
	bool		changing;		/* ownership is not yet what it shall be */
	int			nmembers;
	ElMemberCopy *members;		/* in order of joining */
	int			ntopics;
	ElTopicCopy *topics;		/* sorted by uuid */
} ElGroupCopy;

/*
 * All groups of this database, sorted by name: those in use, those with committed
 * offsets or marks, and those that create_group() made; or (only_members) at
 * least all that have members.  Takes the groups' lock and releases it.  On a
 * standby there is no coordinator: what is known there comes from the tables, as
 * the active snapshot sees them.
 */
typedef struct ElGroupScan ElGroupScan;
extern ElGroupScan *el_group_scan_begin(bool only_members);

/*
 * The next group; NULL at the end.  Up to then the current memory context is one
 * that is reset by the next call.
 */
extern ElGroupCopy *el_group_scan_next(ElGroupScan *scan);

/* What is known of a partition, be it that there is nothing to know. */
extern void el_get_part_copy(const ElGroupCopy *c, const ElTopicCopy *t,
							 int32 partition, ElPartCopy *p);

/* Epochs are counted from a random number that makes them unique; people need only the rest. */
extern int64 el_shown_epoch(int64 epoch);

#endif							/* EL_GROUP_COPY_H */
