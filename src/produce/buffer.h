/*-------------------------------------------------------------------------
 *
 * buffer.h
 *	  The producer buffer: what this transaction will append when it commits.
 *
 * One buffer per partition, keyed by the partition's OID.  Events of a
 * rolled-back subtransaction are always the last ones, so taking them back is
 * cutting the end off: each subtransaction that adds to a buffer leaves a mark
 * of where it stood.
 *
 * IDENTIFICATION
 *	  src/produce/buffer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BUFFER_H
#define EL_BUFFER_H

#include "postgres.h"

#include "access/xact.h"

#include "kafka/record.h"
#include "topic/topic.h"

/*
 * A lock taken on a relation is still held while el_lock_generation is what it
 * was then: it changes when a transaction ends and when a subtransaction is
 * rolled back.  el_xact_generation changes only when a transaction ends.
 */
extern uint64 el_lock_generation;
extern uint64 el_xact_generation;

/*
 * Add one event, to be appended at commit (after our PRE_COMMIT: at once).
 * Takes RowExclusiveLock on topic and partition.  Checks have been made.
 */
extern void el_buffer_add(ElTopic *t, int32 partition, const ElRecord *r);

/*
 * Append events at once under the current subtransaction, after whatever is
 * buffered for that partition: for INSERT ... RETURNING event_offset (at_offset -1)
 * and for rows that bring their own offset (records carry it in ->offset, rising;
 * explicit_offsets true).  Returns the offset of the first.
 */
extern int64 el_buffer_append_now(ElTopic *t, int32 partition,
								  const ElRecord *records, int nrecords,
								  CommandId cid, bool explicit_offsets);

/*
 * Append what is buffered for a topic or a partition's table, all if relid is
 * InvalidOid: for flush(), and before a statement that copies, scans or
 * constrains a topic.  Calls back for each range appended, in order, if flushed
 * is not NULL.
 */
typedef void (*ElFlushed) (void *arg, Oid topic, int32 partition,
						   int64 first_offset, int64 last_offset);
extern void el_buffer_flush(Oid relid, ElFlushed flushed, void *arg);

/* The relation is dropped or truncated in this subtransaction: its buffered events go with
 * it, and come back if the subtransaction is rolled back. */
extern void el_buffer_forget(Oid leaf);

extern void el_buffer_xact(XactEvent event);
extern void el_buffer_subxact(SubXactEvent event, SubTransactionId mine,
							  SubTransactionId parent);

#endif							/* EL_BUFFER_H */
