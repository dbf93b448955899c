/*-------------------------------------------------------------------------
 *
 * fuzz_batch.c
 *	  libFuzzer target: reading record batches, whatever their bytes.
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
 * With a limit of 16 MB in place of 1 GB: the fuzzer finds zip bombs in
 * seconds.
 *
 * IDENTIFICATION
 *	  test/unit/fuzz_batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "port/pg_crc32c.h"

#include "kafka/batch.h"
#include "kafka/byte_order.h"

#define MAX_UNCOMPRESSED ((size_t) 16 * 1024 * 1024)

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

static unsigned int sink;

static void
touch(const char *p, int32 len)
{
	int32		i;

	REQUIRE((len == -1) == (p == NULL));
	for (i = 0; i < len; i++)
		sink += (uint8) p[i];
}

static void
read_batch(const char *batch, size_t len, bool skip_crc)
{
	static ElBatchReader reader;
	static ElBatchReader again_reader;
	static ElBatchBuilder builder;
	static ElScratch scratch;
	ElRecord	rec;
	int64		last = -1;
	int			n = 0;
	int			ret;

	reader.max_uncompressed = MAX_UNCOMPRESSED;
	again_reader.max_uncompressed = MAX_UNCOMPRESSED;
	el_batch_begin(&builder);
	if (!el_batch_open(&reader, batch, len, skip_crc))
	{
		REQUIRE(reader.error != NULL);
		REQUIRE(el_batch_next(&reader, &rec) == -1);
		return;
	}
	while ((ret = el_batch_next(&reader, &rec)) == 1)
	{
		ElRecordHeadersReader headers;
		const char *key;
		const char *value;
		int32		key_len;
		int32		value_len;
		int64		delta;
		int			h = 0;

		delta = (int64) ((uint64) rec.offset -
						 (uint64) reader.header.base_offset);
		REQUIRE(delta > last);
		REQUIRE(delta <= reader.header.last_offset_delta);
		last = delta;
		touch(rec.key, rec.key_len);
		touch(rec.value, rec.value_len);
		REQUIRE(el_record_headers_open(&headers, rec.headers, rec.headers_len));
		while ((ret = el_record_headers_next(&headers, &key, &key_len,
											 &value, &value_len)) == 1)
		{
			REQUIRE(key_len >= 0);
			touch(key, key_len);
			touch(value, value_len);
			h++;
		}
		REQUIRE(ret == 0);
		REQUIRE(h == headers.count);
		el_batch_add(&builder, &rec);
		n++;
	}
	if (ret < 0)
	{
		REQUIRE(reader.error != NULL);
		REQUIRE(el_batch_next(&reader, &rec) == -1);
		return;
	}
	REQUIRE(n == reader.header.record_count);

	/* what could be read can be written, and then reads the same */
	if (n > 0)
	{
		static const ElCodec codecs[] = {
			EL_CODEC_NONE, EL_CODEC_LZ4, EL_CODEC_ZSTD
		};
		size_t		again_len;
		char	   *again;
		ElRecord	copy;

		again = el_batch_finish(&builder, codecs[len % 3], &scratch,
								&again_len);
		REQUIRE(el_batch_open(&again_reader, again, again_len, false));
		REQUIRE(el_batch_open(&reader, batch, len, skip_crc));
		while ((ret = el_batch_next(&reader, &rec)) == 1)
		{
			REQUIRE(el_batch_next(&again_reader, &copy) == 1);
			REQUIRE(rec.timestamp == copy.timestamp);
			REQUIRE(rec.key_len == copy.key_len);
			REQUIRE(rec.value_len == copy.value_len);
			REQUIRE(rec.headers_len == copy.headers_len);
			if (rec.key_len > 0)
				REQUIRE(memcmp(rec.key, copy.key, (size_t) rec.key_len) == 0);
			if (rec.value_len > 0)
				REQUIRE(memcmp(rec.value, copy.value,
							   (size_t) rec.value_len) == 0);
			REQUIRE(memcmp(rec.headers, copy.headers,
						   (size_t) rec.headers_len) == 0);
		}
		REQUIRE(ret == 0);
		REQUIRE(el_batch_next(&again_reader, &copy) == 0);
	}
}

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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			mode;
	char	   *batch;
	size_t		len;

	if (size < 1)
		return 0;
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
			return 0;
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
		memcpy(batch + EL_BATCH_HEADER_SIZE, records, size);
		el_put_be16(batch + EL_BATCH_ATTRIBUTES, (uint16) codec);
		el_put_be32(batch + EL_BATCH_LAST_OFFSET_DELTA, last_delta);
		el_put_be32(batch + EL_BATCH_RECORD_COUNT, count);
		fix_header(batch, len);
	}

	read_batch(batch, len, mode == 0);
	free(batch);
	return 0;
}
