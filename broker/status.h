/*-------------------------------------------------------------------------
 *
 * status.h
 *	  What the broker tells those who watch over it, by HTTP.
 *
 * IDENTIFICATION
 *	  broker/status.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_STATUS_H
#define EL_BROKER_STATUS_H

#include "client/loop.h"

/* Opens settings.status_listener, if there is one; false, having said why, if it cannot be. */
extern bool status_open(ClientLoop *loop);
extern void status_close(void);

#endif							/* EL_BROKER_STATUS_H */
