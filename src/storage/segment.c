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
#include "base/locks.h"
#include "storage/log.h"
#include "storage/segment.h"
#include "storage/wal.h"

ElDirectory *
el_directory_new(void)
{
	ElDirectory *dir = palloc(sizeof(ElDirectory));

	dir->valid = false;
	return dir;
}

/* Does the locked block hold this page of the directory?  XX001 if it does, but is damaged. */
static bool
holds_directory(Relation rel, Buffer buffer, uint64 no)
{
	Page		page = BufferGetPage(buffer);
	ElPageSpecial *special = el_page_special(page, EL_PAGE_ID_DIRECTORY);

	Assert(el_buffer_locked(buffer));
	if (special != NULL && !el_page_sound(page))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("directory of topic partition \"%s\" is corrupt: its checksum differs",
						RelationGetRelationName(rel)),
				 errdetail("Block %u.", BufferGetBlockNumber(buffer))));
	return special != NULL && special->page_no == no;
}

static void report_missing_segment(Relation rel, uint64 seg) pg_attribute_noreturn();

static void
report_missing_segment(Relation rel, uint64 seg)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("directory of topic partition \"%s\" lacks segment %llu",
					RelationGetRelationName(rel), (unsigned long long) seg)));
}

ElSegment *
el_directory_entry(Relation rel, const ElMeta *meta, ElDirectory *dir,
				   uint64 seg)
{
	uint64		no = EL_DIRECTORY_NO(seg);

	if (!dir->valid || dir->no != no)
	{
		Buffer		buffer;
		Page		page;

		if (EL_ROOT_SLOT(no) >= meta->nroots)
			return NULL;
		buffer = ReadBuffer(rel, ElMetaRoot(meta, no));
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		dir->valid = holds_directory(rel, buffer, no);
		if (dir->valid)
			memcpy(dir->page.data, page, ((PageHeader) page)->pd_lower);
		UnlockReleaseBuffer(buffer);
		if (!dir->valid)
			return NULL;
		dir->no = no;
	}
	return ElDirectoryEntry(dir->page.data, seg);
}

ElSegment *
el_directory_require(Relation rel, const ElMeta *meta, ElDirectory *dir,
					 uint64 seg)
{
	ElSegment  *entry = el_directory_entry(rel, meta, dir, seg);

	if (entry == NULL)
		report_missing_segment(rel, seg);
	return entry;
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
 * segment closed early) are filled on the way.  No buffers are taken: the
 * first append to write a page takes a zeroed one, and what is skipped needs
 * none.
 */
void
el_extend_to(Relation rel, Buffer metabuf, BlockNumber last)
{
	BlockNumber nblocks = el_log_blocks(rel);

	Assert(el_buffer_locked_exclusively(metabuf));
	Assert(CritSectionCount == 0);
	if (nblocks <= last)
		el_smgr_extend(RelationGetSmgr(rel), nblocks, last - nblocks + 1);
}

/*
 * The oldest free extent, or InvalidBlockNumber.  Moves rec->reuse_seg behind
 * it, and past entries whose extents were cut off (shrink.c).
 */
static BlockNumber
take_free_extent(Relation rel, const ElMeta *meta, ElDirectory *dir,
				 xl_el_segment *rec)
{
	BlockNumber block = InvalidBlockNumber;

	while (block == InvalidBlockNumber && rec->reuse_seg < meta->first_seg)
	{
		uint64		seg = rec->reuse_seg++;

		block = el_directory_require(rel, meta, dir, seg)->first_block;
		if (EL_DIRECTORY_NO(rec->reuse_seg) != EL_DIRECTORY_NO(seg) &&
			rec->spare_directory == InvalidBlockNumber)
			rec->spare_directory = ElMetaRoot(meta, EL_DIRECTORY_NO(seg));
	}
	return block;
}

/*
 * Set an extent aside for the next segment, and its place in the directory:
 * fills rec.  May extend the file by a directory page, but changes no page.
 */
static BlockNumber
choose_extent(Relation rel, Buffer metabuf, ElDirectory *dir,
			  xl_el_segment *rec)
{
	const ElMeta *meta = ElPageGetMeta(BufferGetPage(metabuf));
	uint64		no = EL_DIRECTORY_NO(rec->seg);
	BlockNumber block;

	Assert(rec->seg == meta->alloc_seg);
	if (no - EL_DIRECTORY_NO(meta->reuse_seg) >= EL_MAX_DIRECTORIES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("topic partition \"%s\" has too many segments",
						RelationGetRelationName(rel)),
				 errhint("Shorten the retention, or use a larger segment_bytes.")));
	rec->alloc_seg = rec->seg + 1;

	/* the directory page comes first: extents are what the file ends with */
	if (rec->seg % EL_DIRECTORY_SEGMENTS != 0)
		rec->directory = ElMetaRoot(meta, no);
	else
	{
		rec->flags = EL_SEGMENT_NEW_PAGE;
		if (meta->spare_directory != InvalidBlockNumber)
		{
			rec->directory = meta->spare_directory;
			rec->spare_directory = InvalidBlockNumber;
		}
		else
			rec->directory = rec->next_block++;
	}

	block = take_free_extent(rel, meta, dir, rec);
	if (block == InvalidBlockNumber)
	{
		if (rec->next_block > MaxBlockNumber - meta->seg_pages)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("topic partition \"%s\" has reached the largest file size",
							RelationGetRelationName(rel)),
					 errhint("Shorten the retention, or use more partitions.")));
		block = rec->next_block;
		rec->next_block += meta->seg_pages;
	}
	el_extend_to(rel, metabuf, rec->directory);
	return block;
}

/*
 * Returns the segment's first block, which entry gets, too; its blocks need
 * not exist yet.  The append lock (metabuf) is held and stays so.  Errors leave
 * nothing changed but, perhaps, the length of the file: 54000 if there are too
 * many segments or the file would be too large, XX001 if the directory is
 * damaged.
 */
BlockNumber
el_segment_open(Relation rel, Buffer metabuf, uint64 seg, ElSegment *entry)
{
	Page		metapage = BufferGetPage(metabuf);
	ElMeta	   *meta = ElPageGetMeta(metapage);
	Buffer		dirbuf;
	ElDirectory *dir = el_directory_new();
	xl_el_segment rec = {0};

	Assert(el_buffer_locked_exclusively(metabuf));
	Assert(seg >= meta->end_seg && seg <= meta->alloc_seg);
	rec.seg = seg;
	rec.reuse_seg = meta->reuse_seg;
	rec.alloc_seg = meta->alloc_seg;
	rec.next_block = meta->next_block;
	rec.spare_directory = meta->spare_directory;

	if (seg < meta->alloc_seg)
	{
		/* set aside by an append that failed */
		entry->first_block = el_directory_require(rel, meta, dir, seg)->first_block;
		rec.directory = ElMetaRoot(meta, EL_DIRECTORY_NO(seg));
	}
	else
		entry->first_block = choose_extent(rel, metabuf, dir, &rec);
	rec.entry = *entry;
	pfree(dir);

	dirbuf = ReadBufferExtended(rel, MAIN_FORKNUM, rec.directory,
								(rec.flags & EL_SEGMENT_NEW_PAGE) ?
								RBM_ZERO_AND_LOCK : RBM_NORMAL, NULL);
	if (!(rec.flags & EL_SEGMENT_NEW_PAGE))
	{
		LockBuffer(dirbuf, BUFFER_LOCK_EXCLUSIVE);
		/* to seal a damaged page anew would hide the damage */
		if (!holds_directory(rel, dirbuf, EL_DIRECTORY_NO(seg)))
			report_missing_segment(rel, seg);
	}

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
