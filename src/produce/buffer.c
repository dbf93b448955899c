/*-------------------------------------------------------------------------
 *
 * buffer.c
 *	  The producer buffer: what this transaction will append when it commits.
 *
 * An entry per partition holds an open batch and the batches sealed before
 * it (pending.c).  This file knows whose they are: the subtransactions they
 * come and go with, the locks, the append at commit.
 *
 * SUBTRANSACTIONS
 *
 * (A stack of this file's own, by nesting level: what a level has produced is cut
 * off the end of batches, which no list of what to undo could say.)
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
 *	  src/produce/buffer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/locks.h"
#include "base/settings.h"
#include "kafka/batch_builder.h"
#include "kafka/batch_header.h"
#include "kafka/compression.h"
#include "kafka/record.h"
#include "produce/appender.h"
#include "produce/buffer.h"
#include "produce/pending.h"
#include "storage/append.h"
#include "storage/log.h"
#include "topic/checks.h"
#include "topic/log_floor.h"
#include "topic/options.h"

/* Where an entry stood when a subtransaction first touched it. */
typedef struct Mark
{
	struct Entry *entry;
	int			level;			/* nesting level of the subtransaction */
	SubTransactionId subid;		/* and its id, which rises with the level */
	int			prev;			/* the entry's next mark down, or -1 */
	ElPoint		point;
	ElPendingBatches *saved;	/* put aside by el_buffer_forget(), or NULL */
} Mark;

typedef struct Entry
{
	Oid			leaf;			/* the key: relfilenodes may change under us */
	Oid			topic;
	int32		partition;
	uint64		lock_generation;	/* of el_lock_generation when locked */
	int			mark;			/* topmost mark, or -1 */
	ElPendingBatches pending;
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

/* All of this transaction; everything it points to is in el_pending_context(). */
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

	size_t		relief_at;		/* value of el_pending_bytes that calls for
								 * spilling */
	ElBatchBuilder builder;		/* of what is appended at once */
	bool		at_once;		/* PRE_COMMIT has run: nobody comes for us
								 * again */
}			buf;

/* Before the first event. */
static const ElPoint start = {0};

uint64		el_lock_generation = 1;
uint64		el_xact_generation = 1;

/*
 * What the banner says of marks, and pending.h of points.
 */
static void
assert_mark(int i)
{
#ifdef USE_ASSERT_CHECKING
	const Mark *m = &buf.marks[i];
	const Mark *prev = m->prev >= 0 ? &buf.marks[m->prev] : NULL;
	const ElPendingBatches *p = &m->entry->pending;

	/* inner levels lie above outer ones; the top level has no marks */
	Assert(m->level > 1);
	Assert(i == 0 || buf.marks[i - 1].level <= m->level);
	Assert(m->prev < i && m->entry->mark >= i);
	Assert(prev == NULL ||
		   (prev->entry == m->entry && prev->level < m->level));
	/* what was put aside lay before all that is there now */
	Assert(m->saved == NULL || memcmp(&m->point, &start, sizeof(start)) == 0);

	/*
	 * the topmost mark of an entry is not behind its end, nor in a sealed
	 * batch
	 */
	if (m->entry->mark == i)
	{
		Assert(m->point.nsealed >= 0 && m->point.nsealed <= p->nsealed);
		Assert(m->point.open_count == 0 ||
			   (m->point.nsealed == p->nsealed &&
				m->point.open_count <= p->open.count));
	}
#endif
}

static void
assert_marks(void)
{
#ifdef USE_ASSERT_CHECKING
	for (int i = 0; i < buf.nmarks; i++)
		assert_mark(i);
	for (int i = 0; i < buf.nentries; i++)
		Assert(buf.entries[i]->mark < buf.nmarks);
#endif
}

/* Seal the open batch, such that no mark is inside a batch. */
static void
seal_open(Entry *e, ElCodec codec)
{
	ElPoint   **points = NULL;
	int			npoints = 0;
	int			i;

	if (e->pending.open.count == 0)
		return;

	/*
	 * Marks below one that has put batches aside speak of those; and that
	 * one's own is never inside, as it stands at the beginning.
	 */
	for (i = e->mark; i >= 0 && buf.marks[i].point.open_count > 0;
		 i = buf.marks[i].prev)
		npoints++;

	if (npoints > 0)
	{
		int			n = npoints;

		/* outermost first */
		points = palloc(npoints * sizeof(ElPoint *));
		for (i = e->mark; n > 0; i = buf.marks[i].prev)
			points[--n] = &buf.marks[i].point;
	}
	el_pending_seal(&e->pending, codec, points, npoints);
	if (points != NULL)
		pfree(points);
	Assert(e->pending.open.count == 0);
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
		el_pending_spill(&buf.entries[i]->pending);
	for (i = 0; i < buf.nmarks; i++)
	{
		if (buf.marks[i].saved != NULL)
			el_pending_spill(buf.marks[i].saved);
	}

	if (el_pending_bytes > limit / 2)
	{
		for (i = 0; i < buf.nentries; i++)
		{
			Entry	   *e = buf.entries[i];
			ElTopic    *t = NULL;

			if (e->pending.open.count > 0)
				t = el_topic_or_null(e->topic);
			seal_open(e, t == NULL ? EL_CODEC_NONE : t->options.compression);
			el_pending_spill(&e->pending);
			el_pending_release_open(&e->pending);
		}
	}

	/*
	 * What could not be spilled (open batches put aside) must not bring us
	 * back here for every event.
	 */
	buf.relief_at = Max(limit, el_pending_bytes + limit / 2);
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

		old = MemoryContextSwitchTo(el_pending_context());

		if (buf.hash == NULL)
		{
			buf.relief_at = (size_t) el_producer_buffer_kb * 1024;
			buf.hash = entries_create(el_pending_context(), 8, NULL);
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
		el_require_write("INSERT");
		LockRelationOid(e->topic, RowExclusiveLock);
		LockRelationOid(leaf, RowExclusiveLock);
		e->lock_generation = el_lock_generation;
	}
	Assert(e->topic == t->relid && e->partition == partition);
	Assert(el_relation_locked(e->topic, RowExclusiveLock));
	Assert(el_relation_locked(leaf, RowExclusiveLock));
	return e;
}

/*
 * For topics with when_full = reject: report a full partition at the first
 * produce() of the transaction instead of at its commit.
 */
static void
check_not_full(ElTopic *t, const Entry *e, size_t bytes)
{
	Relation	rel = table_open(e->leaf, NoLock);
	ElLogOptions options;

	el_log_options(t, e->partition, rel, &options);
	if (options.held_from != NULL)
		el_log_require_room(rel, &options, EL_BATCH_HEADER_SIZE + bytes);
	table_close(rel, NoLock);
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
			buf.marks = MemoryContextAlloc(el_pending_context(),
										   newmax * sizeof(Mark));
		else
			buf.marks = repalloc_huge(buf.marks, newmax * sizeof(Mark));
		buf.maxmarks = newmax;
	}

	m = &buf.marks[buf.nmarks];
	m->entry = e;
	m->level = level;
	m->subid = GetCurrentSubTransactionId();
	m->prev = e->mark;
	m->point = el_pending_point(&e->pending);
	m->saved = NULL;
	e->mark = buf.nmarks++;
	assert_mark(e->mark);
}

/* A subtransaction at this level is rolled back.  Cannot fail. */
static void
abort_level(int level)
{
	while (buf.nmarks > 0 && buf.marks[buf.nmarks - 1].level >= level)
	{
		Mark	   *m = &buf.marks[--buf.nmarks];
		Entry	   *e = m->entry;

		Assert(e->mark == buf.nmarks);
		if (m->saved != NULL)
		{
			el_pending_clear(&e->pending);
			e->pending = *m->saved;
			pfree(m->saved);
		}
		else
			el_pending_cut(&e->pending, &m->point);
		e->mark = m->prev;
	}
	assert_marks();
}

/*
 * A subtransaction at this level has merged into its parent: what it marked
 * is now the parent's.  Cannot fail.
 */
static void
commit_level(int level, SubTransactionId parent)
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

		Assert(m->level == level);
		if (level - 1 > 1 && (prev == NULL || prev->level < level - 1))
		{
			/* the parent had not touched the entry: its mark is where this is */
			m->level = level - 1;
			m->subid = parent;
			buf.marks[to] = *m;
			e->mark = to++;
			continue;
		}

		if (m->saved != NULL)
		{
			if (level - 1 > 1 && prev->saved == NULL)
			{
				/*
				 * rolling back the parent brings back what was before the
				 * parent
				 */
				el_pending_cut(m->saved, &prev->point);
				prev->saved = m->saved;
				prev->point = start;
			}
			else
			{
				el_pending_clear(m->saved);
				pfree(m->saved);
			}
		}
		e->mark = m->prev;
	}
	buf.nmarks = to;
	assert_marks();
}

/* All that the entry held has been appended. */
static void
entry_appended(Entry *e)
{
	int			i;

	el_pending_appended_all(&e->pending);
	for (i = e->mark; i >= 0; i = buf.marks[i].prev)
	{
		buf.marks[i].point = start;
		/* those further down speak of what was put aside */
		if (buf.marks[i].saved != NULL)
			break;
	}
}


/*
 * Appending
 */

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
	Assert(range->first < 0 || first > range->last);
	if (range->first >= 0 && first != range->last + 1)
		range_end(range, e);
	if (range->first < 0)
		range->first = first;
	range->last = first + count - 1;
}

/*
 * The xid under which a sealed batch is appended; batch nsealed is the open one.
 *
 * A file that a subtransaction has made goes if that is rolled back.  Events of
 * an outer one would go with it, and their offsets be given out again.  DDL
 * appends them before there is a new file; 55000 if it has not.
 */
static FullTransactionId
batch_owner(const Entry *e, ElAppender *a, int batch)
{
	int			i = e->mark;
	int			level;
	SubTransactionId subid;

	while (i >= 0 && buf.marks[i].point.nsealed > batch)
		i = buf.marks[i].prev;
	level = i < 0 ? 1 : buf.marks[i].level;
	subid = i < 0 ? TopSubTransactionId : buf.marks[i].subid;
	if (unlikely(a->rel->rd_createSubid > subid ||
				 el_new_file_subid(a->rel) > subid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot append events to \"%s\", which has got a new file since the savepoint",
						RelationGetRelationName(a->rel)),
				 errhint("Release the savepoint first, or call flush() before what makes a new file.")));
	return el_appender_owner(a, level);
}

/*
 * Append all that an entry holds, each batch under the xid of its owner, and
 * leave it empty.  The append lock is free between batches.
 */
static void
append_entry(Entry *e, CommandId cid, ElFlushed flushed, void *arg)
{
	ElPendingBatches *c = &e->pending;
	Range		range = {flushed, arg, -1, -1};
	ElAppender	a;
	int64		first;
	int32		count;

	if (el_pending_is_empty(c))
		return;

	if (!el_appender_open(&a, e->topic, e->partition, e->leaf))
	{
		/* as if el_buffer_forget() had been told at top level */
		el_pending_cut(c, &start);
		entry_appended(e);
		return;
	}

	/* the open batch is appended as it is, unless of several owners */
	if (e->mark >= 0 && buf.marks[e->mark].point.open_count > 0)
		seal_open(e, a.topic->options.compression);

	while (c->first < c->nsealed)
	{
		ElSealed   *s = &c->sealed[c->first];

		count = s->count;
		first = el_appender_append(&a, el_pending_load(s), s->len, count,
								   batch_owner(e, &a, c->first),
								   cid, -1);
		el_pending_appended_first(c);
		range_add(&range, e, first, count);
	}

	if (c->open.count > 0)
	{
		char	   *batch;
		uint32		len;

		count = c->open.count;
		batch = el_pending_finish(&c->open, a.topic->options.compression,
								  &len);
		first = el_appender_append(&a, batch, len, count,
								   batch_owner(e, &a, c->nsealed),
								   cid, -1);
		entry_appended(e);
		range_add(&range, e, first, count);
	}
	else
		entry_appended(e);

	Assert(el_pending_is_empty(c));
	el_pending_trim();
	range_end(&range, e);
	el_appender_close(&a);
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

	/* all subtransactions have ended: what is left is the top level's */
	Assert(GetCurrentTransactionNestLevel() == 1 && buf.nmarks == 0);
	if (buf.nentries == 0)
		return;

	work = AllocSetContextCreate(el_pending_context(), "eventlog append",
								 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(el_pending_context());
	order = palloc(buf.nentries * sizeof(EntrySize));
	for (i = 0; i < buf.nentries; i++)
	{
		Entry	   *e = buf.entries[i];

		if (el_pending_is_empty(&e->pending))
			continue;
		order[n].entry = e;
		order[n].size = el_pending_size(&e->pending);
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

	el_pending_close_file();
}

/* The transaction is over.  Cannot fail. */
static void
reset_buffer(void)
{
	el_lock_generation++;
	el_xact_generation++;

	el_pending_reset();
	el_appender_reset();
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
	Assert(GetCurrentTransactionNestLevel() >= 2);
	switch (event)
	{
		case SUBXACT_EVENT_ABORT_SUB:
			el_lock_generation++;
			abort_level(GetCurrentTransactionNestLevel());
			break;

		case SUBXACT_EVENT_COMMIT_SUB:
			commit_level(GetCurrentTransactionNestLevel(), parent);
			break;

		case SUBXACT_EVENT_START_SUB:
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			break;
	}
}


/*
 * For the rest of the extension
 */

/*
 * The record is copied.  May seal, compress and spill batches.  On error the
 * buffer is as it was, but for batches that are sealed or spilled by then.
 */
void
el_buffer_add(ElTopic *t, int32 partition, const ElRecord *r)
{
	Entry	   *e;
	size_t		bound = el_pending_check_size(r);

	if (unlikely(buf.at_once))
	{
		el_buffer_append_now(t, partition, r, 1, GetCurrentCommandId(true),
							 false);
		return;
	}

	e = get_entry(t, partition);
	if (unlikely(t->options.when_full == EL_REJECT) &&
		el_pending_is_empty(&e->pending))
		check_not_full(t, e, bound);
	leave_mark(e);

	/* a batch holds one event at least, however large */
	if (unlikely(el_pending_full(&e->pending, bound)))
		seal_open(e, t->options.compression);
	Assert(!el_pending_full(&e->pending, bound));
	el_pending_add(&e->pending, r);

	if (unlikely(el_pending_bytes > buf.relief_at))
		relieve_memory();
}

/*
 * Takes RowExclusiveLock on topic and partition.  On error what has been appended
 * stays on the log, under a (sub)transaction that is rolled back.
 */
int64
el_buffer_append_now(ElTopic *t, int32 partition, const ElRecord *records,
					 int nrecords, CommandId cid, bool explicit_offsets)
{
	Entry	   *e = get_entry(t, partition);
	ElBatchBuilder *b = &buf.builder;
	ElAppender	a;
	int64		result = -1;
	int			i = 0;

	Assert(nrecords > 0);

	/* what came before is appended before */
	append_entry(e, GetCurrentCommandId(true), NULL, NULL);

	if (!el_appender_open(&a, e->topic, partition, e->leaf))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("partition %d of topic \"%s\" does not exist",
						partition, t->name)));

	while (i < nrecords)
	{
		int			from = i;
		MemoryContext old;
		char	   *batch;
		uint32		len;
		int64		first;

		if (explicit_offsets && records[i].offset < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("event_offset must not be negative")));

		/* offset deltas are counted, so a gap in the offsets ends a batch */
		old = MemoryContextSwitchTo(el_pending_context());
		el_batch_begin(b);
		do
		{
			(void) el_pending_check_size(&records[i]);
			el_batch_add(b, &records[i]);
			i++;
		} while (i < nrecords &&
				 b->len + el_record_size_bound(&records[i]) <= EL_BATCH_TARGET &&
				 (!explicit_offsets ||
				  records[i].offset == records[i - 1].offset + 1));
		MemoryContextSwitchTo(old);

		batch = el_pending_finish(b, t->options.compression, &len);
		first = el_appender_append(&a, batch, len, i - from,
								   GetCurrentFullTransactionId(), cid,
								   explicit_offsets ? records[from].offset : -1);
		if (from == 0)
			result = first;
	}

	if (b->cap > EL_KEEP_BUFFER)
	{
		pfree(b->buf);
		memset(b, 0, sizeof(*b));
	}
	el_pending_trim();
	el_appender_close(&a);
	return result;
}

void
el_buffer_flush(Oid relid, ElFlushed flushed, void *arg)
{
	int			i;

	for (i = 0; i < buf.nentries; i++)
	{
		Entry	   *e = buf.entries[i];

		if (!OidIsValid(relid) || e->topic == relid || e->leaf == relid)
			append_entry(e, GetCurrentCommandId(true), flushed, arg);
	}
}

/*
 * At the top level there is nothing to come back to.  In a subtransaction the
 * batches are put aside in its mark; when an inner level has put some aside
 * already, commit_level() lets the outermost ones survive.
 */
void
el_buffer_forget(Oid leaf)
{
	Entry	   *e = find_entry(leaf);
	Mark	   *m;

	if (e == NULL)
		return;

	if (GetCurrentTransactionNestLevel() <= 1)
	{
		el_pending_clear(&e->pending);
		return;
	}

	leave_mark(e);
	m = &buf.marks[e->mark];
	el_pending_cut(&e->pending, &m->point);

	/* with batches put aside already, all there was since was cut off */
	if (m->saved == NULL)
	{
		ElPendingBatches *saved = MemoryContextAlloc(el_pending_context(),
													 sizeof(ElPendingBatches));

		*saved = e->pending;
		memset(&e->pending, 0, sizeof(e->pending));
		m->saved = saved;
		m->point = start;
	}
	Assert(el_pending_is_empty(&e->pending));
	assert_marks();
}
