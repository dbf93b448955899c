/*-------------------------------------------------------------------------
 *
 * slot.h
 *	  A tuple slot over a record of the log.
 *
 * IDENTIFICATION
 *	  src/table/slot.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SLOT_H
#define EL_SLOT_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "kafka/record.h"

extern const TupleTableSlotOps ElTupleSlotOps;

/*
 * Store a record of a partition, and set the row's ctid and tableoid.  The record's
 * bytes stay the reader's and, as the relation, must outlive the slot's use, or
 * its materialisation.
 */
extern void el_slot_store(TupleTableSlot *slot, Relation rel, int32 partition,
						  const ElRecord *r);

#endif							/* EL_SLOT_H */
