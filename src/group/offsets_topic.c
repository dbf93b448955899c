/*-------------------------------------------------------------------------
 *
 * offsets_topic.c
 *	  The topic of committed offsets and start marks: finding and reading it.
 *
 * IDENTIFICATION
 *	  src/group/offsets_topic.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/hash.h"
#include "group/offset_text.h"
#include "group/offsets_topic.h"
#include "kafka/record.h"
#include "storage/cursor.h"
#include "storage/procarray.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/visibility.h"

ElInternalTopic el_offsets_internal = {"committed_offsets", "committed_offsets_p0"};

bool
el_offsets_relations(Oid *topic, Oid *leaf)
{
	return el_internal_relations(&el_offsets_internal, topic, leaf);
}

void
el_offsets_require_relations(Oid *topic, Oid *leaf)
{
	el_internal_require(&el_offsets_internal, topic, leaf);
}

/*
 * Reading the topic
 */

/* What an event says; next is -1 if it is a tombstone. */
typedef struct Event
{
	ElPartKey	key;
	int64		next;
	int64	   *starts;			/* of a mark; in the memory that was given */
} Event;

/* False if the event is neither a committed offset nor a start mark. */
static bool
parse_event(const ElRecord *rec, Event *event, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	bool		ok;
	int32		n = 0;

	event->next = -1;
	event->starts = NULL;
	ok = rec->key_len >= 0 &&
		el_offset_parse_key(rec->key, rec->key_len, &event->key);
	if (ok && rec->value_len >= 0)
	{
		if (event->key.partition != EL_MARK_PARTITION)
			ok = el_offset_parse_value(rec->value, rec->value_len, &event->next);
		else
		{
			ok = el_starts_parse(rec->value, rec->value_len, &event->starts, &n);
			event->next = n;
		}
	}
	MemoryContextSwitchTo(old);
	return ok;
}

/* The starts of an event take the place of others read before. */
static void
keep_starts(int64 **starts, const Event *event)
{
	if (*starts != NULL)
		pfree(*starts);
	*starts = NULL;
	if (event->starts != NULL)
	{
		*starts = palloc_array(int64, event->next);
		memcpy(*starts, event->starts, sizeof(int64) * event->next);
	}
}

/*
 * Another transaction has written to the key since: so the one that was found
 * undecided has ended, for it held the key's lock, or else its end invalidates
 * the cache.
 */
static void
settle_pending(ElOffset *o)
{
	TransactionId xid = XidFromFullTransactionId(o->pending_fxid);

	if (!TransactionIdIsCurrentTransactionId(xid) &&
		!TransactionIdIsInProgress(xid) && TransactionIdDidCommit(xid))
	{
		o->next = o->pending_next;
		o->version = o->pending_version;
		o->fxid = o->pending_fxid;
		o->starts = o->pending_starts;
		o->pending_starts = NULL;
	}
	o->pending_fxid = InvalidFullTransactionId;
	o->pending_next = o->pending_version = -1;
}

/* The first event of a group; NULL if the group is left out. */
static ElOffsetGroup *
add_group(ElOffsets *offsets, const char *name)
{
	ElOffsetGroup *g;
	bool		needed = offsets->needed != NULL &&
		hash_search(offsets->needed, name, HASH_FIND, NULL) != NULL;

	if (!needed && offsets->some_left_out && offsets->was_left_out(name))
		return NULL;
	g = hash_search(offsets->groups, name, HASH_ENTER, NULL);
	memset((char *) g + EL_NAME_SIZE, 0, sizeof(ElOffsetGroup) - EL_NAME_SIZE);
	g->needed = needed;
	if (offsets->last_group != NULL)
		offsets->last_group->next = g;
	else
		offsets->first_group = g;
	offsets->last_group = g;
	return g;
}

/* The first event of a key; NULL if its group is left out. */
static ElOffset *
add_offset(ElOffsets *offsets, const ElPartKey *key)
{
	ElOffsetGroup *g = el_offsets_of_group(offsets, key->group);
	ElOffset   *o;

	if (g == NULL)
		g = add_group(offsets, key->group);
	if (g == NULL)
		return NULL;
	o = hash_search(offsets->offsets, key, HASH_ENTER, NULL);
	memset((char *) o + sizeof(ElPartKey), 0, sizeof(ElOffset) - sizeof(ElPartKey));
	o->next = o->version = -1;
	o->pending_next = o->pending_version = -1;
	o->group = g;
	o->next_of_group = g->first;
	g->first = o;
	g->n++;
	if (!g->needed)
		offsets->unneeded++;
	return o;
}

static int
compare_groups(const void *a, const void *b)
{
	int64		x = (*(ElOffsetGroup *const *) a)->last;
	int64		y = (*(ElOffsetGroup *const *) b)->last;

	return x > y ? -1 : x < y;
}

void
el_offsets_sort_groups(ElOffsets *offsets)
{
	int64		n = hash_get_num_entries(offsets->groups);
	ElOffsetGroup **sorted;
	ElOffsetGroup *g;
	int64		i = 0;

	if (n == 0)
		return;
	sorted = MemoryContextAllocHuge(offsets->mcxt, sizeof(ElOffsetGroup *) * n);
	for (g = offsets->first_group; g != NULL; g = g->next)
		sorted[i++] = g;
	Assert(i == n);
	qsort(sorted, n, sizeof(ElOffsetGroup *), compare_groups);
	for (i = 0; i < n; i++)
		sorted[i]->next = i + 1 < n ? sorted[i + 1] : NULL;
	offsets->first_group = sorted[0];
	offsets->last_group = sorted[n - 1];
	pfree(sorted);
}

static void
leave_out(ElOffsets *offsets, ElOffsetGroup *g)
{
	ElOffset   *next;

	offsets->leave_out(g->name);
	offsets->unneeded -= g->n;
	for (ElOffset *o = g->first; o != NULL; o = next)
	{
		next = o->next_of_group;
		if (o->starts != NULL)
			pfree(o->starts);
		if (o->pending_starts != NULL)
			pfree(o->pending_starts);
		hash_search(offsets->offsets, &o->key, HASH_REMOVE, NULL);
	}
	hash_search(offsets->groups, g->name, HASH_REMOVE, NULL);
}

/* There are too many. */
static void
leave_out_some(ElOffsets *offsets)
{
	int64		kept = 0;
	ElOffsetGroup *next;
	ElOffsetGroup *g;

	el_offsets_sort_groups(offsets);
	offsets->some_left_out = true;
	g = offsets->first_group;
	offsets->first_group = offsets->last_group = NULL;
	for (; g != NULL; g = next)
	{
		CHECK_FOR_INTERRUPTS();
		next = g->next;
		if (!g->needed && kept + g->n > offsets->limit)
		{
			leave_out(offsets, g);
			continue;
		}
		kept += g->needed ? 0 : g->n;
		g->next = NULL;
		if (offsets->last_group != NULL)
			offsets->last_group->next = g;
		else
			offsets->first_group = g;
		offsets->last_group = g;
	}
}

/* The event is the latest of its key that was read so far. */
static void
note_event(ElOffsets *offsets, const Event *event, const ElReader *r,
		   const ElRecord *rec, bool pending)
{
	ElOffset   *o = hash_search(offsets->offsets, &event->key, HASH_FIND, NULL);

	if (o == NULL)
		o = add_offset(offsets, &event->key);
	if (o == NULL)
		return;
	o->group->last = rec->offset;
	if (FullTransactionIdIsValid(o->pending_fxid) &&
		!FullTransactionIdEquals(o->pending_fxid, r->fxid))
		settle_pending(o);
	if (pending)
	{
		o->pending_fxid = r->fxid;
		o->pending_next = event->next;
		o->pending_version = rec->offset;
		keep_starts(&o->pending_starts, event);
	}
	else
	{
		o->next = event->next;
		o->version = rec->offset;
		o->time_ms = rec->timestamp;
		o->fxid = r->fxid;
		keep_starts(&o->starts, event);
	}
	if (offsets->limit >= 0 && offsets->unneeded > 2 * offsets->limit)
		leave_out_some(offsets);
}

static bool
is_wanted(const ElOffsets *offsets, const ElPartKey *key)
{
	return (offsets->only_group == NULL ||
			strcmp(offsets->only_group, key->group) == 0) &&
		(offsets->only_topic == NULL ||
		 memcmp(offsets->only_topic, &key->uuid, UUID_LEN) == 0) &&
		(offsets->stripes == 0 ||
		 hash_bytes((const unsigned char *) key->group,
					strlen(key->group)) % offsets->stripes == offsets->stripe);
}

static void
read_events(ElOffsets *offsets, ElReader *r, MemoryContext cxt)
{
	ElRecord	rec;

	while (el_reader_next(r, &rec))
	{
		Event		event;
		bool		pending;

		CHECK_FOR_INTERRUPTS();
		if (r->state == EL_BATCH_ABORTED)
			continue;
		pending = r->state == EL_BATCH_IN_PROGRESS ||
			(offsets->all && r->state == EL_BATCH_OWN);
		if (!parse_event(&rec, &event, cxt))
			ereport(rec.offset >= offsets->warn_from ? WARNING : DEBUG1,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("ignoring event %lld of \"%s.committed_offsets\", which is no committed offset",
							(long long) rec.offset, EL_INTERNAL_SCHEMA)));
		else if (is_wanted(offsets, &event.key))
			note_event(offsets, &event, r, &rec, pending);
		MemoryContextReset(cxt);
	}
}

void
el_offsets_read_on(ElOffsets *offsets, Snapshot snapshot)
{
	MemoryContext old = MemoryContextSwitchTo(offsets->mcxt);
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "eventlog offset text",
											  ALLOCSET_DEFAULT_SIZES);
	Oid			topic;
	Oid			leaf;
	Relation	rel;
	ElReader   *r;

	el_offsets_require_relations(&topic, &leaf);
	rel = table_open(leaf, AccessShareLock);
	r = el_reader_begin(rel, snapshot, offsets->all ? EL_READ_ALL : EL_READ_MVCC);
	if (r->info.exists &&
		el_reader_seek(r, Max(offsets->end, r->info.log_start)) != EL_SEEK_AT_END)
		read_events(offsets, r, cxt);
	offsets->end = Max(offsets->end, r->info.log_end);
	el_reader_end(r);
	table_close(rel, AccessShareLock);
	MemoryContextDelete(cxt);
	MemoryContextSwitchTo(old);
}

ElOffsets *
el_offsets_begin(bool all, int64 from)
{
	ElOffsets  *offsets = palloc0_object(ElOffsets);
	HASHCTL		ctl = {
		.keysize = EL_NAME_SIZE,
		.entrysize = sizeof(ElOffsetGroup),
		.hcxt = CurrentMemoryContext
	};

	offsets->offsets = el_hash_create("eventlog committed offsets", 256,
									  sizeof(ElPartKey), sizeof(ElOffset),
									  CurrentMemoryContext);
	offsets->groups = hash_create("eventlog groups", 256, &ctl,
								  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	offsets->all = all;
	offsets->end = from;
	offsets->limit = -1;
	offsets->warn_from = PG_INT64_MAX;
	offsets->mcxt = CurrentMemoryContext;
	return offsets;
}

ElOffsets *
el_offsets_read(Snapshot snapshot, bool all, const char *only_group,
				const pg_uuid_t *only_topic)
{
	ElOffsets  *offsets = el_offsets_begin(all, 0);

	offsets->only_group = only_group;
	offsets->only_topic = only_topic;
	el_offsets_read_on(offsets, snapshot);
	return offsets;
}

static int
compare_offsets(const void *a, const void *b)
{
	const ElPartKey *x = &(*(ElOffset *const *) a)->key;
	const ElPartKey *y = &(*(ElOffset *const *) b)->key;
	int			c = memcmp(&x->uuid, &y->uuid, UUID_LEN);

	return c != 0 ? c : x->partition - y->partition;
}

void
el_offsets_sort_group(ElOffsetGroup *og)
{
	ElOffset  **sorted;
	ElOffset   *o;
	int			n = 0;
	int			i = 0;

	for (o = og->first; o != NULL; o = o->next_of_group)
		n++;
	if (n < 2)
		return;
	sorted = palloc_array(ElOffset *, n);
	for (o = og->first; o != NULL; o = o->next_of_group)
		sorted[i++] = o;
	qsort(sorted, n, sizeof(ElOffset *), compare_offsets);
	for (i = 0; i < n; i++)
		sorted[i]->next_of_group = i + 1 < n ? sorted[i + 1] : NULL;
	og->first = sorted[0];
	pfree(sorted);
}

ElOffsetGroup *
el_offsets_of_group(const ElOffsets *offsets, const char *group)
{
	return hash_search(offsets->groups, group, HASH_FIND, NULL);
}
