/*-------------------------------------------------------------------------
 *
 * tid.h
 *	  A row's ctid is its offset.
 *
 * IDENTIFICATION
 *	  src/table/tid.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_TID_H
#define EL_TID_H

#include "postgres.h"

#include "storage/itemptr.h"

/* A row's ctid is its offset: 32 bits of block number, 15 of line pointer, counted from 1. */
#define EL_TID_BITS 15
static inline void
el_offset_to_tid(int64 offset, ItemPointer tid)
{
	Assert(offset >= 0 && offset >> EL_TID_BITS <= PG_UINT32_MAX);
	ItemPointerSet(tid, (BlockNumber) (offset >> EL_TID_BITS),
				   (OffsetNumber) ((offset & ((1 << EL_TID_BITS) - 1)) + 1));
}

#define EL_TID_LINES (1 << EL_TID_BITS)

/* The tid must be valid: line pointers go from 1 to EL_TID_LINES. */
static inline bool
el_tid_valid(ItemPointer tid)
{
	OffsetNumber line = ItemPointerGetOffsetNumberNoCheck(tid);

	return line >= 1 && line <= EL_TID_LINES;
}

static inline int64
el_tid_to_offset(ItemPointer tid)
{
	Assert(el_tid_valid(tid));
	return ((int64) ItemPointerGetBlockNumberNoCheck(tid) << EL_TID_BITS) +
		ItemPointerGetOffsetNumberNoCheck(tid) - 1;
}

#endif							/* EL_TID_H */
