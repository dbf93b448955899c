/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments of SQL functions.
 *
 * IDENTIFICATION
 *	  src/base/arguments.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/arguments.h"

void
el_arg_not_null(FunctionCallInfo fcinfo, int n, const char *name)
{
	Assert(n >= 0 && n < PG_NARGS());
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

void
el_args_not_null(FunctionCallInfo fcinfo, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (names[i] != NULL)
			el_arg_not_null(fcinfo, i, names[i]);
	}
}

int64
el_interval_ms(const Interval *interval, const char *name)
{
	double		ms = interval->time / 1000.0 +
		((double) interval->day + 30.0 * interval->month) * 86400000.0;

	if (ms < 0 || ms > (double) (PG_INT64_MAX / 4))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is out of range", name)));
	return (int64) ms;
}
