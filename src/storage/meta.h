/*-------------------------------------------------------------------------
 *
 * meta.h
 *	  The layout of a log's metapage, which is its block 0.
 *
 * With page.h, the specification of the format.
 *
 * IDENTIFICATION
 *	  src/storage/meta.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_META_H
#define EL_META_H

#include "postgres.h"

#include "storage/page.h"

/*
 * Version of everything here and in page.h.  Any change of layout or meaning raises
 * it; a version that the code does not know is refused.
 *
 * 4: version 1.0 of the extension.  It had no ElMetaSpecial: all that says reads
 *	  as 0, and the next append, rewind or compaction raises the log to 5.
 * 5: ElMetaSpecial.
 */
#define EL_FORMAT_VERSION	5
#define EL_OLDEST_FORMAT	4
#define EL_META_MAGIC		0x474f4c45	/* "ELOG" */

/*
 * Metapage.  tail_pos and log_end are the only truth about where the log ends:
 * bytes, pages and directory entries beyond mean nothing.
 */
typedef struct ElMeta
{
	uint32		magic;
	uint32		version;
	int32		partition;
	uint32		seg_pages;		/* fixed for the life of the file */
	int64		log_start;
	int64		log_end;
	int64		floor;			/* the log gives out no offset below (they may
								 * be restored) */
	uint64		tail_pos;
	int64		tail_time;		/* greatest event time in the segment of the
								 * tail */
	uint64		settled_pos;	/* every batch below has its outcome settled */
	int64		settled_offset;
	uint64		batches;		/* appended ever */

	/*
	 * Segments: extents reuse_seg .. first_seg - 1 are free, first_seg ..
	 * end_seg - 1 live, end_seg .. alloc_seg - 1 set aside for an append.
	 */
	uint64		reuse_seg;
	uint64		first_seg;
	uint64		end_seg;
	uint64		alloc_seg;
	BlockNumber tail_block;		/* first block of segment end_seg - 1 */
	BlockNumber next_block;		/* behind the last block ever given out */
	BlockNumber spare_directory;	/* not used: what earlier versions kept */

	uint32		compactions;	/* ever */
	uint64		clean_seg;		/* no key occurs twice in the segments before */
	int64		tombstones_due; /* ms: when the first tombstone in there may
								 * go; 0: none */
	uint32		unshrinkable_segs;	/* segments from clean_seg on for which
									 * the last compaction saved nothing; not
									 * tried again until more are closed */
	uint32		tail_time_page; /* as time_page, of the tail's segment */
	uint32		nroots;			/* used slots of root */
	BlockNumber root[FLEXIBLE_ARRAY_MEMBER];	/* blocks of the directory
												 * pages, by ElMetaRoot() */
} ElMeta;

/*
 * A leader epoch, as stored: with the timeline and the server (the low half of its
 * system identifier) that it was in force on.  epoch.c says which is in force now.
 */
typedef struct ElEpoch
{
	int32		epoch;
	uint32		timeline;		/* 0: none was stored */
	uint32		system;
} ElEpoch;

/*
 * Special area of the metapage from format 5 on; size, crc and page_id are where
 * ElPageSpecial has them.  Here is what ElMeta has no place for: root[] begins where
 * its last field ends, and must stay there.
 */
typedef struct ElMetaSpecial
{
	int64		removed;		/* offsets from log_start to compacted_end
								 * that compaction has left no event at */
	int64		compacted_end;	/* offset behind what was compacted */
	ElEpoch		epoch;
	uint32		crc;
	uint32		rewinds;		/* ever: offsets were given once more
								 * (rewind.c) */
	uint16		flags;
	uint16		page_id;
} ElMetaSpecial;

/*
 * The file has the log from offset 0 on, and delete_events_before() has not emptied
 * it: retention and compaction leave the last committed event, so where there is none,
 * there never was one.
 */
#define EL_META_NOT_EMPTIED	0x0001

#define ElMetaGetSpecial(meta) \
	((ElMetaSpecial *) ((char *) (meta) + EL_PAGE_DATA))

/* Directory pages that a log can have at a time. */
#define EL_MAX_DIRECTORIES	((EL_PAGE_DATA - offsetof(ElMeta, root)) / sizeof(BlockNumber))
/* Slot in root, and block, of the directory page with a number. */
#define EL_ROOT_SLOT(no)	((no) % EL_MAX_DIRECTORIES)
#define ElMetaRoot(meta, no)	((meta)->root[EL_ROOT_SLOT(no)])
#define ElPageGetMeta(page) ((ElMeta *) ((char *) (page) + EL_PAGE_START))

#define EL_META_BLOCK	0

StaticAssertDecl(sizeof(ElMetaSpecial) == sizeof(ElPageSpecial),
				 "metapage special is as large as that of other pages");
StaticAssertDecl(offsetof(ElMetaSpecial, crc) == offsetof(ElPageSpecial, crc),
				 "all pages have the checksum in the same place");
StaticAssertDecl(offsetof(ElMetaSpecial, page_id) == offsetof(ElPageSpecial, page_id),
				 "all pages have the page id in the same place");

/* Smallest and largest segment, in pages. */
#define EL_MIN_SEG_PAGES	8
#define EL_MAX_SEG_PAGES	(1024 * 1024 * 1024 / BLCKSZ)

extern void el_meta_init(Page page, int32 partition, uint32 seg_pages,
						 int64 offset, int64 floor);
extern uint32 el_seg_pages(int64 segment_bytes);

/* What a metapage, in a page, says in its special area; of format 4, that is 0. */
extern const ElMetaSpecial *el_meta_special(const ElMeta *meta);

/* The same to be changed: a metapage of format 4 becomes one of today's. */
extern ElMetaSpecial *el_meta_raise(ElMeta *meta);

/*
 * Of offsets removed between start and end, how many there are from new_start on: as
 * if they were spread evenly.
 */
extern int64 el_removed_from(int64 removed, int64 start, int64 end,
							 int64 new_start);

/* The relations between the fields of a metapage, after each change of it. */
#ifdef USE_ASSERT_CHECKING
extern void el_assert_meta(Page page);
#define AssertMeta(page)	el_assert_meta(page)
#else
#define AssertMeta(page)	((void) 0)
#endif

#endif							/* EL_META_H */
