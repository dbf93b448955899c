/*-------------------------------------------------------------------------
 *
 * batch_check.h
 *	  May a batch that a client has sent go into a topic's log?
 *
 * IDENTIFICATION
 *	  src/wire/batch_check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_BATCH_CHECK_H
#define EL_WIRE_BATCH_CHECK_H

#include "postgres.h"

#include "topic/topic.h"

/* Records that are named as bad in one batch; those behind them are not looked at. */
#define EL_MAX_BAD_RECORDS	100

/* What is wrong with a batch. */
typedef struct ElBatchFault
{
	const char *sqlstate;		/* NULL: nothing; the first bad record's, if
								 * it is records */
	const char *message;
	int			nbad;			/* records that cannot be produced; 0: it is
								 * the batch */
	int32		bad[EL_MAX_BAD_RECORDS];	/* their numbers, from 0 */
} ElBatchFault;

/*
 * Look at the batch and all of its records as produce() looks at events, for that
 * partition of a topic that is locked; true if there is nothing wrong, else *fault
 * says what (README).  *greatest is the greatest time, of the header or of a record,
 * of a batch that is right.  Allocates in CurrentMemoryContext.  Raises nothing that is the
 * batch's fault, but what is of the moment (el_attempt()).
 */
extern bool el_batch_check(ElTopic *t, int32 partition, const char *batch,
						   size_t len, int64 *greatest, ElBatchFault *fault);

#endif							/* EL_WIRE_BATCH_CHECK_H */
