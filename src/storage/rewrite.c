/*-------------------------------------------------------------------------
 *
 * rewrite.c
 *	  A log in a new file, without what is free in the old one.
 *
 * The new file has the metapage, and then, in order, each directory page with
 * the extents of its segments behind it.  Numbers of segments and pages, and so
 * stream positions, stay: only blocks change, and with them the tags of
 * compacted pages (page.h).
 *
 * Pages go through the buffer pool and are logged one by one, as far as the new
 * file needs WAL: so a checkpoint, a standby and wal_level = minimal need no
 * rule of their own.  The new file is nobody's before the transaction commits; an
 * error leaves the old one as it was.
 *
 * IDENTIFICATION
 *	  src/storage/rewrite.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"

#include "base/compat.h"
#include "storage/log.h"
#include "storage/rewrite.h"
#include "storage/segment.h"
#include "storage/wal.h"

typedef struct Rewrite
{
	Relation	from;
	Relation	to;
	BufferAccessStrategy reading;
	BufferAccessStrategy writing;
	BlockNumber nblocks;		/* of the new file */
} Rewrite;

/* Blocks of zeros up to and including last. */
static void
extend_to(Rewrite *w, BlockNumber last)
{
	Assert(last >= w->nblocks);
	el_smgr_extend(RelationGetSmgr(w->to), w->nblocks, last - w->nblocks + 1);
	w->nblocks = last + 1;
}

static void
write_block(Rewrite *w, BlockNumber block, Page page)
{
	Buffer		buffer = ReadBufferExtended(w->to, MAIN_FORKNUM, block,
											RBM_ZERO_AND_LOCK, w->writing);

	START_CRIT_SECTION();
	memcpy(BufferGetPage(buffer), page, BLCKSZ);
	el_wal_log_page(w->to, buffer);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}

/* The page number page_no, from its old block to its new one. */
static void
copy_page(Rewrite *w, uint32 segment_flags, uint64 page_no, BlockNumber from,
		  BlockNumber to)
{
	PGAlignedBlock copy;
	ElPageSpecial *special;
	Buffer		buffer;

	CHECK_FOR_INTERRUPTS();
	buffer = ReadBufferExtended(w->from, MAIN_FORKNUM, from, RBM_NORMAL,
								w->reading);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);

	/* a page sealed anew would hide damage, and one left out all behind it */
	special = el_page_special(copy.data, EL_PAGE_ID_DATA);
	if (special == NULL || !el_page_sound(copy.data) ||
		special->page_no != el_page_tag(segment_flags, from, page_no))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("block %u of topic partition \"%s\" is not page %llu of its log",
						from, RelationGetRelationName(w->from),
						(unsigned long long) page_no),
				 errhint("check_topic() names everything that is wrong.")));
	special->page_no = el_page_tag(segment_flags, to, page_no);
	el_page_seal(copy.data);
	write_block(w, to, copy.data);
}

/* The pages of a segment that hold data; those behind are not there, or zeros. */
static void
copy_segment(Rewrite *w, const ElMeta *meta, uint64 seg, const ElSegment *entry,
			 uint64 data_end, BlockNumber to)
{
	uint64		first_page = seg * meta->seg_pages;
	uint64		end_page = (data_end + EL_PAGE_DATA - 1) / EL_PAGE_DATA;

	Assert(end_page <= first_page + meta->seg_pages);
	if (end_page > first_page)
		extend_to(w, to + (end_page - first_page) - 1);
	for (uint64 page_no = first_page; page_no < end_page; page_no++)
		copy_page(w, entry->flags, page_no,
				  entry->first_block + (page_no - first_page),
				  to + (page_no - first_page));
}

/*
 * Live segments of one directory page, and that page before them.  Fills meta's
 * blocks.
 */
static void
copy_directory(Rewrite *w, const ElMeta *old, ElMeta *meta, uint64 begin,
			   uint64 end)
{
	PGAlignedBlock copy;
	ElDirectory *dir = el_directory_new();
	BlockNumber block = meta->next_block++;

	el_page_init(copy.data, EL_PAGE_ID_DIRECTORY, EL_DIRECTORY_NO(begin));
	ElMetaRoot(meta, EL_DIRECTORY_NO(begin)) = block;
	extend_to(w, block);
	for (uint64 seg = begin; seg < end; seg++)
	{
		ElSegment  *entry = ElDirectoryEntry(copy.data, seg);
		ElSegment	from = *el_directory_require(w->from, old, dir, seg);
		uint64		data_end = meta->tail_pos;

		if (seg + 1 < meta->end_seg)
			data_end = el_directory_require(w->from, old, dir, seg + 1)->prev_end;
		*entry = from;
		entry->first_block = meta->tail_block = meta->next_block;
		meta->next_block += meta->seg_pages;
		copy_segment(w, meta, seg, &from, data_end, entry->first_block);
	}
	((PageHeader) copy.data)->pd_lower =
		(char *) (ElDirectoryEntry(copy.data, end - 1) + 1) - copy.data;
	el_page_seal(copy.data);
	write_block(w, block, copy.data);
	pfree(dir);
}

/*
 * Errors: XX001 if a page is damaged, those of extending the file.
 */
void
el_log_rewrite(Relation from, Relation to)
{
	PGAlignedBlock old = {0};
	PGAlignedBlock copy;
	ElMeta	   *meta = ElPageGetMeta(copy.data);
	Rewrite		w = {.from = from,.to = to};

	Assert(CheckRelationLockedByMe(from, AccessExclusiveLock, false));
	Assert(el_log_blocks(to) == 0);
	if (!el_meta_read(from, old.data))
		return;
	memcpy(copy.data, old.data, BLCKSZ);
	meta->reuse_seg = meta->first_seg;
	meta->alloc_seg = meta->end_seg;
	meta->next_block = EL_META_BLOCK + 1;
	meta->spare_directory = InvalidBlockNumber;
	for (uint32 i = 0; i < meta->nroots; i++)
		meta->root[i] = InvalidBlockNumber;

	w.reading = GetAccessStrategy(BAS_BULKREAD);
	w.writing = GetAccessStrategy(BAS_BULKWRITE);
	extend_to(&w, EL_META_BLOCK);
	for (uint64 seg = meta->first_seg; seg < meta->end_seg;)
	{
		uint64		end = Min((EL_DIRECTORY_NO(seg) + 1) * EL_DIRECTORY_SEGMENTS,
							  meta->end_seg);

		copy_directory(&w, ElPageGetMeta(old.data), meta, seg, end);
		seg = end;
	}
	el_page_seal(copy.data);
	AssertMeta(copy.data);
	write_block(&w, EL_META_BLOCK, copy.data);
	FreeAccessStrategy(w.reading);
	FreeAccessStrategy(w.writing);
}
