/*-------------------------------------------------------------------------
 *
 * sequence_test.c
 *	  A batch that was sent again is not appended again, and one that follows is not
 *	  refused.
 *
 * What Kafka 4.1.1 answers, and random histories against all batches that ever were:
 * a transaction that goes takes its own with it.
 *
 * IDENTIFICATION
 *	  test/unit/sequence_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "wire/sequence.h"

#undef printf
#undef fprintf
#undef snprintf
#undef sprintf
#include "check.h"

void
ExceptionalCondition(const char *conditionName,
#if PG_VERSION_NUM < 160000
					 const char *errorType,
#endif
					 const char *fileName, int lineNumber)
{
	printf("%s:%d: TRAP: %s\n", fileName, lineNumber, conditionName);
	abort();
}

#define MAX_WRITERS 4000
#define MAX_BATCHES 400

static ElWriterState writers[MAX_WRITERS];

static ElWriterState
ask(uint64 fxid)
{
	return writers[fxid];
}

static ElVerdict
send_batch(ElSequenceState *state, int16 epoch, int32 first, int32 n, int64 offset,
		   uint64 fxid, int64 *base)
{
	ElSequence	s = {.producer_id = 1,.first = first,.last = el_sequence_last(first, n),.epoch = epoch};
	ElVerdict	verdict = el_sequence_judge(state, &s, base);

	if (verdict == EL_SEQUENCE_NEXT)
		el_sequence_add(state, &s, offset, fxid);
	return verdict;
}

/* The answers of a real broker, but for what it forgets after five batches. */
static void
test_kafka(void)
{
	ElSequenceState state = {0};
	int64		base = -1;

	/* nothing is known: any sequence */
	CHECK(send_batch(&state, 0, 50, 1, 36, 0, &base) == EL_SEQUENCE_NEXT);
	memset(&state, 0, sizeof(state));
	for (int i = 0; i < 8; i++)
		CHECK(send_batch(&state, 0, i, 1, 37 + i, 0, &base) == EL_SEQUENCE_NEXT);
	CHECK(send_batch(&state, 0, 7, 1, 90, 0, &base) == EL_SEQUENCE_DUPLICATE && base == 44);
	CHECK(send_batch(&state, 0, 3, 1, 90, 0, &base) == EL_SEQUENCE_DUPLICATE && base == 40);
	/* 45 of Kafka, for which a client may give up */
	CHECK(send_batch(&state, 0, 2, 1, 90, 0, &base) == EL_SEQUENCE_OLD);
	CHECK(send_batch(&state, 0, 0, 1, 90, 0, &base) == EL_SEQUENCE_OLD);
	CHECK(send_batch(&state, 0, 9, 1, 90, 0, &base) == EL_SEQUENCE_GAP);
	CHECK(send_batch(&state, 1, 5, 1, 90, 0, &base) == EL_SEQUENCE_GAP);
	CHECK(send_batch(&state, 1, 0, 1, 45, 0, &base) == EL_SEQUENCE_NEXT);
	CHECK(send_batch(&state, 0, 8, 1, 90, 0, &base) == EL_SEQUENCE_FENCED);
	CHECK(send_batch(&state, 1, 0, 2, 90, 0, &base) == EL_SEQUENCE_GAP);
	/* the old epoch's sequences are no duplicates of this one's */
	CHECK(send_batch(&state, 1, 7, 1, 90, 0, &base) == EL_SEQUENCE_GAP);
}

static void
test_wrap(void)
{
	ElSequenceState state = {0};
	int64		base = -1;

	CHECK(el_sequence_last(PG_INT32_MAX, 1) == PG_INT32_MAX);
	CHECK(el_sequence_last(PG_INT32_MAX, 2) == 0);
	CHECK(el_sequence_last(PG_INT32_MAX - 1, 5) == 2);
	CHECK(send_batch(&state, 0, PG_INT32_MAX - 1, 5, 10, 0, &base) == EL_SEQUENCE_NEXT);
	CHECK(send_batch(&state, 0, PG_INT32_MAX - 1, 5, 15, 0, &base) == EL_SEQUENCE_DUPLICATE && base == 10);
	CHECK(send_batch(&state, 0, 3, 1, 15, 0, &base) == EL_SEQUENCE_NEXT);
	memset(&state, 0, sizeof(state));
	CHECK(send_batch(&state, 0, PG_INT32_MAX, 1, 20, 0, &base) == EL_SEQUENCE_NEXT);
	for (int i = 0; i < 6; i++)
		CHECK(send_batch(&state, 0, i, 1, 21 + i, 0, &base) == EL_SEQUENCE_NEXT);
	CHECK(send_batch(&state, 0, PG_INT32_MAX, 1, 90, 0, &base) == EL_SEQUENCE_OLD);
	/* whether that one is in the log nobody knows: no success for it */
	CHECK(send_batch(&state, 0, PG_INT32_MAX - 1, 1, 90, 0, &base) == EL_SEQUENCE_GAP);
}

/* Where nothing was known, what is older than the first batch may be missing. */
static void
test_begun_late(void)
{
	ElSequenceState state = {0};
	int64		base = -1;

	CHECK(send_batch(&state, 0, 10, 5, 0, 0, &base) == EL_SEQUENCE_NEXT);
	CHECK(send_batch(&state, 0, 5, 5, 5, 0, &base) == EL_SEQUENCE_GAP);
	CHECK(send_batch(&state, 0, 8, 4, 5, 0, &base) == EL_SEQUENCE_GAP);
}

/* The history: all that was appended, and who wrote it. */
typedef struct Written
{
	ElSequence	s;
	int64		base;
	uint64		fxid;
} Written;

static Written history[MAX_BATCHES];
static int	nhistory;

static int32
distance(int32 from, int32 to)
{
	return (int32) (((int64) to - from) & PG_INT32_MAX);
}

/* By looking at everything. */
static ElVerdict
oracle(const ElSequence *s, int64 *base)
{
	Written    *live[MAX_BATCHES];
	int			n = 0;
	int			i;

	for (i = 0; i < nhistory; i++)
	{
		if (writers[history[i].fxid] != EL_WRITER_ABORTED)
			live[n++] = &history[i];
	}
	if (n == 0)
		return EL_SEQUENCE_NEXT;
	if (s->epoch < live[n - 1]->s.epoch)
		return EL_SEQUENCE_FENCED;
	if (s->epoch > live[n - 1]->s.epoch)
		return s->first == 0 ? EL_SEQUENCE_NEXT : EL_SEQUENCE_GAP;
	if (distance(live[n - 1]->s.last, s->first) == 1)
		return EL_SEQUENCE_NEXT;
	for (i = n - 1; i >= 0 && live[i]->s.epoch == s->epoch; i--)
	{
		if (n - i <= EL_SEQUENCE_BATCHES)
		{
			if (live[i]->s.first == s->first && live[i]->s.last == s->last)
			{
				*base = live[i]->base;
				return EL_SEQUENCE_DUPLICATE;
			}
			continue;
		}
		/* all of it in front of the five, and behind where this epoch began? */
		if (distance(s->last, live[n - EL_SEQUENCE_BATCHES]->s.first) < (1 << 20) && s->last != live[n - EL_SEQUENCE_BATCHES]->s.first)
		{
			for (; i >= 0 && live[i]->s.epoch == s->epoch; i--)
			{
				if (distance(live[i]->s.first, s->first) < (1 << 20))
					return EL_SEQUENCE_OLD;
			}
		}
		break;
	}
	return EL_SEQUENCE_GAP;
}

static void
test_random(int schedules)
{
	static const char *names[] = {"next", "duplicate", "old", "gap", "fenced"};
	int64		counts[lengthof(names)] = {0};

	for (int schedule = 0; schedule < schedules; schedule++)
	{
		ElSequenceState state = {0};
		uint64		writer = 1;
		int32		next = random_below(2) ? 0 : PG_INT32_MAX - (int32) random_below(30);
		int16		epoch = 0;
		bool		running = false;
		int			own = 0;

		nhistory = 0;
		for (int step = 0; step < 120 && nhistory < MAX_BATCHES; step++)
		{
			ElSequence	s = {.producer_id = 1};
			int64		base = -1;
			int64		want = -1;
			ElVerdict	verdict;
			ElVerdict	wanted;

			if (!running)
			{
				writers[++writer] = EL_WRITER_OURS;
				running = true;
				own = 0;
			}
			/* clients have no more than five batches in flight */
			if (own == EL_SEQUENCE_BATCHES || random_below(4) == 0)
			{
				/* another one's, seen before and after its end */
				ElSequenceState before = state;
				uint64		met;

				writers[writer] = EL_WRITER_RUNNING;
				met = el_sequence_settle(&state, ask);
				CHECK(met == (own > 0 ? writer : 0));
				if (own > 0)
					CHECK(memcmp(&before, &state, sizeof(state)) == 0);
				writers[writer] = random_below(3) ? EL_WRITER_COMMITTED : EL_WRITER_ABORTED;
				running = false;
				continue;
			}
			CHECK(el_sequence_settle(&state, ask) == 0);

			/* what the client sends next goes by what is there */
			next = 0;
			epoch = 0;
			for (int i = 0; i < nhistory; i++)
			{
				if (writers[history[i].fxid] != EL_WRITER_ABORTED)
				{
					next = el_sequence_last(history[i].s.last, 2);
					epoch = history[i].s.epoch;
				}
			}
			s.epoch = epoch;
			s.first = next;
			s.last = el_sequence_last(next, 1 + random_below(4));
			switch (random_below(10))
			{
				case 0:
				case 1:
				case 2:
					if (nhistory > 0)
						s = history[nhistory - 1 - random_below(Min(nhistory, 9))].s;
					break;
				case 3:
					s.first = (int32) (((uint32) s.first + random_below(6) - 3) & PG_INT32_MAX);
					s.last = el_sequence_last(s.first, 1 + random_below(4));
					break;
				case 4:
					s.epoch += (int) random_below(3) - 1;
					if (random_below(2))
					{
						s.first = 0;
						s.last = random_below(3);
					}
					break;
			}
			if (s.epoch < 0)
				s.epoch = 0;
			wanted = oracle(&s, &want);
			verdict = el_sequence_judge(&state, &s, &base);
			counts[wanted]++;
			if (!CHECK(verdict == wanted && base == want))
			{
				printf("schedule %d, step %d: epoch %d, %d to %d: %s at %lld, should be %s at %lld\n", schedule, step,
					   s.epoch, s.first, s.last, names[verdict], (long long) base, names[wanted], (long long) want);
				return;
			}
			if (verdict == EL_SEQUENCE_NEXT)
			{
				el_sequence_add(&state, &s, 1000 + nhistory, writer);
				history[nhistory].s = s;
				history[nhistory].base = 1000 + nhistory;
				history[nhistory].fxid = writer;
				nhistory++;
				own++;
			}
		}
	}
	for (int i = 0; i < lengthof(names); i++)
	{
		printf("%s %lld\n", names[i], (long long) counts[i]);
		CHECK(counts[i] > schedules / 10);
	}
}

/* More batches of one transaction than are remembered: those before it stay. */
static void
test_many_aborted(void)
{
	ElSequenceState state = {0};
	int64		base = -1;

	writers[1] = EL_WRITER_COMMITTED;
	writers[2] = writers[3] = EL_WRITER_OURS;
	for (int i = 0; i < 6; i++)
		(void) send_batch(&state, 0, i, 1, i, 1, &base);
	CHECK(el_sequence_settle(&state, ask) == 0);
	for (int i = 6; i < 20; i++)
		CHECK(send_batch(&state, 0, i, 1, i, 2, &base) == EL_SEQUENCE_NEXT);
	CHECK(send_batch(&state, 0, 15, 1, 90, 2, &base) == EL_SEQUENCE_DUPLICATE && base == 15);
	CHECK(send_batch(&state, 0, 14, 1, 90, 2, &base) == EL_SEQUENCE_OLD);
	/* a savepoint's, rolled back: what the transaction itself wrote counts */
	for (int i = 20; i < 30; i++)
		CHECK(send_batch(&state, 0, i, 1, i, 3, &base) == EL_SEQUENCE_NEXT);
	writers[3] = EL_WRITER_ABORTED;
	CHECK(el_sequence_settle(&state, ask) == 0);
	CHECK(send_batch(&state, 0, 21, 1, 90, 2, &base) == EL_SEQUENCE_GAP);
	CHECK(send_batch(&state, 0, 19, 1, 90, 2, &base) == EL_SEQUENCE_DUPLICATE && base == 19);
	CHECK(send_batch(&state, 0, 20, 1, 20, 2, &base) == EL_SEQUENCE_NEXT);
	writers[2] = EL_WRITER_ABORTED;
	CHECK(el_sequence_settle(&state, ask) == 0);
	CHECK(state.ncommitted == EL_SEQUENCE_BATCHES && state.npending == 0);
	CHECK(send_batch(&state, 0, 1, 1, 90, 2, &base) == EL_SEQUENCE_DUPLICATE && base == 1);
	CHECK(send_batch(&state, 0, 6, 1, 6, 2, &base) == EL_SEQUENCE_NEXT);
}

int
main(int argc, char **argv)
{
	test_kafka();
	test_wrap();
	test_begun_late();
	test_many_aborted();
	test_random(argc > 1 ? atoi(argv[1]) : 2000);
	return check_summary();
}
