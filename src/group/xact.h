/*-------------------------------------------------------------------------
 *
 * xact.h
 *	  What groups do when a transaction ends; called by the roof.
 *
 * IDENTIFICATION
 *	  src/group/xact.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_XACT_H
#define EL_XACT_H

#include "postgres.h"

#include "access/xact.h"
#include "nodes/nodes.h"

extern void el_group_xact(XactEvent event);
extern void el_group_subxact(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent);

/* After a top-level transaction's locks are gone.  Must not fail. */
extern void el_group_after_locks(bool is_commit);

/* Before a utility statement of any other kind. */
extern void el_group_utility_begins(Node *stmt);

/* After a statement that ends transactions or a session's work; looks at no catalog. */
extern void el_group_utility_done(Node *stmt);

#endif							/* EL_XACT_H */
