/*-------------------------------------------------------------------------
 *
 * bytes.h
 *	  Numbers as Kafka's protocol has them: big-endian (as PostgreSQL's), and
 *	  unsigned varints.
 *
 * IDENTIFICATION
 *	  broker/protocol/bytes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_BYTES_H
#define EL_BROKER_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* bytes of an unsigned varint, at most */
#define KAFKA_UVARINT_MAX 5

static inline uint64_t
kafka_get_unsigned(const char *p, int size)
{
	uint64_t	value = 0;
	int			i;

	for (i = 0; i < size; i++)
		value = value << 8 | (uint8_t) p[i];
	return value;
}

static inline int16_t
kafka_get_int16(const char *p)
{
	return (int16_t) kafka_get_unsigned(p, 2);
}

static inline int32_t
kafka_get_int32(const char *p)
{
	return (int32_t) kafka_get_unsigned(p, 4);
}

static inline int64_t
kafka_get_int64(const char *p)
{
	return (int64_t) kafka_get_unsigned(p, 8);
}

static inline void
kafka_put_unsigned(char *p, uint64_t value, int size)
{
	int			i;

	for (i = size - 1; i >= 0; i--)
	{
		p[i] = (char) value;
		value >>= 8;
	}
}

static inline void
kafka_put_int16(char *p, int16_t value)
{
	kafka_put_unsigned(p, (uint16_t) value, 2);
}

static inline void
kafka_put_int32(char *p, int32_t value)
{
	kafka_put_unsigned(p, (uint32_t) value, 4);
}

static inline void
kafka_put_int64(char *p, int64_t value)
{
	kafka_put_unsigned(p, (uint64_t) value, 8);
}

/* Bytes that kafka_put_uvarint() writes. */
static inline int
kafka_uvarint_size(uint32_t value)
{
	int			size = 1;

	while (value >= 0x80)
	{
		value >>= 7;
		size++;
	}
	return size;
}

/* Write an unsigned varint; returns the position behind it. */
static inline char *
kafka_put_uvarint(char *p, uint32_t value)
{
	while (value >= 0x80)
	{
		*p++ = (char) (value | 0x80);
		value >>= 7;
	}
	*p++ = (char) value;
	return p;
}

/*
 * Read an unsigned varint from p .. end; the position behind it, or NULL if it is
 * cut short or does not fit into 32 bits.
 */
static inline const char *
kafka_get_uvarint(const char *p, const char *end, uint32_t *value)
{
	uint64_t	v = 0;
	int			i;

	for (i = 0; i < KAFKA_UVARINT_MAX && p < end; i++)
	{
		uint8_t		byte = (uint8_t) *p++;

		v |= (uint64_t) (byte & 0x7f) << (7 * i);
		if (byte < 0x80)
		{
			*value = (uint32_t) v;
			return v <= UINT32_MAX ? p : NULL;
		}
	}
	return NULL;
}

#endif							/* EL_BROKER_BYTES_H */
