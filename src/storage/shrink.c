/*-------------------------------------------------------------------------
 *
 * shrink.c
 *	  Giving free segments at the end of the file back to the file system.
 *
 * As VACUUM does with a heap: only if the AccessExclusiveLock is free at
 * once.  On a standby that lock would stand in the way of readers until it is
 * replayed to its end, so where a standby can be there, the file stays as it
 * is and the log uses the space itself.
 *
 * Extents that are cut off stay in the list of free ones as entries without a
 * block, which an append passes over.
 *
 * IDENTIFICATION
 *	  src/storage/shrink.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/storage.h"
#include "miscadmin.h"
#include "replication/slot.h"
#include "replication/walsender_private.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/spin.h"

#include "storage/log.h"
#include "storage/segment.h"
#include "storage/shrink.h"
#include "storage/wal.h"

/* Could somebody replay our WAL with queries beside it? */
static bool
standby_possible(void)
{
	if (!XLogStandbyInfoActive())
		return false;
	if (XLogArchivingActive())
		return true;
	for (int i = 0; i < max_wal_senders; i++)
	{
		WalSnd	   *sender = &WalSndCtl->walsnds[i];
		pid_t		pid;

		SpinLockAcquire(&sender->mutex);
		pid = sender->pid;
		SpinLockRelease(&sender->mutex);
		if (pid != 0)
			return true;
	}
	for (int i = 0; i < max_replication_slots; i++)
	{
		bool		in_use;

		LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
		in_use = ReplicationSlotCtl->replication_slots[i].in_use;
		LWLockRelease(ReplicationSlotControlLock);
		if (in_use)
			return true;
	}
	return false;
}

/* The block behind the last one that the log needs. */
static BlockNumber
needed_blocks(Relation rel, const ElMeta *meta, ElDirectory *dir)
{
	BlockNumber end = EL_META_BLOCK + 1;

	for (uint64 no = EL_DIRECTORY_NO(meta->reuse_seg);
		 no * EL_DIRECTORY_SEGMENTS < meta->alloc_seg; no++)
		end = Max(end, ElMetaRoot(meta, no) + 1);
	for (uint64 seg = meta->first_seg; seg < meta->alloc_seg; seg++)
	{
		ElSegment  *entry = el_directory_entry(rel, meta, dir, seg);

		CHECK_FOR_INTERRUPTS();
		if (entry == NULL)
			return InvalidBlockNumber;
		end = Max(end, entry->first_block + meta->seg_pages);
	}
	return end;
}

/* The entries of free extents beyond end lose their block. */
static void
forget_extents(Relation rel, const ElMeta *meta, BlockNumber end)
{
	uint64		seg = meta->reuse_seg;

	while (seg < meta->first_seg)
	{
		uint64		no = EL_DIRECTORY_NO(seg);
		uint64		upto = Min(meta->first_seg, (no + 1) * EL_DIRECTORY_SEGMENTS);
		Buffer		buffer = ReadBuffer(rel, ElMetaRoot(meta, no));

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		START_CRIT_SECTION();
		for (; seg < upto; seg++)
		{
			ElSegment  *entry = ElDirectoryEntry(BufferGetPage(buffer), seg);

			if (entry->first_block >= end)
				entry->first_block = InvalidBlockNumber;
		}
		el_page_seal(BufferGetPage(buffer));
		el_wal_log_page(rel, buffer);
		END_CRIT_SECTION();
		UnlockReleaseBuffer(buffer);
	}
}

/* Under AccessExclusiveLock.  Returns bytes given back. */
static int64
cut_off_free_end(Relation rel)
{
	BlockNumber nblocks = el_log_blocks(rel);
	Buffer		metabuf = el_meta_lock(rel, NULL);
	ElMeta	   *meta;
	ElDirectory *dir;
	BlockNumber end;

	Assert(CheckRelationLockedByMe(rel, AccessExclusiveLock, false));
	if (!BufferIsValid(metabuf))
		return 0;
	meta = ElPageGetMeta(BufferGetPage(metabuf));
	dir = el_directory_new();
	end = needed_blocks(rel, meta, dir);
	pfree(dir);
	/* a segment at least, or it is not worth the trouble */
	if (end == InvalidBlockNumber || end + meta->seg_pages > nblocks)
	{
		UnlockReleaseBuffer(metabuf);
		return 0;
	}
	Assert(end > EL_META_BLOCK && end <= meta->next_block);
	forget_extents(rel, meta, end);

	START_CRIT_SECTION();
	meta->next_block = end;
	if (meta->spare_directory != InvalidBlockNumber &&
		meta->spare_directory >= end)
		meta->spare_directory = InvalidBlockNumber;
	el_page_seal(BufferGetPage(metabuf));
	AssertMeta(BufferGetPage(metabuf));
	el_wal_log_page(rel, metabuf);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(metabuf);

	RelationTruncate(rel, end);
	return (int64) (nblocks - end) * BLCKSZ;
}

/*
 * Returns bytes given back, 0 if that was not possible without waiting.  The
 * caller holds a weaker lock on the relation, or one as strong, and no content lock.
 */
int64
el_log_shrink(Relation rel)
{
	PGAlignedBlock copy;
	ElMeta	   *meta = ElPageGetMeta(copy.data);
	ElDirectory *dir;
	BlockNumber end;
	int64		given;

	/*
	 * A cursor of this session has pages pinned, and our own locks do not
	 * keep us out: dropping a pinned buffer is an error where
	 * RelationTruncate() must not fail.
	 */
	if (rel->rd_refcnt > 1)
		return 0;
	/* look without the lock first: usually there is nothing to do */
	if (!el_meta_read(rel, copy.data) ||
		meta->reuse_seg == meta->first_seg || standby_possible())
		return 0;
	dir = el_directory_new();
	end = needed_blocks(rel, meta, dir);
	pfree(dir);
	if (end == InvalidBlockNumber ||
		end + meta->seg_pages > el_log_blocks(rel) ||
		!ConditionalLockRelation(rel, AccessExclusiveLock))
		return 0;
	given = cut_off_free_end(rel);
	UnlockRelation(rel, AccessExclusiveLock);
	return given;
}
