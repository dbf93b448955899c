/*-------------------------------------------------------------------------
 *
 * assignor_test.c
 *	  The pure steps of the group protocol: balance, stickiness, one owner.
 *
 * Worked examples first; then random schedules of joins, leaves, deaths, slow
 * members, subscriptions and growing topics, with the invariants checked after
 * every step:
 *
 *	- a target goes to subscribers only, and every partition that has a
 *	  subscriber has a target;
 *	- a topic's subscribers have shares that differ by one at most;
 *	- as many partitions stay as balance allows;
 *	- a partition is taken from nobody who works on it, or who was given events
 *	  and has not asked for more;
 *	- once everybody has asked for more, ownership is the target.
 *
 * IDENTIFICATION
 *	  test/unit/assignor_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "check.h"
#include "kafka/assignor.h"
#include "kafka/reconcile.h"

#define MAX_MEMBERS	40
#define MAX_TOPICS	5
#define MAX_PARTS	64

static int
pick(int n)
{
	return (int) random_below((size_t) n);
}

/* A topic for one call of el_assign. */
static void
assign_one(int32 *target, int32 nparts, const int32 *subs, int32 nsubs,
		   int32 nmembers)
{
	ElAssignTopic t = {nparts, target, nsubs, subs};
	ElAssignLoad load[MAX_MEMBERS];
	ElAssignLoad order[MAX_MEMBERS];

	el_assign(&t, 1, load, order, nmembers);
}

static void
test_examples(void)
{
	int32		target[32];
	int32		subs[MAX_MEMBERS];
	int32		moved;
	int			i;
	int			n;

	for (i = 0; i < MAX_MEMBERS; i++)
		subs[i] = i;

	/* nobody there */
	for (i = 0; i < 4; i++)
		target[i] = 0;
	assign_one(target, 4, subs, 0, 1);
	for (i = 0; i < 4; i++)
		CHECK(target[i] == EL_NOBODY);

	/* one has all, in order */
	assign_one(target, 4, subs, 1, 1);
	for (i = 0; i < 4; i++)
		CHECK(target[i] == 0);

	/* a second gets half, the first keeps its first ones */
	assign_one(target, 4, subs, 2, 2);
	CHECK(target[0] == 0 && target[1] == 0 && target[2] == 1 && target[3] == 1);

	/* the 17th of 16 over 32 partitions moves ceil(32 / 17) at most */
	for (i = 0; i < 32; i++)
		target[i] = i / 2;
	assign_one(target, 32, subs, 17, 17);
	moved = 0;
	n = 0;
	for (i = 0; i < 32; i++)
	{
		moved += target[i] != i / 2;
		n += target[i] == 16;
	}
	CHECK(moved == 1 && n == 1);

	/* more members than partitions: the surplus is idle */
	for (i = 0; i < 3; i++)
		target[i] = EL_NOBODY;
	assign_one(target, 3, subs, 5, 5);
	CHECK(target[0] == 0 && target[1] == 1 && target[2] == 2);

	/* two topics of one partition each: not both to the same member */
	{
		int32		t1[1] = {EL_NOBODY};
		int32		t2[1] = {EL_NOBODY};
		ElAssignTopic topics[2] = {{1, t1, 2, subs}, {1, t2, 2, subs}};
		ElAssignLoad load[2];
		ElAssignLoad order[2];

		el_assign(topics, 2, load, order, 2);
		CHECK(t1[0] != t2[0]);
	}
}

static void
test_reconcile_examples(void)
{
	ElReconcilePart p[1];

	/* free: to its target */
	memset(p, 0, sizeof(p));
	p[0].owner = EL_NOBODY;
	p[0].target = 3;
	CHECK(el_reconcile(p, 1, EL_NOBODY, 7) == 0);
	CHECK(p[0].owner == 3 && p[0].epoch == 7 && p[0].changed);

	/* idle owner: at once */
	p[0].target = 4;
	CHECK(el_reconcile(p, 1, EL_NOBODY, 8) == 0);
	CHECK(p[0].owner == 4 && p[0].epoch == 8 && p[0].changed);

	/* in place: untouched, the epoch too */
	CHECK(el_reconcile(p, 1, EL_NOBODY, 9) == 0);
	CHECK(p[0].owner == 4 && p[0].epoch == 8 && !p[0].changed);

	/* delivered but not committed: waits, until its owner asks for more */
	p[0].outstanding = true;
	p[0].target = 5;
	CHECK(el_reconcile(p, 1, EL_NOBODY, 9) == 1);
	CHECK(el_reconcile(p, 1, 5, 9) == 1);
	CHECK(p[0].owner == 4 && !p[0].changed);
	CHECK(el_reconcile(p, 1, 4, 9) == 0);
	CHECK(p[0].owner == 5 && p[0].epoch == 9 && p[0].changed);
	CHECK(!p[0].outstanding);

	/* worked on: waits whoever asks */
	p[0].busy = true;
	p[0].target = EL_NOBODY;
	CHECK(el_reconcile(p, 1, 5, 10) == 1);
	CHECK(p[0].owner == 5);
	p[0].busy = false;
	CHECK(el_reconcile(p, 1, EL_NOBODY, 10) == 0);
	CHECK(p[0].owner == EL_NOBODY && p[0].changed);
}

/*
 * Random schedules
 */
typedef struct World
{
	int32		nmembers;		/* numbers in use: 0 .. nmembers - 1 */
	bool		alive[MAX_MEMBERS];
	bool		sub[MAX_MEMBERS][MAX_TOPICS];
	int32		ntopics;
	int32		nparts[MAX_TOPICS];
	int32		target[MAX_TOPICS][MAX_PARTS];
	ElReconcilePart part[MAX_TOPICS][MAX_PARTS];
	int64		epoch;
} World;

static void
compute(World *w)
{
	ElAssignTopic topics[MAX_TOPICS];
	int32		subs[MAX_TOPICS][MAX_MEMBERS];
	int32		before[MAX_TOPICS][MAX_PARTS];
	ElAssignLoad load[MAX_MEMBERS];
	ElAssignLoad order[MAX_MEMBERS];
	int			t;
	int			p;
	int			m;

	for (t = 0; t < w->ntopics; t++)
	{
		topics[t].npartitions = w->nparts[t];
		topics[t].target = w->target[t];
		topics[t].nsubscribers = 0;
		topics[t].subscribers = subs[t];
		for (m = 0; m < w->nmembers; m++)
		{
			if (w->alive[m] && w->sub[m][t])
				subs[t][topics[t].nsubscribers++] = m;
		}
		/* who left is nobody's target any more, as the coordinator sees to */
		for (p = 0; p < w->nparts[t]; p++)
		{
			if (w->target[t][p] != EL_NOBODY && !w->alive[w->target[t][p]])
				w->target[t][p] = EL_NOBODY;
			before[t][p] = w->target[t][p];
		}
	}
	el_assign(topics, w->ntopics, load, order, w->nmembers);
	w->epoch++;

	for (t = 0; t < w->ntopics; t++)
	{
		int			n = topics[t].nsubscribers;
		int			have[MAX_MEMBERS] = {0};
		int			had[MAX_MEMBERS] = {0};
		int			stay = 0;
		int			may_stay = 0;
		int			extra;

		for (p = 0; p < w->nparts[t]; p++)
		{
			int32		now = w->target[t][p];

			CHECK((now == EL_NOBODY) == (n == 0));
			if (before[t][p] != EL_NOBODY)
				had[before[t][p]]++;
			if (now == EL_NOBODY)
				continue;
			CHECK(w->alive[now] && w->sub[now][t]);
			have[now]++;
			stay += now == before[t][p];
		}
		if (n == 0)
			continue;
		extra = w->nparts[t] % n;
		for (m = 0; m < w->nmembers; m++)
		{
			int			base = w->nparts[t] / n;

			if (!w->alive[m] || !w->sub[m][t])
				continue;
			CHECK(have[m] == base || have[m] == base + 1);
			may_stay += had[m] < base ? had[m] : base;
			if (had[m] > base && extra > 0)
			{
				may_stay++;
				extra--;
			}
		}
		CHECK(stay == may_stay);
	}
}

static void
reconcile(World *w, int32 yielding)
{
	int			t;
	int			p;

	for (t = 0; t < w->ntopics; t++)
	{
		ElReconcilePart before[MAX_PARTS];

		for (p = 0; p < w->nparts[t]; p++)
			w->part[t][p].target = w->target[t][p];
		memcpy(before, w->part[t], sizeof(before));
		el_reconcile(w->part[t], w->nparts[t], yielding, w->epoch);
		for (p = 0; p < w->nparts[t]; p++)
		{
			ElReconcilePart *a = &before[p];
			ElReconcilePart *b = &w->part[t][p];

			CHECK(b->owner == a->owner || b->owner == b->target);
			CHECK(b->changed == (b->owner != a->owner));
			CHECK(b->changed || b->epoch == a->epoch);
			if (a->owner != EL_NOBODY && b->owner != a->owner)
			{
				CHECK(!a->busy);
				CHECK(!a->outstanding || a->owner == yielding);
			}
			if (b->owner != EL_NOBODY && b->changed)
				CHECK(b->epoch == w->epoch && !b->outstanding);
		}
	}
}

static void
leave(World *w, int m)
{
	int			t;
	int			p;

	w->alive[m] = false;
	for (t = 0; t < w->ntopics; t++)
	{
		for (p = 0; p < w->nparts[t]; p++)
		{
			if (w->part[t][p].owner == m)
			{
				w->part[t][p].owner = EL_NOBODY;
				w->part[t][p].busy = w->part[t][p].outstanding = false;
			}
		}
	}
}

static void
grow(World *w, int t, int n)
{
	for (; w->nparts[t] < n && w->nparts[t] < MAX_PARTS; w->nparts[t]++)
	{
		memset(&w->part[t][w->nparts[t]], 0, sizeof(ElReconcilePart));
		w->part[t][w->nparts[t]].owner = EL_NOBODY;
		w->target[t][w->nparts[t]] = EL_NOBODY;
	}
}

static void
run_schedule(unsigned int seed)
{
	static World world;
	World	   *w = &world;
	int			step;
	int			t;
	int			p;
	int			m;

	random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
	memset(w, 0, sizeof(*w));
	w->ntopics = 1 + pick(MAX_TOPICS);
	for (t = 0; t < w->ntopics; t++)
		grow(w, t, 1 + pick(MAX_PARTS / 2));

	for (step = 0; step < 60; step++)
	{
		bool		changed = false;

		m = w->nmembers > 0 ? pick(w->nmembers) : 0;
		t = pick(w->ntopics);
		switch (pick(8))
		{
			case 0:				/* join */
			case 1:
				if (w->nmembers < MAX_MEMBERS)
				{
					m = w->nmembers++;
					w->alive[m] = true;
					w->sub[m][t] = true;
					changed = true;
				}
				break;
			case 2:				/* leave, or die */
				if (w->nmembers > 0 && w->alive[m])
				{
					leave(w, m);
					changed = true;
				}
				break;
			case 3:				/* subscribe */
				if (w->nmembers > 0 && w->alive[m] && !w->sub[m][t])
				{
					w->sub[m][t] = true;
					changed = true;
				}
				break;
			case 4:				/* a topic grows */
				grow(w, t, w->nparts[t] + pick(4));
				changed = true;
				break;
			case 5:				/* work begins and ends */
			case 6:
				for (p = 0; p < w->nparts[t]; p++)
				{
					ElReconcilePart *part = &w->part[t][p];

					if (part->owner == EL_NOBODY || pick(2) == 0)
						continue;
					part->busy = pick(3) == 0;
					part->outstanding = pick(2) == 0;
				}
				break;
			default:
				break;
		}
		if (changed)
			compute(w);
		reconcile(w, w->nmembers > 0 && w->alive[m] && pick(2) ? m : EL_NOBODY);
	}

	/* work ends, everybody asks for more: ownership is the target */
	for (t = 0; t < w->ntopics; t++)
	{
		for (p = 0; p < w->nparts[t]; p++)
			w->part[t][p].busy = false;
	}
	for (m = 0; m < w->nmembers; m++)
	{
		if (w->alive[m])
			reconcile(w, m);
	}
	for (t = 0; t < w->ntopics; t++)
	{
		for (p = 0; p < w->nparts[t]; p++)
			CHECK(w->part[t][p].owner == w->target[t][p]);
	}
}

int
main(void)
{
	unsigned int seed;

	test_examples();
	test_reconcile_examples();
	for (seed = 1; seed <= 5000; seed++)
		run_schedule(seed);
	return check_summary();
}
