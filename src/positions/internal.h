/*-------------------------------------------------------------------------
 *
 * internal.h
 *	  Internal topics of one partition: finding, locking and appending to them.
 *
 * IDENTIFICATION
 *	  src/positions/internal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_INTERNAL_H
#define EL_INTERNAL_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/rel.h"

#include "kafka/batch_builder.h"

typedef struct ElInternalTopic
{
	const char *name;			/* in the internal schema */
	const char *leaf_name;
	uint64		found_at;		/* what was found, and when */
	Oid			topic;
	Oid			leaf;
	uint32		appends;
} ElInternalTopic;

/*
 * Topic and its only partition.  False without the extension, or where its version
 * does not have them; the latter function raises 42P01 then.
 */
extern bool el_internal_relations(ElInternalTopic *it, Oid *topic, Oid *leaf);
extern void el_internal_require(ElInternalTopic *it, Oid *topic, Oid *leaf);

/* Syscache callback: a table or schema may have another name. */
extern void el_internal_forget(Datum arg, int cacheid, uint32 hashvalue);

/*
 * Lock both for an append when the transaction commits: whoever rewrites or truncates
 * the table is waited for here, in the statement.  Or open the partition, locked so.  The last
 * function does not wait: NULL if another has a lock, or the topic is not there.
 */
extern void el_internal_lock(ElInternalTopic *it);
extern Relation el_internal_open(ElInternalTopic *it);
extern Relation el_internal_open_if_free(ElInternalTopic *it);

/*
 * Append a batch at once, in the name of that transaction; the offset of its first event.
 * Asks for compaction when it is due.
 */
extern int64 el_internal_append(Relation rel, ElInternalTopic *it,
								ElBatchBuilder *builder, FullTransactionId fxid);

#endif							/* EL_INTERNAL_H */
