/*-------------------------------------------------------------------------
 *
 * appender.h
 *	  Appending finished batches to one partition.
 *
 * IDENTIFICATION
 *	  src/produce/appender.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_APPENDER_H
#define EL_APPENDER_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/rel.h"

#include "storage/append.h"
#include "storage/log.h"
#include "topic/topic.h"

/* One partition being appended to. */
typedef struct ElAppender
{
	ElTopic    *topic;
	int32		partition;
	Relation	rel;
	ElLogOptions options;
	int64		events;			/* appended so far */
	int			owner_level;	/* owner_xid is of this level; 0: not known */
	FullTransactionId owner_xid;
} ElAppender;

/*
 * Begin a round of appends to a partition.  The caller holds RowExclusiveLock on
 * topic and partition.  False if the table is gone: this transaction has dropped
 * it.
 */
extern bool el_appender_open(ElAppender *a, Oid topic, int32 partition,
							 Oid leaf);

/*
 * Append a finished batch of count events, as of that (sub)transaction and
 * command; at_offset as for el_log_append().  Returns the offset of its first
 * event.  Once the batch is in the log nothing here raises an error, so that the
 * caller can forget it.
 */
extern int64 el_appender_append(ElAppender *a, const char *batch, uint32 len,
								int32 count, FullTransactionId fxid,
								CommandId cid, int64 at_offset);

/*
 * The same of several batches with together count events, which get their base
 * offsets; an error in between leaves some of them in the log, so the transaction has
 * to abort.
 */
extern void el_appender_append_all(ElAppender *a, ElAppend *batches, int n, int64 count,
								   FullTransactionId fxid, CommandId cid,
								   int64 at_offset);

/* xid of the enclosing subtransaction at this nesting level, 1 being the top. */
extern FullTransactionId el_appender_owner(ElAppender *a, int level);

/* End the round: tells waiting consumers and the statistics. */
extern void el_appender_close(ElAppender *a);

/* The transaction is over.  Cannot fail. */
extern void el_appender_reset(void);

#endif							/* EL_APPENDER_H */
