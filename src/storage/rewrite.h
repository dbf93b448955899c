/*-------------------------------------------------------------------------
 *
 * rewrite.h
 *	  A log in a new file, without what is free in the old one.
 *
 * IDENTIFICATION
 *	  src/storage/rewrite.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_REWRITE_H
#define EL_REWRITE_H

#include "postgres.h"

#include "utils/rel.h"

/*
 * Copy the log of one relation into the empty file of another: live segments one
 * after another.  The caller has locked both in AccessExclusiveLock.
 */
extern void el_log_rewrite(Relation from, Relation to);

#endif							/* EL_REWRITE_H */
