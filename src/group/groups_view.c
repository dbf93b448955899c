/*-------------------------------------------------------------------------
 *
 * groups_view.c
 *	  The rows of eventlog_groups.
 *
 * IDENTIFICATION
 *	  src/group/groups_view.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "group/group_copy.h"
#include "group/lag.h"
#include "group/slots.h"
#include "group/visible.h"
#include "topic/topic.h"

EL_FUNCTION(eventlog_groups);

static const char *
name_group_state(const ElGroupCopy *c)
{
	if (c->nmembers > 0)
		return c->changing ? "rebalancing" : "stable";
	return c->use == EL_USE_CLAIMS ? "claims" : "empty";
}

/* Does the group use any topic, be it one that the caller does not see? */
static bool
group_in_use(const ElGroupCopy *c)
{
	for (int i = 0; i < c->ntopics; i++)
	{
		if (c->topics[i].used)
			return true;
	}
	return false;
}

/* The sum over the topics that the group uses, of these: what eventlog_lag shows row by row. */
static int64
sum_lag(const ElGroupCopy *c, List *topics, HTAB *ends)
{
	ElTopic    *last = NULL;
	int64		lag = 0;

	for (int i = 0; i < c->ntopics; i++)
	{
		const ElTopicCopy *tc = &c->topics[i];
		ElTopic    *t = el_topic_by_uuid(topics, &tc->uuid, &last);

		if (t == NULL || !tc->used)
			continue;
		for (int32 partition = 0; partition < t->npartitions; partition++)
		{
			ElLogEnd   *e = el_log_end(ends, t, partition);
			ElPartCopy	p;

			CHECK_FOR_INTERRUPTS();
			if (e == NULL)
				continue;
			el_get_part_copy(c, tc, partition, &p);
			lag += el_lag(&p, e);
		}
	}
	return lag;
}

Datum
eventlog_groups(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *topics = el_visible_topics();
	HTAB	   *ends = el_log_ends_create();
	ElGroupScan *scan;
	ElGroupCopy *c;

	InitMaterializedSRF(fcinfo, 0);
	scan = el_group_scan_begin(false);
	while ((c = el_group_scan_next(scan)) != NULL)
	{
		List	   *group_topics = el_topics_of_group(c, topics);
		bool		used = group_in_use(c);
		Datum		values[7];
		bool		nulls[7] = {false};

		if (!el_may_see_group(c, group_topics))
			continue;
		if (!c->conf.exists && c->nmembers == 0 && !used)
			continue;			/* only remembered, for a while */
		values[0] = CStringGetTextDatum(c->name);
		values[1] = ObjectIdGetDatum(c->conf.owner);
		nulls[1] = !c->conf.exists;
		values[2] = CStringGetTextDatum(name_group_state(c));
		values[3] = Int64GetDatum(el_shown_epoch(c->epoch));
		nulls[3] = c->epoch == 0;
		values[4] = Int64GetDatum(c->nmembers);
		values[5] = el_topics_array(group_topics);
		values[6] = Int64GetDatum(sum_lag(c, group_topics, ends));
		nulls[6] = !used;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
