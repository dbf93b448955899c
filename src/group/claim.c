/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  claim(): events for whoever asks, without membership.
 *
 * A claim takes partitions whose (group, partition) lock is free at the
 * moment and commits what it delivers with its transaction.
 *
 * IDENTIFICATION
 *	  src/group/claim.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "group/arguments.h"
#include "group/claimed.h"
#include "group/consume.h"
#include "group/deliver.h"
#include "group/member.h"
#include "group/offsets_append.h"
#include "rows/row.h"
#include "rows/rows.h"

EL_FUNCTION(eventlog_claim);

/* claim(group_name text, topic regclass, max_events bigint, max_bytes bigint, min_age interval) */
Datum
eventlog_claim(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"group_name", "topic", "max_events", "max_bytes"
	};
	static const ElCallSpec spec = {
		.command = "claim()",
		.writes = true,
		.names = names,
		.nnames = lengthof(names),
		.topic_arg = 1
	};
	ElCall		call;
	ElDelivery	d;
	ElAssignment a;

	el_call_begin(fcinfo, &spec, &call);
	el_consume_setup(&d, fcinfo, EL_ROW_EVENT, PG_GETARG_INT64(2),
					 PG_GETARG_INT64(3),
					 PG_ARGISNULL(4) ? NULL : PG_GETARG_INTERVAL_P(4));
	d.conf = &call.conf;
	d.claim = true;
	d.commit = true;
	d.snapshot = GetActiveSnapshot();

	el_offsets_prepare_commit();
	do
	{
		el_claim_call(&call.conf, list_make1(call.topic), false, &a);
		el_claimed_remember(call.group, call.topic->relid);
		el_deliver(&d, &a);
	} while (d.evicted && d.nrows == 0);

	el_rows_end(d.rows);
	return (Datum) 0;
}
