/*-------------------------------------------------------------------------
 *
 * buffer.c
 *	  The producer buffer: what this transaction will append when it commits.
 *
 * An entry per partition holds an open batch, into which records are encoded
 * as they come, and the batches sealed before it: finished, compressed, ready
 * to append but for their base offset.  Sealed batches beyond
 * eventlog.producer_buffer go to a temporary file that lives as long as the
 * top-level transaction.
 *
 * SUBTRANSACTIONS
 *
 * The events of a subtransaction are the last ones of an entry while it runs,
 * so rolling it back cuts the end off.  The first time a subtransaction
 * touches an entry it leaves a mark: how many batches were sealed, and how
 * far the open batch went.  Marks of all entries lie on one stack, ordered by
 * nesting level, because inner levels end before outer ones go on; each mark
 * knows the next one down of its own entry.
 *
 * An event's owner is the level of the last mark before it, or the top-level
 * transaction if there is none.  A batch is sealed so that no mark points
 * into it: what may have to be cut off is never inside a compressed batch,
 * and what has to be appended early is never under the wrong xid.
 *
 * A relation that is dropped or truncated takes its buffered events with it.
 * They are put aside in the mark of the level that did it, and put back if
 * that level is rolled back.  Marks further down then speak of what was put
 * aside.
 *
 * ERRORS
 *
 * Any function here but those run at the end of a (sub)transaction may throw,
 * and the subtransaction that is rolled back then is the current one.  So the
 * order of steps is: allocate, then change what is counted.  An entry whose
 * batch was appended forgets that batch before anything else can fail, lest
 * an outer level append it a second time.
 *
 * IDENTIFICATION
 *	  src/topic/buffer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "eventlog.h"

#include "access/subtrans.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "commands/tablespace.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "topic/buffer.h"

/* Raw bytes of records at which a batch is sealed. */
#define BATCH_TARGET		(64 * 1024)

/* Smaller batches are stored plain: the codec's frame eats what it saves. */
#define COMPRESS_MIN		256

/* Work buffers larger than this are given back after use. */
#define KEEP_BUFFER			(256 * 1024)

/* A finished batch; base offset and leader epoch are set at append. */
typedef struct Sealed
{
	char	   *data;			/* NULL: in the spill file */
	uint32		len;
	int32		count;			/* events */
	off_t		offset;			/* place in the spill file */
} Sealed;

/* What is buffered for a partition. */
typedef struct Content
{
	Sealed	   *sealed;
	int			first;			/* sealed[0 .. first) have been appended */
	int			nsealed;
	int			maxsealed;
	ElBatchBuilder open;		/* buf NULL until first used */
} Content;

/* Where an entry stood when a subtransaction first touched it. */
typedef struct Mark
{
	struct Entry *entry;
	int			level;			/* nesting level of the subtransaction */
	int			prev;			/* the entry's next mark down, or -1 */
	int			nsealed;
	int32		open_count;
	size_t		open_len;
	int64		open_max_timestamp;
	Content    *saved;			/* put aside by el_buffer_forget(), or NULL */
} Mark;

typedef struct Entry
{
	Oid			leaf;			/* the key: relfilenodes may change under us */
	Oid			topic;
	int32		partition;
	uint64		lock_generation;	/* of el_lock_generation when locked */
	int			mark;			/* topmost mark, or -1 */
	Content		content;
} Entry;

typedef struct EntrySlot
{
	Oid			leaf;
	Entry	   *entry;
	char		status;
} EntrySlot;

#define SH_PREFIX		entries
#define SH_ELEMENT_TYPE	EntrySlot
#define SH_KEY_TYPE		Oid
#define SH_KEY			leaf
#define SH_HASH_KEY(tb, key)	murmurhash32(key)
#define SH_EQUAL(tb, a, b)		((a) == (b))
#define SH_SCOPE		static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

/* All of this transaction; everything it points to is in context. */
static struct
{
	entries_hash *hash;			/* NULL: nothing buffered in this transaction */
	Entry	  **entries;		/* in the order of their first event */
	int			nentries;
	int			maxentries;
	Entry	   *last;			/* the entry used last */

	Mark	   *marks;
	int			nmarks;
	int			maxmarks;

	size_t		bytes;			/* of sealed batches in memory and open ones */
	size_t		relief_at;		/* value of bytes that calls for spilling */

	File		file;			/* spill file, 0 until needed */
	int			nspilled;		/* batches in it that may still be wanted */
	off_t		file_end;		/* where the next one goes */

	/* work space, reused from batch to batch */
	ElBatchBuilder piece;
	ElBatchReader reader;
	ElScratch	scratch;
	ElScratch	readback;

	bool		at_once;		/* PRE_COMMIT has run: nobody comes for us again */
} buf;

static MemoryContext buffer_context = NULL;

/* One partition being appended to. */
typedef struct Appender
{
	ElTopic    *topic;
	int32		partition;
	Relation	rel;
	ElLogOptions options;
	int64		events;			/* appended so far */
	int			owner_level;	/* owner_xid is of this level; 0: not known */
	FullTransactionId owner_xid;
} Appender;

uint64		el_lock_generation = 1;
uint64		el_xact_generation = 1;
ElAppendHook el_append_hook = NULL;


/*
 * Memory and the spill file
 */

/* Give a work buffer back unless it is small enough to keep. */
static void
trim_scratch(ElScratch *scratch)
{
	if (scratch->cap > KEEP_BUFFER)
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

/*
 * Start the open batch of a content anew, without the memory that an
 * exceptionally large event left.
 */
static void
empty_open(Content *c)
{
	if (c->open.cap > KEEP_BUFFER)
	{
		buf.bytes -= c->open.cap;
		free_builder(&c->open);
	}
	else if (c->open.buf != NULL)
		el_batch_begin(&c->open);
}

static void
free_sealed(Sealed *s)
{
	if (s->data != NULL)
	{
		buf.bytes -= GetMemoryChunkSpace(s->data);
		pfree(s->data);
	}
	else
	{
		/* the next batch may overwrite what nobody will read any more */
		if (--buf.nspilled == 0)
			buf.file_end = 0;
		else if (s->offset + s->len == buf.file_end)
			buf.file_end = s->offset;
	}
}

/* Forget what came after a mark.  Cannot fail. */
static void
cut_content(Content *c, int nsealed, int32 open_count, size_t open_len,
			int64 open_max_timestamp)
{
	/*
	 * The open batch of then is the open batch of now, unless batches were
	 * sealed or appended since: but then the mark does not point into it.
	 */
	if (open_count == 0)
		empty_open(c);
	else
	{
		Assert(c->nsealed == nsealed && open_count <= c->open.count);
		c->open.count = open_count;
		c->open.len = open_len;
		c->open.max_timestamp = open_max_timestamp;
	}

	nsealed = Max(nsealed, c->first);
	while (c->nsealed > nsealed)
		free_sealed(&c->sealed[--c->nsealed]);
}

static void
cut_to_mark(Content *c, const Mark *m)
{
	cut_content(c, m->nsealed, m->open_count, m->open_len,
				m->open_max_timestamp);
}

/* Free all that a content holds.  Cannot fail. */
static void
clear_content(Content *c)
{
	cut_content(c, 0, 0, 0, 0);
	if (c->sealed != NULL)
		pfree(c->sealed);
	buf.bytes -= c->open.cap;
	free_builder(&c->open);
	memset(c, 0, sizeof(*c));
}

static inline bool
content_is_empty(const Content *c)
{
	return c->first == c->nsealed && c->open.count == 0;
}

/*
 * Write a batch to the spill file.  Batches are large enough to do without
 * BufFile's buffer, in which an error would leave bytes that nobody wants
 * to write any more.
 */
static void
spill_batch(Sealed *s)
{
	int			written;

	if (buf.file == 0)
	{
		ResourceOwner owner = CurrentResourceOwner;

		PrepareTempTablespaces();

		/* the file must outlive the savepoint or portal we are in */
		CurrentResourceOwner = TopTransactionResourceOwner;
		buf.file = OpenTemporaryFile(false);
		CurrentResourceOwner = owner;
	}

	errno = 0;
	written = FileWrite(buf.file, s->data, (int) s->len, buf.file_end,
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

	s->offset = buf.file_end;
	buf.file_end += s->len;
	buf.nspilled++;
	buf.bytes -= GetMemoryChunkSpace(s->data);
	pfree(s->data);
	s->data = NULL;
}

static void
spill_content(Content *c)
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

/* The bytes of a sealed batch, in memory until the next call. */
static char *
load_sealed(Sealed *s)
{
	int			nread;

	if (s->data != NULL)
		return s->data;

	if (buf.readback.cap < s->len)
	{
		if (buf.readback.buf != NULL)
			pfree(buf.readback.buf);
		buf.readback.buf = NULL;
		buf.readback.cap = 0;
		buf.readback.buf = MemoryContextAlloc(buffer_context, s->len);
		buf.readback.cap = s->len;
	}

	nread = FileRead(buf.file, buf.readback.buf, (int) s->len, s->offset,
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
	return buf.readback.buf;
}


/*
 * Sealing
 */

/*
 * Finish the builder's batch as sealed[n].  c->nsealed is the caller's to
 * move, so that an error leaves the content as it was.
 */
static void
finish_into(Content *c, int n, ElBatchBuilder *b, ElCodec codec)
{
	Sealed	   *s;
	char	   *batch;
	size_t		len;

	if (n >= c->maxsealed)
	{
		int			newmax = Max(8, c->maxsealed * 2);

		if (c->sealed == NULL)
			c->sealed = palloc(newmax * sizeof(Sealed));
		else
			c->sealed = repalloc_huge(c->sealed, newmax * sizeof(Sealed));
		c->maxsealed = newmax;
	}

	if (b->len < COMPRESS_MIN)
		codec = EL_CODEC_NONE;
	batch = el_batch_finish(b, codec, &buf.scratch, &len);

	s = &c->sealed[n];
	s->data = palloc(len);
	memcpy(s->data, batch, len);
	s->len = (uint32) len;
	s->count = b->count;
	s->offset = 0;
	buf.bytes += GetMemoryChunkSpace(s->data);
	trim_scratch(&buf.scratch);
}

/*
 * Seal the open batch.  Where marks point into it, seal what lies between
 * them separately; offset and time deltas of the later pieces start anew, so
 * their records are decoded and encoded again.  Afterwards no mark points into
 * the open batch.
 */
static void
seal_open(Entry *e, ElCodec codec)
{
	Content    *c = &e->content;
	MemoryContext old;
	int			n = c->nsealed;
	int			inside = 0;		/* marks that point into the open batch */
	bool		pieces = false;
	int			i;

	if (c->open.count == 0)
		return;

	/*
	 * Marks below one with saved content speak of that; and that one's own is
	 * never inside, as it stands at the beginning.
	 */
	for (i = e->mark; i >= 0 && buf.marks[i].open_count > 0; i = buf.marks[i].prev)
	{
		Assert(buf.marks[i].nsealed == c->nsealed);
		if (buf.marks[i].open_count < c->open.count)
			pieces = true;
		inside++;
	}

	old = MemoryContextSwitchTo(buffer_context);

	if (!pieces)
	{
		finish_into(c, n++, &c->open, codec);
		for (i = e->mark; inside > 0; i = buf.marks[i].prev, inside--)
		{
			buf.marks[i].nsealed = n;
			buf.marks[i].open_count = 0;
		}
	}
	else
	{
		Mark	  **at = palloc(inside * sizeof(Mark *));
		int		   *nsealed = palloc(inside * sizeof(int));
		int			next = 0;
		char	   *batch;
		size_t		len;
		ElRecord	record;
		int			status;

		/* outermost first */
		for (i = e->mark, next = inside; next > 0; i = buf.marks[i].prev)
			at[--next] = &buf.marks[i];

		batch = el_batch_finish(&c->open, EL_CODEC_NONE, &buf.scratch, &len);
		if (!el_batch_open(&buf.reader, batch, len, true))
			elog(ERROR, "producer buffer: %s", buf.reader.error);

		el_batch_begin(&buf.piece);
		for (;;)
		{
			status = el_batch_next(&buf.reader, &record);

			while (next < inside &&
				   (status != 1 || at[next]->open_count == buf.reader.index - 1))
			{
				if (buf.piece.count > 0)
				{
					finish_into(c, n++, &buf.piece, codec);
					el_batch_begin(&buf.piece);
				}
				nsealed[next++] = n;
			}
			if (status != 1)
				break;
			el_batch_add(&buf.piece, &record);
		}
		if (status != 0)
			elog(ERROR, "producer buffer: %s", buf.reader.error);
		if (buf.piece.count > 0)
			finish_into(c, n++, &buf.piece, codec);

		for (i = 0; i < inside; i++)
		{
			at[i]->nsealed = nsealed[i];
			at[i]->open_count = 0;
		}
		pfree(at);
		pfree(nsealed);
		if (buf.piece.cap > KEEP_BUFFER)
			free_builder(&buf.piece);
	}

	c->nsealed = n;
	empty_open(c);
	MemoryContextSwitchTo(old);
}

/*
 * Spill until memory is within bounds: sealed batches first; if the open ones
 * of many partitions are what takes it, those as well.
 */
static void
relieve_memory(void)
{
	size_t		limit = (size_t) el_producer_buffer_kb * 1024;
	int			i;

	for (i = 0; i < buf.nentries; i++)
		spill_content(&buf.entries[i]->content);
	for (i = 0; i < buf.nmarks; i++)
	{
		if (buf.marks[i].saved != NULL)
			spill_content(buf.marks[i].saved);
	}

	if (buf.bytes > limit / 2)
	{
		for (i = 0; i < buf.nentries; i++)
		{
			Entry	   *e = buf.entries[i];
			ElTopic    *t = NULL;

			if (e->content.open.buf == NULL)
				continue;
			if (e->content.open.count > 0)
				t = el_topic_or_null(e->topic);
			seal_open(e, t == NULL ? EL_CODEC_NONE : t->options.compression);
			spill_content(&e->content);
			buf.bytes -= e->content.open.cap;
			free_builder(&e->content.open);
		}
	}

	/*
	 * What could not be spilled (open batches put aside) must not bring us
	 * back here for every event.
	 */
	buf.relief_at = Max(limit, buf.bytes + limit / 2);
}


/*
 * Entries and marks
 */

static Entry *
find_entry(Oid leaf)
{
	EntrySlot  *slot;

	if (buf.last != NULL && buf.last->leaf == leaf)
		return buf.last;
	if (buf.hash == NULL)
		return NULL;
	slot = entries_lookup(buf.hash, leaf);
	if (slot == NULL)
		return NULL;
	return buf.last = slot->entry;
}

/* Batches must stay below 1 GB, whatever max_event_bytes allows. */
static inline size_t
check_record_size(const ElRecord *r)
{
	size_t		bound = el_record_size_bound(r);

	if (unlikely(bound > EL_BATCH_MAX_UNCOMPRESSED - EL_BATCH_HEADER_SIZE))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("event is too large"),
				 errdetail("An event can have at most %zu bytes.",
						   EL_BATCH_MAX_UNCOMPRESSED - EL_BATCH_HEADER_SIZE)));
	return bound;
}

/*
 * The entry of a partition, made if need be, with topic and partition locked.
 * Locks last until the transaction ends, unless taken in a subtransaction
 * that is rolled back.
 */
static Entry *
get_entry(ElTopic *t, int32 partition)
{
	Oid			leaf = InvalidOid;
	Entry	   *e;

	if (likely(partition >= 0 && partition < t->npartitions))
		leaf = t->leaves[partition];
	if (unlikely(!OidIsValid(leaf)))
		el_check_partition(t, partition);	/* says what is wrong */

	e = find_entry(leaf);
	if (unlikely(e == NULL))
	{
		EntrySlot  *slot;
		MemoryContext old;
		bool		found;

		if (buffer_context == NULL)
			buffer_context = AllocSetContextCreate(TopMemoryContext,
												   "eventlog producer buffer",
												   ALLOCSET_DEFAULT_SIZES);
		old = MemoryContextSwitchTo(buffer_context);

		if (buf.hash == NULL)
		{
			buf.relief_at = (size_t) el_producer_buffer_kb * 1024;
			buf.hash = entries_create(buffer_context, 8, NULL);
		}
		if (buf.nentries == buf.maxentries)
		{
			int			newmax = Max(8, buf.maxentries * 2);

			if (buf.entries == NULL)
				buf.entries = palloc(newmax * sizeof(Entry *));
			else
				buf.entries = repalloc(buf.entries, newmax * sizeof(Entry *));
			buf.maxentries = newmax;
		}

		e = palloc0(sizeof(Entry));
		e->leaf = leaf;
		e->topic = t->relid;
		e->partition = partition;
		e->mark = -1;
		slot = entries_insert(buf.hash, leaf, &found);
		Assert(!found);
		slot->entry = e;
		buf.entries[buf.nentries++] = e;
		buf.last = e;
		MemoryContextSwitchTo(old);
	}

	if (unlikely(e->lock_generation != el_lock_generation))
	{
		el_require_writable("INSERT");
		LockRelationOid(e->topic, RowExclusiveLock);
		LockRelationOid(leaf, RowExclusiveLock);
		e->lock_generation = el_lock_generation;
	}
	return e;
}

/* Before a subtransaction changes an entry: leave a mark of where it stands. */
static void
leave_mark(Entry *e)
{
	int			level = GetCurrentTransactionNestLevel();
	Mark	   *m;

	if (level <= 1 || (e->mark >= 0 && buf.marks[e->mark].level == level))
		return;
	Assert(e->mark < 0 || buf.marks[e->mark].level < level);

	if (buf.nmarks == buf.maxmarks)
	{
		int			newmax = Max(16, buf.maxmarks * 2);

		if (buf.marks == NULL)
			buf.marks = MemoryContextAlloc(buffer_context,
										   newmax * sizeof(Mark));
		else
			buf.marks = repalloc_huge(buf.marks, newmax * sizeof(Mark));
		buf.maxmarks = newmax;
	}

	m = &buf.marks[buf.nmarks];
	m->entry = e;
	m->level = level;
	m->prev = e->mark;
	m->nsealed = e->content.nsealed;
	m->open_count = e->content.open.count;
	m->open_len = e->content.open.len;
	m->open_max_timestamp = e->content.open.max_timestamp;
	m->saved = NULL;
	e->mark = buf.nmarks++;
}

/* A subtransaction at this level is rolled back.  Cannot fail. */
static void
abort_level(int level)
{
	while (buf.nmarks > 0 && buf.marks[buf.nmarks - 1].level >= level)
	{
		Mark	   *m = &buf.marks[--buf.nmarks];
		Entry	   *e = m->entry;

		if (m->saved != NULL)
		{
			clear_content(&e->content);
			e->content = *m->saved;
			pfree(m->saved);
		}
		else
			cut_to_mark(&e->content, m);
		e->mark = m->prev;
	}
}

/*
 * A subtransaction at this level has merged into its parent: what it marked
 * is now the parent's.  Cannot fail.
 */
static void
commit_level(int level)
{
	int			from = buf.nmarks;
	int			to;
	int			i;

	while (from > 0 && buf.marks[from - 1].level >= level)
		from--;

	for (i = to = from; i < buf.nmarks; i++)
	{
		Mark	   *m = &buf.marks[i];
		Mark	   *prev = m->prev >= 0 ? &buf.marks[m->prev] : NULL;
		Entry	   *e = m->entry;

		if (level - 1 > 1 && (prev == NULL || prev->level < level - 1))
		{
			/* the parent had not touched the entry: its mark is where this is */
			m->level = level - 1;
			buf.marks[to] = *m;
			e->mark = to++;
			continue;
		}

		if (m->saved != NULL)
		{
			if (level - 1 > 1 && prev->saved == NULL)
			{
				/* rolling back the parent brings back what was before the parent */
				cut_to_mark(m->saved, prev);
				prev->saved = m->saved;
				prev->nsealed = 0;
				prev->open_count = 0;
			}
			else
			{
				clear_content(m->saved);
				pfree(m->saved);
			}
		}
		e->mark = m->prev;
	}
	buf.nmarks = to;
}

/* All that the entry held has been appended. */
static void
entry_appended(Entry *e)
{
	Content    *c = &e->content;
	int			i;

	c->first = c->nsealed = 0;
	empty_open(c);
	for (i = e->mark; i >= 0; i = buf.marks[i].prev)
	{
		buf.marks[i].nsealed = 0;
		buf.marks[i].open_count = 0;
		/* those further down speak of what was put aside */
		if (buf.marks[i].saved != NULL)
			break;
	}
}


/*
 * Appending
 */

void
el_require_writable(const char *command)
{
	el_require_preload();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s during recovery", command),
				 errhint("This server is a standby; send it to the primary.")));
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
}

/* False if the relation is gone: dropped in this transaction. */
static bool
appender_open(Appender *a, Oid topic, int32 partition, Oid leaf)
{
	memset(a, 0, sizeof(*a));
	a->rel = try_table_open(leaf, NoLock);
	if (a->rel == NULL)
		return false;
	a->topic = el_topic(topic);
	a->partition = partition;
	el_log_options(a->topic, partition, a->rel, &a->options);
	return true;
}

static void
appender_close(Appender *a)
{
	Oid			topic = a->topic->relid;
	Oid			leaf = RelationGetRelid(a->rel);

	if (a->events > 0)
		pgstat_count_heap_insert(a->rel, a->events);
	table_close(a->rel, NoLock);
	if (a->events > 0 && el_append_hook != NULL)
		el_append_hook(topic, leaf);
}

/*
 * xid of the enclosing subtransaction at this nesting level, 1 being the top.
 * Getting one's own xid gives every parent one, and pg_subtrans then knows
 * the immediate parent of each.
 */
static FullTransactionId
appender_owner(Appender *a, int level)
{
	if (a->owner_level != level)
	{
		FullTransactionId fxid = GetCurrentFullTransactionId();

		if (level <= 1)
			fxid = GetTopFullTransactionId();
		else if (level < GetCurrentTransactionNestLevel())
		{
			TransactionId xid = XidFromFullTransactionId(fxid);
			int			i;

			for (i = GetCurrentTransactionNestLevel(); i > level; i--)
				xid = SubTransGetParent(xid);
			fxid = el_full_xid(xid);
		}
		a->owner_xid = fxid;
		a->owner_level = level;
	}
	return a->owner_xid;
}

static int64
appender_append(Appender *a, char *batch, uint32 len, int32 count,
				FullTransactionId fxid, CommandId cid, int64 at_offset)
{
	int64		first;

	CHECK_FOR_INTERRUPTS();
	CheckForSerializableConflictIn(a->rel, NULL, InvalidBlockNumber);
	first = el_log_append(a->rel, &a->options, batch, len, fxid, cid,
						  at_offset);
	/* nothing may fail until the caller has forgotten the batch */
	a->events += count;
	return first;
}

/* A range of offsets that flush() will report. */
typedef struct Range
{
	ElFlushed	flushed;
	void	   *arg;
	int64		first;			/* -1: none yet */
	int64		last;
} Range;

static void
range_end(Range *range, const Entry *e)
{
	if (range->flushed != NULL && range->first >= 0)
		range->flushed(range->arg, e->topic, e->partition, range->first,
					   range->last);
	range->first = -1;
}

/* Batches of others may lie between ours: a range ends there. */
static void
range_add(Range *range, const Entry *e, int64 first, int32 count)
{
	if (range->first >= 0 && first != range->last + 1)
		range_end(range, e);
	if (range->first < 0)
		range->first = first;
	range->last = first + count - 1;
}

/* Nesting level of the sealed batch's owner; batch nsealed is the open one. */
static int
batch_level(const Entry *e, int batch)
{
	int			i;

	for (i = e->mark; i >= 0; i = buf.marks[i].prev)
	{
		if (buf.marks[i].nsealed <= batch)
			return buf.marks[i].level;
	}
	return 1;
}

/*
 * Append all that an entry holds, each batch under the xid of its owner, and
 * leave it empty.  The append lock is free between batches.
 */
static void
append_entry(Entry *e, CommandId cid, ElFlushed flushed, void *arg)
{
	Content    *c = &e->content;
	Range		range = {flushed, arg, -1, -1};
	Appender	a;
	MemoryContext old;
	int			i;

	if (content_is_empty(c))
		return;

	if (!appender_open(&a, e->topic, e->partition, e->leaf))
	{
		/* as if el_buffer_forget() had been told at top level */
		cut_content(c, 0, 0, 0, 0);
		entry_appended(e);
		return;
	}

	if (e->mark >= 0 && buf.marks[e->mark].open_count > 0)
		seal_open(e, a.topic->options.compression);

	for (i = c->first; i < c->nsealed; i++)
	{
		Sealed	   *s = &c->sealed[i];
		int32		count = s->count;
		int64		first;

		first = appender_append(&a, load_sealed(s), s->len, count,
								appender_owner(&a, batch_level(e, i)),
								cid, -1);
		c->first = i + 1;
		free_sealed(s);
		range_add(&range, e, first, count);
	}

	if (c->open.count > 0)
	{
		int32		count = c->open.count;
		ElCodec		codec = a.topic->options.compression;
		char	   *batch;
		size_t		len;
		int64		first;

		if (c->open.len < COMPRESS_MIN)
			codec = EL_CODEC_NONE;
		old = MemoryContextSwitchTo(buffer_context);
		batch = el_batch_finish(&c->open, codec, &buf.scratch, &len);
		MemoryContextSwitchTo(old);
		first = appender_append(&a, batch, (uint32) len, count,
								appender_owner(&a, batch_level(e, c->nsealed)),
								cid, -1);
		entry_appended(e);
		range_add(&range, e, first, count);
	}
	else
		entry_appended(e);

	trim_scratch(&buf.scratch);
	trim_scratch(&buf.readback);
	range_end(&range, e);
	appender_close(&a);
}

typedef struct EntrySize
{
	Entry	   *entry;
	uint64		size;
} EntrySize;

/* Largest first. */
static int
compare_size(const void *a, const void *b)
{
	const EntrySize *x = a;
	const EntrySize *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return x->entry->leaf < y->entry->leaf ? -1 :
		x->entry->leaf > y->entry->leaf;
}

/*
 * The transaction is about to commit.  Readers stop at what is appended until
 * the commit is through, so what takes longest goes first.
 */
static void
append_all(void)
{
	EntrySize  *order;
	MemoryContext work;
	MemoryContext old;
	int			n = 0;
	int			i;

	if (buf.nentries == 0)
		return;

	work = AllocSetContextCreate(buffer_context, "eventlog append",
								 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(buffer_context);
	order = palloc(buf.nentries * sizeof(EntrySize));
	for (i = 0; i < buf.nentries; i++)
	{
		Content    *c = &buf.entries[i]->content;
		int			j;

		if (content_is_empty(c))
			continue;
		order[n].entry = buf.entries[i];
		order[n].size = c->open.len;
		for (j = c->first; j < c->nsealed; j++)
			order[n].size += c->sealed[j].len;
		n++;
	}
	if (n > 1)
		qsort(order, n, sizeof(EntrySize), compare_size);

	MemoryContextSwitchTo(work);
	for (i = 0; i < n; i++)
	{
		append_entry(order[i].entry, GetCurrentCommandId(true), NULL, NULL);
		MemoryContextReset(work);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);

	/* the resource owner would complain about an open file */
	if (buf.file != 0)
	{
		FileClose(buf.file);
		buf.file = 0;
	}
}

/* The transaction is over.  Cannot fail. */
static void
reset_buffer(void)
{
	el_lock_generation++;
	el_xact_generation++;

	/* the spill file, if still open, is closed by the resource owner */
	if (buffer_context != NULL && buf.hash != NULL)
		MemoryContextReset(buffer_context);
	memset(&buf, 0, sizeof(buf));
}

void
el_buffer_xact(XactEvent event)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			append_all();
			buf.at_once = true;
			break;

		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			reset_buffer();
			break;

		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			/* workers cannot produce */
			break;
	}
}

void
el_buffer_subxact(SubXactEvent event, SubTransactionId mine,
				  SubTransactionId parent)
{
	switch (event)
	{
		case SUBXACT_EVENT_ABORT_SUB:
			el_lock_generation++;
			abort_level(GetCurrentTransactionNestLevel());
			break;

		case SUBXACT_EVENT_COMMIT_SUB:
			commit_level(GetCurrentTransactionNestLevel());
			break;

		case SUBXACT_EVENT_START_SUB:
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			break;
	}
}


/*
 * For the rest of the extension
 */

void
el_buffer_add(ElTopic *t, int32 partition, const ElRecord *r)
{
	Entry	   *e;
	Content    *c;
	size_t		bound;
	size_t		cap;

	if (unlikely(buf.at_once))
	{
		el_buffer_append_now(t, partition, r, 1, GetCurrentCommandId(true),
							 false);
		return;
	}

	e = get_entry(t, partition);
	c = &e->content;
	leave_mark(e);

	bound = check_record_size(r);

	/* a batch holds one event at least, however large */
	if (c->open.count > 0 && c->open.len + bound > BATCH_TARGET)
		seal_open(e, t->options.compression);

	cap = c->open.cap;
	if (unlikely(c->open.buf == NULL))
	{
		MemoryContext old = MemoryContextSwitchTo(buffer_context);

		el_batch_begin(&c->open);
		MemoryContextSwitchTo(old);
	}
	el_batch_add(&c->open, r);
	buf.bytes += c->open.cap - cap;

	if (unlikely(buf.bytes > buf.relief_at))
		relieve_memory();
}

int64
el_buffer_append_now(ElTopic *t, int32 partition, const ElRecord *records,
					 int nrecords, CommandId cid, bool explicit_offsets)
{
	Entry	   *e = get_entry(t, partition);
	ElBatchBuilder *b = &buf.piece;
	Appender	a;
	int64		result = -1;
	int			i = 0;

	/* call order */
	append_entry(e, GetCurrentCommandId(true), NULL, NULL);

	if (!appender_open(&a, e->topic, partition, e->leaf))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("partition %d of topic \"%s\" does not exist",
						partition, t->name)));

	while (i < nrecords)
	{
		ElCodec		codec = t->options.compression;
		int			start = i;
		MemoryContext old;
		char	   *batch;
		size_t		len;
		int64		first;

		check_record_size(&records[i]);
		if (explicit_offsets && records[i].offset < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("event_offset must not be negative")));

		/* offset deltas are counted, so a gap in the offsets ends a batch */
		old = MemoryContextSwitchTo(buffer_context);
		el_batch_begin(b);
		do
		{
			el_batch_add(b, &records[i]);
			i++;
		} while (i < nrecords &&
				 b->len + el_record_size_bound(&records[i]) <= BATCH_TARGET &&
				 (!explicit_offsets ||
				  records[i].offset == records[i - 1].offset + 1));

		if (b->len < COMPRESS_MIN)
			codec = EL_CODEC_NONE;
		batch = el_batch_finish(b, codec, &buf.scratch, &len);
		MemoryContextSwitchTo(old);

		first = appender_append(&a, batch, (uint32) len, i - start,
								GetCurrentFullTransactionId(), cid,
								explicit_offsets ? records[start].offset : -1);
		if (start == 0)
			result = first;
	}

	if (b->cap > KEEP_BUFFER)
		free_builder(b);
	trim_scratch(&buf.scratch);
	appender_close(&a);
	return result;
}

void
el_buffer_flush(ElFlushed flushed, void *arg)
{
	int			i;

	for (i = 0; i < buf.nentries; i++)
		append_entry(buf.entries[i], GetCurrentCommandId(true), flushed, arg);
}

void
el_buffer_forget(Oid leaf)
{
	Entry	   *e = find_entry(leaf);
	Mark	   *m;

	if (e == NULL)
		return;

	if (GetCurrentTransactionNestLevel() <= 1)
	{
		clear_content(&e->content);
		return;
	}

	leave_mark(e);
	m = &buf.marks[e->mark];
	cut_to_mark(&e->content, m);

	/* with content put aside already, all there was since was cut off */
	if (m->saved == NULL)
	{
		Content    *saved = MemoryContextAlloc(buffer_context,
											   sizeof(Content));

		*saved = e->content;
		memset(&e->content, 0, sizeof(e->content));
		m->saved = saved;
		m->nsealed = 0;
		m->open_count = 0;
	}
}
