/*-------------------------------------------------------------------------
 *
 * trim.h
 *	  Moving the log start.
 *
 * IDENTIFICATION
 *	  src/storage/trim.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_TRIM_H
#define EL_TRIM_H

#include "postgres.h"

#include "utils/rel.h"

/*
 * Move the log start to offset (<= log end, 22023 otherwise) and offer whole
 * segments below it for reuse.  Never goes back and never passes an undecided
 * batch: the caller sees to the latter.  Flushes its WAL record before it
 * returns.  Returns bytes offered.
 */
extern int64 el_log_trim(Relation rel, int64 offset);

#endif							/* EL_TRIM_H */
