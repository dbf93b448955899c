/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Kafka RecordBatch v2: encode, decode, validate.
 *
 * Everything here works on plain memory and knows neither pages nor
 * transactions; batch.c also builds without the server (EL_STANDALONE) for
 * unit tests and fuzzers.  The format is Kafka's, to the byte: see
 * clients/.../record/DefaultRecordBatch.java and DefaultRecord.java.
 *
 * RecordBatch v2, all integers big-endian:
 *
 *	offset	bytes	field
 *	0		8		baseOffset				outside the CRC
 *	8		4		batchLength				bytes after this field
 *	12		4		partitionLeaderEpoch	outside the CRC; here the timeline
 *	16		1		magic = 2
 *	17		4		crc						CRC-32C of bytes 21 .. end
 *	21		2		attributes				bits 0-2 codec
 *	23		4		lastOffsetDelta
 *	27		8		baseTimestamp			ms since the Unix epoch
 *	35		8		maxTimestamp
 *	43		8		producerId				-1: none
 *	51		2		producerEpoch			-1: none
 *	53		4		baseSequence			-1: none
 *	57		4		recordsCount
 *	61		...		records, compressed as one piece if a codec is set
 *
 * Record: length, attributes (one byte, 0), timestampDelta, offsetDelta,
 * keyLength (-1: null), key, valueLength (-1: null), value, headerCount,
 * {headerKeyLength, headerKey, headerValueLength (-1: null), headerValue}*.
 * All integers are zig-zag varints, timestampDelta a varlong.
 *
 * IDENTIFICATION
 *	  src/kafka/batch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BATCH_H
#define EL_BATCH_H

#ifdef EL_STANDALONE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef int16_t int16;
typedef int32_t int32;
typedef int64_t int64;
typedef uint8_t uint8;
typedef uint32_t uint32;
typedef uint64_t uint64;
#else
#include "postgres.h"
#endif

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

/* Earlier than any event's time. */
#define EL_MIN_TIME		INT64_MIN

typedef enum ElCodec
{
	EL_CODEC_NONE = 0,
	EL_CODEC_GZIP = 1,			/* reading only: refused with a clear error */
	EL_CODEC_SNAPPY = 2,		/* the same */
	EL_CODEC_LZ4 = 3,			/* LZ4 frame, 64 KB independent blocks */
	EL_CODEC_ZSTD = 4
} ElCodec;

#define EL_ATTR_CODEC_MASK			0x07
#define EL_ATTR_LOG_APPEND_TIME		0x08
#define EL_ATTR_TRANSACTIONAL		0x10
#define EL_ATTR_CONTROL				0x20
#define EL_ATTR_DELETE_HORIZON		0x40

/*
 * One event.  Pointers are borrowed: from the caller when encoding, from the
 * batch (or the reader's decompression buffer) when decoding.
 */
typedef struct ElRecord
{
	int64		offset;			/* absolute; ignored when encoding, unless the builder keeps offsets */
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
 * A batch being built: EL_BATCH_HEADER_SIZE bytes left free, then the encoded
 * records, uncompressed.  The buffer belongs to the builder's memory context
 * (server) or malloc (standalone) and is reused from batch to batch.
 * Taking records back: restore len, count and max_timestamp as they were
 * (records are only ever removed from the end); not with keep_offsets.
 */
typedef struct ElBatchBuilder
{
	char	   *buf;
	size_t		len;			/* bytes used, header included */
	size_t		cap;
	int32		count;
	int32		last_delta;		/* offset of the last record, from the first one's */
	int64		base_timestamp;	/* of the first record, or the delete horizon */
	int64		max_timestamp;

	/* for compaction; reset by el_batch_begin() */
	bool		keep_offsets;	/* records bring theirs, with gaps; else they are counted */
	int64		base_offset;	/* of the first record then */
	int64		delete_horizon;	/* ms: tombstones in it may go from then on (KIP-534); 0: none; set before
								 * the first record */
} ElBatchBuilder;

/*
 * Start an empty batch; the first call (a zeroed struct) allocates in
 * CurrentMemoryContext.
 */
extern void el_batch_begin(ElBatchBuilder *b);
/* Bytes that el_batch_add() of this record would add, at most. */
extern size_t el_record_size_bound(const ElRecord *r);
/*
 * Encode one record at the end of the batch.  The caller keeps the batch below
 * 1 GB.
 */
extern void el_batch_add(ElBatchBuilder *b, const ElRecord *r);
/* As el_batch_begin(), for records that keep their offsets; el_batch_finish() sets the base offset then. */
extern void el_batch_begin_sparse(ElBatchBuilder *b);
/*
 * Write the header, compress with the codec if that makes the batch smaller
 * (else store it plain), compute the CRC.  Base offset 0, leader epoch and
 * producer fields -1; the batch must have a record.  Returns the batch's
 * bytes, in the builder's own buffer or in *scratch (grown as needed, reused
 * by the next call); valid until the builder or the scratch is used again.
 * The builder's records stay as they are: it may be finished again or go on.
 */
typedef struct ElScratch
{
	char	   *buf;
	size_t		cap;
} ElScratch;
extern char *el_batch_finish(ElBatchBuilder *b, ElCodec codec, ElScratch *scratch,
							 size_t *len);

/* Fields outside the CRC, patched in place at append. */
extern void el_batch_set_base_offset(char *batch, int64 base_offset);
extern void el_batch_set_leader_epoch(char *batch, int32 epoch);

/*
 * Decode and check the header of a batch of which at least
 * EL_BATCH_HEADER_SIZE bytes are there; the batch's size is batch_length +
 * EL_BATCH_LOG_OVERHEAD, whatever avail is.  Returns NULL, or what is wrong (a
 * static, untranslated phrase such as "magic is not 2").
 */
extern const char *el_batch_read_header(const char *batch, size_t avail,
										ElBatchHeader *h);
/* Check the CRC of a whole batch of len bytes; NULL or what is wrong. */
extern const char *el_batch_check_crc(const char *batch, size_t len);

/*
 * Walk a batch's records.  Open with a zeroed reader (or one used before,
 * whose scratch is reused); the batch's bytes stay the caller's and must
 * outlive the reading.  el_batch_open checks header, length (len is the batch's, to the
 * byte) and CRC (unless skip_crc) and decompresses, never to more than
 * EL_BATCH_MAX_UNCOMPRESSED bytes whatever the stream claims.  Offsets must
 * increase and stay within lastOffsetDelta; a compacted batch may have gaps.
 */
#define EL_BATCH_MAX_UNCOMPRESSED ((size_t) 0x3fffff00)	/* a bit below MaxAllocSize */
typedef struct ElBatchReader
{
	ElBatchHeader header;
	const char *pos;			/* next record */
	const char *end;
	int32		index;			/* of the next record */
	ElScratch	scratch;		/* decompressed records */
	const char *error;			/* why the last call returned false / -1 */
} ElBatchReader;

extern bool el_batch_open(ElBatchReader *r, const char *batch, size_t len,
						  bool skip_crc);
/* 1: *rec is the next record; 0: end; -1: corrupt, r->error says why. */
extern int	el_batch_next(ElBatchReader *r, ElRecord *rec);

/*
 * Headers in their record form.  To encode: el_put_varint of the count, then
 * for each header the key's length, the key, the value's length and the value.
 * el_headers_next: 1 next header, 0 end, -1 corrupt; value_len -1 is a null
 * value.  Headers that el_batch_next returned are known to be sound.
 */
typedef struct ElHeadersReader
{
	const char *pos;
	const char *end;
	int32		count;			/* headers in all */
	int32		index;
} ElHeadersReader;
extern bool el_headers_open(ElHeadersReader *r, const char *headers, int32 len);
extern int	el_headers_next(ElHeadersReader *r, const char **key, int32 *key_len,
							const char **value, int32 *value_len);

/*
 * Zig-zag varints (at most 5 and 10 bytes); put returns the bytes written, get
 * the bytes read or 0 if truncated or too long.
 */
extern int	el_put_varint(char *p, int32 v);
extern int	el_put_varlong(char *p, int64 v);
extern int	el_get_varint(const char *p, const char *end, int32 *v);
extern int	el_get_varlong(const char *p, const char *end, int64 *v);

#endif							/* EL_BATCH_H */
