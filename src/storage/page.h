/*-------------------------------------------------------------------------
 *
 * page.h
 *	  What the blocks of a log hold.
 *
 * Block 0 is the metapage (meta.h).  Every other block is a directory page or belongs
 * to a segment.  All have PostgreSQL's page header (pd_lower marks the end
 * of the used bytes) and the special area below.
 *
 * The log is a stream of bytes, cut into logical pages of EL_PAGE_DATA bytes
 * each.  A stream position is page number * EL_PAGE_DATA + byte.  Batches lie
 * in the stream one behind the other, each an envelope and a RecordBatch,
 * MAXALIGNed.  Envelope and batch header never cross the end of a page:
 * where fewer than EL_BATCH_ROOM bytes are left, the batch starts on
 * the next page.
 *
 * Segment n is the logical pages n * seg_pages .. (n + 1) * seg_pages - 1; its
 * directory entry says which blocks hold them.  A batch that does not fit
 * into the rest of its segment begins the next one; one larger than a
 * segment runs over several, all of which are freed together.
 *
 * Compaction writes what survives of the first segments into new extents and
 * puts those in the directory, in their place: logical pages
 * get other contents.  So that nobody takes one for the other, a compacted
 * segment has a generation, which its pages carry together with their
 * block number instead of the logical page number (el_page_tag).
 *
 * IDENTIFICATION
 *	  src/storage/page.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PAGE_H
#define EL_PAGE_H

#include "postgres.h"

#include "storage/block.h"
#include "storage/bufpage.h"

#include "kafka/batch.h"

#define EL_PAGE_ID_DATA			0xE101
#define EL_PAGE_ID_DIRECTORY	0xE102
#define EL_PAGE_ID_META			0xE103

/* Special area of all pages; the page id is last, as in other access methods. */
typedef struct ElPageSpecial
{
	uint64		page_no;		/* data: el_page_tag; directory: its number */
	int64		first_offset;	/* base offset of the first batch that begins
								 * here; if none does, of the batch that
								 * covers the page */
	int64		max_time;		/* greatest event time, ms, of the segment's
								 * batches begun on or before this page */
	uint32		pages_back;		/* if no batch begins here: pages back to
								 * where the covering batch begins */
	uint32		crc;			/* el_page_seal() */
	uint32		time_page;		/* the page, counted from the segment's first,
								 * that was the first to reach max_time */
	uint16		first_byte;		/* where the first batch begins, from the
								 * page's start; 0: none begins here */
	uint16		page_id;
} ElPageSpecial;

#define EL_PAGE_START	MAXALIGN(SizeOfPageHeaderData)
#define EL_PAGE_END		(BLCKSZ - MAXALIGN(sizeof(ElPageSpecial)))
#define EL_PAGE_DATA	(EL_PAGE_END - EL_PAGE_START)

/* All pages have it in the same place; el_page_special() checks that. */
#define ElPageGetSpecial(page)	((ElPageSpecial *) ((char *) (page) + EL_PAGE_END))

/* In front of each RecordBatch, in the machine's byte order. */
typedef struct ElEnvelope
{
	uint64		fxid;			/* FullTransactionId of the (sub)transaction
								 * that wrote it */
	uint32		length;			/* bytes of RecordBatch that follow */
	uint32		cid;			/* command id */
	uint16		magic;			/* EL_ENVELOPE_MAGIC */
	uint16		flags;			/* EL_HINT_*, EL_SETTLED */
	uint32		crc;			/* of this, without flags, and the batch
								 * header */
} ElEnvelope;

/* Flags are there twice, so that a flipped bit shows: no checksum covers them. */
#define EL_ENVELOPE_MAGIC	0xBA7C
#define EL_HINT_COMMITTED	0x0101	/* outcome remembered; not WAL-logged */
#define EL_HINT_ABORTED		0x0202
#define EL_SETTLED			0x0404	/* the hint beside it is permanent,
									 * WAL-logged */

/* Bytes a batch of len bytes takes in the stream. */
#define EL_BATCH_SPACE(len) \
	((uint64) MAXALIGN(sizeof(ElEnvelope) + (uint64) (len)))
/* Room that a batch needs on the page it begins on. */
#define EL_BATCH_ROOM		EL_BATCH_SPACE(EL_BATCH_HEADER_SIZE)

#define EL_POS_PAGE(pos)	((pos) / EL_PAGE_DATA)
#define EL_POS_BYTE(pos)	((uint32) ((pos) % EL_PAGE_DATA))
#define EL_PAGE_POS(page)	((uint64) (page) * EL_PAGE_DATA)

/* Where a batch may begin, at or after pos. */
static inline uint64
el_batch_begin_pos(uint64 pos)
{
	uint32		byte = EL_POS_BYTE(pos);

	if (byte != 0 && EL_PAGE_DATA - byte < EL_BATCH_ROOM)
		return pos - byte + EL_PAGE_DATA;
	return pos;
}

/* Directory entry of a segment. */
typedef struct ElSegment
{
	int64		base_offset;	/* of the first batch in it (or that covers
								 * it) */
	int64		prev_max_time;	/* greatest event time of the segment before */
	uint64		prev_end;		/* stream position where the data of the
								 * segment before ends */
	BlockNumber first_block;
	uint32		flags;			/* EL_SEGMENT_CONTINUES and two generations */
} ElSegment;

#define EL_SEGMENT_CONTINUES	0x0001	/* begins inside a batch */

/*
 * Generation of the compaction that wrote the segment, 0 for one that was
 * appended to; and that of the segment before, as prev_end speaks of it: who
 * has read the two entries at different times can tell.
 */
#define EL_MAX_GENERATION		0xFFF
#define EL_SEGMENT_GEN(flags)		(((flags) >> 8) & EL_MAX_GENERATION)
#define EL_SEGMENT_PREV_GEN(flags)	((flags) >> 20)
#define EL_SEGMENT_FLAGS(continues, gen, prev_gen) \
	((uint32) ((continues) | (gen) << 8 | (prev_gen) << 20))

/* What a page of a segment is known by. */
static inline uint64
el_page_tag(uint32 segment_flags, BlockNumber block, uint64 page_no)
{
	uint64		gen = EL_SEGMENT_GEN(segment_flags);

	return gen == 0 ? page_no : UINT64CONST(1) << 63 | gen << 32 | block;
}

/*
 * A directory page holds the entries of that many consecutive segments.  The
 * pages are numbered like the segments: number n has those from
 * n * EL_DIRECTORY_SEGMENTS on.
 */
#define EL_DIRECTORY_SEGMENTS	(EL_PAGE_DATA / sizeof(ElSegment))
#define EL_DIRECTORY_NO(seg)	((seg) / EL_DIRECTORY_SEGMENTS)
#define ElDirectoryEntry(page, seg) \
	((ElSegment *) ((char *) (page) + EL_PAGE_START) + (seg) % EL_DIRECTORY_SEGMENTS)

StaticAssertDecl(sizeof(ElPageSpecial) == 40, "page special is 40 bytes");
StaticAssertDecl(sizeof(ElEnvelope) == 24, "envelope is 24 bytes");
StaticAssertDecl(sizeof(ElSegment) == 32, "directory entry is 32 bytes");
StaticAssertDecl(EL_PAGE_DATA % MAXIMUM_ALIGNOF == 0, "page data is aligned");

/*
 * Offsets have 47 bits: the format has room for more, but the server must be
 * able to address an event by its offset as it does a row.
 */
#define EL_MAX_OFFSET	((INT64CONST(1) << 47) - 1)

extern void el_page_init(Page page, uint16 page_id, uint64 page_no);

/*
 * Checksums of our own, also where the cluster has none: CRC-32C of the special area and
 * pd_lower, and on metapage and directory pages of all that is used.  Whoever changes
 * one of these seals the page afterwards.
 */
extern void el_page_seal(Page page);
extern bool el_page_sound(Page page);

/* CRC of an envelope and of its batch header: an aborted batch is passed by those alone. */
extern uint32 el_envelope_crc(const ElEnvelope *env, const char *batch);

/* What is wrong with an envelope whose batch header follows; NULL: nothing. */
extern const char *el_envelope_problem(const ElEnvelope *env);

/* The special area if this is a page of that kind, else NULL. */
static inline ElPageSpecial *
el_page_special(Page page, uint16 page_id)
{
	PageHeader	ph = (PageHeader) page;
	ElPageSpecial *special;

	if (PageIsNew(page) || ph->pd_special != EL_PAGE_END)
		return NULL;
	special = ElPageGetSpecial(page);
	return special->page_id == page_id ? special : NULL;
}

#endif							/* EL_PAGE_H */
