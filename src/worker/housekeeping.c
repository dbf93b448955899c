/*-------------------------------------------------------------------------
 *
 * housekeeping.c
 *	  Members' deadlines and the groups' steps, without anybody's call.
 *
 * In shared memory alone.  Calls of members drive the same steps, so nothing but
 * the expiry of the silent depends on this.
 *
 * IDENTIFICATION
 *	  src/worker/housekeeping.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "storage/procarray.h"

#include "base/clock.h"
#include "base/settings.h"
#include "group/coordinator.h"
#include "group/offsets.h"
#include "group/slots.h"
#include "group/wake.h"
#include "worker/housekeeping.h"

/* Slots of dropped topics that are still in use are looked at again. */
#define DROPPED_RETRY_MS	1000
/* Pending offsets are settled this often, long before their xids grow old. */
#define FOLD_INTERVAL_MS	(10 * 60 * 1000)

/*
 * A transaction has held a partition for longer than max_poll_interval: end
 * its session, or the partition waits for ever.
 */
static void
terminate_stuck(int pid, const char *group, const char *member)
{
	if (!el_terminate_stuck_consumers || BackendPidGetProc(pid) == NULL)
		return;
	ereport(LOG,
			(member[0] != '\0' ?
			 errmsg("terminating process %d: member \"%s\" of group \"%s\" has held partitions longer than max_poll_interval",
					pid, member, group) :
			 errmsg("terminating process %d: it has held a partition in group \"%s\" longer than max_poll_interval",
					pid, group),
			 errhint("The setting eventlog.terminate_stuck_consumers controls this.")));
	(void) kill(pid, SIGTERM);
}

/* Backends to be terminated, collected while the lock is held. */
#define MAX_STUCK 32
typedef struct Stuck
{
	int			pid;
	char		member[EL_NAME_SIZE];	/* empty: it holds the partition as no
										 * member */
} Stuck;

/* How long a member may stay silent from now on. */
static int64
time_left(const ElGroup *g, const ElMember *m, int64 now)
{
	int64		left = m->last_call_ms + g->max_poll_ms - now;

	if (!m->heartbeats)
		return left;

	/*
	 * while its transaction works it counts as alive; look again some time
	 * after
	 */
	if (m->xact_pid != 0)
		return left > 0 ? Min(left, g->session_timeout_ms) : left;
	return Min(left, m->last_heard_ms + g->session_timeout_ms - now);
}

static bool
is_listed(const Stuck *stuck, int nstuck, int pid)
{
	int			i;

	for (i = 0; i < nstuck && stuck[i].pid != pid; i++)
		;
	return i < nstuck;
}

/*
 * Partitions held by who is no member that could be put out: a claim, a
 * member that already was, or an earlier incarnation.
 */
static int64
find_stuck_holders(const ElGroup *g, int64 now, Stuck *stuck, int *nstuck)
{
	int64		next = EL_MAX_SLEEP_MS;
	ElSlotNo	ts;
	ElSlotNo	s;

	if (g->held == 0)
		return next;
	for (ts = g->first_topic; ts != EL_NO_SLOT; ts = EL_TOPIC(ts)->next_topic)
	{
		for (s = EL_TOPIC(ts)->first_part; s != EL_NO_SLOT;
			 s = EL_PART(s)->next_part)
		{
			ElPart	   *p = EL_PART(s);
			int64		left;

			if (p->holder == 0 || p->held_since_ms == PG_INT64_MAX ||
				(p->owner != EL_NO_SLOT &&
				 EL_MEMBER(p->owner)->xact_pid == p->holder))
				continue;
			left = p->held_since_ms + g->max_poll_ms - now;
			next = Min(next, Max(left, 0));
			if (left > 0 || *nstuck >= MAX_STUCK)
				continue;
			p->held_since_ms = PG_INT64_MAX;	/* once is enough */
			if (is_listed(stuck, *nstuck, p->holder))
				continue;
			stuck[*nstuck].pid = p->holder;
			stuck[(*nstuck)++].member[0] = '\0';
		}
	}
	return next;
}

static int64
keep_group(ElSlotNo group)
{
	ElGroup    *g;
	int64		now = el_monotonic_ms();
	int64		next = EL_MAX_SLEEP_MS;
	char		name[EL_NAME_SIZE];
	Stuck		stuck[MAX_STUCK];
	int			nstuck = 0;
	bool		moved = false;
	Oid			dbid;
	ElSlotNo	s;
	int			i;

	el_group_lock(LW_EXCLUSIVE);
	if (EL_HEAD(group)->kind != EL_SLOT_GROUP)
	{
		el_group_unlock();
		return next;
	}
	g = EL_GROUP(group);
	strlcpy(name, g->name, EL_NAME_SIZE);
	dbid = g->dbid;

	s = g->first_member;
	while (s != EL_NO_SLOT)
	{
		ElMember   *m = EL_MEMBER(s);
		ElSlotNo	following = m->next_member;
		int64		left = time_left(g, m, now);

		next = Min(next, Max(left, 0));
		if (left <= 0 && nstuck < MAX_STUCK)
		{
			if (m->xact_pid != 0)
			{
				stuck[nstuck].pid = m->xact_pid;
				strlcpy(stuck[nstuck++].member, m->name, EL_NAME_SIZE);
			}
			el_member_leave(s);
			moved = true;
		}
		s = following;
	}
	next = Min(next, find_stuck_holders(g, now, stuck, &nstuck));

	if (g->nmembers > 0)
		moved |= el_group_steps(group, EL_NO_SLOT);
	el_group_free_dropped(group);
	if (g->has_dropped)
		next = Min(next, DROPPED_RETRY_MS);
	el_group_unlock();

	for (i = 0; i < nstuck; i++)
		terminate_stuck(stuck[i].pid, name, stuck[i].member);
	if (moved)
		el_wake_group(dbid, name, false);
	return next;
}

int64
el_housekeeping(void)
{
	int64		next = EL_MAX_SLEEP_MS;
	static int64 last_fold = 0;
	int64		now = el_monotonic_ms();
	ElSlotNo   *groups;
	ElSlotNo	s;
	int			n = 0;
	int			i;

	/*
	 * Those in use, which come first in the list.  One group at a time:
	 * nobody waits for more than that.
	 */
	el_group_lock(LW_SHARED);
	for (s = el_shared->first_group; s != el_shared->first_idle; s = EL_GROUP(s)->next_group)
		n++;
	groups = palloc_array(ElSlotNo, n + 1);
	n = 0;
	for (s = el_shared->first_group; s != el_shared->first_idle; s = EL_GROUP(s)->next_group)
		groups[n++] = s;
	el_group_unlock();

	for (i = 0; i < n; i++)
		next = Min(next, keep_group(groups[i]));
	pfree(groups);

	if (now - last_fold > FOLD_INTERVAL_MS)
	{
		el_entries_fold_all();
		last_fold = now;
	}
	return next;
}
