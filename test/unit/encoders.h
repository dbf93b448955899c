/*-------------------------------------------------------------------------
 *
 * encoders.h
 *	  gzip and Snappy for the unit tests: src/kafka only reads them.
 *
 * Each returns a block of its own of exactly *out_len bytes.
 *
 * IDENTIFICATION
 *	  test/unit/encoders.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ENCODERS_H
#define EL_ENCODERS_H

#define ZLIB_CONST
#include <zlib.h>

#include "check.h"

/* One member; with a header, if that is not NULL. */
static inline char *
gzip_member(const char *src, size_t len, int level, gz_header * header,
			size_t *out_len)
{
	z_stream	z;
	size_t		cap;
	char	   *out;
	char	   *exact;

	memset(&z, 0, sizeof(z));
	if (deflateInit2(&z, level, Z_DEFLATED, MAX_WBITS + 16, 8,
					 Z_DEFAULT_STRATEGY) != Z_OK ||
		(header != NULL && deflateSetHeader(&z, header) != Z_OK))
		abort();
	cap = deflateBound(&z, len) + 1000;
	out = xmalloc(cap);
	z.next_in = (const Bytef *) src;
	z.avail_in = (uInt) len;
	z.next_out = (Bytef *) out;
	z.avail_out = (uInt) cap;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	*out_len = z.total_out;
	deflateEnd(&z);
	exact = xmalloc(*out_len);
	memcpy(exact, out, *out_len);
	free(out);
	return exact;
}

static inline char *
snappy_little_endian(char *p, size_t v, int bytes)
{
	while (bytes-- > 0)
	{
		*p++ = (char) v;
		v >>= 8;
	}
	return p;
}

/* A literal, its length in as few bytes as can be or in more. */
static inline char *
snappy_literal(char *p, const char *src, size_t len)
{
	int			bytes = len > 65536 ? 3 : len > 256 ? 2 : len > 60 ? 1 : 0;

	if (random_below(4) == 0)
		bytes += (int) random_below((size_t) (5 - bytes));
	if (bytes == 0)
		*p++ = (char) ((len - 1) << 2);
	else
	{
		*p++ = (char) ((59 + bytes) << 2);
		p = snappy_little_endian(p, len - 1, bytes);
	}
	memcpy(p, src, len);
	return p + len;
}

/* A copy of 1 to 64 bytes, in any form that it fits. */
static inline char *
snappy_copy(char *p, size_t distance, size_t len)
{
	bool		rare = random_below(8) == 0;

	if (len >= 4 && len <= 11 && distance < 2048 && !rare)
	{
		*p++ = (char) ((distance >> 8) << 5 | (len - 4) << 2 | 1);
		*p++ = (char) distance;
		return p;
	}
	if (distance < 65536 && (!rare || random_below(2)))
	{
		*p++ = (char) ((len - 1) << 2 | 2);
		return snappy_little_endian(p, distance, 2);
	}
	*p++ = (char) ((len - 1) << 2 | 3);
	return snappy_little_endian(p, distance, 4);
}

/*
 * One block, with elements of every form: which of them say the same is chosen
 * at random.
 */
static inline char *
snappy_block(const char *src, size_t len, size_t *out_len)
{
	static size_t seen[4096];	/* by a hash of 4 bytes: where they were */
	char	   *out = xmalloc(len * 6 + 10);
	char	   *p = out;
	char	   *exact;
	size_t		from = 0;		/* start of the literal at hand */
	size_t		at = 0;
	size_t		v = len;

	for (; v >= 0x80; v >>= 7)
		*p++ = (char) (v | 0x80);
	*p++ = (char) v;

	memset(seen, 0, sizeof(seen));
	while (at < len)
	{
		size_t		match = 0;
		size_t		n = 0;

		if (len - at >= 4)
		{
			uint32		four;
			size_t	   *slot;

			memcpy(&four, src + at, 4);
			slot = &seen[(four * 2654435761U) >> 20];
			match = *slot;
			*slot = at;
			while (match < at && at + n < len && n < 64 &&
				   src[match + n] == src[at + n])
				n++;
		}
		if (n < 4)
		{
			at++;
			continue;
		}
		if (at > from)
			p = snappy_literal(p, src + from, at - from);
		if (random_below(4) == 0)
			n = 1 + random_below(n);
		p = snappy_copy(p, at - match, n);
		at += n;
		from = at;
	}
	if (at > from)
		p = snappy_literal(p, src + from, at - from);

	*out_len = (size_t) (p - out);
	exact = xmalloc(*out_len);
	memcpy(exact, out, *out_len);
	free(out);
	return exact;
}

/* The framing of snappy-java, with blocks of block_size bytes. */
static inline char *
snappy_framed(const char *src, size_t len, size_t block_size, size_t *out_len)
{
	static const char header[] = "\x82SNAPPY\0\0\0\0\1\0\0\0\1";
	char	   *out = xmalloc(16);
	size_t		size = 16;
	size_t		at;

	memcpy(out, header, 16);
	for (at = 0; at < len; at += block_size)
	{
		size_t		n;
		char	   *block = snappy_block(src + at, Min(block_size, len - at), &n);
		char	   *longer = xmalloc(size + 4 + n);
		int			i;

		memcpy(longer, out, size);
		for (i = 0; i < 4; i++)
			longer[size++] = (char) (n >> (24 - 8 * i));
		memcpy(longer + size, block, n);
		size += n;
		free(block);
		free(out);
		out = longer;
	}
	*out_len = size;
	return out;
}

#endif							/* EL_ENCODERS_H */
