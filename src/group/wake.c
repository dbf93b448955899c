/*-------------------------------------------------------------------------
 *
 * wake.c
 *	  The table of those who sleep until there is something for them.
 *
 * A waiter registers what would end its wait, then looks, then sleeps on its
 * latch.  Whoever ends a transaction that appended, or that held a partition,
 * sets the latches of those concerned, once its locks are gone (xact.c,
 * notes.c).  A barrier on each side makes sure that no signal is lost: either
 * the waiter's look finds what the other did, or the other finds the waiter.
 *
 * LOCKING
 *	  The table has a lock of its own, which is taken alone or under the
 *	  coordinator's lock, and under which nothing is waited for.
 *
 * IDENTIFICATION
 *	  src/group/wake.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "base/settings.h"
#include "group/slots.h"
#include "group/wake.h"
#include "group/watchers.h"

typedef struct Waiter
{
	Latch	   *latch;			/* NULL: free */
	int32		pid;
	Oid			dbid;
	bool		want_free;		/* it met a partition that another transaction
								 * works on */
	ElInterest	interest;
} Waiter;

typedef struct WaiterTable
{
	LWLock		lock;
	int			tranche;
	int32		size;
	int32		high;			/* no waiter at or beyond it */
	pg_atomic_uint32 count;		/* registered; read without the lock before a
								 * signal */
	Waiter		waiters[FLEXIBLE_ARRAY_MEMBER];
} WaiterTable;

static WaiterTable *table = NULL;

/* Who is meant by a signal. */
typedef bool (*WaiterTest) (const Waiter *w, const void *arg);

Size
el_wake_shmem_size(void)
{
	return add_size(offsetof(WaiterTable, waiters),
					mul_size(el_max_waiters, sizeof(Waiter)));
}

void
el_wake_shmem_init(void)
{
	bool		found;

	table = ShmemInitStruct("eventlog waiters", el_wake_shmem_size(), &found);
	if (!found)
	{
		memset(table, 0, el_wake_shmem_size());
		table->tranche = LWLockNewTrancheId();
		LWLockInitialize(&table->lock, table->tranche);
		table->size = el_max_waiters;
		pg_atomic_init_u32(&table->count, 0);
	}
	LWLockRegisterTranche(table->tranche, "EventlogWaiters");
}

/*
 * Registering
 */
uint64
el_wake_group_id(Oid dbid, const char *group)
{
	return hash_bytes_extended((const unsigned char *) group, strlen(group),
							   dbid);
}

int
el_waiter_register(int place, const ElInterest *interest)
{
	Waiter	   *w;
	int			i;

	Assert(interest->ngroups <= EL_INTEREST_GROUPS);
	Assert(interest->nleaves <= EL_INTEREST_LEAVES);
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (i = 0; place < 0 && i < table->size; i++)
	{
		if (table->waiters[i].latch == NULL)
		{
			place = i;
			table->waiters[i].want_free = false;
			table->high = Max(table->high, i + 1);
			pg_atomic_fetch_add_u32(&table->count, 1);
		}
	}
	if (place >= 0)
	{
		w = &table->waiters[place];
		Assert(w->latch == NULL || w->pid == MyProcPid);
		w->latch = MyLatch;
		w->pid = MyProcPid;
		w->dbid = MyDatabaseId;
		w->interest = *interest;
	}
	LWLockRelease(&table->lock);
	/* pairs with the barrier in anybody_waits() */
	pg_memory_barrier();
	return place;
}

void
el_waiter_want_free(int place)
{
	Waiter	   *w = &table->waiters[place];

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	Assert(w->latch == MyLatch);
	if (!w->want_free)
	{
		w->want_free = true;
		SetLatch(MyLatch);		/* it may be free by now: look once more */
	}
	LWLockRelease(&table->lock);
}

void
el_waiter_unregister(int place)
{
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	Assert(table->waiters[place].latch == MyLatch);
	Assert(place < table->high);
	table->waiters[place].latch = NULL;
	pg_atomic_fetch_sub_u32(&table->count, 1);
	while (table->high > 0 && table->waiters[table->high - 1].latch == NULL)
		table->high--;
	Assert(pg_atomic_read_u32(&table->count) <= table->high);
	LWLockRelease(&table->lock);
}

/*
 * Signalling
 */
static bool
anybody_waits(void)
{
	if (table == NULL)
		return false;
	/* pairs with the barrier between a waiter's registration and its look */
	pg_memory_barrier();
	return pg_atomic_read_u32(&table->count) > 0;
}

/* The first waiter that passes the test, or NULL.  Lock held. */
static Waiter *
next_waiter(int *i, WaiterTest test, const void *arg)
{
	while (*i < table->high)
	{
		Waiter	   *w = &table->waiters[(*i)++];

		if (w->latch != NULL && test(w, arg))
			return w;
	}
	return NULL;
}

static void
wake_waiters(WaiterTest test, const void *arg)
{
	Waiter	   *w;
	int			i = 0;

	if (!anybody_waits())
		return;
	LWLockAcquire(&table->lock, LW_SHARED);
	while ((w = next_waiter(&i, test, arg)) != NULL)
		SetLatch(w->latch);
	LWLockRelease(&table->lock);
}

typedef struct Leaves
{
	const Oid  *leaves;
	int			n;
} Leaves;

static bool
waits_on_leaves(const Waiter *w, const void *arg)
{
	const Leaves *a = arg;
	int			i;
	int			k;

	if (w->dbid != MyDatabaseId || w->interest.any_leaf)
		return w->dbid == MyDatabaseId;
	for (k = 0; k < w->interest.nleaves; k++)
	{
		for (i = 0; i < a->n; i++)
		{
			if (w->interest.leaves[k] == a->leaves[i])
				return true;
		}
	}
	return false;
}

void
el_wake_leaves(const Oid *leaves, int n)
{
	Leaves		a = {leaves, n};

	wake_waiters(waits_on_leaves, &a);
	el_watchers_tell(leaves, n);
}

typedef struct Group
{
	Oid			dbid;
	uint64		group;
	bool		only_want_free;
} Group;

static bool
waits_on_group(const Waiter *w, const void *arg)
{
	const Group *a = arg;
	int			i;

	if (w->dbid != a->dbid || (a->only_want_free && !w->want_free))
		return false;
	for (i = 0; i < w->interest.ngroups; i++)
	{
		if (w->interest.groups[i] == a->group)
			return true;
	}
	return w->interest.any_group;
}

void
el_wake_group(Oid dbid, const char *group, bool only_want_free)
{
	Group		a = {dbid, 0, only_want_free};

	if (!anybody_waits())
		return;
	a.group = el_wake_group_id(dbid, group);
	wake_waiters(waits_on_group, &a);
}

static bool
waits_in_database(const Waiter *w, const void *arg)
{
	return w->dbid == *(const Oid *) arg;
}

void
el_wake_database(void)
{
	wake_waiters(waits_in_database, &MyDatabaseId);
	el_watchers_tell(NULL, -1);
}

static bool
has_pid(const Waiter *w, const void *arg)
{
	return w->pid == *(const int *) arg;
}

bool
el_waits(int pid)
{
	bool		found;
	int			i = 0;

	LWLockAcquire(&table->lock, LW_SHARED);
	found = next_waiter(&i, has_pid, &pid) != NULL;
	LWLockRelease(&table->lock);
	return found;
}

void
el_wake_worker(void)
{
	Latch	   *latch = el_shared->worker_latch;

	/*
	 * a latch of a process that has gone belongs to nobody, or to one that
	 * will not mind
	 */
	if (latch != NULL)
		SetLatch(latch);
}

void
el_wake_release_lock(void)
{
	if (LWLockHeldByMe(&table->lock))
		LWLockRelease(&table->lock);
}
