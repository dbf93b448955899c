/*-------------------------------------------------------------------------
 *
 * stable.h
 *	  How far a log is decided for a snapshot.
 *
 * IDENTIFICATION
 *	  src/storage/stable.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_STABLE_H
#define EL_STABLE_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/*
 * Last stable offset for the snapshot: where EL_READ_STABLE would stop, else
 * the log end.  stop_fxid, if not NULL, gets the transaction it stops at.
 */
extern int64 el_log_stable_offset(Relation rel, Snapshot snapshot,
								  FullTransactionId *stop_fxid);

/*
 * Kafka's "latest" for a consumer: the offset behind the last committed batch
 * below the last stable offset; low, usually the log start, if there is none.
 */
extern int64 el_log_latest(Relation rel, Snapshot snapshot, int64 low);

#endif							/* EL_STABLE_H */
