/*-------------------------------------------------------------------------
 *
 * varint.c
 *	  Zig-zag varints, as in Kafka's records (and protobuf's sint32, sint64).
 *
 * IDENTIFICATION
 *	  src/kafka/varint.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "kafka/varint.h"

/*
 * As in Kafka's ByteUtils, bits of the last byte that do not fit are dropped;
 * only a continuation bit there is an error.
 */
pg_noinline const char *
el_read_unsigned_slow(const char *p, const char *end, int max_bytes, uint64 *u)
{
	uint64		v = 0;
	int			i;

	Assert(max_bytes > 0 && max_bytes <= EL_VARLONG_MAX);
	for (i = 0; i < max_bytes && p < end; i++)
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

int
el_put_varint(char *p, int32 v)
{
	uint32		u = el_zigzag32(v);
	int			written = (int) (el_write_unsigned(p, u) - p);

	Assert(written == (int) el_unsigned_size(u) && written <= EL_VARINT_MAX);
	Assert(el_unzigzag32(u) == v);
	return written;
}

int
el_put_varlong(char *p, int64 v)
{
	uint64		u = el_zigzag64(v);
	int			written = (int) (el_write_unsigned(p, u) - p);

	Assert(written == (int) el_unsigned_size(u) && written <= EL_VARLONG_MAX);
	Assert(el_unzigzag64(u) == v);
	return written;
}

int
el_get_varint(const char *p, const char *end, int32 *v)
{
	const char *next = el_read_varint(p, end, false, v);

	Assert(next == NULL || (next > p && next <= end));
	return next == NULL ? 0 : (int) (next - p);
}

int
el_get_varlong(const char *p, const char *end, int64 *v)
{
	const char *next = el_read_varlong(p, end, false, v);

	Assert(next == NULL || (next > p && next <= end));
	return next == NULL ? 0 : (int) (next - p);
}
