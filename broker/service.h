/*-------------------------------------------------------------------------
 *
 * service.h
 *	  What the broker tells systemd, if that has started it: sd_notify(3).
 *
 * Built without libsystemd, or started by somebody else, it tells nothing.
 *
 * IDENTIFICATION
 *	  broker/service.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_SERVICE_H
#define EL_BROKER_SERVICE_H

#include "client/loop.h"

/* Begins to tell: when all listeners are open. */
extern void service_start(ClientLoop *loop);

/* Tells whether PostgreSQL is there, READY=1 the first time it is: called when watch_is_live() changes. */
extern void service_update(void);

/* The broker ends, when the answers in hand have been given; its watchdog is told until service_stop(). */
extern void service_ending(void);
extern void service_stop(void);

#endif							/* EL_BROKER_SERVICE_H */
