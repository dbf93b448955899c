/*-------------------------------------------------------------------------
 *
 * listener.h
 *	  The addresses on which clients are accepted.
 *
 * IDENTIFICATION
 *	  broker/listener.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_LISTENER_H
#define EL_BROKER_LISTENER_H

#include "broker/connection.h"

/* Opens all of settings.listeners, whose clients work in the pool; false, having said why, if one of them cannot be. */
extern bool listeners_open(ClientLoop *loop, Pool *pool);
extern void listeners_close(ClientLoop *loop);

#endif							/* EL_BROKER_LISTENER_H */
