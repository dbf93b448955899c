/*-------------------------------------------------------------------------
 *
 * record.h
 *	  One record of a batch: an event, and its headers.
 *
 * Record: length, attributes (one byte, 0), timestampDelta, offsetDelta,
 * keyLength (-1: null), key, valueLength (-1: null), value, headerCount,
 * {headerKeyLength, headerKey, headerValueLength (-1: null), headerValue}*.
 * All integers are zig-zag varints, timestampDelta a varlong.
 *
 * IDENTIFICATION
 *	  src/kafka/record.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_RECORD_H
#define EL_RECORD_H

#include "kafka/varint.h"

/* Earlier than any event's time. */
#define EL_MIN_TIME		PG_INT64_MIN

/*
 * One event.  Pointers are borrowed: from the caller when encoding, from the
 * batch (or the reader's decompression buffer) when decoding.
 */
typedef struct ElRecord
{
	int64		offset;			/* absolute; ignored when encoding, unless the
								 * builder keeps offsets */
	int64		timestamp;		/* ms since the Unix epoch */
	const char *key;
	int32		key_len;		/* -1: null */
	const char *value;
	int32		value_len;		/* -1: null (a tombstone) */

	/*
	 * Headers as they stand in the record: headerCount and what follows.
	 * NULL/0 when encoding means none (count 0 is written).
	 */
	const char *headers;
	int32		headers_len;
} ElRecord;

/* attributes, timestampDelta, offsetDelta and keyLength at their longest */
#define EL_RECORD_FRONT_MAX (1 + EL_VARLONG_MAX + 2 * EL_VARINT_MAX)

/* Bytes that el_batch_add() of this record adds to a batch, at most. */
extern size_t el_record_size_bound(const ElRecord *r);

/*
 * Headers in their record form.  To encode: el_put_varint() of the count, then
 * for each header the key's length, the key, the value's length and the value.
 */
typedef struct ElRecordHeadersReader
{
	const char *pos;			/* next header */
	const char *end;
	int32		count;			/* headers in all */
	int32		index;			/* of the next header */
} ElRecordHeadersReader;

/*
 * Are these len bytes headers, to the byte, each key and value inside?  Those
 * of a record from el_batch_next() are.
 */
extern bool el_record_headers_valid(const char *headers, int32 len);

/*
 * Start to read headers.  False if they are corrupt; those of no bytes (len 0)
 * are none.
 */
extern bool el_record_headers_open(ElRecordHeadersReader *r,
								   const char *headers, int32 len);

/*
 * 1: the next header, its bytes borrowed (value_len -1, value NULL: a null
 * value); 0: the end; -1: corrupt.
 */
extern int	el_record_headers_next(ElRecordHeadersReader *r,
								   const char **key, int32 *key_len,
								   const char **value, int32 *value_len);

#endif							/* EL_RECORD_H */
