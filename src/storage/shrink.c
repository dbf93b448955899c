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
 * No live segment is moved.  Directory pages that lie behind the last one are
 * moved to blocks before it, for they would keep the file long: a log has one
 * for each 254 segments.  What is free is unlisted then (extent.c), and where most
 * of a file is free but not its end: so the next segments take the lowest blocks,
 * and the file gets shorter as its tail comes round.
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

#include "storage/extent.h"
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

/*
 * The block behind the last one of live segments; InvalidBlockNumber if some were
 * freed since meta was read.
 */
static BlockNumber
live_end(Relation rel, const ElMeta *meta)
{
	ElDirectory *dir = el_directory_new();
	BlockNumber end = EL_META_BLOCK + 1;

	for (uint64 seg = meta->first_seg; seg < meta->end_seg; seg++)
	{
		ElSegment  *entry = el_directory_entry(rel, meta, dir, seg);

		CHECK_FOR_INTERRUPTS();
		if (entry == NULL)
		{
			end = InvalidBlockNumber;
			break;
		}
		end = Max(end, entry->first_block + meta->seg_pages);
	}
	pfree(dir);
	return end;
}

/* Directory pages of live segments. */
static uint32
count_directories(const ElMeta *meta)
{
	return meta->end_seg == 0 ? 0 :
		EL_DIRECTORY_NO(meta->end_seg - 1) - EL_DIRECTORY_NO(meta->first_seg) + 1;
}

/*
 * Where the file may end, at the latest, when all directory pages have moved: as
 * many blocks as they take now may be in their way.
 */
static BlockNumber
shortest(const ElMeta *meta, BlockNumber end)
{
	return end + 2 * count_directories(meta);
}

/*
 * Only live segments and their directory pages are listed from here on: what was
 * free or set aside is unlisted.  The metapage is locked exclusively.
 */
static void
unlist_free(Relation rel, Buffer metabuf)
{
	ElMeta	   *meta = ElPageGetMeta(BufferGetPage(metabuf));

	START_CRIT_SECTION();
	meta->reuse_seg = meta->first_seg;
	meta->alloc_seg = meta->end_seg;
	meta->spare_directory = InvalidBlockNumber;
	el_page_seal(BufferGetPage(metabuf));
	AssertMeta(BufferGetPage(metabuf));
	el_wal_log_page(rel, metabuf);
	END_CRIT_SECTION();
}

/* Copy a directory page to another block, where nothing refers to it yet. */
static void
copy_directory(Relation rel, BlockNumber from, BlockNumber to)
{
	PGAlignedBlock copy;
	Buffer		buffer = ReadBuffer(rel, from);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);

	buffer = ReadBufferExtended(rel, MAIN_FORKNUM, to, RBM_ZERO_AND_LOCK, NULL);
	START_CRIT_SECTION();
	memcpy(BufferGetPage(buffer), copy.data, BLCKSZ);
	el_wal_log_page(rel, buffer);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}

/*
 * Copy directory pages that lie at or behind end to the lowest unlisted blocks, if
 * those are lower than their own.  roots gets where each directory page is then;
 * returns where the file may end.
 */
static BlockNumber
move_directories(Relation rel, const ElMeta *meta, BlockNumber end,
				 BlockNumber *roots)
{
	uint64		first = EL_DIRECTORY_NO(meta->first_seg);
	uint32		ndirectories = count_directories(meta);
	BlockNumber live = end;
	int			n;
	int			i = 0;
	ElBlocks   *runs = el_unlisted_blocks(rel, meta, meta->first_seg,
										  meta->end_seg, NULL, &n);

	for (uint32 no = 0; no < ndirectories; no++)
	{
		roots[no] = ElMetaRoot(meta, first + no);
		CHECK_FOR_INTERRUPTS();
		if (roots[no] >= live && i < n && runs[i].begin < roots[no])
		{
			copy_directory(rel, roots[no], runs[i].begin);
			roots[no] = runs[i].begin++;
			if (runs[i].begin == runs[i].end)
				i++;
		}
		end = Max(end, roots[no] + 1);
	}
	pfree(runs);
	return end;
}

/* Under AccessExclusiveLock.  Returns bytes given back. */
static int64
cut_off_free_end(Relation rel)
{
	BlockNumber nblocks = el_log_blocks(rel);
	Buffer		metabuf = el_meta_lock(rel, NULL);
	ElMeta	   *meta;
	uint64		first;
	BlockNumber *roots;
	BlockNumber end;

	Assert(CheckRelationLockedByMe(rel, AccessExclusiveLock, false));
	if (!BufferIsValid(metabuf))
		return 0;
	meta = ElPageGetMeta(BufferGetPage(metabuf));
	end = live_end(rel, meta);
	if (end == InvalidBlockNumber || shortest(meta, end) + meta->seg_pages > nblocks)
	{
		UnlockReleaseBuffer(metabuf);
		return 0;
	}
	roots = palloc((count_directories(meta) + 1) * sizeof(BlockNumber));
	unlist_free(rel, metabuf);
	end = move_directories(rel, meta, end, roots);
	Assert(end > EL_META_BLOCK && end + meta->seg_pages <= nblocks);

	first = EL_DIRECTORY_NO(meta->first_seg);
	START_CRIT_SECTION();
	for (uint32 i = 0; i < count_directories(meta); i++)
		ElMetaRoot(meta, first + i) = roots[i];
	meta->next_block = end;
	el_page_seal(BufferGetPage(metabuf));
	AssertMeta(BufferGetPage(metabuf));
	el_wal_log_page(rel, metabuf);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(metabuf);
	pfree(roots);

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
	BlockNumber nblocks = el_log_blocks(rel);
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
		nblocks < (meta->end_seg - meta->first_seg + 1) * meta->seg_pages ||
		standby_possible())
		return 0;
	end = live_end(rel, meta);
	if (end == InvalidBlockNumber)
		return 0;
	if (shortest(meta, end) + meta->seg_pages <= nblocks)
	{
		if (!ConditionalLockRelation(rel, AccessExclusiveLock))
			return 0;
		given = cut_off_free_end(rel);
		UnlockRelation(rel, AccessExclusiveLock);
		return given;
	}

	/*
	 * A live segment is at the end.  If most of the file is free, the next
	 * ones shall take its lowest blocks, not the oldest.
	 */
	if (meta->reuse_seg < meta->first_seg &&
		nblocks > 2 * (meta->end_seg - meta->first_seg + 1) * meta->seg_pages)
	{
		Buffer		metabuf = el_meta_lock(rel, NULL);

		unlist_free(rel, metabuf);
		UnlockReleaseBuffer(metabuf);
	}
	return 0;
}
