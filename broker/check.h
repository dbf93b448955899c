/*-------------------------------------------------------------------------
 *
 * check.h
 *	  Whether the server is what the broker needs: what --check tells.
 *
 * IDENTIFICATION
 *	  broker/check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_CHECK_H
#define EL_BROKER_CHECK_H

#include <stdbool.h>

/* The number of the functions _eventlog.broker_*(), with which the broker was built. */
#define BROKER_INTERFACE 1

/* Connects, waiting for it, and says on stdout what is wrong, each in a sentence, or that nothing is. */
extern bool check_server(void);

#endif							/* EL_BROKER_CHECK_H */
