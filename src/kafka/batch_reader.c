/*-------------------------------------------------------------------------
 *
 * batch_reader.c
 *	  Reading a batch, record by record.
 *
 * What is read may come from anyone (a damaged page, a producer on the
 * network), so nothing here trusts a length before it has been compared with
 * the bytes that are there, and lengths are compared, never added to pointers,
 * until they are known to fit.
 *
 * IDENTIFICATION
 *	  src/kafka/batch_reader.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "kafka/batch_header.h"
#include "kafka/batch_reader.h"
#include "kafka/compression.h"
#include "kafka/record.h"
#include "kafka/varint.h"

/* Two's complement addition, as Java's: never overflows. */
static inline int64
wrapping_add(int64 a, int64 b)
{
	return (int64) ((uint64) a + (uint64) b);
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

		p = el_read_varint(p, end, false, &len);
		if (p == NULL || len < 1 || len > end - p)
			return NULL;
		q = el_read_varlong(p + 1, p + len, false, &timestamp_delta);
		if (q == NULL)
			return NULL;
		q = el_read_varint(q, p + len, false, &offset_delta);
		if (q == NULL)
			return NULL;
		if (offset_delta <= previous)
			return "offsets do not increase";
		previous = offset_delta;
		p += len;
	}
	return NULL;
}

/* How much may be allocated for the records of a compressed batch. */
static size_t
most_uncompressed(const ElBatchReader *r)
{
	return r->max_uncompressed == 0 ? EL_BATCH_MAX_UNCOMPRESSED :
		Min(r->max_uncompressed, EL_BATCH_MAX_UNCOMPRESSED);
}

/* The fallible part of el_batch_open(). */
static const char *
open_batch(ElBatchReader *r, const char *batch, size_t len, bool skip_crc)
{
	ElBatchHeader *h = &r->header;
	const char *pos = batch + EL_BATCH_HEADER_SIZE;
	const char *end = batch + len;
	const char *error;
	ElCodec		codec;

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

	codec = (ElCodec) (h->attributes & EL_ATTR_CODEC_MASK);
	if (codec != EL_CODEC_NONE)
	{
		size_t		size;

		error = el_decompress_records(codec, pos, (size_t) (end - pos),
									  most_uncompressed(r), &r->scratch,
									  &size);
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
 * Read the fields up to keyLength of a record whose bytes are p .. record_end,
 * in a batch whose records go on to end.  Returns the position behind them,
 * which may lie beyond record_end, or NULL if they are malformed.
 */
static pg_attribute_always_inline const char *
read_record_front(const char *p, const char *record_end, const char *end,
				  int64 *timestamp_delta, int32 *offset_delta, int32 *key_len)
{
	/*
	 * All but the last record of a batch have enough bytes after them for
	 * these fields to be read without further checks; should that run over
	 * the record's own end, the next field is found to lie beyond it.
	 */
	if (likely(end - p >= EL_RECORD_FRONT_MAX))
	{
		p = el_read_varlong(p + 1, end, true, timestamp_delta);
		if (likely(p != NULL))
			p = el_read_varint(p, end, true, offset_delta);
		if (likely(p != NULL))
			p = el_read_varint(p, end, true, key_len);
		return p;
	}

	if (p == record_end)
		return NULL;
	p = el_read_varlong(p + 1, record_end, false, timestamp_delta);
	if (p != NULL)
		p = el_read_varint(p, record_end, false, offset_delta);
	if (p != NULL)
		p = el_read_varint(p, record_end, false, key_len);
	return p;
}

/*
 * A key's or a value's bytes at p, of that length (-1: null).  Returns the
 * position behind them, or NULL if they do not end by record_end.
 */
static pg_attribute_always_inline const char *
read_field(const char *p, const char *record_end, int32 len,
		   const char **bytes)
{
	if (likely(len >= 0))
	{
		if (unlikely(len > record_end - p))
			return NULL;
		*bytes = p;
		return p + len;
	}
	*bytes = NULL;
	return likely(len == -1) ? p : NULL;
}

/*
 * Without gaps the offsets are 0, 1, 2, ...  With gaps el_batch_open() has
 * seen that they increase.
 */
static bool
offset_in_range(const ElBatchHeader *h, int32 offset_delta)
{
	return h->record_count - 1 != h->last_offset_delta &&
		offset_delta <= h->last_offset_delta;
}

static pg_noinline int
fail_record(ElBatchReader *r, const char *error)
{
	r->error = error;
	return -1;
}

/* What is there after the last record: 0 or -1. */
static pg_noinline int
end_batch(ElBatchReader *r)
{
	Assert(r->index == r->header.record_count);
	if (r->error != NULL)
		return -1;
	if (r->pos != r->end)
		return fail_record(r, "bytes remain after the last record");
	return 0;
}

int
el_batch_next(ElBatchReader *r, ElRecord *rec)
{
	const char *end = r->end;
	const char *record_end;
	const char *p;
	int32		len;
	int32		offset_delta;
	int64		timestamp_delta;

	if (unlikely(r->index >= r->header.record_count))
		return end_batch(r);
	Assert(r->index >= 0 && r->pos <= end);

	p = el_read_varint(r->pos, end, false, &len);
	if (unlikely(p == NULL || len < 0 || len > end - p))
		return fail_record(r, "record is longer than the batch");
	record_end = p + len;

	p = read_record_front(p, record_end, end, &timestamp_delta, &offset_delta,
						  &rec->key_len);
	if (likely(p != NULL))
		p = read_field(p, record_end, rec->key_len, &rec->key);
	if (likely(p != NULL))
		p = el_read_varint(p, record_end, false, &rec->value_len);
	if (likely(p != NULL))
		p = read_field(p, record_end, rec->value_len, &rec->value);
	if (unlikely(p == NULL))
		return fail_record(r, "record is malformed");
	Assert(p <= record_end && record_end <= end);

	/* mostly there are no headers: one zero byte, the record's last */
	rec->headers = p;
	rec->headers_len = (int32) (record_end - p);
	if (unlikely(rec->headers_len != 1 || *p != 0) &&
		!el_record_headers_valid(p, rec->headers_len))
		return fail_record(r, "record headers are malformed");

	if (unlikely(offset_delta != r->index) &&
		!offset_in_range(&r->header, offset_delta))
		return fail_record(r, "record offset is out of range");
	Assert(offset_delta >= r->index);
	Assert(offset_delta <= r->header.last_offset_delta);

	rec->offset = wrapping_add(r->header.base_offset, offset_delta);
	if (unlikely(r->header.attributes & EL_ATTR_LOG_APPEND_TIME))
		rec->timestamp = r->header.max_timestamp;
	else
		rec->timestamp = wrapping_add(r->header.base_timestamp,
									  timestamp_delta);
	r->pos = record_end;
	r->index++;
	return 1;
}
