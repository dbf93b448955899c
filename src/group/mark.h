/*-------------------------------------------------------------------------
 *
 * mark.h
 *	  What this backend's transaction says of start marks.
 *
 * IDENTIFICATION
 *	  src/group/mark.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_MARK_H
#define EL_MARK_H

#include "postgres.h"

#include "group/offsets.h"
#include "group/slots.h"

/* Of one group in one topic, from one subtransaction on. */
typedef struct ElMarkState
{
	SubTransactionId subid;
	int32		n;				/* number of starts; -1: the mark is dropped */
	int64	   *starts;			/* by partition; -1: it has an offset */
	bool		afresh;			/* the group was dropped before */
	struct ElMarkState *outer;	/* what was said before */
} ElMarkState;

/* A topic in which this transaction alone may begin a group, or end it. */
typedef struct ElLocalMark
{
	ElPartKey	key;			/* with EL_MARK_PARTITION */
	bool		replaces;		/* there was a mark when it was locked */
	ElMarkState *state;			/* rewinds with savepoints; NULL: nothing */
	struct ElLocalMark *next;
} ElLocalMark;

extern ElLocalMark *el_local_marks_first(void);

/* What the transaction says, NULL if nothing. */
extern const ElMarkState *el_local_mark(const char *group, const pg_uuid_t *uuid);

/*
 * Where the group begins in a partition, as this transaction sees it; start is
 * what the shared mark says.  EL_START_NONE: nobody says.
 */
extern int64 el_local_start(const ElPartKey *key, const ElStart *start);

/*
 * Lock the group's mark in the topic until the transaction ends; never waits,
 * false if another transaction has it.
 */
extern bool el_local_mark_lock(const char *group, const pg_uuid_t *uuid);

/*
 * From this subtransaction's end on, if it commits: starts in the partitions
 * (copied), or (n < 0) no mark.  The mark is locked.
 */
extern void el_local_mark_set(const char *group, const pg_uuid_t *uuid,
							  const int64 *starts, int32 n, bool replaces);

/* Is there something that the end of the transaction has to write? */
extern bool el_local_mark_to_write(const ElLocalMark *mark);

/* Savepoints; see local.h. */
extern void el_local_marks_rollback(SubTransactionId subid);
extern void el_local_marks_merge(SubTransactionId subid, SubTransactionId parent);

/* After the locks.  Cannot fail. */
extern void el_local_marks_end(bool is_commit);

#endif							/* EL_MARK_H */
