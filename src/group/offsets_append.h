/*-------------------------------------------------------------------------
 *
 * offsets_append.h
 *	  Committed offsets of a transaction: appended when it commits.
 *
 * IDENTIFICATION
 *	  src/group/offsets_append.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_OFFSETS_APPEND_H
#define EL_OFFSETS_APPEND_H

#include "postgres.h"

#include "group/local.h"
#include "group/mark.h"

/* What commits offsets calls this first: locks the topic for writing, 25000 inside COMMIT. */
extern void el_offsets_prepare_commit(void);

/* At PRE_COMMIT: append the committed offsets of these parts and these start marks, whose locks are held. */
extern void el_offsets_append(ElLocalPart **parts, int nparts,
							  ElLocalMark **marks, int nmarks);

/*
 * Append tombstones of these keys (ElPartKey *) now, of partitions in which nobody
 * else commits: their locks are held, or their topics do not exist.  They need
 * no slots.
 */
extern void el_offsets_append_tombstones(List *keys);

/* An internal topic of this database has grown: ask the worker to compact it.  Cannot fail. */
extern void el_offsets_ask_compaction(void);

#endif							/* EL_OFFSETS_APPEND_H */
