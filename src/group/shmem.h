/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Shared memory of the groups: slots, and the table of waiters.
 *
 * IDENTIFICATION
 *	  src/group/shmem.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SHMEM_H
#define EL_SHMEM_H

#include "postgres.h"

extern Size el_group_shmem_size(void);

/* AddinShmemInitLock is held. */
extern void el_group_shmem_init(void);

#endif							/* EL_SHMEM_H */
