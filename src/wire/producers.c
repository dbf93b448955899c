/*-------------------------------------------------------------------------
 *
 * producers.c
 *	  What shared memory knows of idempotent producers.
 *
 * The log is the truth: headers of batches say which producer sent them.  This is what
 * would be found there, of producers that were active since the server's start or that
 * somebody has looked for (producers_log.c).  The key is the partition's file, for
 * TRUNCATE and VACUUM FULL make another one.
 *
 * A call claims its producers by its xid, works on copies, and stores them.  Should it
 * end in an error, that xid is of an aborted transaction, and so are its claims and
 * what it appended: whoever comes next finds out.  While a transaction runs that has
 * claimed a producer, or written batches of it, others wait for its end: a batch that
 * follows may only be a success if those before it are.
 *
 * Memory is bounded.  A producer that was silent for an hour may be forgotten, the
 * longest silent ones first; it is unknown then, so that whatever it sends next is
 * taken.
 *
 * LOCKING
 *	  The table has a lock of its own.  Under it the process array and the commit log
 *	  are asked, as under a buffer's content lock, and nothing else is waited for.
 *
 * IDENTIFICATION
 *	  src/wire/producers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "base/clock.h"
#include "base/settings.h"
#include "storage/visibility.h"
#include "wire/producers.h"
#include "wire/producers_log.h"

/* Who was silent for so long may be forgotten. */
#define IDLE_MS		(60 * 60 * INT64CONST(1000))

typedef struct ProducerKey
{
	ElLogFile	file;
	uint32		zero;			/* no padding in a key */
	int64		id;
} ProducerKey;

typedef struct ProducerEntry
{
	ProducerKey key;
	int64		used_ms;
	uint64		claim;			/* whose transaction works on it; 0: nobody's */
	ElSequenceState state;
} ProducerEntry;

/* A partition's file whose log was read; or a database. */
typedef struct FileEntry
{
	ElLogFile	file;			/* a database: without table and number */
	bool		loaded;
	int64		first_id;		/* of a database: ids from here on were given
								 * out after the server's start */
} FileEntry;

typedef struct ProducerTable
{
	LWLock		lock;
	int			tranche;
	int			capacity;		/* of either hash table */
} ProducerTable;

static ProducerTable *table = NULL;
static HTAB *producers = NULL;
static HTAB *files = NULL;

static Size
size_for(int n)
{
	return add_size(CACHELINEALIGN(sizeof(ProducerTable)),
					add_size(hash_estimate_size(n, sizeof(ProducerEntry)),
							 hash_estimate_size(n, sizeof(FileEntry))));
}

/* So many fit into the memory that the setting gives. */
static int
capacity_for(Size memory)
{
	int			low = 16;
	int			high = memory / sizeof(ProducerEntry);

	while (low < high)
	{
		int			mid = low + (high - low + 1) / 2;

		if (size_for(mid) <= memory)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

Size
el_producers_shmem_size(void)
{
	return size_for(capacity_for((Size) el_producer_memory_kb * 1024));
}

void
el_producers_shmem_init(void)
{
	HASHCTL		ctl = {0};
	bool		found;
	int			n;

	table = ShmemInitStruct("eventlog producers", sizeof(ProducerTable), &found);
	if (!found)
	{
		table->capacity = capacity_for((Size) el_producer_memory_kb * 1024);
		table->tranche = LWLockNewTrancheId();
		LWLockInitialize(&table->lock, table->tranche);
	}
	LWLockRegisterTranche(table->tranche, "EventlogProducers");
	n = table->capacity;
	ctl.keysize = sizeof(ProducerKey);
	ctl.entrysize = sizeof(ProducerEntry);
	producers = ShmemInitHash("eventlog producers by id", n, n, &ctl, HASH_ELEM | HASH_BLOBS);
	ctl.keysize = sizeof(ElLogFile);
	ctl.entrysize = sizeof(FileEntry);
	files = ShmemInitHash("eventlog producers' files", n, n, &ctl, HASH_ELEM | HASH_BLOBS);
}

static ProducerKey
key_of(const ElLogFile *file, int64 id)
{
	ProducerKey key;

	memset(&key, 0, sizeof(key));
	key.file = *file;
	key.id = id;
	return key;
}

static ElWriterState
ask_writer(uint64 fxid)
{
	TransactionId xid = (TransactionId) fxid;

	/* in-progress test first: see heapam_visibility.c */
	if (TransactionIdIsCurrentTransactionId(xid))
		return EL_WRITER_OURS;
	if (TransactionIdIsInProgress(xid))
		return EL_WRITER_RUNNING;
	return TransactionIdDidCommit(xid) ? EL_WRITER_COMMITTED : EL_WRITER_ABORTED;
}

/* Does the commit log still have those that the entry names? */
static bool
writers_are_known(const ProducerEntry *e)
{
	FullTransactionId oldest = el_full_xid(el_oldest_clog_xid());

	for (int i = 0; i < e->state.npending; i++)
	{
		if (e->state.batches[e->state.ncommitted + i].fxid < U64FromFullTransactionId(oldest))
			return false;
	}
	return e->claim == 0 || e->claim >= U64FromFullTransactionId(oldest);
}

/*
 * Forget producers that have been silent for an hour: those that have been so for
 * longest, and an eighth of the time to the others, so that it is not done for each.
 */
static void
forget_idle(void)
{
	int64		limit = el_now_ms() - IDLE_MS;
	int64		oldest = PG_INT64_MAX;
	HASH_SEQ_STATUS scan;
	ProducerEntry *e;

	hash_seq_init(&scan, producers);
	while ((e = hash_seq_search(&scan)) != NULL)
		oldest = Min(oldest, e->used_ms);
	if (oldest > limit)
		return;
	/* times come from clients */
	oldest = Max(oldest, 0);
	limit = oldest + (limit - oldest) / 8;
	hash_seq_init(&scan, producers);
	while ((e = hash_seq_search(&scan)) != NULL)
	{
		if (e->used_ms <= limit)
			(void) hash_search(producers, &e->key, HASH_REMOVE, NULL);
	}
}

/* A new entry; NULL if all that are there have been active. */
static ProducerEntry *
add_entry(const ProducerKey *key, int64 used_ms)
{
	ProducerEntry *e;
	bool		found;

	if (hash_get_num_entries(producers) >= table->capacity)
		forget_idle();
	if (hash_get_num_entries(producers) >= table->capacity)
		return NULL;
	e = hash_search(producers, key, HASH_ENTER_NULL, &found);
	if (e == NULL)
		return NULL;
	Assert(!found);
	e->used_ms = used_ms;
	e->claim = 0;
	memset(&e->state, 0, sizeof(e->state));
	return e;
}

/* The entry of a file or a database, made if need be; NULL if there is no memory at all. */
static FileEntry *
file_entry(const ElLogFile *file)
{
	FileEntry  *f = hash_search(files, file, HASH_FIND, NULL);
	bool		found;

	if (f != NULL)
		return f;
	if (hash_get_num_entries(files) >= table->capacity)
	{
		/* they will be read again when they are needed */
		HASH_SEQ_STATUS scan;

		hash_seq_init(&scan, files);
		while ((f = hash_seq_search(&scan)) != NULL)
			(void) hash_search(files, &f->file, HASH_REMOVE, NULL);
	}
	f = hash_search(files, file, HASH_ENTER_NULL, &found);
	if (f != NULL)
	{
		f->loaded = false;
		f->first_id = PG_INT64_MAX;
	}
	return f;
}

static ElLogFile
database_file(Oid dbid)
{
	ElLogFile	file = {.dbid = dbid};

	return file;
}

void
el_producers_note_id(int64 id)
{
	ElLogFile	database = database_file(MyDatabaseId);
	FileEntry  *f;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	f = file_entry(&database);
	if (f != NULL && f->first_id == PG_INT64_MAX)
		f->first_id = id;
	LWLockRelease(&table->lock);
}

/* May the log have batches of a producer that the table does not know? */
static bool
log_may_tell(const ElLogFile *file, int64 id)
{
	ElLogFile	database = database_file(MyDatabaseId);
	FileEntry  *f = hash_search(files, file, HASH_FIND, NULL);

	if (f != NULL && f->loaded)
		return false;

	/*
	 * an id that was given out after the server's start has no batches but
	 * those that the table has seen, unless they have been taken into another
	 * file
	 */
	if (file->number != file->relid)
		return true;
	f = hash_search(files, &database, HASH_FIND, NULL);
	return f == NULL || id < f->first_id;
}

typedef enum Claim
{
	CLAIMED,
	HAS_TO_WAIT,
	HAS_TO_LOAD
} Claim;

/*
 * Settle an entry.  What it says of writers that the commit log does not have any more
 * is said by the log.
 */
static Claim
settle_entry(ElProducers *p, ProducerEntry *e, uint64 *wait_for)
{
	if (!writers_are_known(e))
	{
		FileEntry  *f = file_entry(&p->file);

		(void) hash_search(producers, &e->key, HASH_REMOVE, NULL);
		if (f != NULL)
			f->loaded = false;
		return HAS_TO_LOAD;
	}
	*wait_for = el_sequence_settle(&e->state, ask_writer);
	if (*wait_for == 0 && e->claim != 0 && ask_writer(e->claim) == EL_WRITER_RUNNING)
		*wait_for = e->claim;
	return *wait_for == 0 ? CLAIMED : HAS_TO_WAIT;
}

/*
 * Claim all of them, or none.  Lock held.  Once the log has been read, one that is still
 * not known is one for which there was no memory: nothing is guessed about it.
 */
static Claim
try_claim(ElProducers *p, ProducerEntry **entries, bool has_loaded, uint64 *wait_for)
{
	int64		now_ms = el_now_ms();

	for (int i = 0; i < p->n; i++)
	{
		ProducerKey key = key_of(&p->file, p->list[i].id);
		Claim		claim;

		entries[i] = hash_search(producers, &key, HASH_FIND, NULL);
		if (entries[i] == NULL)
		{
			p->list[i].no_room = log_may_tell(&p->file, p->list[i].id);
			if (p->list[i].no_room && !has_loaded)
				return HAS_TO_LOAD;
			continue;
		}
		p->list[i].no_room = false;
		claim = settle_entry(p, entries[i], wait_for);
		if (claim != CLAIMED)
			return claim;
		/* from here on it is not forgotten to make room */
		entries[i]->used_ms = now_ms;
	}
	for (int i = 0; i < p->n; i++)
	{
		ProducerKey key = key_of(&p->file, p->list[i].id);
		ProducerEntry *e = entries[i];

		if (e == NULL && !p->list[i].no_room)
			e = add_entry(&key, now_ms);
		p->list[i].no_room = e == NULL;
		if (e == NULL)
			continue;
		e->claim = p->fxid;
		p->list[i].state = e->state;
	}
	return CLAIMED;
}

/* Read the file's log, and enter what it has and the table has not. */
static void
load_producers(Relation rel, const ElLogFile *file)
{
	bool		complete;
	HTAB	   *logged = el_producers_from_log(rel, 2 * table->capacity, &complete);
	int64		now_ms = el_now_ms();
	HASH_SEQ_STATUS scan;
	ElLoggedProducer *l;
	FileEntry  *f;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	f = file_entry(file);
	/* or another backend was faster, and what was read here is perhaps older */
	if (f == NULL || !f->loaded)
	{
		hash_seq_init(&scan, logged);
		while ((l = hash_seq_search(&scan)) != NULL)
		{
			ProducerKey key = key_of(file, l->id);
			int64		used_ms = Min(l->time_ms, now_ms);
			bool		idle = used_ms < now_ms - IDLE_MS;
			ProducerEntry *e;

			if (hash_search(producers, &key, HASH_FIND, NULL) != NULL)
				continue;
			/* one silent producer does not push out another */
			if (idle && hash_get_num_entries(producers) >= table->capacity)
				continue;
			e = add_entry(&key, used_ms);
			if (e != NULL)
				e->state = l->state;
			else
				complete = false;
		}
		if (f != NULL)
			f->loaded = complete;
	}
	LWLockRelease(&table->lock);
	hash_destroy(logged);
	if (!complete)
		ereport(LOG,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("not all idempotent producers of topic partition \"%s\" fit into memory",
						RelationGetRelationName(rel)),
				 errhint("Raise eventlog.producer_memory.")));
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

ElProducers *
el_producers_claim(Relation rel, int64 *ids, int n)
{
	ElProducers *p = palloc0(sizeof(ElProducers));
	ProducerEntry **entries;
	bool		has_loaded = false;

	Assert(CheckRelationLockedByMe(rel, RowExclusiveLock, true));
	p->file = el_log_file(rel);
	p->fxid = U64FromFullTransactionId(GetCurrentFullTransactionId());
	p->list = palloc0_array(ElProducer, n);
	entries = palloc0_array(ProducerEntry *, n);
	qsort(ids, n, sizeof(int64), compare_ids);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || ids[i] != ids[i - 1])
			p->list[p->n++].id = ids[i];
	}
	for (;;)
	{
		uint64		wait_for = 0;
		Claim		claim;

		CHECK_FOR_INTERRUPTS();
		LWLockAcquire(&table->lock, LW_EXCLUSIVE);
		/* what is asked of the commit log stays there */
		LWLockAcquire(XactTruncationLock, LW_SHARED);
		claim = try_claim(p, entries, has_loaded, &wait_for);
		LWLockRelease(XactTruncationLock);
		LWLockRelease(&table->lock);
		if (claim == CLAIMED)
			break;
		if (claim == HAS_TO_WAIT)
			XactLockTableWait((TransactionId) wait_for, rel, NULL, XLTW_None);
		else
		{
			load_producers(rel, &p->file);
			has_loaded = true;
		}
	}
	pfree(entries);
	return p;
}

ElProducer *
el_producers_find(ElProducers *p, int64 id)
{
	ElProducer *found = bsearch(&id, p->list, p->n, sizeof(ElProducer), compare_ids);

	Assert(found != NULL);
	return found;
}

void
el_producers_store(ElProducers *p)
{
	int64		now_ms = el_now_ms();

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < p->n; i++)
	{
		ProducerKey key = key_of(&p->file, p->list[i].id);
		ProducerEntry *e = p->list[i].no_room ? NULL :
			hash_search(producers, &key, HASH_FIND, NULL);

		if (e == NULL || e->claim != p->fxid)
			continue;
		e->state = p->list[i].state;
		e->claim = 0;
		e->used_ms = now_ms;
	}
	LWLockRelease(&table->lock);
}
