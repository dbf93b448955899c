/*-------------------------------------------------------------------------
 *
 * extent.h
 *	  Which blocks of the file are free, and who takes them.
 *
 * IDENTIFICATION
 *	  src/storage/extent.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_EXTENT_H
#define EL_EXTENT_H

#include "postgres.h"

#include "storage/block.h"
#include "storage/buf.h"
#include "utils/rel.h"

#include "storage/meta.h"

/* Blocks begin .. end - 1. */
typedef struct ElBlocks
{
	BlockNumber begin;
	BlockNumber end;
} ElBlocks;

/*
 * Write the directory entry of a segment that an append is about to enter,
 * setting an extent aside if it has none, and make sure that its first npages
 * blocks exist; returns the first one.  The metapage is locked exclusively.
 */
extern BlockNumber el_segment_open(Relation rel, Buffer metabuf, uint64 seg,
								   ElSegment *entry, uint32 npages);

/*
 * Is there a free extent all of whose blocks exist?  nblocks: those of the file.
 * The metapage is locked exclusively.  Cheap to ask again as long as the answer
 * is no.
 */
extern bool el_extent_ready(Relation rel, const ElMeta *meta,
							BlockNumber nblocks);

/*
 * Make sure that blocks up to and including last exist, and some behind it that are
 * wanted next, but none behind limit; the metapage is locked exclusively.  53100 and
 * others of the file system.
 */
extern void el_extend_to(Relation rel, Buffer metabuf, BlockNumber last,
						 BlockNumber limit);

/*
 * Whoever holds this lock, and nobody else, may take blocks that are given out
 * and in no entry.  It is let go of with the transaction at the latest.
 */
extern void el_unlisted_lock(Relation rel);
extern void el_unlisted_unlock(Relation rel);

/*
 * Blocks given out that neither the entries of segments from .. end - 1 nor their
 * directory pages take: ascending runs, *n of them; pfree() them.  taken, if
 * not NULL, counts as in use.  The metapage is locked.
 */
extern ElBlocks *el_unlisted_blocks(Relation rel, const ElMeta *meta,
									uint64 from, uint64 end,
									const ElBlocks *taken, int *n);

/*
 * For compaction, under el_unlisted_lock(): an extent that is in no entry
 * afterwards.  unlisted: one that is in none already, or InvalidBlockNumber.
 */
extern BlockNumber el_extent_take(Relation rel, BlockNumber unlisted);

#endif							/* EL_EXTENT_H */
