/*-------------------------------------------------------------------------
 *
 * coordinator.c
 *	  The group's steps: members come and go, targets follow, ownership follows.
 *
 * All of this runs with the coordinator's lock held, and knows nothing but the
 * state in shared memory and its arguments.  What may fail (a reservation,
 * palloc) comes before the first change, so an error never leaves the state
 * half-changed.
 *
 * IDENTIFICATION
 *	  src/group/coordinator.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "group/coordinator.h"
#include "group/room.h"
#include "group/slots.h"
#include "kafka/assignor.h"
#include "kafka/reconcile.h"

/* Slots that are looked at under one hold of the lock. */
#define DROP_CHUNK	4096

/*
 * Members
 */

ElSlotNo
el_member_join(ElSlotNo group, const char *name, bool named)
{
	ElGroup    *g = EL_GROUP(group);
	ElSlotNo	s;
	ElMember   *m;

	Assert(el_group_locked_exclusive());
	Assert(!named || el_member_find(group, name) == EL_NO_SLOT);
	s = el_slot_new(EL_SLOT_MEMBER);
	m = EL_MEMBER(s);
	m->group = group;
	m->next_member = EL_NO_SLOT;
	m->first_sub = EL_NO_SLOT;
	m->first_owned = EL_NO_SLOT;
	strlcpy(m->name, name, EL_NAME_SIZE);
	m->named = named;
	m->pid = MyProcPid;
	m->incarnation = ++el_shared->next_number;
	m->last_call_ms = m->last_heard_ms = el_monotonic_ms();

	if (g->last_member == EL_NO_SLOT)
		g->first_member = s;
	else
		EL_MEMBER(g->last_member)->next_member = s;
	g->last_member = s;
	g->nmembers++;
	g->use = EL_USE_MEMBERS;
	el_group_touch(group);
	el_slot_link(s);
	el_group_changed(group);
	return s;
}

/*
 * Another process takes the member's name.  What the earlier one was given
 * counts no more, and a transaction of it that is still open cannot commit
 * offsets: its incarnation is another.  The partitions stay, so nothing moves.
 */
void
el_member_rejoin(ElSlotNo member)
{
	ElMember   *m = EL_MEMBER(member);
	ElSlotNo	s;

	Assert(el_group_locked_exclusive());
	Assert(m->named);
	m->incarnation = ++el_shared->next_number;
	m->heartbeats = false;
	m->xact_pid = 0;
	m->xact_holds = 0;
	m->last_seq = 0;
	for (s = m->first_owned; s != EL_NO_SLOT; s = EL_PART(s)->owned_next)
	{
		Assert(EL_PART(s)->owner == member);
		EL_PART(s)->outstanding = false;
		EL_PART(s)->delivered = -1;
		EL_PART(s)->delivered_seq = 0;
	}
}

/* Take a partition from its owner. */
static void
unlink_owned(ElSlotNo part)
{
	ElPart	   *p = EL_PART(part);
	ElMember   *m = EL_MEMBER(p->owner);

	Assert(m->nowned > 0);
	Assert(m->group == p->group);
	m->news = true;
	if (p->owned_prev == EL_NO_SLOT)
		m->first_owned = p->owned_next;
	else
		EL_PART(p->owned_prev)->owned_next = p->owned_next;
	if (p->owned_next != EL_NO_SLOT)
		EL_PART(p->owned_next)->owned_prev = p->owned_prev;
	m->nowned--;
	p->owner = EL_NO_SLOT;
	p->owned_next = p->owned_prev = EL_NO_SLOT;
	p->outstanding = false;
	p->delivered = -1;
	p->delivered_seq = 0;
}

/* Give a free partition to a member, as of the group's epoch. */
static void
link_owned(ElSlotNo part, ElSlotNo member, int64 epoch)
{
	ElPart	   *p = EL_PART(part);
	ElMember   *m = EL_MEMBER(member);

	Assert(p->owner == EL_NO_SLOT);
	Assert(m->group == p->group);
	Assert(epoch <= EL_GROUP(p->group)->assignment_epoch);
	m->news = true;
	p->owner = member;
	p->epoch = epoch;
	p->owned_prev = EL_NO_SLOT;
	p->owned_next = m->first_owned;
	if (m->first_owned != EL_NO_SLOT)
		EL_PART(m->first_owned)->owned_prev = part;
	m->first_owned = part;
	m->nowned++;
}

/* A subscription ends. */
static void
free_sub(ElSlotNo sub)
{
	ElSub	   *s = EL_SUB(sub);

	if (s->prev_sub == EL_NO_SLOT)
		EL_MEMBER(s->member)->first_sub = s->next_sub;
	else
		EL_SUB(s->prev_sub)->next_sub = s->next_sub;
	if (s->next_sub != EL_NO_SLOT)
		EL_SUB(s->next_sub)->prev_sub = s->prev_sub;
	EL_TOPIC(s->topic)->nsubscribers--;
	Assert(EL_TOPIC(s->topic)->nsubscribers >= 0);
	el_slot_free(sub);
}

/*
 * A member leaves or is put out.  A transaction of it may still hold locks on
 * partitions: whoever owns them next finds them busy until it ended.
 */
void
el_member_leave(ElSlotNo member)
{
	ElMember   *m = EL_MEMBER(member);
	ElSlotNo	group = m->group;
	ElGroup    *g = EL_GROUP(group);
	ElSlotNo	s;
	ElSlotNo	prev = EL_NO_SLOT;

	Assert(el_group_locked_exclusive());
	while (m->first_owned != EL_NO_SLOT)
		unlink_owned(m->first_owned);
	while (m->first_sub != EL_NO_SLOT)
		free_sub(m->first_sub);
	Assert(m->nowned == 0);

	for (s = g->first_member; s != member; s = EL_MEMBER(s)->next_member)
		prev = s;
	if (prev == EL_NO_SLOT)
		g->first_member = m->next_member;
	else
		EL_MEMBER(prev)->next_member = m->next_member;
	if (g->last_member == member)
		g->last_member = prev;
	g->nmembers--;
	Assert(g->nmembers >= 0);
	Assert((g->nmembers == 0) == (g->first_member == EL_NO_SLOT));
	el_group_touch(group);
	el_slot_free(member);
	el_group_changed(group);
}

bool
el_member_subscribed(ElSlotNo member, ElSlotNo topic)
{
	return el_sub_find(member, topic) != EL_NO_SLOT;
}

bool
el_member_subscribe(ElSlotNo member, ElSlotNo topic, Oid role)
{
	ElSlotNo	s = el_sub_find(member, topic);

	Assert(el_group_locked_exclusive());
	Assert(EL_TOPIC(topic)->group == EL_MEMBER(member)->group);
	if (s != EL_NO_SLOT)
	{
		EL_SUB(s)->role = role;
		return false;
	}
	s = el_slot_new(EL_SLOT_SUB);
	EL_SUB(s)->member = member;
	EL_SUB(s)->topic = topic;
	EL_SUB(s)->role = role;
	EL_SUB(s)->prev_sub = EL_NO_SLOT;
	EL_SUB(s)->next_sub = EL_MEMBER(member)->first_sub;
	if (EL_MEMBER(member)->first_sub != EL_NO_SLOT)
		EL_SUB(EL_MEMBER(member)->first_sub)->prev_sub = s;
	EL_MEMBER(member)->first_sub = s;
	EL_TOPIC(topic)->nsubscribers++;
	el_slot_link(s);
	el_group_changed(EL_MEMBER(member)->group);
	return true;
}

bool
el_member_unsubscribe(ElSlotNo member, ElSlotNo topic)
{
	ElSlotNo	s = el_sub_find(member, topic);

	Assert(el_group_locked_exclusive());
	if (s == EL_NO_SLOT)
		return false;
	free_sub(s);
	el_group_changed(EL_MEMBER(member)->group);
	return true;
}

/* The topic is gone: nobody is subscribed to it any more.  Must not fail. */
static void
unsubscribe_all(ElSlotNo group, ElSlotNo topic)
{
	ElSlotNo	s;

	for (s = EL_GROUP(group)->first_member; s != EL_NO_SLOT;
		 s = EL_MEMBER(s)->next_member)
		(void) el_member_unsubscribe(s, topic);
}

/* Does a member own a partition of the topic, or has a transaction one? */
static bool
is_topic_used(ElSlotNo topic)
{
	ElSlotNo	s = EL_TOPIC(topic)->first_part;

	while (s != EL_NO_SLOT && EL_PART(s)->holder == 0 &&
		   EL_PART(s)->owner == EL_NO_SLOT)
		s = EL_PART(s)->next_part;
	return s != EL_NO_SLOT;
}

/*
 * The slots of dropped topics go, but for those that are still used.  A partition
 * without a holder may have been taken over and freed again before the
 * finish_xact() of an earlier one: not if every hold of the group is that of a
 * holder.
 */
void
el_group_free_dropped(ElSlotNo group)
{
	ElGroup    *g = EL_GROUP(group);
	int32		holders = 0;
	ElSlotNo	next;
	ElSlotNo	t;
	ElSlotNo	s;

	Assert(el_group_locked_exclusive());
	if (!g->has_dropped)
		return;
	for (t = g->first_topic; g->held > 0 && t != EL_NO_SLOT;
		 t = EL_TOPIC(t)->next_topic)
	{
		for (s = EL_TOPIC(t)->first_part; s != EL_NO_SLOT;
			 s = EL_PART(s)->next_part)
			holders += EL_PART(s)->holder != 0 ? 1 : 0;
	}
	if (g->held != holders)
		return;

	g->has_dropped = false;
	for (t = g->first_topic; t != EL_NO_SLOT; t = next)
	{
		next = EL_TOPIC(t)->next_topic;
		if (!EL_TOPIC(t)->dropped)
			continue;
		if (is_topic_used(t))
			g->has_dropped = true;
		else
			el_group_topic_free(t);
	}
}

/* Is it one of these, and not a restored one, whose offsets were loaded since? */
static bool
is_dropped(const ElGroupTopic *t, const ElDroppedTopic *topics, int n)
{
	const ElDroppedTopic *d = topics;
	bool		newer;

	while (d < topics + n && memcmp(&t->uuid, &d->uuid, UUID_LEN) != 0)
		d++;
	if (d == topics + n || (OidIsValid(t->relid) && t->relid != d->relid))
		return false;
	newer = t->mark.gen > d->number;
	for (ElSlotNo s = t->first_part; s != EL_NO_SLOT && !newer;
		 s = EL_PART(s)->next_part)
		newer = EL_PART(s)->entry.gen > d->number;
	return !newer;
}

ElSlotNo
el_topics_dropped(Oid dbid, const ElDroppedTopic *topics, int n, ElSlotNo from)
{
	ElSlotNo	to = Min(from + DROP_CHUNK, el_shared->nslots);
	ElSlotNo	db = el_db_find(dbid);

	Assert(el_group_locked_exclusive());
	if (db == EL_NO_SLOT)
		return EL_NO_SLOT;
	EL_DB(db)->topics_dropped++;
	for (ElSlotNo s = from; s < to; s++)
	{
		ElSlotNo	g;

		if (EL_HEAD(s)->kind != EL_SLOT_TOPIC)
			continue;
		g = EL_TOPIC(s)->group;
		if (EL_GROUP(g)->dbid != dbid || !is_dropped(EL_TOPIC(s), topics, n))
			continue;
		unsubscribe_all(g, s);
		EL_TOPIC(s)->relid = InvalidOid;
		EL_TOPIC(s)->claimed = false;
		EL_TOPIC(s)->dropped = true;
		EL_GROUP(g)->has_dropped = true;
		el_group_free_dropped(g);
	}
	return to < el_shared->nslots ? to : EL_NO_SLOT;
}

/*
 * Steps
 */

/* A group's members, topics and targets as the arrays that el_assign() works on. */
typedef struct Assignment
{
	int32		ntopics;
	ElAssignTopic *topics;
	ElAssignLoad *load;			/* two per member, for el_assign() itself */
	ElSlotNo   *members;
	int32	   *targets;		/* per partition, topic after topic */
	int32	   *subscribers;	/* likewise */
} Assignment;

/*
 * Number topics and members, and make room for the arrays.  An error here
 * leaves all as it is: the target is only out of date.
 */
static void
prepare_assignment(ElGroup *g, Assignment *a)
{
	int32		nsubs = 0;
	int32		nparts = 0;
	int32		n = 0;
	ElSlotNo	s;

	a->ntopics = 0;
	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		EL_TOPIC(s)->ordinal = a->ntopics++;
		nsubs += EL_TOPIC(s)->nsubscribers;
		nparts += EL_TOPIC(s)->npartitions;
	}

	a->topics = palloc0_array(ElAssignTopic, a->ntopics + 1);
	a->load = palloc_array(ElAssignLoad, 2 * g->nmembers + 1);
	a->members = palloc_array(ElSlotNo, g->nmembers + 1);
	a->targets = palloc_array(int32, nparts + 1);
	a->subscribers = palloc_array(int32, nsubs + 1);

	for (s = g->first_member; s != EL_NO_SLOT; s = EL_MEMBER(s)->next_member)
	{
		EL_MEMBER(s)->ordinal = n;
		a->members[n++] = s;
	}
	Assert(n == g->nmembers);
}

/* The ordinal of a partition's present target. */
static int32
ordinal_of_target(const ElPart *p)
{
	/* a member that left may have had this slot */
	if (p->target != EL_NO_SLOT &&
		EL_HEAD(p->target)->kind == EL_SLOT_MEMBER &&
		EL_MEMBER(p->target)->group == p->group)
		return EL_MEMBER(p->target)->ordinal;
	return EL_NOBODY;
}

/* Fill the arrays: the targets as they are, and who is subscribed to what. */
static void
load_assignment(const ElGroup *g, Assignment *a)
{
	int32		nsubs = 0;
	int32		nparts = 0;
	int32		n;
	ElSlotNo	s;

	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		ElGroupTopic *gt = EL_TOPIC(s);
		ElAssignTopic *t = &a->topics[gt->ordinal];
		ElSlotNo	ps;

		t->npartitions = gt->npartitions;
		t->target = a->targets + nparts;
		t->subscribers = a->subscribers + nsubs;
		for (ps = gt->first_part; ps != EL_NO_SLOT; ps = EL_PART(ps)->next_part)
		{
			if (EL_PART(ps)->partition < gt->npartitions)
				t->target[EL_PART(ps)->partition] = ordinal_of_target(EL_PART(ps));
		}
		nparts += gt->npartitions;
		nsubs += gt->nsubscribers;
	}
	for (n = 0; n < g->nmembers; n++)
	{
		for (s = EL_MEMBER(a->members[n])->first_sub; s != EL_NO_SLOT;
			 s = EL_SUB(s)->next_sub)
		{
			ElGroupTopic *gt = EL_TOPIC(EL_SUB(s)->topic);
			ElAssignTopic *t = &a->topics[gt->ordinal];
			int32	   *subscribers = a->subscribers +
				(t->subscribers - a->subscribers);

			subscribers[t->nsubscribers++] = n;
			Assert(t->nsubscribers <= gt->nsubscribers);
		}
	}
}

/* What el_assign() found becomes the partitions' target. */
static void
store_targets(ElGroup *g, const Assignment *a)
{
	ElSlotNo	s;

	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		ElAssignTopic *t = &a->topics[EL_TOPIC(s)->ordinal];
		ElSlotNo	ps;

		for (ps = EL_TOPIC(s)->first_part; ps != EL_NO_SLOT;
			 ps = EL_PART(ps)->next_part)
		{
			ElPart	   *p = EL_PART(ps);

			if (p->partition >= t->npartitions ||
				t->target[p->partition] == EL_NOBODY)
				p->target = EL_NO_SLOT;
			else
				p->target = a->members[t->target[p->partition]];
			Assert(p->target == EL_NO_SLOT ||
				   el_member_subscribed(p->target, s));
			if (p->owner != EL_NO_SLOT && p->owner != p->target)
				EL_MEMBER(p->owner)->news = true;	/* to be given up */
		}
	}
}

/*
 * Step 2: compute who shall own what.  Owners are not changed, but told that they
 * have something to give up.
 */
static void
compute_target(ElGroup *g)
{
	Assignment	a;

	prepare_assignment(g, &a);
	load_assignment(g, &a);
	el_assign(a.topics, a.ntopics, a.load, a.load + g->nmembers, g->nmembers);
	store_targets(g, &a);
	g->assignment_epoch = g->epoch;
	g->reconcile = true;

	pfree(a.topics);
	pfree(a.load);
	pfree(a.members);
	pfree(a.targets);
	pfree(a.subscribers);
}

/*
 * Step 3: let ownership follow.  yielding, if not EL_NO_SLOT, is the member whose
 * own call this is: what it was given before no longer keeps a partition.  A
 * partition is busy while a transaction of its owner holds it; a holder that is
 * not its owner (a claim, a member put out) does not keep it from moving.
 * Returns true if ownership changed.
 */
static bool
reconcile_ownership(ElGroup *g, ElSlotNo yielding)
{
	ElReconcilePart *parts = palloc_array(ElReconcilePart, g->nparts + 1);
	ElSlotNo   *slots = palloc_array(ElSlotNo, g->nparts + 1);
	bool		changed = false;
	int32		n = 0;
	int32		i;
	ElSlotNo	s;
	ElSlotNo	ps;

	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		for (ps = EL_TOPIC(s)->first_part; ps != EL_NO_SLOT;
			 ps = EL_PART(ps)->next_part)
		{
			ElPart	   *p = EL_PART(ps);

			/* a target that left is no target after compute_target() */
			Assert(p->target == EL_NO_SLOT ||
				   EL_MEMBER(p->target)->group == p->group);
			if (p->owner == p->target)
				continue;
			Assert(n < g->nparts);
			slots[n] = ps;
			parts[n].owner = p->owner;
			parts[n].target = p->target;
			parts[n].epoch = p->epoch;
			parts[n].busy = p->owner != EL_NO_SLOT && p->holder != 0 &&
				p->holder == EL_MEMBER(p->owner)->xact_pid;
			parts[n].outstanding = p->outstanding;
			n++;
		}
	}

	StaticAssertStmt(EL_NOBODY == EL_NO_SLOT, "nobody is no slot");
	el_reconcile(parts, n, yielding, g->assignment_epoch);

	for (s = g->first_member; s != EL_NO_SLOT; s = EL_MEMBER(s)->next_member)
		EL_MEMBER(s)->ordinal = 0;
	for (i = 0; i < n; i++)
	{
		ElPart	   *p = EL_PART(slots[i]);

		if (parts[i].changed)
		{
			if (p->owner != EL_NO_SLOT)
				unlink_owned(slots[i]);
			if (parts[i].owner != EL_NO_SLOT)
				link_owned(slots[i], parts[i].owner, parts[i].epoch);
			changed = true;
		}
		else if (p->owner != EL_NO_SLOT)
			EL_MEMBER(p->owner)->ordinal = 1;	/* has something to give up */
	}
	/* a member has come to the assignment when it has nothing to give up */
	for (s = g->first_member; s != EL_NO_SLOT; s = EL_MEMBER(s)->next_member)
	{
		if (EL_MEMBER(s)->ordinal == 0)
			EL_MEMBER(s)->epoch = g->assignment_epoch;
		Assert(EL_MEMBER(s)->epoch <= g->assignment_epoch);
	}
	g->reconcile = false;

	pfree(parts);
	pfree(slots);
	return changed;
}

bool
el_group_steps(ElSlotNo group, ElSlotNo yielding)
{
	ElGroup    *g = EL_GROUP(group);
	bool		moved;

	Assert(el_group_locked_exclusive());
	Assert(g->assignment_epoch <= g->epoch);
	if (g->assignment_epoch != g->epoch)
		compute_target(g);
	else if (!g->reconcile)
	{
		ElSlotNo	s = EL_NO_SLOT;

		if (yielding != EL_NO_SLOT)
		{
			s = EL_MEMBER(yielding)->first_owned;
			while (s != EL_NO_SLOT && EL_PART(s)->target == yielding)
				s = EL_PART(s)->owned_next;
		}
		if (s == EL_NO_SLOT && !g->has_dropped)
			return false;
	}
	moved = reconcile_ownership(g, yielding);
	el_group_free_dropped(group);
	return moved;
}

/* The database is gone, and so is everybody who could refer to its groups. */
void
el_db_drop(Oid dbid)
{
	ElSlotNo	db = el_db_find(dbid);
	ElSlotNo   *p = &el_shared->first_db;
	ElSlotNo	s = el_shared->first_group;

	Assert(el_group_locked_exclusive());
	if (db == EL_NO_SLOT)
		return;
	while (s != EL_NO_SLOT)
	{
		ElGroup    *g = EL_GROUP(s);
		ElSlotNo	next = g->next_group;

		if (g->dbid == dbid)
		{
			while (g->first_member != EL_NO_SLOT)
				el_member_leave(g->first_member);
			Assert(g->held == 0);
			el_group_free(s);
		}
		s = next;
	}
	while (*p != db)
		p = &EL_DB(*p)->next_db;
	*p = EL_DB(db)->next_db;
	el_slot_free(db);
}
