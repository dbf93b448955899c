/*-------------------------------------------------------------------------
 *
 * sequence.c
 *	  The rules of Kafka's idempotent producers, for one producer in one partition.
 *
 * A producer numbers its events within an epoch, and sends a batch again until it is
 * answered.  What is in the log is told by the last batches there: one that equals one
 * of five is a duplicate, one that begins behind the last comes next.  Where nothing is
 * known, whatever comes is next.
 *
 * A batch counts from its append on, for what comes next may come in the same
 * transaction; if that is rolled back it has never been.  So up to five batches of a
 * transaction that may end so are kept beside the five from before.
 *
 * Where this is not what Kafka does: a batch older than the five is OLD, not a gap, if
 * all of it is known to be in the log.  Clients take that for success.  It has to be
 * known: after a batch that was taken because nothing was known, an earlier one may
 * never have arrived.
 *
 * IDENTIFICATION
 *	  src/wire/sequence.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "wire/sequence.h"

/* Sequence numbers go round: from a on to b it is this many. */
static uint32
distance(int32 a, int32 b)
{
	return ((uint32) b - (uint32) a) & PG_INT32_MAX;
}

int32
el_sequence_last(int32 first, int32 n)
{
	Assert(first >= 0 && n > 0);
	return (int32) (((uint32) first + (uint32) n - 1) & PG_INT32_MAX);
}

static inline int
count_batches(const ElSequenceState *state)
{
	return state->ncommitted + state->npending;
}

static void
remove_batch(ElSequenceState *state, int i)
{
	memmove(&state->batches[i], &state->batches[i + 1],
			(count_batches(state) - i - 1) * sizeof(ElSequenceBatch));
	if (i < state->ncommitted)
		state->ncommitted--;
	else
		state->npending--;
}

uint64
el_sequence_settle(ElSequenceState *state, ElWriterAsk ask)
{
	ElWriterState found[EL_SEQUENCE_BATCHES];
	int			n = state->npending;
	int			at = state->ncommitted;

	for (int i = 0; i < n; i++)
	{
		found[i] = ask(state->batches[at + i].fxid);
		if (found[i] == EL_WRITER_RUNNING)
			return state->batches[at + i].fxid;
	}
	for (int i = 0; i < n; i++)
	{
		switch (found[i])
		{
			case EL_WRITER_ABORTED:
				remove_batch(state, at);
				break;
			case EL_WRITER_COMMITTED:
				/* all of them are of one transaction, and it is over */
				Assert(at == state->ncommitted);
				state->batches[at].fxid = 0;
				state->ncommitted++;
				state->npending--;
				if (state->ncommitted > EL_SEQUENCE_BATCHES)
					remove_batch(state, 0);
				at = state->ncommitted;
				break;
			default:
				at++;
		}
	}
	return 0;
}

ElVerdict
el_sequence_judge(const ElSequenceState *state, const ElSequence *s,
				  int64 *base_offset)
{
	int			n = count_batches(state);
	const ElSequenceBatch *newest;
	const ElSequenceBatch *oldest;
	uint32		count = distance(s->first, s->last) + 1;
	uint32		behind;

	if (n == 0)
		return EL_SEQUENCE_NEXT;
	newest = oldest = &state->batches[n - 1];
	if (s->epoch < newest->epoch)
		return EL_SEQUENCE_FENCED;
	if (s->epoch > newest->epoch)
		return s->first == 0 ? EL_SEQUENCE_NEXT : EL_SEQUENCE_GAP;
	if (distance(newest->last, s->first) == 1)
		return EL_SEQUENCE_NEXT;
	for (int i = n - 1; i >= 0 && i >= n - EL_SEQUENCE_BATCHES; i--)
	{
		const ElSequenceBatch *b = &state->batches[i];

		if (b->epoch != s->epoch)
			break;
		if (b->first == s->first && b->last == s->last)
		{
			*base_offset = b->base_offset;
			return EL_SEQUENCE_DUPLICATE;
		}
		oldest = b;
	}
	/* all of it before the five, and within what is there without a gap? */
	behind = distance(s->last, newest->last);
	if (behind > distance(oldest->first, newest->last) &&
		(uint64) behind + count <= newest->run)
		return EL_SEQUENCE_OLD;
	return EL_SEQUENCE_GAP;
}

/*
 * Room for one more pending batch.  The oldest goes, but of each writer one stays, as
 * long as there are no more than five: else a savepoint's batches would push out what
 * was before them, and their rollback would leave less than there is.
 */
static void
forget_pending(ElSequenceState *state)
{
	int			from = state->ncommitted;
	int			end = from + state->npending;

	for (int i = from; i < end - 1; i++)
	{
		for (int k = i + 1; k < end; k++)
		{
			if (state->batches[k].fxid == state->batches[i].fxid)
			{
				remove_batch(state, i);
				return;
			}
		}
	}
	remove_batch(state, from);
}

void
el_sequence_add(ElSequenceState *state, const ElSequence *s, int64 base_offset,
				uint64 fxid)
{
	uint32		count = distance(s->first, s->last) + 1;
	int			n = count_batches(state);
	const ElSequenceBatch *before = n > 0 ? &state->batches[n - 1] : NULL;
	ElSequenceBatch b = {
		.base_offset = base_offset,
		.fxid = fxid,
		.first = s->first,
		.last = s->last,
		.run = count,
		.epoch = s->epoch
	};

	/* beyond half of the numbers old and new cannot be told apart */
	if (before != NULL && before->epoch == s->epoch && distance(before->last, s->first) == 1)
		b.run = Min(before->run + count, (uint32) PG_INT32_MAX / 2);
	if (fxid != 0 && state->npending == EL_SEQUENCE_BATCHES)
		forget_pending(state);
	if (fxid == 0)
	{
		/*
		 * one that has committed comes behind: those in front have ended as
		 * well
		 */
		state->npending = 0;
		if (state->ncommitted == EL_SEQUENCE_BATCHES)
			remove_batch(state, 0);
		state->ncommitted++;
	}
	else
		state->npending++;
	state->batches[count_batches(state) - 1] = b;
}

void
el_sequence_place(ElSequenceState *state, int64 unknown, int64 base_offset)
{
	for (int i = 0; i < count_batches(state); i++)
	{
		if (state->batches[i].base_offset == unknown)
			state->batches[i].base_offset = base_offset;
	}
}
