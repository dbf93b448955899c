/*-------------------------------------------------------------------------
 *
 * content.h
 *	  What the producer buffer holds for one partition.
 *
 * An open batch, into which records are encoded as they come, and the batches
 * sealed before it: finished, compressed, ready to append but for their base
 * offset, in memory or in a temporary file.  Knows nothing of topics and
 * subtransactions; see buffer.c for those.
 *
 * All memory and the file last until el_content_reset() at the end of the
 * transaction.
 *
 * IDENTIFICATION
 *	  src/produce/content.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CONTENT_H
#define EL_CONTENT_H

#include "postgres.h"

#include "kafka/batch.h"

/* Raw bytes of records at which a batch is sealed. */
#define EL_BATCH_TARGET		(64 * 1024)

/* Work space larger than this is given back after use. */
#define EL_KEEP_BUFFER		(256 * 1024)

/* A finished batch; base offset and leader epoch are set at append. */
typedef struct ElSealed
{
	char	   *data;			/* NULL: in the spill file */
	uint32		len;
	int32		count;			/* events */
	off_t		offset;			/* place in the spill file */
} ElSealed;

/* All zeros: empty. */
typedef struct ElContent
{
	ElSealed   *sealed;
	int			first;			/* sealed[0 .. first) have been appended */
	int			nsealed;
	int			maxsealed;
	ElBatchBuilder open;		/* buf NULL until first used */
} ElContent;

/*
 * A point between two events, to cut back to.  Valid until events before it are
 * cut off, or all have been appended.
 */
typedef struct ElPoint
{
	int			nsealed;
	int32		open_count;		/* 0: not inside the open batch */
	size_t		open_len;
	int64		open_max_timestamp;
} ElPoint;

/* The context of all contents, and of what belongs to this transaction's buffer. */
extern MemoryContext el_content_context(void);
/* Bytes in memory: sealed batches and open ones. */
extern size_t el_content_bytes;

/* Bytes that the record takes at most; 54000 if no batch can hold it. */
extern size_t el_content_check_size(const ElRecord *r);
/* Add a record to the open batch, which has room for it (or is empty). */
extern void el_content_add(ElContent *c, const ElRecord *r);
/* Would the open batch, with so many bytes more, be larger than it should? */
static inline bool
el_content_full(const ElContent *c, size_t bytes)
{
	return c->open.count > 0 && c->open.len + bytes > EL_BATCH_TARGET;
}

static inline bool
el_content_is_empty(const ElContent *c)
{
	return c->first == c->nsealed && c->open.count == 0;
}

/* Bytes of all batches, wherever they are. */
extern uint64 el_content_size(const ElContent *c);

/*
 * Seal the open batch.  points are those inside it, outermost first: a batch
 * ends at each, and afterwards they are not inside any more.  On error all is
 * as it was.
 */
extern void el_content_seal(ElContent *c, ElCodec codec, ElPoint **points,
							int npoints);
/* Finish the builder's batch, compressed if that is worth it; valid until the next call. */
extern char *el_content_finish(ElBatchBuilder *b, ElCodec codec, uint32 *len);

static inline ElPoint
el_content_point(const ElContent *c)
{
	ElPoint		p;

	p.nsealed = c->nsealed;
	p.open_count = c->open.count;
	p.open_len = c->open.len;
	p.open_max_timestamp = c->open.max_timestamp;
	return p;
}

/* Forget what came after a point; all of it.  Cannot fail. */
extern void el_content_cut(ElContent *c, const ElPoint *point);
extern void el_content_clear(ElContent *c);

/* The bytes of a sealed batch, valid until the next call. */
extern char *el_content_load(ElSealed *s);
/* sealed[c->first] has been appended / all has.  Cannot fail. */
extern void el_content_appended_first(ElContent *c);
extern void el_content_appended_all(ElContent *c);

/* Move sealed batches from memory to the temporary file. */
extern void el_content_spill(ElContent *c);
/* Give back the memory of an open batch that is empty. */
extern void el_content_release_open(ElContent *c);
/* Give back work space that an exceptionally large event left. */
extern void el_content_trim(void);

/* Close the temporary file; before the resource owner does, and complains. */
extern void el_content_close_file(void);
/* The transaction is over.  Cannot fail. */
extern void el_content_reset(void);

#endif							/* EL_CONTENT_H */
