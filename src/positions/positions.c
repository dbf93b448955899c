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

struct Local;

/* What is said of a key, from one subtransaction on. */
typedef struct State
{
	SubTransactionId subid;
	int64		position;
	struct Local *local;
	struct State *outer;		/* what was said of the key before */
	struct State *older;		/* of any key: those of a subtransaction that
								 * has not ended are the newest */
} State;

/* A key of which this transaction says something. */
typedef struct Local
{
	ElPositionHash hash;		/* hash key */
	char	   *text;
	int32		len;
	ElEntry		read;			/* what counted when it was locked */
	State	   *state;			/* never NULL between calls */
} Local;

static HTAB *locals = NULL;		/* in TopTransactionContext */
static State *newest = NULL;	/* of locals */
static bool closed = false;		/* the transaction has appended its positions */

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

static Local *
find_local(const ElPositionKey *key)
{
	return locals == NULL ? NULL : hash_search(locals, &key->hash, HASH_FIND, NULL);
}

void
el_position_take(const ElPositionKey *key, ElTaken *taken)
{
	Local	   *l = find_local(key);
	LOCKTAG		tag;
	Relation	rel;
	bool		decided;

	if (closed)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("a sequence cannot be given while the transaction is committing")));
	if (l != NULL)
	{
		taken->position = l->state->position;
		taken->read = l->read;
		return;
	}

	/* the table first: who rewrites it is waited for here, not inside COMMIT */
	rel = el_internal_open(&el_positions_internal);
	make_lock_tag(&tag, &key->hash);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	decided = el_position_read(rel, &key->hash, &taken->read);
	table_close(rel, NoLock);
	if (!decided)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("position %s is being changed by another transaction",
						el_position_key_name(key->text, key->len))));
	taken->position = taken->read.next;
}

bool
el_position_set(const ElPositionKey *key, const ElTaken *taken, int64 position)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	Local	   *l = find_local(key);
	State	   *state = l == NULL ? NULL : l->state;
	bool		found;

	if ((state == NULL ? taken->read.next : state->position) != taken->position)
		return false;
	if (locals == NULL)
		locals = el_hash_create("eventlog positions of a transaction", 16,
								sizeof(ElPositionHash), sizeof(Local),
								TopTransactionContext);
	Assert(state == NULL || state->subid <= subid);
	if (state == NULL || state->subid != subid)
		state = MemoryContextAlloc(TopTransactionContext, sizeof(State));
	if (l == NULL)
	{
		char	   *text = MemoryContextAlloc(TopTransactionContext, key->len);

		memcpy(text, key->text, key->len);
		l = hash_search(locals, &key->hash, HASH_ENTER, &found);
		l->text = text;

		l->len = key->len;
		l->read = taken->read;
		l->state = NULL;
	}
	if (l->state != state)
	{
		state->subid = subid;
		state->local = l;
		state->outer = l->state;
		state->older = newest;
		newest = l->state = state;
	}
	state->position = position;
	return true;
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
			newest = NULL;
			closed = false;
			break;

		default:
			break;
	}
}

/* What it says is its parent's. */
static void
merge_states(SubTransactionId mine, SubTransactionId parent)
{
	State	  **link = &newest;
	State	   *s;

	while ((s = *link) != NULL && s->subid == mine)
	{
		if (s->outer != NULL && s->outer->subid == parent)
		{
			s->outer->position = s->position;
			s->local->state = s->outer;
			*link = s->older;
			pfree(s);
		}
		else
		{
			s->subid = parent;
			link = &s->older;
		}
	}
}

static void
roll_back_states(SubTransactionId mine)
{
	while (newest != NULL && newest->subid >= mine)
	{
		State	   *s = newest;
		Local	   *l = s->local;

		Assert(l->state == s);
		newest = s->older;
		l->state = s->outer;
		pfree(s);
		/* its lock goes, too */
		if (l->state == NULL)
		{
			pfree(l->text);
			(void) hash_search(locals, &l->hash, HASH_REMOVE, NULL);
		}
	}
}

void
el_positions_subxact(SubXactEvent event, SubTransactionId mine,
					 SubTransactionId parent)
{
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		merge_states(mine, parent);
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		roll_back_states(mine);
}
