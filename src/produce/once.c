/*-------------------------------------------------------------------------
 *
 * once.c
 *	  Producers with sequences: what was produced is not produced again.
 *
 * A client that lost the answer to its COMMIT tries again, with the same producer and
 * sequence.  The last sequence of a producer in a topic is a position (src/positions), committed
 * with the events.  One that leaves a number out is refused: the one left out could still
 * come, and would be taken for a repetition.
 *
 * IDENTIFICATION
 *	  src/produce/once.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "produce/once.h"

/* As Kafka's names of topics, groups and clients. */
#define MAX_NAME	249

static char *
get_name(const text *producer)
{
	int			len = VARSIZE_ANY_EXHDR(producer);

	if (len == 0 || len > MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("producer name must have 1 to %d bytes", MAX_NAME),
				 errdetail("This one has %d.", len)));
	return text_to_cstring(producer);
}

void
el_once_begin(ElOnce *once, FunctionCallInfo fcinfo, int argno, const ElTopic *t)
{
	char	   *name;
	int64		last;

	once->again = false;
	once->asked = !PG_ARGISNULL(argno) || !PG_ARGISNULL(argno + 1);
	if (!once->asked)
		return;
	if (PG_ARGISNULL(argno) || PG_ARGISNULL(argno + 1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", PG_ARGISNULL(argno) ? "producer" : "sequence"),
				 errdetail("producer and sequence are given together, or neither of them.")));
	name = get_name(PG_GETARG_TEXT_PP(argno));
	once->sequence = PG_GETARG_INT64(argno + 1);
	if (once->sequence < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sequence must not be negative")));

	el_position_key(&once->key, EL_POSITION_PRODUCER, &t->uuid, name);
	el_position_take(&once->key, &once->taken);
	last = once->taken.position;
	once->again = last >= 0 && once->sequence <= last;
	if (last >= 0 && once->sequence - 1 > last)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sequence %lld of producer \"%s\" leaves a gap in topic \"%s\"",
						(long long) once->sequence, name, t->name),
				 errdetail("The last sequence that was produced is %lld.", (long long) last),
				 errhint("Produce sequence %lld first, or go on under another producer name.",
						 (long long) last + 1)));
}

void
el_once_done(const ElOnce *once)
{
	if (!once->asked || once->again)
		return;
	if (!el_position_set(&once->key, &once->taken, once->sequence))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("producer \"%s\" has been used while its sequence %lld was being produced",
						el_position_key_name(once->key.text, once->key.len),
						(long long) once->sequence),
				 errdetail("A function that the call has run, such as a CHECK constraint's, has produced with the same producer."),
				 errhint("Give that function a producer of its own.")));
}
