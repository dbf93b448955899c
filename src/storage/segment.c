/*-------------------------------------------------------------------------
 *
 * segment.c
 *	  The segment directory: where the blocks of a segment are.
 *
 * A segment's blocks are one extent of seg_pages consecutive blocks.  Extents
 * of segments that were trimmed are used again oldest first: the directory
 * itself, from reuse_seg to first_seg, is the list of free ones.
 *
 * IDENTIFICATION
 *	  src/storage/segment.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "base/compat.h"
#include "storage/log.h"
#include "storage/segment.h"
#include "storage/wal.h"

#define GROUP(seg)	((seg) / EL_GROUP_SEGMENTS)
#define SLOT(group)	((group) % EL_MAX_GROUPS)

ElDirectory *
el_directory_new(void)
{
	ElDirectory *dir = palloc(sizeof(ElDirectory));

	dir->valid = false;
	return dir;
}

ElSegment *
el_directory_entry(Relation rel, const ElMeta *meta, ElDirectory *dir,
				   uint64 seg)
{
	uint64		group = GROUP(seg);

	if (!dir->valid || dir->group != group)
	{
		Buffer		buffer;
		Page		page;
		ElPageSpecial *special;

		if (SLOT(group) >= meta->nroots)
			return NULL;
		buffer = ReadBuffer(rel, meta->root[SLOT(group)]);
		page = BufferGetPage(buffer);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		special = el_page_special(page, EL_PAGE_ID_DIRECTORY);
		dir->valid = special != NULL && special->page_no == group;
		if (special != NULL && !el_page_sound(page))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("directory of topic partition \"%s\" is corrupt: its checksum differs",
							RelationGetRelationName(rel)),
					 errdetail("Block %u.", meta->root[SLOT(group)])));
		if (dir->valid)
			memcpy(dir->page.data, page, ((PageHeader) page)->pd_lower);
		UnlockReleaseBuffer(buffer);
		if (!dir->valid)
			return NULL;
		dir->group = group;
	}
	return ElDirectoryEntry(dir->page.data, seg);
}

uint64
el_segment_boundary(Relation rel, uint64 seg, uint64 limit)
{
	PGAlignedBlock copy;
	ElDirectory *dir = el_directory_new();

	if (el_meta_read(rel, copy.data))
	{
		for (; seg < limit; seg++)
		{
			ElSegment  *entry = el_directory_entry(rel, ElPageGetMeta(copy.data),
												   dir, seg);

			if (entry != NULL && !(entry->flags & EL_SEGMENT_CONTINUES))
				break;
		}
	}
	pfree(dir);
	return Min(seg, limit);
}

/*
 * All extension happens under the metapage's lock, so nobody else extends
 * meanwhile, and nothing can interrupt it.  Blocks given out but skipped (a
 * segment closed early) are filled on the way.  No buffers are taken: who writes
 * a page for the first time zeroes one of his own, and what is skipped needs none.
 */
void
el_extend_to(Relation rel, Buffer metabuf, BlockNumber last)
{
	BlockNumber nblocks = el_log_blocks(rel);

	if (nblocks <= last)
		el_smgr_extend(RelationGetSmgr(rel), nblocks, last - nblocks + 1);
}

/* First block of a segment that has an extent; the metapage is locked. */
static BlockNumber
extent_of(Relation rel, const ElMeta *meta, ElDirectory *dir, uint64 seg)
{
	ElSegment  *entry = el_directory_entry(rel, meta, dir, seg);

	if (entry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("directory of topic partition \"%s\" lacks segment " UINT64_FORMAT,
						RelationGetRelationName(rel), seg)));
	return entry->first_block;
}

/*
 * The oldest free extent, or InvalidBlockNumber.  Moves rec->reuse_seg behind it, and past
 * entries whose extents were cut off (shrink.c).
 */
static BlockNumber
take_free(Relation rel, const ElMeta *meta, ElDirectory *dir,
		  xl_el_segment *rec)
{
	BlockNumber block = InvalidBlockNumber;

	while (block == InvalidBlockNumber && rec->reuse_seg < meta->first_seg)
	{
		uint64		seg = rec->reuse_seg++;

		block = extent_of(rel, meta, dir, seg);
		if (GROUP(rec->reuse_seg) != GROUP(seg) &&
			rec->spare_directory == InvalidBlockNumber)
			rec->spare_directory = meta->root[SLOT(GROUP(seg))];
	}
	return block;
}

BlockNumber
el_segment_open(Relation rel, Buffer metabuf, uint64 seg, ElSegment *entry)
{
	Page		metapage = BufferGetPage(metabuf);
	ElMeta	   *meta = ElPageGetMeta(metapage);
	Buffer		dirbuf;
	ElDirectory *dir = el_directory_new();
	xl_el_segment rec = {0};

	rec.seg = seg;
	rec.reuse_seg = meta->reuse_seg;
	rec.alloc_seg = meta->alloc_seg;
	rec.next_block = meta->next_block;
	rec.spare_directory = meta->spare_directory;

	if (seg < meta->alloc_seg)
	{
		/* set aside by an append that failed */
		entry->first_block = extent_of(rel, meta, dir, seg);
		rec.directory = meta->root[SLOT(GROUP(seg))];
	}
	else
	{
		Assert(seg == meta->alloc_seg);
		if (GROUP(seg) - GROUP(meta->reuse_seg) >= EL_MAX_GROUPS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("topic partition \"%s\" has too many segments",
							RelationGetRelationName(rel)),
					 errhint("Shorten the retention, or use a larger segment_bytes.")));
		rec.alloc_seg = seg + 1;

		/* the directory page comes first: extents are what the file ends with */
		if (seg % EL_GROUP_SEGMENTS == 0)
		{
			rec.flags = EL_SEGMENT_NEW_PAGE;
			if (meta->spare_directory != InvalidBlockNumber)
			{
				rec.directory = meta->spare_directory;
				rec.spare_directory = InvalidBlockNumber;
			}
			else
				rec.directory = rec.next_block++;
		}
		else
			rec.directory = meta->root[SLOT(GROUP(seg))];

		entry->first_block = take_free(rel, meta, dir, &rec);
		if (entry->first_block == InvalidBlockNumber)
		{
			if (rec.next_block > MaxBlockNumber - meta->seg_pages)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("topic partition \"%s\" has reached the largest file size",
								RelationGetRelationName(rel)),
						 errhint("Shorten the retention, or use more partitions.")));
			entry->first_block = rec.next_block;
			rec.next_block += meta->seg_pages;
		}
		el_extend_to(rel, metabuf, rec.directory);
	}
	rec.entry = *entry;
	pfree(dir);

	dirbuf = ReadBufferExtended(rel, MAIN_FORKNUM, rec.directory,
								(rec.flags & EL_SEGMENT_NEW_PAGE) ?
								RBM_ZERO_AND_LOCK : RBM_NORMAL, NULL);
	if (!(rec.flags & EL_SEGMENT_NEW_PAGE))
		LockBuffer(dirbuf, BUFFER_LOCK_EXCLUSIVE);

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
