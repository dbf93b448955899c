/*-------------------------------------------------------------------------
 *
 * expiry.c
 *	  Sequences of producers that produce nothing any more.
 *
 * Done by the maintenance worker.  What counts is when the position was appended, which is the
 * transaction's commit, or its PREPARE TRANSACTION, however long that stays prepared; but not
 * from before the start or promotion of this server, or the last restore: who was
 * kept from retrying until then may do so for as long as the setting says.
 *
 * Events lie in the order of their times, so the old ones are the first.  A pass
 * takes some of them, reads on to the end to see which are the last of their keys, locks
 * these, and reads what has come meanwhile: nothing can come any more, and they
 * get their tombstones.  The cache has no part in this, but for its generation: if that is
 * another in the end, a restore has begun, and the pass comes to nothing.
 *
 * IDENTIFICATION
 *	  src/positions/expiry.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/table.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/settings.h"
#include "kafka/record.h"
#include "positions/expiry.h"
#include "positions/positions.h"
#include "positions/table.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "topic/uuids.h"

/* Tombstones, and locks, of one transaction. */
#define BATCH_KEYS	256

/* How keys of producers begin. */
#define PRODUCER	"[\"" EL_POSITION_PRODUCER "\", \""
#define UUID_TEXT	36
#define NAME		"\", \""
#define END			"\"]"

/* Keys that one pass looks at; more than a segment holds, so that compaction takes away those which are done. */
#define MAX_KEYS	65536

/* An old event, perhaps the last of its key. */
typedef struct Old
{
	ElPositionHash hash;		/* hash key */
	char	   *text;
	int32		len;
	int64		time_ms;
	ElEntry		entry;			/* what it says */
} Old;

typedef struct Expiry
{
	Relation	rel;
	int64		limit_ms;		/* older events expire */
	uint64		gen;			/* of the cache, before anything was read */
	bool		locked;			/* olds are, and get no others */
	HTAB	   *olds;
} Expiry;

/*
 * Other kinds of positions have a life of their own, and so has what somebody has INSERTed that
 * is no key, in which an error would end the pass.
 */
static bool
is_producer(const char *key, int32 len)
{
	const char *uuid = key + strlen(PRODUCER);

	if (len < (int32) (strlen(PRODUCER) + UUID_TEXT + strlen(NAME) + strlen(END)) ||
		memcmp(key, PRODUCER, strlen(PRODUCER)) != 0 ||
		memcmp(uuid + UUID_TEXT, NAME, strlen(NAME)) != 0 ||
		memcmp(key + len - strlen(END), END, strlen(END)) != 0 ||
		!pg_verify_mbstr(PG_UTF8, key, len, true))
		return false;
	for (int i = 0; i < UUID_TEXT; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23 ? uuid[i] != '-' : !isxdigit((unsigned char) uuid[i]))
			return false;
	}
	return true;
}

static void
forget_old(Expiry *e, Old *old)
{
	pfree(old->text);
	(void) hash_search(e->olds, &old->hash, HASH_REMOVE, NULL);
}

static void
note_event(Expiry *e, const ElReader *r, const ElRecord *rec)
{
	ElPositionHash hash;
	int64		position;
	Old		   *old;
	bool		found;

	if (rec->key_len < 0 || !is_producer(rec->key, rec->key_len))
		return;
	el_position_hash(&hash, rec->key, rec->key_len);
	/* of a key's events the last one counts */
	old = hash_search(e->olds, &hash, HASH_FIND, NULL);
	if (rec->timestamp > e->limit_ms || r->state != EL_BATCH_VISIBLE ||
		!el_position_parse(rec->value, rec->value_len, &position))
	{
		if (old != NULL)
			forget_old(e, old);
		return;
	}
	if (old == NULL)
	{
		char	   *text;

		if (e->locked || hash_get_num_entries(e->olds) >= MAX_KEYS)
			return;
		text = palloc(rec->key_len);

		memcpy(text, rec->key, rec->key_len);
		old = hash_search(e->olds, &hash, HASH_ENTER, &found);
		old->text = text;

		old->len = rec->key_len;
	}
	old->time_ms = rec->timestamp;
	memset(&old->entry, 0, sizeof(old->entry));
	el_entry_renew(&old->entry, e->gen);
	old->entry.next = position;
	old->entry.version = rec->offset;
	old->entry.fxid = r->fxid;
}

/* Go on to the end; false if the first event is young already. */
static bool
read_on(Expiry *e, ElReader *r)
{
	ElRecord	rec;
	bool		first = hash_get_num_entries(e->olds) == 0;

	while (el_reader_next(r, &rec))
	{
		CHECK_FOR_INTERRUPTS();
		if (r->state == EL_BATCH_ABORTED)
			continue;
		if (first && rec.timestamp > e->limit_ms)
			return false;
		first = false;
		note_event(e, r, &rec);
	}
	return true;
}

/* Keep some that nobody works on; true if others are left. */
static bool
lock_olds(Expiry *e)
{
	HASH_SEQ_STATUS scan;
	Old		   *old;
	int			locked = 0;
	bool		left = false;

	hash_seq_init(&scan, e->olds);
	while ((old = hash_seq_search(&scan)) != NULL)
	{
		if (locked < BATCH_KEYS && el_position_try_lock(&old->hash))
		{
			locked++;
			continue;
		}
		left |= locked == BATCH_KEYS;
		forget_old(e, old);
	}
	e->locked = true;
	return left;
}

static void
log_expired(const Old *old, HTAB *labelled)
{
	char		uuid[UUID_TEXT + 1] = "";
	Oid			topic;

	memcpy(uuid, old->text +strlen(PRODUCER), UUID_TEXT);
	topic = el_topic_with_uuid(labelled,
							   DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(uuid))));
	ereport(LOG,
			(errmsg("the sequence of producer \"%s\" has expired",
					el_position_key_name(old->text, old->len)),
			 errdetail("It has produced nothing in topic \"%s\" for %lld seconds. Its last sequence was %lld.",
					   OidIsValid(topic) ? get_rel_name(topic) : uuid,
					   (long long) ((el_now_ms() - old->time_ms) / 1000),
					   (long long) old->entry.next)));
}

static void
append_tombstones(Expiry *e)
{
	FullTransactionId fxid = GetCurrentFullTransactionId();
	HTAB	   *labelled = el_labelled_topics();
	ElBatchBuilder builder = {0};
	int64		now = el_now_ms();
	HASH_SEQ_STATUS scan;
	int64		version;
	Old		   *old;

	/* should the server crash, they expire once more */
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	el_batch_begin(&builder);
	hash_seq_init(&scan, e->olds);
	while ((old = hash_seq_search(&scan)) != NULL)
	{
		ElRecord	rec = {0};

		log_expired(old, labelled);
		rec.timestamp = now;
		rec.key = old->text;
		rec.key_len = old->len;
		rec.value_len = -1;
		el_batch_add(&builder, &rec);
	}
	version = el_internal_append(e->rel, &el_positions_internal, &builder, fxid);
	/* from here on nothing fails; the order is the same */
	hash_seq_init(&scan, e->olds);
	while ((old = hash_seq_search(&scan)) != NULL)
		el_position_enter(e->rel, &old->hash, &old->entry, fxid, -1, version++);
}

bool
el_positions_expire(void)
{
	Expiry		e = {0};
	ElReader   *r;
	bool		left = false;

	/* a restore of later than this is seen in the end */
	e.gen = el_positions_gen();
	if (el_producer_expiry_s == 0 ||
		el_monotonic_ms() - el_positions_since_ms() < (int64) el_producer_expiry_s * 1000)
		return false;
	e.rel = el_internal_open_if_free(&el_positions_internal);
	if (e.rel == NULL)
		return false;
	e.limit_ms = el_now_ms() - (int64) el_producer_expiry_s * 1000;
	e.olds = el_hash_create("eventlog positions that expire", BATCH_KEYS,
							sizeof(ElPositionHash), sizeof(Old), CurrentMemoryContext);
	r = el_reader_begin(e.rel, NULL, EL_READ_ALL);
	if (r->info.exists && el_reader_seek(r, r->info.log_start) != EL_SEEK_AT_END &&
		read_on(&e, r) && hash_get_num_entries(e.olds) > 0)
	{
		left = lock_olds(&e);
		el_reader_refresh(r);
		(void) read_on(&e, r);
	}
	el_reader_end(r);
	if (hash_get_num_entries(e.olds) > 0 && el_positions_gen() == e.gen)
		append_tombstones(&e);
	table_close(e.rel, NoLock);
	return left;
}
