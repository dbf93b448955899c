/*-------------------------------------------------------------------------
 *
 * latest.c
 *	  latest(): the last value of each key.
 *
 * What compaction leaves, whether it has run or not.  Each partition is
 * read twice: once for the keys and where each was seen last, once for those
 * events.  So memory holds the keys, not the values.
 *
 * IDENTIFICATION
 *	  src/rows/latest.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/predicate.h"
#include "utils/snapmgr.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "kafka/record.h"
#include "rows/row.h"
#include "rows/rows.h"
#include "storage/keymap.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "topic/topic.h"

EL_FUNCTION(eventlog_latest);

static ElKeyMap *
last_offsets(ElReader *r)
{
	ElKeyMap   *keys = el_keymap_create();
	ElRecord	rec;

	(void) el_reader_seek(r, r->info.log_start);
	while (el_reader_next(r, &rec))
	{
		CHECK_FOR_INTERRUPTS();
		if (rec.key_len >= 0)
			el_keymap_put(keys, rec.key, rec.key_len, rec.offset);
	}
	return keys;
}

/*
 * Both passes see the same events: the reader's end is that of when it began, and
 * the snapshot is the same.
 */
static void
latest_of_partition(ElTopic *t, int32 partition, ElRows *rows)
{
	Relation	leaf = table_open(t->leaves[partition], AccessShareLock);
	ElReader   *r = el_reader_begin(leaf, GetActiveSnapshot(), EL_READ_STABLE);
	ElKeyMap   *keys;
	ElRecord	rec;

	PredicateLockRelation(leaf, GetActiveSnapshot());
	r->serializable = true;
	if (r->info.exists)
	{
		keys = last_offsets(r);
		(void) el_reader_seek(r, r->info.log_start);
		while (el_reader_next(r, &rec))
		{
			CHECK_FOR_INTERRUPTS();
			if (rec.key_len >= 0 && rec.value_len >= 0 &&
				el_keymap_get(keys, rec.key, rec.key_len) == rec.offset)
				el_rows_put(rows, t, partition, &rec);
		}
		el_keymap_free(keys);
	}
	el_reader_end(r);
	table_close(leaf, AccessShareLock);
}

/* latest(topic regclass) */
Datum
eventlog_latest(PG_FUNCTION_ARGS)
{
	Oid			relid;
	ElTopic    *t;
	ElRows	   *rows;

	el_arg_not_null(fcinfo, 0, "topic");
	relid = PG_GETARG_OID(0);
	t = el_topic_to_read(relid);

	rows = el_rows_begin(fcinfo, EL_ROW_EVENT);
	for (int32 p = 0; p < t->npartitions; p++)
		if (OidIsValid(t->leaves[p]))
			latest_of_partition(t, p, rows);
	el_rows_end(rows);
	return (Datum) 0;
}
