/*-------------------------------------------------------------------------
 *
 * member.c
 *	  Calls of members: the calling member, and what it owns.
 *
 * Every call of a member goes through el_member_call(), which takes its news
 * to the coordinator, drives the group's steps and tells what the member owns.
 * Claims, which have no member, go through el_claim_call().
 *
 * IDENTIFICATION
 *	  src/group/member.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "group/arguments.h"
#include "group/coordinator.h"
#include "group/local.h"
#include "group/losses.h"
#include "group/member.h"
#include "group/offsets.h"
#include "group/room.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/wake.h"

/*
 * Finding the member
 */

/*
 * The caller is no member: never was, or was put out, or (replaced) another
 * process has joined under its name.  A caller that had begun to work gets
 * 40L01: the transaction is to be retried as a whole, and the next call starts
 * afresh.  commits: it wanted to commit, which stays refused: what this transaction
 * has consumed as that member or, if part is given, from that partition.
 */
static void report_no_member(const char *group, const ElMemberName *member, ElSession *session,
							 bool replaced, bool commits, const ElPartKey *part) pg_attribute_noreturn();

static void
report_no_member(const char *group, const ElMemberName *member, ElSession *session,
				 bool replaced, bool commits, const ElPartKey *part)
{
	const char *name = member != NULL ? member->name : NULL;
	List	   *losses = el_losses_find(group, name, NULL);
	bool		lost = losses != NIL || el_local_consumed_by(group, name);
	int			code;

	if (session != NULL && session->slot != EL_NO_SLOT)
	{
		session->slot = EL_NO_SLOT;
		lost = true;
	}
	el_losses_tell(losses);
	code = replaced || lost ? ERRCODE_EL_FENCED : ERRCODE_EL_NOT_MEMBER;
	if (part != NULL)
		el_refuse_partition(part, code);
	else if (commits)
		el_refuse_consumed(group, name, code);
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
				 losses == NIL ?
				 errdetail("It made no call within max_poll_interval, sent no heartbeat within session_timeout, or left.") :
				 errdetail("It made no call within max_poll_interval, sent no heartbeat within session_timeout, or left.  It has lost %s.",
						   el_losses_text(losses)),
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

static void report_member_busy(const char *group, const char *member, int pid) pg_attribute_noreturn();

static void
report_member_busy(const char *group, const char *member, int pid)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("member \"%s\" of group \"%s\" is busy in a transaction of another session",
					member, group),
			 errdetail("That session's process has PID %d.", pid),
			 errhint("Give each process a member name of its own.")));
}

ElSlotNo
el_member_slot(ElSlotNo group, const ElMemberName *member,
			   const ElSession *session, bool *replaced)
{
	ElSlotNo	ms;

	Assert(el_group_locked());
	*replaced = false;
	if (group == EL_NO_SLOT)
		return EL_NO_SLOT;
	if (member == NULL)
		return el_session_slot(session);
	ms = el_member_find(group, member->name);
	if (ms != EL_NO_SLOT && member->incarnation != 0 &&
		EL_MEMBER(ms)->incarnation != member->incarnation)
	{
		*replaced = true;
		return EL_NO_SLOT;
	}
	return ms;
}

/* Lock held: the member has been heard of, or (working) has asked for or done something. */
static void
note_call(ElMember *m, bool working)
{
	Assert(el_group_locked_exclusive());
	m->last_heard_ms = el_monotonic_ms();
	m->last_seen = GetCurrentTimestamp();
	if (working)
	{
		m->last_call_ms = m->last_heard_ms;
		m->pid = MyProcPid;
	}
}

static void
fill_ref(ElMemberRef *ref, ElSlotNo ms)
{
	ElMember   *m = EL_MEMBER(ms);

	ref->slot = ms;
	ref->incarnation = m->incarnation;
	ref->named = m->named;
	strlcpy(ref->name, m->name, EL_NAME_SIZE);
}

void
el_member_require(const char *group, const ElMemberName *member,
				  bool commits, const ElPartKey *part, ElMemberRef *ref)
{
	ElSession  *session = member == NULL ? el_session_find(group) : NULL;
	ElSlotNo	ms;
	bool		replaced;
	int			busy_pid = 0;

	el_group_lock(LW_EXCLUSIVE);
	ms = el_member_slot(el_group_find(MyDatabaseId, group), member, session,
						&replaced);
	if (ms != EL_NO_SLOT)
	{
		fill_ref(ref, ms);
		if (commits && el_member_busy_elsewhere(EL_MEMBER(ms)))
			busy_pid = EL_MEMBER(ms)->xact_pid;
		else
			note_call(EL_MEMBER(ms), commits);
	}
	el_group_unlock();
	if (ms == EL_NO_SLOT)
		report_no_member(group, member, session, replaced, commits, part);
	if (busy_pid != 0)
	{
		/* a process of another incarnation: this one may have been fenced */
		List	   *lost = el_losses_find(group, ref->name, NULL);

		if (lost != NIL)
			el_losses_report(group, ref->name, lost);
		report_member_busy(group, ref->name, busy_pid);
	}
}

/*
 * Calls
 */

/*
 * Each topic of a call gets its slot, and the slot its place in the call's list,
 * so that the call's topic is found by its slot.  The lock is held from here
 * until the last find_topic_ref(), room is reserved.
 */
static void
get_topics(ElSlotNo group, List *topics)
{
	ListCell   *lc;

	Assert(el_group_locked_exclusive());
	foreach(lc, topics)
	{
		ElTopicRef *ref = lfirst(lc);

		ref->slot = el_group_topic_get(group, &ref->uuid, ref->relid,
									   ref->npartitions);
		EL_TOPIC(ref->slot)->place = foreach_current_index(lc);
	}
}

/* NULL if the call is not about that topic: its place is then another call's. */
static ElTopicRef *
find_topic_ref(List *topics, ElSlotNo topic)
{
	int32		place = EL_TOPIC(topic)->place;
	ElTopicRef *ref = place < list_length(topics) ?
		list_nth(topics, place) : NULL;

	return ref != NULL && ref->slot == topic ? ref : NULL;
}

/* Has the group committed nothing yet in this topic, as far as is known without a look at what is pending?  Lock held. */
static bool
topic_without_offsets(ElSlotNo topic, bool *pending)
{
	ElSlotNo	s;

	Assert(el_group_locked());
	for (s = EL_TOPIC(topic)->first_part; s != EL_NO_SLOT;
		 s = EL_PART(s)->next_part)
	{
		ElEntry		entry;

		el_entry_copy(s, &entry);
		*pending |= FullTransactionIdIsValid(entry.pending_fxid);
		if (entry.next >= 0)
			return false;
	}
	return true;
}

/* Is the topic one that the group has yet to begin in?  Lock held. */
static void
note_begun(ElTopicRef *ref, const ElGroupConf *conf, ElSlotNo topic)
{
	ElEntry		mark;

	(void) el_mark_copy(topic, &mark);
	ref->mark_pending = FullTransactionIdIsValid(mark.pending_fxid);
	ref->is_new = conf->start_from == EL_START_LATEST && mark.next < 0 &&
		topic_without_offsets(topic, &ref->mark_pending);
}

/* Lock held. */
static void
fill_assigned(ElAssigned *a, ElSlotNo part, ElTopicRef *topic)
{
	ElPart	   *p = EL_PART(part);

	Assert(el_group_locked());
	a->part = part;
	a->topic = topic;
	a->partition = p->partition;
	a->epoch = p->epoch;
	a->holder = p->holder;
	el_entry_copy(part, &a->entry);
	a->start = (ElStart)
	{
		.offset = EL_START_NONE
	};
	(void) el_start_copy(part, &a->start);
}

/* As a user would list them: by topic, then partition. */
static int
compare_assigned(const void *a, const void *b)
{
	const ElAssigned *pa = a;
	const ElAssigned *pb = b;

	if (pa->topic->relid != pb->topic->relid)
		return pa->topic->relid < pb->topic->relid ? -1 : 1;
	return pa->partition - pb->partition;
}

static void
init_assignment(ElAssignment *a, const ElGroupConf *conf, List *topics)
{
	int32		n = 0;
	ListCell   *lc;

	foreach(lc, topics)
		n += ((ElTopicRef *) lfirst(lc))->npartitions;
	memset(a, 0, sizeof(*a));
	a->group = conf->name;
	a->member.slot = EL_NO_SLOT;
	a->parts = palloc_array(ElAssigned, n + 1);
}

/*
 * Raise 53200 unless there is room for all that a call may add.  A member that
 * has joined but could not subscribe would be of no use to anybody; one that is
 * in already needs no room to go on.  member: its slot, if it has one;
 * subscribe: it is going to be subscribed.  Lock held.
 */
static void
reserve_for_call(ElSlotNo group, ElSlotNo member, List *topics, bool subscribe)
{
	int32		n = group == EL_NO_SLOT ? 1 : 0;
	ListCell   *lc;

	Assert(el_group_locked());
	if (subscribe && member == EL_NO_SLOT)
		n++;
	foreach(lc, topics)
	{
		ElTopicRef *ref = lfirst(lc);
		ElSlotNo	topic = group == EL_NO_SLOT ? EL_NO_SLOT :
			el_group_topic_find(group, &ref->uuid);

		n += el_group_topic_needs(group, &ref->uuid, ref->npartitions);
		if (subscribe &&
			(topic == EL_NO_SLOT || member == EL_NO_SLOT ||
			 !el_member_subscribed(member, topic)))
			n++;
	}
	el_slots_reserve(n, member != EL_NO_SLOT, group);
}

/* A member's call on its way through the steps below. */
typedef struct Call
{
	const ElGroupConf *conf;
	const ElMemberName *name;	/* NULL: the session */
	ElSession  *session;		/* NULL: it has never joined, or the member
								 * has a name */
	List	   *topics;
	ElJoin		join;

	ElSlotNo	group;
	ElSlotNo	member;
	bool		replaced;		/* another process has its name */
	int			busy_pid;
} Call;

typedef enum Refusal
{
	REFUSAL_NONE,
	REFUSAL_NO_MEMBER,
	REFUSAL_BUSY,				/* in a transaction of another session */
	REFUSAL_CLAIMS				/* the group is used by claims */
} Refusal;

/* A session that joins or adds topics needs room to remember them, before anything is done. */
static void
prepare_session(Call *c)
{
	if (c->name != NULL)
		return;
	if (c->join == EL_JOIN_NO)
	{
		c->session = el_session_find(c->conf->name);
		return;
	}
	c->session = el_session_prepare(c->conf->name);
	el_session_make_room(c->session, list_length(c->topics));
}

/* What the session has asked for, now that the call was not refused.  Cannot fail. */
static void
remember_topics(const Call *c)
{
	ListCell   *lc;

	if (c->session == NULL || c->join == EL_JOIN_NO)
		return;
	if (c->join == EL_JOIN_AFRESH)
		c->session->ntopics = 0;
	foreach(lc, c->topics)
	{
		ElTopicRef *ref = lfirst(lc);

		el_session_add_topic(c->session, ref->relid, ref->role);
	}
}

/* Find group and member, and whether the call is refused.  Lock held. */
static Refusal
find_caller(Call *c)
{
	c->group = el_group_find(MyDatabaseId, c->conf->name);
	c->member = el_member_slot(c->group, c->name, c->session, &c->replaced);
	if (c->member != EL_NO_SLOT)
	{
		if (c->join != EL_JOIN_AFRESH &&
			el_member_busy_elsewhere(EL_MEMBER(c->member)))
		{
			c->busy_pid = EL_MEMBER(c->member)->xact_pid;
			return REFUSAL_BUSY;
		}
		return REFUSAL_NONE;
	}

	Assert(el_group_locked_exclusive());
	/* may it join? */
	if (c->join == EL_JOIN_NO || (c->name != NULL && c->name->incarnation != 0) ||
		el_local_consumed_by(c->conf->name, c->name ? c->name->name : NULL))
		return REFUSAL_NO_MEMBER;
	if (c->group != EL_NO_SLOT && EL_GROUP(c->group)->claimers > 0)
		return REFUSAL_CLAIMS;
	return REFUSAL_NONE;
}

/* Lock not held. */
static void report_refusal(const Call *c, Refusal refusal) pg_attribute_noreturn();

static void
report_refusal(const Call *c, Refusal refusal)
{
	Assert(!el_group_locked());
	if (refusal == REFUSAL_BUSY)
		report_member_busy(c->conf->name, c->name->name, c->busy_pid);
	if (refusal == REFUSAL_CLAIMS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("group \"%s\" is used by claims at the moment",
						c->conf->name),
				 errhint("A group is used either by consume() or by claim(); use another group.")));
	report_no_member(c->conf->name, c->name, c->session, c->replaced, false, NULL);
}

void
el_member_check_admitted(const ElGroupConf *conf, const ElMemberName *member)
{
	Call		c = {
		.conf = conf,
		.name = member,
		.session = member == NULL ? el_session_find(conf->name) : NULL,
		.join = EL_JOIN_ADD
	};
	Refusal		refusal;

	el_group_lock(LW_EXCLUSIVE);
	refusal = find_caller(&c);
	el_group_unlock();
	if (refusal != REFUSAL_NONE)
		report_refusal(&c, refusal);
}

/* Join, or be recognised; the member has called.  Lock held; all room there may be need of is reserved. */
static void
admit_caller(Call *c)
{
	const ElGroupConf *conf = c->conf;
	ElGroup    *g;

	Assert(el_group_locked_exclusive());
	c->group = el_group_get(MyDatabaseId, conf->name);
	if (c->member == EL_NO_SLOT)
	{
		c->member = el_member_join(c->group,
								   c->name != NULL ? c->name->name : c->session->name,
								   c->name != NULL);
		if (c->session != NULL)
		{
			c->session->slot = c->member;
			c->session->incarnation = EL_MEMBER(c->member)->incarnation;
		}
	}
	else if (c->join == EL_JOIN_AFRESH && EL_MEMBER(c->member)->named)
		el_member_rejoin(c->member);

	g = EL_GROUP(c->group);
	g->max_poll_ms = conf->max_poll_ms;
	g->session_timeout_ms = conf->session_timeout_ms;
	note_call(EL_MEMBER(c->member), true);
}

/* Subscribe to the topics as the call says.  Lock held; room is reserved. */
static void
subscribe_caller(Call *c)
{
	ListCell   *lc;

	Assert(el_group_locked_exclusive());
	get_topics(c->group, c->topics);
	if (c->join == EL_JOIN_AFRESH)
	{
		/* to just these */
		ElSlotNo	s = EL_MEMBER(c->member)->first_sub;

		while (s != EL_NO_SLOT)
		{
			ElSlotNo	topic = EL_SUB(s)->topic;

			s = EL_SUB(s)->next_sub;
			if (find_topic_ref(c->topics, topic) == NULL)
				(void) el_member_unsubscribe(c->member, topic);
		}
	}
	foreach(lc, c->topics)
	{
		ElTopicRef *ref = lfirst(lc);

		if (c->join != EL_JOIN_NO)
			(void) el_member_subscribe(c->member, ref->slot, ref->role);
		note_begun(ref, c->conf, ref->slot);
	}
}

/* What the member owns of the topics.  Lock held. */
static void
collect_owned(const Call *c, ElAssignment *a)
{
	ElMember   *m = EL_MEMBER(c->member);
	ElSlotNo	s;

	Assert(el_group_locked());
	for (s = m->first_owned; s != EL_NO_SLOT; s = EL_PART(s)->owned_next)
	{
		ElTopicRef *ref = find_topic_ref(c->topics, EL_PART(s)->topic);

		Assert(EL_PART(s)->owner == c->member);
		if (ref != NULL && EL_PART(s)->partition < ref->npartitions)
			fill_assigned(&a->parts[a->n++], s, ref);
	}
	a->rotor = m->rotor++;
	fill_ref(&a->member, c->member);
}

/*
 * The coordinator's lock is taken once, from finding the member to collecting
 * what it owns, so that nothing comes in between.
 */
void
el_member_call(const ElGroupConf *conf, const ElMemberName *member,
			   List *topics, ElJoin join, bool yield, ElAssignment *a)
{
	Call		c = {
		.conf = conf,
		.name = member,
		.topics = topics,
		.join = join
	};
	Refusal		refusal;
	int64		epoch;
	bool		moved;

	init_assignment(a, conf, topics);
	prepare_session(&c);

	el_group_lock_with_offsets(conf->name, LW_EXCLUSIVE);
	refusal = find_caller(&c);
	if (refusal != REFUSAL_NONE)
	{
		el_group_unlock();
		report_refusal(&c, refusal);
	}
	epoch = c.group != EL_NO_SLOT ? EL_GROUP(c.group)->epoch : 0;
	reserve_for_call(c.group, c.member, topics, join != EL_JOIN_NO);
	admit_caller(&c);
	subscribe_caller(&c);
	moved = el_group_steps(c.group, yield ? c.member : EL_NO_SLOT);
	moved |= epoch != EL_GROUP(c.group)->epoch;
	EL_MEMBER(c.member)->news = false;
	collect_owned(&c, a);
	el_group_unlock();

	remember_topics(&c);
	qsort(a->parts, a->n, sizeof(ElAssigned), compare_assigned);
	if (moved)
	{
		el_wake_group(MyDatabaseId, conf->name, false);
		el_wake_worker();
	}
}

/*
 * Claims
 */
void
el_claim_call(const ElGroupConf *conf, List *topics, bool waits,
			  ElAssignment *a)
{
	ElSlotNo	group;
	ElGroup    *g;
	ListCell   *lc;

	init_assignment(a, conf, topics);

	el_group_lock_with_offsets(conf->name, LW_EXCLUSIVE);
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
	reserve_for_call(group, EL_NO_SLOT, topics, false);
	group = el_group_get(MyDatabaseId, conf->name);
	g = EL_GROUP(group);
	if (!waits)
		g->use = EL_USE_CLAIMS;
	g->max_poll_ms = conf->max_poll_ms;
	foreach(lc, topics)
	{
		ElTopicRef *ref = lfirst(lc);
		ElSlotNo	topic = el_group_topic_get(group, &ref->uuid, ref->relid,
											   ref->npartitions);
		ElSlotNo	s;

		if (!waits)
			EL_TOPIC(topic)->claimed = true;
		note_begun(ref, conf, topic);
		for (s = EL_TOPIC(topic)->first_part; s != EL_NO_SLOT;
			 s = EL_PART(s)->next_part)
		{
			if (EL_PART(s)->partition < ref->npartitions)
				fill_assigned(&a->parts[a->n++], s, ref);
		}
	}
	el_group_unlock();

	qsort(a->parts, a->n, sizeof(ElAssigned), compare_assigned);
	/* claimers of the same moment had better start apart */
	a->rotor = pg_prng_uint32(&pg_global_prng_state);
}
