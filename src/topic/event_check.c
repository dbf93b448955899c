/*-------------------------------------------------------------------------
 *
 * event_check.c
 *	  Do the events of a partition fit the types of their topic?
 *
 * No DDL makes an event unreadable, but a new version of a type's extension may, or
 * a restore beside other types.  consume_bytes() reads such events.
 *
 * IDENTIFICATION
 *	  src/topic/event_check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "kafka/record.h"
#include "storage/reader.h"
#include "topic/event_check.h"

/* Events of a partition that are reported one by one. */
#define MAX_REPORTED	10

/* The type's error, as it was raised; NULL if the bytes fit.  In a subtransaction, for an input function may have begun anything. */
static char *
type_error(ElSerde *s, const char *data, int32 len)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char	   *volatile message = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		el_check_bytes(s, data, len);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();

		/* not the event's fault */
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_SYSTEM_ERROR)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		message = error->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	return message;
}

static void
check_bytes(ElSerde *s, const char *data, int32 len, int64 offset,
			const char *what, int64 *bad, ElCheckReport report, void *arg)
{
	char	   *error;

	if (len < 0 || el_bytes_fit(s, data, len))
		return;
	error = type_error(s, data, len);
	if (error == NULL)
		return;
	if (++*bad <= MAX_REPORTED)
		report(arg, psprintf("the %s of event %lld does not fit its type: %s",
							 what, (long long) offset, error));
}

void
el_check_events(ElTopic *t, Relation leaf, ElCheckReport report, void *arg)
{
	ElReader   *r = el_reader_begin(leaf, GetActiveSnapshot(), EL_READ_MVCC);
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "eventlog event",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	ElRecord	rec;
	int64		bad = 0;

	while (el_reader_next(r, &rec))
	{
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(work);
		check_bytes(&t->key, rec.key, rec.key_len, rec.offset, "key", &bad,
					report, arg);
		check_bytes(&t->value, rec.value, rec.value_len, rec.offset, "value",
					&bad, report, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	el_reader_end(r);
	MemoryContextDelete(work);
	if (bad > MAX_REPORTED)
		report(arg, psprintf("%lld more keys and values do not fit their types",
							 (long long) (bad - MAX_REPORTED)));
}
