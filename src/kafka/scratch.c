/*-------------------------------------------------------------------------
 *
 * scratch.c
 *	  Buffers that grow and are used again.
 *
 * IDENTIFICATION
 *	  src/kafka/scratch.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "kafka/scratch.h"

void
el_scratch_enlarge(char **buf, size_t *cap, size_t need, size_t least)
{
	size_t		newcap = Max(*cap * 2, least);
	char	   *newbuf;

	Assert((*buf == NULL) == (*cap == 0));
	Assert(need > *cap);

	/* doubling must not fail a buffer that would fit; need itself may */
	newcap = Max(Min(newcap, EL_MAX_ALLOC), need);

	newbuf = *buf == NULL ? palloc(newcap) : repalloc(*buf, newcap);
	*buf = newbuf;
	*cap = newcap;
}
