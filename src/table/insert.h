/*-------------------------------------------------------------------------
 *
 * insert.h
 *	  INSERT and COPY into a topic: callbacks of the access method.
 *
 * IDENTIFICATION
 *	  src/table/insert.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_INSERT_H
#define EL_INSERT_H

#include "postgres.h"

#include "access/tableam.h"


/*
 * As the callbacks of TableAmRoutine that have these names.  What each event was
 * given (partition, time, offset if known) is written back to its slot.
 */
extern void el_tuple_insert(Relation rel, TupleTableSlot *slot, CommandId cid,
							int options, struct BulkInsertStateData *bistate);
extern void el_multi_insert(Relation rel, TupleTableSlot **slots, int nslots,
							CommandId cid, int options,
							struct BulkInsertStateData *bistate);

/*
 * Run a COPY FROM into a topic that inserts row by row; events of rows with
 * their own offsets are appended together, at the latest when it is through.
 */
extern void el_copy_row_by_row(Oid topic, void (*copy) (const void *arg),
							   const void *arg);

#endif							/* EL_INSERT_H */
