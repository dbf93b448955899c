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

/* Room that an array begins with which grows; a power of two. */
#define FIRST_ROOM	8

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
	c->partition = p->partition;
	el_entry_copy(s, &c->entry);
	memcpy(c->start, p->start, sizeof(c->start));
	if (p->owner != EL_NO_SLOT)
		strlcpy(c->owner, EL_MEMBER(p->owner)->name, EL_NAME_SIZE);
	c->holder = p->holder;
	c->moving = p->owner != p->target;
	c->delivered = p->delivered;
	c->first_offset = p->first_offset;
	c->events_lost = p->events_lost;
	c->stuck_since = p->stuck_since;
	c->redeliveries = p->redeliveries;
}

/* Lock held. */
static void
copy_topic(ElSlotNo ts, ElTopicCopy *c)
{
	ElGroupTopic *t = EL_TOPIC(ts);
	int			n = 0;

	Assert(el_group_locked());
	c->uuid = t->uuid;
	c->used = t->nsubscribers > 0;
	el_mark_copy(ts, &c->mark);
	c->start_set = t->start_set;
	for (ElSlotNo s = t->first_part; s != EL_NO_SLOT; s = EL_PART(s)->next_part)
		n++;
	c->parts = palloc0_array(ElPartCopy, n + 1);
	for (ElSlotNo s = t->first_part; s != EL_NO_SLOT; s = EL_PART(s)->next_part)
		copy_part(s, &c->parts[c->nparts++]);
}

/* Lock held. */
static ElGroupCopy *
copy_group(ElSlotNo gs)
{
	ElGroup    *g = EL_GROUP(gs);
	ElGroupCopy *c = palloc0(sizeof(ElGroupCopy));
	ElSlotNo	s;
	int			n = 0;

	Assert(el_group_locked());
	strlcpy(c->name, g->name, EL_NAME_SIZE);
	c->use = g->use;
	c->epoch = g->epoch;
	c->changing = g->epoch != g->assignment_epoch;
	c->members = palloc0_array(ElMemberCopy, g->nmembers + 1);
	for (s = g->first_member; s != EL_NO_SLOT; s = EL_MEMBER(s)->next_member)
	{
		Assert(c->nmembers < g->nmembers);
		copy_member(EL_MEMBER(s), &c->members[c->nmembers++]);
	}
	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
		n++;
	c->topics = palloc0_array(ElTopicCopy, n + 1);
	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		ElTopicCopy *t = &c->topics[c->ntopics++];

		copy_topic(s, t);
		for (int i = 0; i < t->nparts; i++)
			c->changing |= t->parts[i].moving && g->nmembers > 0;
	}
	return c;
}

static int
compare_parts(const void *a, const void *b)
{
	return ((const ElPartCopy *) a)->partition - ((const ElPartCopy *) b)->partition;
}

static int
compare_topics(const void *a, const void *b)
{
	return memcmp(&((const ElTopicCopy *) a)->uuid,
				  &((const ElTopicCopy *) b)->uuid, UUID_LEN);
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

/* One more in an array of n, all zero; the array doubles when it is full. */
static void *
add_to_array(void **array, int *n, Size size)
{
	if (*n == 0)
		*array = palloc(size * FIRST_ROOM);
	else if (*n >= FIRST_ROOM && (*n & (*n - 1)) == 0)
		*array = repalloc(*array, size * *n * 2);
	return memset((char *) *array + size * (*n)++, 0, size);
}

static void
init_entry(ElEntry *e)
{
	memset(e, 0, sizeof(*e));
	e->next = e->version = -1;
}

/* What is known of a partition about which there is nothing to know. */
static void
init_part(ElPartCopy *p, int32 partition)
{
	memset(p, 0, sizeof(*p));
	p->partition = partition;
	init_entry(&p->entry);
	p->start[0] = p->start[1] = EL_START_NONE;
	p->delivered = p->first_offset = -1;
}

static ElTopicCopy *
find_or_add_topic(ElGroupCopy *c, const pg_uuid_t *uuid)
{
	ElTopicCopy *t;

	/* the last ones are looked at first: a topic's partitions often come together */
	for (int i = c->ntopics - 1; i >= 0; i--)
	{
		if (memcmp(&c->topics[i].uuid, uuid, UUID_LEN) == 0)
			return &c->topics[i];
	}
	t = add_to_array((void **) &c->topics, &c->ntopics, sizeof(ElTopicCopy));
	t->uuid = *uuid;
	init_entry(&t->mark);
	return t;
}

/* Committed offsets and start marks as the topic has them, where there is no coordinator. */
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
		ElTopicCopy *t;
		ElEntry    *e;

		if (o->next < 0)
			continue;
		t = find_or_add_topic(find_or_add_group(groups, o->key.group), &o->key.uuid);
		if (o->key.partition == EL_MARK_PARTITION)
		{
			e = &t->mark;
			t->starts = o->starts;
		}
		else
		{
			ElPartCopy *p = add_to_array((void **) &t->parts, &t->nparts,
										 sizeof(ElPartCopy));

			init_part(p, o->key.partition);
			e = &p->entry;
		}
		e->next = o->next;
		e->version = o->version;
		e->fxid = o->fxid;
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

/*
 * Where the group goes on in a partition: as find_position() of deliver.c, but
 * for what a transaction has yet to commit.
 */
static int64
find_next(const ElGroupCopy *c, const ElTopicCopy *t, const ElPartCopy *p)
{
	if (p->entry.next >= 0)
		return p->entry.next;
	if (p->partition < t->mark.next)
		return t->starts != NULL ? t->starts[p->partition] : p->start[t->start_set];
	if (t->mark.next >= 0)
		return 0;				/* added later */
	if (!t->has_offsets && c->conf.start_from == EL_START_LATEST)
		return EL_FROM_END;
	return EL_FROM_START;
}

/* Find out what is pending, and what follows from it.  The lock is not held. */
static void
finish_topic(const ElGroupCopy *c, ElTopicCopy *t)
{
	int64		version = t->mark.version;

	(void) el_entry_resolve(&t->mark);
	if (t->mark.version != version)
		t->start_set = 1 - t->start_set;
	t->used |= t->mark.next >= 0;
	for (int i = 0; i < t->nparts; i++)
	{
		ElPartCopy *p = &t->parts[i];

		(void) el_entry_resolve(&p->entry);
		t->has_offsets |= p->entry.next >= 0;
		if (p->entry.next > p->first_offset)
			p->redeliveries = 0;	/* it has come past that event */
		t->used |= p->entry.next >= 0 || p->owner[0] != '\0' || p->holder != 0 ||
			p->delivered >= 0 || p->first_offset >= 0;
	}
	for (int i = 0; i < t->nparts; i++)
		t->parts[i].goes_on = find_next(c, t, &t->parts[i]);
	qsort(t->parts, t->nparts, sizeof(ElPartCopy), compare_parts);
}

void
el_get_part_copy(const ElGroupCopy *c, const ElTopicCopy *t, int32 partition,
				 ElPartCopy *p)
{
	ElPartCopy	key = {.partition = partition};
	const ElPartCopy *found = bsearch(&key, t->parts, t->nparts,
									  sizeof(ElPartCopy), compare_parts);

	if (found != NULL)
		*p = *found;
	else
	{
		init_part(p, partition);
		p->goes_on = find_next(c, t, p);
	}
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
		for (i = 0; i < c->ntopics; i++)
			finish_topic(c, &c->topics[i]);
		qsort(c->topics, c->ntopics, sizeof(ElTopicCopy), compare_topics);
	}
	return groups;
}

int64
el_shown_epoch(int64 epoch)
{
	return epoch & PG_UINT32_MAX;
}
