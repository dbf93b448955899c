/*-------------------------------------------------------------------------
 *
 * members_view.c
 *	  The rows of eventlog_members.
 *
 * IDENTIFICATION
 *	  src/group/members_view.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "group/group_copy.h"
#include "group/views_1_0.h"
#include "group/visible.h"
#include "group/wake.h"
#include "topic/topic.h"

EL_FUNCTION(eventlog_members);

/* What a member is doing. */
static const char *
name_member_state(const ElMemberCopy *m)
{
	if (m->xact_pid != 0)
		return "working";
	return el_waits(m->pid) ? "waiting" : "idle";
}

static int
compare_topics(const ListCell *a, const ListCell *b)
{
	Oid			ra = ((ElTopic *) lfirst(a))->relid;
	Oid			rb = ((ElTopic *) lfirst(b))->relid;

	return ra < rb ? -1 : ra > rb;
}

/* The member's topics, as ElTopic *, but for those that are not in the list; in an order that does not change. */
static List *
find_member_topics(const ElMemberCopy *m, List *topics)
{
	List	   *result = NIL;
	ListCell   *lc;

	qsort(m->topics, m->ntopics, sizeof(Oid), oid_cmp);
	foreach(lc, topics)
	{
		if (bsearch(&((ElTopic *) lfirst(lc))->relid, m->topics, m->ntopics,
					sizeof(Oid), oid_cmp) != NULL)
			result = lappend(result, lfirst(lc));
	}
	list_sort(result, compare_topics);
	return result;
}

static void
put_member(ReturnSetInfo *rsinfo, const char *group, const ElMemberCopy *m,
		   List *topics)
{
	Datum		values[EL_MEMBERS_COLUMNS_1_0];
	bool		nulls[EL_MEMBERS_COLUMNS_1_0] = {false};
	int			pid = m->named ? m->xact_pid : m->pid;

	values[0] = CStringGetTextDatum(group);
	values[1] = CStringGetTextDatum(m->name);
	values[2] = CStringGetTextDatum(m->named ? "named" : "session");
	values[3] = Int32GetDatum(pid);
	nulls[3] = pid == 0;
	values[4] = Int64GetDatum((int64) m->incarnation);
	values[5] = el_topics_array(find_member_topics(m, topics));
	values[6] = Int64GetDatum(m->nowned);
	values[7] = Int64GetDatum(el_shown_epoch(m->epoch));
	values[8] = TimestampTzGetDatum(m->last_seen);
	values[9] = Int64GetDatum(m->fenced_count);
	values[10] = CStringGetTextDatum(name_member_state(m));
	if (rsinfo->setDesc->natts == EL_MEMBERS_COLUMNS_1_0)
		el_member_row_1_0(values, nulls);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
eventlog_members(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *topics = el_visible_topics();
	ElGroupScan *scan;
	ElGroupCopy *c;

	InitMaterializedSRF(fcinfo, 0);
	Assert(rsinfo->setDesc->natts <= EL_MEMBERS_COLUMNS_1_0);
	scan = el_group_scan_begin(true);
	while ((c = el_group_scan_next(scan)) != NULL)
	{
		int			i;

		if (!el_may_see_group(c, el_topics_of_group(c, topics)))
			continue;
		for (i = 0; i < c->nmembers; i++)
		{
			CHECK_FOR_INTERRUPTS();
			put_member(rsinfo, c->name, &c->members[i], topics);
		}
	}
	return (Datum) 0;
}
