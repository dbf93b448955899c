/*-------------------------------------------------------------------------
 *
 * assignor.c
 *	  Target assignment: balanced, and moving as little as possible.
 *
 * For each topic with n partitions and s subscribers everybody is to have
 * n / s, and n % s of them one more.  A partition stays where it is as long
 * as its member's share allows; what is left over goes to those below their
 * share, and who may have one more is who has least so far.  The number of
 * partitions that stay is the greatest possible: each member keeps
 * min(what it has, n / s), and as many as may keep one more do.
 *
 * IDENTIFICATION
 *	  src/kafka/assignor.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "kafka/assignor.h"

/* Least loaded first, then by order of joining: the result is deterministic. */
static int
load_cmp(const void *a, const void *b)
{
	const ElAssignLoad *la = a;
	const ElAssignLoad *lb = b;

	if (la->total != lb->total)
		return la->total < lb->total ? -1 : 1;
	if (la->member != lb->member)
		return la->member < lb->member ? -1 : 1;
	return 0;
}

static void
assign_topic(ElAssignTopic *t, ElAssignLoad *load, ElAssignLoad *order,
			 int32 ordinal)
{
	int32		base;
	int32		extra;
	int32		s;
	int32		p;

	if (t->nsubscribers == 0)
	{
		for (p = 0; p < t->npartitions; p++)
			t->target[p] = EL_NOBODY;
		return;
	}

	base = t->npartitions / t->nsubscribers;
	extra = t->npartitions % t->nsubscribers;

	for (s = 0; s < t->nsubscribers; s++)
	{
		ElAssignLoad *m = &load[t->subscribers[s]];

		m->subscribed = ordinal + 1;
		m->kept = 0;
	}

	/* keep what may stay */
	for (p = 0; p < t->npartitions; p++)
	{
		ElAssignLoad *m;

		if (t->target[p] == EL_NOBODY)
			continue;
		m = &load[t->target[p]];
		if (m->subscribed == ordinal + 1 && m->kept < base)
			m->kept++;
		else if (m->subscribed == ordinal + 1 && m->kept == base && extra > 0)
		{
			m->kept++;
			extra--;
		}
		else
			t->target[p] = EL_NOBODY;
	}

	/* hand out the rest: shares first, then one more each */
	for (s = 0; s < t->nsubscribers; s++)
		order[s] = load[t->subscribers[s]];
	qsort(order, t->nsubscribers, sizeof(ElAssignLoad), load_cmp);
	p = 0;
	for (s = 0; s < t->nsubscribers; s++)
	{
		ElAssignLoad *m = &load[order[s].member];

		for (; m->kept < base; p++)
		{
			if (t->target[p] != EL_NOBODY)
				continue;
			t->target[p] = m->member;
			m->kept++;
		}
	}
	for (s = 0; s < t->nsubscribers && extra > 0; s++)
	{
		ElAssignLoad *m = &load[order[s].member];

		if (m->kept > base)
			continue;			/* kept one more already */
		while (t->target[p] != EL_NOBODY)
			p++;
		t->target[p++] = m->member;
		m->kept++;
		extra--;
	}

	/* every share was handed out, and every partition is in one */
	Assert(extra == 0);

	for (s = 0; s < t->nsubscribers; s++)
		load[t->subscribers[s]].total += load[t->subscribers[s]].kept;
}

#ifdef USE_ASSERT_CHECKING

/* What assign_topic() relies on. */
static void
check_arguments(const ElAssignTopic *t, int32 nmembers)
{
	int32		i;

	Assert(t->npartitions >= 0);
	Assert(t->nsubscribers >= 0 && t->nsubscribers <= nmembers);
	for (i = 0; i < t->nsubscribers; i++)
	{
		Assert(t->subscribers[i] >= 0 && t->subscribers[i] < nmembers);
		Assert(i == 0 || t->subscribers[i] > t->subscribers[i - 1]);
	}
	for (i = 0; i < t->npartitions; i++)
		Assert(t->target[i] >= EL_NOBODY && t->target[i] < nmembers);
}

/* What it promises: see assignor.h. */
static void
check_result(const ElAssignTopic *t, const ElAssignLoad *load, int32 ordinal)
{
	int64		assigned = 0;
	int32		i;

	for (i = 0; i < t->npartitions; i++)
	{
		Assert((t->target[i] == EL_NOBODY) == (t->nsubscribers == 0));
		Assert(t->target[i] == EL_NOBODY ||
			   load[t->target[i]].subscribed == ordinal + 1);
	}
	for (i = 0; i < t->nsubscribers; i++)
	{
		const ElAssignLoad *m = &load[t->subscribers[i]];
		int32		more = m->kept - t->npartitions / t->nsubscribers;

		Assert(more == 0 || more == 1);
		assigned += m->kept;
	}
	Assert(assigned == (t->nsubscribers > 0 ? t->npartitions : 0));
}

#endif

void
el_assign(ElAssignTopic *topics, int32 ntopics, ElAssignLoad *load,
		  ElAssignLoad *order, int32 nmembers)
{
	int32		i;

	for (i = 0; i < nmembers; i++)
	{
		load[i].member = i;
		load[i].kept = 0;
		load[i].total = 0;
		load[i].subscribed = 0;
	}
	for (i = 0; i < ntopics; i++)
	{
#ifdef USE_ASSERT_CHECKING
		check_arguments(&topics[i], nmembers);
#endif
		assign_topic(&topics[i], load, order, i);
#ifdef USE_ASSERT_CHECKING
		check_result(&topics[i], load, i);
#endif
	}
}
