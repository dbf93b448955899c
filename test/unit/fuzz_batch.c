/*-------------------------------------------------------------------------
 *
 * fuzz_batch.c
 *	  libFuzzer target: reading record batches, whatever their bytes.
 *
 * fuzz_input.h says what an input is.
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

#include "fuzz_input.h"

#define MAX_UNCOMPRESSED ((size_t) 16 * 1024 * 1024)

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t		len;
	bool		as_it_is;
	char	   *batch = fuzzed_batch(data, size, &len, &as_it_is);

	if (batch == NULL)
		return 0;
	read_batch(batch, len, as_it_is);
	free(batch);
	return 0;
}
