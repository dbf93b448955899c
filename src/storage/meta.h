/*-------------------------------------------------------------------------
 *
 * meta.h
 *	  Metapage and segment directory, for the files of src/storage.
 *
 * IDENTIFICATION
 *	  src/storage/meta.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_META_H
#define EL_META_H

#include "postgres.h"

#include "storage/buf.h"
#include "utils/rel.h"

#include "storage/log.h"
#include "storage/page.h"

/* The pinned metapage, InvalidBuffer if the relation has no block. */
extern Buffer el_meta_buffer(Relation rel);
/* Copy the metapage into copy (BLCKSZ bytes, aligned); false if there is no log yet. */
extern bool el_meta_read(Relation rel, char *copy);
/* The metapage, pinned and locked exclusively; made if there is none and options is given. */
extern Buffer el_meta_lock(Relation rel, const ElLogOptions *options);
/* Raise XX001 unless page is a metapage of our version. */
extern void el_meta_verify(Relation rel, Page page);
extern void el_meta_to_info(const ElMeta *meta, ElLogInfo *info);

/* Make sure that blocks up to and including last exist; the metapage is locked exclusively. */
extern void el_extend_to(Relation rel, BlockNumber last);

/* A private copy of one directory page. */
typedef struct ElDirectory
{
	bool		valid;
	uint64		group;
	PGAlignedBlock page;
} ElDirectory;

/*
 * The entry of a segment, through the copy in dir, which is read again if it
 * holds another group.  NULL if the directory page has been reused since meta was
 * read: the segment is gone.
 */
extern ElSegment *el_directory_entry(Relation rel, const ElMeta *meta,
									 ElDirectory *dir, uint64 seg);
/* The first segment from seg on, up to limit, that begins with a batch; limit if there is none. */
extern uint64 el_segment_boundary(Relation rel, uint64 seg, uint64 limit);
/*
 * Write the directory entry of a segment that an append is about to enter,
 * setting an extent aside if it has none; returns its first block.  The metapage
 * is locked exclusively.
 */
extern BlockNumber el_segment_open(Relation rel, Buffer metabuf, uint64 seg,
								   ElSegment *entry);

/* visibility.c: outcome of a batch for a reader, and hints */
extern ElBatchState el_batch_state(ElReader *r, const ElEnvelope *env);
/* Flags worth remembering for a batch in that state, 0 if none (yet). */
extern uint16 el_hint_for(ElReader *r, const ElEnvelope *env,
						  ElBatchState state, Buffer buffer);

#endif							/* EL_META_H */
