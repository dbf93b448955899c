/*-------------------------------------------------------------------------
 *
 * watch.h
 *	  broker_watch(): what changes is told to the client as it happens.
 *
 * IDENTIFICATION
 *	  src/wire/watch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_WATCH_H
#define EL_WIRE_WATCH_H

#include "postgres.h"

/* Relcache and syscache callbacks.  Cannot fail, and look at no catalog. */
extern void el_watch_relation_changed(Datum arg, Oid relid);
extern void el_watch_catalog_changed(Datum arg, int cacheid, uint32 hashvalue);

#endif							/* EL_WIRE_WATCH_H */
