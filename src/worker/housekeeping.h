/*-------------------------------------------------------------------------
 *
 * housekeeping.h
 *	  Members' deadlines and the groups' steps, without anybody's call.
 *
 * IDENTIFICATION
 *	  src/worker/housekeeping.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_HOUSEKEEPING_H
#define EL_HOUSEKEEPING_H

#include "postgres.h"

/* Shared state is looked over at least this often. */
#define EL_MAX_SLEEP_MS		30000

/*
 * Put out silent members, let ownership follow the assignments, free what nobody
 * uses.  Takes the coordinator's lock for one group at a time.  Returns the
 * milliseconds until there is something to do again, EL_MAX_SLEEP_MS at most.
 */
extern int64 el_housekeeping(void);

#endif							/* EL_HOUSEKEEPING_H */
