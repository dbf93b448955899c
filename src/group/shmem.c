/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory of the groups: slots, and the tables of waiters and watchers.
 *
 * IDENTIFICATION
 *	  src/group/shmem.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "group/shmem.h"
#include "group/slots.h"
#include "group/wake.h"
#include "group/watchers.h"

Size
el_group_shmem_size(void)
{
	/* each structure begins at a cache line */
	return add_size(add_size(CACHELINEALIGN(el_slots_shmem_size()),
							 CACHELINEALIGN(el_wake_shmem_size())),
					CACHELINEALIGN(el_watchers_shmem_size()));
}

void
el_group_shmem_init(void)
{
	el_slots_shmem_init();
	el_wake_shmem_init();
	el_watchers_shmem_init();
}
