/*-------------------------------------------------------------------------
 *
 * views_1_0.c
 *	  What version 1.0 of the extension wants of the views' functions.
 *
 * In 1.1 the views join pg_stat_activity and pg_prepared_xacts; in 1.0 the
 * functions themselves say what stands there, so they have to ask.  This file
 * serves databases that have not run ALTER EXTENSION eventlog UPDATE, and goes
 * with the library that serves 1.0 no more: with that of EL_CATALOG_VERSION 2.
 *
 * IDENTIFICATION
 *	  src/group/views_1_0.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "group/views_1_0.h"

/*
 * The n columns of the row that the query finds for $1, which has that type;
 * NULLs if it finds none.  The query runs as the caller.
 */
static void
look_up_row(const char *query, Oid type, Datum arg, int n,
			Datum *values, bool *nulls)
{
	int			i;

	for (i = 0; i < n; i++)
		nulls[i] = true;
	SPI_connect();
	if (SPI_execute_with_args(query, 1, &type, &arg, NULL, true, 1) == SPI_OK_SELECT &&
		SPI_processed > 0)
	{
		TupleDesc	desc = SPI_tuptable->tupdesc;

		Assert(desc->natts == n);
		for (i = 0; i < n; i++)
		{
			values[i] = SPI_getbinval(SPI_tuptable->vals[0], desc, i + 1,
									  &nulls[i]);
			if (!nulls[i])
				values[i] = SPI_datumTransfer(values[i],
											  TupleDescAttr(desc, i)->attbyval,
											  TupleDescAttr(desc, i)->attlen);
		}
	}
	SPI_finish();
}

/* The ninth column is blocked_by_gid there, blocked_by_xid in 1.1. */
bool
el_partitions_are_1_0(TupleDesc desc)
{
	Assert(desc->natts == EL_PARTITIONS_COLUMNS_1_0);
	return TupleDescAttr(desc, 8)->atttypid == TEXTOID;
}

/* blocked_by_xid and leader_epoch make room for blocked_by_gid and blocked_since. */
void
el_partition_row_1_0(Datum *values, bool *nulls)
{
	if (!nulls[7])
		look_up_row("SELECT NULL::pg_catalog.text, xact_start FROM pg_catalog.pg_stat_get_activity($1)",
					INT4OID, values[7], 2, &values[8], &nulls[8]);
	else if (!nulls[8])
		look_up_row("SELECT gid, prepared FROM pg_catalog.pg_prepared_xacts"
					" WHERE transaction OPERATOR(pg_catalog.=) $1",
					XIDOID, values[8], 2, &values[8], &nulls[8]);
	else
		nulls[9] = true;
}

/* incarnation goes to the end, and makes room for application_name. */
void
el_member_row_1_0(Datum *values, bool *nulls)
{
	values[11] = values[4];
	nulls[11] = nulls[4];
	nulls[4] = true;
	if (!nulls[3])
		look_up_row("SELECT application_name FROM pg_catalog.pg_stat_get_activity($1)",
					INT4OID, values[3], 1, &values[4], &nulls[4]);
}
