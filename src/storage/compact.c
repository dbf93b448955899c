/*-------------------------------------------------------------------------
 *
 * compact.c
 *	  Compaction: of each key only the last event stays.
 *
 * The first segments of a log, up to some boundary, are replaced by fewer:
 *
 * 1. The keys between what was compacted before and the boundary are read into
 *	  memory, each with its last offset; when maintenance_work_mem is full, the
 *	  boundary is there.
 * 2. Everything up to the boundary is read again, and what survives is written
 *	  to new extents, offsets, times, headers and order unchanged, as batches that have gaps.
 * 3. One WAL record puts the new extents into the directory, as the last
 *	  segments before the boundary.  The log start stays.
 *
 * Nobody is kept from appending or reading: until the third step no page of
 * the log has changed, and that step takes the append lock for a few
 * directory pages.  Readers that are on their way in the old extents find them as
 * they were until they are written again, and then that the page has another
 * tag (page.h); they go on at their offset.
 *
 * What goes and what stays
 *	  Only batches that VACUUM has settled are touched: every transaction sees
 *	  them, so the event that takes an older one's place is visible to every
 *	  transaction that could see the older one.  Queries on a standby may be older
 *	  than that; they are cancelled, as by VACUUM of a heap.  The segment of the tail is never touched.
 *	  Aborted batches and events without a key go.  A tombstone stays until its
 *	  delete horizon: delete_retention after it was first met here (KIP-534).
 *	  The last committed event stays whatever it is, for the reason given in
 *	  retention.c.
 *
 * Space
 *	  New extents come from what earlier compactions left behind: an extent
 *	  that is neither in the directory nor behind the end of what was ever
 *	  given out is free, and needs no list.  So an error or a crash half-way leaves
 *	  nothing that would have to be cleaned up.  After those, trimmed ones are
 *	  taken, and then the file is extended.  Should what survives need more
 *	  segments than there were, because it was packed more tightly before,
 *	  nothing is replaced, and it is noted up to where that was so.
 *
 * LOCKING
 *	  The caller holds ShareUpdateExclusiveLock: no VACUUM, no second compaction.
 *	  While there is output, its extents are in no entry, and el_unlisted_lock()
 *	  keeps appends from taking them.
 *
 * IDENTIFICATION
 *	  src/storage/compact.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "base/extension.h"
#include "storage/compact.h"
#include "storage/extent.h"
#include "storage/keymap.h"
#include "storage/log.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/segment.h"
#include "storage/wal.h"

/* Directory pages that one record can change. */
#define MAX_PAGES	30

/* Events between two looks at whether another backend waits for our lock. */
#define RECORDS_PER_YIELD 4096

typedef struct Compaction
{
	Relation	rel;
	const ElCompaction *policy;
	ElMeta	   *meta;			/* a copy, as of the beginning */
	int64		now;
	uint64		end_seg;		/* the boundary */
	uint32		gen;
	ElKeyMap   *keys;
	int64		last_offset;	/* of the last committed event before the
								 * boundary */
	uint64		max_fxid;		/* greatest of what is replaced */
	int64		tombstones_due;
	int64		nkept;			/* events that stay */

	/* output: a stream of its own, put in its place at the end */
	ElBatchBuilder builder;
	ElScratch	scratch;
	uint64		fxid;			/* greatest in the open batch */
	int32		leader_epoch;	/* of the open batch */
	ElCodec		codec;			/* strongest in the open batch; gzip and
								 * Snappy, the weakest, make it plain */
	uint64		pos;
	int64		seg_time;		/* greatest event time in the segment at hand */
	uint32		time_page;		/* page in that segment that was the first to
								 * reach seg_time */
	int			nsegments;
	int			max_segments;
	ElSegment  *segments;		/* segments written so far; prev_end is a
								 * position in the output stream until
								 * switch_to_output() adds the offset of the
								 * first segment */
	List	   *free;			/* first blocks of unlisted extents */
	BlockNumber nblocks;		/* the file has at least that many */
	uint64		page_no;		/* page at hand, of the output; PG_UINT64_MAX:
								 * none */
	PGAlignedBlock page;
	bool		in_vain;		/* it would take more segments than it
								 * replaces */
} Compaction;

/* Extents that nothing refers to. */
static void
find_free_extents(Compaction *c)
{
	Buffer		metabuf = el_meta_lock(c->rel, NULL);
	ElMeta	   *meta = ElPageGetMeta(BufferGetPage(metabuf));
	int			n;
	ElBlocks   *runs = el_unlisted_blocks(c->rel, meta, meta->reuse_seg,
										  meta->alloc_seg, NULL, &n);

	UnlockReleaseBuffer(metabuf);
	for (int i = 0; i < n; i++)
	{
		ElBlocks   *run = &runs[i];

		for (; run->end - run->begin >= c->meta->seg_pages; run->begin += c->meta->seg_pages)
			c->free = lappend_int(c->free, (int) run->begin);
	}
	pfree(runs);
}

/* An extent for the output. */
static BlockNumber
take_output_extent(Compaction *c)
{
	BlockNumber unlisted = c->free == NIL ? InvalidBlockNumber :
		(BlockNumber) linitial_int(c->free);
	BlockNumber block = el_extent_take(c->rel, unlisted);

	if (block == unlisted)
		c->free = list_delete_first(c->free);
	return block;
}

/*
 * Output
 */

/*
 * Write the page at hand, if there is one.  The file is extended in steps, each of
 * them under the append lock.
 */
static void
write_output_page(Compaction *c)
{
	uint32		seg = c->page_no / c->meta->seg_pages;
	BlockNumber block;
	Buffer		buffer;
	Page		page = c->page.data;

	if (c->page_no == PG_UINT64_MAX)
		return;
	block = c->segments[seg].first_block + c->page_no % c->meta->seg_pages;
	Assert(seg < c->nsegments);
	Assert(block != EL_META_BLOCK);
	ElPageGetSpecial(page)->page_no =
		el_page_tag(EL_SEGMENT_FLAGS(0, c->gen, 0), block, 0);
	el_page_seal(page);
	while (c->nblocks <= block)
	{
		c->nblocks = el_log_blocks(c->rel);
		if (c->nblocks <= block)
		{
			Buffer		metabuf = el_meta_lock(c->rel, NULL);

			el_extend_to(c->rel, metabuf, Min(c->nblocks, block),
						 c->segments[seg].first_block + c->meta->seg_pages - 1);
			UnlockReleaseBuffer(metabuf);
		}
	}
	buffer = ReadBufferExtended(c->rel, MAIN_FORKNUM, block, RBM_ZERO_AND_LOCK,
								NULL);
	START_CRIT_SECTION();
	memcpy(BufferGetPage(buffer), page, BLCKSZ);
	el_wal_log_page(c->rel, buffer);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
	c->page_no = PG_UINT64_MAX;
}

static void
begin_output_segment(Compaction *c, int64 base_offset, bool continues)
{
	ElSegment  *s;

	if (c->nsegments == c->max_segments)
	{
		c->max_segments *= 2;
		c->segments = repalloc(c->segments, c->max_segments * sizeof(ElSegment));
	}
	Assert(c->pos <= EL_PAGE_POS((uint64) c->nsegments * c->meta->seg_pages));
	s = &c->segments[c->nsegments++];
	s->base_offset = base_offset;
	s->prev_end = c->pos;
	s->prev_max_time = c->seg_time;
	s->first_block = take_output_extent(c);
	s->flags = EL_SEGMENT_FLAGS(continues ? EL_SEGMENT_CONTINUES : 0, c->gen, c->gen);
	c->seg_time = EL_MIN_TIME;
	c->time_page = 0;
}

/* Append the open batch to the output, by the rules of append.c. */
static void
write_output_batch(Compaction *c)
{
	uint64		seg_data = EL_PAGE_POS(c->meta->seg_pages);
	xl_el_append rec = {0};
	ElEnvelope *env;
	char	   *bytes;
	char	   *batch;
	size_t		len;
	uint64		done = 0;

	if (c->builder.count == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	batch = el_batch_finish(&c->builder, c->codec, &c->scratch, &len);
	el_batch_set_leader_epoch(batch, c->leader_epoch);
	rec.space = EL_BATCH_SPACE(len);
	rec.base_offset = c->builder.base_offset;
	bytes = palloc0(rec.space);
	env = (ElEnvelope *) bytes;
	env->fxid = c->fxid;
	env->length = len;
	env->magic = EL_ENVELOPE_MAGIC;
	env->flags = EL_SETTLED | EL_HINT_COMMITTED;
	env->crc = el_envelope_crc(env, batch);
	memcpy(env + 1, batch, len);

	rec.batch_pos = el_batch_begin_pos(c->pos);
	if (rec.batch_pos + rec.space > c->nsegments * seg_data)
	{
		c->in_vain = (c->nsegments + (rec.space + seg_data - 1) / seg_data) >
			c->end_seg - c->meta->first_seg;
		if (c->in_vain)
			return;
		rec.batch_pos = c->nsegments * seg_data;
		begin_output_segment(c, rec.base_offset, false);
	}
	if (c->builder.max_timestamp > c->seg_time)
	{
		c->seg_time = c->builder.max_timestamp;
		c->time_page = EL_POS_PAGE(rec.batch_pos) % c->meta->seg_pages;
	}
	Assert(rec.batch_pos >= c->pos);
	rec.max_time = c->seg_time;
	rec.time_page = c->time_page;

	while (done < rec.space)
	{
		uint64		at = rec.batch_pos + done;
		uint32		byte = EL_POS_BYTE(at);
		uint32		n = Min(EL_PAGE_DATA - byte, rec.space - done);
		uint32		index = EL_POS_PAGE(at) - EL_POS_PAGE(rec.batch_pos);
		xl_el_append_mark mark;

		if (at == c->nsegments * seg_data)
		{
			c->pos = at;
			begin_output_segment(c, rec.base_offset, true);
			c->seg_time = rec.max_time = c->builder.max_timestamp;
		}
		if (EL_POS_PAGE(at) != c->page_no)
		{
			write_output_page(c);
			c->page_no = EL_POS_PAGE(at);
		}
		mark = el_append_mark_of_one(&rec, index);
		memcpy(el_apply_append_page(c->page.data, &rec, &mark, index, n, byte == 0),
			   bytes + done, n);
		done += n;
	}
	c->pos = rec.batch_pos + rec.space;
	Assert(c->pos <= c->nsegments * seg_data);
	c->fxid = 0;
	c->codec = c->policy->codec;
	pfree(bytes);
	el_batch_begin_sparse(&c->builder);
}

static void
write_output_record(Compaction *c, const ElReader *r, const ElRecord *rec, int64 horizon)
{
	ElBatchBuilder *b = &c->builder;

	if (b->count > 0 &&
		(b->len + el_record_size_bound(rec) > EL_BATCH_TARGET ||
		 rec->offset - b->base_offset > PG_INT32_MAX - 1 ||
		 r->header.leader_epoch != c->leader_epoch ||
		 (horizon != 0 && horizon != b->delete_horizon)))
	{
		write_output_batch(c);
		if (c->in_vain)
			return;
	}
	if (b->count == 0)
		b->delete_horizon = horizon;

	/*
	 * one that is over by now is the last event, and has to wait for another,
	 * not for a time
	 */
	if (horizon > c->now && (c->tombstones_due == 0 || horizon < c->tombstones_due))
		c->tombstones_due = horizon;
	el_batch_add(b, rec);
	c->nkept++;
	c->leader_epoch = r->header.leader_epoch;
	c->fxid = Max(c->fxid, r->fxid.value);
	c->codec = Max(c->codec, r->header.attributes & EL_ATTR_CODEC_MASK);
}

/*
 * Input
 */
typedef void (*RecordFn) (Compaction *c, const ElReader *r, const ElRecord *rec);

/*
 * Offset of the first event in a segment that begins with a batch, or of the first
 * there is; -1 if retention has freed it meanwhile.
 */
static int64
first_offset_of(const Compaction *c, uint64 seg)
{
	ElDirectory *dir;
	ElSegment  *entry;
	int64		offset;

	if (seg <= c->meta->first_seg)
		return c->meta->log_start;
	dir = el_directory_new();
	entry = el_directory_entry(c->rel, c->meta, dir, seg);
	offset = entry != NULL ? entry->base_offset : -1;
	pfree(dir);
	return offset;
}

/*
 * Call fn for each committed event in segments from .. end - 1.  False: not for
 * all of them, because another backend waits for our lock, because retention was
 * faster, or because it is in vain.
 */
static bool
for_each_record(Compaction *c, uint64 from, uint64 end, RecordFn fn)
{
	ElReader   *r = el_reader_begin(c->rel, NULL, EL_READ_STABLE);
	int64		start = first_offset_of(c, from);
	int64		limit = first_offset_of(c, end);
	ElRecord	rec;
	uint32		n = 0;
	bool		goes_on = start >= 0 && limit >= 0;

	r->strategy = GetAccessStrategy(BAS_BULKREAD);
	if (goes_on)
		(void) el_reader_seek(r, start);
	while (goes_on && !c->in_vain && el_reader_next(r, &rec) && rec.offset < limit)
	{
		if (n++ % RECORDS_PER_YIELD == 0)
		{
			CHECK_FOR_INTERRUPTS();
			goes_on = c->policy->may_go_on == NULL ||
				c->policy->may_go_on(c->rel);
		}
		fn(c, r, &rec);
	}
	if (goes_on && !c->in_vain && r->stopped && r->position < limit)
		elog(ERROR, "batch at offset " INT64_FORMAT " of \"%s\" is not settled",
			 r->position, RelationGetRelationName(c->rel));
	FreeAccessStrategy(r->strategy);
	r->strategy = NULL;
	el_reader_end(r);
	return goes_on && !c->in_vain;
}

static void
note_key(Compaction *c, const ElReader *r, const ElRecord *rec)
{
	Assert(rec->offset > c->last_offset);
	if (rec->key_len >= 0)
		el_keymap_put(c->keys, rec->key, rec->key_len, rec->offset);
	c->last_offset = rec->offset;
	c->max_fxid = Max(c->max_fxid, r->fxid.value);
}

static void
note_last(Compaction *c, const ElReader *r, const ElRecord *rec)
{
	c->last_offset = rec->offset;
}

static void
keep_survivor(Compaction *c, const ElReader *r, const ElRecord *rec)
{
	int64		horizon = 0;

	Assert(rec->offset <= c->last_offset);
	c->max_fxid = Max(c->max_fxid, r->fxid.value);
	if (rec->value_len < 0 && c->policy->delete_retention_ms >= 0)
		horizon = (r->header.attributes & EL_ATTR_DELETE_HORIZON) ?
			r->header.base_timestamp : c->now + c->policy->delete_retention_ms;
	if (rec->offset != c->last_offset &&
		(rec->key_len < 0 ||
		 el_keymap_get(c->keys, rec->key, rec->key_len) > rec->offset ||
		 (horizon != 0 && horizon <= c->now)))
		return;
	write_output_record(c, r, rec, horizon);
}

/* The keys up to the boundary, which moves down if they are too many. */
static bool
read_keys(Compaction *c, uint64 from)
{
	uint64		wanted = c->end_seg;

	c->keys = el_keymap_create();
	c->end_seg = from;
	while (c->end_seg < wanted &&
		   (c->end_seg == from ||
			el_keymap_size(c->keys) < (Size) maintenance_work_mem * 1024))
	{
		/* not in the middle of a batch */
		uint64		end = el_segment_boundary(c->rel, c->end_seg + 1, wanted);

		if (!for_each_record(c, c->end_seg, end, note_key))
			return false;
		c->end_seg = end;
	}
	return true;
}

/*
 * The new segments take their place, as the last ones before the boundary.
 * Metapage and directory pages are locked exclusively, all at a time.  Returns
 * bytes of segments freed.
 */
static int64
switch_to_output(Compaction *c)
{
	uint64		k = c->nsegments;
	int64		compacted_end = first_offset_of(c, c->end_seg);
	uint64		first = c->end_seg - k;
	uint64		first_directory = EL_DIRECTORY_NO(first);
	int			npages = EL_DIRECTORY_NO(c->end_seg) - first_directory + 1;
	Buffer		buffers[MAX_PAGES];
	Buffer		metabuf = el_meta_lock(c->rel, NULL);
	ElMeta	   *meta = ElPageGetMeta(BufferGetPage(metabuf));
	xl_el_compact rec = {0};
	int64		freed;

	if (meta->first_seg != c->meta->first_seg)
	{
		/* retention was faster; what was written is left behind */
		UnlockReleaseBuffer(metabuf);
		return 0;
	}
	/* no more segments than there were, all of them closed and settled */
	Assert(k <= c->end_seg - meta->first_seg);
	Assert(c->end_seg < meta->end_seg);
	Assert(npages <= MAX_PAGES);
	Assert(meta->compactions == c->meta->compactions);
	freed = (int64) (first - meta->first_seg) * meta->seg_pages * BLCKSZ;

	rec.first_seg = first;
	rec.end_seg = c->end_seg;
	rec.compactions = meta->compactions + 1;
	rec.tombstones_due = c->tombstones_due;
	rec.conflict_fxid = c->max_fxid;
	rec.compacted_end = compacted_end;
	rec.removed = el_removed_from(compacted_end - c->meta->log_start - c->nkept,
								  c->meta->log_start, compacted_end, meta->log_start);

	/*
	 * what is there of the segment before the boundary, for the entry behind
	 * it
	 */
	rec.prev_end = k > 0 ? EL_PAGE_POS(first * meta->seg_pages) + c->pos :
		EL_PAGE_POS((c->end_seg - 1) * meta->seg_pages);
	rec.prev_max_time = k > 0 ? c->seg_time : EL_MIN_TIME;
	rec.gen = c->gen;
	if (k > 0)
		c->segments[0].base_offset = Min(c->segments[0].base_offset, meta->log_start);
	for (uint64 i = 0; i < k; i++)
		c->segments[i].prev_end = i == 0 ? EL_PAGE_POS((Max(first, 1) - 1) * meta->seg_pages) :
			EL_PAGE_POS(first * meta->seg_pages) + c->segments[i].prev_end;

	for (int i = 0; i < npages; i++)
	{
		buffers[i] = ReadBuffer(c->rel,
								ElMetaRoot(meta, first_directory + i));
		LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
		Assert(ElPageGetSpecial(BufferGetPage(buffers[i]))->page_no ==
			   first_directory + i);
	}
	XLogEnsureRecordSpace(npages + 1, 8);

	START_CRIT_SECTION();
	for (int i = 0; i < npages; i++)
	{
		el_apply_compact_directory(BufferGetPage(buffers[i]), &rec, c->segments);
		MarkBufferDirty(buffers[i]);
	}
	el_apply_compact_meta(BufferGetPage(metabuf), &rec);
	MarkBufferDirty(metabuf);
	if (RelationNeedsWAL(c->rel))
	{
		XLogRecPtr	lsn;

		XLogBeginInsert();
		XLogRegisterData((char *) &rec, sizeof(rec));
		if (k > 0)
			XLogRegisterData((char *) c->segments, k * sizeof(ElSegment));
		XLogRegisterBuffer(0, metabuf, REGBUF_STANDARD);
		for (int i = 0; i < npages; i++)
			XLogRegisterBuffer(i + 1, buffers[i], REGBUF_STANDARD);
		lsn = XLogInsert(EL_RMGR_ID, XLOG_EL_COMPACT);
		PageSetLSN(BufferGetPage(metabuf), lsn);
		for (int i = 0; i < npages; i++)
			PageSetLSN(BufferGetPage(buffers[i]), lsn);
	}
	END_CRIT_SECTION();
	for (int i = 0; i < npages; i++)
		UnlockReleaseBuffer(buffers[i]);
	UnlockReleaseBuffer(metabuf);
	return freed;
}

static bool
write_survivors(Compaction *c)
{
	find_free_extents(c);
	el_batch_begin_sparse(&c->builder);
	c->codec = c->policy->codec;
	if (!for_each_record(c, c->meta->first_seg, c->end_seg, keep_survivor))
		return false;
	write_output_batch(c);
	write_output_page(c);
	return !c->in_vain;
}

/*
 * Note on the metapage that nothing was saved, so that it is tried again when
 * there is more, and not every round.
 */
static void
note_in_vain(Compaction *c)
{
	Buffer		metabuf = el_meta_lock(c->rel, NULL);
	ElMeta	   *meta = ElPageGetMeta(BufferGetPage(metabuf));

	Assert(c->end_seg >= meta->clean_seg);
	START_CRIT_SECTION();
	meta->unshrinkable_segs = c->end_seg - meta->clean_seg;
	/* those that may go later are a reason to try again, then */
	if (meta->tombstones_due <= c->now)
		meta->tombstones_due = 0;
	el_page_seal(BufferGetPage(metabuf));
	AssertMeta(BufferGetPage(metabuf));
	el_wal_log_page(c->rel, metabuf);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(metabuf);
}

/* Is there enough that was not compacted before, or a tombstone to go? */
static bool
compaction_is_due(const Compaction *c)
{
	ElLogInfo	info;

	if (c->end_seg <= c->meta->first_seg)
		return false;
	if (c->meta->tombstones_due != 0 && c->meta->tombstones_due <= c->now)
		return true;
	el_meta_to_info(c->meta, &info);
	if (c->policy->always)
		return Max(info.tried_seg, info.first_seg) < c->end_seg;
	/* as if what may be compacted now were all */
	info.end_seg = c->end_seg + 1;
	return el_compaction_due(&info);
}

/*
 * Returns bytes of segments freed; 0 if it was not due, if it would not save a
 * segment, if another backend waits for our lock, or if retention was faster.
 * The caller holds ShareUpdateExclusiveLock and no content lock.  Errors leave
 * the log as it was.  Memory: maintenance_work_mem for the keys, in a context of
 * its own.
 */
int64
el_log_compact(Relation rel, const ElCompaction *policy)
{
	PGAlignedBlock copy;
	Compaction *c;
	MemoryContext mcxt;
	MemoryContext old;
	int64		freed = 0;

	Assert(CheckRelationLockedByMe(rel, ShareUpdateExclusiveLock, true));
	el_require_preload();
	if (!el_meta_read(rel, copy.data))
		return 0;

	mcxt = AllocSetContextCreate(CurrentMemoryContext, "eventlog compaction",
								 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	c = palloc0(sizeof(Compaction));
	c->rel = rel;
	c->policy = policy;
	c->meta = ElPageGetMeta(copy.data);
	c->now = policy->now_ms;
	c->last_offset = -1;
	c->gen = c->meta->compactions % EL_MAX_GENERATION + 1;
	c->page_no = PG_UINT64_MAX;
	c->max_segments = 16;
	c->segments = palloc(c->max_segments * sizeof(ElSegment));
	c->seg_time = EL_MIN_TIME;

	/* settled, closed, and no more than one record can change */
	c->end_seg = Min(c->meta->settled_pos / EL_PAGE_POS(c->meta->seg_pages),
					 Max(c->meta->end_seg, 1) - 1);
	c->end_seg = Min(c->end_seg, c->meta->first_seg +
					 (MAX_PAGES - 2) * EL_DIRECTORY_SEGMENTS);
	while (c->end_seg > c->meta->first_seg &&
		   el_segment_boundary(rel, c->end_seg, c->end_seg + 1) != c->end_seg)
		c->end_seg--;
	if (compaction_is_due(c))
	{
		uint64		clean = Max(c->meta->clean_seg, c->meta->first_seg);

		/*
		 * only tombstones to go: the last segment tells which event is the
		 * last
		 */
		while (clean > c->meta->first_seg &&
			   (clean >= c->end_seg ||
				el_segment_boundary(rel, clean, clean + 1) != clean))
			clean--;
		/* if all that is new was aborted, the last event is an old one */
		if (read_keys(c, clean) &&
			(c->last_offset >= 0 ||
			 for_each_record(c, c->meta->first_seg, clean, note_last)))
		{
			el_unlisted_lock(rel);
			if (write_survivors(c))
				freed = switch_to_output(c);
			el_unlisted_unlock(rel);
		}
		if (c->in_vain)
			note_in_vain(c);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
	return freed;
}
