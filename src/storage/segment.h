/*-------------------------------------------------------------------------
 *
 * segment.h
 *	  The segment directory: where the blocks of a segment are.
 *
 * IDENTIFICATION
 *	  src/storage/segment.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SEGMENT_H
#define EL_SEGMENT_H

#include "postgres.h"

#include "utils/rel.h"

#include "storage/meta.h"

/* A private copy of one directory page. */
typedef struct ElDirectory
{
	bool		valid;
	uint64		no;				/* number of the directory page */
	PGAlignedBlock page;
} ElDirectory;

/* A copy that holds nothing yet, in the current memory context; pfree() it. */
extern ElDirectory *el_directory_new(void);

/*
 * The entry of a segment, through the copy in dir, which is read again if it
 * holds another page.  NULL if the directory page has been reused since meta
 * was read: the segment is gone.
 */
extern ElSegment *el_directory_entry(Relation rel, const ElMeta *meta,
									 ElDirectory *dir, uint64 seg);

/* The same where it must be there: XX001 if it is not. */
extern ElSegment *el_directory_require(Relation rel, const ElMeta *meta,
									   ElDirectory *dir, uint64 seg);

/*
 * The first segment from seg on, up to limit, that begins with a batch; limit
 * if there is none.
 */
extern uint64 el_segment_boundary(Relation rel, uint64 seg, uint64 limit);

#endif							/* EL_SEGMENT_H */
