/*-------------------------------------------------------------------------
 *
 * maintenance.h
 *	  When to visit which database, and the short-lived worker that does.
 *
 * IDENTIFICATION
 *	  src/worker/maintenance.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_MAINTENANCE_H
#define EL_MAINTENANCE_H

#include "postgres.h"

#include "base/compat.h"

/*
 * Start maintenance workers that are due, one at a time; returns the
 * milliseconds until the next look, 1 at least.  For the permanent worker.
 */
extern int64 el_maintenance_tick(void);

/* Entry point of the maintenance worker, found by name in the library; arg: OID of the database. */
extern PGDLLEXPORT void el_maintenance_main(Datum arg);

#endif							/* EL_MAINTENANCE_H */
