/*-------------------------------------------------------------------------
 *
 * expire.h
 *	  Committed offsets of groups that nobody uses any more, and of topics that
 *	  do not exist.
 *
 * For the maintenance worker, for its database.  The calls are made in
 * transactions of their own, with an active snapshot.
 *
 * IDENTIFICATION
 *	  src/group/expire.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_EXPIRE_H
#define EL_EXPIRE_H

#include "postgres.h"

/* A pass over all groups, which may take many transactions. */
typedef struct ElExpiry ElExpiry;

/* Begin one, in a memory context that outlives them; NULL if there is nothing to do, or not yet. */
extern ElExpiry *el_expiry_begin(MemoryContext mcxt);

/* The next part of it; false when all is done. */
extern bool el_expiry_step(ElExpiry *e);

#endif							/* EL_EXPIRE_H */
