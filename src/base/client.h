/*-------------------------------------------------------------------------
 *
 * client.h
 *	  The client of this backend, while a call of it goes on.
 *
 * IDENTIFICATION
 *	  src/base/client.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CLIENT_H
#define EL_CLIENT_H

#include "postgres.h"

/*
 * Sleep until the latch is set or timeout (ms) is over; ends the backend if the client
 * has gone away or the server ends.  The latch is reset afterwards, and interrupts
 * are taken.
 */
extern void el_client_sleep(long timeout);

/* Send a notification, as NOTIFY would, at the next flush; and flush. */
extern void el_client_notify(const char *channel, const char *payload);
extern void el_client_flush(void);

#endif							/* EL_CLIENT_H */
