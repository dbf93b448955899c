/*-------------------------------------------------------------------------
 *
 * limits_test.c
 *	  Streams that expand too far.
 *
 * Compiles batch.c with a limit of 1 MB in place of 1 GB, so that the limit
 * can be met exactly and without a gigabyte.
 *
 * IDENTIFICATION
 *	  test/unit/limits_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "kafka/batch.h"

#undef EL_BATCH_MAX_UNCOMPRESSED
#define EL_BATCH_MAX_UNCOMPRESSED ((size_t) 1024 * 1024)

#include "../../src/kafka/batch.c"
#include "check.h"

static char *
compressed_zeros(int codec, size_t size, bool tell_size, size_t *len)
{
	char	   *zeros = xmalloc(size);
	size_t		cap = ZSTD_compressBound(size) + size;
	char	   *stream = xmalloc(cap);

	memset(zeros, 0, size);
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

int
main(void)
{
	static const int codecs[] = {EL_CODEC_LZ4, EL_CODEC_ZSTD};
	int			c;
	int			tell_size;

	for (c = 0; c < 2; c++)
		for (tell_size = 0; tell_size < 2; tell_size++)
		{
			const size_t limit = EL_BATCH_MAX_UNCOMPRESSED;
			const size_t sizes[] = {0, 1, 65535, 65536, 65537, 300000,
			limit - 1, limit, limit + 1, limit * 20};
			size_t		i;

			for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			{
				ElScratch	scratch = {NULL, 0};
				size_t		len;
				size_t		out = 0;
				char	   *stream = compressed_zeros(codecs[c], sizes[i],
													  tell_size, &len);
				const char *error;

				error = decompress_records(codecs[c], stream, len, &scratch,
										   &out);
				if (sizes[i] < limit)
				{
					CHECK_TEXT(error, NULL);
					CHECK(out == sizes[i]);
				}
				else if (sizes[i] > limit)
					CHECK_TEXT(error, "decompressed records are too large");
				/* doubling may go beyond the limit, decompression not */
				CHECK(scratch.cap <= 2 * limit);
				/* a claim alone allocates little */
				if (error != NULL && tell_size && codecs[c] == EL_CODEC_ZSTD)
					CHECK(scratch.cap <= limit);
				free(scratch.buf);

				/* a buffer that happens to be larger is no reason to go on */
				scratch.cap = 4 * limit;
				scratch.buf = xmalloc(scratch.cap);
				error = decompress_records(codecs[c], stream, len, &scratch,
										   &out);
				if (sizes[i] > limit)
					CHECK_TEXT(error, "decompressed records are too large");
				free(scratch.buf);
				free(stream);
			}
		}

	/* a small frame that claims much, cut short: no large allocation */
	{
		ElScratch	scratch = {NULL, 0};
		size_t		len;
		size_t		out;
		char	   *stream = compressed_zeros(EL_CODEC_ZSTD, 1000000, true, &len);

		CHECK_TEXT(decompress_records(EL_CODEC_ZSTD, stream, 20, &scratch, &out),
				   "compressed records are truncated");
		CHECK(scratch.cap <= 65536);
		free(scratch.buf);
		free(stream);
	}
	return check_summary();
}
