/*-------------------------------------------------------------------------
 *
 * expiry.h
 *	  Sequences of producers that produce nothing any more.
 *
 * IDENTIFICATION
 *	  src/positions/expiry.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_POSITION_EXPIRY_H
#define EL_POSITION_EXPIRY_H

#include "postgres.h"

/*
 * Drop some of what is older than eventlog.producer_expiry, in a transaction of the
 * caller's; false if nothing is left to do, or the topic is locked by others.  Waits for nobody.
 */
extern bool el_positions_expire(void);

#endif							/* EL_POSITION_EXPIRY_H */
