/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments of the broker's functions.
 *
 * IDENTIFICATION
 *	  src/wire/arguments.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/lsyscache.h"

#include "base/arguments.h"
#include "wire/arguments.h"

ArrayType *
el_plain_array(FunctionCallInfo fcinfo, int argno, const char *name, int n)
{
	ArrayType  *array;
	int			len;

	el_arg_not_null(fcinfo, argno, name);
	array = PG_GETARG_ARRAYTYPE_P(argno);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must have one dimension", name)));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not contain nulls", name)));
	len = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (n >= 0 && len != n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" has %d elements, \"topic_ids\" has %d", name, len, n)));
	return array;
}

const void *
el_fixed_array(FunctionCallInfo fcinfo, int argno, const char *name, int n)
{
	ArrayType  *array = el_plain_array(fcinfo, argno, name, n);

	Assert(get_typlen(ARR_ELEMTYPE(array)) > 0);
	return ARR_DATA_PTR(array);
}

void
el_places(FunctionCallInfo fcinfo, ElPlaces *places)
{
	ArrayType  *topics = el_plain_array(fcinfo, 0, "topic_ids", -1);

	places->n = ArrayGetNItems(ARR_NDIM(topics), ARR_DIMS(topics));
	places->topics = (const pg_uuid_t *) ARR_DATA_PTR(topics);
	places->partitions = el_fixed_array(fcinfo, 1, "partitions", places->n);
}
