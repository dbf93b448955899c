/*-------------------------------------------------------------------------
 *
 * expire.c
 *	  expire_after: the committed offsets of groups that nobody uses any more.
 *
 * Done by the maintenance worker.  A group is in use while it has members or a
 * claim works; that is noted in its row now and then (last_used), because a
 * consumer of a quiet topic commits nothing for weeks, and must not lose its
 * place when it is restarted.  What counts is the latest of that note, the last
 * commit, and the group's creation.
 *
 * The row stays, with options and grants: whoever uses the group again starts
 * where start_from says.
 *
 * IDENTIFICATION
 *	  src/group/expire.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "group/catalog.h"
#include "group/expire.h"
#include "group/groups.h"
#include "group/offsets.h"
#include "group/slots.h"

typedef struct Candidate
{
	ElGroupConf *conf;
	int64		committed_ms;	/* time of the last commit; 0: it has no
								 * committed offset */
} Candidate;

/* Groups with expire_after. */
static List *
list_candidates(void)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, el_group_confs())
	{
		ElGroupConf *conf = lfirst(lc);

		if (conf->expire_after_ms >= 0)
		{
			Candidate  *c = palloc0_object(Candidate);

			c->conf = conf;
			result = lappend(result, c);
		}
	}
	return result;
}

static void
find_commits(List *groups)
{
	HTAB	   *offsets = el_offsets_scan(GetActiveSnapshot(), false);
	HASH_SEQ_STATUS seq;
	ElOffset   *o;
	ListCell   *lc;

	hash_seq_init(&seq, offsets);
	while ((o = hash_seq_search(&seq)) != NULL)
	{
		foreach(lc, groups)
		{
			Candidate  *c = lfirst(lc);

			if (o->next >= 0 && strcmp(c->conf->name, o->key.group) == 0)
				c->committed_ms = Max(c->committed_ms, o->time_ms);
		}
	}
	hash_destroy(offsets);
}

static bool
group_in_use(const char *name)
{
	ElSlotNo	g;
	bool		used;

	el_group_lock(LW_SHARED);
	g = el_group_find(MyDatabaseId, name);
	used = g != EL_NO_SLOT &&
		(EL_GROUP(g)->nmembers > 0 || EL_GROUP(g)->held > 0);
	el_group_unlock();
	return used;
}

void
el_expire_groups(void)
{
	List	   *groups = list_candidates();
	int64		now = el_now_ms();
	ListCell   *lc;

	if (groups == NIL)
		return;
	find_commits(groups);
	foreach(lc, groups)
	{
		Candidate  *c = lfirst(lc);
		const char *name = c->conf->name;
		int64		unused_ms = now - Max(c->conf->noted_ms, c->committed_ms);

		CHECK_FOR_INTERRUPTS();
		if (group_in_use(name))
		{
			Oid			types[1] = {TEXTOID};
			Datum		values[1] = {CStringGetTextDatum(name)};

			if (unused_ms > c->conf->expire_after_ms / 4)
				(void) el_internal_sql("UPDATE _eventlog.groups SET last_used = pg_catalog.clock_timestamp()"
									   " WHERE group_name OPERATOR(pg_catalog.=) $1",
									   1, types, values);
		}
		else if (c->committed_ms > 0 && unused_ms > c->conf->expire_after_ms)
		{
			el_drop_offsets(name);
			ereport(LOG,
					(errmsg("committed offsets of group \"%s\" have expired", name),
					 errdetail("Nobody has used it for %lld seconds.",
							   (long long) (unused_ms / 1000))));
		}
	}
}
