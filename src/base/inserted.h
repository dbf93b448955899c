/*-------------------------------------------------------------------------
 *
 * inserted.h
 *	  Triggers BEFORE INSERT of internal tables, which a restore fills.
 *
 * IDENTIFICATION
 *	  src/base/inserted.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_INSERTED_H
#define EL_INSERTED_H

#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/rel.h"

/* The row, for a function that is called for each that is inserted; 39P01 if it is called for another reason. */
extern TriggerData *el_inserted_row(FunctionCallInfo fcinfo);

/* May the current user write whatever he likes into the table? */
extern bool el_inserter_is_trusted(Relation rel);

#endif							/* EL_INSERTED_H */
