/*-------------------------------------------------------------------------
 *
 * page.c
 *	  Making empty pages.
 *
 * IDENTIFICATION
 *	  src/storage/page.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/page.h"

/* An empty page of the given kind; page_no is its logical number. */
void
el_page_init(Page page, uint16 page_id, uint64 page_no)
{
	ElPageSpecial *special;

	PageInit(page, BLCKSZ, sizeof(ElPageSpecial));
	special = ElPageGetSpecial(page);
	special->page_no = page_no;
	special->max_time = EL_MIN_TIME;
	special->page_id = page_id;
	((PageHeader) page)->pd_lower = EL_PAGE_START;
}

/* The metapage of a log that holds nothing and goes on at offset. */
void
el_meta_init(Page page, int32 partition, uint32 seg_pages, int64 offset,
			 int64 floor)
{
	ElMeta	   *meta;

	el_page_init(page, EL_PAGE_ID_META, 0);
	meta = ElPageGetMeta(page);
	meta->magic = EL_META_MAGIC;
	meta->version = EL_FORMAT_VERSION;
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
}

/* Pages of a segment of that many bytes. */
uint32
el_seg_pages(int64 segment_bytes)
{
	int64		pages = segment_bytes / BLCKSZ;

	return (uint32) Max(EL_MIN_SEG_PAGES, Min(pages, EL_MAX_SEG_PAGES));
}
