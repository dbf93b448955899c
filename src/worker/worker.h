/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The permanent worker.
 *
 * IDENTIFICATION
 *	  src/worker/worker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WORKER_H
#define EL_WORKER_H

#include "postgres.h"

#include "base/compat.h"

/* While the library is preloaded: the postmaster is to run it. */
extern void el_worker_register(void);

/* Its entry point, found by name in the library. */
extern PGDLLEXPORT void el_worker_main(Datum arg);

#endif							/* EL_WORKER_H */
