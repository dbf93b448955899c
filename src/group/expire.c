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

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "group/group.h"

/* Columns of _eventlog.groups. */
enum
{
	ATT_NAME = 1,
	ATT_CREATED = 4,
	ATT_LAST_USED = 5
};

typedef struct Candidate
{
	char		name[EL_NAME_SIZE];
	int64		expire_after_ms;
	int64		noted_ms;		/* of created and last_used the later, ms since 1970 */
	int64		committed_ms;	/* time of the last commit; 0: it has no committed offset */
} Candidate;

static int64
time_of(TupleTableSlot *slot, int att)
{
	bool		isnull;
	Datum		d = slot_getattr(slot, att, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(d) / 1000 +
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;
}

/* Groups with expire_after. */
static List *
candidates(void)
{
	Oid			schema = get_namespace_oid(EL_INTERNAL_SCHEMA, false);
	Relation	rel = table_open(get_relname_relid("groups", schema),
								 AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	List	   *result = NIL;
	ListCell   *lc;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		char	   *name = TextDatumGetCString(slot_getattr(slot, ATT_NAME, &isnull));
		Candidate  *c = palloc0_object(Candidate);

		if (strlen(name) >= EL_NAME_SIZE)
			continue;
		strlcpy(c->name, name, EL_NAME_SIZE);
		c->noted_ms = Max(time_of(slot, ATT_CREATED), time_of(slot, ATT_LAST_USED));
		result = lappend(result, c);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);

	foreach(lc, result)
	{
		Candidate  *c = lfirst(lc);
		ElGroupConf conf;

		el_group_conf(c->name, &conf);
		c->expire_after_ms = conf.expire_after_ms;
		if (conf.expire_after_ms < 0)
			result = foreach_delete_current(result, lc);
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

			if (o->next >= 0 && strcmp(c->name, o->key.group) == 0)
				c->committed_ms = Max(c->committed_ms, o->time_ms);
		}
	}
	hash_destroy(offsets);
}

static bool
in_use(const char *name)
{
	ElSlot		g;
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
	List	   *groups = candidates();
	int64		now = el_now_ms();
	ListCell   *lc;

	if (groups == NIL)
		return;
	find_commits(groups);
	foreach(lc, groups)
	{
		Candidate  *c = lfirst(lc);
		int64		unused_ms = now - Max(c->noted_ms, c->committed_ms);

		CHECK_FOR_INTERRUPTS();
		if (in_use(c->name))
		{
			Oid			types[1] = {TEXTOID};
			Datum		values[1] = {CStringGetTextDatum(c->name)};

			if (unused_ms > c->expire_after_ms / 4)
				(void) el_internal_sql("UPDATE _eventlog.groups SET last_used = pg_catalog.clock_timestamp()"
									   " WHERE group_name OPERATOR(pg_catalog.=) $1",
									   1, types, values);
		}
		else if (c->committed_ms > 0 && unused_ms > c->expire_after_ms)
		{
			el_drop_offsets(c->name);
			ereport(LOG,
					(errmsg("committed offsets of group \"%s\" have expired", c->name),
					 errdetail("Nobody has used it for %lld seconds.",
							   (long long) (unused_ms / 1000))));
		}
	}
}
