/*-------------------------------------------------------------------------
 *
 * shrink.h
 *	  Giving free segments at the end of the file back.
 *
 * IDENTIFICATION
 *	  src/storage/shrink.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SHRINK_H
#define EL_SHRINK_H

#include "postgres.h"

#include "utils/rel.h"

/*
 * Give what is free at the end of the file back to the file system, moving
 * directory pages out of the way, if the table can be locked exclusively at once
 * and no standby would notice.  Returns bytes.
 */
extern int64 el_log_shrink(Relation rel);

#endif							/* EL_SHRINK_H */
