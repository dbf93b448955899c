/*-------------------------------------------------------------------------
 *
 * memory_view.c
 *	  _eventlog.group_memory(): how the memory of groups is used.
 *
 * IDENTIFICATION
 *	  src/group/memory_view.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"

#include "base/compat.h"
#include "base/extension.h"
#include "group/room.h"

EL_FUNCTION(eventlog_group_memory);

/* Of the whole server, in slots. */
Datum
eventlog_group_memory(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	ElRoom		room;
	Datum		values[6];
	bool		nulls[6] = {false};

	el_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	el_group_lock(LW_SHARED);
	el_room_used(&room);
	el_group_unlock();
	values[0] = Int64GetDatum(room.nslots);
	values[1] = Int64GetDatum(room.nslots - room.nfree - room.nidle);
	values[2] = Int64GetDatum(room.nidle);
	values[3] = Int64GetDatum(room.nkept);
	values[4] = Int64GetDatum(room.groups - room.idle_groups);
	values[5] = Int64GetDatum(room.idle_groups);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
