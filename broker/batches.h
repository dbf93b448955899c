/*-------------------------------------------------------------------------
 *
 * batches.h
 *	  Record batches that the server has given out, one behind the other.
 *
 * IDENTIFICATION
 *	  broker/batches.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_BATCHES_H
#define EL_BROKER_BATCHES_H

#include "broker/protocol/message.h"

/* Records are in pieces, as reads.c has them.  The offset behind the last one; offset: if there is none. */
extern int64_t batches_end(KafkaBytes records, int64_t offset);

/* Those before the first one of zstd. */
extern KafkaBytes batches_before_zstd(KafkaBytes records);

#endif							/* EL_BROKER_BATCHES_H */
