/*-------------------------------------------------------------------------
 *
 * batch_builder.h
 *	  Building a batch, record by record.
 *
 * IDENTIFICATION
 *	  src/kafka/batch_builder.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BATCH_BUILDER_H
#define EL_BATCH_BUILDER_H

#include "kafka/compression.h"
#include "kafka/record.h"
#include "kafka/scratch.h"

/* Raw bytes of records at which a batch is sealed. */
#define EL_BATCH_TARGET		(64 * 1024)

/*
 * A batch being built: EL_BATCH_HEADER_SIZE bytes left free, then the encoded
 * records, uncompressed.  The buffer is palloc'd and reused from batch to
 * batch.
 *
 * Taking records back: restore len, count and max_timestamp as they were
 * (records are only ever removed from the end); not with keep_offsets.
 */
typedef struct ElBatchBuilder
{
	char	   *buf;
	size_t		len;			/* bytes used, header included */
	size_t		cap;
	int32		count;
	int32		last_delta;		/* offset of the last record, from the first
								 * one's */
	int64		base_timestamp; /* of the first record, or the delete horizon */
	int64		max_timestamp;

	/* for compaction; reset by el_batch_begin() */
	bool		keep_offsets;	/* records bring theirs, with gaps; else they
								 * are counted */
	int64		base_offset;	/* of the first record then */
	int64		delete_horizon; /* ms: tombstones in it may go from then on
								 * (KIP-534); 0: none; set before the first
								 * record */
} ElBatchBuilder;

/*
 * Start an empty batch; the first call (a zeroed struct) allocates in
 * CurrentMemoryContext.
 */
extern void el_batch_begin(ElBatchBuilder *b);

/*
 * As el_batch_begin(), for records that keep their offsets, which increase and
 * span less than 2^31; el_batch_finish() sets the base offset then.
 */
extern void el_batch_begin_sparse(ElBatchBuilder *b);

/*
 * Encode one record at the end of the batch.  The caller keeps the batch below
 * EL_MAX_ALLOC bytes: len + el_record_size_bound() tells before.
 */
extern void el_batch_add(ElBatchBuilder *b, const ElRecord *r);

/*
 * Write the header, compress with the codec if that makes the batch smaller
 * (else store it plain; codecs that are read and not written store it plain,
 * too), compute the CRC.  Base offset 0 unless it is sparse, leader epoch and
 * producer fields -1; the batch must have a record.  Returns the batch's
 * bytes, in the builder's own buffer or in *scratch (grown as needed, reused
 * by the next call); valid until the builder or the scratch is used again.
 * The builder's records stay as they are: it may be finished again or go on.
 */
extern char *el_batch_finish(ElBatchBuilder *b, ElCodec codec,
							 ElScratch *scratch, size_t *len);

#endif							/* EL_BATCH_BUILDER_H */
