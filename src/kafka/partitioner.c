/*-------------------------------------------------------------------------
 *
 * partitioner.c
 *	  Which partition a key belongs to, as Kafka's clients choose it.
 *
 * The hashes must give the same number on every machine, so bytes are put
 * together into little-endian words by hand.
 *
 * IDENTIFICATION
 *	  src/kafka/partitioner.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_STANDALONE
#include "postgres.h"
#else
#include <assert.h>
#endif

#include "kafka/partitioner.h"

#ifdef EL_STANDALONE
#define Assert(condition) assert(condition)
#endif

int32
el_murmur2(const char *key, size_t len)
{
	const uint32 m = 0x5bd1e995;
	const int	r = 24;
	const uint8 *p = (const uint8 *) key;
	uint32		h = 0x9747b28c ^ (uint32) len;

	while (len >= 4)
	{
		uint32		k = (uint32) p[0] | ((uint32) p[1] << 8) |
			((uint32) p[2] << 16) | ((uint32) p[3] << 24);

		k *= m;
		k ^= k >> r;
		k *= m;
		h *= m;
		h ^= k;
		p += 4;
		len -= 4;
	}

	if (len >= 3)
		h ^= (uint32) p[2] << 16;
	if (len >= 2)
		h ^= (uint32) p[1] << 8;
	if (len >= 1)
	{
		h ^= (uint32) p[0];
		h *= m;
	}

	h ^= h >> 13;
	h *= m;
	h ^= h >> 15;
	return (int32) h;
}

uint32
el_crc32(const char *key, size_t len)
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
				c = (c >> 1) ^ ((c & 1) ? 0xedb88320 : 0);
			table[n] = c;
		}
	}

	for (i = 0; i < len; i++)
		crc = table[(crc ^ (uint8) key[i]) & 0xff] ^ (crc >> 8);
	return crc ^ 0xffffffff;
}

int32
el_partition_for_key(ElPartitioner p, const char *key, size_t len,
					 int32 npartitions)
{
	Assert(npartitions > 0);

	if (p == EL_PARTITIONER_CRC32)
		return (int32) (el_crc32(key, len) % (uint32) npartitions);

	/* Kafka's toPositive() clears the sign bit; it is not an absolute value */
	return (el_murmur2(key, len) & 0x7fffffff) % npartitions;
}
