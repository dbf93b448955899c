/*-------------------------------------------------------------------------
 *
 * meta.c
 *	  The metapage by itself: an empty log's, an older format's, and what always
 *	  holds for one.
 *
 * IDENTIFICATION
 *	  src/storage/meta.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/meta.h"

/* The metapage of a log that holds nothing and goes on at offset. */
void
el_meta_init(Page page, int32 partition, uint32 seg_pages, int64 offset,
			 int64 floor)
{
	ElMeta	   *meta;

	el_page_init(page, EL_PAGE_ID_META, 0);
	meta = ElPageGetMeta(page);
	meta->magic = EL_META_MAGIC;
	meta->version = EL_OLDEST_FORMAT;
	(void) el_meta_raise(meta);
	meta->partition = partition;
	meta->seg_pages = seg_pages;
	meta->log_start = offset;
	meta->log_end = offset;
	meta->floor = floor;
	meta->tail_time = EL_MIN_TIME;
	meta->settled_offset = offset;
	meta->tail_block = InvalidBlockNumber;
	meta->next_block = EL_META_BLOCK + 1;
	meta->spare_directory = InvalidBlockNumber;

	/* core drops the hole between pd_lower and pd_upper from page images */
	((PageHeader) page)->pd_lower = EL_PAGE_START + offsetof(ElMeta, root);
	el_page_seal(page);
	AssertMeta(page);
}

const ElMetaSpecial *
el_meta_special(const ElMeta *meta)
{
	static const ElMetaSpecial none = {0};

	return meta->version == EL_FORMAT_VERSION ? ElMetaGetSpecial(meta) : &none;
}

ElMetaSpecial *
el_meta_raise(ElMeta *meta)
{
	ElMetaSpecial *special = ElMetaGetSpecial(meta);

	if (meta->version != EL_FORMAT_VERSION)
	{
		uint16		page_id = special->page_id;

		/* there it was the special area of any page */
		memset(special, 0, sizeof(*special));
		special->page_id = page_id;
		meta->version = EL_FORMAT_VERSION;
	}
	return special;
}

/* Exact where all or none go. */
int64
el_removed_from(int64 removed, int64 start, int64 end, int64 new_start)
{
	Assert(start <= new_start);
	Assert(removed >= 0 && removed <= Max(end - start, 0));
	if (new_start >= end)
		return 0;
	if (new_start == start)
		return removed;
	return Min((int64) ((double) removed / (end - start) * (end - new_start)),
			   end - new_start);
}

#ifdef USE_ASSERT_CHECKING
void
el_assert_meta(Page page)
{
	const ElMeta *meta = ElPageGetMeta(page);
	const ElMetaSpecial *special = el_meta_special(meta);

	Assert(el_page_special(page, EL_PAGE_ID_META) != NULL);
	Assert(el_page_sound(page));
	Assert(meta->magic == EL_META_MAGIC);
	Assert(meta->version >= EL_OLDEST_FORMAT);
	Assert(meta->version <= EL_FORMAT_VERSION);
	Assert(meta->partition >= 0);
	Assert(meta->seg_pages >= EL_MIN_SEG_PAGES);
	Assert(meta->seg_pages <= EL_MAX_SEG_PAGES);

	/* offsets */
	Assert(meta->log_start >= 0);
	Assert(meta->log_start <= meta->log_end);
	Assert(meta->log_end <= EL_MAX_OFFSET);
	Assert(meta->floor >= 0);
	Assert(meta->settled_offset <= meta->log_end);
	Assert(special->compacted_end <= meta->log_end);
	Assert(special->removed >= 0);
	Assert(special->removed <= Max(special->compacted_end - meta->log_start, 0));

	/* positions */
	Assert(meta->settled_pos <= meta->tail_pos);
	Assert(meta->tail_pos % MAXIMUM_ALIGNOF == 0);
	Assert((meta->tail_pos == 0) == (meta->batches == 0));
	Assert(meta->end_seg == (meta->tail_pos == 0 ? 0 :
							 EL_POS_PAGE(meta->tail_pos - 1) / meta->seg_pages + 1));
	Assert(meta->tail_time_page < meta->seg_pages);

	/* segments: free ones, live ones, those set aside; the tail's is live */
	Assert(meta->reuse_seg <= meta->first_seg);
	Assert(meta->first_seg <= meta->end_seg);
	Assert(meta->end_seg == 0 || meta->first_seg < meta->end_seg);
	Assert(meta->end_seg <= meta->alloc_seg);
	Assert(meta->clean_seg + meta->unshrinkable_segs <= meta->end_seg);

	/* blocks */
	Assert(meta->next_block > EL_META_BLOCK);
	Assert(meta->end_seg == 0 || meta->tail_block > EL_META_BLOCK);
	Assert(meta->end_seg == 0 ||
		   meta->tail_block + meta->seg_pages <= meta->next_block);
	Assert(meta->spare_directory == InvalidBlockNumber ||
		   meta->spare_directory < meta->next_block);
	Assert(meta->nroots <= EL_MAX_DIRECTORIES);
	Assert(meta->alloc_seg == meta->reuse_seg ||
		   EL_DIRECTORY_NO(meta->alloc_seg - 1) -
		   EL_DIRECTORY_NO(meta->reuse_seg) < EL_MAX_DIRECTORIES);
	Assert(((PageHeader) page)->pd_lower == EL_PAGE_START +
		   offsetof(ElMeta, root) + meta->nroots * sizeof(BlockNumber));
}
#endif

/* Pages of a segment of that many bytes. */
uint32
el_seg_pages(int64 segment_bytes)
{
	int64		pages = segment_bytes / BLCKSZ;

	return (uint32) Max(EL_MIN_SEG_PAGES, Min(pages, EL_MAX_SEG_PAGES));
}
