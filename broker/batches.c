/*-------------------------------------------------------------------------
 *
 * batches.c
 *	  Record batches that the server has given out, one behind the other.
 *
 * IDENTIFICATION
 *	  broker/batches.c
 *
 *-------------------------------------------------------------------------
 */
#include <stddef.h>

#include "broker/batches.h"
#include "broker/protocol/bytes.h"

/* Where in a batch what is; the length counts what is behind it. */
#define LENGTH			8
#define ATTRIBUTES		21
#define LAST_DELTA		23
#define HEADER			61

#define CODEC_MASK		7
#define CODEC_ZSTD		4

/* Where one stands among them. */
typedef struct BatchCursor
{
	const KafkaPiece *piece;
	int64_t		begin;			/* of the piece */
	int64_t		at;				/* of the batch */
} BatchCursor;

/* The batch at the cursor; NULL: there is none.  The server cuts no header in two. */
static const char *
batch_at(const KafkaBytes *records, BatchCursor *cursor)
{
	if (cursor->at + HEADER > records->len)
		return NULL;
	while (cursor->at >= cursor->begin + cursor->piece->len)
		cursor->begin += cursor->piece++->len;
	return cursor->piece->data + (cursor->at - cursor->begin);
}

static int64_t
batch_size(const char *batch)
{
	return LENGTH + 4 + (int64_t) (uint32_t) kafka_get_int32(batch + LENGTH);
}

int64_t
batches_end(KafkaBytes records, int64_t offset)
{
	BatchCursor cursor = {.piece = records.pieces};
	const char *batch;

	for (; (batch = batch_at(&records, &cursor)) != NULL; cursor.at += batch_size(batch))
		offset = kafka_get_int64(batch) + kafka_get_int32(batch + LAST_DELTA) + 1;
	return offset;
}

KafkaBytes
batches_before_zstd(KafkaBytes records)
{
	BatchCursor cursor = {.piece = records.pieces};
	const char *batch;

	for (; (batch = batch_at(&records, &cursor)) != NULL; cursor.at += batch_size(batch))
	{
		if ((batch[ATTRIBUTES + 1] & CODEC_MASK) == CODEC_ZSTD)
		{
			records.len = (int32_t) cursor.at;
			break;
		}
	}
	return records;
}
