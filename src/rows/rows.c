/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Where functions that return events put them.
 *
 * IDENTIFICATION
 *	  src/rows/rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "storage/buffile.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "kafka/record.h"
#include "rows/rows.h"
#include "topic/topic.h"

/* What a memory context takes from its own blocks.  A larger record has a block of its own. */
#define BLOCK_SIZE		(8 * 1024)

/* A record that was put: its bytes, key, value and headers, follow. */
typedef struct Stored
{
	ElTopic    *topic;
	int32		partition;
	ElRecord	record;
} Stored;

/* Records from the front; from the back, of each where it begins. */
typedef struct RowBlock
{
	int64		first;			/* row number of the first */
	uint32		count;
	uint32		size;
	uint32		used;			/* at the front */
	char	   *data;			/* NULL: it is in the file */
	int			fileno;			/* where in the file, with offset */
	off_t		offset;
} RowBlock;

#define BlockRow(data, size, i)	(((uint32 *) ((data) + (size)))[-1 - (int) (i)])

/* Tells our node from others, by its address. */
static const char node_name[] = "eventlog rows";

struct ElRows
{
	ExtensibleNode node;		/* so that it can be the context of a call */
	ElRowForm	form;

	/* rows are made at once */
	Tuplestorestate *store;		/* NULL: they are kept as records */
	TupleDesc	desc;
	MemoryContext row_cxt;

	/* kept as records */
	MemoryContext mcxt;
	RowBlock   *blocks;
	int			nblocks;
	int			room;
	int64		count;
	Size		memory;			/* of blocks; beyond work_mem they go to the
								 * file */
	BufFile    *file;
	int			end_fileno;		/* where it ends */
	off_t		end_offset;
	int			current;		/* block last read from */
	int			loaded;			/* block of the file that is in buffer, -1:
								 * none */
	char	   *buffer;
	Size		buffer_size;
};

ElRows *
el_rows_create(void)
{
	ElRows	   *rows = (ElRows *) newNode(sizeof(ElRows), T_ExtensibleNode);

	rows->node.extnodename = node_name;
	rows->mcxt = CurrentMemoryContext;
	rows->loaded = -1;
	return rows;
}

Node *
el_rows_as_context(ElRows *rows)
{
	return (Node *) rows;
}

ElRows *
el_rows_begin(FunctionCallInfo fcinfo, ElRowForm form)
{
	ElRows	   *rows = (ElRows *) fcinfo->context;

	if (rows == NULL || !IsA(rows, ExtensibleNode) ||
		rows->node.extnodename != node_name)
	{
		ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

		InitMaterializedSRF(fcinfo, 0);
		rows = el_rows_create();
		rows->store = rsinfo->setResult;
		rows->desc = rsinfo->setDesc;
		rows->row_cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "eventlog row",
											  ALLOCSET_DEFAULT_SIZES);
	}
	Assert(rows->count == 0);
	rows->form = form;
	return rows;
}

void
el_rows_end(ElRows *rows)
{
	if (rows->row_cxt)
		MemoryContextDelete(rows->row_cxt);
}

static void
seek_file(ElRows *rows, const RowBlock *b)
{
	if (BufFileSeek(rows->file, b->fileno, b->offset, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in temporary file for events")));
}

static void
write_block(ElRows *rows, RowBlock *b)
{
	if (rows->file == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(rows->mcxt);

		rows->file = BufFileCreateTemp(false);
		MemoryContextSwitchTo(old);
	}
	Assert(b->data != NULL && rows->memory >= b->size);
	b->fileno = rows->end_fileno;
	b->offset = rows->end_offset;
	seek_file(rows, b);
	BufFileWrite(rows->file, b->data, b->size);
	BufFileTell(rows->file, &rows->end_fileno, &rows->end_offset);
	pfree(b->data);
	b->data = NULL;
	rows->memory -= b->size;
}

static RowBlock *
add_block(ElRows *rows, Size size)
{
	RowBlock   *b;

	if (rows->nblocks > 0 &&
		rows->memory + BLOCK_SIZE > (Size) work_mem * 1024)
		write_block(rows, &rows->blocks[rows->nblocks - 1]);
	if (rows->nblocks == rows->room)
	{
		rows->room = Max(rows->room * 2, 16);
		rows->blocks = rows->blocks ?
			repalloc_huge(rows->blocks, rows->room * sizeof(RowBlock)) :
			MemoryContextAllocHuge(rows->mcxt, rows->room * sizeof(RowBlock));
	}
	b = &rows->blocks[rows->nblocks++];
	memset(b, 0, sizeof(RowBlock));
	b->first = rows->count;
	b->size = Max(size, BLOCK_SIZE);
	b->data = MemoryContextAllocHuge(rows->mcxt, b->size);
	rows->memory += b->size;
	return b;
}

static char *
copy_bytes(char *to, const char *from, int32 len)
{
	if (len <= 0)
		return to;
	memcpy(to, from, len);
	return to + len;
}

/* The topic is not copied: it stays valid until the transaction ends. */
static void
keep_record(ElRows *rows, ElTopic *t, int32 partition, const ElRecord *rec)
{
	RowBlock   *b = rows->nblocks > 0 ? &rows->blocks[rows->nblocks - 1] : NULL;
	Size		size = MAXALIGN(sizeof(Stored) + Max(rec->key_len, 0) +
								Max(rec->value_len, 0) + rec->headers_len);
	Stored	   *s;
	char	   *bytes;

	if (b == NULL || b->used + size + (b->count + 1) * sizeof(uint32) > b->size)
		b = add_block(rows, MAXALIGN(size + sizeof(uint32)));
	Assert(b->data != NULL &&
		   b->used + size + (b->count + 1) * sizeof(uint32) <= b->size);
	s = (Stored *) (b->data + b->used);
	s->topic = t;
	s->partition = partition;
	s->record = *rec;
	bytes = copy_bytes((char *) (s + 1), rec->key, rec->key_len);
	bytes = copy_bytes(bytes, rec->value, rec->value_len);
	(void) copy_bytes(bytes, rec->headers, rec->headers_len);
	BlockRow(b->data, b->size, b->count) = b->used;
	b->used += size;
	b->count++;
	rows->count++;
}

/* Where the block's bytes are; they stay there until the next call. */
static char *
read_block(ElRows *rows, int n)
{
	RowBlock   *b = &rows->blocks[n];

	if (b->data != NULL)
		return b->data;
	Assert(rows->file != NULL);
	if (rows->loaded == n)
		return rows->buffer;
	if (b->size > rows->buffer_size)
	{
		if (rows->buffer)
			pfree(rows->buffer);
		rows->buffer = MemoryContextAllocHuge(rows->mcxt, b->size);
		rows->buffer_size = b->size;
	}
	rows->loaded = -1;
	seek_file(rows, b);
	el_buffile_read_exact(rows->file, rows->buffer, b->size);
	rows->loaded = n;
	return rows->buffer;
}

void
el_rows_put(ElRows *rows, ElTopic *t, int32 partition, const ElRecord *rec)
{
	Datum		values[EL_ROW_MAX_COLUMNS];
	bool		nulls[EL_ROW_MAX_COLUMNS];
	MemoryContext old;

	if (rows->store == NULL)
	{
		keep_record(rows, t, partition, rec);
		return;
	}
	old = MemoryContextSwitchTo(rows->row_cxt);
	el_make_row(t, partition, rec, rows->form, EL_ALL_COLUMNS, values, nulls);
	tuplestore_putvalues(rows->store, rows->desc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(rows->row_cxt);
}

/* Walks from the block that was read last; datums are in CurrentMemoryContext. */
bool
el_rows_get(ElRows *rows, int64 n, uint32 columns, Datum *values, bool *nulls)
{
	RowBlock   *b;
	char	   *data;
	Stored	   *s;
	ElRecord	rec;

	if (n < 0 || n >= rows->count)
		return false;
	/* the next in one direction or the other */
	while (n < rows->blocks[rows->current].first)
		rows->current--;
	while (n >= rows->blocks[rows->current].first + rows->blocks[rows->current].count)
		rows->current++;
	b = &rows->blocks[rows->current];
	Assert(n >= b->first && n - b->first < b->count);
	data = read_block(rows, rows->current);
	Assert(BlockRow(data, b->size, n - b->first) < b->used);
	s = (Stored *) (data + BlockRow(data, b->size, n - b->first));
	rec = s->record;
	rec.key = (char *) (s + 1);
	rec.value = rec.key + Max(rec.key_len, 0);
	rec.headers = rec.value + Max(rec.value_len, 0);
	el_make_row(s->topic, s->partition, &rec, rows->form, columns, values, nulls);
	return true;
}

int64
el_rows_count(const ElRows *rows)
{
	return rows->count;
}

void
el_rows_close(ElRows *rows)
{
	if (rows->file)
		BufFileClose(rows->file);
}
