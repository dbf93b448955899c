/*-------------------------------------------------------------------------
 *
 * fuzz_input.h
 *	  Record batches made of whatever bytes, for the fuzzers that read them.
 *
 * The first byte of the input chooses what the rest is:
 *
 *	0	a batch, read without looking at the CRC
 *	1	a batch whose magic, length and CRC are put right first
 *	2	the records of a plain batch, after 2 bytes each for their number and
 *		the last offset delta
 *	3	the same, compressed here with LZ4 or zstd before it is read
 *	4	the same, compressed already, with gzip
 *	5	with Snappy
 *
 * IDENTIFICATION
 *	  test/unit/fuzz_input.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_FUZZ_INPUT_H
#define EL_FUZZ_INPUT_H

#include "port/pg_crc32c.h"

#include "kafka/batch.h"
#include "kafka/byte_order.h"

/* in the header of batches whose header is not the input's */
#define MAX_TIME	1000000

#define REQUIRE(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* Put a header before records that start at EL_BATCH_HEADER_SIZE. */
static void
fix_header(char *batch, size_t len)
{
	pg_crc32c	crc;

	el_put_be32(batch + EL_BATCH_LENGTH, (uint32) (len - EL_BATCH_LOG_OVERHEAD));
	batch[EL_BATCH_MAGIC] = 2;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, batch + EL_BATCH_ATTRIBUTES, len - EL_BATCH_ATTRIBUTES);
	FIN_CRC32C(crc);
	el_put_be32(batch + EL_BATCH_CRC, crc);
}

/*
 * The batch of an input, to be freed; NULL if there is none.  *as_it_is: its CRC
 * is whatever it is.
 */
static char *
fuzzed_batch(const uint8_t *data, size_t size, size_t *batch_len, bool *as_it_is)
{
	int			mode;
	char	   *batch;
	size_t		len;

	if (size < 1)
		return NULL;
	mode = data[0] % 6;
	data++;
	size--;

	/* in a block of its own: the sanitizer guards the end */
	if (mode <= 1)
	{
		len = size;
		batch = malloc(len > 0 ? len : 1);
		memcpy(batch, data, len);
		if (mode == 1 && len >= EL_BATCH_HEADER_SIZE)
			fix_header(batch, len);
	}
	else
	{
		static ElScratch scratch;
		const char *records;
		uint32		count;
		uint32		last_delta;
		ElCodec		codec = EL_CODEC_NONE;

		if (size < 4)
			return NULL;
		count = el_get_be16((const char *) data);
		last_delta = el_get_be16((const char *) data + 2);
		records = (const char *) data + 4;
		size -= 4;
		if (mode == 3)
		{
			size_t		compressed;

			codec = count & 1 ? EL_CODEC_LZ4 : EL_CODEC_ZSTD;
			compressed = el_compress_records(codec, records, size,
											 EL_BATCH_HEADER_SIZE, &scratch);
			if (compressed > 0)
			{
				records = scratch.buf + EL_BATCH_HEADER_SIZE;
				size = compressed;
			}
			else
				codec = EL_CODEC_NONE;
		}
		else if (mode >= 4)
			codec = mode == 4 ? EL_CODEC_GZIP : EL_CODEC_SNAPPY;
		len = EL_BATCH_HEADER_SIZE + size;
		batch = malloc(len);
		memset(batch, 0, EL_BATCH_HEADER_SIZE);
		el_put_be64(batch + EL_BATCH_MAX_TIMESTAMP, MAX_TIME);
		memcpy(batch + EL_BATCH_HEADER_SIZE, records, size);
		el_put_be16(batch + EL_BATCH_ATTRIBUTES, (uint16) codec);
		el_put_be32(batch + EL_BATCH_LAST_OFFSET_DELTA, last_delta);
		el_put_be32(batch + EL_BATCH_RECORD_COUNT, count);
		fix_header(batch, len);
	}

	*as_it_is = mode == 0;
	*batch_len = len;
	return batch;
}

#endif							/* EL_FUZZ_INPUT_H */
