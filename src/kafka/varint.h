/*-------------------------------------------------------------------------
 *
 * varint.h
 *	  Zig-zag varints, as in Kafka's records (and protobuf's sint32, sint64).
 *
 * A varint holds an int32 in 1 to 5 bytes, a varlong an int64 in 1 to 10: the
 * number in zig-zag form, 7 bits a byte, the lowest first; the highest bit of
 * a byte says that another one follows.
 *
 * el_put_*() and el_get_*() are for everyone.  The inline functions below them
 * are for the loops over records: they take and return positions, so that a
 * caller can read one field after the other.
 *
 * IDENTIFICATION
 *	  src/kafka/varint.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_VARINT_H
#define EL_VARINT_H

#include "port/pg_bitutils.h"

/* bytes, at most */
#define EL_VARINT_MAX 5
#define EL_VARLONG_MAX 10

/*
 * Write v at p, where EL_VARINT_MAX (EL_VARLONG_MAX) bytes are free.  Returns
 * the bytes written.
 */
extern int	el_put_varint(char *p, int32 v);
extern int	el_put_varlong(char *p, int64 v);

/*
 * Read *v from the bytes p .. end.  Returns the bytes read, or 0 if they are
 * cut short or too many; *v is then undefined.
 */
extern int	el_get_varint(const char *p, const char *end, int32 *v);
extern int	el_get_varlong(const char *p, const char *end, int64 *v);


static inline uint32
el_zigzag32(int32 v)
{
	return ((uint32) v << 1) ^ (0 - (uint32) (v < 0));
}

static inline uint64
el_zigzag64(int64 v)
{
	return ((uint64) v << 1) ^ (0 - (uint64) (v < 0));
}

static inline int32
el_unzigzag32(uint32 u)
{
	return (int32) ((u >> 1) ^ (0 - (u & 1)));
}

static inline int64
el_unzigzag64(uint64 u)
{
	return (int64) ((u >> 1) ^ (0 - (u & 1)));
}

/* Bytes that el_write_unsigned() writes: one for each 7 bits begun. */
static inline size_t
el_unsigned_size(uint64 u)
{
	int			bits = pg_leftmost_one_pos64(u | 1) + 1;

	/* ceil(bits / 7) for 1 .. 64, without a division */
	return (size_t) ((bits * 9 + 64) >> 6);
}

/*
 * Write a number in its zig-zag form where el_unsigned_size() bytes are free.
 * Returns the position behind it.
 */
static inline char *
el_write_unsigned(char *p, uint64 u)
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
 * The general case of el_read_unsigned(): from p .. end, of at most max_bytes.
 */
extern const char *el_read_unsigned_slow(const char *p, const char *end,
										 int max_bytes, uint64 *u);

/*
 * Read a number in its zig-zag form.  Returns the position behind it, or NULL
 * if it is cut short by end or takes more than max_bytes.  With roomy the
 * caller vouches for max_bytes readable bytes and end is not looked at.  One
 * and two bytes are read here: they cover small deltas and lengths.
 */
static pg_attribute_always_inline const char *
el_read_unsigned(const char *p, const char *end, bool roomy, int max_bytes,
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
	return el_read_unsigned_slow(p, roomy ? p + max_bytes : end, max_bytes, u);
}

/* As el_get_varint(), but for positions and roomy: see el_read_unsigned(). */
static pg_attribute_always_inline const char *
el_read_varint(const char *p, const char *end, bool roomy, int32 *v)
{
	uint64		u = 0;

	p = el_read_unsigned(p, end, roomy, EL_VARINT_MAX, &u);
	*v = el_unzigzag32((uint32) u);
	return p;
}

static pg_attribute_always_inline const char *
el_read_varlong(const char *p, const char *end, bool roomy, int64 *v)
{
	uint64		u = 0;

	p = el_read_unsigned(p, end, roomy, EL_VARLONG_MAX, &u);
	*v = el_unzigzag64(u);
	return p;
}

#endif							/* EL_VARINT_H */
