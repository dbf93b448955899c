/*-------------------------------------------------------------------------
 *
 * portals.h
 *	  Cursors that hold events whose consumption may be rolled back.
 *
 * IDENTIFICATION
 *	  src/group/portals.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PORTALS_H
#define EL_PORTALS_H

#include "postgres.h"

#include "access/xact.h"

/* Events go to the portal that runs: before they are consumed, for it allocates. */
extern void el_portals_note(void);

/* A portal that outlives the consumption of what it holds cannot be run any more.  Must not fail. */
extern void el_portals_subxact(SubXactEvent event, SubTransactionId mine,
							   SubTransactionId parent);

/* The transaction has ended, and its portals with it. */
extern void el_portals_end(void);

#endif							/* EL_PORTALS_H */
