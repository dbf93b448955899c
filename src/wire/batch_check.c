/*-------------------------------------------------------------------------
 *
 * batch_check.c
 *	  May a batch that a client has sent go into a topic's log?
 *
 * Nothing of it is trusted: who reads the log relies on it.  Each record is walked,
 * decompressed.  Most fit the topic beyond doubt, which raises nothing; from the first
 * one on that may not, records are checked in a subtransaction, since types and
 * constraints raise what they find, and the next one begins behind the bad record.
 *
 * IDENTIFICATION
 *	  src/wire/batch_check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "kafka/batch.h"
#include "produce/produce.h"
#include "wire/batch_check.h"

#define INVALID			"22P03"
#define BAD_CRC			"XX001"
#define NOT_SUPPORTED	"0A000"
#define IN_TRANSACTION	"25000"
#define TOO_LATE		"22008"

/*
 * What a batch may expand to; a client could make the server take a thousand times
 * what it sends.  (A fuzzer's is less.)
 */
#ifndef MAX_UNCOMPRESSED
#define MAX_UNCOMPRESSED	(128 * 1024 * 1024)
#endif

/* Of times up to here, the year 10000, nothing has to be asked: SQL has them. */
#define PLAIN_TIME_MAX	INT64CONST(253402300800000)

/* A batch being walked. */
typedef struct Walk
{
	ElTopic    *topic;
	int32		partition;
	ElBatchReader reader;
	ElRecord	record;			/* the last one read */
	int			got;			/* what el_batch_next() said of it */
	int64		latest;			/* times up to it are fine */
	int64		greatest;		/* time of the header, or of a record */
	MemoryContext each;			/* reset for each record */
} Walk;

static bool
fault_is(ElBatchFault *fault, const char *sqlstate, const char *message)
{
	fault->sqlstate = sqlstate;
	fault->message = message;
	return false;
}

/* What the header and the length can tell. */
static bool
check_header(const char *batch, size_t len, ElBatchHeader *h,
			 ElBatchFault *fault)
{
	const char *wrong = el_batch_read_header(batch, len, h);
	int			codec;

	/*
	 * of a batch that is not there, or of another format, nothing else can be
	 * said
	 */
	if (wrong != NULL && (len < EL_BATCH_HEADER_SIZE || batch[EL_BATCH_MAGIC] != 2))
		return fault_is(fault, INVALID, wrong);
	if (wrong == NULL && len - EL_BATCH_LOG_OVERHEAD != (size_t) h->batch_length)
		return fault_is(fault, INVALID, len - EL_BATCH_LOG_OVERHEAD < (size_t) h->batch_length ?
						"batch is cut short" : "bytes follow the batch");
	if (wrong == NULL && el_batch_check_crc(batch, len) != NULL)
		return fault_is(fault, BAD_CRC, "CRC does not match");
	codec = batch[EL_BATCH_ATTRIBUTES + 1] & EL_ATTR_CODEC_MASK;
	if (codec > EL_CODEC_ZSTD)
		return fault_is(fault, NOT_SUPPORTED, "compression codec is unknown");
	if (wrong != NULL)
		return fault_is(fault, INVALID, wrong);
	if (h->attributes & EL_ATTR_CONTROL)
		return fault_is(fault, INVALID, "batch is a control batch");
	if (h->attributes & EL_ATTR_LOG_APPEND_TIME)
		return fault_is(fault, INVALID, "batch has the log's append time");
	if (h->attributes & EL_ATTR_DELETE_HORIZON)
		return fault_is(fault, INVALID, "batch has a delete horizon");
	if (h->attributes & EL_ATTR_TRANSACTIONAL)
		return fault_is(fault, IN_TRANSACTION, "batch is transactional");
	if (h->base_offset != 0)
		return fault_is(fault, INVALID, "base offset is not 0");
	if (h->record_count < 1 || h->record_count - 1 != h->last_offset_delta)
		return fault_is(fault, INVALID, "record count does not match the offsets");
	if (h->producer_id >= 0 && (h->producer_epoch < 0 || h->base_sequence < 0))
		return fault_is(fault, INVALID, "producer has no epoch or no sequence");
	return true;
}

/* Read the next record; false at the end of the batch, and where it is malformed. */
static bool
next_record(Walk *w)
{
	ElRecord   *r = &w->record;

	w->got = el_batch_next(&w->reader, r);
	if (w->got <= 0)
		return false;
	w->greatest = Max(w->greatest, r->timestamp);
	/* a count of 0 is no header, as where SQL produces */
	if (r->headers_len == 1)
		r->headers_len = 0;
	return true;
}

/* Is there nothing wrong with the record, beyond doubt? */
static bool
record_is_fine(const Walk *w)
{
	/* times before 1970 are rare: let the slow check see to them */
	return w->record.timestamp >= 0 && w->record.timestamp <= w->latest &&
		el_record_fits(w->topic, &w->record);
}

/* A step for el_attempt(): check this record and those that follow. */
static void
check_on(void *arg)
{
	Walk	   *w = arg;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!record_is_fine(w))
		{
			MemoryContext old = MemoryContextSwitchTo(w->each);

			el_check_record(w->topic, w->partition, &w->record);
			MemoryContextSwitchTo(old);
			MemoryContextReset(w->each);
		}
	} while (next_record(w));
}

/* The record that was read last cannot be produced. */
static void
note_bad(ElBatchFault *fault, const Walk *w, const ErrorData *error)
{
	if (fault->nbad == 0)
	{
		fault->sqlstate = pstrdup(unpack_sql_state(error->sqlerrcode));
		fault->message = psprintf("record %d: %s", w->reader.index - 1, error->message);
	}
	fault->bad[fault->nbad++] = w->reader.index - 1;
}

/* Walk all records. */
static bool
check_records(Walk *w, ElBatchFault *fault)
{
	while (next_record(w))
	{
		ErrorData  *error;

		if (likely(record_is_fine(w)))
			continue;
		error = el_attempt(check_on, w);
		MemoryContextReset(w->each);
		if (error == NULL)
			break;
		note_bad(fault, w, error);
		FreeErrorData(error);
		if (fault->nbad == EL_MAX_BAD_RECORDS)
			return false;
	}
	if (w->got < 0)
	{
		fault->nbad = 0;
		return fault_is(fault, INVALID, w->reader.error);
	}
	return fault->nbad == 0;
}

bool
el_batch_check(ElTopic *t, int32 partition, const char *batch, size_t len,
			   int64 *greatest, ElBatchFault *fault)
{
	Walk		w = {.topic = t,.partition = partition};
	ElBatchHeader header;
	int64		ahead = t->options.max_clock_ahead_ms;
	bool		ok;

	fault->sqlstate = NULL;
	fault->message = NULL;
	fault->nbad = 0;
	if (!check_header(batch, len, &header, fault))
		return false;

	w.latest = ahead < 0 ? PLAIN_TIME_MAX :
		Min(el_now_ms() + ahead, PLAIN_TIME_MAX);
	w.greatest = header.max_timestamp;
	w.reader.max_uncompressed = MAX_UNCOMPRESSED;
	if (el_batch_open(&w.reader, batch, len, true))
	{
		w.each = AllocSetContextCreate(CurrentMemoryContext, "eventlog record",
									   ALLOCSET_DEFAULT_SIZES);
		ok = check_records(&w, fault);
		*greatest = w.greatest;
		MemoryContextDelete(w.each);
	}
	else
		ok = fault_is(fault, INVALID, w.reader.error);
	/* what it expanded to; those of a call would be there together */
	if (w.reader.scratch.buf != NULL)
		pfree(w.reader.scratch.buf);
	/* its records are not, so it is wrong by itself, but retention goes by it */
	if (ok && header.max_timestamp > w.latest && ahead >= 0)
		return fault_is(fault, TOO_LATE, "the batch's greatest time is too far in the future");
	return ok;
}
