/*-------------------------------------------------------------------------
 *
 * rest.c
 *	  Cache: the undelivered tail of the batch this session decompressed last.
 *
 * A consumer that takes few events at a time opens the same batch again and
 * again.  To decompress it each time would cost more than all the rest, so
 * a reader that ends inside a batch leaves here what it has not handed out,
 * and the next reader of the session usually goes on with it.
 *
 * Invariants
 *	  - A batch never changes, so its decompressed tail does not either.  It is
 *		known by its file, transaction, base offset, length and CRC; any
 *		difference means another batch.
 *	  - from >= 0 only while bytes and records are whole: an error between the
 *		two leaves from at -1.
 *	  - records.pos .. records.end lie in bytes, and the first record in there
 *		has an offset that is not below from.  All tails of a batch have the same
 *		end.
 *	  - records has no scratch of its own: nothing here belongs to a reader.
 *	  - No more than EL_MAX_REST bytes are kept, in TopMemoryContext.
 *
 * IDENTIFICATION
 *	  src/storage/rest.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "storage/rest.h"

static struct
{
	RelFileLocator locator;
	FullTransactionId fxid;
	int64		from;			/* no record is kept below this offset; -1:
								 * nothing is kept */
	ElBatchReader records;
	char	   *bytes;
}			rest = {.from = -1};

/* A longer tail is not kept. */
#define EL_MAX_REST	(128 * 1024)

bool
el_rest_has(const RelFileLocator *locator, FullTransactionId fxid,
			int64 position, const ElBatchHeader *header)
{
	const ElBatchHeader *h = &rest.records.header;

	return rest.from >= 0 &&
		rest.from <= position &&
		RelFileLocatorEquals(rest.locator, *locator) &&
		FullTransactionIdEquals(rest.fxid, fxid) &&
		h->base_offset == header->base_offset &&
		h->batch_length == header->batch_length &&
		h->last_offset_delta == header->last_offset_delta &&
		h->crc == header->crc;
}

/*
 * Without compression the pages have it: nothing is kept then, and what was
 * kept before stays.  Who goes on in the same batch needs no other copy, only
 * less of it.
 */
void
el_rest_keep(const RelFileLocator *locator, FullTransactionId fxid,
			 int64 position, const ElBatchReader *records)
{
	size_t		len = records->end - records->pos;
	const char *end;

	if (len == 0 || len > EL_MAX_REST ||
		(records->header.attributes & EL_ATTR_CODEC_MASK) == EL_CODEC_NONE)
		return;
	if (el_rest_has(locator, fxid, position, &records->header) &&
		len <= rest.records.end - rest.records.pos)
		end = rest.records.end;
	else
	{
		rest.from = -1;
		if (rest.bytes == NULL)
			rest.bytes = MemoryContextAlloc(TopMemoryContext, EL_MAX_REST);
		memcpy(rest.bytes, records->pos, len);
		end = rest.bytes + len;
	}
	rest.records = *records;
	memset(&rest.records.scratch, 0, sizeof(ElScratch));
	rest.records.pos = end - len;
	rest.records.end = end;
	rest.locator = *locator;
	rest.fxid = fxid;
	rest.from = position;
}

/* A copy, because another reader may leave another batch here meanwhile. */
void
el_rest_open(ElBatchReader *records)
{
	ElScratch	scratch = records->scratch;
	size_t		len = rest.records.end - rest.records.pos;

	Assert(rest.from >= 0);
	Assert(len > 0 && len <= EL_MAX_REST);
	if (scratch.cap < len)
	{
		if (scratch.buf)
			pfree(scratch.buf);
		scratch.buf = palloc(len);
		scratch.cap = len;
	}
	memcpy(scratch.buf, rest.records.pos, len);
	*records = rest.records;
	records->scratch = scratch;
	records->pos = scratch.buf;
	records->end = records->pos + len;
}
