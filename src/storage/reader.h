/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  What reader.c, backward.c and search.c share: the state of a reader.
 *
 * IDENTIFICATION
 *	  src/storage/reader.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_READER_H
#define EL_READER_H

#include "postgres.h"

#include "storage/log.h"
#include "storage/meta.h"
#include "storage/page.h"

/* Hints found for the page at hand; what does not fit is found again next time. */
#define EL_MAX_HINTS 64

typedef struct ElReaderPrivate
{
	MemoryContext mcxt;
	bool		has_meta;
	uint64		pos;			/* stream position of the next batch */
	bool		positioned;		/* pos is valid: position was sought */
	uint64		limit;			/* batches begin below it; UINT64 max: no limit */
	ElBatchReader records;		/* of the current batch */
	bool		in_batch;		/* records is open */
	bool		from_rest;		/* ... or its records are to be taken from what the last reader left */
	int64		batch_end;		/* offset behind the open batch */
	uint64		batch_pos;		/* where the batch at hand begins */

	/* segment at hand */
	bool		seg_valid;
	uint64		seg;
	BlockNumber seg_block;
	uint32		seg_flags;
	uint64		seg_end;		/* where its data ends; tail for the last one */
	int64		seg_before;		/* greatest time of the segment before */

	/* page at hand */
	bool		page_valid;
	uint64		page_no;
	Buffer		buffer;			/* pinned while the page is at hand */
	int			nhints;
	struct
	{
		uint16		byte;
		uint16		flags;
	}			hints[EL_MAX_HINTS];

	/* going back (backward.c): batches that begin on a page and are not passed yet */
	bool		back_listed;
	uint64		back_page;
	int			back_nbatches;
	uint16		back_bytes[EL_PAGE_DATA / EL_BATCH_ROOM + 1];	/* where on it */
	/* and records of the open batch */
	bool		back_open;
	const char *back_base;		/* its first record */
	int32		back_nrecords;	/* not handed out yet */
	uint32	   *back_starts;	/* where each begins, from back_base */
	size_t		back_size;		/* allocated */

	char	   *assembly;		/* batch put together from several pages */
	size_t		assembly_size;

	ElDirectory dir;
	PGAlignedBlock meta;
	PGAlignedBlock page;
} ElReaderPrivate;

/* Last page of the segment at hand that holds data. */
static inline uint64
el_reader_last_page(const ElReader *r)
{
	return EL_POS_PAGE(r->priv->seg_end - 1);
}

/* XX001 with block and offset. */
extern void el_reader_corrupt(ElReader *r, uint64 pos, const char *what) pg_attribute_noreturn();
/* The position was trimmed away: go on at the log start, as it is now. */
extern void el_reader_restart(ElReader *r);
/*
 * Make a segment the one at hand; false if it was trimmed.  Or compacted: the
 * metapage, this entry and the next are read one after another, and must be of
 * the same time.
 */
extern bool el_reader_enter_segment(ElReader *r, uint64 seg);
/* Make a page the one at hand; false if it was trimmed. */
extern bool el_reader_load_page(ElReader *r, uint64 page_no);
/*
 * Set pos to the batch that holds offset (log start <= offset < log end), or to
 * one before it that the caller walks on from.  False if it was trimmed.
 */
extern bool el_reader_find(ElReader *r, int64 offset);
/*
 * Look at the batch at pos without putting it together: its envelope and header.
 * Moves pos to where a batch really begins.  1: found; 0: end of the log; -1: trimmed.
 */
extern int	el_reader_peek(ElReader *r, ElEnvelope **env);
/* What became of the peeked batch?  Says whether the mode shows it. */
extern bool el_reader_judge(ElReader *r, const ElEnvelope *env);
/* Have the bytes of the peeked batch, which begins at pos, in one piece; false if it was trimmed meanwhile. */
extern bool el_reader_take(ElReader *r, ElEnvelope *env, uint64 pos);
/* Open the batch that was taken, to walk its records. */
extern void el_reader_open_batch(ElReader *r);

#endif							/* EL_READER_H */
