/*-------------------------------------------------------------------------
 *
 * log.c
 *	  The metapage: what a log is, and making one.
 *
 * NOTES
 *	  Zero blocks, or a block 0 of zeros (an extension that a crash left
 *	  behind), is an empty log: the metapage is made by the first append.
 *
 * LOCKING
 *	  The metapage's exclusive content lock is the append lock.  Directory
 *	  and data pages are locked after it, never before.
 *
 * IDENTIFICATION
 *	  src/storage/log.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/locks.h"
#include "storage/log.h"
#include "storage/wal.h"

/*
 * Where the metapage was last found in the buffer pool, per relcache entry:
 * saves the look-up of each append and poll, and asking for the file's size.
 */
typedef struct ElRelCache
{
	Buffer		meta;
	bool		exists;			/* the metapage was seen */
} ElRelCache;

/*
 * Not RelationGetNumberOfBlocks(): that would ask the table access method, who
 * stands above us.
 */
BlockNumber
el_log_blocks(Relation rel)
{
	return smgrnblocks(RelationGetSmgr(rel), MAIN_FORKNUM);
}

/* The pinned metapage, InvalidBuffer if the relation has no block. */
static Buffer
meta_buffer(Relation rel)
{
	ElRelCache *cache = (ElRelCache *) rel->rd_amcache;
	Buffer		buffer;

	if (cache != NULL && ReadRecentBuffer(el_rel_locator(rel), MAIN_FORKNUM,
										  EL_META_BLOCK, cache->meta))
		return cache->meta;
	if (el_log_blocks(rel) == 0)
		return InvalidBuffer;
	buffer = ReadBuffer(rel, EL_META_BLOCK);
	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(CacheMemoryContext, sizeof(ElRelCache));
		rel->rd_amcache = cache;
	}
	cache->meta = buffer;
	return buffer;
}

/* Raise XX001 unless page is a metapage of our version. */
static void
verify_meta(Relation rel, Page page)
{
	ElMeta	   *meta = ElPageGetMeta(page);

	if (el_page_special(page, EL_PAGE_ID_META) == NULL ||
		meta->magic != EL_META_MAGIC || meta->seg_pages == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("block %u of topic partition \"%s\" is not the metapage of a log",
						EL_META_BLOCK, RelationGetRelationName(rel))));
	if (meta->version < EL_OLDEST_FORMAT || meta->version > EL_FORMAT_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("topic partition \"%s\" has log format version %u, this library knows versions %u to %u",
						RelationGetRelationName(rel), meta->version,
						EL_OLDEST_FORMAT, EL_FORMAT_VERSION),
				 errdetail("Block %u.", EL_META_BLOCK)));
	if (!el_page_sound(page))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("metapage of topic partition \"%s\" is corrupt: its checksum differs",
						RelationGetRelationName(rel)),
				 errdetail("Block %u.", EL_META_BLOCK)));
}

bool
el_meta_read(Relation rel, char *copy)
{
	Buffer		buffer = meta_buffer(rel);
	Page		page;

	Assert(CheckRelationLockedByMe(rel, AccessShareLock, true));
	if (!BufferIsValid(buffer))
		return false;
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (PageIsNew(page))
	{
		UnlockReleaseBuffer(buffer);
		return false;
	}
	/* the used bytes, and the special area that says what page it is */
	memcpy(copy, page, ((PageHeader) page)->pd_lower);
	memcpy(copy + EL_PAGE_END, (char *) page + EL_PAGE_END,
		   BLCKSZ - EL_PAGE_END);
	UnlockReleaseBuffer(buffer);
	verify_meta(rel, copy);
	((ElRelCache *) rel->rd_amcache)->exists = true;
	return true;
}

bool
el_log_exists(Relation rel)
{
	ElRelCache *cache = (ElRelCache *) rel->rd_amcache;
	PGAlignedBlock copy;

	return (cache != NULL && cache->exists) || el_meta_read(rel, copy.data);
}

void
el_meta_to_info(const ElMeta *meta, ElLogInfo *info)
{
	const ElMetaSpecial *special = el_meta_special(meta);

	info->exists = true;
	info->partition = meta->partition;
	info->log_start = meta->log_start;
	info->log_end = meta->log_end;
	info->floor = meta->floor;
	/* a log made anew that holds nothing yet goes on where its floor is */
	if (meta->log_start == meta->log_end && meta->log_end < meta->floor)
		info->log_start = info->log_end = meta->floor;
	info->tail_pos = meta->tail_pos;
	info->settled_pos = meta->settled_pos;
	info->settled_offset = meta->settled_offset;
	info->first_seg = meta->first_seg;
	info->end_seg = meta->end_seg;
	info->seg_pages = meta->seg_pages;
	info->appended_batches = meta->batches;
	info->compactions = meta->compactions;
	info->tried_seg = meta->clean_seg + meta->unshrinkable_segs;
	info->removed = special->removed;
	info->rewinds = special->rewinds;
	info->not_emptied = (special->flags & EL_META_NOT_EMPTIED) != 0;
	info->epoch = special->epoch;
}

void
el_log_info(Relation rel, ElLogInfo *info)
{
	PGAlignedBlock copy;

	memset(info, 0, sizeof(*info));
	if (el_meta_read(rel, copy.data))
		el_meta_to_info(ElPageGetMeta(copy.data), info);
}

/* Write the first metapage into a buffer that is locked exclusively and new. */
static void
make_meta(Relation rel, Buffer buffer, const ElLogOptions *options)
{
	Page		page = BufferGetPage(buffer);
	ElMetaSpecial *special = ElMetaGetSpecial(ElPageGetMeta(page));

	Assert(el_buffer_locked_exclusively(buffer));
	Assert(BufferGetBlockNumber(buffer) == EL_META_BLOCK);
	Assert(PageIsNew(page));
	Assert(options->partition >= 0);
	Assert(options->first_offset >= 0 && options->floor >= 0);

	START_CRIT_SECTION();
	el_meta_init(page, options->partition, el_seg_pages(options->segment_bytes),
				 options->first_offset, options->floor);
	special->epoch = options->epoch;
	special->flags = options->first_offset == 0 ? EL_META_NOT_EMPTIED : 0;
	el_page_seal(page);
	el_wal_log_page(rel, buffer);
	END_CRIT_SECTION();
}

Buffer
el_meta_lock(Relation rel, const ElLogOptions *options)
{
	Buffer		buffer = meta_buffer(rel);

	Assert(CheckRelationLockedByMe(rel, AccessShareLock, true));
	if (BufferIsValid(buffer))
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	else
	{
		if (options == NULL)
			return InvalidBuffer;
		/* only here can two backends want to make block 0 */
		LockRelationForExtension(rel, ExclusiveLock);
		if (el_log_blocks(rel) == 0)
			buffer = ReadBufferExtended(rel, MAIN_FORKNUM, P_NEW,
										RBM_ZERO_AND_LOCK, NULL);
		else
		{
			buffer = ReadBuffer(rel, EL_META_BLOCK);
			LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		}
		UnlockRelationForExtension(rel, ExclusiveLock);
	}
	if (PageIsNew(BufferGetPage(buffer)))
	{
		if (options == NULL)
		{
			UnlockReleaseBuffer(buffer);
			return InvalidBuffer;
		}
		make_meta(rel, buffer, options);
	}
	else
		verify_meta(rel, BufferGetPage(buffer));
	Assert(el_buffer_locked_exclusively(buffer));
	return buffer;
}

void
el_log_forget(Relation rel)
{
	if (rel->rd_amcache != NULL)
		pfree(rel->rd_amcache);
	rel->rd_amcache = NULL;
}
