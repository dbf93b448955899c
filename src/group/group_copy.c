/*-------------------------------------------------------------------------
 *
 * group_copy.c
 *	  What is known about groups, copied out of shared memory.
 *
 * The lock is held for the copy only: what needs a catalog or waits is done
 * with the copy.
 *
 * IDENTIFICATION
 *	  src/group/group_copy.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"

#include "group/catalog.h"
#include "group/group_copy.h"
#include "group/offsets.h"
#include "group/slots.h"

/* Room for partitions that read_offsets() begins with; a power of two. */
#define FIRST_PARTS	8

/* Lock held. */
static void
copy_member(ElMember *m, ElMemberCopy *c)
{
	ElSlotNo	sub;
	int			n = 0;

	Assert(el_group_locked());
	strlcpy(c->name, m->name, EL_NAME_SIZE);
	c->named = m->named;
	c->pid = m->pid;
	c->xact_pid = m->xact_pid;
	c->nowned = m->nowned;
	c->epoch = m->epoch;
	c->incarnation = m->incarnation;
	c->fenced_count = m->fenced_count;
	c->last_seen = m->last_seen;
	for (sub = m->first_sub; sub != EL_NO_SLOT; sub = EL_SUB(sub)->next_sub)
		n++;
	c->topics = palloc_array(Oid, n + 1);
	for (sub = m->first_sub; sub != EL_NO_SLOT; sub = EL_SUB(sub)->next_sub)
		c->topics[c->ntopics++] = EL_TOPIC(EL_SUB(sub)->topic)->relid;
	Assert(c->ntopics == n);
}

/* Lock held. */
static void
copy_part(ElSlotNo s, ElPartCopy *c)
{
	ElPart	   *p = EL_PART(s);

	Assert(el_group_locked());
	c->uuid = EL_TOPIC(p->topic)->uuid;
	c->partition = p->partition;
	el_entry_copy(s, &c->entry);
	if (p->owner != EL_NO_SLOT)
		strlcpy(c->owner, EL_MEMBER(p->owner)->name, EL_NAME_SIZE);
	c->holder = p->holder;
	c->moving = p->owner != p->target;
	c->delivered = p->delivered;
	c->events_lost = p->events_lost;
	c->stuck_since = p->stuck_since;
	c->redeliveries = p->redeliveries;
}

/* Lock held. */
static ElGroupCopy *
copy_group(ElSlotNo gs)
{
	ElGroup    *g = EL_GROUP(gs);
	ElGroupCopy *c = palloc0(sizeof(ElGroupCopy));
	ElSlotNo	s;
	ElSlotNo	ts;

	Assert(LWLockHeldByMe(&el_shared->lock));
	strlcpy(c->name, g->name, EL_NAME_SIZE);
	c->use = g->use;
	c->epoch = g->epoch;
	c->changing = g->epoch != g->assignment_epoch;
	c->members = palloc0_array(ElMemberCopy, g->nmembers + 1);
	c->parts = palloc0_array(ElPartCopy, g->nparts + 1);
	for (s = g->first_member; s != EL_NO_SLOT; s = EL_MEMBER(s)->next_member)
	{
		Assert(c->nmembers < g->nmembers);
		copy_member(EL_MEMBER(s), &c->members[c->nmembers++]);
	}
	for (ts = g->first_topic; ts != EL_NO_SLOT; ts = EL_TOPIC(ts)->next_topic)
	{
		for (s = EL_TOPIC(ts)->first_part; s != EL_NO_SLOT;
			 s = EL_PART(s)->next_part)
		{
			ElPartCopy *pc = &c->parts[c->nparts++];

			Assert(c->nparts <= g->nparts);
			copy_part(s, pc);
			c->changing |= pc->moving && g->nmembers > 0;
		}
	}
	return c;
}

static int
compare_parts(const void *a, const void *b)
{
	const ElPartCopy *pa = a;
	const ElPartCopy *pb = b;
	int			c = memcmp(&pa->uuid, &pb->uuid, UUID_LEN);

	return c != 0 ? c : pa->partition - pb->partition;
}

static int
compare_groups(const ListCell *a, const ListCell *b)
{
	return strcmp(((ElGroupCopy *) lfirst(a))->name,
				  ((ElGroupCopy *) lfirst(b))->name);
}

/* The group of that name in the list; an empty one is added to it if there is none. */
static ElGroupCopy *
find_or_add_group(List **groups, const char *name)
{
	ListCell   *lc;
	ElGroupCopy *c;

	foreach(lc, *groups)
	{
		c = lfirst(lc);
		if (strcmp(c->name, name) == 0)
			return c;
	}
	c = palloc0(sizeof(ElGroupCopy));
	strlcpy(c->name, name, EL_NAME_SIZE);
	*groups = lappend(*groups, c);
	return c;
}

/* A partition more, all zero; the array doubles when it is full. */
static ElPartCopy *
add_part(ElGroupCopy *c)
{
	if (c->nparts == 0)
		c->parts = palloc_array(ElPartCopy, FIRST_PARTS);
	else if (c->nparts >= FIRST_PARTS && (c->nparts & (c->nparts - 1)) == 0)
		c->parts = repalloc(c->parts, sizeof(ElPartCopy) * c->nparts * 2);
	return memset(&c->parts[c->nparts++], 0, sizeof(ElPartCopy));
}

/* Committed offsets as the topic has them, where there is no coordinator. */
static void
read_offsets(List **groups)
{
	HTAB	   *offsets;
	HASH_SEQ_STATUS seq;
	ElOffset   *o;

	offsets = el_offsets_scan(GetActiveSnapshot(), false);
	hash_seq_init(&seq, offsets);
	while ((o = hash_seq_search(&seq)) != NULL)
	{
		ElPartCopy *p;

		if (o->next < 0)
			continue;
		p = add_part(find_or_add_group(groups, o->key.group));
		p->uuid = o->key.uuid;
		p->partition = o->key.partition;
		p->entry.next = o->next;
		p->entry.version = o->version;
		p->entry.fxid = o->fxid;
		p->delivered = -1;
	}
}

/* Groups of this database as the coordinator has them. */
static List *
copy_shared_groups(void)
{
	List	   *groups = NIL;
	ElSlotNo	s;

	el_group_lock_with_offsets(LW_SHARED);
	for (s = el_shared->first_group; s != EL_NO_SLOT;
		 s = EL_GROUP(s)->next_group)
	{
		if (EL_GROUP(s)->dbid == MyDatabaseId)
			groups = lappend(groups, copy_group(s));
	}
	el_group_unlock();
	return groups;
}

List *
el_copy_groups(void)
{
	List	   *groups = NIL;
	ListCell   *lc;

	if (el_shared == NULL || RecoveryInProgress())
		read_offsets(&groups);
	else
		groups = copy_shared_groups();
	/* and those with a row that nobody has used yet */
	foreach(lc, el_group_confs())
		(void) find_or_add_group(&groups, ((ElGroupConf *) lfirst(lc))->name);

	list_sort(groups, compare_groups);
	foreach(lc, groups)
	{
		ElGroupCopy *c = lfirst(lc);
		int			i;

		CHECK_FOR_INTERRUPTS();
		el_group_conf(c->name, &c->conf);
		for (i = 0; i < c->nparts; i++)
			(void) el_entry_resolve(&c->parts[i].entry);
		qsort(c->parts, c->nparts, sizeof(ElPartCopy), compare_parts);
	}
	return groups;
}

bool
el_part_in_use(const ElPartCopy *p)
{
	return p->entry.next >= 0 || p->owner[0] != '\0' || p->delivered >= 0;
}

int64
el_shown_epoch(int64 epoch)
{
	return epoch & PG_UINT32_MAX;
}
