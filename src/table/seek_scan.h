/*-------------------------------------------------------------------------
 *
 * seek_scan.h
 *	  A plan node that seeks in a partition instead of reading all of it.
 *
 * IDENTIFICATION
 *	  src/table/seek_scan.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SEEK_SCAN_H
#define EL_SEEK_SCAN_H

#include "postgres.h"

#include "nodes/pathnodes.h"

/* Registers the plan node. */
extern void el_seek_scan_install(void);

/* For set_rel_pathlist_hook: offers a path for a partition's table. */
extern void el_seek_scan_pathlist(PlannerInfo *root, RelOptInfo *rel,
								  RangeTblEntry *rte);

#endif							/* EL_SEEK_SCAN_H */
