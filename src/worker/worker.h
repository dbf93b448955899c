/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The permanent worker and the maintenance workers it starts.
 *
 * IDENTIFICATION
 *	  src/worker/worker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WORKER_H
#define EL_WORKER_H

#include "postgres.h"

/* While the library is preloaded. */
extern void el_worker_register(void);

/* Entry points, found by name in the library. */
extern PGDLLEXPORT void el_worker_main(Datum arg);
extern PGDLLEXPORT void el_maintenance_main(Datum arg);

/*
 * Group housekeeping, in shared memory alone: put out silent members, let
 * ownership follow the assignments, free what nobody uses.  Returns the
 * milliseconds until there is something to do again.
 */
extern int64 el_housekeeping(void);

/*
 * Start maintenance workers that are due, one at a time; returns the
 * milliseconds until the next look.
 */
extern int64 el_maintenance_tick(void);

/* Compact the topic of committed offsets of this database, if it has grown. */
extern void el_compact_offsets(void);

/* Retention and what else each topic of this database needs; a few seconds at most. */
extern void el_maintain_topics(void);

#endif							/* EL_WORKER_H */
