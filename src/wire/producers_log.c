/*-------------------------------------------------------------------------
 *
 * producers_log.c
 *	  Idempotent producers as the log has them.
 *
 * One pass over the headers of the log's end finds all of them.  A batch whose
 * transaction has not ended counts, with its xid; one that was rolled back does not.
 *
 * Producers of what was compacted are not there any more: compaction writes batches of
 * its own.  It begins at the log start, as retention does, so what is found of a
 * producer is its last batches or nothing, if neither goes on meanwhile.
 *
 * IDENTIFICATION
 *	  src/wire/producers_log.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "wire/producers_log.h"

#define DAY_MS			(24 * 60 * 60 * INT64CONST(1000))
#define MOST_BYTES		(64 * 1024 * 1024)

/* Times are clients': of what they have written just now some may be long past. */
#define LEAST_BYTES		(4 * 1024 * 1024)

/* Offset of the first batch within the last so many bytes. */
static int64
offset_before_end(ElReader *r, uint64 bytes)
{
	uint64		end = EL_POS_PAGE(r->info.tail_pos);
	uint64		pages = bytes / EL_PAGE_DATA;
	int64		offset = -1;

	if (end > pages)
		offset = el_reader_page_offset(r, end - pages);
	return Max(offset, r->info.log_start);
}

static int64
first_offset(ElReader *r)
{
	int64		most = offset_before_end(r, MOST_BYTES);
	int64		least = offset_before_end(r, LEAST_BYTES);

	(void) el_reader_seek_time(r, el_now_ms() - DAY_MS);
	return Max(most, Min(least, r->position));
}

static void
add_batch(HTAB *logged, const ElReader *r, int most, bool *complete)
{
	const ElBatchHeader *h = &r->header;
	bool		decided = r->state == EL_BATCH_VISIBLE;
	ElLoggedProducer *l;
	ElSequence	s;
	bool		found;

	if (h->producer_id < 0 || h->base_sequence < 0 || r->state == EL_BATCH_ABORTED)
		return;
	s.producer_id = h->producer_id;
	s.epoch = h->producer_epoch;
	s.first = h->base_sequence;
	s.last = el_sequence_last(s.first, h->last_offset_delta + 1);
	l = hash_search(logged, &s.producer_id, HASH_FIND, NULL);
	if (l == NULL)
	{
		if (hash_get_num_entries(logged) >= most)
		{
			*complete = false;
			return;
		}
		l = hash_search(logged, &s.producer_id, HASH_ENTER, &found);
		memset(&l->state, 0, sizeof(l->state));
	}
	l->time_ms = h->max_timestamp;
	el_sequence_add(&l->state, &s, h->base_offset,
					decided ? 0 : U64FromFullTransactionId(r->fxid));
}

HTAB *
el_producers_from_log(Relation rel, int most, bool *complete)
{
	HASHCTL		ctl = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(ElLoggedProducer),
		.hcxt = CurrentMemoryContext
	};

	for (;;)
	{
		HTAB	   *logged = hash_create("eventlog producers of a log", 64, &ctl,
										 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		ElReader   *r = el_reader_begin(rel, NULL, EL_READ_ALL);
		ElLogInfo	before = r->info;
		ElLogInfo	after;
		bool		same;

		*complete = true;
		r->headers_only = true;
		if (r->info.exists && el_reader_seek(r, first_offset(r)) == EL_SEEK_OK)
		{
			while (el_reader_next_batch(r))
			{
				CHECK_FOR_INTERRUPTS();
				add_batch(logged, r, most, complete);
			}
		}
		el_reader_end(r);
		el_log_info(rel, &after);
		same = after.compactions == before.compactions && after.log_start == before.log_start &&
			after.rewinds == before.rewinds;
		if (same)
			return logged;
		hash_destroy(logged);
	}
}
