/*-------------------------------------------------------------------------
 *
 * batch_header.h
 *	  The header of a batch, and its CRC.
 *
 * The format is described in batch.h.
 *
 * IDENTIFICATION
 *	  src/kafka/batch_header.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BATCH_HEADER_H
#define EL_BATCH_HEADER_H

#define EL_BATCH_BASE_OFFSET		0
#define EL_BATCH_LENGTH				8
#define EL_BATCH_LEADER_EPOCH		12
#define EL_BATCH_MAGIC				16
#define EL_BATCH_CRC				17
#define EL_BATCH_ATTRIBUTES			21
#define EL_BATCH_LAST_OFFSET_DELTA	23
#define EL_BATCH_BASE_TIMESTAMP		27
#define EL_BATCH_MAX_TIMESTAMP		35
#define EL_BATCH_PRODUCER_ID		43
#define EL_BATCH_PRODUCER_EPOCH		51
#define EL_BATCH_BASE_SEQUENCE		53
#define EL_BATCH_RECORD_COUNT		57
#define EL_BATCH_HEADER_SIZE		61
/* batchLength counts the bytes after itself */
#define EL_BATCH_LOG_OVERHEAD		12

/* The codec is one of ElCodec (compression.h). */
#define EL_ATTR_CODEC_MASK			0x07
#define EL_ATTR_LOG_APPEND_TIME		0x08
#define EL_ATTR_TRANSACTIONAL		0x10
#define EL_ATTR_CONTROL				0x20
#define EL_ATTR_DELETE_HORIZON		0x40

/* A batch header, decoded. */
typedef struct ElBatchHeader
{
	int64		base_offset;
	int32		batch_length;
	int32		leader_epoch;
	uint32		crc;
	int16		attributes;
	int32		last_offset_delta;
	int64		base_timestamp;
	int64		max_timestamp;
	int64		producer_id;
	int16		producer_epoch;
	int32		base_sequence;
	int32		record_count;
} ElBatchHeader;

/*
 * Decode and check the header of a batch of which at least
 * EL_BATCH_HEADER_SIZE bytes are there; the batch's size is batch_length +
 * EL_BATCH_LOG_OVERHEAD, whatever avail is.  Returns NULL, or what is wrong (a
 * static, untranslated phrase such as "magic is not 2"); *h is then undefined.
 */
extern const char *el_batch_read_header(const char *batch, size_t avail,
										ElBatchHeader *h);

/*
 * Write the header of a batch whose batch_length + EL_BATCH_LOG_OVERHEAD bytes
 * are there otherwise.  The CRC is computed; h->crc is not looked at.
 */
extern void el_batch_write_header(char *batch, const ElBatchHeader *h);

/* Check the CRC of a whole batch of len bytes; NULL or what is wrong. */
extern const char *el_batch_check_crc(const char *batch, size_t len);

/* Fields outside the CRC, patched in place at append. */
extern void el_batch_set_base_offset(char *batch, int64 base_offset);
extern void el_batch_set_leader_epoch(char *batch, int32 epoch);

#endif							/* EL_BATCH_HEADER_H */
