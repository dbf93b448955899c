/*-------------------------------------------------------------------------
 *
 * batch_header.c
 *	  The header of a batch, and its CRC.
 *
 * IDENTIFICATION
 *	  src/kafka/batch_header.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "port/pg_crc32c.h"

#include "kafka/batch_header.h"
#include "kafka/byte_order.h"
#include "kafka/compression.h"

#define BATCH_MAGIC 2

/* The CRC that a batch of len bytes should have. */
static uint32
compute_crc(const char *batch, size_t len)
{
	pg_crc32c	crc;

	Assert(len >= EL_BATCH_HEADER_SIZE);
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, batch + EL_BATCH_ATTRIBUTES, len - EL_BATCH_ATTRIBUTES);
	FIN_CRC32C(crc);
	return crc;
}

const char *
el_batch_read_header(const char *batch, size_t avail, ElBatchHeader *h)
{
	if (avail < EL_BATCH_HEADER_SIZE)
		return "batch is shorter than its header";

	/* other versions have other fields after this one */
	if (batch[EL_BATCH_MAGIC] != BATCH_MAGIC)
		return "magic is not 2";

	h->base_offset = (int64) el_get_be64(batch + EL_BATCH_BASE_OFFSET);
	h->batch_length = (int32) el_get_be32(batch + EL_BATCH_LENGTH);
	h->leader_epoch = (int32) el_get_be32(batch + EL_BATCH_LEADER_EPOCH);
	h->crc = el_get_be32(batch + EL_BATCH_CRC);
	h->attributes = (int16) el_get_be16(batch + EL_BATCH_ATTRIBUTES);
	h->last_offset_delta =
		(int32) el_get_be32(batch + EL_BATCH_LAST_OFFSET_DELTA);
	h->base_timestamp = (int64) el_get_be64(batch + EL_BATCH_BASE_TIMESTAMP);
	h->max_timestamp = (int64) el_get_be64(batch + EL_BATCH_MAX_TIMESTAMP);
	h->producer_id = (int64) el_get_be64(batch + EL_BATCH_PRODUCER_ID);
	h->producer_epoch = (int16) el_get_be16(batch + EL_BATCH_PRODUCER_EPOCH);
	h->base_sequence = (int32) el_get_be32(batch + EL_BATCH_BASE_SEQUENCE);
	h->record_count = (int32) el_get_be32(batch + EL_BATCH_RECORD_COUNT);

	if (h->batch_length < EL_BATCH_HEADER_SIZE - EL_BATCH_LOG_OVERHEAD)
		return "batch length is too small";
	if ((h->attributes & EL_ATTR_CODEC_MASK) > EL_CODEC_ZSTD)
		return "compression codec is unknown";
	if (h->last_offset_delta < 0)
		return "last offset delta is negative";
	if (h->record_count < 0)
		return "record count is negative";

	/* fewer than offsets after compaction, never more */
	if (h->record_count - 1 > h->last_offset_delta)
		return "record count is larger than the range of offsets";
	return NULL;
}

void
el_batch_write_header(char *batch, const ElBatchHeader *h)
{
	size_t		len = (size_t) h->batch_length + EL_BATCH_LOG_OVERHEAD;

	/* no more than what el_batch_read_header() takes */
	Assert(h->batch_length >= EL_BATCH_HEADER_SIZE - EL_BATCH_LOG_OVERHEAD);
	Assert((h->attributes & EL_ATTR_CODEC_MASK) <= EL_CODEC_ZSTD);
	Assert(h->record_count >= 0 && h->last_offset_delta >= 0);
	Assert(h->record_count - 1 <= h->last_offset_delta);

	el_put_be64(batch + EL_BATCH_BASE_OFFSET, (uint64) h->base_offset);
	el_put_be32(batch + EL_BATCH_LENGTH, (uint32) h->batch_length);
	el_put_be32(batch + EL_BATCH_LEADER_EPOCH, (uint32) h->leader_epoch);
	batch[EL_BATCH_MAGIC] = BATCH_MAGIC;
	el_put_be16(batch + EL_BATCH_ATTRIBUTES, (uint16) h->attributes);
	el_put_be32(batch + EL_BATCH_LAST_OFFSET_DELTA,
				(uint32) h->last_offset_delta);
	el_put_be64(batch + EL_BATCH_BASE_TIMESTAMP, (uint64) h->base_timestamp);
	el_put_be64(batch + EL_BATCH_MAX_TIMESTAMP, (uint64) h->max_timestamp);
	el_put_be64(batch + EL_BATCH_PRODUCER_ID, (uint64) h->producer_id);
	el_put_be16(batch + EL_BATCH_PRODUCER_EPOCH, (uint16) h->producer_epoch);
	el_put_be32(batch + EL_BATCH_BASE_SEQUENCE, (uint32) h->base_sequence);
	el_put_be32(batch + EL_BATCH_RECORD_COUNT, (uint32) h->record_count);
	el_put_be32(batch + EL_BATCH_CRC, compute_crc(batch, len));
}

const char *
el_batch_check_crc(const char *batch, size_t len)
{
	if (len < EL_BATCH_HEADER_SIZE)
		return "batch is shorter than its header";
	if (compute_crc(batch, len) != el_get_be32(batch + EL_BATCH_CRC))
		return "CRC does not match";
	return NULL;
}

void
el_batch_set_base_offset(char *batch, int64 base_offset)
{
	el_put_be64(batch + EL_BATCH_BASE_OFFSET, (uint64) base_offset);
}

void
el_batch_set_leader_epoch(char *batch, int32 epoch)
{
	el_put_be32(batch + EL_BATCH_LEADER_EPOCH, (uint32) epoch);
}
