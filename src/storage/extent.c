/*-------------------------------------------------------------------------
 *
 * extent.c
 *	  Which blocks of the file are free, and who takes them.
 *
 * A segment's blocks are one extent of seg_pages consecutive blocks.  Extents
 * are free in one of three ways:
 *
 * trimmed	 in the directory, from reuse_seg to first_seg: used again oldest
 *			 first, which costs nothing
 * set aside in the directory, from end_seg to alloc_seg: an append that failed
 *			 has left them, and the next one takes them
 * unlisted	 given out once (below next_block) and in no entry: compaction has
 *			 replaced what was there, has not come to its end, or the directory
 *			 pages that were there are needed no more.  Found by looking at all
 *			 entries, if the number of blocks says that there may be some.
 *
 * The file is extended when there is no free extent.  A free one is there only
 * if all of its blocks are: one that lies at the end of the file and is not
 * written to its end (or that a crash has cut short) is no better than what lies
 * behind the file.  It is left unlisted, and taken when there is nothing else.
 * So where the file system is full, what is free in the file is used, whichever
 * way it came to be free.
 *
 * Nothing is recorded before the blocks that it names exist: an append that
 * cannot extend the file has changed nothing.
 *
 * LOCKING
 *	  Metapage exclusively, directory pages after it.  Which unlisted blocks a
 *	  compaction is writing is written nowhere, so it holds a lock of its own
 *	  meanwhile; an append tries that, and goes without them.
 *
 * IDENTIFICATION
 *	  src/storage/extent.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"

#include "base/compat.h"
#include "base/locks.h"
#include "storage/extent.h"
#include "storage/log.h"
#include "storage/segment.h"
#include "storage/wal.h"

/*
 * The file grows by a quarter, by 1 MB at most: a step costs about as much
 * as a page, and a small log stays small.
 */
#define EL_EXTEND_MOST		(1024 * 1024 / BLCKSZ)

/*
 * All extension happens under the metapage's lock, so nobody else extends
 * meanwhile, and nothing can interrupt it.  Blocks given out but skipped (a
 * segment closed early) are filled on the way.  No buffers are taken: the
 * first append to write a page takes a zeroed one, and what is skipped needs
 * none.
 */
void
el_extend_to(Relation rel, Buffer metabuf, BlockNumber last, BlockNumber limit)
{
	BlockNumber nblocks = el_log_blocks(rel);

	Assert(el_buffer_locked_exclusively(metabuf));
	Assert(CritSectionCount == 0);
	if (nblocks > last)
		return;
	if (limit > last)
		last = Max(last, Min(limit, nblocks + Min(nblocks / 4, EL_EXTEND_MOST)));
	el_smgr_extend(RelationGetSmgr(rel), nblocks, last - nblocks + 1);
}

/*
 * Unlisted blocks
 */

/* That of a tuple of the metapage: rows of logs are never locked. */
static bool
lock_unlisted(Relation rel, bool no_wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_TUPLE(tag, rel->rd_lockInfo.lockRelId.dbId,
					  rel->rd_lockInfo.lockRelId.relId, EL_META_BLOCK, 0);
	return LockAcquire(&tag, ExclusiveLock, false, no_wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
el_unlisted_lock(Relation rel)
{
	(void) lock_unlisted(rel, false);
}

void
el_unlisted_unlock(Relation rel)
{
	LOCKTAG		tag;

	SET_LOCKTAG_TUPLE(tag, rel->rd_lockInfo.lockRelId.dbId,
					  rel->rd_lockInfo.lockRelId.relId, EL_META_BLOCK, 0);
	LockRelease(&tag, ExclusiveLock, false);
}

static int
compare_blocks(const void *a, const void *b)
{
	BlockNumber x = ((const ElBlocks *) a)->begin;
	BlockNumber y = ((const ElBlocks *) b)->begin;

	return x < y ? -1 : x > y;
}

ElBlocks *
el_unlisted_blocks(Relation rel, const ElMeta *meta, uint64 from, uint64 end,
				   const ElBlocks *taken, int *n)
{
	uint64		nsegs = end - from;
	ElBlocks   *runs = palloc((nsegs + EL_DIRECTORY_NO(nsegs) + 4) * sizeof(ElBlocks));
	ElDirectory *dir = el_directory_new();
	BlockNumber behind = EL_META_BLOCK + 1;
	int			nused = 0;

	Assert(from <= meta->first_seg && end >= meta->end_seg);
	for (uint64 seg = from; seg < end; seg++)
	{
		BlockNumber block = el_directory_require(rel, meta, dir, seg)->first_block;

		if (seg == from || seg % EL_DIRECTORY_SEGMENTS == 0)
		{
			BlockNumber root = ElMetaRoot(meta, EL_DIRECTORY_NO(seg));

			runs[nused++] = (ElBlocks)
			{
				root, root + 1
			};
		}
		if (block != InvalidBlockNumber)
			runs[nused++] = (ElBlocks)
		{
			block, block + meta->seg_pages
		};
	}
	if (taken != NULL)
		runs[nused++] = *taken;
	runs[nused++] = (ElBlocks)
	{
		meta->next_block, meta->next_block
	};
	pfree(dir);

	/* the gaps between them, in the same place: no more of them */
	qsort(runs, nused, sizeof(ElBlocks), compare_blocks);
	*n = 0;
	for (int i = 0; i < nused; i++)
	{
		ElBlocks	used = runs[i];

		if (behind < used.begin)
			runs[(*n)++] = (ElBlocks)
		{
			behind, used.begin
		};
		behind = Max(behind, used.end);
	}
	return runs;
}

/*
 * How many unlisted blocks there are, in how many pieces ever; too few if entries
 * of trimmed segments have no block.  reuse_seg: as the metapage will have it.
 */
static int64
count_unlisted(const ElMeta *meta, uint64 reuse_seg)
{
	int64		given_out = meta->next_block - (EL_META_BLOCK + 1);
	int64		nsegs = meta->alloc_seg - reuse_seg;

	if (nsegs == 0)
		return given_out;
	return given_out - nsegs * meta->seg_pages -
		(int64) (EL_DIRECTORY_NO(meta->alloc_seg - 1) - EL_DIRECTORY_NO(reuse_seg) + 1);
}

/*
 * The first run of that many unlisted blocks, beside those of the extent taken
 * (InvalidBlockNumber: none); InvalidBlockNumber if there is none, or if a
 * compaction has them.
 */
static BlockNumber
find_unlisted(Relation rel, const ElMeta *meta, uint64 reuse_seg,
			  BlockNumber taken, BlockNumber count)
{
	ElBlocks	extent = {taken, taken + meta->seg_pages};
	BlockNumber found = InvalidBlockNumber;
	ElBlocks   *runs;
	int			n;

	if (count_unlisted(meta, reuse_seg) < count || !lock_unlisted(rel, true))
		return InvalidBlockNumber;
	runs = el_unlisted_blocks(rel, meta, reuse_seg, meta->alloc_seg,
							  taken == InvalidBlockNumber ? NULL : &extent, &n);
	for (int i = 0; i < n && found == InvalidBlockNumber; i++)
		if (runs[i].end - runs[i].begin >= count)
			found = runs[i].begin;
	pfree(runs);
	el_unlisted_unlock(rel);
	return found;
}

/*
 * Free extents
 */

/* Are all blocks of an extent there? */
static inline bool
is_ready(const ElMeta *meta, BlockNumber block, BlockNumber nblocks)
{
	return block < nblocks && nblocks - block >= meta->seg_pages;
}

/*
 * The oldest of the trimmed extents that are ready, or InvalidBlockNumber.
 * Moves reuse_seg behind it; those passed over are unlisted then.  (Entries of
 * earlier versions may have no block.)
 */
static BlockNumber
take_trimmed(Relation rel, const ElMeta *meta, BlockNumber nblocks,
			 uint64 *reuse_seg)
{
	ElDirectory *dir = el_directory_new();
	BlockNumber found = InvalidBlockNumber;

	while (found == InvalidBlockNumber && *reuse_seg < meta->first_seg)
	{
		BlockNumber block = el_directory_require(rel, meta, dir, (*reuse_seg)++)->first_block;

		if (is_ready(meta, block, nblocks))
			found = block;
	}
	pfree(dir);
	return found;
}

/* A free extent that is ready; else one that is not, or InvalidBlockNumber. */
static BlockNumber
take_free(Relation rel, const ElMeta *meta, BlockNumber nblocks,
		  uint64 *reuse_seg)
{
	BlockNumber block = take_trimmed(rel, meta, nblocks, reuse_seg);

	if (block == InvalidBlockNumber)
		block = find_unlisted(rel, meta, *reuse_seg, InvalidBlockNumber,
							  meta->seg_pages);
	return block;
}

/*
 * An append asks at each new page at the end of the file, so it is remembered of
 * one log that it was looked for in vain: whatever makes an extent free, or an
 * append take one, changes a field below.
 */
bool
el_extent_ready(Relation rel, const ElMeta *meta, BlockNumber nblocks)
{
	static ElMeta none;
	static RelFileLocator none_of;
	RelFileLocator file = el_rel_locator(rel);
	uint64		reuse_seg = meta->reuse_seg;
	BlockNumber block;

	if (RelFileLocatorEquals(none_of, file) &&
		none.reuse_seg == meta->reuse_seg && none.first_seg == meta->first_seg &&
		none.end_seg == meta->end_seg && none.alloc_seg == meta->alloc_seg &&
		none.next_block == meta->next_block &&
		none.compactions == meta->compactions)
		return false;
	if (take_trimmed(rel, meta, nblocks, &reuse_seg) != InvalidBlockNumber)
		return true;
	/* what a compaction has may be there soon */
	if (count_unlisted(meta, reuse_seg) < meta->seg_pages || !lock_unlisted(rel, true))
		return false;
	block = find_unlisted(rel, meta, reuse_seg, InvalidBlockNumber, meta->seg_pages);
	el_unlisted_unlock(rel);
	if (is_ready(meta, block, nblocks))
		return true;
	none_of = file;
	none = *meta;
	return false;
}

static void report_file_full(Relation rel) pg_attribute_noreturn();

static void
report_file_full(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("topic partition \"%s\" has reached the largest file size",
					RelationGetRelationName(rel)),
			 errhint("Shorten the retention, or use more partitions.")));
}

BlockNumber
el_extent_take(Relation rel, BlockNumber unlisted)
{
	Buffer		metabuf = el_meta_lock(rel, NULL);
	ElMeta	   *meta = ElPageGetMeta(BufferGetPage(metabuf));
	BlockNumber nblocks = el_log_blocks(rel);
	BlockNumber next_block = meta->next_block;
	uint64		reuse_seg = meta->reuse_seg;
	BlockNumber block = unlisted;

	if (!is_ready(meta, unlisted, nblocks))
	{
		block = take_trimmed(rel, meta, nblocks, &reuse_seg);
		if (block == InvalidBlockNumber)
			block = unlisted;
		if (block == InvalidBlockNumber)
		{
			if (next_block > MaxBlockNumber - meta->seg_pages)
				report_file_full(rel);
			block = next_block;
			next_block += meta->seg_pages;
		}
	}
	if (reuse_seg != meta->reuse_seg || next_block != meta->next_block)
	{
		START_CRIT_SECTION();
		meta->reuse_seg = reuse_seg;
		meta->next_block = next_block;
		el_page_seal(BufferGetPage(metabuf));
		AssertMeta(BufferGetPage(metabuf));
		el_wal_log_page(rel, metabuf);
		END_CRIT_SECTION();
	}
	UnlockReleaseBuffer(metabuf);
	return block;
}

/*
 * Opening a segment
 */

/*
 * A block for the directory page of rec->seg, which begins one: free, or out of a
 * free extent, or behind all others.
 */
static BlockNumber
choose_directory(Relation rel, const ElMeta *meta, BlockNumber nblocks,
				 BlockNumber extent, xl_el_segment *rec)
{
	BlockNumber block = find_unlisted(rel, meta, rec->reuse_seg, extent, 1);

	if (block == InvalidBlockNumber || block >= nblocks)
	{
		BlockNumber trimmed = take_trimmed(rel, meta, nblocks, &rec->reuse_seg);

		if (trimmed != InvalidBlockNumber)
			block = trimmed;
	}
	return block != InvalidBlockNumber ? block : rec->next_block++;
}

/*
 * An extent for the next segment, and its place in the directory: fills rec.
 * Changes nothing.
 */
static void
choose_blocks(Relation rel, const ElMeta *meta, BlockNumber nblocks,
			  xl_el_segment *rec)
{
	uint64		no = EL_DIRECTORY_NO(rec->seg);
	BlockNumber block;

	Assert(rec->seg == meta->alloc_seg);
	rec->alloc_seg = rec->seg + 1;

	block = take_free(rel, meta, nblocks, &rec->reuse_seg);
	if (no - EL_DIRECTORY_NO(rec->reuse_seg) >= EL_MAX_DIRECTORIES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("topic partition \"%s\" has too many segments",
						RelationGetRelationName(rel)),
				 errhint("Shorten the retention, or use a larger segment_bytes.")));
	if (rec->seg % EL_DIRECTORY_SEGMENTS != 0)
		rec->directory = ElMetaRoot(meta, no);
	else
	{
		rec->flags = EL_SEGMENT_NEW_PAGE;
		/* before the extent: extents are what the file ends with */
		rec->directory = choose_directory(rel, meta, nblocks, block, rec);
	}
	if (block == InvalidBlockNumber)
	{
		if (rec->next_block > MaxBlockNumber - meta->seg_pages)
			report_file_full(rel);
		block = rec->next_block;
		rec->next_block += meta->seg_pages;
	}
	rec->entry.first_block = block;
}

/*
 * An append that failed has set an extent aside.  If it is not there as far as it
 * is needed now, a free one that is takes its place.
 */
static void
choose_set_aside(Relation rel, const ElMeta *meta, BlockNumber nblocks,
				 BlockNumber set_aside, uint32 npages, xl_el_segment *rec)
{
	rec->directory = ElMetaRoot(meta, EL_DIRECTORY_NO(rec->seg));
	rec->entry.first_block = set_aside;
	if (set_aside + npages > nblocks)
	{
		BlockNumber block = take_free(rel, meta, nblocks, &rec->reuse_seg);

		if (is_ready(meta, block, nblocks))
			rec->entry.first_block = block;
	}
}

/*
 * Returns the segment's first block, which entry gets, too.  The append lock
 * (metabuf) is held and stays so.  Errors leave nothing changed but, perhaps, the
 * length of the file: 54000 if there are too many segments or the file would be
 * too large, XX001 if the directory is damaged, those of extending the file.
 */
BlockNumber
el_segment_open(Relation rel, Buffer metabuf, uint64 seg, ElSegment *entry,
				uint32 npages)
{
	Page		metapage = BufferGetPage(metabuf);
	ElMeta	   *meta = ElPageGetMeta(metapage);
	BlockNumber nblocks = el_log_blocks(rel);
	ElDirectory *dir = el_directory_new();
	xl_el_segment rec = {0};
	Buffer		dirbuf;

	Assert(el_buffer_locked_exclusively(metabuf));
	Assert(seg >= meta->end_seg && seg <= meta->alloc_seg);
	Assert(npages > 0 && npages <= meta->seg_pages);
	rec.seg = seg;
	rec.entry = *entry;
	rec.reuse_seg = meta->reuse_seg;
	rec.alloc_seg = meta->alloc_seg;
	rec.next_block = meta->next_block;
	rec.spare_directory = InvalidBlockNumber;
	if (seg < meta->alloc_seg)
		choose_set_aside(rel, meta, nblocks,
						 el_directory_require(rel, meta, dir, seg)->first_block,
						 npages, &rec);
	else
		choose_blocks(rel, meta, nblocks, &rec);
	/* to seal a damaged page anew would hide the damage */
	if (!(rec.flags & EL_SEGMENT_NEW_PAGE))
		(void) el_directory_require(rel, meta, dir, seg);
	pfree(dir);
	entry->first_block = rec.entry.first_block;
	el_extend_to(rel, metabuf, Max(rec.directory, entry->first_block + npages - 1),
				 entry->first_block + meta->seg_pages - 1);

	dirbuf = ReadBufferExtended(rel, MAIN_FORKNUM, rec.directory,
								(rec.flags & EL_SEGMENT_NEW_PAGE) ?
								RBM_ZERO_AND_LOCK : RBM_NORMAL, NULL);
	if (!(rec.flags & EL_SEGMENT_NEW_PAGE))
		LockBuffer(dirbuf, BUFFER_LOCK_EXCLUSIVE);

	Assert(rec.reuse_seg <= meta->first_seg);
	Assert(entry->first_block != EL_META_BLOCK &&
		   entry->first_block != rec.directory);
	START_CRIT_SECTION();
	el_apply_segment_directory(BufferGetPage(dirbuf), &rec);
	el_apply_segment_meta(metapage, &rec);
	MarkBufferDirty(dirbuf);
	MarkBufferDirty(metabuf);
	if (RelationNeedsWAL(rel))
	{
		XLogRecPtr	lsn;

		XLogBeginInsert();
		XLogRegisterData((char *) &rec, sizeof(rec));
		XLogRegisterBuffer(0, metabuf, REGBUF_STANDARD);
		XLogRegisterBuffer(1, dirbuf, REGBUF_STANDARD |
						   ((rec.flags & EL_SEGMENT_NEW_PAGE) ? REGBUF_WILL_INIT : 0));
		lsn = XLogInsert(EL_RMGR_ID, XLOG_EL_SEGMENT);
		PageSetLSN(metapage, lsn);
		PageSetLSN(BufferGetPage(dirbuf), lsn);
	}
	END_CRIT_SECTION();
	UnlockReleaseBuffer(dirbuf);
	return entry->first_block;
}
