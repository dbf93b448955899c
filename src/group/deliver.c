/*-------------------------------------------------------------------------
 *
 * deliver.c
 *	  From partitions into the result of consume() and claim().
 *
 * A partition is looked at before it is locked, so that an empty call leaves
 * nothing behind.  Once locked, ownership and the committed offset are looked
 * at again, and only then does anything count.
 *
 * IDENTIFICATION
 *	  src/group/deliver.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "group/arguments.h"
#include "group/begin.h"
#include "group/deliver.h"
#include "group/local.h"
#include "group/mark.h"
#include "group/offsets.h"
#include "group/offsets_append.h"
#include "group/part_lock.h"
#include "group/portals.h"
#include "group/slots.h"
#include "kafka/record.h"
#include "storage/cursor.h"
#include "storage/log.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/stable.h"
#include "topic/log_floor.h"
#include "topic/topic.h"

/* A partition while it is delivered from. */
typedef struct Source
{
	ElAssigned *a;
	ElTopic    *topic;
	ElPartKey	key;
	ElLocalPart *lp;			/* NULL: this backend knows nothing of it yet */
	ElEntry		entry;
	ElStart		start;			/* what the start mark says */
	int64		position;
	bool		visible;		/* the entry as it was seen is, to the
								 * snapshot */
	int64		skipped;		/* events passed over on the way to position */
	bool		jump;			/* position is the latest, to be recorded as
								 * such */
	Relation	rel;
	ElReader   *reader;
	ElRecord	rec;
} Source;

static void report_events_lost(const ElDelivery *d, const Source *s, const ElLogInfo *info) pg_attribute_noreturn();

static void
report_events_lost(const ElDelivery *d, const Source *s, const ElLogInfo *info)
{
	if (s->position > info->log_end)
		ereport(ERROR,
				(errcode(ERRCODE_EL_EVENTS_LOST),
				 errmsg("group \"%s\" has consumed partition %d of topic \"%s\" beyond its end",
						d->conf->name, s->a->partition,
						get_rel_name(s->topic->relid)),
				 errdetail("Its next offset is %lld, the log ends at %lld.",
						   (long long) s->position, (long long) info->log_end),
				 errhint("The log may have been restored from an older state; set the group's offset with seek().")));
	ereport(ERROR,
			(errcode(ERRCODE_EL_EVENTS_LOST),
			 errmsg("events of partition %d of topic \"%s\" were removed before group \"%s\" consumed them",
					s->a->partition, get_rel_name(s->topic->relid),
					d->conf->name),
			 errdetail("Its next offset is %lld, the log starts at %lld.",
					   (long long) s->position, (long long) info->log_start),
			 errhint("Accept the loss with seek(), or for all times with the group's option on_lost.")));
}

/*
 * Where to go on: where this transaction (or the session's member) stands, else
 * at the committed offset as this transaction sees it, else where the group began,
 * else at the log start.  A named member stands where this transaction has consumed,
 * not where an earlier one had whose deliveries it has committed in part.
 */
static void
find_position(const ElDelivery *d, const ElAssignment *a, Source *s,
			  const ElLogInfo *info)
{
	const ElLocalPart *lp = s->lp;

	s->skipped = 0;
	s->jump = false;
	if (lp != NULL && lp->state.position >= 0 &&
		lp->state.version == s->entry.version &&
		(lp->state.consumed != 0 ||
		 (!a->member.named && a->member.incarnation != 0 &&
		  lp->state.member.incarnation == a->member.incarnation &&
		  lp->state.epoch == s->a->epoch)))
		s->position = lp->state.position;
	else
		s->position = el_local_committed(lp, &s->entry);
	if (s->position < 0)
		s->position = el_local_start(&s->key, &s->start);
	if (s->position < 0)
	{
		s->position = info->log_start;
		return;
	}

	if (s->position > info->log_end)
		report_events_lost(d, s, info);
	if (s->position < info->log_start)
	{
		int64		to = info->log_start;

		if (d->conf->on_lost == EL_LOST_ERROR)
			report_events_lost(d, s, info);
		if (d->conf->on_lost == EL_LOST_LATEST)
		{
			to = el_log_latest(s->rel, d->snapshot, info->log_start);
			s->jump = true;
		}
		s->skipped = to - s->position;
		s->position = to;
	}
}

/* Is the record old enough? */
static bool
is_old_enough(ElDelivery *d, const ElRecord *rec)
{
	int64		due;

	if (d->min_age_ms < 0)
		return true;
	due = rec->timestamp + d->min_age_ms;
	if (due <= el_now_ms())
		return true;
	if (d->due_ms == 0 || due < d->due_ms)
		d->due_ms = due;
	return false;
}

/*
 * The next event, if it is old enough.  Not if retention has overtaken: the next
 * call says so, or jumps and counts what is gone.
 */
static bool
read_next_due(ElDelivery *d, Source *s)
{
	return el_reader_next(s->reader, &s->rec) && !s->reader->trimmed &&
		is_old_enough(d, &s->rec);
}

/*
 * Find the first event to deliver, without an ownership lock and without leaving
 * anything behind.  False if there is none; otherwise the source is open, with
 * the event in it, or with jump set.  EL004 if events are gone.
 */
static bool
open_source(ElDelivery *d, const ElAssignment *a, ElAssigned *p, Source *s)
{
	ElLogInfo	info;

	memset(s, 0, sizeof(*s));
	s->a = p;
	s->topic = p->topic->topic;
	el_part_key(&s->key, d->conf->name, &p->topic->uuid, p->partition);
	s->lp = el_local_find(&s->key);
	s->entry = p->entry;
	s->start = p->start;
	s->visible = el_entry_resolve(&s->entry) &&
		el_entry_visible(&s->entry, d->snapshot);

	s->rel = el_open_leaf(s->topic, p->partition);
	if (s->rel == NULL)
		return false;
	el_partition_info(s->topic, p->partition, s->rel, &info);
	find_position(d, a, s, &info);
	if (s->jump)
		return true;
	if (s->position < info.log_end)
	{
		s->reader = el_reader_begin(s->rel, d->snapshot, EL_READ_STABLE);
		if (el_reader_seek(s->reader, s->position) != EL_SEEK_AT_END &&
			el_reader_next(s->reader, &s->rec) && is_old_enough(d, &s->rec))
			return true;
		el_reader_end(s->reader);
	}
	table_close(s->rel, AccessShareLock);
	return false;
}

static void
close_source(Source *s)
{
	if (s->reader != NULL)
		el_reader_end(s->reader);
	table_close(s->rel, AccessShareLock);
}

static void report_partition_lost(const ElDelivery *d, const Source *s) pg_attribute_noreturn();

static void
report_partition_lost(const ElDelivery *d, const Source *s)
{
	ereport(ERROR,
			(errcode(ERRCODE_EL_FENCED),
			 d->claim ?
			 errmsg("partition %d of topic \"%s\" was taken from a member of group \"%s\"",
					s->a->partition, get_rel_name(s->topic->relid),
					d->conf->name) :
			 errmsg("partition %d of topic \"%s\" was taken from this member of group \"%s\"",
					s->a->partition, get_rel_name(s->topic->relid),
					d->conf->name),
			 d->claim ?
			 errdetail("This transaction has consumed from it as that member.") :
			 errdetail("This transaction has consumed from it."),
			 errhint("Retry the transaction.")));
}

static void report_not_serializable(const ElDelivery *d) pg_attribute_noreturn();

static void
report_not_serializable(const ElDelivery *d)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent commit of group \"%s\"",
					d->conf->name),
			 errhint("The transaction might succeed if retried.")));
}

/*
 * Lock the partition for this transaction and check what open_source() saw once
 * more, now that nobody else can change it.  Returns false if there is nothing to
 * deliver in this call.  The delivery is noted.  Errors: 40L01, 40001.
 */
static bool
lock_source(ElDelivery *d, const ElAssignment *a, Source *s)
{
	const ElMemberRef *member = d->claim ? NULL : &a->member;
	int64		looked_at = s->position;
	ElDeliveryNote note = {.seen = s->a->entry,.start = s->a->start,.first_offset = s->rec.offset};
	bool		was_locked;
	ElLogInfo	info;

	s->lp = el_local_get(&s->key, s->topic->relid);
	was_locked = s->lp->locked;
	switch (el_part_lock(s->lp, s->a->part, member, s->a->epoch, d->claim,
						 s->jump || !s->visible ? NULL : &note))
	{
		case EL_LOCK_OK:
			break;
		case EL_LOCK_BUSY:
			d->busy = true;
			return false;
		case EL_LOCK_NOT_OWNED:
			if (was_locked && s->lp->state.consumed != 0)
				report_partition_lost(d, s);
			return false;
		case EL_LOCK_EVICTED:
			d->evicted = true;
			return false;
	}
	s->entry = s->lp->entry;
	s->start = s->lp->start;

	/*
	 * The work that led to the committed offset must be visible to this
	 * statement: what is done for these events builds on it.
	 */
	if (!el_entry_visible(&s->entry, d->snapshot))
	{
		if (!was_locked)
			el_part_unlock(s->lp);
		if (IsolationUsesXactSnapshot())
			report_not_serializable(d);
		d->busy = true;
		return false;
	}

	if (note.noted)
		return true;			/* it is as it was */
	el_partition_info(s->topic, s->a->partition, s->rel, &info);
	find_position(d, a, s, &info);
	if (s->reader != NULL && s->position != looked_at)
	{
		/* somebody was faster */
		el_reader_refresh(s->reader);
		if (s->position >= info.log_end ||
			el_reader_seek(s->reader, s->position) == EL_SEEK_AT_END ||
			!read_next_due(d, s))
		{
			if (!was_locked)
				el_part_unlock(s->lp);
			return false;
		}
	}
	if (!s->jump)
		el_part_note_delivery(s->lp, s->rec.offset);
	return true;
}

/* The group has chosen to go on (on_lost); the operator shall know all the same. */
static void
log_skipped(const ElDelivery *d, const Source *s)
{
	if (s->skipped > 0)
		ereport(LOG,
				(errmsg("group \"%s\" goes on at offset %lld of partition %d of topic \"%s\"",
						d->conf->name, (long long) s->position,
						s->a->partition, get_rel_name(s->topic->relid)),
				 errdetail("%lld offsets before it were removed or skipped before the group consumed them.",
						   (long long) s->skipped)));
}

static int64
record_size(const ElRecord *r)
{
	return (int64) Max(r->key_len, 0) + Max(r->value_len, 0) + r->headers_len;
}

/* One event is always delivered if there is one. */
static bool
fits_limit(ElDelivery *d, const ElRecord *rec)
{
	if (d->nrows == 0 || record_size(rec) <= d->bytes_left)
		return true;
	d->bytes_left = 0;
	return false;
}

/*
 * on_lost is latest and events were lost: where the group goes on is decided
 * now and recorded, or each call would decide anew and pass over what came in
 * between.
 */
static void
jump_to_latest(ElDelivery *d, const ElAssignment *a, Source *s)
{
	ElLocalPart *lp;

	PreventCommandIfReadOnly("consume() in a group that has lost events");
	el_offsets_prepare_commit();
	if (!lock_source(d, a, s) || !s->jump)
		return;
	lp = s->lp;
	el_local_save(lp);
	lp->state.position = -1;
	lp->state.committed = s->position;
	lp->state.commit = true;
	lp->state.any_owner = true;
	lp->state.events_skipped += s->skipped;
	log_skipped(d, s);
	d->committed = lappend(d->committed, lp);
}

/*
 * Deliver from one partition: look, lock, look again (lock_source), then put
 * events into the result until a limit is reached.  Only the last step changes
 * the local state, once the events are there; an error before leaves nothing but
 * the lock.
 */
static void
deliver_from(ElDelivery *d, const ElAssignment *a, ElAssigned *p)
{
	Source		s;
	ElLocalPart *lp;
	int64		last;

	if (!open_source(d, a, p, &s))
		return;
	if (s.jump)
	{
		jump_to_latest(d, a, &s);
		close_source(&s);
		return;
	}
	if (!fits_limit(d, &s.rec) || !lock_source(d, a, &s))
	{
		close_source(&s);
		return;
	}
	el_portals_note();

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		el_rows_put(d->rows, s.topic, p->partition, &s.rec);

		last = s.rec.offset;
		d->nrows++;
		d->events_left--;
		d->bytes_left -= record_size(&s.rec);
		if (d->events_left <= 0 || d->bytes_left <= 0 ||
			!read_next_due(d, &s) || !fits_limit(d, &s.rec))
			break;
	}
	close_source(&s);

	lp = s.lp;
	Assert(lp->locked);
	el_local_save(lp);
	if (d->claim)
	{
		el_local_reserve(lp);
		el_local_set_member(lp, &a->member, 0);
	}
	lp->state.committed = el_local_committed(lp, &s.entry);
	lp->state.version = s.entry.version;
	lp->state.position = last + 1;
	el_local_set_consumed(lp);
	lp->state.events_skipped += s.skipped;
	log_skipped(d, &s);
	if (d->commit)
	{
		lp->state.committed = lp->state.position;
		lp->state.commit = true;
		lp->state.any_owner = d->claim;
		d->committed = lappend(d->committed, lp);
	}
}

/*
 * The group may have begun in the topic by a transaction that had not ended when
 * el_member_call() looked, or had to be looked up.
 */
static void
look_again(ElAssignment *a, const ElGroupConf *conf, ElTopicRef *topic)
{
	const char *group = conf->name;
	ElEntry		mark;

	if (!el_mark_read(group, &topic->uuid, &mark))
		return;
	topic->mark_pending = false;
	topic->is_new = conf->start_from == EL_START_LATEST && mark.next < 0 &&
		!el_has_offsets(group, topic->topic);
	el_group_lock(LW_SHARED);
	for (int32 i = 0; i < a->n; i++)
	{
		ElAssigned *p = &a->parts[i];
		ElPartKey	key;

		el_part_key(&key, group, &topic->uuid, p->partition);
		if (p->topic == topic && el_part_matches(p->part, &key))
		{
			el_entry_copy(p->part, &p->entry);
			(void) el_start_copy(p->part, &p->start);
		}
	}
	el_group_unlock();
}

/*
 * A group that starts from the latest begins in a topic by its first take, of
 * whichever of its partitions: all of them start at their last stable offset of
 * this moment, and what is added later can be told from what was there.  False:
 * nothing can be had from the topic in this call.
 */
static bool
make_first_take(ElDelivery *d, ElAssignment *a, ElTopicRef *topic)
{
	const char *group = d->conf->name;

	if (el_begun_here(group, &topic->uuid))
		return true;
	if (!el_dropped_here(group, &topic->uuid))
	{
		look_again(a, d->conf, topic);
		if (!topic->is_new)
			return true;
	}
	PreventCommandIfReadOnly("consume() in a group that starts from latest");
	el_offsets_prepare_commit();
	if (!el_begin(d->conf, topic->topic, d->snapshot))
	{
		d->busy = true;			/* somebody else is at it */
		return false;
	}
	if (!el_begun_here(group, &topic->uuid))
		look_again(a, d->conf, topic);	/* somebody was faster */
	return true;
}

/* Has the group its place in the topic?  False: nothing can be had from it in this call. */
static bool
begin_in_topic(ElDelivery *d, ElAssignment *a, ElTopicRef *topic)
{
	if (topic->mark_pending)
		look_again(a, d->conf, topic);
	if (topic->is_new ||
		(d->conf->start_from == EL_START_LATEST &&
		 el_dropped_here(d->conf->name, &topic->uuid)))
		return make_first_take(d, a, topic);
	return true;
}

void
el_deliver(ElDelivery *d, ElAssignment *a)
{
	ElTopicRef *skip = NULL;
	int32		i;

	d->busy = d->evicted = false;
	d->due_ms = 0;
	for (i = 0; i < a->n && d->events_left > 0 && d->bytes_left > 0; i++)
	{
		/*
		 * start elsewhere each time, or the first partitions starve the
		 * others
		 */
		ElAssigned *p = &a->parts[(a->rotor + i) % a->n];

		if (p->topic == skip)
			continue;
		if (!begin_in_topic(d, a, p->topic))
		{
			skip = p->topic;
			continue;
		}
		deliver_from(d, a, p);
	}
	el_begin_with(d->conf, d->committed);
}

bool
el_deliver_peek(ElDelivery *d, ElAssignment *a)
{
	int32		i;

	d->busy = false;
	d->due_ms = 0;
	for (i = 0; i < a->n; i++)
	{
		ElAssigned *p = &a->parts[(a->rotor + i) % a->n];
		Source		s;

		CHECK_FOR_INTERRUPTS();
		if (p->topic->mark_pending)
			look_again(a, d->conf, p->topic);
		if (p->topic->is_new)
			return true;		/* the call to come has to begin it */
		if (!open_source(d, a, p, &s))
			continue;
		close_source(&s);
		if (p->holder == 0 || p->holder == MyProcPid)
			return true;
		d->busy = true;
	}
	return false;
}
