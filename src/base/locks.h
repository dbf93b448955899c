/*-------------------------------------------------------------------------
 *
 * locks.h
 *	  What this backend has locked, for assertions.
 *
 * IDENTIFICATION
 *	  src/base/locks.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LOCKS_H
#define EL_LOCKS_H

#include "postgres.h"

#include "catalog/catalog.h"
#include "miscadmin.h"
#include "storage/buf_internals.h"
#include "storage/lock.h"
#include "storage/lwlock.h"

#include "base/compat.h"

/* Do we hold a buffer's content lock exclusively, or at all?  For assertions. */
#define el_buffer_locked_exclusively(buffer) \
	(BufferIsLocal(buffer) || \
	 LWLockHeldByMeInMode(BufferDescriptorGetContentLock(GetBufferDescriptor((buffer) - 1)), \
						  LW_EXCLUSIVE))
#define el_buffer_locked(buffer) \
	(BufferIsLocal(buffer) || \
	 LWLockHeldByMe(BufferDescriptorGetContentLock(GetBufferDescriptor((buffer) - 1))))

/*
 * Do we hold the relation's lock in this mode, or in a stronger one?  16.2 does
 * not have CheckRelationOidLockedByMe(), which says the same.
 */
static inline bool
el_relation_locked(Oid relid, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, IsSharedRelation(relid) ? InvalidOid : MyDatabaseId,
						 relid);
	for (; mode <= MaxLockMode; mode++)
	{
		if (el_lock_held_by_me(&tag, mode))
			return true;
	}
	return false;
}

#endif							/* EL_LOCKS_H */
