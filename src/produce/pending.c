/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  What the producer buffer holds for one partition.
 *
 * NOTES
 *	  Any function here may throw unless its header says it cannot, and the
 *	  subtransaction that is rolled back then is the current one: what outer
 *	  ones have buffered must be as it was.  So the order of steps is:
 *	  allocate, then change what is counted.
 *
 *	  The temporary file belongs to the top-level transaction's resource owner:
 *	  it must outlive the savepoint or portal in which it was first needed.
 *
 * IDENTIFICATION
 *	  src/produce/pending.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/tablespace.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "kafka/batch_builder.h"
#include "kafka/batch_header.h"
#include "kafka/batch_reader.h"
#include "kafka/compression.h"
#include "kafka/record.h"
#include "kafka/scratch.h"
#include "produce/pending.h"

/* Smaller batches are stored plain: the codec's frame eats what it saves. */
#define COMPRESS_MIN		256

size_t		el_pending_bytes = 0;

static MemoryContext pending_context = NULL;

/* The spill file. */
static struct
{
	File		file;			/* 0 until needed */
	int			nbatches;		/* in it that may still be wanted */
	off_t		end;			/* where the next one goes */
}			spill;

/* Work space, reused from batch to batch. */
static struct
{
	ElBatchBuilder piece;
	ElBatchReader reader;
	ElScratch	scratch;		/* of el_batch_finish() */
	ElScratch	readback;		/* a batch from the spill file */
}			work;

MemoryContext
el_pending_context(void)
{
	if (pending_context == NULL)
		pending_context = AllocSetContextCreate(TopMemoryContext,
												"eventlog producer buffer",
												ALLOCSET_DEFAULT_SIZES);
	return pending_context;
}

static void
trim_scratch(ElScratch *scratch)
{
	if (scratch->cap > EL_KEEP_BUFFER)
	{
		pfree(scratch->buf);
		scratch->buf = NULL;
		scratch->cap = 0;
	}
}

static void
free_builder(ElBatchBuilder *b)
{
	if (b->buf != NULL)
		pfree(b->buf);
	memset(b, 0, sizeof(*b));
}

void
el_pending_trim(void)
{
	trim_scratch(&work.scratch);
	trim_scratch(&work.readback);
	if (work.piece.cap > EL_KEEP_BUFFER)
		free_builder(&work.piece);
}

void
el_pending_release_open(ElPendingBatches *c)
{
	Assert(c->open.count == 0);
	el_pending_bytes -= c->open.cap;
	free_builder(&c->open);
}

/* Start the open batch anew. */
static void
empty_open(ElPendingBatches *c)
{
	c->open.count = 0;
	if (c->open.cap > EL_KEEP_BUFFER)
		el_pending_release_open(c);
	else if (c->open.buf != NULL)
		el_batch_begin(&c->open);
}

static void
free_sealed(ElSealed *s)
{
	if (s->data != NULL)
	{
		Assert(el_pending_bytes >= GetMemoryChunkSpace(s->data));
		el_pending_bytes -= GetMemoryChunkSpace(s->data);
		pfree(s->data);
	}
	else
	{
		Assert(spill.nbatches > 0 && s->offset + s->len <= spill.end);
		/* the next batch may overwrite what nobody will read any more */
		if (--spill.nbatches == 0)
			spill.end = 0;
		else if (s->offset + s->len == spill.end)
			spill.end = s->offset;
	}
}

/* Batches that have been appended stay: they are under the xid of what is rolled back. */
void
el_pending_cut(ElPendingBatches *c, const ElPoint *point)
{
	/* what has been appended is out of our hands */
	int			nsealed = Max(point->nsealed, c->first);

	Assert(c->first <= c->nsealed && nsealed <= c->nsealed);

	/*
	 * The open batch of then is the open batch of now, unless batches were
	 * sealed or appended since: but then the point is not inside it.
	 */
	if (point->open_count == 0)
		empty_open(c);
	else
	{
		Assert(c->nsealed == point->nsealed &&
			   point->open_count <= c->open.count);
		c->open.count = point->open_count;
		c->open.len = point->open_len;
		c->open.max_timestamp = point->open_max_timestamp;
	}

	while (c->nsealed > nsealed)
		free_sealed(&c->sealed[--c->nsealed]);
}

void
el_pending_clear(ElPendingBatches *c)
{
	ElPoint		start = {0};

	el_pending_cut(c, &start);
	if (c->sealed != NULL)
		pfree(c->sealed);
	el_pending_release_open(c);
	memset(c, 0, sizeof(*c));
}

uint64
el_pending_size(const ElPendingBatches *c)
{
	uint64		size = c->open.len;
	int			i;

	for (i = c->first; i < c->nsealed; i++)
		size += c->sealed[i].len;
	return size;
}

size_t
el_pending_check_size(const ElRecord *r)
{
	size_t		bound = el_record_size_bound(r);

	/* batches must stay below 1 GB, whatever max_event_bytes allows */
	if (unlikely(bound > EL_BATCH_MAX_UNCOMPRESSED - EL_BATCH_HEADER_SIZE))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("event is too large"),
				 errdetail("An event can have at most %zu bytes.",
						   EL_BATCH_MAX_UNCOMPRESSED - EL_BATCH_HEADER_SIZE)));
	return bound;
}

void
el_pending_add(ElPendingBatches *c, const ElRecord *r)
{
	size_t		cap = c->open.cap;

	if (unlikely(c->open.buf == NULL))
	{
		MemoryContext old = MemoryContextSwitchTo(el_pending_context());

		el_batch_begin(&c->open);
		MemoryContextSwitchTo(old);
		el_pending_bytes += c->open.cap;
		cap = c->open.cap;
	}
	Assert(c->open.count == 0 ||
		   c->open.len + el_record_size_bound(r) <= EL_BATCH_TARGET);
	el_batch_add(&c->open, r);
	el_pending_bytes += c->open.cap - cap;
}

char *
el_pending_finish(ElBatchBuilder *b, ElCodec codec, uint32 *len)
{
	MemoryContext old = MemoryContextSwitchTo(el_pending_context());
	char	   *batch;
	size_t		size;

	if (b->len < COMPRESS_MIN)
		codec = EL_CODEC_NONE;
	batch = el_batch_finish(b, codec, &work.scratch, &size);
	MemoryContextSwitchTo(old);
	*len = (uint32) size;
	return batch;
}

/*
 * Finish the builder's batch as sealed[n].  c->nsealed is the caller's to
 * move, so that an error leaves everything as it was.
 */
static void
finish_into(ElPendingBatches *c, int n, ElBatchBuilder *b, ElCodec codec)
{
	ElSealed   *s;
	char	   *batch;
	uint32		len;

	Assert(n >= c->nsealed && b->count > 0);
	Assert(CurrentMemoryContext == pending_context);
	if (n >= c->maxsealed)
	{
		int			newmax = Max(8, c->maxsealed * 2);

		if (c->sealed == NULL)
			c->sealed = palloc(newmax * sizeof(ElSealed));
		else
			c->sealed = repalloc_huge(c->sealed, newmax * sizeof(ElSealed));
		c->maxsealed = newmax;
	}

	batch = el_pending_finish(b, codec, &len);
	s = &c->sealed[n];
	s->data = palloc(len);
	memcpy(s->data, batch, len);
	s->len = len;
	s->count = b->count;
	s->offset = 0;
	el_pending_bytes += GetMemoryChunkSpace(s->data);
	trim_scratch(&work.scratch);
}

/*
 * The open batch as several, one ending at each point; ends[i] becomes the
 * number of sealed batches before points[i].  Offset and time deltas of the
 * later pieces start anew, so records are decoded and encoded again.  Returns
 * the number of sealed batches then.
 */
static int
seal_pieces(ElPendingBatches *c, ElCodec codec, ElPoint **points, int npoints,
			int *ends)
{
	ElRecord	record;
	char	   *batch;
	size_t		len;
	int			n = c->nsealed;
	int			next = 0;
	int			status;

	batch = el_batch_finish(&c->open, EL_CODEC_NONE, &work.scratch, &len);
	if (!el_batch_open(&work.reader, batch, len, true))
		elog(ERROR, "producer buffer: %s", work.reader.error);

	el_batch_begin(&work.piece);
	do
	{
		status = el_batch_next(&work.reader, &record);

		/* the reader has gone past the record that comes after the point */
		while (next < npoints &&
			   (status != 1 ||
				points[next]->open_count == work.reader.index - 1))
		{
			if (work.piece.count > 0)
			{
				finish_into(c, n++, &work.piece, codec);
				el_batch_begin(&work.piece);
			}
			ends[next++] = n;
		}
		if (status == 1)
			el_batch_add(&work.piece, &record);
	} while (status == 1);

	if (status != 0)
		elog(ERROR, "producer buffer: %s", work.reader.error);
	Assert(next == npoints);
	if (work.piece.count > 0)
		finish_into(c, n++, &work.piece, codec);
	return n;
}

/*
 * Raises out of memory and what compression can raise.  The order makes that
 * harmless: batches are made behind the last one, and counted in the end.
 */
void
el_pending_seal(ElPendingBatches *c, ElCodec codec, ElPoint **points, int npoints)
{
	MemoryContext old = MemoryContextSwitchTo(el_pending_context());
	int			n = c->nsealed;
	int			i;

	Assert(c->open.count > 0);
	for (i = 0; i < npoints; i++)
	{
		Assert(points[i]->nsealed == c->nsealed);
		Assert(points[i]->open_count > 0 &&
			   points[i]->open_count <= c->open.count);
		Assert(i == 0 || points[i - 1]->open_count <= points[i]->open_count);
	}
	if (npoints == 0 || points[0]->open_count == c->open.count)
	{
		/* all points, if any, are at its end */
		finish_into(c, n++, &c->open, codec);
		for (i = 0; i < npoints; i++)
			points[i]->nsealed = n;
	}
	else
	{
		int		   *ends = palloc(npoints * sizeof(int));

		n = seal_pieces(c, codec, points, npoints, ends);
		for (i = 0; i < npoints; i++)
			points[i]->nsealed = ends[i];
		pfree(ends);
	}

	for (i = 0; i < npoints; i++)
		points[i]->open_count = 0;
	c->nsealed = n;
	empty_open(c);
	MemoryContextSwitchTo(old);
}

void
el_pending_appended_first(ElPendingBatches *c)
{
	Assert(c->first < c->nsealed);
	free_sealed(&c->sealed[c->first++]);
}

void
el_pending_appended_all(ElPendingBatches *c)
{
	Assert(c->first == c->nsealed);
	c->first = c->nsealed = 0;
	empty_open(c);
}


/*
 * The spill file
 */

/*
 * Batches are large enough to do without BufFile's buffer, in which an error
 * would leave bytes that nobody wants to write any more.
 */
static void
spill_batch(ElSealed *s)
{
	int			written;

	Assert(s->data != NULL);
	if (spill.file == 0)
	{
		ResourceOwner owner = CurrentResourceOwner;

		PrepareTempTablespaces();
		CurrentResourceOwner = TopTransactionResourceOwner;
		spill.file = OpenTemporaryFile(false);
		CurrentResourceOwner = owner;
	}

	errno = 0;
	written = FileWrite(spill.file, s->data, (int) s->len, spill.end,
						WAIT_EVENT_BUFFILE_WRITE);
	if (written != (int) s->len)
	{
		/* if write didn't set errno, assume problem is no disk space */
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write to the temporary file of the producer buffer: %m")));
	}

	s->offset = spill.end;
	spill.end += s->len;
	spill.nbatches++;
	el_pending_bytes -= GetMemoryChunkSpace(s->data);
	pfree(s->data);
	s->data = NULL;
}

void
el_pending_spill(ElPendingBatches *c)
{
	int			i;

	for (i = c->first; i < c->nsealed; i++)
	{
		if (c->sealed[i].data == NULL)
			continue;
		CHECK_FOR_INTERRUPTS();
		spill_batch(&c->sealed[i]);
	}
}

/* Raises errors of reading the temporary file. */
char *
el_pending_load(ElSealed *s)
{
	ElScratch  *buffer = &work.readback;
	int			nread;

	if (s->data != NULL)
		return s->data;

	Assert(spill.file != 0 && s->offset + s->len <= spill.end);
	if (buffer->cap < s->len)
	{
		if (buffer->buf != NULL)
			pfree(buffer->buf);
		buffer->buf = NULL;
		buffer->cap = 0;
		buffer->buf = MemoryContextAlloc(el_pending_context(), s->len);
		buffer->cap = s->len;
	}

	nread = FileRead(spill.file, buffer->buf, (int) s->len, s->offset,
					 WAIT_EVENT_BUFFILE_READ);
	if (nread < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from the temporary file of the producer buffer: %m")));
	if (nread != (int) s->len)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("could not read from the temporary file of the producer buffer: read only %d of %u bytes",
						nread, s->len)));
	return buffer->buf;
}

void
el_pending_close_file(void)
{
	Assert(spill.nbatches == 0);
	if (spill.file != 0)
		FileClose(spill.file);
	memset(&spill, 0, sizeof(spill));
}

void
el_pending_reset(void)
{
	/* the resource owner closes the file, if it is still open */
	memset(&spill, 0, sizeof(spill));
	memset(&work, 0, sizeof(work));
	el_pending_bytes = 0;
	if (pending_context != NULL)
		MemoryContextReset(pending_context);
}
