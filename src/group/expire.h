/*-------------------------------------------------------------------------
 *
 * expire.h
 *	  expire_after: the committed offsets of groups that nobody uses any more.
 *
 * IDENTIFICATION
 *	  src/group/expire.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_EXPIRE_H
#define EL_EXPIRE_H

#include "postgres.h"

/* Of all groups of this database; inside a transaction with an active snapshot (worker). */
extern void el_expire_groups(void);

#endif							/* EL_EXPIRE_H */
