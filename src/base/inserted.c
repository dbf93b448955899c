/*-------------------------------------------------------------------------
 *
 * inserted.c
 *	  Triggers BEFORE INSERT of internal tables, which a restore fills.
 *
 * The owner of a database may insert into them, so that he can restore it.  A row
 * that is not his to make is changed or left out by these triggers, for an
 * error would lose the whole table: COPY knows no half.
 *
 * IDENTIFICATION
 *	  src/base/inserted.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "base/compat.h"
#include "base/inserted.h"

TriggerData *
el_inserted_row(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function must be called by a trigger BEFORE INSERT FOR EACH ROW")));
	return trigger;
}

bool
el_inserter_is_trusted(Relation rel)
{
	return superuser() || el_is_owner(RelationGetRelid(rel), GetUserId());
}
