/*-------------------------------------------------------------------------
 *
 * check.h
 *	  Is a log sound?
 *
 * IDENTIFICATION
 *	  src/storage/check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CHECK_H
#define EL_CHECK_H

#include "postgres.h"

#include "utils/rel.h"

/* Called once for each problem. */
typedef void (*ElCheckReport) (void *arg, const char *problem);

/* Report what is wrong with the log's pages and batches; it should be that partition's. */
extern void el_log_check(Relation rel, int32 partition, ElCheckReport report,
						 void *arg);

#endif							/* EL_CHECK_H */
