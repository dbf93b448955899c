/*-------------------------------------------------------------------------
 *
 * pending.h
 *	  What the producer buffer holds for one partition.
 *
 * An open batch, into which records are encoded as they come, and the batches
 * sealed before it: finished, compressed, ready to append but for their base
 * offset, in memory or in a temporary file.  Knows nothing of topics and
 * subtransactions; see buffer.c for those.
 *
 * All memory and the file last until el_pending_reset() at the end of the
 * transaction.
 *
 * IDENTIFICATION
 *	  src/produce/pending.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PENDING_H
#define EL_PENDING_H

#include "postgres.h"

#include "kafka/batch_builder.h"
#include "kafka/compression.h"
#include "kafka/record.h"

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
typedef struct ElPendingBatches
{
	ElSealed   *sealed;
	int			first;			/* sealed[0 .. first) have been appended */
	int			nsealed;
	int			maxsealed;
	ElBatchBuilder open;		/* buf NULL until first used */
} ElPendingBatches;

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

/* The context of all pending batches, and of what belongs to this transaction's buffer. */
extern MemoryContext el_pending_context(void);

/* Bytes in memory: sealed batches and open ones. */
extern size_t el_pending_bytes;

/* Bytes that the record takes at most; 54000 if no batch can hold it. */
extern size_t el_pending_check_size(const ElRecord *r);

/* Add a record to the open batch, which has room for it (or is empty). */
extern void el_pending_add(ElPendingBatches *c, const ElRecord *r);

/* Would the open batch, with that many bytes more, be larger than it should? */
static inline bool
el_pending_full(const ElPendingBatches *c, size_t bytes)
{
	return c->open.count > 0 && c->open.len + bytes > EL_BATCH_TARGET;
}

static inline bool
el_pending_is_empty(const ElPendingBatches *c)
{
	return c->first == c->nsealed && c->open.count == 0;
}

/* Bytes of all batches, wherever they are. */
extern uint64 el_pending_size(const ElPendingBatches *c);

/*
 * Seal the open batch.  points are those inside it, outermost first: a batch
 * ends at each, and afterwards they are not inside any more.  On error all is
 * as it was.
 */
extern void el_pending_seal(ElPendingBatches *c, ElCodec codec, ElPoint **points,
							int npoints);

/* Finish the builder's batch, compressed if that is worth it; valid until the next call. */
extern char *el_pending_finish(ElBatchBuilder *b, ElCodec codec, uint32 *len);

static inline ElPoint
el_pending_point(const ElPendingBatches *c)
{
	ElPoint		p;

	p.nsealed = c->nsealed;
	p.open_count = c->open.count;
	p.open_len = c->open.len;
	p.open_max_timestamp = c->open.max_timestamp;
	return p;
}

/* Forget what came after a point; all of it.  Cannot fail. */
extern void el_pending_cut(ElPendingBatches *c, const ElPoint *point);
extern void el_pending_clear(ElPendingBatches *c);

/* The bytes of a sealed batch, valid until the next call. */
extern char *el_pending_load(ElSealed *s);

/* sealed[c->first] has been appended / all has.  Cannot fail. */
extern void el_pending_appended_first(ElPendingBatches *c);
extern void el_pending_appended_all(ElPendingBatches *c);

/* Move sealed batches from memory to the temporary file. */
extern void el_pending_spill(ElPendingBatches *c);

/* Give back the memory of an open batch that is empty. */
extern void el_pending_release_open(ElPendingBatches *c);

/* Give back work space that an exceptionally large event left. */
extern void el_pending_trim(void);

/* Close the temporary file; before the resource owner does, and complains. */
extern void el_pending_close_file(void);

/* The transaction is over.  Cannot fail. */
extern void el_pending_reset(void);

#endif							/* EL_PENDING_H */
