/*-------------------------------------------------------------------------
 *
 * member.c
 *	  Members of groups: joining, being called for, leaving.
 *
 * Every call of a member goes through el_member_call(), which takes its news
 * to the coordinator, drives the group's steps and tells what the member owns.
 * A session's memberships are remembered here and end with the session.
 *
 * IDENTIFICATION
 *	  src/group/member.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "group/group.h"

/* A membership of this session. */
typedef struct ElSession
{
	char		group[EL_NAME_SIZE];
	char		name[EL_NAME_SIZE];
	ElSlot		slot;			/* EL_NO_SLOT: not joined yet */
	uint64		incarnation;
	int			ntopics;		/* asked for so far: should it be put out, it
								 * comes back to them */
	Oid		   *topics;
	struct ElSession *next;
} ElSession;

static ElSession *sessions = NULL;
static int	session_count = 0;
static bool exit_registered = false;

static ElSession *
session_find(const char *group)
{
	ElSession  *s = sessions;

	while (s != NULL && strcmp(s->group, group) != 0)
		s = s->next;
	return s;
}

/*
 * The backend ends, perhaps with a transaction open: this runs before that is
 * aborted.  Locks it holds go with it; whoever owns its partitions next finds
 * them busy until then and is woken.
 */
static void
leave_at_exit(int code, Datum arg)
{
	if (LWLockHeldByMe(&el_shared->lock))
		el_group_unlock();
	if (LWLockHeldByMe(&el_shared->wait_lock))
		LWLockRelease(&el_shared->wait_lock);
	el_session_leave_all();
}

void
el_session_init(void)
{
	if (exit_registered)
		return;
	before_shmem_exit(leave_at_exit, (Datum) 0);
	exit_registered = true;
}

/* Memory for a membership, before there is one. */
static ElSession *
session_prepare(const char *group)
{
	ElSession  *s = session_find(group);

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

static void
session_free(const char *group)
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

/* Lock held: the session's member, unless it was put out. */
static ElSlot
session_slot(const ElSession *s)
{
	if (s == NULL || s->slot == EL_NO_SLOT ||
		EL_HEAD(s->slot)->kind != EL_SLOT_MEMBER ||
		EL_MEMBER(s->slot)->incarnation != s->incarnation)
		return EL_NO_SLOT;
	return s->slot;
}

static void
session_add_topic(ElSession *s, Oid relid)
{
	int			i;

	for (i = 0; i < s->ntopics; i++)
	{
		if (s->topics[i] == relid)
			return;
	}
	if (s->topics == NULL)
		s->topics = MemoryContextAlloc(TopMemoryContext, sizeof(Oid));
	else
		s->topics = repalloc(s->topics, (s->ntopics + 1) * sizeof(Oid));
	s->topics[s->ntopics++] = relid;
}

bool
el_session_member(const char *group, ElMemberRef *ref)
{
	ElSession  *s = session_find(group);
	ElSlot		slot;

	el_group_lock(LW_SHARED);
	slot = session_slot(s);
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
session_leave(const char *group)
{
	ElSession  *s;
	bool		left = false;

	for (s = sessions; s != NULL; s = s->next)
	{
		ElSlot		slot;
		ElSlot		group_slot;

		if (group != NULL && strcmp(s->group, group) != 0)
			continue;
		el_group_lock(LW_EXCLUSIVE);
		slot = session_slot(s);
		if (slot != EL_NO_SLOT)
		{
			group_slot = EL_MEMBER(slot)->group;
			el_member_leave(slot);
			left = true;
		}
		else
			group_slot = EL_NO_SLOT;
		el_group_unlock();
		s->slot = EL_NO_SLOT;
		if (group_slot != EL_NO_SLOT)
			el_wake_group(MyDatabaseId, group_slot, false);
	}
	if (left)
		el_wake_worker();
}

void
el_session_leave_all(void)
{
	session_leave(NULL);
}

void
el_session_leave(const char *group)
{
	session_leave(group);
	session_free(group);
	el_local_forget(group);
}

/* The group was dropped by this transaction, which just committed: must not fail. */
void
el_session_forget(const char *group)
{
	session_leave(group);
	el_local_forget(group);
}

void
el_session_discard(void)
{
	if (sessions == NULL)
		return;
	session_leave(NULL);
	session_free(NULL);
	el_local_forget(NULL);
}

/*
 * Topics
 */
ElWant *
el_want(Oid relid)
{
	ElWant	   *w = palloc0(sizeof(ElWant));

	w->topic = el_topic(relid);
	w->relid = relid;
	w->uuid = w->topic->uuid;
	w->npartitions = w->topic->npartitions;
	return w;
}

/*
 * Who calls is no member: never was, or was put out, or (replaced) another
 * process has joined under its name.  Who had begun to work gets 40L01: the
 * transaction is to be retried as a whole, and the next call starts afresh.
 */
static void pg_attribute_noreturn()
no_member(const char *group, const ElMemberName *member, ElSession *session,
		  bool replaced)
{
	bool		lost = el_local_consumed_by(group, member ? member->name : NULL);

	if (session != NULL && session->slot != EL_NO_SLOT)
	{
		session->slot = EL_NO_SLOT;
		lost = true;
	}
	if (replaced)
		ereport(ERROR,
				(errcode(ERRCODE_EL_FENCED),
				 errmsg("member \"%s#%llu\" of group \"%s\" has been replaced",
						member->name,
						(unsigned long long) member->incarnation, group),
				 errdetail("Another process has called join_group() with its name."),
				 errhint("Stop this process, or let it join under a name of its own.")));
	if (lost)
		ereport(ERROR,
				(errcode(ERRCODE_EL_FENCED),
				 member != NULL ?
				 errmsg("member \"%s\" has been put out of group \"%s\"",
						member->name, group) :
				 errmsg("this session has been put out of group \"%s\"",
						group),
				 errdetail("It made no call within max_poll_interval, sent no heartbeat within session_timeout, or left."),
				 errhint("Retry the transaction.")));
	ereport(ERROR,
			(errcode(ERRCODE_EL_NOT_MEMBER),
			 member != NULL ?
			 errmsg("\"%s\" is not a member of group \"%s\"", member->name,
					group) :
			 errmsg("this session is not a member of group \"%s\"", group),
			 member == NULL ?
			 errhint("A session joins by consume() or join_group(); if it shares its connection, it should name its member.") :
			 member->incarnation != 0 ?
			 errhint("Call join_group() again.") :
			 errhint("A member joins by consume() or join_group(), and is put out after max_poll_interval without a call.")));
}

static void pg_attribute_noreturn()
member_busy(const char *group, const char *member, int pid)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("member \"%s\" of group \"%s\" is busy in a transaction of another session",
					member, group),
			 errdetail("That session's process has PID %d.", pid),
			 errhint("Give each process a member name of its own.")));
}

/* Lock held: the slot of the member that a call is about. */
static ElSlot
find_member(ElSlot group, const ElMemberName *member,
			const ElSession *session, bool *replaced)
{
	ElSlot		ms;

	*replaced = false;
	if (group == EL_NO_SLOT)
		return EL_NO_SLOT;
	if (member == NULL)
		return session_slot(session);
	ms = el_member_find(group, member->name);
	if (ms != EL_NO_SLOT && member->incarnation != 0 &&
		EL_MEMBER(ms)->incarnation != member->incarnation)
	{
		*replaced = true;
		return EL_NO_SLOT;
	}
	return ms;
}

/* Lock held: is a transaction of another session working as this named member? */
static bool
busy_elsewhere(const ElMember *m)
{
	return m->named && m->xact_pid != 0 && m->xact_pid != MyProcPid;
}

/* Lock held: the member has been heard of, or (working) has asked for or done something. */
static void
note_call(ElMember *m, bool working)
{
	m->last_heard_ms = el_monotonic_ms();
	m->last_seen = GetCurrentTimestamp();
	if (working)
	{
		m->last_call_ms = m->last_heard_ms;
		m->pid = MyProcPid;
	}
}

static void
fill_ref(ElMemberRef *ref, ElSlot ms)
{
	ElMember   *m = EL_MEMBER(ms);

	ref->slot = ms;
	ref->incarnation = m->incarnation;
	ref->named = m->named;
	strlcpy(ref->name, m->name, EL_NAME_SIZE);
}

ElMember *
el_member_of_ref(const ElMemberRef *ref)
{
	if (ref->slot == EL_NO_SLOT ||
		EL_HEAD(ref->slot)->kind != EL_SLOT_MEMBER ||
		EL_MEMBER(ref->slot)->incarnation != ref->incarnation)
		return NULL;
	return EL_MEMBER(ref->slot);
}

void
el_member_require(const char *group, const ElMemberName *member,
				  bool working, ElMemberRef *ref)
{
	ElSession  *session = member == NULL ? session_find(group) : NULL;
	ElSlot		ms;
	bool		replaced;
	int			busy_pid = 0;

	el_group_lock(LW_EXCLUSIVE);
	ms = find_member(el_group_find(MyDatabaseId, group), member, session,
					 &replaced);
	if (ms != EL_NO_SLOT)
	{
		fill_ref(ref, ms);
		if (working && busy_elsewhere(EL_MEMBER(ms)))
			busy_pid = EL_MEMBER(ms)->xact_pid;
		else
			note_call(EL_MEMBER(ms), working);
	}
	el_group_unlock();
	if (ms == EL_NO_SLOT)
		no_member(group, member, session, replaced);
	if (busy_pid != 0)
		member_busy(group, ref->name, busy_pid);
}

/*
 * The topics a member is subscribed to, locked, those that are gone left out
 * (and taken off the subscription).
 */
List *
el_member_topics(const ElGroupConf *conf, const ElMemberName *member)
{
	ElSession  *s = member == NULL ? session_find(conf->name) : NULL;
	List	   *result = NIL;
	Oid		   *relids = NULL;
	pg_uuid_t  *uuids = NULL;
	int			n = 0;
	int			i;
	ElSlot		group;
	ElSlot		m;
	ElSlot		sub;
	bool		replaced;

	el_group_lock(LW_SHARED);
	group = el_group_find(MyDatabaseId, conf->name);
	m = find_member(group, member, s, &replaced);
	if (m != EL_NO_SLOT)
	{
		for (sub = EL_MEMBER(m)->first_sub; sub != EL_NO_SLOT;
			 sub = EL_SUB(sub)->next_sub)
			n++;
		relids = palloc_array(Oid, n + 1);
		uuids = palloc_array(pg_uuid_t, n + 1);
		n = 0;
		for (sub = EL_MEMBER(m)->first_sub; sub != EL_NO_SLOT;
			 sub = EL_SUB(sub)->next_sub)
		{
			relids[n] = EL_TOPIC(EL_SUB(sub)->topic)->relid;
			uuids[n++] = EL_TOPIC(EL_SUB(sub)->topic)->uuid;
		}
	}
	el_group_unlock();

	if (m == EL_NO_SLOT && s != NULL)
	{
		/* put out while it was silent */
		for (i = 0; i < s->ntopics; i++)
		{
			LockRelationOid(s->topics[i], AccessShareLock);
			if (get_rel_relkind(s->topics[i]) != '\0' &&
				el_topic_or_null(s->topics[i]) != NULL)
			{
				el_check_select(s->topics[i]);
				result = lappend(result, el_want(s->topics[i]));
			}
			else
				UnlockRelationOid(s->topics[i], AccessShareLock);
		}
		return result;
	}

	for (i = 0; i < n; i++)
	{
		ElTopic    *t;

		LockRelationOid(relids[i], AccessShareLock);
		t = get_rel_relkind(relids[i]) == '\0' ? NULL :
			el_topic_or_null(relids[i]);
		if (t != NULL && memcmp(&t->uuid, &uuids[i], UUID_LEN) == 0)
		{
			el_check_select(relids[i]);
			result = lappend(result, el_want(relids[i]));
			continue;
		}

		/* dropped; if it was created again, that is another topic */
		UnlockRelationOid(relids[i], AccessShareLock);
		el_group_lock(LW_EXCLUSIVE);
		group = el_group_find(MyDatabaseId, conf->name);
		if (group != EL_NO_SLOT)
		{
			ElSlot		topic = el_group_topic_find(group, &uuids[i]);

			m = find_member(group, member, s, &replaced);
			if (m != EL_NO_SLOT && topic != EL_NO_SLOT)
				(void) el_member_unsubscribe(m, topic);
		}
		el_group_unlock();
	}
	return result;
}

/*
 * Calls
 */
static ElWant *
want_of_topic(List *wants, ElSlot topic)
{
	ListCell   *lc;

	foreach(lc, wants)
	{
		ElWant	   *w = lfirst(lc);

		if (memcmp(&w->uuid, &EL_TOPIC(topic)->uuid, UUID_LEN) == 0)
			return w;
	}
	return NULL;
}

/* Lock held: has the group committed nothing yet in this topic? */
static bool
topic_without_offsets(ElSlot topic)
{
	ElSlot		s;

	for (s = EL_TOPIC(topic)->first_part; s != EL_NO_SLOT;
		 s = EL_PART(s)->next_part)
	{
		ElEntry		entry;

		el_entry_copy(s, &entry);
		if (entry.next >= 0)
			return false;
	}
	return true;
}

static void
fill_assigned(ElAssigned *a, ElSlot part, ElWant *want)
{
	ElPart	   *p = EL_PART(part);

	a->part = part;
	a->want = want;
	a->partition = p->partition;
	a->epoch = p->epoch;
	a->holder = p->holder;
	el_entry_copy(part, &a->entry);
}

/* In a member's own words: by topic, then partition. */
static int
assigned_cmp(const void *a, const void *b)
{
	const ElAssigned *pa = a;
	const ElAssigned *pb = b;

	if (pa->want->relid != pb->want->relid)
		return pa->want->relid < pb->want->relid ? -1 : 1;
	return pa->partition - pb->partition;
}

static int32
count_partitions(List *wants)
{
	int32		n = 0;
	ListCell   *lc;

	foreach(lc, wants)
		n += ((ElWant *) lfirst(lc))->npartitions;
	return n;
}

/*
 * Lock held: raise 53200 unless there is room for all that a call may add.  A
 * member that has joined but could not subscribe would be of no use to anybody;
 * one that is in already needs no room to go on.  member: its slot, if it has
 * one; subscribe: it is going to be subscribed.
 */
static void
reserve_for_call(ElSlot group, ElSlot member, List *wants, bool subscribe)
{
	int32		n = group == EL_NO_SLOT ? 1 : 0;
	ListCell   *lc;

	if (subscribe && member == EL_NO_SLOT)
		n++;
	foreach(lc, wants)
	{
		ElWant	   *w = lfirst(lc);
		ElSlot		topic = group == EL_NO_SLOT ? EL_NO_SLOT :
			el_group_topic_find(group, &w->uuid);

		if (topic == EL_NO_SLOT)
			n += 1 + w->npartitions;
		else
			n += Max(w->npartitions - EL_TOPIC(topic)->npartitions, 0);
		if (subscribe &&
			(topic == EL_NO_SLOT || member == EL_NO_SLOT ||
			 !el_member_subscribed(member, topic)))
			n++;
	}
	el_slots_reserve(n);
}

/* Lock held: subscribed to just these topics. */
static void
replace_subscription(ElSlot ms, List *wants)
{
	ElSlot		s = EL_MEMBER(ms)->first_sub;

	while (s != EL_NO_SLOT)
	{
		ElSlot		topic = EL_SUB(s)->topic;

		s = EL_SUB(s)->next_sub;
		if (want_of_topic(wants, topic) == NULL)
			(void) el_member_unsubscribe(ms, topic);
	}
}

void
el_member_call(const ElGroupConf *conf, const ElMemberName *member,
			   List *wants, ElJoin join, bool yield, ElAssignment *a)
{
	ElSession  *session = NULL;
	ElGroup    *g;
	ElMember   *m;
	ElSlot		group;
	ElSlot		ms;
	ElSlot		s;
	ListCell   *lc;
	int64		epoch;
	bool		moved;
	bool		replaced;

	a->parts = palloc_array(ElAssigned, count_partitions(wants) + 1);
	a->n = 0;
	if (member == NULL)
		session = join != EL_JOIN_NO ? session_prepare(conf->name) :
			session_find(conf->name);
	if (session != NULL && join != EL_JOIN_NO)
	{
		if (join == EL_JOIN_AFRESH)
			session->ntopics = 0;
		foreach(lc, wants)
			session_add_topic(session, ((ElWant *) lfirst(lc))->relid);
	}

	el_offsets_lock(LW_EXCLUSIVE);
	group = el_group_find(MyDatabaseId, conf->name);
	epoch = group != EL_NO_SLOT ? EL_GROUP(group)->epoch : 0;
	ms = find_member(group, member, session, &replaced);

	if (ms == EL_NO_SLOT &&
		(join == EL_JOIN_NO || (member != NULL && member->incarnation != 0) ||
		 el_local_consumed_by(conf->name, member ? member->name : NULL)))
	{
		el_group_unlock();
		no_member(conf->name, member, session, replaced);
	}
	if (ms != EL_NO_SLOT && join != EL_JOIN_AFRESH &&
		busy_elsewhere(EL_MEMBER(ms)))
	{
		int			pid = EL_MEMBER(ms)->xact_pid;

		el_group_unlock();
		member_busy(conf->name, member->name, pid);
	}
	if (ms == EL_NO_SLOT && group != EL_NO_SLOT &&
		EL_GROUP(group)->claimers > 0)
	{
		el_group_unlock();
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("group \"%s\" is used by claims at the moment",
						conf->name),
				 errhint("A group is used either by consume() or by claim(); use another group.")));
	}

	reserve_for_call(group, ms, wants, join != EL_JOIN_NO);
	group = el_group_get(MyDatabaseId, conf->name);
	if (ms == EL_NO_SLOT)
	{
		ms = el_member_join(group, member != NULL ? member->name : session->name,
							member != NULL);
		if (session != NULL)
		{
			session->slot = ms;
			session->incarnation = EL_MEMBER(ms)->incarnation;
		}
	}
	else if (join == EL_JOIN_AFRESH && EL_MEMBER(ms)->named)
		el_member_rejoin(ms);

	g = EL_GROUP(group);
	m = EL_MEMBER(ms);
	g->max_poll_ms = conf->max_poll_ms;
	g->session_timeout_ms = conf->session_timeout_ms;
	g->last_used_ms = el_monotonic_ms();
	note_call(m, true);

	if (join == EL_JOIN_AFRESH)
		replace_subscription(ms, wants);
	foreach(lc, wants)
	{
		ElWant	   *w = lfirst(lc);
		ElSlot		topic = el_group_topic_get(group, &w->uuid, w->relid,
											   w->npartitions);

		if (join != EL_JOIN_NO)
			(void) el_member_subscribe(ms, topic);
		w->no_offsets = conf->start_latest && topic_without_offsets(topic);
	}
	moved = el_group_steps(group, yield ? ms : EL_NO_SLOT);
	moved |= epoch != g->epoch;
	m->news = false;

	for (s = m->first_owned; s != EL_NO_SLOT; s = EL_PART(s)->owned_next)
	{
		ElWant	   *w = want_of_topic(wants, EL_PART(s)->topic);

		if (w != NULL && EL_PART(s)->partition < w->npartitions)
			fill_assigned(&a->parts[a->n++], s, w);
	}
	a->group = group;
	a->rotor = m->rotor++;
	fill_ref(&a->member, ms);
	el_group_unlock();

	qsort(a->parts, a->n, sizeof(ElAssigned), assigned_cmp);
	if (moved)
	{
		el_wake_group(MyDatabaseId, group, false);
		el_wake_worker();
	}
}

void
el_claim_call(const ElGroupConf *conf, List *wants, ElAssignment *a)
{
	ElSlot		group;
	ElGroup    *g;
	ListCell   *lc;

	a->parts = palloc_array(ElAssigned, count_partitions(wants) + 1);
	a->n = 0;
	memset(&a->member, 0, sizeof(a->member));
	a->member.slot = EL_NO_SLOT;

	el_offsets_lock(LW_EXCLUSIVE);
	group = el_group_find(MyDatabaseId, conf->name);
	if (group != EL_NO_SLOT && EL_GROUP(group)->nmembers > 0)
	{
		el_group_unlock();
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("group \"%s\" is used by members at the moment",
						conf->name),
				 errhint("A group is used either by consume() or by claim(); use another group.")));
	}
	reserve_for_call(group, EL_NO_SLOT, wants, false);
	group = el_group_get(MyDatabaseId, conf->name);
	g = EL_GROUP(group);
	g->use = EL_USE_CLAIMS;
	g->max_poll_ms = conf->max_poll_ms;
	g->last_used_ms = el_monotonic_ms();
	foreach(lc, wants)
	{
		ElWant	   *w = lfirst(lc);
		ElSlot		topic = el_group_topic_get(group, &w->uuid, w->relid,
											   w->npartitions);
		ElSlot		s;

		EL_TOPIC(topic)->claimed = true;
		w->no_offsets = conf->start_latest && topic_without_offsets(topic);
		for (s = EL_TOPIC(topic)->first_part; s != EL_NO_SLOT;
			 s = EL_PART(s)->next_part)
		{
			if (EL_PART(s)->partition < w->npartitions)
				fill_assigned(&a->parts[a->n++], s, w);
		}
	}
	a->group = group;
	el_group_unlock();

	qsort(a->parts, a->n, sizeof(ElAssigned), assigned_cmp);
	/* claimers of the same moment had better start apart */
	a->rotor = pg_prng_uint32(&pg_global_prng_state);
}

bool
el_group_used_by_claims(const char *group)
{
	ElSlot		s;
	bool		result;

	el_group_lock(LW_SHARED);
	s = el_group_find(MyDatabaseId, group);
	result = s != EL_NO_SLOT && EL_GROUP(s)->use == EL_USE_CLAIMS;
	el_group_unlock();
	return result;
}

/* Topics that claims of the group have read, locked. */
List *
el_claimed_topics(const char *group)
{
	List	   *result = NIL;
	Oid		   *relids = NULL;
	int			n = 0;
	int			i;
	ElSlot		g;
	ElSlot		s;

	el_group_lock(LW_SHARED);
	g = el_group_find(MyDatabaseId, group);
	if (g != EL_NO_SLOT)
	{
		for (s = EL_GROUP(g)->first_topic; s != EL_NO_SLOT;
			 s = EL_TOPIC(s)->next_topic)
			n++;
		relids = palloc_array(Oid, n + 1);
		n = 0;
		for (s = EL_GROUP(g)->first_topic; s != EL_NO_SLOT;
			 s = EL_TOPIC(s)->next_topic)
		{
			if (EL_TOPIC(s)->claimed && OidIsValid(EL_TOPIC(s)->relid))
				relids[n++] = EL_TOPIC(s)->relid;
		}
	}
	el_group_unlock();

	for (i = 0; i < n; i++)
	{
		LockRelationOid(relids[i], AccessShareLock);
		if (get_rel_relkind(relids[i]) != '\0' &&
			el_topic_or_null(relids[i]) != NULL)
		{
			el_check_select(relids[i]);
			result = lappend(result, el_want(relids[i]));
		}
		else
			UnlockRelationOid(relids[i], AccessShareLock);
	}
	return result;
}
