/*-------------------------------------------------------------------------
 *
 * snappy.c
 *	  Reading Snappy, as Kafka's clients write it.
 *
 * A block is the length of what it expands to, as a varint, and elements: a
 * literal, or a copy of what lies some distance back in the output.  The lowest
 * two bits of an element's first byte tell which:
 *
 *	0	literal; its length - 1 in the other six bits, or in the 1 to 4 bytes
 *		that follow, if those bits are 60 to 63
 *	1	copy of 4 to 11 bytes; the distance has 11 bits
 *	2	copy of 1 to 64 bytes; the distance has 2 bytes
 *	3	the same; the distance has 4 bytes
 *
 * librdkafka and franz-go send one such block.  Java's clients and others that
 * do as they do send the framing of snappy-java: a header, and blocks of some
 * 32 KB each, each behind its length.  No block can be taken for that header:
 * read as one, its first element would be a copy of what is not there yet.
 *
 * The decoder is our own because libsnappy is C++, whose runtime would be loaded
 * into every backend.
 *
 * IDENTIFICATION
 *	  src/kafka/snappy.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "kafka/byte_order.h"
#include "kafka/snappy.h"
#include "kafka/varint.h"

/* The header of a framed stream: a magic, a version, the oldest it is compatible with. */
#define MAGIC_SIZE 8
#define HEADER_SIZE 16
static const char magic[MAGIC_SIZE] = {'\x82', 'S', 'N', 'A', 'P', 'P', 'Y', '\0'};

/* Three bytes expand to 64 at most. */
#define MAX_RATIO 22

/* What is copied in one piece, if there is room: most elements are shorter. */
#define PIECE 16

/* A stream, block by block. */
typedef struct Blocks
{
	const char *pos;			/* NULL: the end of a stream of one block */
	const char *end;
	bool		framed;
} Blocks;

/* 1 to 4 bytes, the lowest first */
static inline size_t
get_le(const char *p, size_t bytes)
{
	size_t		v = 0;

	while (bytes-- > 0)
		v = (v << 8) | (uint8) p[bytes];
	return v;
}

static bool
has_magic(const char *p, size_t len)
{
	return len >= MAGIC_SIZE && memcmp(p, magic, MAGIC_SIZE) == 0;
}

static Blocks
open_blocks(const char *src, size_t len)
{
	Blocks		b;

	b.pos = src;
	b.end = src + len;
	b.framed = has_magic(src, len);
	return b;
}

/* 1: *block is the next, of *len bytes; 0: the end; -1: corrupt */
static int
next_block(Blocks *b, const char **block, size_t *len)
{
	if (!b->framed)
	{
		if (b->pos == NULL)
			return 0;
		*block = b->pos;
		*len = (size_t) (b->end - b->pos);
		b->pos = NULL;
		return 1;
	}

	/* like snappy-java, take several streams in a row for one */
	while (has_magic(b->pos, (size_t) (b->end - b->pos)))
	{
		if (b->end - b->pos < HEADER_SIZE ||
			(int32) el_get_be32(b->pos + MAGIC_SIZE) < 1)
			return -1;
		b->pos += HEADER_SIZE;
	}
	if (b->pos == b->end)
		return 0;
	if (b->end - b->pos < 4)
		return -1;
	*len = el_get_be32(b->pos);
	*block = b->pos + 4;
	if (*len > (size_t) (b->end - *block))
		return -1;
	b->pos = *block + *len;
	return 1;
}

/*
 * Read the length that a block says it expands to.  Returns the position
 * behind it, or NULL if there is none or if the block cannot expand to that.
 */
static const char *
read_size(const char *block, size_t len, uint32 *size)
{
	uint64		v = 0;
	const char *p = el_read_unsigned(block, block + len, false, EL_VARINT_MAX, &v);

	if (p == NULL || v > PG_UINT32_MAX || v / MAX_RATIO > len)
		return NULL;
	*size = (uint32) v;
	return p;
}

bool
el_snappy_size(const char *src, size_t len, uint64 *size)
{
	Blocks		b = open_blocks(src, len);
	const char *block;
	size_t		block_len;
	uint32		block_size;
	int			ret;

	*size = 0;
	while ((ret = next_block(&b, &block, &block_len)) == 1)
	{
		if (read_size(block, block_len, &block_size) == NULL)
			return false;
		*size += block_size;
	}
	return ret == 0;
}

/*
 * Copy len bytes of the output from distance bytes back.  They may reach into
 * what is being written, and then repeat: from the start of what is repeated, twice as
 * much is there after each step.
 */
static inline void
copy_back(char *out, size_t distance, size_t len)
{
	const char *from = out - distance;

	while (len > distance)
	{
		memcpy(out, from, distance);
		out += distance;
		len -= distance;
		distance *= 2;
	}
	memcpy(out, from, len);
}

/* The elements in .. in_end of a block, into begin .. end. */
static bool
read_elements(const char *in, const char *in_end, char *begin, char *end)
{
	char	   *out = begin;

	while (in < in_end)
	{
		uint8		tag = (uint8) *in++;
		size_t		in_left = (size_t) (in_end - in);
		size_t		room = (size_t) (end - out);
		size_t		len = tag >> 2;
		size_t		distance;
		size_t		bytes;		/* of the distance, or of a long length */

		if ((tag & 3) == 0)
		{
			if (len >= 60)
			{
				bytes = len - 59;
				if (bytes > in_left)
					return false;
				len = get_le(in, bytes);
				in += bytes;
				in_left -= bytes;
			}
			/* what was read is the length - 1 */
			if (len >= in_left || len >= room)
				return false;
			len++;
			if (len <= PIECE && in_left >= PIECE && room >= PIECE)
				memcpy(out, in, PIECE);
			else
				memcpy(out, in, len);
			in += len;
			out += len;
			continue;
		}

		bytes = (tag & 3) == 3 ? 4 : (tag & 3);
		if (bytes > in_left)
			return false;
		distance = get_le(in, bytes);
		in += bytes;
		if (bytes == 1)
		{
			distance |= (size_t) (tag >> 5) << 8;
			len = (len & 7) + 4;
		}
		else
			len++;
		if (distance == 0 || distance > (size_t) (out - begin) || len > room)
			return false;
		if (len <= PIECE && distance >= PIECE && room >= PIECE)
			memcpy(out, out - distance, PIECE);
		else
			copy_back(out, distance, len);
		out += len;
	}
	return out == end;
}

bool
el_snappy_decompress(const char *src, size_t len, char *dst, size_t size)
{
	Blocks		b = open_blocks(src, len);
	const char *block;
	size_t		block_len;
	uint32		block_size;
	int			ret;

	while ((ret = next_block(&b, &block, &block_len)) == 1)
	{
		const char *in = read_size(block, block_len, &block_size);

		if (in == NULL || block_size > size ||
			!read_elements(in, block + block_len, dst, dst + block_size))
			return false;
		dst += block_size;
		size -= block_size;
	}
	return ret == 0 && size == 0;
}
