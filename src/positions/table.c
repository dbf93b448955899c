/*-------------------------------------------------------------------------
 *
 * table.c
 *	  Positions in shared memory: a cache of the internal topic "positions".
 *
 * Nothing here but the entries of entry.h, by a key's hash and the topic's file, for
 * TRUNCATE and VACUUM FULL make another one.  All of it may be forgotten at any time:
 * who asks holds the key's lock, so what the topic says of it is decided.
 *
 * A key that is not in the table is looked for in the topic, in one pass that takes in all
 * others it meets.  If there was room for all of them, the file is "complete": what is not in the
 * table then is nowhere.  Who appends enters the position after its append and before its
 * transaction ends, so that what a pass has missed is there.  A pass that ran while
 * entries were evicted takes in only the key it was made for: another's could have been entered
 * and evicted behind it.
 *
 * A generation, and the time of the last restore, is a database's.  Databases whose OIDs are
 * the same modulo NGENERATIONS share one: that costs a pass, or time until something expires.
 *
 * LOCKING
 *	  The table has a lock of its own.  Under it the process array and the commit log
 *	  are asked, as under a buffer's content lock, and nothing else is waited for.
 *
 * IDENTIFICATION
 *	  src/positions/table.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log_file.h"
#include "base/settings.h"
#include "positions/table.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/visibility.h"

typedef struct TableKey
{
	ElLogFile	file;
	ElPositionHash hash;		/* zeros: "the file is complete" */
} TableKey;

typedef struct TableEntry
{
	TableKey	key;
	uint64		used;			/* number of its last use */
	ElEntry		entry;
} TableEntry;

#define NGENERATIONS	256

typedef struct Generation
{
	uint64		gen;			/* entries of another mean nothing */
	int64		since_ms;		/* 0: nobody has asked yet */
	bool		prepared;		/* a prepared transaction has INSERTed: its
								 * end begins another */
} Generation;

typedef struct Table
{
	LWLock		lock;
	int			tranche;
	int			capacity;
	uint64		uses;
	uint64		evictions;
	Generation	generations[NGENERATIONS];
} Table;

static Table *table = NULL;
static HTAB *entries = NULL;

ElInternalTopic el_positions_internal = {"positions", "positions_p0"};

static int
capacity(void)
{
	/* an entry with what the hash table needs for it */
	return Max((Size) el_position_memory_kb * 1024 / (sizeof(TableEntry) + 64), 16);
}

Size
el_positions_shmem_size(void)
{
	return add_size(CACHELINEALIGN(sizeof(Table)),
					hash_estimate_size(capacity(), sizeof(TableEntry)));
}

void
el_positions_shmem_init(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(TableKey),
		.entrysize = sizeof(TableEntry)
	};
	bool		found;

	table = ShmemInitStruct("eventlog positions", sizeof(Table), &found);
	if (!found)
	{
		memset(table, 0, sizeof(*table));
		table->capacity = capacity();
		for (int i = 0; i < NGENERATIONS; i++)
			table->generations[i].gen = 1;
		table->tranche = LWLockNewTrancheId();
		LWLockInitialize(&table->lock, table->tranche);
	}
	LWLockRegisterTranche(table->tranche, "EventlogPositions");
	entries = ShmemInitHash("eventlog positions by key", table->capacity,
							table->capacity, &ctl, HASH_ELEM | HASH_BLOBS);
}

/* This database's.  Lock held. */
static Generation *
generation(void)
{
	return &table->generations[MyDatabaseId % NGENERATIONS];
}

static TableKey
key_of(Relation rel, const ElPositionHash *hash)
{
	TableKey	key;

	memset(&key, 0, sizeof(key));
	key.file = el_log_file(rel);
	if (hash != NULL)
		key.hash = *hash;
	return key;
}

/*
 * Evict what was used least recently: an eighth of the uses since the oldest one, so
 * that it is not done for each.  No file is complete afterwards.
 */
static void
evict_some(void)
{
	static const ElPositionHash zeros;
	HASH_SEQ_STATUS scan;
	TableEntry *e;
	uint64		oldest = table->uses;

	hash_seq_init(&scan, entries);
	while ((e = hash_seq_search(&scan)) != NULL)
		oldest = Min(oldest, e->used);
	oldest += (table->uses - oldest) / 8;
	hash_seq_init(&scan, entries);
	while ((e = hash_seq_search(&scan)) != NULL)
	{
		if (e->used <= oldest || memcmp(&e->key.hash, &zeros, sizeof(zeros)) == 0)
			(void) hash_search(entries, &e->key, HASH_REMOVE, NULL);
	}
	table->evictions++;
}

/* The entry of that key, of this generation; NULL if there is none, and no memory for one.  Lock held. */
static TableEntry *
get_entry(const TableKey *key, bool may_evict)
{
	bool		found;
	TableEntry *e = hash_search(entries, key, HASH_FIND, NULL);

	if (e == NULL)
	{
		if (hash_get_num_entries(entries) >= table->capacity && may_evict)
			evict_some();
		if (hash_get_num_entries(entries) >= table->capacity)
			return NULL;
		e = hash_search(entries, key, HASH_ENTER_NULL, &found);
		if (e == NULL)
			return NULL;
		memset(&e->entry, 0, sizeof(e->entry));
	}
	el_entry_renew(&e->entry, generation()->gen);
	e->used = ++table->uses;
	return e;
}

/* Is it of this generation, and does the commit log still know its writer?  Both locks held. */
static bool
is_usable(const TableEntry *e)
{
	return e->entry.gen == generation()->gen &&
		(!FullTransactionIdIsValid(e->entry.pending_fxid) ||
		 !FullTransactionIdPrecedes(e->entry.pending_fxid, el_full_xid(el_oldest_clog_xid())));
}

typedef enum Found
{
	FOUND,
	UNDECIDED,
	HAS_TO_LOAD
} Found;

static Found
look_up(const TableKey *key, const TableKey *complete, ElEntry *entry)
{
	TableEntry *e = hash_search(entries, key, HASH_FIND, NULL);
	const TableEntry *c;

	if (e != NULL && is_usable(e))
	{
		bool		decided = el_entry_resolve(&e->entry);

		e->used = ++table->uses;
		*entry = e->entry;
		return decided ? FOUND : UNDECIDED;
	}
	if (e != NULL)
	{
		/* pending for so long that only the topic can tell, or void */
		bool		is_void = e->entry.gen != generation()->gen;

		(void) hash_search(entries, key, HASH_REMOVE, NULL);
		if (!is_void)
			(void) hash_search(entries, complete, HASH_REMOVE, NULL);
	}
	c = hash_search(entries, complete, HASH_FIND, NULL);
	if (c == NULL || c->entry.gen != generation()->gen)
		return HAS_TO_LOAD;
	memset(entry, 0, sizeof(*entry));
	el_entry_renew(entry, generation()->gen);
	return FOUND;
}

/*
 * Loading
 */

/* What the topic says of a key. */
typedef struct Read
{
	ElPositionHash hash;
	ElEntry		entry;
} Read;

typedef struct Load
{
	TableKey	key;			/* for which it is done */
	uint64		gen;
	uint64		evictions;
	HTAB	   *reads;
	bool		all;			/* nothing was left out */
} Load;

/* An event of the topic, the latest of its key so far. */
static void
note_event(Load *l, const ElReader *r, const ElRecord *rec)
{
	ElPositionHash hash;
	int64		position = -1;
	bool		is_decided = r->state == EL_BATCH_VISIBLE;
	Read	   *read;
	bool		found;

	if (rec->key_len < 0 ||
		(rec->value_len >= 0 && !el_position_parse(rec->value, rec->value_len, &position)))
	{
		ereport(DEBUG1,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("ignoring event %lld of the topic of positions, which is none",
						(long long) rec->offset)));
		return;
	}
	el_position_hash(&hash, rec->key, rec->key_len);
	read = hash_search(l->reads, &hash, HASH_FIND, NULL);
	if (read == NULL)
	{
		/* more than there is room for: no use */
		if (hash_get_num_entries(l->reads) >= table->capacity &&
			memcmp(&hash, &l->key.hash, sizeof(hash)) != 0)
		{
			l->all = false;
			return;
		}
		read = hash_search(l->reads, &hash, HASH_ENTER, &found);
		memset(&read->entry, 0, sizeof(read->entry));
		el_entry_renew(&read->entry, l->gen);
	}

	/*
	 * who has written to the key before had its lock, and has ended; but for
	 * an INSERT, which begins another generation
	 */
	(void) el_entry_resolve(&read->entry);
	if (is_decided)
	{
		read->entry.next = position;
		read->entry.version = rec->offset;
		read->entry.fxid = r->fxid;
	}
	else
	{
		read->entry.pending_fxid = r->fxid;
		read->entry.pending_next = position;
		read->entry.pending_version = rec->offset;
	}
}

static void
read_topic(Load *l, Relation rel)
{
	ElReader   *r = el_reader_begin(rel, NULL, EL_READ_ALL);
	ElRecord	rec;

	if (r->info.exists && el_reader_seek(r, r->info.log_start) != EL_SEEK_AT_END)
	{
		while (el_reader_next(r, &rec))
		{
			CHECK_FOR_INTERRUPTS();
			if (r->state != EL_BATCH_ABORTED)
				note_event(l, r, &rec);
		}
	}
	el_reader_end(r);
}

/* Enter what was read of a key, unless what is there already is newer; false if there is no room.  Lock held. */
static bool
merge_read(const Read *read, Relation rel, bool may_evict)
{
	TableKey	key = key_of(rel, &read->hash);
	TableEntry *e = hash_search(entries, &key, HASH_FIND, NULL);

	if (e != NULL && e->entry.gen == generation()->gen)
		return true;
	e = get_entry(&key, may_evict);
	if (e != NULL)
		e->entry = read->entry;
	return e != NULL;
}

/* The key that was asked for comes first: it may evict others. */
static void
merge(Load *l, Relation rel)
{
	TableKey	complete = key_of(rel, NULL);
	bool		all = l->all;
	HASH_SEQ_STATUS scan;
	Read	   *read = hash_search(l->reads, &l->key.hash, HASH_FIND, NULL);

	if (read != NULL)
		all &= merge_read(read, rel, true);
	if (l->evictions != table->evictions)
		return;
	hash_seq_init(&scan, l->reads);
	while ((read = hash_seq_search(&scan)) != NULL)
		all &= merge_read(read, rel, false);
	if (all)
		(void) get_entry(&complete, false);
}

/* Read the topic; entry gets what it says of the key.  False if it has to be done again. */
static bool
load(Relation rel, const TableKey *key, ElEntry *entry)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "eventlog positions",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Load		l = {.key = *key,.all = true};
	Read	   *read;
	bool		valid;

	LWLockAcquire(&table->lock, LW_SHARED);
	l.gen = generation()->gen;
	l.evictions = table->evictions;
	LWLockRelease(&table->lock);
	l.reads = el_hash_create("eventlog positions read", 256, sizeof(ElPositionHash),
							 sizeof(Read), cxt);
	read_topic(&l, rel);
	read = hash_search(l.reads, &key->hash, HASH_FIND, NULL);
	if (read != NULL)
		*entry = read->entry;
	else
	{
		memset(entry, 0, sizeof(*entry));
		el_entry_renew(entry, l.gen);
	}

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	valid = l.gen == generation()->gen;
	if (valid)
		merge(&l, rel);
	LWLockRelease(&table->lock);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	return valid;
}

bool
el_position_read(Relation rel, const ElPositionHash *hash, ElEntry *entry)
{
	TableKey	key = key_of(rel, hash);
	TableKey	complete = key_of(rel, NULL);

	for (;;)
	{
		Found		found;

		CHECK_FOR_INTERRUPTS();
		LWLockAcquire(&table->lock, LW_EXCLUSIVE);
		/* what is asked of the commit log stays there */
		LWLockAcquire(XactTruncationLock, LW_SHARED);
		found = look_up(&key, &complete, entry);
		LWLockRelease(XactTruncationLock);
		LWLockRelease(&table->lock);
		if (found == HAS_TO_LOAD)
		{
			if (!load(rel, &key, entry))
				continue;
			found = el_entry_resolve(entry) ? FOUND : UNDECIDED;
		}
		return found == FOUND;
	}
}

void
el_position_enter(Relation rel, const ElPositionHash *hash, const ElEntry *read,
				  FullTransactionId fxid, int64 position, int64 version)
{
	TableKey	key = key_of(rel, hash);
	TableKey	complete = key_of(rel, NULL);
	TableEntry *e;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	e = hash_search(entries, &key, HASH_FIND, NULL);
	if (e == NULL || e->entry.gen != generation()->gen)
	{
		/*
		 * what it was before is known only as of the generation in which it
		 * was read
		 */
		e = read->gen == generation()->gen ? get_entry(&key, true) : NULL;
		if (e != NULL)
			e->entry = *read;
	}
	if (e != NULL)
		el_entry_set_pending(&e->entry, generation()->gen, read, fxid, position, version);
	else
	{
		/* a pass that has missed it must not call the file complete */
		(void) hash_search(entries, &complete, HASH_REMOVE, NULL);
		table->evictions++;
	}
	LWLockRelease(&table->lock);
}

uint64
el_positions_gen(void)
{
	uint64		gen;

	LWLockAcquire(&table->lock, LW_SHARED);
	gen = generation()->gen;
	LWLockRelease(&table->lock);
	return gen;
}

void
el_positions_invalidate(void)
{
	if (table == NULL)
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	generation()->gen++;
	generation()->since_ms = el_monotonic_ms();
	LWLockRelease(&table->lock);
}

void
el_positions_note_prepared(void)
{
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	generation()->prepared = true;
	LWLockRelease(&table->lock);
}

void
el_positions_prepared_ended(void)
{
	bool		prepared;

	LWLockAcquire(&table->lock, LW_SHARED);
	prepared = generation()->prepared;
	LWLockRelease(&table->lock);
	if (prepared)
		el_positions_invalidate();
}

int64
el_positions_since_ms(void)
{
	int64		since;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	if (generation()->since_ms == 0)
		generation()->since_ms = el_monotonic_ms();
	since = generation()->since_ms;
	LWLockRelease(&table->lock);
	return since;
}
