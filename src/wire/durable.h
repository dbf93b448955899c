/*-------------------------------------------------------------------------
 *
 * durable.h
 *	  A transaction that answers for what others have committed.
 *
 * IDENTIFICATION
 *	  src/wire/durable.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_DURABLE_H
#define EL_WIRE_DURABLE_H

#include "postgres.h"

/*
 * The COMMIT of this transaction waits for the disk and for synchronous standbys, as
 * synchronous_commit says, for all WAL that is there by now.  Gives it an xid.
 */
extern void el_commit_behind_all(void);

#endif							/* EL_WIRE_DURABLE_H */
