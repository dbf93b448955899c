/*-------------------------------------------------------------------------
 *
 * page.c
 *	  Pages by themselves: empty ones, their checksums, and the envelopes of
 *	  batches.
 *
 * IDENTIFICATION
 *	  src/storage/page.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_crc32c.h"

#include "storage/page.h"

/* An empty page of the given kind, not sealed yet; page_no is its logical number. */
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

static uint32
page_crc(Page page)
{
	ElPageSpecial *special = ElPageGetSpecial(page);
	uint16		lower = ((PageHeader) page)->pd_lower;
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &lower, sizeof(lower));
	COMP_CRC32C(crc, special, offsetof(ElPageSpecial, crc));
	COMP_CRC32C(crc, &special->time_page,
				sizeof(ElPageSpecial) - offsetof(ElPageSpecial, time_page));
	if (special->page_id != EL_PAGE_ID_DATA && lower >= EL_PAGE_START &&
		lower <= EL_PAGE_END)
		COMP_CRC32C(crc, (char *) page + EL_PAGE_START, lower - EL_PAGE_START);
	FIN_CRC32C(crc);
	return crc;
}

/*
 * Set the checksum, after a change.  The caller holds the exclusive lock of the
 * page's buffer, unless the page is in private memory.
 */
void
el_page_seal(Page page)
{
	Assert(((PageHeader) page)->pd_special == EL_PAGE_END);
	Assert(((PageHeader) page)->pd_lower >= EL_PAGE_START);
	Assert(((PageHeader) page)->pd_lower <= EL_PAGE_END);
	ElPageGetSpecial(page)->crc = page_crc(page);
}

bool
el_page_sound(Page page)
{
	return ElPageGetSpecial(page)->crc == page_crc(page);
}

uint32
el_envelope_crc(const ElEnvelope *env, const char *batch)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, env, offsetof(ElEnvelope, flags));
	COMP_CRC32C(crc, batch, EL_BATCH_HEADER_SIZE);
	FIN_CRC32C(crc);
	return crc;
}

const char *
el_envelope_problem(const ElEnvelope *env)
{
	if (env->magic != EL_ENVELOPE_MAGIC)
		return "no batch where one should begin";
	if ((env->flags & 0xFF) != env->flags >> 8 ||
		env->crc != el_envelope_crc(env, (const char *) (env + 1)))
		return "checksum of the envelope differs";
	return NULL;
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
	el_page_seal(page);
	AssertMeta(page);
}

#ifdef USE_ASSERT_CHECKING
void
el_assert_meta(Page page)
{
	const ElMeta *meta = ElPageGetMeta(page);

	Assert(el_page_special(page, EL_PAGE_ID_META) != NULL);
	Assert(el_page_sound(page));
	Assert(meta->magic == EL_META_MAGIC);
	Assert(meta->version == EL_FORMAT_VERSION);
	Assert(meta->partition >= 0);
	Assert(meta->seg_pages >= EL_MIN_SEG_PAGES);
	Assert(meta->seg_pages <= EL_MAX_SEG_PAGES);

	/* offsets */
	Assert(meta->log_start >= 0);
	Assert(meta->log_start <= meta->log_end);
	Assert(meta->log_end <= EL_MAX_OFFSET);
	Assert(meta->floor >= 0);
	Assert(meta->settled_offset <= meta->log_end);

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
