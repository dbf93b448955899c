/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  Clocks, and event times: milliseconds since 1970, as Kafka's.
 *
 * IDENTIFICATION
 *	  src/base/clock.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CLOCK_H
#define EL_CLOCK_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Now, as an event time. */
extern int64 el_now_ms(void);

/* Milliseconds of a clock that no operator and no time server can set; it starts anywhere. */
extern int64 el_monotonic_ms(void);

/* Truncated towards the past. */
extern int64 el_timestamptz_to_ms(TimestampTz time);

/* Times beyond what a timestamptz can say become infinite. */
extern TimestampTz el_ms_to_timestamptz(int64 ms);

#endif							/* EL_CLOCK_H */
