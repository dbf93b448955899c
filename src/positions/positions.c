/*-------------------------------------------------------------------------
 *
 * positions.c
 *	  Positions: numbers by key that are committed with a transaction's work.
 *
 * What a transaction says of a key rewinds with savepoints, and is appended to the
 * topic in one batch when the transaction commits or is prepared.  The lock on the key is a
 * heavyweight one: whoever gets it knows that the one before has ended, for everybody, so
 * what it reads then is the truth, newer than its snapshot if that is older.  A rollback
 * to a savepoint gives back the locks taken behind it; what was read under
 * them is forgotten with it.
 *
 * IDENTIFICATION
 *	  src/positions/positions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/hash.h"
#include "kafka/record.h"
#include "positions/positions.h"
#include "positions/table.h"

/* What is said of a key, from one subtransaction on. */
typedef struct State
{
	SubTransactionId subid;
	int64		position;
	struct State *outer;		/* what was said before */
} State;

/* A key of which this transaction says something. */
typedef struct Local
{
	ElPositionHash hash;		/* hash key */
	const char *text;
	int32		len;
	ElEntry		read;			/* what counted when it was locked */
	State	   *state;			/* never NULL between calls */
} Local;

static HTAB *locals = NULL;		/* in TopTransactionContext */
static bool closed = false;		/* the transaction has appended its positions */

/* What was read by el_position_take(), for el_position_set(). */
static ElPositionHash taken;
static ElEntry taken_read;

static void
make_lock_tag(LOCKTAG *tag, const ElPositionHash *hash)
{
	uint32		h[2];

	memcpy(h, hash->bytes, sizeof(h));
	/* as those of groups, which have 3 */
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, h[0], h[1], 4);
}

bool
el_position_try_lock(const ElPositionHash *hash)
{
	LOCKTAG		tag;

	make_lock_tag(&tag, hash);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

int64
el_position_take(const ElPositionKey *key)
{
	Local	   *l = locals == NULL ? NULL : hash_search(locals, &key->hash, HASH_FIND, NULL);
	LOCKTAG		tag;
	Relation	rel;
	bool		decided;

	if (closed)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("a sequence cannot be given while the transaction is committing")));
	if (l != NULL)
		return l->state->position;

	/* the table first: who rewrites it is waited for here, not inside COMMIT */
	rel = el_internal_open(&el_positions_internal);
	make_lock_tag(&tag, &key->hash);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	decided = el_position_read(rel, &key->hash, &taken_read);
	table_close(rel, NoLock);
	if (!decided)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("position %s is being changed by another transaction",
						el_position_key_name(key->text, key->len))));
	taken = key->hash;
	return taken_read.next;
}

void
el_position_set(const ElPositionKey *key, int64 position)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	Local	   *l;
	State	   *state;
	bool		found;

	if (locals == NULL)
		locals = el_hash_create("eventlog positions of a transaction", 16,
								sizeof(ElPositionHash), sizeof(Local),
								TopTransactionContext);
	l = hash_search(locals, &key->hash, HASH_FIND, NULL);
	state = l == NULL ? NULL : l->state;
	Assert(state == NULL || state->subid <= subid);
	if (state == NULL || state->subid != subid)
	{
		state = MemoryContextAlloc(TopTransactionContext, sizeof(State));
		state->subid = subid;
		state->outer = l == NULL ? NULL : l->state;
	}
	if (l == NULL)
	{
		char	   *text = MemoryContextAlloc(TopTransactionContext, key->len);

		Assert(memcmp(&taken, &key->hash, sizeof(taken)) == 0);
		memcpy(text, key->text, key->len);
		l = hash_search(locals, &key->hash, HASH_ENTER, &found);
		l->text = text;

		l->len = key->len;
		l->read = taken_read;
	}
	state->position = position;
	l->state = state;
}

static void
append(void)
{
	FullTransactionId fxid = GetTopFullTransactionId();
	Relation	rel = el_internal_open(&el_positions_internal);
	ElBatchBuilder builder = {0};
	int64		now = el_now_ms();
	HASH_SEQ_STATUS scan;
	Local	   *l;
	int64		version;

	el_batch_begin(&builder);
	hash_seq_init(&scan, locals);
	while ((l = hash_seq_search(&scan)) != NULL)
	{
		ElRecord	rec = {0};
		char	   *value = el_position_text(l->state->position);

		rec.timestamp = now;
		rec.key = l->text;
		rec.key_len = l->len;
		rec.value = value;
		rec.value_len = strlen(value);
		el_batch_add(&builder, &rec);
		pfree(value);
	}
	version = el_internal_append(rel, &el_positions_internal, &builder, fxid);

	/* from here on nothing fails; the order is the same */
	hash_seq_init(&scan, locals);
	while ((l = hash_seq_search(&scan)) != NULL)
		el_position_enter(rel, &l->hash, &l->read, fxid, l->state->position, version++);
	table_close(rel, NoLock);
}

void
el_positions_xact(XactEvent event)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (locals != NULL && hash_get_num_entries(locals) > 0)
			{
				/* see commit_offsets() of src/group/xact.c */
				MemoryContext cxt = AllocSetContextCreate(TopTransactionContext,
														  "eventlog positions commit",
														  ALLOCSET_SMALL_SIZES);
				MemoryContext old = MemoryContextSwitchTo(cxt);

				append();
				MemoryContextSwitchTo(old);
				MemoryContextDelete(cxt);
			}
			closed = true;
			break;

		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			locals = NULL;
			closed = false;
			break;

		default:
			break;
	}
}

void
el_positions_subxact(SubXactEvent event, SubTransactionId mine,
					 SubTransactionId parent)
{
	HASH_SEQ_STATUS scan;
	Local	   *l;

	if (locals == NULL ||
		(event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB))
		return;
	hash_seq_init(&scan, locals);
	while ((l = hash_seq_search(&scan)) != NULL)
	{
		if (event == SUBXACT_EVENT_COMMIT_SUB)
		{
			if (l->state->subid != mine)
				continue;
			l->state->subid = parent;
			if (l->state->outer != NULL && l->state->outer->subid == parent)
				l->state->outer = l->state->outer->outer;
			continue;
		}
		while (l->state != NULL && l->state->subid >= mine)
			l->state = l->state->outer;
		/* its lock goes, too */
		if (l->state == NULL)
			(void) hash_search(locals, &l->hash, HASH_REMOVE, NULL);
	}
}
