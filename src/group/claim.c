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

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "group/group.h"

EL_FUNCTION(eventlog_claim);

/* claim(group_name text, topic regclass, max_events bigint, max_bytes bigint, min_age interval) */
Datum
eventlog_claim(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"group_name", "topic", "max_events", "max_bytes"
	};
	char	   *group;
	Oid			relid;
	ElGroupConf conf;
	ElDelivery	d;
	ElAssignment a;

	el_require_write("claim()");
	el_args_not_null(fcinfo, names, lengthof(names));
	group = el_text_to_name(PG_GETARG_TEXT_PP(0), "group");
	relid = PG_GETARG_OID(1);

	el_group_conf(group, &conf);
	el_group_check_use(&conf);
	el_check_select(relid);

	el_consume_setup(&d, fcinfo, EL_ROW_EVENT, PG_GETARG_INT64(2),
					 PG_GETARG_INT64(3),
					 PG_ARGISNULL(4) ? NULL : PG_GETARG_INTERVAL_P(4));
	d.conf = &conf;
	d.claim = true;
	d.commit = true;
	d.snapshot = GetActiveSnapshot();

	LockRelationOid(relid, AccessShareLock);
	el_offsets_prepare_commit();
	el_claim_call(&conf, list_make1(el_want(relid)), &a);
	el_deliver(&d, &a);

	el_rows_end(d.rows);
	return (Datum) 0;
}
