/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  Clocks, and event times: milliseconds since 1970, as Kafka's.
 *
 * IDENTIFICATION
 *	  src/base/clock.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "common/int.h"
#include "utils/timestamp.h"

#include "base/clock.h"

/* Milliseconds between the epochs of Unix and PostgreSQL. */
#define EPOCH_DIFF_MS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

int64
el_now_ms(void)
{
	return el_timestamptz_to_ms(GetCurrentTimestamp());
}

int64
el_monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64
el_timestamptz_to_ms(TimestampTz time)
{
	/* floor, so that times before the epoch are truncated the same way */
	int64		ms = time / 1000;

	if (time % 1000 < 0)
		ms--;
	return ms + EPOCH_DIFF_MS;
}

TimestampTz
el_ms_to_timestamptz(int64 ms)
{
	TimestampTz time;

	/* bytes that another writer put there may hold anything */
	if (pg_sub_s64_overflow(ms, EPOCH_DIFF_MS, &ms) ||
		pg_mul_s64_overflow(ms, 1000, &time))
		return ms < 0 ? DT_NOBEGIN : DT_NOEND;
	if (!IS_VALID_TIMESTAMP(time))
		return time < 0 ? DT_NOBEGIN : DT_NOEND;
	return time;
}
