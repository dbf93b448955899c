/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Kafka RecordBatch v2: encode, decode, validate.
 *
 * The format is described in batch.h.  What is decoded may come from anyone
 * (a damaged page, a producer on the network), so nothing here trusts a
 * length before it has been compared with the bytes that are there, and
 * lengths are compared, never added to pointers, until they are known to fit.
 *
 * Compression contexts are kept for the life of the process: creating one
 * costs more than compressing a batch of a single event.  They belong to the
 * libraries (malloc), are reset before each use, and so survive an error
 * thrown half way.
 *
 * IDENTIFICATION
 *	  src/kafka/batch.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_STANDALONE
#include "postgres.h"

#include "port/pg_crc32c.h"
#include "utils/memutils.h"
#else
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#endif

#include <lz4frame.h>
#include <zstd.h>

#include "kafka/batch.h"

#ifdef EL_STANDALONE
#define Assert(condition) assert(condition)
#define Max(x, y) ((x) > (y) ? (x) : (y))
#define Min(x, y) ((x) < (y) ? (x) : (y))
#define likely(x) __builtin_expect((x) != 0, 1)
#define unlikely(x) __builtin_expect((x) != 0, 0)
#define pg_attribute_always_inline __attribute__((always_inline)) inline
#define pg_noinline __attribute__((noinline))
#define EL_MAX_ALLOC ((size_t) 0x3fffffff)
#else
#define EL_MAX_ALLOC ((size_t) MaxAllocSize)
#endif

/* A builder starts with this much: most transactions produce a few events. */
#define EL_BUILDER_INITIAL_SIZE 8192

/* Kafka's producers and brokers default to level 3 too. */
#define EL_ZSTD_LEVEL 3

#define EL_VARINT_MAX 5
#define EL_VARLONG_MAX 10

/* attributes, timestampDelta, offsetDelta and keyLength at their longest */
#define EL_RECORD_FRONT_MAX (1 + EL_VARLONG_MAX + 2 * EL_VARINT_MAX)

/*
 * How much a decompression may allocate on the word of the stream alone.  The
 * rest is allocated only as output really arrives.
 */
#define EL_DECOMPRESS_FIRST_MIN ((size_t) 64 * 1024)
#define EL_DECOMPRESS_FIRST_RATIO 64

/* See the banner: made at first use, never freed. */
static LZ4F_cctx *lz4_cctx = NULL;
static LZ4F_dctx *lz4_dctx = NULL;
static ZSTD_CCtx *zstd_cctx = NULL;
static ZSTD_DCtx *zstd_dctx = NULL;

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


/*-------------------------------------------------------------------------
 * Memory
 *-------------------------------------------------------------------------
 */

/*
 * Make *buf hold at least need bytes.  Repalloc keeps the buffer in the
 * context of its first allocation.  May throw; *buf and *cap are then as they
 * were.
 */
static pg_noinline void
enlarge(char **buf, size_t *cap, size_t need, size_t least)
{
	size_t		newcap = Max(*cap * 2, least);
	char	   *newbuf;

	/* doubling must not fail a buffer that would fit; need itself may */
	newcap = Max(Min(newcap, EL_MAX_ALLOC), need);

#ifdef EL_STANDALONE
	newbuf = newcap > EL_MAX_ALLOC ? NULL : realloc(*buf, newcap);
	if (newbuf == NULL)
	{
		fprintf(stderr, "out of memory\n");
		abort();
	}
#else
	newbuf = *buf == NULL ? palloc(newcap) : repalloc(*buf, newcap);
#endif
	*buf = newbuf;
	*cap = newcap;
}


/*-------------------------------------------------------------------------
 * Numbers
 *-------------------------------------------------------------------------
 */

static inline void
put_be16(char *p, uint32 v)
{
	p[0] = (char) (v >> 8);
	p[1] = (char) v;
}

static inline void
put_be32(char *p, uint32 v)
{
	p[0] = (char) (v >> 24);
	p[1] = (char) (v >> 16);
	p[2] = (char) (v >> 8);
	p[3] = (char) v;
}

static inline void
put_be64(char *p, uint64 v)
{
	put_be32(p, (uint32) (v >> 32));
	put_be32(p + 4, (uint32) v);
}

static inline uint32
get_be16(const char *p)
{
	const uint8 *u = (const uint8 *) p;

	return ((uint32) u[0] << 8) | (uint32) u[1];
}

static inline uint32
get_be32(const char *p)
{
	const uint8 *u = (const uint8 *) p;

	return ((uint32) u[0] << 24) | ((uint32) u[1] << 16) |
		((uint32) u[2] << 8) | (uint32) u[3];
}

static inline uint64
get_be64(const char *p)
{
	return ((uint64) get_be32(p) << 32) | get_be32(p + 4);
}

static inline uint32
zigzag32(int32 v)
{
	return ((uint32) v << 1) ^ (0 - (uint32) (v < 0));
}

static inline uint64
zigzag64(int64 v)
{
	return ((uint64) v << 1) ^ (0 - (uint64) (v < 0));
}

static inline int32
unzigzag32(uint32 u)
{
	return (int32) ((u >> 1) ^ (0 - (u & 1)));
}

static inline int64
unzigzag64(uint64 u)
{
	return (int64) ((u >> 1) ^ (0 - (u & 1)));
}

/* Two's complement addition and subtraction, as Java's: never overflow. */
static inline int64
wrapping_add(int64 a, int64 b)
{
	return (int64) ((uint64) a + (uint64) b);
}

static inline int64
wrapping_sub(int64 a, int64 b)
{
	return (int64) ((uint64) a - (uint64) b);
}

/* Bytes that put_unsigned() writes: one for each 7 bits begun. */
static inline size_t
unsigned_size(uint64 u)
{
	int			bits = 64 - __builtin_clzll(u | 1);

	/* ceil(bits / 7) for 1 .. 64, without a division */
	return (size_t) ((bits * 9 + 64) >> 6);
}

static inline char *
put_unsigned(char *p, uint64 u)
{
	while (u >= 0x80)
	{
		*p++ = (char) (u | 0x80);
		u >>= 7;
	}
	*p++ = (char) u;
	return p;
}

/*
 * The general case of reading a varint of at most maxbytes.  As in Kafka's
 * ByteUtils, bits of the last byte that do not fit are dropped; only a
 * continuation bit there is an error.  Returns the position after it or NULL.
 */
static pg_noinline const char *
get_unsigned_slow(const char *p, const char *end, int maxbytes, uint64 *u)
{
	uint64		v = 0;
	int			i;

	for (i = 0; i < maxbytes && p < end; i++)
	{
		uint8		byte = (uint8) *p++;

		v |= (uint64) (byte & 0x7f) << (7 * i);
		if (byte < 0x80)
		{
			*u = v;
			return p;
		}
	}
	return NULL;
}

/*
 * Read a varint; NULL if it is cut short by end or too long.  With roomy the
 * caller vouches for maxbytes readable bytes and the check disappears.  One
 * and two bytes are read here: they cover small deltas and lengths.
 */
static pg_attribute_always_inline const char *
get_unsigned(const char *p, const char *end, bool roomy, int maxbytes,
			 uint64 *u)
{
	const uint8 *b = (const uint8 *) p;

	if (likely(roomy || p < end))
	{
		if (likely(b[0] < 0x80))
		{
			*u = b[0];
			return p + 1;
		}
		if ((roomy || end - p >= 2) && likely(b[1] < 0x80))
		{
			*u = (uint64) (b[0] & 0x7f) | ((uint64) b[1] << 7);
			return p + 2;
		}
	}
	return get_unsigned_slow(p, roomy ? p + maxbytes : end, maxbytes, u);
}

static pg_attribute_always_inline const char *
get_int32(const char *p, const char *end, bool roomy, int32 *v)
{
	uint64		u = 0;

	p = get_unsigned(p, end, roomy, EL_VARINT_MAX, &u);
	*v = unzigzag32((uint32) u);
	return p;
}

static pg_attribute_always_inline const char *
get_int64(const char *p, const char *end, bool roomy, int64 *v)
{
	uint64		u = 0;

	p = get_unsigned(p, end, roomy, EL_VARLONG_MAX, &u);
	*v = unzigzag64(u);
	return p;
}

int
el_put_varint(char *p, int32 v)
{
	return (int) (put_unsigned(p, zigzag32(v)) - p);
}

int
el_put_varlong(char *p, int64 v)
{
	return (int) (put_unsigned(p, zigzag64(v)) - p);
}

int
el_get_varint(const char *p, const char *end, int32 *v)
{
	const char *next = get_int32(p, end, false, v);

	return next == NULL ? 0 : (int) (next - p);
}

int
el_get_varlong(const char *p, const char *end, int64 *v)
{
	const char *next = get_int64(p, end, false, v);

	return next == NULL ? 0 : (int) (next - p);
}


/*-------------------------------------------------------------------------
 * CRC-32C
 *-------------------------------------------------------------------------
 */

#ifdef EL_STANDALONE

static uint32
crc32c(const char *data, size_t len)
{
	static uint32 table[256];
	uint32		crc = 0xffffffff;
	size_t		i;

	/* entry 1 is never zero once the table is there */
	if (table[1] == 0)
	{
		uint32		n;

		for (n = 0; n < 256; n++)
		{
			uint32		c = n;
			int			bit;

			for (bit = 0; bit < 8; bit++)
				c = (c >> 1) ^ ((c & 1) ? 0x82f63b78 : 0);
			table[n] = c;
		}
	}

	for (i = 0; i < len; i++)
		crc = table[(crc ^ (uint8) data[i]) & 0xff] ^ (crc >> 8);
	return crc ^ 0xffffffff;
}

#else

static uint32
crc32c(const char *data, size_t len)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, len);
	FIN_CRC32C(crc);
	return crc;
}

#endif


/*-------------------------------------------------------------------------
 * Compression
 *-------------------------------------------------------------------------
 */

/*
 * Compress src into *scratch, leaving room for a batch header before it.
 * Returns the compressed size, or 0 if that is no smaller than the source or
 * cannot be had: a batch may always be stored as it is.
 */
static size_t
compress_records(ElCodec codec, const char *src, size_t len,
				 ElScratch *scratch)
{
	size_t		need = EL_BATCH_HEADER_SIZE;
	size_t		size = 0;
	char	   *dst;
	size_t		cap;

	if (codec == EL_CODEC_LZ4)
		need += LZ4F_HEADER_SIZE_MAX +
			LZ4F_compressBound(len, &lz4_preferences);
	else
		need += ZSTD_compressBound(len);

	/* only a batch very near 1 GB; not worth an error */
	if (need > EL_MAX_ALLOC)
		return 0;
	if (need > scratch->cap)
		enlarge(&scratch->buf, &scratch->cap, need, 0);
	dst = scratch->buf + EL_BATCH_HEADER_SIZE;
	cap = scratch->cap - EL_BATCH_HEADER_SIZE;

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
		size = ZSTD_compressCCtx(zstd_cctx, dst, cap, src, len, EL_ZSTD_LEVEL);
		if (ZSTD_isError(size))
			return 0;
	}

	return size < len ? size : 0;
}

/*
 * Decompress a piece: src from *in into dst, of which size bytes may be used,
 * from *out.  Both advance.  Returns NULL or what is wrong.
 */
static const char *
decompress_step(int codec, const char *src, size_t len, size_t *in,
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
 * Decompress src into *scratch.  What the stream claims about its size only
 * chooses the first allocation, and that within a multiple of the compressed
 * size; then the buffer doubles as it fills, up to EL_BATCH_MAX_UNCOMPRESSED.
 * Several frames in a row are one stream.  Returns NULL or what is wrong.
 */
static const char *
decompress_records(int codec, const char *src, size_t len, ElScratch *scratch,
				   size_t *outlen)
{
	size_t		in = 0;
	size_t		out = 0;
	size_t		first;

	if (codec == EL_CODEC_LZ4)
	{
		if (lz4_dctx == NULL &&
			LZ4F_isError(LZ4F_createDecompressionContext(&lz4_dctx,
														 LZ4F_VERSION)))
		{
			lz4_dctx = NULL;
			return "out of memory";
		}
		LZ4F_resetDecompressionContext(lz4_dctx);

		/* Kafka's frames do not tell their size */
		first = len * 4;
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
			first = len * 4;
		else if (claim > EL_BATCH_MAX_UNCOMPRESSED)
			return "decompressed records are too large";
		else
			first = (size_t) claim;
	}

	first = Min(first, len * EL_DECOMPRESS_FIRST_RATIO);
	first = Max(first, EL_DECOMPRESS_FIRST_MIN);
	first = Min(first, EL_BATCH_MAX_UNCOMPRESSED);
	if (scratch->cap < first)
		enlarge(&scratch->buf, &scratch->cap, first, 0);

	for (;;)
	{
		size_t		in_before = in;
		size_t		out_before = out;
		size_t		size;
		bool		frame_complete;
		const char *error;

		if (out >= EL_BATCH_MAX_UNCOMPRESSED)
			return "decompressed records are too large";
		if (out == scratch->cap)
			enlarge(&scratch->buf, &scratch->cap, out + 1, 0);
		size = Min(scratch->cap, EL_BATCH_MAX_UNCOMPRESSED);

		error = decompress_step(codec, src, len, &in, scratch->buf, size, &out,
								&frame_complete);
		if (error != NULL)
			return error;
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

	*outlen = out;
	return NULL;
}


/*-------------------------------------------------------------------------
 * Building
 *-------------------------------------------------------------------------
 */

void
el_batch_begin(ElBatchBuilder *b)
{
	if (b->buf == NULL)
		enlarge(&b->buf, &b->cap, EL_BATCH_HEADER_SIZE,
				EL_BUILDER_INITIAL_SIZE);
	b->len = EL_BATCH_HEADER_SIZE;
	b->count = 0;
	b->base_timestamp = 0;
	b->max_timestamp = 0;
	b->last_delta = -1;
	b->keep_offsets = false;
	b->base_offset = 0;
	b->delete_horizon = 0;
}

void
el_batch_begin_sparse(ElBatchBuilder *b)
{
	el_batch_begin(b);
	b->keep_offsets = true;
}

size_t
el_record_size_bound(const ElRecord *r)
{
	/* length, the fields up to keyLength, valueLength */
	return EL_VARINT_MAX + EL_RECORD_FRONT_MAX + EL_VARINT_MAX +
		(size_t) Max(r->key_len, 0) + (size_t) Max(r->value_len, 0) +
		(size_t) Max(r->headers_len, 1);
}

void
el_batch_add(ElBatchBuilder *b, const ElRecord *r)
{
	int64		base = b->count > 0 ? b->base_timestamp :
		b->delete_horizon != 0 ? b->delete_horizon : r->timestamp;
	int64		base_offset = b->count == 0 ? r->offset : b->base_offset;
	int32		delta = b->keep_offsets ? (int32) (r->offset - base_offset) : b->count;
	uint64		timestamp = zigzag64(wrapping_sub(r->timestamp, base));
	uint32		offset = zigzag32(delta);
	uint32		key_prefix = zigzag32(r->key_len);
	uint32		value_prefix = zigzag32(r->value_len);
	size_t		key_len = (size_t) Max(r->key_len, 0);
	size_t		value_len = (size_t) Max(r->value_len, 0);
	size_t		headers_len = r->headers == NULL ? 0 : (size_t) r->headers_len;
	size_t		body;
	size_t		need;
	char	   *p;

	Assert(r->key_len >= -1 && r->value_len >= -1 && r->headers_len >= 0);

	body = 1 + unsigned_size(timestamp) + unsigned_size(offset) +
		unsigned_size(key_prefix) + key_len +
		unsigned_size(value_prefix) + value_len + Max(headers_len, 1);
	need = b->len + EL_VARINT_MAX + body;
	if (unlikely(need > b->cap))
		enlarge(&b->buf, &b->cap, need, EL_BUILDER_INITIAL_SIZE);

	/* nothing fails from here on */
	p = put_unsigned(b->buf + b->len, zigzag32((int32) body));
	*p++ = 0;					/* attributes */
	p = put_unsigned(p, timestamp);
	p = put_unsigned(p, offset);
	p = put_unsigned(p, key_prefix);
	if (key_len > 0)
	{
		memcpy(p, r->key, key_len);
		p += key_len;
	}
	p = put_unsigned(p, value_prefix);
	if (value_len > 0)
	{
		memcpy(p, r->value, value_len);
		p += value_len;
	}
	if (headers_len > 0)
	{
		memcpy(p, r->headers, headers_len);
		p += headers_len;
	}
	else
		*p++ = 0;				/* headerCount */

	b->base_timestamp = base;
	if (b->count == 0 || r->timestamp > b->max_timestamp)
		b->max_timestamp = r->timestamp;
	b->base_offset = b->keep_offsets ? base_offset : 0;
	b->last_delta = delta;
	b->count++;
	b->len = (size_t) (p - b->buf);
}

char *
el_batch_finish(ElBatchBuilder *b, ElCodec codec, ElScratch *scratch,
				size_t *len)
{
	char	   *batch = b->buf;
	size_t		total = b->len;
	uint32		attributes = EL_CODEC_NONE;

	Assert(b->count > 0);

	if (codec == EL_CODEC_LZ4 || codec == EL_CODEC_ZSTD)
	{
		size_t		size;

		size = compress_records(codec, b->buf + EL_BATCH_HEADER_SIZE,
								b->len - EL_BATCH_HEADER_SIZE, scratch);
		if (size > 0)
		{
			batch = scratch->buf;
			total = EL_BATCH_HEADER_SIZE + size;
			attributes = (uint32) codec;
		}
	}
	if (b->delete_horizon != 0)
		attributes |= EL_ATTR_DELETE_HORIZON;

	put_be64(batch + EL_BATCH_BASE_OFFSET, (uint64) b->base_offset);
	put_be32(batch + EL_BATCH_LENGTH,
			 (uint32) (total - EL_BATCH_LOG_OVERHEAD));
	put_be32(batch + EL_BATCH_LEADER_EPOCH, (uint32) -1);
	batch[EL_BATCH_MAGIC] = 2;
	put_be16(batch + EL_BATCH_ATTRIBUTES, attributes);
	put_be32(batch + EL_BATCH_LAST_OFFSET_DELTA, (uint32) (b->keep_offsets ? b->last_delta : b->count - 1));
	put_be64(batch + EL_BATCH_BASE_TIMESTAMP, (uint64) b->base_timestamp);
	put_be64(batch + EL_BATCH_MAX_TIMESTAMP, (uint64) b->max_timestamp);
	put_be64(batch + EL_BATCH_PRODUCER_ID, (uint64) -1);
	put_be16(batch + EL_BATCH_PRODUCER_EPOCH, (uint32) -1);
	put_be32(batch + EL_BATCH_BASE_SEQUENCE, (uint32) -1);
	put_be32(batch + EL_BATCH_RECORD_COUNT, (uint32) b->count);
	put_be32(batch + EL_BATCH_CRC,
			 crc32c(batch + EL_BATCH_ATTRIBUTES, total - EL_BATCH_ATTRIBUTES));

	*len = total;
	return batch;
}

void
el_batch_set_base_offset(char *batch, int64 base_offset)
{
	put_be64(batch + EL_BATCH_BASE_OFFSET, (uint64) base_offset);
}

void
el_batch_set_leader_epoch(char *batch, int32 epoch)
{
	put_be32(batch + EL_BATCH_LEADER_EPOCH, (uint32) epoch);
}


/*-------------------------------------------------------------------------
 * Reading
 *-------------------------------------------------------------------------
 */

const char *
el_batch_read_header(const char *batch, size_t avail, ElBatchHeader *h)
{
	if (avail < EL_BATCH_HEADER_SIZE)
		return "batch is shorter than its header";

	/* other versions have other fields after this one */
	if (batch[EL_BATCH_MAGIC] != 2)
		return "magic is not 2";

	h->base_offset = (int64) get_be64(batch + EL_BATCH_BASE_OFFSET);
	h->batch_length = (int32) get_be32(batch + EL_BATCH_LENGTH);
	h->leader_epoch = (int32) get_be32(batch + EL_BATCH_LEADER_EPOCH);
	h->crc = get_be32(batch + EL_BATCH_CRC);
	h->attributes = (int16) get_be16(batch + EL_BATCH_ATTRIBUTES);
	h->last_offset_delta =
		(int32) get_be32(batch + EL_BATCH_LAST_OFFSET_DELTA);
	h->base_timestamp = (int64) get_be64(batch + EL_BATCH_BASE_TIMESTAMP);
	h->max_timestamp = (int64) get_be64(batch + EL_BATCH_MAX_TIMESTAMP);
	h->producer_id = (int64) get_be64(batch + EL_BATCH_PRODUCER_ID);
	h->producer_epoch = (int16) get_be16(batch + EL_BATCH_PRODUCER_EPOCH);
	h->base_sequence = (int32) get_be32(batch + EL_BATCH_BASE_SEQUENCE);
	h->record_count = (int32) get_be32(batch + EL_BATCH_RECORD_COUNT);

	if (h->batch_length < EL_BATCH_HEADER_SIZE - EL_BATCH_LOG_OVERHEAD)
		return "batch length is too small";
	if ((h->attributes & EL_ATTR_CODEC_MASK) > EL_CODEC_ZSTD)
		return "compression codec is unknown";
	if (h->last_offset_delta < 0)
		return "last offset delta is negative";
	if (h->record_count < 0)
		return "record count is negative";

	/* fewer than offsets after compaction, never more */
	if (h->record_count - 1 > h->last_offset_delta)
		return "record count is larger than the range of offsets";
	return NULL;
}

const char *
el_batch_check_crc(const char *batch, size_t len)
{
	if (len < EL_BATCH_HEADER_SIZE)
		return "batch is shorter than its header";
	if (crc32c(batch + EL_BATCH_ATTRIBUTES, len - EL_BATCH_ATTRIBUTES) !=
		get_be32(batch + EL_BATCH_CRC))
		return "CRC does not match";
	return NULL;
}

/*
 * Where offsets have gaps, el_batch_next() cannot tell from a record's index
 * what its offset must be; so look at the order of all of them once.  Stops
 * silently at a record that makes no sense: el_batch_next() will meet it.
 */
static const char *
check_offset_order(const char *p, const char *end, int32 count)
{
	int32		previous = -1;

	while (count-- > 0)
	{
		const char *q;
		int32		len;
		int64		timestamp_delta;
		int32		offset_delta;

		p = get_int32(p, end, false, &len);
		if (p == NULL || len < 1 || len > end - p)
			return NULL;
		q = get_int64(p + 1, p + len, false, &timestamp_delta);
		if (q == NULL)
			return NULL;
		q = get_int32(q, p + len, false, &offset_delta);
		if (q == NULL)
			return NULL;
		if (offset_delta <= previous)
			return "offsets do not increase";
		previous = offset_delta;
		p += len;
	}
	return NULL;
}

/* The fallible part of el_batch_open(). */
static const char *
open_batch(ElBatchReader *r, const char *batch, size_t len, bool skip_crc)
{
	ElBatchHeader *h = &r->header;
	const char *pos = batch + EL_BATCH_HEADER_SIZE;
	const char *end = batch + len;
	const char *error;
	int			codec;

	error = el_batch_read_header(batch, len, h);
	if (error != NULL)
		return error;
	if (len - EL_BATCH_LOG_OVERHEAD != (size_t) h->batch_length)
		return "batch length does not match";
	if (!skip_crc)
	{
		error = el_batch_check_crc(batch, len);
		if (error != NULL)
			return error;
	}

	/* like Kafka, look at no records where there are none */
	if (h->record_count == 0)
		return NULL;

	codec = h->attributes & EL_ATTR_CODEC_MASK;
	if (codec == EL_CODEC_GZIP)
		return "codec gzip is not supported";
	if (codec == EL_CODEC_SNAPPY)
		return "codec snappy is not supported";
	if (codec != EL_CODEC_NONE)
	{
		size_t		size;

		error = decompress_records(codec, pos, (size_t) (end - pos),
								   &r->scratch, &size);
		if (error != NULL)
			return error;
		pos = r->scratch.buf;
		end = pos + size;
	}

	if (h->record_count - 1 != h->last_offset_delta)
	{
		error = check_offset_order(pos, end, h->record_count);
		if (error != NULL)
			return error;
	}

	r->pos = pos;
	r->end = end;
	return NULL;
}

bool
el_batch_open(ElBatchReader *r, const char *batch, size_t len, bool skip_crc)
{
	/* nothing to read until all is well, or if an error is thrown */
	memset(&r->header, 0, sizeof(r->header));
	r->pos = NULL;
	r->end = NULL;
	r->index = 0;
	r->error = open_batch(r, batch, len, skip_crc);
	if (r->error != NULL)
	{
		r->header.record_count = 0;
		return false;
	}
	return true;
}

/*
 * Check that n headers fill p .. end exactly, each key and value inside.
 */
static bool
headers_valid(const char *p, const char *end, int32 n)
{
	/* a header takes two bytes at least; Kafka asks for one */
	if (n < 0 || n > end - p)
		return false;
	while (n-- > 0)
	{
		int32		len;

		p = get_int32(p, end, false, &len);
		if (p == NULL || len < 0 || len > end - p)
			return false;
		p += len;
		p = get_int32(p, end, false, &len);
		if (p == NULL || len < -1 || len > end - p)
			return false;
		p += Max(len, 0);
	}
	return p == end;
}

int
el_batch_next(ElBatchReader *r, ElRecord *rec)
{
	const char *end = r->end;
	const char *record_end;
	const char *p;
	int32		index = r->index;
	int32		len;
	int32		offset_delta;
	int64		timestamp_delta;

	if (unlikely(index >= r->header.record_count))
	{
		if (r->error != NULL)
			return -1;
		if (r->pos != end)
		{
			r->error = "bytes remain after the last record";
			return -1;
		}
		return 0;
	}

	p = get_int32(r->pos, end, false, &len);
	if (unlikely(p == NULL || len < 0 || len > end - p))
	{
		r->error = "record is longer than the batch";
		return -1;
	}
	record_end = p + len;

	/*
	 * All but the last record of a batch have enough bytes after them for the
	 * fields up to keyLength to be read without further checks; should that
	 * run over the record's own end, the checks below find out.
	 */
	if (likely(end - p >= EL_RECORD_FRONT_MAX))
	{
		p = get_int64(p + 1, end, true, &timestamp_delta);
		if (likely(p != NULL))
			p = get_int32(p, end, true, &offset_delta);
		if (likely(p != NULL))
			p = get_int32(p, end, true, &rec->key_len);
	}
	else
	{
		p = len < 1 ? NULL : p + 1;
		if (p != NULL)
			p = get_int64(p, record_end, false, &timestamp_delta);
		if (p != NULL)
			p = get_int32(p, record_end, false, &offset_delta);
		if (p != NULL)
			p = get_int32(p, record_end, false, &rec->key_len);
	}
	if (unlikely(p == NULL))
		goto malformed;

	if (rec->key_len >= 0)
	{
		if (unlikely(rec->key_len > record_end - p))
			goto malformed;
		rec->key = p;
		p += rec->key_len;
	}
	else if (likely(rec->key_len == -1))
		rec->key = NULL;
	else
		goto malformed;

	p = get_int32(p, record_end, false, &rec->value_len);
	if (unlikely(p == NULL))
		goto malformed;
	if (likely(rec->value_len >= 0))
	{
		if (unlikely(rec->value_len > record_end - p))
			goto malformed;
		rec->value = p;
		p += rec->value_len;
	}
	else if (likely(rec->value_len == -1))
		rec->value = NULL;
	else
		goto malformed;

	/* mostly there are no headers: one zero byte, the record's last */
	rec->headers = p;
	rec->headers_len = (int32) (record_end - p);
	if (unlikely(rec->headers_len != 1 || *p != 0))
	{
		int32		n;

		p = get_int32(p, record_end, false, &n);
		if (p == NULL || !headers_valid(p, record_end, n))
		{
			r->error = "record headers are malformed";
			return -1;
		}
	}

	/*
	 * Without gaps the offsets are 0, 1, 2, ...  With gaps el_batch_open() has
	 * seen that they increase.
	 */
	if (unlikely(offset_delta != index) &&
		(r->header.record_count - 1 == r->header.last_offset_delta ||
		 offset_delta > r->header.last_offset_delta))
	{
		r->error = "record offset is out of range";
		return -1;
	}

	rec->offset = wrapping_add(r->header.base_offset, offset_delta);
	if (unlikely(r->header.attributes & EL_ATTR_LOG_APPEND_TIME))
		rec->timestamp = r->header.max_timestamp;
	else
		rec->timestamp = wrapping_add(r->header.base_timestamp,
									  timestamp_delta);
	r->pos = record_end;
	r->index = index + 1;
	return 1;

malformed:
	r->error = "record is malformed";
	return -1;
}

bool
el_headers_open(ElHeadersReader *r, const char *headers, int32 len)
{
	r->pos = r->end = NULL;
	r->count = 0;
	r->index = 0;
	if (headers == NULL || len <= 0)
		return len == 0;

	r->end = headers + len;
	r->pos = get_int32(headers, r->end, false, &r->count);
	if (r->pos == NULL || r->count < 0 || r->count > r->end - r->pos)
	{
		r->pos = r->end;
		r->count = 0;
		return false;
	}
	return true;
}

int
el_headers_next(ElHeadersReader *r, const char **key, int32 *key_len,
				const char **value, int32 *value_len)
{
	const char *p = r->pos;

	if (r->index >= r->count)
		return p == r->end ? 0 : -1;

	p = get_int32(p, r->end, false, key_len);
	if (p == NULL || *key_len < 0 || *key_len > r->end - p)
		return -1;
	*key = p;
	p += *key_len;
	p = get_int32(p, r->end, false, value_len);
	if (p == NULL || *value_len < -1 || *value_len > r->end - p)
		return -1;
	*value = *value_len < 0 ? NULL : p;
	r->pos = p + Max(*value_len, 0);
	r->index++;
	return 1;
}
