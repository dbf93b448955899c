/*-------------------------------------------------------------------------
 *
 * coordinator.c
 *	  The group's steps: members come and go, targets follow, ownership follows.
 *
 * All of this runs with the coordinator's lock held.  What may fail (a
 * reservation, palloc) comes before the first change, so an error never leaves
 * the state half-changed.
 *
 * IDENTIFICATION
 *	  src/group/coordinator.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "kafka/assignor.h"
#include "kafka/reconcile.h"
#include "group/group.h"

/*
 * Members
 */

/* Members, topics or partitions of the group are others than before. */
void
el_group_changed(ElSlot group)
{
	EL_GROUP(group)->epoch = ++el_shared->next_number;
}

ElSlot
el_member_join(ElSlot group, const char *name, bool named)
{
	ElGroup    *g = EL_GROUP(group);
	ElSlot		s;
	ElMember   *m;

	el_slots_reserve(1);
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
el_member_rejoin(ElSlot member)
{
	ElMember   *m = EL_MEMBER(member);
	ElSlot		s;

	m->incarnation = ++el_shared->next_number;
	m->heartbeats = false;
	m->xact_pid = 0;
	m->xact_holds = 0;
	m->last_seq = 0;
	for (s = m->first_owned; s != EL_NO_SLOT; s = EL_PART(s)->owned_next)
	{
		EL_PART(s)->outstanding = false;
		EL_PART(s)->delivered = -1;
		EL_PART(s)->delivered_seq = 0;
	}
}

static void
owned_unlink(ElSlot part)
{
	ElPart	   *p = EL_PART(part);
	ElMember   *m = EL_MEMBER(p->owner);

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

static void
owned_link(ElSlot part, ElSlot member, int64 epoch)
{
	ElPart	   *p = EL_PART(part);
	ElMember   *m = EL_MEMBER(member);

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

/*
 * A member leaves or is put out.  A transaction of it may still hold locks on
 * partitions: whoever owns them next finds them busy until it ended.
 */
void
el_member_leave(ElSlot member)
{
	ElMember   *m = EL_MEMBER(member);
	ElSlot		group = m->group;
	ElGroup    *g = EL_GROUP(group);
	ElSlot		s;
	ElSlot		prev = EL_NO_SLOT;

	while (m->first_owned != EL_NO_SLOT)
		owned_unlink(m->first_owned);
	while ((s = m->first_sub) != EL_NO_SLOT)
	{
		m->first_sub = EL_SUB(s)->next_sub;
		EL_TOPIC(EL_SUB(s)->topic)->nsubscribers--;
		el_slot_free(s);
	}

	for (s = g->first_member; s != member; s = EL_MEMBER(s)->next_member)
		prev = s;
	if (prev == EL_NO_SLOT)
		g->first_member = m->next_member;
	else
		EL_MEMBER(prev)->next_member = m->next_member;
	if (g->last_member == member)
		g->last_member = prev;
	g->nmembers--;
	g->last_used_ms = el_monotonic_ms();
	el_slot_free(member);
	el_group_changed(group);
}

bool
el_member_subscribed(ElSlot member, ElSlot topic)
{
	ElSlot		s = EL_MEMBER(member)->first_sub;

	while (s != EL_NO_SLOT && EL_SUB(s)->topic != topic)
		s = EL_SUB(s)->next_sub;
	return s != EL_NO_SLOT;
}

bool
el_member_subscribe(ElSlot member, ElSlot topic)
{
	ElSlot		s;

	if (el_member_subscribed(member, topic))
		return false;
	el_slots_reserve(1);
	s = el_slot_new(EL_SLOT_SUB);
	EL_SUB(s)->topic = topic;
	EL_SUB(s)->next_sub = EL_MEMBER(member)->first_sub;
	EL_MEMBER(member)->first_sub = s;
	EL_TOPIC(topic)->nsubscribers++;
	el_group_changed(EL_MEMBER(member)->group);
	return true;
}

bool
el_member_unsubscribe(ElSlot member, ElSlot topic)
{
	ElSlot	   *p = &EL_MEMBER(member)->first_sub;

	for (; *p != EL_NO_SLOT; p = &EL_SUB(*p)->next_sub)
	{
		if (EL_SUB(*p)->topic == topic)
		{
			ElSlot		s = *p;

			*p = EL_SUB(s)->next_sub;
			el_slot_free(s);
			EL_TOPIC(topic)->nsubscribers--;
			el_group_changed(EL_MEMBER(member)->group);
			return true;
		}
	}
	return false;
}

/* The topic is gone: nobody is subscribed to it any more.  Must not fail. */
static void
unsubscribe_all(ElSlot group, ElSlot topic)
{
	ElSlot		s;

	for (s = EL_GROUP(group)->first_member; s != EL_NO_SLOT;
		 s = EL_MEMBER(s)->next_member)
		(void) el_member_unsubscribe(s, topic);
}

void
el_topic_dropped(Oid dbid, Oid relid)
{
	ElSlot		g;
	ElSlot		t;

	for (g = el_shared->first_group; g != EL_NO_SLOT; g = EL_GROUP(g)->next_group)
	{
		if (EL_GROUP(g)->dbid != dbid)
			continue;
		for (t = EL_GROUP(g)->first_topic; t != EL_NO_SLOT;
			 t = EL_TOPIC(t)->next_topic)
		{
			if (EL_TOPIC(t)->relid != relid)
				continue;
			unsubscribe_all(g, t);
			EL_TOPIC(t)->relid = InvalidOid;
			EL_TOPIC(t)->claimed = false;
		}
	}
}

/*
 * Steps
 */

/* Step 2: compute who shall own what. */
static void
compute_target(ElSlot group)
{
	ElGroup    *g = EL_GROUP(group);
	ElAssignTopic *topics;
	ElAssignLoad *load;
	ElSlot	   *members;
	int32	   *targets;
	int32	   *subscribers;
	int32		ntopics = 0;
	int32		nsubs = 0;
	int32		nparts = 0;
	int32		n;
	ElSlot		s;

	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		EL_TOPIC(s)->ordinal = ntopics++;
		nsubs += EL_TOPIC(s)->nsubscribers;
		nparts += EL_TOPIC(s)->npartitions;
	}

	/* an error here leaves all as it is: the target is only out of date */
	topics = palloc0_array(ElAssignTopic, ntopics + 1);
	load = palloc_array(ElAssignLoad, 2 * g->nmembers + 1);
	members = palloc_array(ElSlot, g->nmembers + 1);
	targets = palloc_array(int32, nparts + 1);
	subscribers = palloc_array(int32, nsubs + 1);

	n = 0;
	for (s = g->first_member; s != EL_NO_SLOT; s = EL_MEMBER(s)->next_member)
	{
		EL_MEMBER(s)->ordinal = n;
		members[n++] = s;
	}

	nsubs = nparts = 0;
	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		ElGroupTopic *gt = EL_TOPIC(s);
		ElAssignTopic *t = &topics[gt->ordinal];
		ElSlot		ps;

		t->npartitions = gt->npartitions;
		t->target = targets + nparts;
		t->subscribers = subscribers + nsubs;
		for (ps = gt->first_part; ps != EL_NO_SLOT; ps = EL_PART(ps)->next_part)
		{
			ElPart	   *p = EL_PART(ps);
			ElSlot		m = p->target;

			if (p->partition >= gt->npartitions)
				continue;
			/* a member that left may have had this slot */
			if (m != EL_NO_SLOT && EL_HEAD(m)->kind == EL_SLOT_MEMBER &&
				EL_MEMBER(m)->group == group)
				t->target[p->partition] = EL_MEMBER(m)->ordinal;
			else
				t->target[p->partition] = EL_NOBODY;
		}
		nparts += gt->npartitions;
		nsubs += gt->nsubscribers;
	}
	for (n = 0; n < g->nmembers; n++)
	{
		for (s = EL_MEMBER(members[n])->first_sub; s != EL_NO_SLOT;
			 s = EL_SUB(s)->next_sub)
		{
			ElAssignTopic *t = &topics[EL_TOPIC(EL_SUB(s)->topic)->ordinal];

			((int32 *) t->subscribers)[t->nsubscribers++] = n;
		}
	}

	el_assign(topics, ntopics, load, load + g->nmembers, g->nmembers);

	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		ElAssignTopic *t = &topics[EL_TOPIC(s)->ordinal];
		ElSlot		ps;

		for (ps = EL_TOPIC(s)->first_part; ps != EL_NO_SLOT;
			 ps = EL_PART(ps)->next_part)
		{
			ElPart	   *p = EL_PART(ps);

			if (p->partition >= t->npartitions ||
				t->target[p->partition] == EL_NOBODY)
				p->target = EL_NO_SLOT;
			else
				p->target = members[t->target[p->partition]];
			if (p->owner != EL_NO_SLOT && p->owner != p->target)
				EL_MEMBER(p->owner)->news = true;	/* to be given up */
		}
	}
	g->assignment_epoch = g->epoch;
	g->reconcile = true;

	pfree(topics);
	pfree(load);
	pfree(members);
	pfree(targets);
	pfree(subscribers);
}

/* Step 3: let ownership follow. */
static bool
reconcile(ElSlot group, ElSlot yielding)
{
	ElGroup    *g = EL_GROUP(group);
	ElReconcilePart *parts = palloc_array(ElReconcilePart, g->nparts + 1);
	ElSlot	   *slots = palloc_array(ElSlot, g->nparts + 1);
	bool		changed = false;
	int32		n = 0;
	int32		i;
	ElSlot		s;
	ElSlot		ps;

	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		for (ps = EL_TOPIC(s)->first_part; ps != EL_NO_SLOT;
			 ps = EL_PART(ps)->next_part)
		{
			ElPart	   *p = EL_PART(ps);

			if (p->owner == p->target)
				continue;
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
				owned_unlink(slots[i]);
			if (parts[i].owner != EL_NO_SLOT)
				owned_link(slots[i], parts[i].owner, parts[i].epoch);
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
	}
	g->reconcile = false;

	pfree(parts);
	pfree(slots);
	return changed;
}

bool
el_group_steps(ElSlot group, ElSlot yielding)
{
	ElGroup    *g = EL_GROUP(group);

	if (g->assignment_epoch != g->epoch)
		compute_target(group);
	else if (!g->reconcile)
	{
		ElSlot		s = EL_NO_SLOT;

		if (yielding != EL_NO_SLOT)
		{
			s = EL_MEMBER(yielding)->first_owned;
			while (s != EL_NO_SLOT && EL_PART(s)->target == yielding)
				s = EL_PART(s)->owned_next;
		}
		if (s == EL_NO_SLOT)
			return false;
	}
	return reconcile(group, yielding);
}

/*
 * Giving back
 */

/*
 * Free a group's slots that hold nothing; all of it if nothing is left.  True
 * if the group is gone.
 */
bool
el_group_sweep(ElSlot group, int64 idle_ms)
{
	ElGroup    *g = EL_GROUP(group);
	ElSlot		db = el_db_find(g->dbid);
	ElSlot	   *tp;
	ElSlot	   *gp;

	if (g->nmembers > 0 || g->claimers > 0 ||
		el_monotonic_ms() - g->last_used_ms < idle_ms)
		return false;

	tp = &g->first_topic;
	while (*tp != EL_NO_SLOT)
	{
		ElSlot		ts = *tp;
		ElGroupTopic *t = EL_TOPIC(ts);
		bool		keep = false;
		ElSlot		ps;

		/* all partitions of a topic or none: npartitions counts them */
		for (ps = t->first_part; ps != EL_NO_SLOT; ps = EL_PART(ps)->next_part)
		{
			ElPart	   *p = EL_PART(ps);

			if (p->holder != 0 ||
				(db != EL_NO_SLOT && p->entry.gen == EL_DB(db)->cache_gen &&
				 (p->entry.version >= 0 ||
				  FullTransactionIdIsValid(p->entry.pending_fxid))))
				keep = true;
		}
		if (keep)
		{
			tp = &t->next_topic;
			continue;
		}
		while ((ps = t->first_part) != EL_NO_SLOT)
		{
			t->first_part = EL_PART(ps)->next_part;
			g->nparts--;
			el_slot_free(ps);
		}
		*tp = t->next_topic;
		el_slot_free(ts);
	}
	if (g->first_topic != EL_NO_SLOT)
		return false;

	for (gp = &el_shared->first_group; *gp != group;
		 gp = &EL_GROUP(*gp)->next_group)
		;
	*gp = g->next_group;
	el_slot_free(group);
	return true;
}

/* The database is gone, and so is everybody who could refer to its groups. */
void
el_db_drop(Oid dbid)
{
	ElSlot		db = el_db_find(dbid);
	ElSlot		s = el_shared->first_group;

	if (db != EL_NO_SLOT)
		el_slot_free(db);
	while (s != EL_NO_SLOT)
	{
		ElGroup    *g = EL_GROUP(s);
		ElSlot		next = g->next_group;

		if (g->dbid == dbid)
		{
			while (g->first_member != EL_NO_SLOT)
				el_member_leave(g->first_member);
			(void) el_group_sweep(s, 0);
		}
		s = next;
	}
}
