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

/*
 * The table that stores committed offsets: topic and its only partition.  False
 * without the extension; the latter function raises 42P01 then.
 */
extern bool el_offsets_relations(Oid *topic, Oid *leaf);
extern void el_offsets_require_relations(Oid *topic, Oid *leaf);

/* Syscache callback: a table or schema may have another name. */
extern void el_offsets_forget_relations(Datum arg, int cacheid, uint32 hashvalue);

/* A committed offset, or a start mark (EL_MARK_PARTITION), read from the topic. */
typedef struct ElOffset
{
	ElPartKey	key;
	int64		next;			/* of a mark: the number of starts */
	int64	   *starts;			/* of a mark: by partition, -1: not said */
	int64		version;		/* its offset; -1: only a pending one was
								 * found */
	int64		time_ms;		/* when it was committed */
	FullTransactionId fxid;
	FullTransactionId pending_fxid;
	int64		pending_next;
	int64	   *pending_starts;
	int64		pending_version;
} ElOffset;

/*
 * Read the topic itself into a hash of ElOffset, by key.  With all, undecided
 * ones become pending; otherwise only what the snapshot sees counts.
 */
extern HTAB *el_offsets_scan(Snapshot snapshot, bool all);

#endif							/* EL_OFFSETS_TOPIC_H */
