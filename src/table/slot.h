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

#include "kafka/record.h"
#include "topic/topic.h"

extern const TupleTableSlotOps ElTupleSlotOps;

/*
 * Store a record of a partition, and set the row's ctid.  The record's bytes stay
 * the reader's and must outlive the slot's use, or its materialisation.  Of the
 * topic only types and name are used.
 */
extern void el_slot_store(TupleTableSlot *slot, ElTopic *t, int32 partition,
						  const ElRecord *r);

#endif							/* EL_SLOT_H */
