/*-------------------------------------------------------------------------
 *
 * rest.h
 *	  Cache: the undelivered tail of the batch this session decompressed last.
 *
 * IDENTIFICATION
 *	  src/storage/rest.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_REST_H
#define EL_REST_H

#include "postgres.h"

#include "access/transam.h"

#include "base/compat.h"
#include "kafka/batch.h"

/* Keep what a reader that stands at position has not read of its batch, if that is worth it. */
extern void el_rest_keep(const RelFileLocator *locator, FullTransactionId fxid,
						 int64 position, const ElBatchReader *records);

/* Does it hold the batch with this header, from position on? */
extern bool el_rest_has(const RelFileLocator *locator, FullTransactionId fxid,
						int64 position, const ElBatchHeader *header);

/* Open records with a copy of it.  Its scratch is allocated in the current memory context. */
extern void el_rest_open(ElBatchReader *records);

#endif							/* EL_REST_H */
