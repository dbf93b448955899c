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

#include "client/loop.h"

/*
 * Begins to watch.  What changes is told to all pools, and to those who wait for a
 * partition; on_change is called when watch_is_live() has changed.
 */
extern void watch_start(ClientLoop *loop, void (*on_change) (void));
extern void watch_stop(void);

/* Is every change told now? */
extern bool watch_is_live(void);

/* Why not, if that is known; else "". */
extern const char *watch_trouble(void);

/* Another number after each loss of the session: the server may be another one. */
extern uint64_t watch_era(void);

#endif							/* EL_BROKER_WATCH_H */
