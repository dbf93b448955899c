/*-------------------------------------------------------------------------
 *
 * filter.h
 *	  Names of groups with committed offsets but without slots.
 *
 * All with the coordinator's lock held, exclusively if they change anything.
 *
 * IDENTIFICATION
 *	  src/group/filter.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_FILTER_H
#define EL_FILTER_H

#include "postgres.h"

/* Shared memory for it, out of group_memory. */
extern Size el_filter_size(void);
extern void el_filter_init(char *memory, bool found);

/* Which filling this is: what was added to an earlier one is forgotten.  Never 0. */
extern uint64 el_filter_gen(void);

/* filling: it is one of all that a database has, of which none is to be forgotten meanwhile. */
extern void el_filter_add(Oid dbid, const char *group, bool filling);

/* False: it was not added in this filling.  True: it was, or looks like some that were. */
extern bool el_filter_has(Oid dbid, const char *group);

/* A database has added all its names: as many again as there are now are taken before the filter is emptied. */
extern void el_filter_filled(void);

#endif							/* EL_FILTER_H */
