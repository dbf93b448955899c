/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  broker_fetch(): committed batches as they are stored.
 *
 * Batches are copied once, from the buffers into the answer's bytes.  Aborted ones are left
 * out, and the answer ends before the first undecided one; a client finds the offsets that
 * are missing by those of the records that follow, and at the end by a batch of ours
 * (bridge.c).
 *
 * All is read by the first row, so that nothing is open between two rows; then the bytes
 * are returned row by row, each of them small.  A row is copied several times on its way
 * to the socket, and memory that is used again at once stays in the processor's caches
 * and costs no page fault.  In a select list rows go to the client without a tuplestore.
 *
 * IDENTIFICATION
 *	  src/wire/fetch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "funcapi.h"
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
#include "wire/keep_memory.h"

EL_FUNCTION(eventlog_broker_fetch);

#define OUT_OF_RANGE	"22003"
#define NCOLUMNS		5

/* Bytes that a row has at most; a multiple of a varlena header's alignment. */
#define ROW_BYTES		(32 * 1024)

/* Memory that an answer begins with; it grows by doubling. */
#define FIRST_BYTES		(64 * 1024)

/* So much of it a session keeps for its next call: fresh memory costs more than the copy into it. */
#define KEPT_BYTES		(4 * 1024 * 1024)

static char *kept = NULL;		/* in TopMemoryContext */
static size_t kept_size = 0;
static bool kept_taken = false; /* by a call whose rows are not all returned */

/* More is not returned, whatever is asked for, but for one batch. */
#define MOST_BYTES		(512 * 1024 * 1024)

/* Bytes of a partition: whole batches, or a piece of a large one. */
typedef struct FetchRow
{
	size_t		begin;			/* in the answer, behind room for a varlena
								 * header */
	uint32		len;
} FetchRow;

/* One partition of a call. */
typedef struct FetchPart
{
	const char *wrong;			/* sqlstate, or NULL */
	bool		known;			/* the offsets below are */
	int64		stable;
	int64		log_start;
	int64		log_end;
	int64		room;			/* bytes that it may still get */
	int			first_row;		/* its rows end where the next one's begin */
} FetchPart;

/* A call of broker_fetch(). */
typedef struct FetchCall
{
	int64		room;			/* bytes that may still be returned */
	bool		empty;			/* nothing is returned yet: the next batch is,
								 * however large */
	bool		keeps;			/* its bytes are in "kept" */
	char	   *buf;
	size_t		len;
	size_t		cap;
	FetchPart  *parts;
	int			nparts;
	FetchRow   *rows;
	int			nrows;
	int			maxrows;

	/* what is returned next */
	int			part;
	int			row;
} FetchCall;

/* A callback of the call's memory context. */
static void
release_kept(void *arg)
{
	kept_taken = false;
}

/* May so many more bytes be returned of the partition? */
static bool
has_room(const FetchCall *c, const FetchPart *part, uint32 len)
{
	return c->empty || (len <= c->room && len <= part->room);
}

/* The answer has room for so many bytes behind those it has. */
static void
make_room(FetchCall *c, size_t len)
{
	size_t		cap = Max(c->cap, FIRST_BYTES);
	char	   *buf;

	if (c->len + len <= c->cap)
		return;
	while (cap < c->len + len)
		cap *= 2;
	if (c->keeps && cap <= KEPT_BYTES)
	{
		kept = kept == NULL ? MemoryContextAlloc(TopMemoryContext, cap) :
			repalloc(kept, cap);
		kept_size = cap;
		c->buf = kept;
	}
	else
	{
		buf = MemoryContextAllocHuge(CurrentMemoryContext, cap);
		if (c->len > 0)
			memcpy(buf, c->buf, c->len);
		if (!c->keeps && c->buf != NULL)
			pfree(c->buf);
		c->keeps = false;
		c->buf = buf;
	}
	c->cap = cap;
}

/* Where the next row's bytes begin. */
static size_t
next_begin(const FetchCall *c)
{
	return INTALIGN(c->len) + VARHDRSZ;
}

/*
 * Where len more bytes of the partition go, to be counted when they are there.  They
 * share the row before them if that does not get too large.
 */
static char *
batch_room(FetchCall *c, const FetchPart *part, uint32 len, bool *shares)
{
	*shares = c->nrows > part->first_row && c->rows[c->nrows - 1].len + len <= ROW_BYTES;
	make_room(c, INTALIGN(1) + VARHDRSZ + (size_t) len);
	return c->buf + (*shares ? c->len : next_begin(c));
}

/* They are there: a row, or several, or bytes of the last one. */
static void
count_bytes(FetchCall *c, FetchPart *part, uint32 len, bool shares)
{
	c->empty = false;
	c->room -= len;
	part->room -= len;
	if (shares)
	{
		c->rows[c->nrows - 1].len += len;
		c->len += len;
		return;
	}
	c->len = next_begin(c);
	while (len > 0)
	{
		uint32		piece = Min(len, ROW_BYTES);

		if (c->nrows == c->maxrows)
			c->rows = repalloc_huge(c->rows, (c->maxrows *= 2) * sizeof(FetchRow));
		c->rows[c->nrows++] = (FetchRow)
		{
			c->len, piece
		};
		c->len += piece;
		len -= piece;
	}
}

/* Bridge the offsets from next on that only aborted batches had, if there is room. */
static void
add_bridge(FetchCall *c, FetchPart *part, int64 next, int64 time_ms, int32 epoch)
{
	char		bridge[EL_BRIDGE_SIZE];
	uint32		len = el_bridge(bridge, next, part->stable, time_ms, epoch);
	bool		shares;

	if (!has_room(c, part, len))
		return;
	memcpy(batch_room(c, part, len, &shares), bridge, len);
	count_bytes(c, part, len, shares);
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
	bool		shares;

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
		if (el_reader_copy_batch(r, batch_room(c, part, r->batch_len, &shares)))
		{
			count_bytes(c, part, r->batch_len, shares);
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
	if (trimmed && c->nrows == part->first_row)
		part->wrong = OUT_OF_RANGE;
	else if (!trimmed && next >= 0 && next < part->stable)
		add_bridge(c, part, next, time_ms, el_epoch_in_force(&info.epoch).epoch);
}

/* Read what is asked for, as far as there is room for it. */
static void
read_all(FetchCall *c, const ElPlaces *places, const int64 *offsets, const int32 *limits)
{
	c->nparts = places->n;
	c->parts = palloc0_array(FetchPart, Max(places->n, 1));
	c->maxrows = places->n + 64;
	c->rows = palloc_array(FetchRow, c->maxrows);
	for (int i = 0; i < places->n; i++)
	{
		FetchPart  *part = &c->parts[i];
		ElTopic    *t;

		CHECK_FOR_INTERRUPTS();
		part->room = limits[i];
		part->first_row = c->nrows;
		part->wrong = el_wire_topic(&places->topics[i], ACL_SELECT, AccessShareLock, &t);
		if (part->wrong == NULL)
		{
			Relation	leaf;

			part->wrong = el_wire_leaf(t, places->partitions[i], AccessShareLock, &leaf);
			if (part->wrong == NULL)
			{
				read_partition(c, part, t, places->partitions[i], leaf, offsets[i]);
				table_close(leaf, AccessShareLock);
			}
			UnlockRelationOid(t->relid, AccessShareLock);
		}
	}
}

/* The next row: the first of a partition has its numbers, and bytes if there are any. */
static HeapTuple
next_row(FetchCall *c, TupleDesc desc)
{
	const FetchPart *part = &c->parts[c->part];
	int			end = c->part + 1 < c->nparts ? c->parts[c->part + 1].first_row : c->nrows;
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS] = {true, true, true, true, true};

	Assert(c->row >= part->first_row && c->row <= end);
	if (c->row == part->first_row)
	{
		nulls[0] = part->wrong == NULL;
		if (!nulls[0])
			values[0] = CStringGetTextDatum(part->wrong);
		nulls[1] = nulls[2] = nulls[3] = !part->known;
		values[1] = Int64GetDatum(part->stable);
		values[2] = Int64GetDatum(part->log_start);
		values[3] = Int64GetDatum(part->log_end);
		nulls[4] = part->wrong != NULL;
		values[4] = PointerGetDatum(cstring_to_text_with_len("", 0));
	}
	if (c->row < end)
	{
		char	   *bytes = c->buf + c->rows[c->row].begin - VARHDRSZ;

		/*
		 * over bytes of the row before, if this is another piece of its batch
		 */
		SET_VARSIZE(bytes, c->rows[c->row].len + VARHDRSZ);
		values[4] = PointerGetDatum(bytes);
		nulls[4] = false;
		c->row++;
	}
	if (c->row == end)
		c->part++;
	return heap_form_tuple(desc, values, nulls);
}

/* broker_fetch(topic_ids uuid[], partitions int[], offsets bigint[], limits int[], max_bytes int) */
Datum
eventlog_broker_fetch(PG_FUNCTION_ARGS)
{
	FuncCallContext *srf;
	FetchCall  *c;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		MemoryContextCallback *at_end;
		ElPlaces	places;
		const int64 *offsets;
		const int32 *limits;

		srf = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(srf->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &srf->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		srf->tuple_desc = BlessTupleDesc(srf->tuple_desc);
		el_keep_memory();
		el_places(fcinfo, &places);
		offsets = el_fixed_array(fcinfo, 2, "offsets", places.n);
		limits = el_fixed_array(fcinfo, 3, "limits", places.n);
		el_arg_not_null(fcinfo, 4, "max_bytes");

		srf->user_fctx = c = palloc0_object(FetchCall);
		c->room = Min(PG_GETARG_INT32(4), MOST_BYTES);
		c->empty = true;
		if (!kept_taken)
		{
			at_end = palloc0_object(MemoryContextCallback);
			at_end->func = release_kept;
			MemoryContextRegisterResetCallback(CurrentMemoryContext, at_end);
			kept_taken = true;
			c->keeps = true;
			c->buf = kept;
			c->cap = kept_size;
		}
		read_all(c, &places, offsets, limits);
		MemoryContextSwitchTo(old);
	}
	srf = SRF_PERCALL_SETUP();
	c = srf->user_fctx;
	if (c->part >= c->nparts)
		SRF_RETURN_DONE(srf);
	SRF_RETURN_NEXT(srf, HeapTupleGetDatum(next_row(c, srf->tuple_desc)));
}
