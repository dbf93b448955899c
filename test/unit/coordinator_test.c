/*-------------------------------------------------------------------------
 *
 * coordinator_test.c
 *	  The coordinator's own code (slots.c, room.c, coordinator.c and the pure
 *	  steps) under random schedules, without a server.
 *
 * Members join (sessions, names, new incarnations of names), subscribe, leave
 * and die; topics grow and are dropped; transactions hold partitions while
 * others call; deliveries await their commit; memory runs out.  Groups that
 * nobody is in come and go beside them, and what they committed is in their slots
 * or remembered as evicted.  After every step the state must be sound: every list, counter and hash entry, one owner a
 * partition, nothing taken from who works on it, epochs that only go forward
 * and never come again.  From time to time everybody finishes and calls, and
 * then ownership must be the balanced target, reached with the fewest moves.
 *
 * What stands for the server at the end of this file is memory and the jump of
 * an error; no behaviour of PostgreSQL is imitated.
 *
 * IDENTIFICATION
 *	  test/unit/coordinator_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <setjmp.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "group/coordinator.h"
#include "group/filter.h"
#include "group/room.h"
#include "group/slots.h"

#undef printf
#undef fprintf
#undef snprintf
#include "check.h"

#define DB			5
#define NGROUPS		2
#define NTOPICS		5
#define MAX_PARTS	24
#define MAX_MEMBERS 16
#define NIDLE		40

static sigjmp_buf on_error;
static bool out_of_memory;

/* --- the model: what the test knows --------------------------------------- */

typedef struct Member
{
	bool		alive;
	int			group;
	char		name[EL_NAME_SIZE];
	bool		named;
	ElSlotNo	slot;
	uint64		incarnation;
	int			pid;
	bool		in_xact;
	int			told[NTOPICS * MAX_PARTS];	/* owned when last told */
} Member;

/* A partition that a transaction holds: its heavyweight lock, as it were. */
typedef struct Hold
{
	bool		held;
	int			member;			/* whose transaction */
	int			pid;
	ElSlotNo	part;
	ElSlotNo	member_slot;
	uint64		incarnation;
	bool		claim;
} Hold;

/* What the partition was like after the last step. */
typedef struct Seen
{
	bool		known;
	ElSlotNo	owner;
	uint64		join;			/* number of the owner's join; tells slots'
								 * users apart */
	int64		epoch;
	int64		max_epoch;
	bool		outstanding;
} Seen;

/* A group that nobody is in: what it has committed last, and when it was called. */
typedef struct Idle
{
	int64		version;		/* 0: nothing */
	uint64		called;			/* number of the step */
} Idle;

static Member members[MAX_MEMBERS];
static Idle idle[NIDLE];
static int64 last_version;
static uint64 idle_calls;
static Hold holds[NGROUPS][NTOPICS][MAX_PARTS];
static Seen seen[NGROUPS][NTOPICS][MAX_PARTS];
static int	npartitions[NTOPICS];
static uint64 joins;
static uint64 join_of_slot[100000];
static int	yielding;			/* member whose own call this step is, or -1 */
static int	left;				/* member that left in this step, or -1 */
static uint64 max_incarnation;
static long steps_run;
static long errors_met;

static int
pick(int n)
{
	return (int) random_below((size_t) n);
}

static void
uuid_of(int topic, pg_uuid_t *uuid)
{
	memset(uuid, 0, sizeof(*uuid));
	uuid->data[0] = (unsigned char) (topic + 1);
}

static int
topic_of(ElSlotNo topic)
{
	return EL_TOPIC(topic)->uuid.data[0] - 1;
}

static const char *
group_name(int g)
{
	static const char *const names[NGROUPS] = {"g0", "g1"};

	return names[g];
}

static ElSlotNo
find_group(int g)
{
	return el_group_find(DB, group_name(g));
}

static ElSlotNo
find_part(int g, int t, int p)
{
	pg_uuid_t	uuid;
	ElSlotNo	group = find_group(g);

	if (group == EL_NO_SLOT)
		return EL_NO_SLOT;
	uuid_of(t, &uuid);
	return el_part_find(group, &uuid, p);
}

static bool
is_member(int m)
{
	return members[m].alive &&
		EL_HEAD(members[m].slot)->kind == EL_SLOT_MEMBER &&
		EL_MEMBER(members[m].slot)->incarnation == members[m].incarnation;
}

/* What m owns, as a vector; *n counts. */
static int
owned(int m, int *vector)
{
	int			n = 0;
	ElSlotNo	s;

	memset(vector, 0, sizeof(members[m].told));
	for (s = EL_MEMBER(members[m].slot)->first_owned; s != EL_NO_SLOT;
		 s = EL_PART(s)->owned_next)
	{
		vector[topic_of(EL_PART(s)->topic) * MAX_PARTS + EL_PART(s)->partition] = 1;
		n++;
	}
	return n;
}

static const char *
idle_name(int i)
{
	static char name[EL_NAME_SIZE];

	snprintf(name, EL_NAME_SIZE, "idle%d", i);
	return name;
}

/* --- the state is sound ----------------------------------------------------- */

/* In use or not, and those that are not in the order of their calls. */
static void
check_list(void)
{
	ElSlotNo	prev = EL_NO_SLOT;
	bool		in_idle = false;
	uint64		called = PG_UINT64_MAX;
	ElSlotNo	s;

	for (s = el_shared->first_group; s != EL_NO_SLOT; s = EL_GROUP(s)->next_group)
	{
		ElGroup    *g = EL_GROUP(s);

		if (s == el_shared->first_idle)
			in_idle = true;
		CHECK(g->prev_group == prev);
		CHECK(g->idle == in_idle && g->idle == (g->nmembers == 0 && g->held == 0));
		if (strncmp(g->name, "idle", 4) == 0)
		{
			int			i = atoi(g->name + 4);

			CHECK(idle[i].called < called);
			called = idle[i].called;
		}
		prev = s;
	}
	CHECK(prev == el_shared->last_group);
	CHECK(in_idle == (el_shared->first_idle != EL_NO_SLOT));
}

/* What was committed is in a slot, or others are told that it is not. */
static void
check_idle(void)
{
	ElDb	   *db = EL_DB(el_db_find(DB));
	int			i;

	for (i = 0; i < NIDLE; i++)
	{
		ElSlotNo	group = el_group_find(DB, idle_name(i));
		pg_uuid_t	uuid;
		ElSlotNo	part;

		if (idle[i].version == 0)
			continue;
		uuid_of(0, &uuid);
		part = group == EL_NO_SLOT ? EL_NO_SLOT : el_part_find(group, &uuid, 0);
		if (part != EL_NO_SLOT)
			CHECK(EL_PART(part)->entry.version == idle[i].version);
		else if (group != EL_NO_SLOT)
			CHECK(EL_GROUP(group)->has_gone);	/* the topic was dropped */
		else
		{
			CHECK(el_filter_has(DB, idle_name(i)));
			CHECK(!el_group_surely_new(db, idle_name(i)));
			CHECK(db->evicted_version >= idle[i].version);
			CHECK(!db->all_loaded);
		}
	}
}

static void
check_slots(void)
{
	int32		kinds[EL_SLOT_SUB + 1] = {0};
	int32		subs = 0;
	int32		parts = 0;
	int32		nmembers = 0;
	int32		topics = 0;
	int32		groups = 0;
	int32		nfree = 0;
	ElSlotNo	s;

	for (s = 0; s < el_shared->nslots; s++)
		kinds[EL_HEAD(s)->kind]++;
	for (s = el_shared->first_free; s != EL_NO_SLOT && nfree <= el_shared->nslots;
		 s = EL_HEAD(s)->next)
	{
		nfree++;
		if (EL_HEAD(s)->kind != EL_SLOT_FREE)
			CHECK(!"a slot in use is in the free list");
	}
	CHECK(nfree == el_shared->nfree && nfree == kinds[EL_SLOT_FREE]);

	for (s = el_shared->first_group; s != EL_NO_SLOT; s = EL_GROUP(s)->next_group)
	{
		ElGroup    *g = EL_GROUP(s);
		ElSlotNo	ts;
		ElSlotNo	ms;
		ElSlotNo	last = EL_NO_SLOT;
		int32		held = 0;
		int32		n = 0;
		int32		np = 0;

		groups++;
		CHECK(el_group_find(g->dbid, g->name) == s);
		CHECK(g->epoch >= g->assignment_epoch);
		for (ms = g->first_member; ms != EL_NO_SLOT; ms = EL_MEMBER(ms)->next_member)
		{
			ElMember   *m = EL_MEMBER(ms);
			ElSlotNo	os;
			ElSlotNo	ss;
			ElSlotNo	prev = EL_NO_SLOT;
			int32		owns = 0;

			n++;
			last = ms;
			if (m->group != s || m->epoch > g->assignment_epoch)
				CHECK(!"a member of another group, or ahead of its assignment");
			if (m->named && el_member_find(s, m->name) != ms)
				CHECK(!"a member is not found by its name");
			for (ss = m->first_sub; ss != EL_NO_SLOT; ss = EL_SUB(ss)->next_sub)
			{
				subs++;
				if (EL_TOPIC(EL_SUB(ss)->topic)->group != s)
					CHECK(!"subscribed to a topic of another group");
				if (EL_SUB(ss)->member != ms || EL_SUB(ss)->prev_sub != prev ||
					el_sub_find(ms, EL_SUB(ss)->topic) != ss)
					CHECK(!"a subscription is not found, or its list is broken");
				prev = ss;
			}
			prev = EL_NO_SLOT;
			for (os = m->first_owned; os != EL_NO_SLOT; os = EL_PART(os)->owned_next)
			{
				owns++;
				if (EL_PART(os)->owner != ms || EL_PART(os)->owned_prev != prev)
					CHECK(!"the list of owned partitions is broken");
				prev = os;
			}
			CHECK(owns == m->nowned);
			if (m->xact_holds < 0 || (m->xact_holds == 0) != (m->xact_pid == 0))
				CHECK(!"xact_holds and xact_pid disagree");
		}
		CHECK(n == g->nmembers && last == g->last_member);
		nmembers += n;

		for (ts = g->first_topic; ts != EL_NO_SLOT; ts = EL_TOPIC(ts)->next_topic)
		{
			ElGroupTopic *t = EL_TOPIC(ts);
			bool		there[MAX_PARTS] = {false};
			int32		nsub = 0;
			ElSlotNo	ps;

			topics++;
			CHECK(el_group_topic_find(s, &t->uuid) == ts);
			for (ms = g->first_member; ms != EL_NO_SLOT; ms = EL_MEMBER(ms)->next_member)
				nsub += el_member_subscribed(ms, ts) ? 1 : 0;
			CHECK(nsub == t->nsubscribers);
			for (ps = t->first_part; ps != EL_NO_SLOT; ps = EL_PART(ps)->next_part)
			{
				ElPart	   *p = EL_PART(ps);

				np++;
				if (p->partition < 0 || p->partition >= MAX_PARTS || there[p->partition] ||
					p->topic != ts || p->group != s ||
					el_part_find(s, &t->uuid, p->partition) != ps)
					CHECK(!"a partition twice, lost, or of another");
				else
					there[p->partition] = true;
				if (p->owner != EL_NO_SLOT &&
					(EL_HEAD(p->owner)->kind != EL_SLOT_MEMBER ||
					 EL_MEMBER(p->owner)->group != s))
					CHECK(!"the owner is no member of the group");
				held += p->holder != 0 ? 1 : 0;
			}
		}
		CHECK(np == g->nparts);
		CHECK(g->held == held);
		parts += np;
	}
	CHECK(groups == kinds[EL_SLOT_GROUP] && topics == kinds[EL_SLOT_TOPIC] &&
		  parts == kinds[EL_SLOT_PART] && nmembers == kinds[EL_SLOT_MEMBER] &&
		  subs == kinds[EL_SLOT_SUB]);
}

/* What a step may and may not have done to ownership. */
static void
check_ownership(void)
{
	int			g;
	int			t;
	int			p;
	int			m;

	for (g = 0; g < NGROUPS; g++)
		for (t = 0; t < NTOPICS; t++)
			for (p = 0; p < MAX_PARTS; p++)
			{
				ElSlotNo	s = find_part(g, t, p);
				Seen	   *was = &seen[g][t][p];
				Hold	   *h = &holds[g][t][p];
				ElPart	   *part;
				uint64		join;

				if (s == EL_NO_SLOT)
				{
					CHECK(!h->held);
					was->known = false;
					continue;
				}
				part = EL_PART(s);
				join = part->owner == EL_NO_SLOT ? 0 : join_of_slot[part->owner];
				if (was->known && was->owner != EL_NO_SLOT && was->join == join)
				{
					CHECK(part->epoch == was->epoch);	/* still the same
														 * owner's */
				}
				else if (part->owner != EL_NO_SLOT)
				{
					CHECK(part->epoch > was->max_epoch);	/* never comes again */
					CHECK(part->epoch <= EL_GROUP(part->group)->assignment_epoch);
				}
				if (was->known && was->owner != EL_NO_SLOT && was->join != join)
				{
					bool		gone = left >= 0 && members[left].slot == was->owner;

					/*
					 * taken from nobody who works on it, or has not asked for
					 * more
					 */
					if (h->held && !h->claim && is_member(h->member) && h->member_slot == was->owner &&
						members[h->member].incarnation == h->incarnation)
						CHECK(gone);
					if (was->outstanding && !gone)
						CHECK(yielding >= 0 && members[yielding].slot == was->owner);
				}
				was->known = true;
				was->owner = part->owner;
				was->join = join;
				was->epoch = part->epoch;
				was->max_epoch = Max(was->max_epoch, part->epoch);
				was->outstanding = part->outstanding;
			}

	for (m = 0; m < MAX_MEMBERS; m++)
	{
		int			now[NTOPICS * MAX_PARTS];

		if (!is_member(m))
			continue;
		(void) owned(m, now);
		if (memcmp(now, members[m].told, sizeof(now)) != 0)
			CHECK(EL_MEMBER(members[m].slot)->news);
	}
}

static void
check_all(void)
{
	steps_run++;
	check_slots();
	check_list();
	check_idle();
	check_ownership();
}

/* --- the steps -------------------------------------------------------------- */

/* As el_member_call() does it, for the topics in the mask. */
static void
call(int m, bool join, unsigned mask, bool yield)
{
	Member	   *me = &members[m];
	ElSlotNo	group;
	ElMember   *em;
	int64		epoch;
	bool		quiet;
	int32		n = 0;
	int			t;

	/* as reserve_for_call() */
	group = find_group(me->group);
	n += group == EL_NO_SLOT ? 1 : 0;
	n += me->alive ? 0 : 1;
	for (t = 0; t < NTOPICS; t++)
	{
		pg_uuid_t	uuid;
		ElSlotNo	topic;

		if ((mask & (1u << t)) == 0)
			continue;
		uuid_of(t, &uuid);
		topic = group == EL_NO_SLOT ? EL_NO_SLOT : el_group_topic_find(group, &uuid);
		n += el_group_topic_needs(group, &uuid, npartitions[t]);
		n += topic == EL_NO_SLOT || !me->alive || !el_member_subscribed(me->slot, topic) ? 1 : 0;
	}
	el_slots_reserve(n, me->alive, group);

	group = el_group_get(DB, group_name(me->group));
	if (!me->alive)
	{
		me->slot = el_member_join(group, me->name, me->named);
		me->alive = true;
		me->incarnation = EL_MEMBER(me->slot)->incarnation;
		join_of_slot[me->slot] = ++joins;
		memset(me->told, 0, sizeof(me->told));
		CHECK(me->incarnation > max_incarnation);
		max_incarnation = me->incarnation;
	}
	epoch = EL_GROUP(group)->epoch;
	quiet = epoch == EL_GROUP(group)->assignment_epoch;
	for (t = 0; t < NTOPICS; t++)
	{
		pg_uuid_t	uuid;
		ElSlotNo	topic;

		if ((mask & (1u << t)) == 0)
			continue;
		uuid_of(t, &uuid);
		topic = el_group_topic_find(group, &uuid);
		if (topic == EL_NO_SLOT || EL_TOPIC(topic)->npartitions != npartitions[t] ||
			(join && !el_member_subscribed(me->slot, topic)))
			quiet = false;
		topic = el_group_topic_get(group, &uuid, (Oid) (1000 + t), npartitions[t]);
		if (join)
			(void) el_member_subscribe(me->slot, topic, 10);
	}
	(void) el_group_steps(group, yield ? me->slot : EL_NO_SLOT);
	if (quiet)
		CHECK(EL_GROUP(group)->epoch == epoch); /* a call without news changes
												 * nothing */
	CHECK(EL_GROUP(group)->epoch == EL_GROUP(group)->assignment_epoch);
	em = EL_MEMBER(me->slot);
	em->news = false;
	(void) owned(m, me->told);
}

static void
leave(int m)
{
	ElSlotNo	group = EL_MEMBER(members[m].slot)->group;

	left = m;
	el_member_leave(members[m].slot);
	if (pick(2) == 0)
		(void) el_group_steps(group, EL_NO_SLOT);
}

static void
rejoin(int m)
{
	el_member_rejoin(members[m].slot);
	members[m].incarnation = EL_MEMBER(members[m].slot)->incarnation;
	CHECK(members[m].incarnation > max_incarnation);
	max_incarnation = members[m].incarnation;
	members[m].pid = 1000 + (int) (++joins % 100000000);
	members[m].in_xact = false;
}

/* As el_part_lock(): m's transaction takes a partition it owns, if nobody holds it. */
static void
hold(int m, int g, int t, int p)
{
	ElSlotNo	s = find_part(g, t, p);
	Hold	   *h = &holds[g][t][p];
	ElMember   *em = EL_MEMBER(members[m].slot);

	if (h->held || EL_PART(s)->owner != members[m].slot ||
		(em->xact_pid != 0 && em->xact_pid != members[m].pid))
		return;
	h->held = true;
	h->member = m;
	h->pid = members[m].pid;
	h->part = s;
	h->member_slot = members[m].slot;
	h->incarnation = members[m].incarnation;
	h->claim = false;
	EL_PART(s)->holder = h->pid;
	EL_GROUP(EL_PART(s)->group)->held++;
	el_group_touch(EL_PART(s)->group);
	em->xact_pid = h->pid;
	em->xact_holds++;
	members[m].in_xact = true;
}

/* As clear_holder(): the transaction with that pid has ended. */
static void
end_xact(int pid, bool deliver, bool commit)
{
	int			g;
	int			t;
	int			p;

	for (g = 0; g < NGROUPS; g++)
		for (t = 0; t < NTOPICS; t++)
			for (p = 0; p < MAX_PARTS; p++)
			{
				Hold	   *h = &holds[g][t][p];
				ElPart	   *part;
				ElMember   *em;

				if (!h->held || h->pid != pid)
					continue;
				part = (ElPart *) EL_HEAD(h->part);
				em = (ElMember *) EL_HEAD(h->member_slot);
				if (part->owner == h->member_slot && em->incarnation == h->incarnation && deliver)
					part->outstanding = !commit;
				if (em->head.kind == EL_SLOT_MEMBER && em->incarnation == h->incarnation &&
					--em->xact_holds <= 0)
				{
					em->xact_holds = 0;
					em->xact_pid = 0;
				}
				EL_GROUP(part->group)->held--;
				el_group_touch(part->group);
				if (part->holder == pid)
					part->holder = 0;
				if (part->owner != part->target)
					EL_GROUP(part->group)->reconcile = true;
				h->held = false;
				seen[g][t][p].outstanding = part->outstanding;
			}
}

static void
drop_topic(int t)
{
	ElDroppedTopic topic = {.relid = (Oid) (1000 + t),.number = el_shared->next_number};
	ElSlotNo	from = 0;
	pg_uuid_t	uuid;
	ElSlotNo	group;
	int			i;

	uuid_of(t, &uuid);
	topic.uuid = uuid;
	while (from != EL_NO_SLOT)
		from = el_topics_dropped(DB, &topic, 1, from);
	for (i = 0; i < NGROUPS; i++)
	{
		group = find_group(i);
		if (group != EL_NO_SLOT && EL_GROUP(group)->idle)
			CHECK(el_group_topic_find(group, &uuid) == EL_NO_SLOT);
	}
}

/* A group that nobody is in, and that comes for a moment, perhaps to commit: a claim. */
static void
call_idle(int i)
{
	ElSlotNo	group = el_group_find(DB, idle_name(i));
	ElDb	   *db = EL_DB(el_db_find(DB));
	pg_uuid_t	uuid;
	ElEntry    *e;

	uuid_of(0, &uuid);
	el_slots_reserve((group == EL_NO_SLOT ? 1 : 0) + el_group_topic_needs(group, &uuid, npartitions[0]),
					 false, group);
	group = el_group_get(DB, idle_name(i));
	idle[i].called = ++idle_calls;
	e = &EL_PART(el_part_get(group, el_group_topic_get(group, &uuid, 1000, npartitions[0]), 0))->entry;
	if (pick(3) > 0)
	{
		e->gen = db->cache_gen;
		e->next = 1;
		e->version = idle[i].version = ++last_version;
	}
	else if (e->version < 0 && idle[i].version > 0)
	{
		/* it was loaded from the topic of committed offsets */
		e->gen = db->cache_gen;
		e->next = 1;
		e->version = idle[i].version;
	}
}

/* Names are taken once in a group at a time: the test's members have one each. */
static void
new_member(int m)
{
	members[m].alive = false;
	members[m].group = pick(NGROUPS);
	members[m].named = pick(2) == 0;
	members[m].pid = 1000 + (int) (++joins % 100000000);
	members[m].in_xact = false;
	snprintf(members[m].name, EL_NAME_SIZE, "%s%d", members[m].named ? "w" : "s", m);
}

static void
random_step(void)
{
	int			m = pick(MAX_MEMBERS);
	int			kind = pick(100);
	int			g;
	int			t;
	int			p;

	yielding = left = -1;
	if (pick(4) == 0)
		call_idle(pick(NIDLE));
	if (!is_member(m))
	{
		if (kind < 45)
		{
			unsigned	mask = 1u << pick(NTOPICS);

			end_xact(members[m].pid, false, false);
			new_member(m);
			yielding = m;
			mask |= (unsigned) pick(1 << NTOPICS);
			call(m, true, mask, true);
		}
		else
			end_xact(members[m].pid, kind & 1, false);	/* a transaction that
														 * outlived its member */
		return;
	}
	g = members[m].group;
	if (kind < 25)
	{
		yielding = m;
		call(m, true, kind < 20 ? 0 : 1u << pick(NTOPICS), true);
	}
	else if (kind < 35)
		call(m, false, 0, false);	/* a heartbeat */
	else if (kind < 42)
		leave(m);				/* its transaction may go on */
	else if (kind < 46 && members[m].named)
		rejoin(m);
	else if (kind < 50)
	{
		pg_uuid_t	uuid;
		ElSlotNo	topic;

		uuid_of(pick(NTOPICS), &uuid);
		topic = el_group_topic_find(find_group(g), &uuid);
		if (topic != EL_NO_SLOT)
			(void) el_member_unsubscribe(members[m].slot, topic);
	}
	else if (kind < 70)
	{
		for (t = 0; t < NTOPICS; t++)
			for (p = 0; p < MAX_PARTS; p++)
				if (find_part(g, t, p) != EL_NO_SLOT && pick(3) == 0)
					hold(m, g, t, p);
	}
	else if (kind < 85)
		end_xact(members[m].pid, kind < 80, kind < 76);
	else if (kind < 90)
	{
		t = pick(NTOPICS);
		npartitions[t] = Min(npartitions[t] + 1 + pick(3), MAX_PARTS);
	}
	else if (kind < 92)
		drop_topic(pick(NTOPICS));
	else if (find_group(g) != EL_NO_SLOT)
		(void) el_group_steps(find_group(g), EL_NO_SLOT);	/* the worker */
}

/* --- when everybody is done ------------------------------------------------- */

static void
settle(void)
{
	int			round;
	int			g;
	int			t;
	int			p;
	int			m;

	/* all transactions end, and what was delivered is committed */
	for (m = 0; m < MAX_MEMBERS; m++)
		end_xact(members[m].pid, true, true);
	for (g = 0; g < NGROUPS; g++)
		for (t = 0; t < NTOPICS; t++)
			for (p = 0; p < MAX_PARTS; p++)
			{
				ElSlotNo	s = find_part(g, t, p);

				if (holds[g][t][p].held)	/* an earlier incarnation's */
					end_xact(holds[g][t][p].pid, false, false);
				if (s != EL_NO_SLOT)
					EL_PART(s)->outstanding = seen[g][t][p].outstanding = false;
			}
	yielding = left = -1;
	check_all();
	for (round = 0; round < 2; round++)
		for (m = 0; m < MAX_MEMBERS; m++)
			if (is_member(m))
			{
				yielding = m;
				left = -1;
				call(m, true, 0, true);
				check_all();
			}
	for (g = 0; g < NGROUPS; g++)
		if (find_group(g) != EL_NO_SLOT)
			(void) el_group_steps(find_group(g), EL_NO_SLOT);
	yielding = left = -1;
}

/* Ownership is the target, balanced among those who are subscribed; nothing moves any more. */
static void
check_settled(void)
{
	int			g;

	for (g = 0; g < NGROUPS; g++)
	{
		ElSlotNo	group = find_group(g);
		ElSlotNo	ts;

		if (group == EL_NO_SLOT)
			continue;
		CHECK(!el_group_steps(group, EL_NO_SLOT));
		for (ts = EL_GROUP(group)->first_topic; ts != EL_NO_SLOT; ts = EL_TOPIC(ts)->next_topic)
		{
			ElGroupTopic *t = EL_TOPIC(ts);
			int			least = INT_MAX;
			int			most = 0;
			ElSlotNo	ps;
			ElSlotNo	ms;

			for (ps = t->first_part; ps != EL_NO_SLOT; ps = EL_PART(ps)->next_part)
			{
				ElPart	   *p = EL_PART(ps);

				CHECK(p->owner == p->target);
				if (t->nsubscribers == 0)
					CHECK(p->owner == EL_NO_SLOT);
				else if (!CHECK(p->owner != EL_NO_SLOT && el_member_subscribed(p->owner, ts)))
					return;
			}
			for (ms = EL_GROUP(group)->first_member; ms != EL_NO_SLOT; ms = EL_MEMBER(ms)->next_member)
			{
				int			n = 0;

				if (!el_member_subscribed(ms, ts))
					continue;
				for (ps = EL_MEMBER(ms)->first_owned; ps != EL_NO_SLOT; ps = EL_PART(ps)->owned_next)
					n += EL_PART(ps)->topic == ts ? 1 : 0;
				least = Min(least, n);
				most = Max(most, n);
			}
			if (t->nsubscribers > 0)
				CHECK(most - least <= 1);
		}
	}
}

/* Who owned what, by join, before a change. */
static uint64 before[NTOPICS][MAX_PARTS];

static void
note_owners(int g)
{
	int			t;
	int			p;

	for (t = 0; t < NTOPICS; t++)
		for (p = 0; p < MAX_PARTS; p++)
		{
			ElSlotNo	s = find_part(g, t, p);

			before[t][p] = s == EL_NO_SLOT || EL_PART(s)->owner == EL_NO_SLOT ? 0 :
				join_of_slot[EL_PART(s)->owner];
		}
}

/*
 * As many partitions as balance allows are where they were: of n partitions and
 * s subscribers each may keep n / s, and n % s of them one more.
 */
static void
check_fewest_moves(int g)
{
	ElSlotNo	group = find_group(g);
	ElSlotNo	ts;

	for (ts = EL_GROUP(group)->first_topic; ts != EL_NO_SLOT; ts = EL_TOPIC(ts)->next_topic)
	{
		ElGroupTopic *t = EL_TOPIC(ts);
		int			topic = topic_of(ts);
		int			stayed = 0;
		int			may_stay = 0;
		int			more = 0;
		int			base;
		ElSlotNo	ps;
		ElSlotNo	ms;

		if (t->nsubscribers == 0)
			continue;
		base = t->npartitions / t->nsubscribers;
		for (ms = EL_GROUP(group)->first_member; ms != EL_NO_SLOT; ms = EL_MEMBER(ms)->next_member)
		{
			int			had = 0;
			int			p;

			if (!el_member_subscribed(ms, ts))
				continue;
			for (p = 0; p < MAX_PARTS; p++)
				had += before[topic][p] == join_of_slot[ms] ? 1 : 0;
			may_stay += Min(had, base);
			more += had > base ? 1 : 0;
		}
		may_stay += Min(more, t->npartitions % t->nsubscribers);
		for (ps = t->first_part; ps != EL_NO_SLOT; ps = EL_PART(ps)->next_part)
			stayed += EL_PART(ps)->owner != EL_NO_SLOT &&
				before[topic][EL_PART(ps)->partition] == join_of_slot[EL_PART(ps)->owner] ? 1 : 0;
		CHECK(stayed == may_stay);
	}
}

/* From a settled state: one change, and no more moves than it takes. */
static void
change_one(void)
{
	int			m = pick(MAX_MEMBERS);
	int			g;
	int			t;

	if (is_member(m))
	{
		g = members[m].group;
		note_owners(g);
		left = m;
		el_member_leave(members[m].slot);
		(void) el_group_steps(find_group(g), EL_NO_SLOT);	/* nobody works: at once */
	}
	else
	{
		new_member(m);
		g = members[m].group;
		note_owners(g);
		t = pick(NTOPICS);
		if (pick(2) == 0)
			npartitions[t] = Min(npartitions[t] + 1, MAX_PARTS);
		yielding = m;
		call(m, true, 1u << t, true);
	}
	check_all();
	check_settled();
	check_fewest_moves(g);
}

static void
start(int slots_kb)
{
	ElDb	   *db;

	free(el_shared);
	el_shared = NULL;
	el_group_memory_kb = slots_kb;
	el_slots_shmem_init();
	memset(members, 0, sizeof(members));
	memset(holds, 0, sizeof(holds));
	memset(seen, 0, sizeof(seen));
	memset(join_of_slot, 0, sizeof(join_of_slot));
	memset(idle, 0, sizeof(idle));
	max_incarnation = 0;
	db = EL_DB(el_db_get(DB));
	db->complete_gen = db->cache_gen;
	db->filter_gen = el_filter_gen();
	db->all_loaded = true;
}

static void
schedule(int slots_kb, int nsteps)
{
	volatile int i;
	int			m;
	int			t;

	start(slots_kb);
	for (t = 0; t < NTOPICS; t++)
		npartitions[t] = 1 + pick(8);
	for (m = 0; m < MAX_MEMBERS; m++)
		new_member(m);
	for (i = 0; i < nsteps; i++)
	{
		if (sigsetjmp(on_error, 0) == 0)
		{
			random_step();
			if (i % 40 == 39)
			{
				check_all();
				settle();
				check_settled();
				change_one();
			}
		}
		else
		{
			/* whatever it was, the state is sound; who had joined is in */
			int			n;

			CHECK(out_of_memory);
			errors_met++;
			for (n = 0; n < MAX_MEMBERS; n++)
				if (members[n].alive && is_member(n))
					(void) owned(n, members[n].told);
		}
		check_all();
	}

	/* all of it is given back */
	if (sigsetjmp(on_error, 0) == 0)
	{
		settle();
		el_db_drop(DB);
		CHECK(el_shared->nfree == el_shared->nslots);
	}
}

static void
test_surplus(void)
{
	int			i;
	int			vector[NTOPICS * MAX_PARTS];

	/*
	 * five members of a topic with three partitions: two are idle until one
	 * goes
	 */
	start(128);
	npartitions[0] = 3;
	for (i = 0; i < 5; i++)
	{
		new_member(i);
		members[i].group = 0;
		call(i, true, 1, true);
	}
	CHECK(owned(0, vector) == 1 && owned(1, vector) == 1 && owned(2, vector) == 1 &&
		  owned(3, vector) == 0 && owned(4, vector) == 0);
	el_member_leave(members[1].slot);
	(void) el_group_steps(find_group(0), EL_NO_SLOT);
	CHECK(owned(3, vector) + owned(4, vector) == 1);

	/*
	 * a partition that is worked on stays; its successor gets it when it is
	 * free
	 */
	hold(0, 0, 0, 0);
	hold(0, 0, 0, 1);
	hold(0, 0, 0, 2);
	npartitions[0] = 4;
	call(2, true, 1, true);
	CHECK(owned(0, vector) + owned(2, vector) + owned(3, vector) + owned(4, vector) == 4);
}

int
main(int argc, char **argv)
{
	int			n = argc > 1 ? atoi(argv[1]) : 2000;
	int			i;

	test_surplus();
	for (i = 0; i < n; i++)
	{
		random_state = UINT64_C(0x9e3779b97f4a7c15) * (uint64) (i + 1);
		schedule(i % 4 == 3 ? 24 : 128, 120);	/* some with too little memory */
	}
	CHECK(errors_met > 0);
	printf("%ld steps, of which %ld met the end of the memory\n", steps_run, errors_met);
	return check_summary();
}

/* --- what stands for the server --------------------------------------------- */

int			MyProcPid = 42;
Oid			MyDatabaseId = DB;
int			el_group_memory_kb;
int			el_group_expiry_s;

void *
ShmemInitStruct(const char *name, Size size, bool *foundPtr)
{
	*foundPtr = false;
	return xmalloc(size);
}

/* nothing here asks for the time of day */
TimestampTz
GetCurrentTimestamp(void)
{
	return 0;
}

bool
pg_strong_random(void *buf, size_t len)
{
	memset(buf, 7, len);
	return true;
}

void *
palloc(Size size)
{
	return xmalloc(size);
}

void *
palloc0(Size size)
{
	return memset(xmalloc(size), 0, size);
}

void		pfree(void *pointer);
void
pfree(void *pointer)
{
	free(pointer);
}

/* in minor versions that have them */
void	   *palloc_mul(Size s1, Size s2);
void	   *palloc0_mul(Size s1, Size s2);

void *
palloc_mul(Size s1, Size s2)
{
	return palloc(s1 * s2);
}

void *
palloc0_mul(Size s1, Size s2)
{
	return palloc0(s1 * s2);
}

Size
add_size(Size s1, Size s2)
{
	return s1 + s2;
}

Size
mul_size(Size s1, Size s2)
{
	return s1 * s2;
}

bool
LWLockAcquire(LWLock *lock, LWLockMode mode)
{
	return true;
}

void
LWLockRelease(LWLock *lock)
{
}

/* one process: whoever asks holds the lock */
bool
LWLockHeldByMe(LWLock *lock)
{
	return true;
}

bool
LWLockHeldByMeInMode(LWLock *lock, LWLockMode mode)
{
	return true;
}

void
ExceptionalCondition(
#if PG_VERSION_NUM < 160000
					 const char *conditionName, const char *errorType,
#else
					 const char *conditionName,
#endif
					 const char *fileName, int lineNumber)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", fileName, lineNumber,
			conditionName);
	abort();
}

void
LWLockInitialize(LWLock *lock, int tranche_id)
{
}

int
LWLockNewTrancheId(void)
{
	return 100;
}

void
LWLockRegisterTranche(int tranche_id, const char *tranche_name)
{
}

uint32		hash_bytes(const unsigned char *k, int keylen);
uint32
hash_bytes(const unsigned char *k, int keylen)
{
	uint32		h = 2166136261u;

	while (keylen-- > 0)
		h = (h ^ *k++) * 16777619u;
	return h;
}

uint64		hash_bytes_extended(const unsigned char *k, int keylen, uint64 seed);
uint64
hash_bytes_extended(const unsigned char *k, int keylen, uint64 seed)
{
	uint64		h = UINT64_C(14695981039346656037) ^ seed;

	while (keylen-- > 0)
		h = (h ^ *k++) * UINT64_C(1099511628211);
	return h;
}

uint32		hash_bytes_uint32(uint32 k);
uint32
hash_bytes_uint32(uint32 k)
{
	return hash_bytes((unsigned char *) &k, sizeof(k));
}

size_t		el_test_strlcpy(char *dst, const char *src, size_t siz);
size_t
el_test_strlcpy(char *dst, const char *src, size_t siz)
{
	size_t		n = strlen(src);

	if (siz > 0)
	{
		memcpy(dst, src, Min(n, siz - 1));
		dst[Min(n, siz - 1)] = '\0';
	}
	return n;
}

/* an error: which one is told by its code */
bool
errstart(int elevel, const char *domain)
{
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return true;
}

int
errcode(int sqlerrcode)
{
	out_of_memory = sqlerrcode == ERRCODE_OUT_OF_MEMORY;
	return 0;
}

int
errmsg(const char *fmt,...)
{
	return 0;
}

int
errdetail(const char *fmt,...)
{
	return 0;
}

int
errhint(const char *fmt,...)
{
	return 0;
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	siglongjmp(on_error, 1);
}
