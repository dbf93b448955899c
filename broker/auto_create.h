/*-------------------------------------------------------------------------
 *
 * auto_create.h
 *	  Topics that are made because a client has asked for them.
 *
 * IDENTIFICATION
 *	  broker/auto_create.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_AUTO_CREATE_H
#define EL_BROKER_AUTO_CREATE_H

#include "broker/pool.h"
#include "broker/protocol/message.h"

/*
 * 0: there is a topic of this name now, and topics_when_ready() knows it; 3: there is
 * none, and the role may not make one; 5: it was not made, and the client may try again.
 */
typedef void (*AutoCreateFn) (void *arg, int16_t error);

/*
 * Makes a topic of this name, which Kafka allows, as the pool's role; requests that
 * want the same one share a call.  fn is always called from the loop.
 */
extern void auto_create(Pool *pool, KafkaString name, AutoCreateFn fn, void *arg);

/* What is being made is no longer of interest: the pool goes. */
extern void auto_create_forget(Pool *pool);

#endif							/* EL_BROKER_AUTO_CREATE_H */
