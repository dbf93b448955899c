/*-------------------------------------------------------------------------
 *
 * limits_test.c
 *	  Streams that expand too far.
 *
 * With limits of 1 MB in place of 1 GB, so that they can be met exactly and
 * without a gigabyte.
 *
 * IDENTIFICATION
 *	  test/unit/limits_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <lz4frame.h>
#include <zstd.h>

#include "check.h"
#include "encoders.h"
#include "kafka/batch.h"

#define LIMIT ((size_t) 1024 * 1024)

static const ElCodec codecs[] = {EL_CODEC_LZ4, EL_CODEC_ZSTD, EL_CODEC_GZIP, EL_CODEC_SNAPPY};

static char *
compressed_zeros(ElCodec codec, size_t size, bool tell_size, size_t *len)
{
	char	   *zeros = xmalloc(size);
	size_t		cap = ZSTD_compressBound(size) + size;
	char	   *stream;

	memset(zeros, 0, size);
	if (codec == EL_CODEC_GZIP || codec == EL_CODEC_SNAPPY)
	{
		/* gzip tells its size at the end, Snappy always at the start */
		stream = codec == EL_CODEC_GZIP ? gzip_member(zeros, size, 9, NULL, len) :
			snappy_block(zeros, size, len);
		free(zeros);
		return stream;
	}
	stream = xmalloc(cap);
	if (codec == EL_CODEC_LZ4)
	{
		LZ4F_preferences_t prefs;

		memset(&prefs, 0, sizeof(prefs));
		prefs.frameInfo.contentSize = tell_size ? size : 0;
		*len = LZ4F_compressFrame(stream, cap, zeros, size, &prefs);
	}
	else
	{
		ZSTD_CCtx  *cctx = ZSTD_createCCtx();

		ZSTD_CCtx_setParameter(cctx, ZSTD_c_contentSizeFlag, tell_size);
		*len = ZSTD_compress2(cctx, stream, cap, zeros, size);
		ZSTD_freeCCtx(cctx);
	}
	free(zeros);
	return stream;
}

/*
 * A stream that is given up tells nothing of the next one: neither whether its
 * size was told, nor how much of it was left.
 */
static void
test_abandoned_stream(void)
{
	int			i;

	for (i = 0; i < 16; i++)
	{
		ElCodec		codec = codecs[i % 4];
		ElScratch	scratch = {NULL, 0};
		size_t		bad_len;
		size_t		good_len;
		size_t		out = 0;
		char	   *bad = compressed_zeros(codec, 300000, (i & 4) != 0, &bad_len);
		char	   *good = compressed_zeros(codec, 1000, (i & 8) != 0, &good_len);

		CHECK(el_decompress_records(codec, bad, bad_len - 8, LIMIT, &scratch,
									&out) != NULL);
		CHECK_TEXT(el_decompress_records(codec, good, good_len, LIMIT,
										 &scratch, &out), NULL);
		CHECK(out == 1000);
		pfree(scratch.buf);
		free(bad);
		free(good);
	}
}

/*
 * Snappy is decompressed in one step, into what it claims: no claim is
 * believed that its bytes could not keep, nor many of them that are too much
 * together.
 */
static void
test_snappy_claims(void)
{
	static const char header[] = "\x82SNAPPY\0\0\0\0\1\0\0\0\1";
	static const char block[] = "\0\0\0\x06" "\x80\x01" "\0z" "\1\1";	/* 128 */
	size_t		count = LIMIT / 128 + 1;
	size_t		len = 16 + count * 10;
	char	   *stream = xmalloc(len);
	ElScratch	scratch = {NULL, 0};
	size_t		out;
	size_t		i;

	/* 4 GB - 1 and 256 MB in a few bytes */
	CHECK_TEXT(el_decompress_records(EL_CODEC_SNAPPY, "\xff\xff\xff\xff\x0f\0z", 7,
									 LIMIT, &scratch, &out),
			   "snappy stream is corrupt");
	CHECK_TEXT(el_decompress_records(EL_CODEC_SNAPPY, "\x80\x80\x80\x80\x01\0z", 7,
									 LIMIT, &scratch, &out),
			   "snappy stream is corrupt");
	CHECK(scratch.cap == 0);

	memcpy(stream, header, 16);
	for (i = 0; i < count; i++)
		memcpy(stream + 16 + i * 10, block, 10);
	CHECK_TEXT(el_decompress_records(EL_CODEC_SNAPPY, stream, len, LIMIT,
									 &scratch, &out),
			   "decompressed records are too large");
	CHECK(scratch.cap == 0);
	/* the same, below the limit: now what the blocks hold is looked at */
	CHECK_TEXT(el_decompress_records(EL_CODEC_SNAPPY, stream, len, 2 * LIMIT,
									 &scratch, &out),
			   "snappy stream is corrupt");
	CHECK(scratch.cap <= 22 * len);
	pfree(scratch.buf);
	free(stream);
}

/* A reader's own limit; without one, the general one. */
static void
test_reader_limit(void)
{
	static const ElCodec written[] = {EL_CODEC_LZ4, EL_CODEC_ZSTD};
	char	   *value = xmalloc(2 * LIMIT);
	int			c;

	memset(value, 0, 2 * LIMIT);
	for (c = 0; c < 2; c++)
	{
		ElBatchBuilder b = {0};
		ElScratch	scratch = {0};
		ElBatchReader reader = {0};
		ElRecord	rec = {0};
		size_t		len;
		char	   *batch;

		rec.key_len = -1;
		rec.value = value;
		rec.value_len = 2 * LIMIT;
		el_batch_begin(&b);
		el_batch_add(&b, &rec);
		batch = el_batch_finish(&b, written[c], &scratch, &len);

		reader.max_uncompressed = LIMIT;
		CHECK(!el_batch_open(&reader, batch, len, false));
		CHECK_TEXT(reader.error, "decompressed records are too large");
		CHECK(reader.scratch.cap <= 2 * LIMIT);
		CHECK(el_batch_next(&reader, &rec) == -1);

		reader.max_uncompressed = 3 * LIMIT;
		CHECK(el_batch_open(&reader, batch, len, false));
		CHECK(el_batch_next(&reader, &rec) == 1);
		CHECK(rec.value_len == (int32) (2 * LIMIT));

		reader.max_uncompressed = 0;
		CHECK(el_batch_open(&reader, batch, len, false));

		/* a limit beyond the general one changes nothing */
		reader.max_uncompressed = SIZE_MAX;
		CHECK(el_batch_open(&reader, batch, len, false));
		CHECK(el_batch_next(&reader, &rec) == 1);
		CHECK(el_batch_next(&reader, &rec) == 0);
		pfree(b.buf);
		pfree(scratch.buf);
		pfree(reader.scratch.buf);
	}
	free(value);
}

int
main(void)
{
	int			c;
	int			tell_size;

	for (c = 0; c < 4; c++)
		for (tell_size = 0; tell_size < 2; tell_size++)
		{
			const size_t sizes[] = {0, 1, 65535, 65536, 65537, 300000,
			LIMIT - 1, LIMIT, LIMIT + 1, LIMIT * 20};
			size_t		i;

			for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			{
				ElScratch	scratch = {NULL, 0};
				size_t		len;
				size_t		out = 0;
				char	   *stream = compressed_zeros(codecs[c], sizes[i],
													  tell_size, &len);
				const char *error;

				error = el_decompress_records(codecs[c], stream, len, LIMIT,
											  &scratch, &out);
				if (sizes[i] < LIMIT)
				{
					CHECK_TEXT(error, NULL);
					CHECK(out == sizes[i]);
				}
				else if (sizes[i] > LIMIT)
					CHECK_TEXT(error, "decompressed records are too large");
				/* doubling may go beyond the limit, decompression not */
				CHECK(scratch.cap <= 2 * LIMIT);
				/* a claim alone allocates little */
				if (error != NULL && tell_size && codecs[c] == EL_CODEC_ZSTD)
					CHECK(scratch.cap <= LIMIT);
				if (error != NULL && codecs[c] == EL_CODEC_SNAPPY)
					CHECK(scratch.cap == 0);
				pfree(scratch.buf);

				/* a buffer that happens to be larger is no reason to go on */
				scratch.cap = 4 * LIMIT;
				scratch.buf = palloc(scratch.cap);
				error = el_decompress_records(codecs[c], stream, len, LIMIT,
											  &scratch, &out);
				if (sizes[i] > LIMIT)
					CHECK_TEXT(error, "decompressed records are too large");
				pfree(scratch.buf);
				free(stream);
			}
		}

	/* a small frame that claims much, cut short: no large allocation */
	{
		ElScratch	scratch = {NULL, 0};
		size_t		len;
		size_t		out;
		char	   *stream = compressed_zeros(EL_CODEC_ZSTD, 1000000, true, &len);

		CHECK_TEXT(el_decompress_records(EL_CODEC_ZSTD, stream, 20, LIMIT,
										 &scratch, &out),
				   "compressed records are truncated");
		CHECK(scratch.cap <= 65536);
		pfree(scratch.buf);
		free(stream);
	}
	test_snappy_claims();
	test_abandoned_stream();
	test_reader_limit();
	return check_summary();
}
