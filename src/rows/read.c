/*-------------------------------------------------------------------------
 *
 * read.c
 *	  read_topic(): events without a group, up to the last stable offset.
 *
 * IDENTIFICATION
 *	  src/rows/read.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/predicate.h"
#include "utils/snapmgr.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "base/errors.h"
#include "kafka/record.h"
#include "rows/row.h"
#include "rows/rows.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "topic/checks.h"
#include "topic/log_floor.h"
#include "topic/topic.h"

/*
 * Read up to max events of a partition from from_offset on (-1: log start);
 * returns how many.
 */
static int64
read_partition(ElTopic *t, int32 partition, int64 from_offset, int64 max,
			   ElRows *rows)
{
	Relation	leaf;
	ElReader   *r;
	ElRecord	rec;
	int64		n = 0;
	bool		from_start = from_offset < 0;

	Assert(partition >= 0 && partition < t->npartitions && max > 0);
	if (!OidIsValid(t->leaves[partition]))
		return 0;
	leaf = table_open(t->leaves[partition], AccessShareLock);
	PredicateLockRelation(leaf, GetActiveSnapshot());
	r = el_reader_begin(leaf, GetActiveSnapshot(), EL_READ_STABLE);
	if (!r->info.exists)
		el_partition_info(t, partition, leaf, &r->info);
	if (from_offset < 0)
		from_offset = r->info.log_start;
	if (from_offset < r->info.log_start)
		ereport(ERROR,
				(errcode(ERRCODE_EL_EVENTS_LOST),
				 errmsg("offset %lld of partition %d of topic \"%s\" has been removed",
						(long long) from_offset, partition, t->name),
				 errdetail("The log starts at offset %lld.",
						   (long long) r->info.log_start),
				 errhint("Leave from_offset out to read from the log start.")));

	(void) el_reader_seek(r, from_offset);
	r->serializable = true;
	while (n < max && el_reader_next(r, &rec))
	{
		/*
		 * from wherever the log starts: that it has moved meanwhile changes
		 * nothing
		 */
		if (r->trimmed && (n > 0 || !from_start))
			ereport(ERROR,
					(errcode(ERRCODE_EL_EVENTS_LOST),
					 errmsg("events of partition %d of topic \"%s\" were removed while they were read",
							partition, t->name),
					 errdetail("The log starts at offset %lld.",
							   (long long) r->info.log_start)));
		r->trimmed = false;
		Assert(rec.offset >= from_offset);
		el_rows_put(rows, t, partition, &rec);
		n++;
	}
	if (r->stopped && IsolationIsSerializable())
	{
		/* what lies behind the stop was not seen either */
		r->mode = EL_READ_MVCC;
		r->stopped = false;
		while (el_reader_next_batch(r))
			CHECK_FOR_INTERRUPTS();
	}
	el_reader_end(r);
	/* a consistent view of a partition needs no lock on it afterwards */
	table_close(leaf, AccessShareLock);
	return n;
}

EL_FUNCTION(eventlog_read_topic);
/*
 * read_topic(topic regclass, partition int, from_offset bigint, max_events bigint)
 *
 * Partitions in order, each up to its last stable offset, until max_events.  EL004
 * if from_offset, or events behind it, have been removed.
 */
Datum
eventlog_read_topic(PG_FUNCTION_ARGS)
{
	Oid			relid;
	int64		from_offset = -1;
	int64		max_events = 1000;
	int32		first = 0;
	int32		last;
	ElTopic    *t;
	ElRows	   *rows;

	el_arg_not_null(fcinfo, 0, "topic");
	relid = PG_GETARG_OID(0);
	if (!PG_ARGISNULL(2))
	{
		from_offset = PG_GETARG_INT64(2);
		if (from_offset < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("from_offset must not be negative"),
					 errhint("Leave it out to read from the log start.")));
	}
	if (!PG_ARGISNULL(3))
	{
		max_events = PG_GETARG_INT64(3);
		if (max_events < 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("max_events must be at least 1")));
	}

	t = el_topic_to_read(relid);

	last = t->npartitions - 1;
	if (!PG_ARGISNULL(1))
	{
		el_check_partition(t, PG_GETARG_INT64(1));
		first = last = (int32) PG_GETARG_INT64(1);
	}

	rows = el_rows_begin(fcinfo, EL_ROW_EVENT);
	for (int32 p = first; p <= last && max_events > 0; p++)
		max_events -= read_partition(t, p, from_offset, max_events, rows);
	el_rows_end(rows);
	return (Datum) 0;
}
