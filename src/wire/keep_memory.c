/*-------------------------------------------------------------------------
 *
 * keep_memory.c
 *	  Memory that a backend of the broker keeps from call to call.
 *
 * A call's message, its arrays and their copies are some MB that are freed at its end.
 * The C library gives such memory back to the system, and each 4 kB of it costs a page
 * fault in the next call: about a tenth of what an append costs.
 *
 * IDENTIFICATION
 *	  src/wire/keep_memory.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "wire/keep_memory.h"

/* Bytes that may stay free at the end of the heap, and those of a block that comes from there. */
#define KEPT_FREE		(32 * 1024 * 1024)
#define LARGEST_BLOCK	(4 * 1024 * 1024)

void
el_keep_memory(void)
{
#ifdef __GLIBC__
	static bool done = false;

	if (done)
		return;
	mallopt(M_TRIM_THRESHOLD, KEPT_FREE);
	mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK);
	done = true;
#endif
}
