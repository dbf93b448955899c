/*-------------------------------------------------------------------------
 *
 * lag_view.c
 *	  The rows of eventlog_lag.
 *
 * IDENTIFICATION
 *	  src/group/lag_view.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "group/group_copy.h"
#include "group/lag.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "group/visible.h"
#include "topic/topic.h"
#include "topic/topic_views.h"

EL_FUNCTION(eventlog_lag);

/* What the group has passed over, and what is gone while it has not come that far. */
static int64
count_events_lost(const ElPartCopy *p, const ElLogEnd *e)
{
	int64		lost = p->events_lost;

	if (p->goes_on != EL_FROM_START && p->goes_on < e->log_start)
		lost += e->log_start - p->goes_on;
	return lost;
}

typedef struct EventAge
{
	int64		offset;
	double		seconds;
} EventAge;

/* An ElProbe. */
static void
read_event_age(ElTopic *t, int32 partition, Relation leaf, void *arg)
{
	EventAge   *age = arg;
	ElReader   *r = el_reader_begin(leaf, GetActiveSnapshot(), EL_READ_STABLE);
	ElRecord	rec;

	if (el_reader_seek(r, age->offset) != EL_SEEK_AT_END &&
		el_reader_next(r, &rec))
		age->seconds = (el_now_ms() - rec.timestamp) / 1000.0;
	el_reader_end(r);
}

/* Age of the first event that was not consumed; -1 if it is gone, or damaged. */
static double
measure_lag(ElTopic *t, const ElPartCopy *p, const ElLogEnd *e)
{
	EventAge	age = {Max(p->goes_on, e->log_start), -1};

	(void) el_probe_partition(t, p->partition, read_event_age, &age);
	return age.seconds;
}

static void
put_lag(ReturnSetInfo *rsinfo, const char *group, ElTopic *t,
		const ElPartCopy *p, const ElLogEnd *e)
{
	Datum		values[13];
	bool		nulls[13] = {false};
	int64		lag = el_lag(p, e);
	double		seconds = lag > 0 ? measure_lag(t, p, e) : -1;

	values[0] = CStringGetTextDatum(group);
	values[1] = ObjectIdGetDatum(t->relid);
	values[2] = Int32GetDatum(p->partition);
	values[3] = CStringGetTextDatum(p->owner);
	nulls[3] = p->owner[0] == '\0';
	values[4] = Int64GetDatum(p->entry.next);
	nulls[4] = p->entry.next < 0;
	values[5] = Int64GetDatum(p->delivered);
	nulls[5] = p->delivered < 0;
	values[6] = Int64GetDatum(e->log_end);
	values[7] = Int64GetDatum(lag);
	values[8] = Float8GetDatum(seconds);
	nulls[8] = seconds < 0;
	values[9] = Int64GetDatum(p->redeliveries);
	values[10] = TimestampTzGetDatum(p->stuck_since);
	nulls[10] = p->redeliveries == 0;
	values[11] = Int64GetDatum(count_events_lost(p, e));
	values[12] = Int32GetDatum(p->holder);
	nulls[12] = p->holder == 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* All partitions of a topic that the group uses, whether it has come to them or not. */
static void
put_topic(ReturnSetInfo *rsinfo, const ElGroupCopy *c, const ElTopicCopy *tc,
		  ElTopic *t, HTAB *ends)
{
	for (int32 partition = 0; partition < t->npartitions; partition++)
	{
		ElPartCopy	p;
		ElLogEnd   *e = el_log_end(ends, t, partition);

		CHECK_FOR_INTERRUPTS();
		if (e == NULL)
			continue;
		el_get_part_copy(c, tc, partition, &p);
		put_lag(rsinfo, c->name, t, &p, e);
	}
}

Datum
eventlog_lag(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *topics = el_visible_topics();
	HTAB	   *ends = el_log_ends_create();
	ElTopic    *last = NULL;
	ElGroupScan *scan;
	ElGroupCopy *c;

	InitMaterializedSRF(fcinfo, 0);
	scan = el_group_scan_begin(false);
	while ((c = el_group_scan_next(scan)) != NULL)
	{
		for (int i = 0; i < c->ntopics; i++)
		{
			const ElTopicCopy *tc = &c->topics[i];
			ElTopic    *t = el_topic_by_uuid(topics, &tc->uuid, &last);

			if (t != NULL && tc->used)
				put_topic(rsinfo, c, tc, t, ends);
		}
	}
	return (Datum) 0;
}
