/*-------------------------------------------------------------------------
 *
 * byte_order.h
 *	  Big-endian integers, at any address.
 *
 * IDENTIFICATION
 *	  src/kafka/byte_order.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BYTE_ORDER_H
#define EL_BYTE_ORDER_H

#include "port/pg_bswap.h"

static inline void
el_put_be16(char *p, uint16 v)
{
	v = pg_hton16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
el_put_be32(char *p, uint32 v)
{
	v = pg_hton32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
el_put_be64(char *p, uint64 v)
{
	v = pg_hton64(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint16
el_get_be16(const char *p)
{
	uint16		v;

	memcpy(&v, p, sizeof(v));
	return pg_ntoh16(v);
}

static inline uint32
el_get_be32(const char *p)
{
	uint32		v;

	memcpy(&v, p, sizeof(v));
	return pg_ntoh32(v);
}

static inline uint64
el_get_be64(const char *p)
{
	uint64		v;

	memcpy(&v, p, sizeof(v));
	return pg_ntoh64(v);
}

#endif							/* EL_BYTE_ORDER_H */
