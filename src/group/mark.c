/*-------------------------------------------------------------------------
 *
 * mark.c
 *	  What this backend's transaction says of start marks.
 *
 * A transaction that begins a group in a topic, or drops it, holds a lock on the
 * (group, topic) to its end, so that marks are written by one transaction after
 * the other.  It needs no other: a mark says nothing of partitions with an offset.
 *
 * What it says is a list of a few entries, and rewinds with savepoints: it goes
 * with the commit() for which it was said.
 *
 * IDENTIFICATION
 *	  src/group/mark.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "group/local.h"
#include "group/mark.h"
#include "group/part_lock.h"
#include "group/room.h"

static ElLocalMark *first = NULL;

ElLocalMark *
el_local_marks_first(void)
{
	return first;
}

static ElLocalMark *
find_mark(const char *group, const pg_uuid_t *uuid)
{
	ElLocalMark *m;

	for (m = first; m != NULL; m = m->next)
	{
		if (strcmp(m->key.group, group) == 0 &&
			memcmp(&m->key.uuid, uuid, UUID_LEN) == 0)
			break;
	}
	return m;
}

const ElMarkState *
el_local_mark(const char *group, const pg_uuid_t *uuid)
{
	ElLocalMark *m = find_mark(group, uuid);

	return m != NULL ? m->state : NULL;
}

int64
el_local_start(const ElPartKey *key, const ElStart *start)
{
	const ElMarkState *own = el_local_mark(key->group, &key->uuid);

	if (own == NULL)
		return start->offset;
	if (own->n < 0)
		return EL_START_NONE;
	return key->partition < own->n ? own->starts[key->partition] : 0;
}

/*
 * The group counts as held while we have the lock, so that its slots stay where
 * the mark has to be entered.
 */
bool
el_local_mark_lock(const char *group, const pg_uuid_t *uuid)
{
	ElLocalMark *m = find_mark(group, uuid);
	ElSlotNo	g;

	if (m != NULL)
		return true;
	m = MemoryContextAllocZero(TopTransactionContext, sizeof(ElLocalMark));
	el_part_key(&m->key, group, uuid, EL_MARK_PARTITION);
	if (!el_first_take_lock(group, uuid))
	{
		pfree(m);
		return false;
	}
	el_group_lock(LW_EXCLUSIVE);
	if (el_group_find(MyDatabaseId, group) == EL_NO_SLOT)
		el_slots_reserve(1, false, EL_NO_SLOT);
	g = el_group_get(MyDatabaseId, group);
	EL_GROUP(g)->held++;
	el_group_touch(g);
	el_group_unlock();
	m->next = first;
	first = m;
	return true;
}

void
el_local_mark_set(const char *group, const pg_uuid_t *uuid,
				  const int64 *starts, int32 n, bool replaces)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	ElLocalMark *m = find_mark(group, uuid);
	ElMarkState *state = m->state;

	Assert(state == NULL || state->subid <= subid);
	if (state == NULL || state->subid != subid)
	{
		state = MemoryContextAllocZero(TopTransactionContext, sizeof(ElMarkState));
		state->subid = subid;
		state->outer = m->state;
		state->afresh = m->state != NULL && m->state->afresh;
	}
	if (n > 0)
	{
		state->starts = MemoryContextAlloc(TopTransactionContext, sizeof(int64) * n);
		memcpy(state->starts, starts, sizeof(int64) * n);
	}
	state->n = n;
	state->afresh |= n < 0;
	m->state = state;
	m->replaces |= replaces;
}

bool
el_local_mark_to_write(const ElLocalMark *m)
{
	return m->state != NULL && (m->state->n >= 0 || m->replaces);
}

void
el_local_marks_rollback(SubTransactionId subid)
{
	for (ElLocalMark *m = first; m != NULL; m = m->next)
	{
		while (m->state != NULL && m->state->subid >= subid)
			m->state = m->state->outer;
	}
}

void
el_local_marks_merge(SubTransactionId subid, SubTransactionId parent)
{
	for (ElLocalMark *m = first; m != NULL; m = m->next)
	{
		ElMarkState *s = m->state;

		if (s == NULL || s->subid != subid)
			continue;
		s->subid = parent;
		if (s->outer != NULL && s->outer->subid == parent)
			s->outer = s->outer->outer;
	}
}

/*
 * The group was dropped: what was delivered to it before counts for nobody.  Lock
 * held.
 */
static void
forget_deliveries(ElSlotNo group, const ElLocalMark *m)
{
	ElSlotNo	topic = el_group_topic_find(group, &m->key.uuid);

	Assert(el_group_locked_exclusive());
	if (topic == EL_NO_SLOT)
		return;
	for (ElSlotNo s = EL_TOPIC(topic)->first_part; s != EL_NO_SLOT;
		 s = EL_PART(s)->next_part)
	{
		ElPart	   *p = EL_PART(s);
		const ElLocalPart *lp;
		ElPartKey	key = m->key;

		key.partition = p->partition;
		lp = el_local_find(&key);
		/* whoever works on it meanwhile, or did so after the drop, began anew */
		if (p->holder != 0 ||
			(m->state->n >= 0 && lp != NULL && lp->state.consumed))
			continue;
		p->first_offset = -1;
		p->redeliveries = 0;
		p->events_lost = 0;
	}
}

/* The memory goes with TopTransactionContext. */
void
el_local_marks_end(bool is_commit)
{
	if (first == NULL)
		return;
	el_group_lock(LW_EXCLUSIVE);
	for (ElLocalMark *m = first; m != NULL; m = m->next)
	{
		ElSlotNo	g = el_group_find(MyDatabaseId, m->key.group);

		if (g == EL_NO_SLOT)
			continue;			/* the database's groups went */
		EL_GROUP(g)->held--;
		if (is_commit && el_local_mark_to_write(m))
			EL_GROUP(g)->last_commit_ms = el_monotonic_ms();
		if (is_commit && m->state != NULL && m->state->afresh)
			forget_deliveries(g, m);
		el_group_touch(g);
	}
	el_group_unlock();
	first = NULL;
}
