/*-------------------------------------------------------------------------
 *
 * batch_reader.h
 *	  Reading a batch, record by record.
 *
 * IDENTIFICATION
 *	  src/kafka/batch_reader.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BATCH_READER_H
#define EL_BATCH_READER_H

#include "kafka/batch_header.h"
#include "kafka/record.h"
#include "kafka/scratch.h"

/* Bytes of a batch's records when decompressed, at most: a bit below EL_MAX_ALLOC. */
#define EL_BATCH_MAX_UNCOMPRESSED ((size_t) 0x3fffff00)

/* A batch being read.  It starts zeroed, or as one that was used before. */
typedef struct ElBatchReader
{
	ElBatchHeader header;
	const char *pos;			/* next record */
	const char *end;
	int32		index;			/* of the next record */
	ElScratch	scratch;		/* decompressed records */
	size_t		max_uncompressed;	/* bytes; 0: EL_BATCH_MAX_UNCOMPRESSED */
	const char *error;			/* why the last call returned false / -1: a
								 * static, untranslated phrase */
} ElBatchReader;

/*
 * Open a batch of len bytes.  The bytes stay the caller's and must outlive the
 * reading.  Checks header, length (len is the batch's, to the byte) and CRC
 * (unless skip_crc) and decompresses, never to more than max_uncompressed
 * bytes whatever the stream claims.  Offsets must increase and stay within
 * lastOffsetDelta; a compacted batch may have gaps.  False: r->error says why,
 * and there is nothing to read.
 */
extern bool el_batch_open(ElBatchReader *r, const char *batch, size_t len,
						  bool skip_crc);

/*
 * 1: *rec is the next record, its bytes borrowed from the batch or from the
 * reader's scratch; 0: end; -1: corrupt, r->error says why.  The headers of a
 * record that is returned are sound.
 */
extern int	el_batch_next(ElBatchReader *r, ElRecord *rec);

#endif							/* EL_BATCH_READER_H */
