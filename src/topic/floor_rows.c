/*-------------------------------------------------------------------------
 *
 * floor_rows.c
 *	  What may be inserted into _eventlog.log_floor.
 *
 * A row says where the next event of an empty log goes, so by one with a high
 * offset a topic would take no more events.  Who is not trusted inserts rows of
 * his own topics alone, and of those that are not there yet.
 *
 * IDENTIFICATION
 *	  src/topic/floor_rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/inserted.h"
#include "topic/log_floor.h"
#include "topic/options.h"
#include "topic/uuids.h"

EL_FUNCTION(eventlog_check_log_floor);

/* The topic with this uuid.  Labels are read once a statement. */
static Oid
topic_of_row(FmgrInfo *flinfo, const pg_uuid_t *uuid)
{
	if (flinfo->fn_extra == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(flinfo->fn_mcxt);

		flinfo->fn_extra = el_labelled_topics();
		MemoryContextSwitchTo(old);
	}
	return el_topic_with_uuid(flinfo->fn_extra, uuid);
}

/* Trigger of _eventlog.log_floor. */
Datum
eventlog_check_log_floor(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = el_inserted_row(fcinfo);
	Relation	rel = trigger->tg_relation;
	HeapTuple	tuple = trigger->tg_trigtuple;
	bool		isnull;
	Datum		uuid = heap_getattr(tuple, EL_ATT_FLOOR_TOPIC,
									RelationGetDescr(rel), &isnull);
	Oid			topic;

	if (isnull || el_inserter_is_trusted(rel))
		return PointerGetDatum(tuple);	/* NOT NULL says so */

	topic = topic_of_row(fcinfo->flinfo, DatumGetUUIDP(uuid));
	if (OidIsValid(topic))
	{
		if (el_is_owner(topic, GetUserId()))
			return PointerGetDatum(tuple);
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of topic \"%s\"", get_rel_name(topic)),
				 errdetail("A row of \"%s\" is left out.",
						   RelationGetRelationName(rel))));
		return PointerGetDatum(NULL);
	}

	/* a uuid made from an OID would be that of whoever's table gets the OID */
	return PointerGetDatum(OidIsValid(el_uuid_to_oid(DatumGetUUIDP(uuid))) ?
						   NULL : tuple);
}
