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
#include "catalog/namespace.h"
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
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/visibility.h"

/*
 * Relations
 *
 * Asked for by each transaction that appends.  What was found is right until a
 * table or schema comes, goes or is renamed.
 */
static uint64 relation_changes = 1;

void
el_offsets_forget_relations(Datum arg, int cacheid, uint32 hashvalue)
{
	relation_changes++;
}

bool
el_offsets_relations(Oid *topic, Oid *leaf)
{
	static uint64 found_at = 0;
	static Oid	found_topic;
	static Oid	found_leaf;

	if (found_at != relation_changes)
	{
		/*
		 * invalidations may arrive during the lookups, and a lookup may
		 * raise: note the counter first
		 */
		uint64		changes = relation_changes;
		Oid			schema = get_namespace_oid(EL_INTERNAL_SCHEMA, true);

		found_topic = found_leaf = InvalidOid;
		if (OidIsValid(schema))
		{
			found_topic = get_relname_relid("committed_offsets", schema);
			found_leaf = get_relname_relid("committed_offsets_p0", schema);
		}
		found_at = changes;
	}
	*topic = found_topic;
	*leaf = found_leaf;
	return OidIsValid(found_topic) && OidIsValid(found_leaf);
}

void
el_offsets_require_relations(Oid *topic, Oid *leaf)
{
	if (!el_offsets_relations(topic, leaf))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.committed_offsets\" does not exist",
						EL_INTERNAL_SCHEMA),
				 errhint("CREATE EXTENSION eventlog makes it.")));
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

/* The event is the latest of its key that was read so far. */
static void
note_event(HTAB *offsets, const Event *event, const ElReader *r,
		   const ElRecord *rec, bool pending)
{
	bool		found;
	ElOffset   *o = hash_search(offsets, &event->key, HASH_ENTER, &found);

	if (!found)
	{
		o->next = o->version = -1;
		o->starts = o->pending_starts = NULL;
		o->time_ms = 0;
		o->fxid = InvalidFullTransactionId;
		o->pending_fxid = InvalidFullTransactionId;
		o->pending_next = o->pending_version = -1;
	}
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
}

HTAB *
el_offsets_scan(Snapshot snapshot, bool all)
{
	HTAB	   *offsets;
	MemoryContext cxt;
	Oid			topic;
	Oid			leaf;
	Relation	rel;
	ElReader   *r;
	ElRecord	rec;

	offsets = el_hash_create("eventlog committed offsets", 256,
							 sizeof(ElPartKey), sizeof(ElOffset),
							 CurrentMemoryContext);

	cxt = AllocSetContextCreate(CurrentMemoryContext, "eventlog offset text",
								ALLOCSET_DEFAULT_SIZES);
	el_offsets_require_relations(&topic, &leaf);
	rel = table_open(leaf, AccessShareLock);
	r = el_reader_begin(rel, snapshot, all ? EL_READ_ALL : EL_READ_MVCC);
	if (r->info.exists)
		(void) el_reader_seek(r, r->info.log_start);

	while (r->info.exists && el_reader_next(r, &rec))
	{
		Event		event;
		bool		pending;

		CHECK_FOR_INTERRUPTS();
		if (r->state == EL_BATCH_ABORTED)
			continue;
		pending = r->state == EL_BATCH_IN_PROGRESS ||
			(all && r->state == EL_BATCH_OWN);
		if (parse_event(&rec, &event, cxt))
			note_event(offsets, &event, r, &rec, pending);
		else
			ereport(WARNING,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("ignoring event %lld of \"%s.committed_offsets\", which is no committed offset",
							(long long) rec.offset, EL_INTERNAL_SCHEMA)));
		MemoryContextReset(cxt);
	}
	el_reader_end(r);
	table_close(rel, AccessShareLock);
	MemoryContextDelete(cxt);
	return offsets;
}
