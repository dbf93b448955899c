/*-------------------------------------------------------------------------
 *
 * watchers.c
 *	  The table of those who are told of everything that changes in a database.
 *
 * A waiter (wake.c) wants to be woken, and looks by itself; a watcher stands for many
 * who wait elsewhere, and has to know which partitions have changed.  So there is a
 * list for each, which whoever ends a transaction adds to.  The latch is set when
 * the list was empty: a watcher that is slow is not woken for each commit.
 *
 * LOCKING
 *	  The table has a lock of its own, which is taken alone, and under which nothing
 *	  is waited for.
 *
 * IDENTIFICATION
 *	  src/group/watchers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "group/watchers.h"

/* On the whole server.  Each broker is one. */
#define MAX_WATCHERS	16

typedef struct Watcher
{
	Latch	   *latch;			/* NULL: free */
	Oid			dbid;
	bool		all;			/* more than the list has room for */
	int32		nleaves;
	Oid			leaves[EL_WATCHED_LEAVES];
} Watcher;

typedef struct WatcherTable
{
	LWLock		lock;
	int			tranche;
	pg_atomic_uint32 count;		/* registered; read without the lock */
	Watcher		watchers[MAX_WATCHERS];
} WatcherTable;

static WatcherTable *table = NULL;

Size
el_watchers_shmem_size(void)
{
	return sizeof(WatcherTable);
}

void
el_watchers_shmem_init(void)
{
	bool		found;

	table = ShmemInitStruct("eventlog watchers", el_watchers_shmem_size(), &found);
	if (!found)
	{
		memset(table, 0, el_watchers_shmem_size());
		table->tranche = LWLockNewTrancheId();
		LWLockInitialize(&table->lock, table->tranche);
		pg_atomic_init_u32(&table->count, 0);
	}
	LWLockRegisterTranche(table->tranche, "EventlogWatchers");
}

int
el_watcher_register(void)
{
	int			place = -1;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; place < 0 && i < MAX_WATCHERS; i++)
	{
		if (table->watchers[i].latch == NULL)
			place = i;
	}
	if (place >= 0)
	{
		Watcher    *w = &table->watchers[place];

		w->latch = MyLatch;
		w->dbid = MyDatabaseId;
		w->all = false;
		w->nleaves = 0;
		pg_atomic_fetch_add_u32(&table->count, 1);
	}
	LWLockRelease(&table->lock);
	/* pairs with the barrier in el_watchers_tell() */
	pg_memory_barrier();
	return place;
}

void
el_watcher_unregister(int place)
{
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	Assert(table->watchers[place].latch == MyLatch);
	table->watchers[place].latch = NULL;
	pg_atomic_fetch_sub_u32(&table->count, 1);
	LWLockRelease(&table->lock);
}

bool
el_watcher_take(int place, Oid *leaves, int *n)
{
	Watcher    *w = &table->watchers[place];
	bool		all;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	Assert(w->latch == MyLatch);
	all = w->all;
	*n = w->nleaves;
	memcpy(leaves, w->leaves, w->nleaves * sizeof(Oid));
	w->all = false;
	w->nleaves = 0;
	LWLockRelease(&table->lock);
	return all;
}

/* Add to a watcher's list what is not in it.  Lock held. */
static void
add_leaves(Watcher *w, const Oid *leaves, int n)
{
	if (n < 0)
		w->all = true;
	for (int i = 0; i < n && !w->all; i++)
	{
		int			k = 0;

		while (k < w->nleaves && w->leaves[k] != leaves[i])
			k++;
		if (k < w->nleaves)
			continue;
		if (k == EL_WATCHED_LEAVES)
			w->all = true;
		else
			w->leaves[w->nleaves++] = leaves[i];
	}
}

void
el_watchers_tell(const Oid *leaves, int n)
{
	if (table == NULL)
		return;

	/*
	 * pairs with the barrier between a watcher's registration and its
	 * client's look
	 */
	pg_memory_barrier();
	if (pg_atomic_read_u32(&table->count) == 0)
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_WATCHERS; i++)
	{
		Watcher    *w = &table->watchers[i];
		bool		was_empty = !w->all && w->nleaves == 0;

		if (w->latch == NULL || w->dbid != MyDatabaseId)
			continue;
		add_leaves(w, leaves, n);
		if (was_empty)
			SetLatch(w->latch);
	}
	LWLockRelease(&table->lock);
}

void
el_watchers_release_lock(void)
{
	if (LWLockHeldByMe(&table->lock))
		LWLockRelease(&table->lock);
}
