/*-------------------------------------------------------------------------
 *
 * log.c
 *	  The metapage: what a log is, making one, trimming it.
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

#include "access/xlog.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/extension.h"
#include "storage/meta.h"
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

Buffer
el_meta_buffer(Relation rel)
{
	ElRelCache *cache = (ElRelCache *) rel->rd_amcache;
	Buffer		buffer;

	if (cache != NULL && ReadRecentBuffer(el_rel_locator(rel), MAIN_FORKNUM,
										  EL_META_BLOCK, cache->meta))
		return cache->meta;
	if (RelationGetNumberOfBlocks(rel) == 0)
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

void
el_meta_verify(Relation rel, Page page)
{
	ElMeta	   *meta = ElPageGetMeta(page);

	if (el_page_special(page, EL_PAGE_ID_META) == NULL ||
		meta->magic != EL_META_MAGIC || meta->seg_pages == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("block %u of topic partition \"%s\" is not the metapage of a log",
						EL_META_BLOCK, RelationGetRelationName(rel))));
	if (meta->version != EL_FORMAT_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("topic partition \"%s\" has log format version %u, this library knows version %u",
						RelationGetRelationName(rel), meta->version,
						EL_FORMAT_VERSION),
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
	Buffer		buffer = el_meta_buffer(rel);
	Page		page;

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
	el_meta_verify(rel, copy);
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
	info->exists = true;
	info->partition = meta->partition;
	info->log_start = meta->log_start;
	info->log_end = meta->log_end;
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
	info->tried_seg = meta->clean_seg + meta->vain_segs;
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
	xl_el_init	rec;
	XLogRecPtr	lsn;

	rec.partition = options->partition;
	rec.seg_pages = el_seg_pages(options->segment_bytes);
	rec.offset = options->first_offset;
	rec.floor = options->floor;

	START_CRIT_SECTION();
	el_meta_init(page, rec.partition, rec.seg_pages, rec.offset, rec.floor);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
	{
		XLogBeginInsert();
		XLogRegisterData((char *) &rec, sizeof(rec));
		XLogRegisterBuffer(0, buffer, REGBUF_WILL_INIT | REGBUF_STANDARD);
		lsn = XLogInsert(EL_RMGR_ID, XLOG_EL_INIT);
		PageSetLSN(page, lsn);
	}
	END_CRIT_SECTION();
}

Buffer
el_meta_lock(Relation rel, const ElLogOptions *options)
{
	Buffer		buffer = el_meta_buffer(rel);

	if (BufferIsValid(buffer))
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	else
	{
		if (options == NULL)
			return InvalidBuffer;
		/* only here can two backends want to make block 0 */
		LockRelationForExtension(rel, ExclusiveLock);
		if (RelationGetNumberOfBlocks(rel) == 0)
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
		el_meta_verify(rel, BufferGetPage(buffer));
	return buffer;
}

void
el_log_make(Relation rel, const ElLogOptions *options)
{
	UnlockReleaseBuffer(el_meta_lock(rel, options));
}

/*
 * All extension happens under the metapage's lock, so nobody else extends
 * meanwhile, and nothing can interrupt it.  Blocks given out but skipped (a
 * segment closed early) are filled on the way.  No buffers are taken: who writes
 * a page for the first time zeroes one of his own, and what is skipped needs none.
 */
void
el_extend_to(Relation rel, BlockNumber last)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);

	if (nblocks <= last)
		el_smgr_extend(RelationGetSmgr(rel), nblocks, last - nblocks + 1);
}

/*
 * TRUNCATE: the new file goes on where the old one ended.  Core syncs a new
 * file itself when wal_level is minimal, and then its pages must not be in
 * the WAL.
 */
void
el_log_create(const RelFileLocator *locator, char persistence, int32 partition,
			  uint32 seg_pages, int64 offset)
{
	PGIOAlignedBlock block;
	RelFileLocator rlocator = *locator;
	SMgrRelation srel = smgropen(rlocator, InvalidBackendId);

	el_meta_init(block.data, partition, seg_pages, offset, offset);
	if (persistence == RELPERSISTENCE_PERMANENT && XLogIsNeeded())
		log_newpage(&rlocator, MAIN_FORKNUM, EL_META_BLOCK, block.data, true);
	PageSetChecksumInplace(block.data, EL_META_BLOCK);
	smgrextend(srel, MAIN_FORKNUM, EL_META_BLOCK, block.data, false);

	/*
	 * The page went past the buffer pool: a checkpoint that began before the
	 * WAL record must not be able to forget it.
	 */
	smgrimmedsync(srel, MAIN_FORKNUM);
}

int64
el_log_trim(Relation rel, int64 offset)
{
	Buffer		metabuf;
	ElMeta	   *meta;
	xl_el_trim	rec;
	ElDirectory *dir;
	uint64		lo,
				hi;
	int64		freed;
	XLogRecPtr	lsn = InvalidXLogRecPtr;

	el_require_preload();
	metabuf = el_meta_lock(rel, NULL);
	if (!BufferIsValid(metabuf))
		return 0;
	meta = ElPageGetMeta(BufferGetPage(metabuf));
	if (offset > meta->log_end)
	{
		int64		log_end = meta->log_end;

		UnlockReleaseBuffer(metabuf);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset " INT64_FORMAT " is beyond the log end of \"%s\"",
						offset, RelationGetRelationName(rel)),
				 errdetail("The log ends at " INT64_FORMAT ".", log_end)));
	}
	if (offset <= meta->log_start)
	{
		UnlockReleaseBuffer(metabuf);
		return 0;
	}

	/* the last segment that a batch begins in at or before offset stays */
	dir = palloc(sizeof(ElDirectory));
	dir->valid = false;
	lo = meta->first_seg;
	hi = meta->end_seg;
	while (hi - lo > 1)
	{
		uint64		mid = lo + (hi - lo) / 2;

		if (el_directory_entry(rel, meta, dir, mid)->base_offset <= offset)
			lo = mid;
		else
			hi = mid;
	}
	while (lo > meta->first_seg &&
		   (el_directory_entry(rel, meta, dir, lo)->flags & EL_SEGMENT_CONTINUES))
		lo--;
	pfree(dir);

	rec.log_start = offset;
	rec.first_seg = lo;
	freed = (int64) (lo - meta->first_seg) * meta->seg_pages * BLCKSZ;

	START_CRIT_SECTION();
	el_apply_trim(BufferGetPage(metabuf), &rec);
	MarkBufferDirty(metabuf);
	if (RelationNeedsWAL(rel))
	{
		XLogBeginInsert();
		XLogRegisterData((char *) &rec, sizeof(rec));
		XLogRegisterBuffer(0, metabuf, REGBUF_STANDARD);
		lsn = XLogInsert(EL_RMGR_ID, XLOG_EL_TRIM);
		PageSetLSN(BufferGetPage(metabuf), lsn);
	}
	END_CRIT_SECTION();

	/*
	 * Before anybody can reuse the space: a crash must not bring back a log
	 * start whose events are overwritten.
	 */
	if (!XLogRecPtrIsInvalid(lsn))
		XLogFlush(lsn);
	UnlockReleaseBuffer(metabuf);
	return freed;
}
