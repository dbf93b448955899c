/*-------------------------------------------------------------------------
 *
 * offsets.c
 *	  broker_list_offsets() and broker_epoch_end(): places in a log.
 *
 * IDENTIFICATION
 *	  src/wire/offsets.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "storage/epoch.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/stable.h"
#include "topic/log_floor.h"
#include "wire/arguments.h"
#include "wire/find.h"

EL_FUNCTION(eventlog_broker_list_offsets);
EL_FUNCTION(eventlog_broker_epoch_end);

/* Kafka's times that are none. */
#define LATEST			(-1)
#define EARLIEST		(-2)
#define MAX_TIMESTAMP	(-3)
#define EARLIEST_LOCAL	(-4)

#define UNKNOWN_TIME	"22023"

/* A partition of which something is asked. */
typedef struct Asked
{
	const char *wrong;			/* sqlstate, or NULL */
	Relation	leaf;
	ElLogInfo	info;
	int32		epoch;			/* leader epoch in force */
	int64		time;			/* the answers: -1 for none */
	int64		offset;
	int32		offset_epoch;
} Asked;

typedef void (*Question) (Asked *a, const void *arguments, int i);

static int64
stable_offset(const Asked *a)
{
	return a->info.exists ?
		el_log_stable_offset(a->leaf, GetActiveSnapshot(), NULL) : a->info.log_end;
}

/* The event at hand is the answer. */
static void
answer_event(Asked *a, const ElReader *r, const ElRecord *rec)
{
	a->time = rec->timestamp;
	a->offset = rec->offset;
	a->offset_epoch = r->header.leader_epoch;
}

/* The first committed event whose time is that or later; false if there is none. */
static bool
find_time(Asked *a, int64 time_ms)
{
	ElReader   *r = el_reader_begin(a->leaf, GetActiveSnapshot(), EL_READ_STABLE);
	ElRecord	rec;
	bool		found = false;

	if (el_reader_seek_time(r, time_ms) == EL_SEEK_OK)
	{
		while (!found && el_reader_next(r, &rec))
		{
			CHECK_FOR_INTERRUPTS();
			found = rec.timestamp >= time_ms;
		}
	}
	if (found)
		answer_event(a, r, &rec);
	el_reader_end(r);
	return found;
}

/* The greatest time that a committed batch names in its header; EL_MIN_TIME if there is none. */
static int64
greatest_header_time(const Asked *a)
{
	ElReader   *r = el_reader_begin(a->leaf, GetActiveSnapshot(), EL_READ_STABLE);
	int64		greatest = EL_MIN_TIME;

	r->headers_only = true;
	(void) el_reader_seek(r, a->info.log_start);
	while (el_reader_next_batch(r))
	{
		CHECK_FOR_INTERRUPTS();
		greatest = Max(greatest, r->header.max_timestamp);
	}
	el_reader_end(r);
	return greatest;
}

/* The first of the committed events with the greatest time, by reading all of them. */
static void
walk_for_max_time(Asked *a)
{
	ElReader   *r = el_reader_begin(a->leaf, GetActiveSnapshot(), EL_READ_STABLE);
	ElRecord	rec;

	(void) el_reader_seek(r, a->info.log_start);
	while (el_reader_next(r, &rec))
	{
		CHECK_FOR_INTERRUPTS();
		if (a->offset < 0 || rec.timestamp > a->time)
			answer_event(a, r, &rec);
	}
	el_reader_end(r);
}

/*
 * What the log's segments say is most often it.  But that event may have been aborted, be
 * undecided or trimmed; and a header may name a later time than any event has.
 */
static void
find_max_time(Asked *a)
{
	ElReader   *r = el_reader_begin(a->leaf, GetActiveSnapshot(), EL_READ_STABLE);
	int64		greatest = el_reader_max_time(r);

	el_reader_end(r);
	if (greatest == EL_MIN_TIME || find_time(a, greatest))
		return;
	greatest = greatest_header_time(a);
	if (greatest != EL_MIN_TIME && !find_time(a, greatest))
		walk_for_max_time(a);
}

/* The leader epoch of the first batch that is there, else the one in force. */
static int32
first_epoch(const Asked *a)
{
	ElReader   *r;
	int32		epoch = a->epoch;

	if (!a->info.exists)
		return epoch;
	r = el_reader_begin(a->leaf, NULL, EL_READ_ALL);
	r->headers_only = true;
	if (el_reader_seek(r, a->info.log_start) != EL_SEEK_AT_END &&
		el_reader_next_batch(r))
		epoch = r->header.leader_epoch;
	el_reader_end(r);
	return epoch;
}

/* A Question: where is that time? */
static void
ask_time(Asked *a, const void *times, int i)
{
	int64		time_ms = ((const int64 *) times)[i];

	switch (time_ms)
	{
		case LATEST:
			a->offset = stable_offset(a);
			a->offset_epoch = a->epoch;
			break;
		case EARLIEST:
		case EARLIEST_LOCAL:
			a->offset = a->info.log_start;
			a->offset_epoch = first_epoch(a);
			break;
		case MAX_TIMESTAMP:
			find_max_time(a);
			break;
		default:
			if (time_ms < 0)
				a->wrong = UNKNOWN_TIME;
			else
				(void) find_time(a, time_ms);
			break;
	}
}

/*
 * The first batch, whatever became of it, of a later leader epoch: they never fall along
 * the log, so it is sought by halves.  Returns its base offset and sets *before to
 * the epoch of the batch before it, or -1 if that is the first one there is; -1 if
 * there is none of a later epoch, *before then the last one's.
 */
static int64
find_later_epoch(const Asked *a, int32 epoch, int32 *before)
{
	ElReader   *r = el_reader_begin(a->leaf, NULL, EL_READ_ALL);
	int64		low = a->info.log_start;	/* nothing later begins before it */
	int64		high = a->info.log_end; /* all that begin at or behind it are
										 * later */
	int64		found = -1;

	*before = -1;
	r->headers_only = true;
	while (low < high)
	{
		int64		mid = low + (high - low) / 2;

		CHECK_FOR_INTERRUPTS();
		if (el_reader_seek(r, mid) == EL_SEEK_AT_END || !el_reader_next_batch(r))
			high = mid;
		else if (r->header.leader_epoch > epoch)
		{
			found = r->header.base_offset;
			high = Min(mid, found);
		}
		else
		{
			*before = r->header.leader_epoch;
			low = r->position;
		}
	}
	el_reader_end(r);
	return found;
}

/* A Question: where does that leader epoch end?  As Kafka's LeaderEpochFileCache answers it. */
static void
ask_epoch(Asked *a, const void *epochs, int i)
{
	int32		epoch = ((const int32 *) epochs)[i];
	int32		before = -1;
	int64		later = -1;

	if (epoch < 0 || epoch > a->epoch)
		return;
	if (epoch < a->epoch && a->info.exists)
		later = find_later_epoch(a, epoch, &before);
	/* an epoch of which nothing is left ends where the next one begins */
	a->offset_epoch = epoch == a->epoch || before < 0 ? epoch : before;
	a->offset = later >= 0 ? later : stable_offset(a);
}

/* Ask of each place; a row with the first of time, offset and epoch, in that order. */
static void
answer_all(FunctionCallInfo fcinfo, const ElPlaces *places, const void *arguments,
		   Question question, bool with_time)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < places->n; i++)
	{
		Asked		a = {.time = -1,.offset = -1,.offset_epoch = -1};
		ElTopic    *t;
		Datum		values[4] = {0};
		bool		nulls[4] = {false};

		CHECK_FOR_INTERRUPTS();
		a.wrong = el_wire_topic(&places->topics[i], ACL_SELECT, AccessShareLock, &t);
		if (a.wrong == NULL)
		{
			a.wrong = el_wire_leaf(t, places->partitions[i], AccessShareLock, &a.leaf);
			if (a.wrong == NULL)
			{
				el_partition_info(t, places->partitions[i], a.leaf, &a.info);
				a.epoch = el_epoch_in_force(&a.info.epoch).epoch;
				question(&a, arguments, i);
				table_close(a.leaf, AccessShareLock);
			}
			UnlockRelationOid(t->relid, AccessShareLock);
		}
		if (a.wrong != NULL)
		{
			memset(nulls, true, sizeof(nulls));
			nulls[0] = false;
			values[0] = CStringGetTextDatum(a.wrong);
		}
		else
		{
			nulls[0] = true;
			values[1] = with_time ? Int64GetDatum(a.time) : Int32GetDatum(a.offset_epoch);
			values[2] = Int64GetDatum(a.offset);
			values[3] = Int32GetDatum(a.offset_epoch);
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/* broker_list_offsets(topic_ids uuid[], partitions int[], times bigint[]) */
Datum
eventlog_broker_list_offsets(PG_FUNCTION_ARGS)
{
	ElPlaces	places;

	el_places(fcinfo, &places);
	answer_all(fcinfo, &places, el_fixed_array(fcinfo, 2, "times", places.n), ask_time,
			   true);
	return (Datum) 0;
}

/* broker_epoch_end(topic_ids uuid[], partitions int[], epochs int[]) */
Datum
eventlog_broker_epoch_end(PG_FUNCTION_ARGS)
{
	ElPlaces	places;

	el_places(fcinfo, &places);
	answer_all(fcinfo, &places, el_fixed_array(fcinfo, 2, "epochs", places.n), ask_epoch,
			   false);
	return (Datum) 0;
}
