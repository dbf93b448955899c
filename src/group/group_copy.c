/*-------------------------------------------------------------------------
 *
 * group_copy.c
 *	  What is known about groups, copied out of shared memory.
 *
 * The lock is held for the copy only: what needs a catalog or waits is done
 * with the copy.  Of groups that are not in slots, and there may be very many,
 * what was read of the topic becomes a copy when it is asked for.
 *
 * IDENTIFICATION
 *	  src/group/group_copy.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "group/catalog.h"
#include "group/group_copy.h"
#include "group/offsets.h"
#include "group/slots.h"
#include "topic/uuids.h"

/* Room that an array begins with which grows; a power of two. */
#define FIRST_ROOM	1

/* How large is an array of n that may grow by add_to_array()? */
static int
array_room(int n)
{
	return n <= FIRST_ROOM ? FIRST_ROOM : pg_nextpower2_32(n);
}

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
	c->parts = palloc0_array(ElPartCopy, array_room(n));
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
	c->topics = palloc0_array(ElTopicCopy, array_room(n));
	for (s = g->first_topic; s != EL_NO_SLOT; s = EL_TOPIC(s)->next_topic)
	{
		ElTopicCopy *t = &c->topics[c->ntopics];

		if (EL_TOPIC(s)->dropped)
			continue;
		c->ntopics++;
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

/* One more in an array of n, all zero; the array doubles when it is full: array_room(). */
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

	/*
	 * the last ones are looked at first: a topic's partitions often come
	 * together
	 */
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

static ElPartCopy *
find_or_add_part(ElTopicCopy *t, int32 partition)
{
	ElPartCopy *p;

	for (int i = t->nparts - 1; i >= 0; i--)
	{
		if (t->parts[i].partition == partition)
			return &t->parts[i];
	}
	p = add_to_array((void **) &t->parts, &t->nparts, sizeof(ElPartCopy));
	init_part(p, partition);
	return p;
}

/* What the topic says, of a topic that exists, if the copy does not know better. */
static void
add_offset(ElGroupCopy *c, const ElOffset *o)
{
	ElTopicCopy *t = find_or_add_topic(c, &o->key.uuid);
	ElEntry    *e = o->key.partition == EL_MARK_PARTITION ? &t->mark :
		&find_or_add_part(t, o->key.partition)->entry;

	if (o->version <= e->version)
		return;
	if (o->key.partition == EL_MARK_PARTITION)
		t->starts = o->starts;
	e->next = o->next;
	e->version = o->version;
	e->fxid = o->fxid;
	if (e->pending_version <= o->version)
		e->pending_fxid = InvalidFullTransactionId;
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

/*
 * The scan
 */

/* What there is to know of a group, and where. */
typedef struct Source
{
	char		name[EL_NAME_SIZE]; /* hash key */
	ElGroupCopy *copy;			/* from its slots; NULL: it has none */
	bool		complete;		/* the topic would say no more */
	const ElOffsetGroup *offsets;	/* from the topic; NULL: nothing */
	const ElGroupConf *conf;	/* its row; NULL: it has none */
} Source;

struct ElGroupScan
{
	HTAB	   *by_name;		/* of Source */
	HTAB	   *labelled;		/* topics that exist, if the topic was read */
	int			n;
	Source	  **sources;		/* sorted by name */
	int			next;
	MemoryContext mcxt;			/* of the group at hand */
	MemoryContext old;
};

static Source *
find_or_add_source(ElGroupScan *scan, const char *name)
{
	bool		found;
	Source	   *s = hash_search(scan->by_name, name, HASH_ENTER, &found);

	if (!found)
	{
		s->copy = NULL;
		s->complete = false;
		s->offsets = NULL;
		s->conf = NULL;
	}
	return s;
}

/* Groups of this database as the coordinator has them; false if there are others. */
static bool
copy_shared_groups(ElGroupScan *scan)
{
	List	   *copies = NIL;
	List	   *loaded = NIL;
	bool		all;
	ElSlotNo	s;
	ListCell   *lc;
	ListCell   *lc2;

	el_group_lock_with_offsets(NULL, LW_SHARED);
	all = EL_DB(el_db_find(MyDatabaseId))->all_loaded;
	for (s = el_shared->first_group; s != EL_NO_SLOT;
		 s = EL_GROUP(s)->next_group)
	{
		if (EL_GROUP(s)->dbid != MyDatabaseId)
			continue;
		copies = lappend(copies, copy_group(s));
		loaded = lappend_int(loaded, el_group_is_loaded(s));
	}
	el_group_unlock();
	forboth(lc, copies, lc2, loaded)
	{
		ElGroupCopy *c = lfirst(lc);
		Source	   *source = find_or_add_source(scan, c->name);

		source->copy = c;
		source->complete = lfirst_int(lc2);
	}
	list_free(copies);
	list_free(loaded);
	return all;
}

/* Groups that are not in slots; on a standby, all. */
static void
read_offsets(ElGroupScan *scan)
{
	ElOffsets  *offsets = el_offsets_read(GetActiveSnapshot(), false, NULL, NULL);

	scan->labelled = el_labelled_topics();
	for (ElOffsetGroup *og = offsets->first_group; og != NULL; og = og->next)
		find_or_add_source(scan, og->name)->offsets = og;
}

static int
compare_sources(const void *a, const void *b)
{
	return strcmp((*(Source *const *) a)->name, (*(Source *const *) b)->name);
}

ElGroupScan *
el_group_scan_begin(bool only_members)
{
	ElGroupScan *scan = palloc0_object(ElGroupScan);
	HASHCTL		ctl = {
		.keysize = EL_NAME_SIZE,
		.entrysize = sizeof(Source),
		.hcxt = CurrentMemoryContext
	};
	HASH_SEQ_STATUS seq;
	Source	   *s;
	ListCell   *lc;

	scan->by_name = hash_create("eventlog groups", 256, &ctl,
								HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	scan->old = CurrentMemoryContext;
	scan->mcxt = AllocSetContextCreate(CurrentMemoryContext, "eventlog group",
									   ALLOCSET_DEFAULT_SIZES);
	if (el_shared == NULL || RecoveryInProgress() ||
		(!copy_shared_groups(scan) && !only_members))
		read_offsets(scan);
	/* also those with a row that nobody has used yet */
	foreach(lc, el_group_confs())
	{
		const ElGroupConf *conf = lfirst(lc);

		find_or_add_source(scan, conf->name)->conf = conf;
	}

	scan->sources = MemoryContextAllocHuge(CurrentMemoryContext,
										   sizeof(Source *) * (hash_get_num_entries(scan->by_name) + 1));
	hash_seq_init(&seq, scan->by_name);
	while ((s = hash_seq_search(&seq)) != NULL)
		scan->sources[scan->n++] = s;
	qsort(scan->sources, scan->n, sizeof(Source *), compare_sources);
	return scan;
}

/* NULL if there is nothing of the group but offsets of topics that do not exist. */
static ElGroupCopy *
make_copy(const ElGroupScan *scan, const Source *s)
{
	ElGroupCopy *c = s->copy;

	if (c == NULL)
	{
		c = palloc0_object(ElGroupCopy);
		strlcpy(c->name, s->name, EL_NAME_SIZE);
	}
	if (s->conf != NULL)
		c->conf = *s->conf;
	else
		el_group_conf_defaults(&c->conf, c->name);
	for (const ElOffset *o = s->offsets == NULL || s->complete ? NULL : s->offsets->first;
		 o != NULL; o = o->next_of_group)
	{
		if (o->next >= 0 && OidIsValid(el_topic_with_uuid(scan->labelled, &o->key.uuid)))
			add_offset(c, o);
	}
	if (s->copy == NULL && s->conf == NULL && c->ntopics == 0)
		return NULL;
	for (int i = 0; i < c->ntopics; i++)
		finish_topic(c, &c->topics[i]);
	qsort(c->topics, c->ntopics, sizeof(ElTopicCopy), compare_topics);
	return c;
}

ElGroupCopy *
el_group_scan_next(ElGroupScan *scan)
{
	ElGroupCopy *c = NULL;

	MemoryContextReset(scan->mcxt);
	MemoryContextSwitchTo(scan->mcxt);
	while (c == NULL && scan->next < scan->n)
	{
		CHECK_FOR_INTERRUPTS();
		c = make_copy(scan, scan->sources[scan->next++]);
	}
	if (c == NULL)
		MemoryContextSwitchTo(scan->old);
	return c;
}

int64
el_shown_epoch(int64 epoch)
{
	return epoch & PG_UINT32_MAX;
}
