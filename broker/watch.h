/*-------------------------------------------------------------------------
 *
 * watch.h
 *	  The session in which the server tells what changes.
 *
 * IDENTIFICATION
 *	  broker/watch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_WATCH_H
#define EL_BROKER_WATCH_H

#include "broker/pool.h"

/* Begins to watch.  on_change of topics is told to the pool. */
extern void watch_start(ClientLoop *loop, Pool *pool);
extern void watch_stop(void);

/* Is every change told now? */
extern bool watch_is_live(void);

#endif							/* EL_BROKER_WATCH_H */
