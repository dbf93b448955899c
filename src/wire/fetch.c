/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  broker_fetch(): committed batches as they are stored.
 *
 * Batches are copied once, from the buffers into the row's bytes.  Aborted ones are left
 * out, and the answer ends before the first undecided one; a client finds the offsets that
 * are missing by those of the records that follow, and at the end by a batch of ours
 * (bridge.c).
 *
 * IDENTIFICATION
 *	  src/wire/fetch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/arguments.h"
#include "base/clock.h"
#include "base/compat.h"
#include "storage/epoch.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/stable.h"
#include "topic/log_floor.h"
#include "wire/arguments.h"
#include "wire/bridge.h"
#include "wire/find.h"

EL_FUNCTION(eventlog_broker_fetch);

#define OUT_OF_RANGE	"22003"
#define NCOLUMNS		5

/* Memory that a row begins with; it grows by doubling. */
#define FIRST_BYTES		(64 * 1024)

/* So much of it a session keeps for its next call: fresh memory costs more than the copy into it. */
#define KEPT_BYTES		(4 * 1024 * 1024)

static char *kept = NULL;		/* in TopMemoryContext */
static size_t kept_size = 0;

/* More is not returned, whatever is asked for, but for one batch. */
#define MOST_BYTES		(512 * 1024 * 1024)

/* A call of broker_fetch(). */
typedef struct FetchCall
{
	int64		room;			/* bytes that may still be returned */
	bool		empty;			/* nothing is returned yet: the next batch is,
								 * however large */
	char	   *buf;			/* a bytea being filled, used for each row */
	size_t		cap;
	ReturnSetInfo *rsinfo;
} FetchCall;

/* One partition of it. */
typedef struct FetchPart
{
	const char *wrong;			/* sqlstate, or NULL */
	bool		known;			/* the offsets below are */
	int64		stable;
	int64		log_start;
	int64		log_end;
	size_t		len;			/* of the bytea so far, its header included */
	int64		room;			/* bytes that it may still get */
} FetchPart;

/* May so many more bytes be returned of the partition? */
static bool
has_room(const FetchCall *c, const FetchPart *part, uint32 len)
{
	return c->empty || (len <= c->room && len <= part->room);
}

/* They are there. */
static void
count_bytes(FetchCall *c, FetchPart *part, uint32 len)
{
	c->empty = false;
	c->room -= len;
	part->room -= len;
	part->len += len;
}

/* Where len more bytes of the row go. */
static char *
make_room(FetchCall *c, const FetchPart *part, uint32 len)
{
	size_t		need = part->len + len;

	if (need > c->cap)
	{
		size_t		cap = Max(c->cap, FIRST_BYTES);

		while (cap < need)
			cap *= 2;
		cap = Min(cap, MaxAllocSize);
		if (cap <= KEPT_BYTES)
		{
			kept = kept == NULL ? MemoryContextAlloc(TopMemoryContext, cap) :
				repalloc(kept, cap);
			kept_size = cap;
			c->buf = kept;
		}
		else if (c->buf == kept)
		{
			c->buf = palloc(cap);
			if (kept != NULL)
				memcpy(c->buf, kept, part->len);
		}
		else
			c->buf = repalloc(c->buf, cap);
		c->cap = cap;
	}
	return c->buf + part->len;
}

/* Bridge the offsets from next on that only aborted batches had, if there is room. */
static void
add_bridge(FetchCall *c, FetchPart *part, int64 next, int64 time_ms, int32 epoch)
{
	char		bridge[EL_BRIDGE_SIZE];
	uint32		len = el_bridge(bridge, next, part->stable, time_ms, epoch);

	if (!has_room(c, part, len))
		return;
	memcpy(make_room(c, part, len), bridge, len);
	count_bytes(c, part, len);
}

/*
 * The batches from the one that holds offset on.  Returns the offset behind the last
 * one, -1 if the answer ended for lack of room; *time_ms is that of the last one, if
 * there is any.  The log start may have moved meanwhile: *trimmed.
 */
static int64
add_batches(FetchCall *c, FetchPart *part, ElReader *r, int64 offset,
			int64 *time_ms, bool *trimmed)
{
	int64		next = offset;

	if (el_reader_seek(r, offset) == EL_SEEK_BELOW_START)
		*trimmed = true;
	while (!*trimmed && el_reader_next_batch(r))
	{
		CHECK_FOR_INTERRUPTS();
		if (r->trimmed)
			break;
		if (!has_room(c, part, r->batch_len))
			return -1;
		/* or else it has moved, and is met again, or is gone */
		if (el_reader_copy_batch(r, make_room(c, part, r->batch_len)))
		{
			count_bytes(c, part, r->batch_len);
			next = r->position;
			*time_ms = r->header.max_timestamp;
		}
	}

	/*
	 * what was read before is right, and the next call says that the rest is
	 * gone
	 */
	if (r->trimmed)
		*trimmed = true;
	return next;
}

static void
read_partition(FetchCall *c, FetchPart *part, ElTopic *t, int32 partition,
			   Relation leaf, int64 offset)
{
	Snapshot	snapshot = GetActiveSnapshot();
	ElLogInfo	info;
	ElReader   *r;
	int64		next;
	int64		time_ms = el_now_ms();
	bool		trimmed = false;

	el_partition_info(t, partition, leaf, &info);
	part->log_start = info.log_start;
	part->log_end = info.log_end;
	part->stable = info.exists ?
		el_log_stable_offset(leaf, snapshot, NULL) : info.log_end;
	part->known = true;
	/* the log may have grown since, and must contain what is stable */
	part->log_end = Max(part->log_end, part->stable);
	if (offset < part->log_start || offset > Max(part->log_end, info.floor))
	{
		part->wrong = OUT_OF_RANGE;
		return;
	}
	if (offset >= part->stable || (!c->empty && (c->room <= 0 || part->room <= 0)))
		return;

	r = el_reader_begin(leaf, snapshot, EL_READ_STABLE);
	r->headers_only = true;
	r->max_offset = part->stable - 1;
	next = add_batches(c, part, r, offset, &time_ms, &trimmed);
	el_reader_end(r);
	if (trimmed && part->len == VARHDRSZ)
		part->wrong = OUT_OF_RANGE;
	else if (!trimmed && next >= 0 && next < part->stable)
		add_bridge(c, part, next, time_ms, el_epoch_in_force(&info.epoch).epoch);
}

static void
put_row(FetchCall *c, const FetchPart *part)
{
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS] = {false};

	nulls[0] = part->wrong == NULL;
	if (!nulls[0])
		values[0] = CStringGetTextDatum(part->wrong);
	nulls[1] = nulls[2] = nulls[3] = !part->known;
	values[1] = Int64GetDatum(part->stable);
	values[2] = Int64GetDatum(part->log_start);
	values[3] = Int64GetDatum(part->log_end);
	nulls[4] = part->wrong != NULL;
	if (!nulls[4])
	{
		(void) make_room(c, part, 0);
		SET_VARSIZE(c->buf, part->len);
		values[4] = PointerGetDatum(c->buf);
	}
	tuplestore_putvalues(c->rsinfo->setResult, c->rsinfo->setDesc, values, nulls);
}

/* broker_fetch(topic_ids uuid[], partitions int[], offsets bigint[], limits int[], max_bytes int) */
Datum
eventlog_broker_fetch(PG_FUNCTION_ARGS)
{
	ElPlaces	places;
	const int64 *offsets;
	const int32 *limits;
	FetchCall	c = {.empty = true,.buf = kept,.cap = kept_size};

	el_places(fcinfo, &places);
	offsets = el_fixed_array(fcinfo, 2, "offsets", places.n);
	limits = el_fixed_array(fcinfo, 3, "limits", places.n);
	el_arg_not_null(fcinfo, 4, "max_bytes");
	c.room = Min(PG_GETARG_INT32(4), MOST_BYTES);
	/* what is returned is not to go through a file */
	c.rsinfo = el_wire_rows_begin(fcinfo, (int) (c.room / 1024 * 2));

	for (int i = 0; i < places.n; i++)
	{
		FetchPart	part = {.len = VARHDRSZ,.room = limits[i]};
		ElTopic    *t;

		CHECK_FOR_INTERRUPTS();
		part.wrong = el_wire_topic(&places.topics[i], ACL_SELECT, AccessShareLock, &t);
		if (part.wrong == NULL)
		{
			Relation	leaf;

			part.wrong = el_wire_leaf(t, places.partitions[i], AccessShareLock, &leaf);
			if (part.wrong == NULL)
			{
				read_partition(&c, &part, t, places.partitions[i], leaf, offsets[i]);
				table_close(leaf, AccessShareLock);
			}
			UnlockRelationOid(t->relid, AccessShareLock);
		}
		put_row(&c, &part);
	}
	return (Datum) 0;
}
