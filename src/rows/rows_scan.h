/*-------------------------------------------------------------------------
 *
 * rows_scan.h
 *	  FROM consume(...), read_topic(...) and their like without a tuplestore.
 *
 * IDENTIFICATION
 *	  src/rows/rows_scan.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ROWS_SCAN_H
#define EL_ROWS_SCAN_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/pathnodes.h"

/* Calls of these functions in FROM are planned so; NULL behind the last.  Registers the plan node. */
extern void el_rows_scan_install(const PGFunction *functions);

/* For set_rel_pathlist_hook. */
extern void el_rows_scan_pathlist(PlannerInfo *root, RelOptInfo *rel,
								  RangeTblEntry *rte);

#endif							/* EL_ROWS_SCAN_H */
