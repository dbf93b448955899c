/*-------------------------------------------------------------------------
 *
 * groups.h
 *	  create_group(), alter_group(), drop_group(), grant_group(), revoke_group().
 *
 * IDENTIFICATION
 *	  src/group/groups.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_GROUPS_H
#define EL_GROUPS_H

#include "postgres.h"

/*
 * Tombstones for all of a group's committed offsets, with this transaction.
 * 55006 if the group has members other than this session, or if another
 * transaction works on one of its partitions.
 */
extern void el_drop_offsets(const char *group);

/*
 * A group's row and grants, and its committed offsets as above.  False if there
 * is no such row.  The caller has checked rights.
 */
extern bool el_drop_group(const char *group);

#endif							/* EL_GROUPS_H */
