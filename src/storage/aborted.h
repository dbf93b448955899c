/*-------------------------------------------------------------------------
 *
 * aborted.h
 *	  Cache: where a log holds nothing but aborted batches.
 *
 * IDENTIFICATION
 *	  src/storage/aborted.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ABORTED_H
#define EL_ABORTED_H

#include "postgres.h"

#include "base/compat.h"

/* Offsets from .. to - 1 of a log, which only aborted batches have, if any. */
typedef struct ElAbortedRun
{
	int64		from;
	int64		to;
} ElAbortedRun;

/*
 * A reader has passed over the run, of a log that was rewound that often: keep it, if
 * it is worth it.
 */
extern void el_aborted_keep(const RelFileLocator *locator, uint32 rewinds,
							ElAbortedRun run);

/* The run that is known of a log; an empty one if there is none. */
extern ElAbortedRun el_aborted_run(const RelFileLocator *locator, uint32 rewinds);

#endif							/* EL_ABORTED_H */
