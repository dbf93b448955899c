/*-------------------------------------------------------------------------
 *
 * batch_builder.c
 *	  Building a batch, record by record.
 *
 * IDENTIFICATION
 *	  src/kafka/batch_builder.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "kafka/batch_builder.h"
#include "kafka/batch_header.h"
#include "kafka/compression.h"
#include "kafka/record.h"
#include "kafka/scratch.h"
#include "kafka/varint.h"

/* A builder starts with this much: most transactions produce a few events. */
#define BUILDER_INITIAL_SIZE 8192

void
el_batch_begin(ElBatchBuilder *b)
{
	if (b->buf == NULL)
		el_scratch_enlarge(&b->buf, &b->cap, EL_BATCH_HEADER_SIZE,
						   BUILDER_INITIAL_SIZE);
	Assert(b->cap >= EL_BATCH_HEADER_SIZE);
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

void
el_batch_add(ElBatchBuilder *b, const ElRecord *r)
{
	int64		base = b->count > 0 ? b->base_timestamp :
		b->delete_horizon != 0 ? b->delete_horizon : r->timestamp;
	int64		base_offset = b->count == 0 ? r->offset : b->base_offset;
	int32		delta = b->keep_offsets ? (int32) (r->offset - base_offset) : b->count;

	/* in two's complement, as Java's: the reader adds the same way */
	uint64		timestamp = el_zigzag64((int64) ((uint64) r->timestamp - (uint64) base));
	uint32		offset = el_zigzag32(delta);
	uint32		key_prefix = el_zigzag32(r->key_len);
	uint32		value_prefix = el_zigzag32(r->value_len);
	size_t		key_len = (size_t) Max(r->key_len, 0);
	size_t		value_len = (size_t) Max(r->value_len, 0);
	size_t		headers_len = r->headers == NULL ? 0 : (size_t) r->headers_len;
	size_t		body;
	size_t		need;
	char	   *p;

	Assert(r->key_len >= -1 && (r->key_len <= 0 || r->key != NULL));
	Assert(r->value_len >= -1 && (r->value_len <= 0 || r->value != NULL));
	Assert(r->headers_len >= 0);
	Assert(b->count >= 0 && b->len >= EL_BATCH_HEADER_SIZE && b->len <= b->cap);
	/* offsets that are kept increase */
	Assert(!b->keep_offsets || delta > b->last_delta);
	Assert(!b->keep_offsets || r->offset - base_offset == delta);

	body = 1 + el_unsigned_size(timestamp) + el_unsigned_size(offset) +
		el_unsigned_size(key_prefix) + key_len +
		el_unsigned_size(value_prefix) + value_len + Max(headers_len, 1);
	need = b->len + EL_VARINT_MAX + body;
	if (unlikely(need > b->cap))
		el_scratch_enlarge(&b->buf, &b->cap, need, BUILDER_INITIAL_SIZE);

	/* nothing fails from here on */
	p = el_write_unsigned(b->buf + b->len, el_zigzag32((int32) body));
	*p++ = 0;					/* attributes */
	p = el_write_unsigned(p, timestamp);
	p = el_write_unsigned(p, offset);
	p = el_write_unsigned(p, key_prefix);
	if (key_len > 0)
	{
		memcpy(p, r->key, key_len);
		p += key_len;
	}
	p = el_write_unsigned(p, value_prefix);
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

	/* what was announced was written, and what was promised holds */
	Assert((size_t) (p - b->buf) == b->len + body +
		   el_unsigned_size(el_zigzag32((int32) body)));
	Assert((size_t) (p - b->buf) <= b->len + el_record_size_bound(r));
	Assert((size_t) (p - b->buf) <= b->cap);

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
	int16		attributes = EL_CODEC_NONE;
	ElBatchHeader header;

	Assert(b->count > 0);
	Assert(b->len > EL_BATCH_HEADER_SIZE && b->len <= b->cap);
	Assert(!b->keep_offsets || b->last_delta >= b->count - 1);
	Assert(b->keep_offsets || b->base_offset == 0);

	if (el_codec_is_written(codec))
	{
		size_t		size;

		size = el_compress_records(codec, b->buf + EL_BATCH_HEADER_SIZE,
								   b->len - EL_BATCH_HEADER_SIZE,
								   EL_BATCH_HEADER_SIZE, scratch);
		if (size > 0)
		{
			batch = scratch->buf;
			total = EL_BATCH_HEADER_SIZE + size;
			attributes = (int16) codec;
		}
	}
	if (b->delete_horizon != 0)
		attributes |= EL_ATTR_DELETE_HORIZON;
	Assert(total <= b->len);

	header.base_offset = b->base_offset;
	header.batch_length = (int32) (total - EL_BATCH_LOG_OVERHEAD);
	header.leader_epoch = -1;
	header.crc = 0;
	header.attributes = attributes;
	header.last_offset_delta = b->keep_offsets ? b->last_delta : b->count - 1;
	header.base_timestamp = b->base_timestamp;
	header.max_timestamp = b->max_timestamp;
	header.producer_id = -1;
	header.producer_epoch = -1;
	header.base_sequence = -1;
	header.record_count = b->count;
	el_batch_write_header(batch, &header);

	*len = total;
	return batch;
}
