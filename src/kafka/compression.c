/*-------------------------------------------------------------------------
 *
 * compression.c
 *	  The records of a batch, compressed as one piece.
 *
 * Contexts are kept for the life of the process: creating one costs more than
 * compressing a batch of a single event.  They belong to the libraries
 * (malloc), are reset before each use, and so survive an error thrown half
 * way.
 *
 * IDENTIFICATION
 *	  src/kafka/compression.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include <lz4frame.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "kafka/compression.h"
#include "kafka/scratch.h"
#include "kafka/snappy.h"

/* Kafka's producers and brokers default to level 3 too. */
#define ZSTD_LEVEL 3

/*
 * How much a decompression may allocate on the word of the stream alone.  The
 * rest is allocated only as output really arrives.
 */
#define DECOMPRESS_FIRST_MIN ((size_t) 64 * 1024)
#define DECOMPRESS_FIRST_RATIO 64

/* The largest window, and 16: gzip's header and trailer, not zlib's. */
#define GZIP_WINDOW_BITS (MAX_WBITS + 16)

/* Made at first use, never freed. */
static LZ4F_cctx *lz4_cctx = NULL;
static LZ4F_dctx *lz4_dctx = NULL;
static ZSTD_CCtx *zstd_cctx = NULL;
static ZSTD_DCtx *zstd_dctx = NULL;
static z_stream gzip_dctx;
static bool gzip_dctx_made = false;

/* Did a decompression use lz4_dctx and not come to its end? */
static bool lz4_dctx_in_use = false;

/*
 * What Kafka's Java writer produces: independent blocks of 64 KB, neither
 * checksums nor content size.  autoFlush keeps liblz4 from buffering.
 */
static const LZ4F_preferences_t lz4_preferences = {
	.frameInfo = {
		.blockSizeID = LZ4F_max64KB,
		.blockMode = LZ4F_blockIndependent,
		.contentChecksumFlag = LZ4F_noContentChecksum,
		.frameType = LZ4F_frame,
		.contentSize = 0,
		.blockChecksumFlag = LZ4F_noBlockChecksum
	},
	.autoFlush = 1
};

size_t
el_compress_records(ElCodec codec, const char *src, size_t len, size_t room,
					ElScratch *scratch)
{
	size_t		need = room;
	size_t		size = 0;
	char	   *dst;
	size_t		cap;

	Assert(el_codec_is_written(codec));
	if (codec == EL_CODEC_LZ4)
		need += LZ4F_HEADER_SIZE_MAX +
			LZ4F_compressBound(len, &lz4_preferences);
	else
		need += ZSTD_compressBound(len);

	/* only a batch very near 1 GB; not worth an error */
	if (need > EL_MAX_ALLOC)
		return 0;
	if (need > scratch->cap)
		el_scratch_enlarge(&scratch->buf, &scratch->cap, need, 0);
	dst = scratch->buf + room;
	cap = scratch->cap - room;

	if (codec == EL_CODEC_LZ4)
	{
		size_t		n;

		if (lz4_cctx == NULL &&
			LZ4F_isError(LZ4F_createCompressionContext(&lz4_cctx,
													   LZ4F_VERSION)))
		{
			lz4_cctx = NULL;
			return 0;
		}

		n = LZ4F_compressBegin(lz4_cctx, dst, cap, &lz4_preferences);
		if (LZ4F_isError(n))
			return 0;
		size = n;
		n = LZ4F_compressUpdate(lz4_cctx, dst + size, cap - size, src, len,
								NULL);
		if (LZ4F_isError(n))
			return 0;
		size += n;
		n = LZ4F_compressEnd(lz4_cctx, dst + size, cap - size, NULL);
		if (LZ4F_isError(n))
			return 0;
		size += n;
	}
	else
	{
		if (zstd_cctx == NULL && (zstd_cctx = ZSTD_createCCtx()) == NULL)
			return 0;
		size = ZSTD_compressCCtx(zstd_cctx, dst, cap, src, len, ZSTD_LEVEL);
		if (ZSTD_isError(size))
			return 0;
	}

	Assert(size <= cap);
	return size < len ? size : 0;
}

/* decompress_step() for gzip.  A member that follows on another begins anew. */
static const char *
gunzip_step(const char *src, size_t len, size_t *in, char *dst, size_t size,
			size_t *out, bool *member_complete)
{
	/* both fit: zlib counts in unsigned int */
	uInt		src_size = (uInt) Min(len - *in, (size_t) INT_MAX);
	uInt		dst_size = (uInt) Min(size - *out, (size_t) INT_MAX);
	int			ret;

	if (*member_complete)
		inflateReset(&gzip_dctx);
	gzip_dctx.next_in = (const Bytef *) src + *in;
	gzip_dctx.avail_in = src_size;
	gzip_dctx.next_out = (Bytef *) dst + *out;
	gzip_dctx.avail_out = dst_size;
	ret = inflate(&gzip_dctx, Z_NO_FLUSH);
	*in += src_size - gzip_dctx.avail_in;
	*out += dst_size - gzip_dctx.avail_out;
	*member_complete = ret == Z_STREAM_END;

	/* Z_BUF_ERROR: no progress, as at the end of what is there */
	if (ret == Z_OK || ret == Z_STREAM_END || ret == Z_BUF_ERROR)
		return NULL;
	return ret == Z_MEM_ERROR ? "out of memory" : "gzip stream is corrupt";
}

/*
 * Decompress a piece: src from *in into dst, of which size bytes may be used,
 * from *out.  Both advance.  *frame_complete is what the step before has said,
 * false before the first.  Returns NULL or what is wrong.
 */
static const char *
decompress_step(ElCodec codec, const char *src, size_t len, size_t *in,
				char *dst, size_t size, size_t *out, bool *frame_complete)
{
	if (codec == EL_CODEC_LZ4)
	{
		size_t		dst_size = size - *out;
		size_t		src_size = len - *in;
		size_t		ret;

		ret = LZ4F_decompress(lz4_dctx, dst + *out, &dst_size,
							  src + *in, &src_size, NULL);
		if (LZ4F_isError(ret))
			return "lz4 frame is corrupt";
		*in += src_size;
		*out += dst_size;
		*frame_complete = ret == 0;
	}
	else if (codec == EL_CODEC_GZIP)
		return gunzip_step(src, len, in, dst, size, out, frame_complete);
	else
	{
		ZSTD_inBuffer input;
		ZSTD_outBuffer output;
		size_t		ret;

		input.src = src;
		input.size = len;
		input.pos = *in;
		output.dst = dst;
		output.size = size;
		output.pos = *out;
		ret = ZSTD_decompressStream(zstd_dctx, &output, &input);
		if (ZSTD_isError(ret))
			return "zstd frame is corrupt";
		*in = input.pos;
		*out = output.pos;
		*frame_complete = ret == 0;
	}
	return NULL;
}

/*
 * Make the codec's context ready, and choose how much to allocate before there
 * is any output: what the stream claims about its size counts only within a
 * multiple of the compressed size.  Returns NULL or what is wrong.
 */
static const char *
start_decompression(ElCodec codec, const char *src, size_t len, size_t most,
					size_t *first)
{
	if (codec == EL_CODEC_LZ4)
	{
		/*
		 * liblz4 1.9's reset forgets how many bytes of a frame were to come,
		 * and the next frame that does not tell its size would be refused.
		 */
		if (lz4_dctx_in_use)
		{
			LZ4F_freeDecompressionContext(lz4_dctx);
			lz4_dctx = NULL;
			lz4_dctx_in_use = false;
		}
		if (lz4_dctx == NULL &&
			LZ4F_isError(LZ4F_createDecompressionContext(&lz4_dctx,
														 LZ4F_VERSION)))
		{
			lz4_dctx = NULL;
			return "out of memory";
		}
		LZ4F_resetDecompressionContext(lz4_dctx);
		lz4_dctx_in_use = true;

		/* Kafka's frames do not tell their size */
		*first = len * 4;
	}
	else if (codec == EL_CODEC_GZIP)
	{
		if (gzip_dctx_made)
			inflateReset(&gzip_dctx);
		else if (inflateInit2(&gzip_dctx, GZIP_WINDOW_BITS) != Z_OK)
			return "out of memory";
		gzip_dctx_made = true;

		/* the size is told at the end only, and without what it has over 4 GB */
		*first = len * 4;
	}
	else
	{
		unsigned long long claim = ZSTD_getFrameContentSize(src, len);

		if (zstd_dctx == NULL && (zstd_dctx = ZSTD_createDCtx()) == NULL)
			return "out of memory";
		ZSTD_DCtx_reset(zstd_dctx, ZSTD_reset_session_only);

		if (claim == ZSTD_CONTENTSIZE_ERROR)
			return "zstd frame is corrupt";
		if (claim == ZSTD_CONTENTSIZE_UNKNOWN)
			*first = len * 4;
		else if (claim > most)
			return "decompressed records are too large";
		else
			*first = (size_t) claim;
	}

	*first = Min(*first, len * DECOMPRESS_FIRST_RATIO);
	*first = Max(*first, DECOMPRESS_FIRST_MIN);
	*first = Min(*first, most);
	return NULL;
}

/*
 * el_decompress_records() for Snappy, in one step: its blocks cannot claim
 * more than a multiple of their size.
 */
static const char *
decompress_snappy(const char *src, size_t len, size_t most,
				  ElScratch *scratch, size_t *out_len)
{
	uint64		size;

	if (!el_snappy_size(src, len, &size))
		return "snappy stream is corrupt";
	if (size > most)
		return "decompressed records are too large";
	if (scratch->cap < Max(size, 1))
		el_scratch_enlarge(&scratch->buf, &scratch->cap,
						   Max((size_t) size, 1), 0);
	if (!el_snappy_decompress(src, len, scratch->buf, (size_t) size))
		return "snappy stream is corrupt";
	*out_len = (size_t) size;
	return NULL;
}

/* From the first allocation on the buffer doubles as it fills, up to most. */
const char *
el_decompress_records(ElCodec codec, const char *src, size_t len, size_t most,
					  ElScratch *scratch, size_t *out_len)
{
	size_t		in = 0;
	size_t		out = 0;
	size_t		first;
	bool		frame_complete = false;
	const char *error;

	Assert(codec >= EL_CODEC_GZIP && codec <= EL_CODEC_ZSTD);
	Assert(most < EL_MAX_ALLOC);

	if (codec == EL_CODEC_SNAPPY)
		return decompress_snappy(src, len, most, scratch, out_len);

	error = start_decompression(codec, src, len, most, &first);
	if (error != NULL)
		return error;
	if (scratch->cap < first)
		el_scratch_enlarge(&scratch->buf, &scratch->cap, first, 0);

	for (;;)
	{
		size_t		in_before = in;
		size_t		out_before = out;
		size_t		size;

		if (out >= most)
			return "decompressed records are too large";
		if (out == scratch->cap)
			el_scratch_enlarge(&scratch->buf, &scratch->cap, out + 1, 0);
		size = Min(scratch->cap, most);

		error = decompress_step(codec, src, len, &in, scratch->buf, size, &out,
								&frame_complete);
		if (error != NULL)
			return error;
		Assert(in_before <= in && in <= len);
		Assert(out_before <= out && out <= size);
		if (in == len)
		{
			if (frame_complete)
				break;
			/* more output may be waiting only if the buffer is full */
			if (out < size)
				return "compressed records are truncated";
		}
		if (in == in_before && out == out_before)
			return "compressed records are corrupt";
	}

	if (codec == EL_CODEC_LZ4)
		lz4_dctx_in_use = false;
	*out_len = out;
	return NULL;
}
