/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  REASSIGN OWNED and DROP OWNED, as far as they are about groups.
 *
 * IDENTIFICATION
 *	  src/group/owned.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_OWNED_H
#define EL_OWNED_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/*
 * Before the statement runs: drop the groups of these roles in this database,
 * as drop_group() does, and what others granted them.  Nothing where the
 * statement will be refused.
 */
extern void el_group_drop_owned(DropOwnedStmt *stmt);

/* After the statement has run, so that it was allowed: groups go to the new role. */
extern void el_group_reassign_owned(ReassignOwnedStmt *stmt);

#endif							/* EL_OWNED_H */
