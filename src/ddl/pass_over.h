/*-------------------------------------------------------------------------
 *
 * pass_over.h
 *	  Statements of a dump that have nothing to do.
 *
 * IDENTIFICATION
 *	  src/ddl/pass_over.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PASS_OVER_H
#define EL_PASS_OVER_H

#include "postgres.h"

#include "nodes/nodes.h"

/* Is the statement not to be run, though it would be refused, for nothing would change? */
extern bool el_pass_over(Node *stmt);

#endif							/* EL_PASS_OVER_H */
