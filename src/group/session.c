/*-------------------------------------------------------------------------
 *
 * session.c
 *	  This session's memberships of groups.
 *
 * A session that consumes without naming a member is one itself, until it ends,
 * leaves, or is put out.  Its memberships are remembered here, with the topics
 * it has asked for; shared memory knows of them as of any member.
 *
 * IDENTIFICATION
 *	  src/group/session.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "group/coordinator.h"
#include "group/local.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/wake.h"

static ElSession *sessions = NULL;
static int	session_count = 0;
static bool exit_registered = false;

ElSession *
el_session_find(const char *group)
{
	ElSession  *s = sessions;

	while (s != NULL && strcmp(s->group, group) != 0)
		s = s->next;
	return s;
}

ElSession *
el_session_prepare(const char *group)
{
	ElSession  *s = el_session_find(group);

	if (s != NULL)
		return s;
	Assert(exit_registered);
	s = MemoryContextAllocZero(TopMemoryContext, sizeof(ElSession));
	strlcpy(s->group, group, EL_NAME_SIZE);
	snprintf(s->name, EL_NAME_SIZE, "s%d.%d", MyProcPid, ++session_count);
	s->slot = EL_NO_SLOT;
	s->next = sessions;
	sessions = s;
	return s;
}

/* Forget one membership, or (NULL) all. */
static void
free_sessions(const char *group)
{
	ElSession **p = &sessions;

	while (*p != NULL)
	{
		ElSession  *s = *p;

		if (group == NULL || strcmp(s->group, group) == 0)
		{
			*p = s->next;
			if (s->topics != NULL)
				pfree(s->topics);
			pfree(s);
		}
		else
			p = &s->next;
	}
}

ElSlotNo
el_session_slot(const ElSession *s)
{
	Assert(el_group_locked());
	if (s == NULL || s->slot == EL_NO_SLOT ||
		EL_HEAD(s->slot)->kind != EL_SLOT_MEMBER ||
		EL_MEMBER(s->slot)->incarnation != s->incarnation)
		return EL_NO_SLOT;
	return s->slot;
}

/* Where the topic stands in the session's list, or is to be put. */
static int
find_topic(const ElSession *s, Oid relid)
{
	int			low = 0;
	int			high = s->ntopics;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (s->topics[middle].relid < relid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void
el_session_make_room(ElSession *s, int more)
{
	int			room = Max(2 * s->room, s->ntopics + more);
	Size		size = room * sizeof(ElSessionTopic);

	if (s->ntopics + more <= s->room)
		return;
	s->topics = s->topics == NULL ?
		MemoryContextAlloc(TopMemoryContext, size) :
		repalloc(s->topics, size);
	s->room = room;
}

void
el_session_add_topic(ElSession *s, Oid relid, Oid role)
{
	int			i = find_topic(s, relid);

	if (i == s->ntopics || s->topics[i].relid != relid)
	{
		Assert(s->ntopics < s->room);
		memmove(&s->topics[i + 1], &s->topics[i],
				(s->ntopics - i) * sizeof(ElSessionTopic));
		s->ntopics++;
		s->topics[i].relid = relid;
	}
	s->topics[i].role = role;
}

void
el_session_remove_topic(ElSession *s, Oid relid)
{
	int			i = find_topic(s, relid);

	if (i == s->ntopics || s->topics[i].relid != relid)
		return;
	s->ntopics--;
	memmove(&s->topics[i], &s->topics[i + 1],
			(s->ntopics - i) * sizeof(ElSessionTopic));
}

bool
el_session_member(const char *group, ElMemberRef *ref)
{
	ElSession  *s = el_session_find(group);
	ElSlotNo	slot;

	el_group_lock(LW_SHARED);
	slot = el_session_slot(s);
	el_group_unlock();
	if (slot == EL_NO_SLOT)
		return false;
	ref->slot = slot;
	ref->incarnation = s->incarnation;
	ref->named = false;
	strlcpy(ref->name, s->name, EL_NAME_SIZE);
	return true;
}

/* Lock not held: take the session out of one group, or (NULL) of all. */
static void
leave_groups(const char *group)
{
	ElSession  *s;
	bool		left = false;

	for (s = sessions; s != NULL; s = s->next)
	{
		ElSlotNo	slot;

		if (group != NULL && strcmp(s->group, group) != 0)
			continue;
		el_group_lock(LW_EXCLUSIVE);
		slot = el_session_slot(s);
		if (slot != EL_NO_SLOT)
			el_member_leave(slot);
		el_group_unlock();
		s->slot = EL_NO_SLOT;
		if (slot == EL_NO_SLOT)
			continue;
		left = true;
		el_wake_group(MyDatabaseId, s->group, false);
	}
	if (left)
		el_wake_worker();
}

/*
 * The backend ends, perhaps with a transaction open: this runs before that is
 * aborted.  Locks it holds go with it; whoever owns its partitions next finds
 * them busy until then and is woken.
 */
static void
leave_at_exit(int code, Datum arg)
{
	/* an error may have come while a lock was held */
	if (el_group_locked())
		el_group_unlock();
	el_wake_release_lock();
	leave_groups(NULL);
}

void
el_session_init(void)
{
	if (exit_registered)
		return;
	before_shmem_exit(leave_at_exit, (Datum) 0);
	exit_registered = true;
}

void
el_session_leave(const char *group)
{
	leave_groups(group);
	free_sessions(group);
	el_local_forget(group);
}

void
el_session_discard(void)
{
	if (sessions == NULL)
		return;
	leave_groups(NULL);
	free_sessions(NULL);
	el_local_forget(NULL);
}
