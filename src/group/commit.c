/*-------------------------------------------------------------------------
 *
 * commit.c
 *	  commit(): what was consumed becomes the group's committed offsets.
 *
 * IDENTIFICATION
 *	  src/group/commit.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/errors.h"
#include "group/arguments.h"
#include "group/begin.h"
#include "group/local.h"
#include "group/losses.h"
#include "group/member.h"
#include "group/offsets.h"
#include "group/offsets_append.h"
#include "group/part_lock.h"
#include "group/slots.h"
#include "group/subscription.h"

EL_FUNCTION(eventlog_commit);
EL_FUNCTION(eventlog_commit_offset);

static void report_nothing_delivered(const char *group, Oid topic, int32 partition) pg_attribute_noreturn();

static void
report_nothing_delivered(const char *group, Oid topic, int32 partition)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("nothing was delivered from partition %d of topic \"%s\" to this member of group \"%s\"",
					partition, get_rel_name(topic), group),
			 errhint("Use seek() to move a group to another offset.")));
}

/* The partition's slot and since when the member owns it; EL_NO_SLOT if it does not. */
static ElSlotNo
find_owned(const ElMemberRef *ref, const ElPartKey *key, int64 *epoch)
{
	ElSlotNo	g;
	ElSlotNo	part = EL_NO_SLOT;

	el_group_lock(LW_SHARED);
	g = el_group_find(MyDatabaseId, key->group);
	if (g != EL_NO_SLOT)
		part = el_part_find(g, &key->uuid, key->partition);
	if (part != EL_NO_SLOT)
	{
		*epoch = EL_PART(part)->epoch;
		if (!el_part_owned_by(part, ref, *epoch))
			part = EL_NO_SLOT;
	}
	el_group_unlock();
	return part;
}

static const char *
name_of(const ElCall *call)
{
	return call->member != NULL ? call->member->name : NULL;
}

/*
 * 40L01 for partitions that the member has lost.  If this transaction has consumed
 * from them that is what stays refused; if they were lost before it, then all that a
 * commit() without partition was asked for.
 */
static void report_lost(const ElCall *call, const ElMemberRef *ref, List *lost) pg_attribute_noreturn();

static void
report_lost(const ElCall *call, const ElMemberRef *ref, List *lost)
{
	ElMember   *m;
	ListCell   *lc;

	el_group_lock(LW_EXCLUSIVE);
	m = el_member_of_ref(ref);
	if (m != NULL)
		m->fenced_count++;
	el_group_unlock();
	foreach(lc, lost)
	{
		const ElLocalPart *lp = lfirst(lc);

		if (call->topic == NULL &&
			(lp->state.consumed == 0 || !el_local_is_of(lp, name_of(call))))
		{
			el_refuse_consumed(call->group, name_of(call), ERRCODE_EL_FENCED);
			break;
		}
	}
	el_losses_report(call->group, name_of(call), lost);
}

/*
 * Lock the partition for this transaction, on behalf of the member that consumed
 * from it, perhaps in an earlier one.  40L01 if the member has lost the partition
 * since, 55006 if another transaction works on it.
 */
static void
lock_for_commit(const ElCall *call, ElLocalPart *lp, const ElMemberRef *ref,
				ElSlotNo part, int64 epoch)
{
	ElLockResult result = EL_LOCK_NOT_OWNED;

	Assert(lp->in_xact);
	if (part != EL_NO_SLOT)
		result = el_part_lock(lp, part, ref, epoch, false, NULL);
	if (result == EL_LOCK_NOT_OWNED)
		report_lost(call, ref, list_make1(lp));
	if (result == EL_LOCK_BUSY)
		el_report_part_busy(call->group, lp->topic, lp->key.partition);
}

/* The same of a partition whose deliveries this backend knows: el_losses_find() has found nothing amiss with it. */
static void
lock_delivered(const ElCall *call, ElLocalPart *lp)
{
	const ElMemberRef ref = lp->state.member;
	int64		epoch;
	ElSlotNo	part;

	(void) el_local_get(&lp->key, lp->topic);
	if (lp->locked)
		return;
	part = find_owned(&ref, &lp->key, &epoch);
	lock_for_commit(call, lp, &ref, part, lp->state.epoch);
}

/* Commit a part up to next; true if that moves it. */
static bool
commit_part(ElLocalPart *lp, int64 next)
{
	if (next == el_local_committed(lp, &lp->entry))
		return false;
	el_local_save(lp);
	lp->state.version = lp->entry.version;
	lp->state.committed = next;
	lp->state.commit = true;
	lp->state.any_owner = false;
	return true;
}

/*
 * What a named member's last consuming transaction delivered becomes this
 * transaction's to commit.
 */
typedef struct Delivered
{
	ElPartKey	key;
	Oid			relid;
	ElSlotNo	part;
	int64		epoch;
	int64		delivered;
	int64		version;		/* of the committed offset that goes before it */
} Delivered;

static int
list_last_delivered(const ElMemberRef *ref, Delivered **result)
{
	ElMember   *m;
	ElSlotNo	s;
	int			n = 0;

	el_group_lock(LW_SHARED);
	m = el_member_of_ref(ref);
	if (m != NULL)
	{
		*result = palloc_array(Delivered, m->nowned + 1);
		for (s = m->first_owned; s != EL_NO_SLOT; s = EL_PART(s)->owned_next)
		{
			ElPart	   *p = EL_PART(s);
			Delivered  *d;

			if (p->delivered < 0 || p->delivered_seq != m->last_seq)
				continue;
			d = &(*result)[n++];
			Assert(p->owner == ref->slot);
			el_part_key(&d->key, EL_GROUP(p->group)->name,
						&EL_TOPIC(p->topic)->uuid, p->partition);
			d->relid = EL_TOPIC(p->topic)->relid;
			d->part = s;
			d->epoch = p->epoch;
			d->delivered = p->delivered;
			d->version = p->delivered_version;
		}
	}
	el_group_unlock();
	return n;
}

/* Parts that this call has moved are added to *moved; or only one partition is taken, to be committed by the caller. */
static void
commit_last_delivered(const ElCall *call, const ElMemberRef *ref,
					  const ElPartKey *only, List **moved)
{
	Delivered  *list = NULL;
	int			n = list_last_delivered(ref, &list);
	int			i;

	for (i = 0; i < n; i++)
	{
		Delivered  *d = &list[i];
		ElLocalPart *lp;
		bool		gone;

		if (only != NULL && memcmp(only, &d->key, sizeof(ElPartKey)) != 0)
			continue;

		/*
		 * The topic is gone, or it was perhaps another role that consumed:
		 * not the caller's to commit.
		 */
		if (!el_role_may_select(GetUserId(), d->relid, &gone))
			continue;
		lp = el_local_get(&d->key, d->relid);
		if (lp->state.commit)
			continue;			/* this transaction's business already */
		lock_for_commit(call, lp, ref, d->part, d->epoch);
		if (d->version != lp->entry.version)
			continue;			/* sought since: not to be undone */
		el_local_save(lp);
		lp->state.position = d->delivered;
		lp->state.version = lp->entry.version;
		lp->state.committed = lp->entry.next;
		if (only == NULL && d->delivered > lp->entry.next &&
			commit_part(lp, d->delivered))
			*moved = lappend(*moved, lp);
	}
}

/* commit(group_name text, member text): what was consumed so far */
Datum
eventlog_commit(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"group_name"};
	static const ElCallSpec spec = {
		.command = "commit()",
		.writes = true,
		.names = names,
		.nnames = lengthof(names),
		.member_arg = 1
	};
	ElCall		call;
	ElMemberRef ref;
	List	   *lost;
	List	   *parts;
	ListCell   *lc;
	List	   *moved = NIL;
	bool		consumed = false;

	el_call_begin(fcinfo, &spec, &call);
	/* nor does anybody else keep the member alive */
	el_member_check_may_act(&call.conf, call.member);

	el_offsets_prepare_commit();
	el_offsets_ensure(call.group);
	el_refusals_check(call.group, name_of(&call));
	el_member_require(call.group, call.member, true, NULL, &ref);
	lost = el_losses_find(call.group, name_of(&call), NULL);
	if (lost != NIL)
		report_lost(&call, &ref, lost);

	/* a session's position may come from earlier transactions */
	parts = el_local_parts(call.group, call.member != NULL);
	foreach(lc, parts)
	{
		const ElLocalPart *lp = lfirst(lc);

		consumed |= lp->state.consumed != 0 && el_local_is_of(lp, name_of(&call));
	}
	foreach(lc, parts)
	{
		ElLocalPart *lp = lfirst(lc);

		if (!el_local_is_of(lp, name_of(&call)))
			continue;
		if (lp->state.position <= lp->state.committed || el_local_given_up(lp))
			continue;			/* nothing new, or sought */
		if (call.member != NULL && consumed && lp->state.consumed == 0)
			continue;			/* the last transaction's, committed in part */
		lock_delivered(&call, lp);
		if (lp->state.version == lp->entry.version &&
			commit_part(lp, lp->state.position))
			moved = lappend(moved, lp);
	}
	if (call.member != NULL && !consumed)
		commit_last_delivered(&call, &ref, NULL, &moved);
	el_begin_with(&call.conf, moved);
	list_free(parts);
	PG_RETURN_INT32(list_length(moved));
}

/* The part from which this backend has delivered as this member, if it has. */
static ElLocalPart *
find_delivered(const ElCall *call, const ElPartKey *key)
{
	ElLocalPart *lp = el_local_find(key);

	if (lp != NULL && lp->state.position >= 0 &&
		el_local_is_of(lp, name_of(call)) && !el_local_given_up(lp))
		return lp;
	return NULL;
}

/* Nothing was delivered to this member that it could commit.  Why? */
static void report_not_delivered(const ElCall *call, const ElPartKey *key,
								 const ElMemberRef *ref) pg_attribute_noreturn();

static void
report_not_delivered(const ElCall *call, const ElPartKey *key,
					 const ElMemberRef *ref)
{
	int64		epoch;

	if (find_owned(ref, key, &epoch) == EL_NO_SLOT)
	{
		el_refuse_partition(key, ERRCODE_EL_NOT_OWNED);
		ereport(ERROR,
				(errcode(ERRCODE_EL_NOT_OWNED),
				 errmsg("partition %d of topic \"%s\" is not owned by this member of group \"%s\"",
						call->partition, get_rel_name(call->topic->relid),
						call->group)));
	}
	report_nothing_delivered(call->group, call->topic->relid, call->partition);
}

/*
 * commit(group_name text, topic regclass, partition bigint, next_offset
 * bigint, member text): between what is committed and what was delivered
 */
Datum
eventlog_commit_offset(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"group_name", "topic", "partition", "next_offset"
	};
	static const ElCallSpec spec = {
		.command = "commit()",
		.writes = true,
		.names = names,
		.nnames = lengthof(names),
		.topic_arg = 1,
		.partition_arg = 2,
		.member_arg = 4
	};
	ElCall		call;
	ElMemberRef ref;
	ElPartKey	key;
	ElLocalPart *lp;
	List	   *lost;
	int64		next;
	int64		committed;

	el_call_begin(fcinfo, &spec, &call);
	next = PG_GETARG_INT64(3);
	el_part_key(&key, call.group, &call.topic->uuid, call.partition);

	el_offsets_prepare_commit();
	el_offsets_ensure(call.group);
	el_refusals_check(call.group, name_of(&call));
	el_member_require(call.group, call.member, true, &key, &ref);

	lp = el_local_find(&key);
	lost = lp == NULL ? NIL : el_losses_find(call.group, name_of(&call), lp);
	if (lost != NIL)
		report_lost(&call, &ref, lost);
	lp = find_delivered(&call, &key);
	if (lp == NULL && call.member != NULL)
	{
		commit_last_delivered(&call, &ref, &key, NULL);
		lp = find_delivered(&call, &key);
	}
	if (lp == NULL)
		report_not_delivered(&call, &key, &ref);

	lock_delivered(&call, lp);
	/* somebody's seek() came after the delivery: not to be undone */
	if (lp->state.version != lp->entry.version)
		report_nothing_delivered(call.group, call.topic->relid, call.partition);
	committed = el_local_committed(lp, &lp->entry);
	if (next < committed || next > lp->state.position || next < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset %lld cannot be committed for partition %d of topic \"%s\"",
						(long long) next, call.partition,
						get_rel_name(call.topic->relid)),
				 errdetail("Group \"%s\" has committed %lld and was delivered events up to %lld.",
						   call.group, (long long) Max(committed, 0),
						   (long long) lp->state.position),
				 errhint("Use seek() to move a group to another offset.")));
	if (!commit_part(lp, next))
		PG_RETURN_INT32(0);
	el_begin_with(&call.conf, list_make1(lp));
	PG_RETURN_INT32(1);
}
