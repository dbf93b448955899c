/*
 * floor.c: what consume() cannot be faster than: rows of its type, as many, from nowhere.
 *
 * floor_events(topic regclass, n int, key text, value json) RETURNS SETOF eventlog_event
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(floor_events);

Datum
floor_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int32		count = PG_GETARG_INT32(1);
	Datum		values[7];
	bool		nulls[7] = {false};

	InitMaterializedSRF(fcinfo, 0);
	values[0] = PG_GETARG_DATUM(0);
	values[1] = Int32GetDatum(0);
	values[3] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[4] = PointerGetDatum(PG_GETARG_TEXT_P(2));
	values[5] = PointerGetDatum(PG_GETARG_TEXT_P(3));
	values[6] = (Datum) 0;
	nulls[6] = true;
	for (int64 i = 0; i < count; i++)
	{
		values[2] = Int64GetDatum(i);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
