/*-------------------------------------------------------------------------
 *
 * search.h
 *	  Finding places in a log: by offset, by time, by page and by block.
 *
 * IDENTIFICATION
 *	  src/storage/search.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SEARCH_H
#define EL_SEARCH_H

#include "postgres.h"

#include "storage/block.h"

#include "storage/cursor.h"

typedef enum ElSeek
{
	EL_SEEK_OK,
	EL_SEEK_BELOW_START,		/* offset < log start: the reader is there,
								 * trimmed is set */
	EL_SEEK_AT_END				/* at or beyond the log end as of now */
} ElSeek;

/* Go to the first event whose offset is >= offset. */
extern ElSeek el_reader_seek(ElReader *r, int64 offset);

/*
 * Go to the first batch that may hold an event with time >= ms (events still
 * have to be compared).
 */
extern ElSeek el_reader_seek_time(ElReader *r, int64 time_ms);

/* The greatest time in the log, of aborted and trimmed events of its first segment as well.  Moves the reader. */
extern int64 el_reader_max_time(ElReader *r);

/*
 * Only batches that begin on the logical pages first .. end - 1, for samples;
 * false if there is none.  What is trimmed or compacted meanwhile is left out.
 */
extern bool el_reader_seek_pages(ElReader *r, uint64 first, uint64 end);

/*
 * What a page of the segment that the reader is in says of times
 * (ElPageSpecial); false if it is of another segment, or gone.  The batch at hand
 * is not to be used afterwards, but the reader can go on.
 */
extern bool el_reader_page_times(ElReader *r, uint64 page_no, int64 *max_time,
								 uint32 *time_page);

/* The greatest time of the segment before that one; and of the last one there is. */
extern int64 el_reader_time_before(const ElReader *r);
extern int64 el_reader_tail_time(const ElReader *r);

/*
 * Base offset of the first batch that begins on, or covers, a logical page; -1
 * if the page is not there (any more).
 */
extern int64 el_reader_page_offset(ElReader *r, uint64 page_no);

/*
 * Logical page that a block of the file holds, if it holds part of the log as
 * of the reader's end.
 */
extern bool el_reader_block_page(ElReader *r, BlockNumber block,
								 uint64 *page_no);

/*
 * For reader.c and backward.c
 */

/*
 * Set pos to the batch that holds offset (log start <= offset < log end), or to
 * one before it that the caller walks on from.  False if it was trimmed.
 */
extern bool el_reader_find(ElReader *r, int64 offset);

/* The position was trimmed away: go on at the log start, as it is now. */
extern void el_reader_restart(ElReader *r);

#endif							/* EL_SEARCH_H */
