/*-------------------------------------------------------------------------
 *
 * produce.h
 *	  Batches on their way to the server, of all clients of a role.
 *
 * IDENTIFICATION
 *	  broker/produce.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_PRODUCE_H
#define EL_BROKER_PRODUCE_H

#include "broker/pool.h"

typedef struct ProduceQueue ProduceQueue;

extern ProduceQueue *produce_queue_new(Pool *pool);
extern void produce_queue_free(ProduceQueue *queue);

/* A session may be free: what was collected goes on. */
extern void produce_start(ProduceQueue *queue);

#endif							/* EL_BROKER_PRODUCE_H */
