/*-------------------------------------------------------------------------
 *
 * consume.h
 *	  What the functions that deliver have in common.
 *
 * IDENTIFICATION
 *	  src/group/consume.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CONSUME_H
#define EL_CONSUME_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

#include "group/deliver.h"
#include "rows/row.h"

/* Prepare the result and the limits of a delivery; 22023 for a limit below 1.  min_age NULL: none. */
extern void el_consume_setup(ElDelivery *d, FunctionCallInfo fcinfo,
							 ElRowForm form, int64 max_events,
							 int64 max_bytes, Interval *min_age);

#endif							/* EL_CONSUME_H */
