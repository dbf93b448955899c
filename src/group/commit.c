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
#include "group/local.h"
#include "group/member.h"
#include "group/offsets.h"
#include "group/offsets_append.h"
#include "group/slots.h"

EL_FUNCTION(eventlog_commit);
EL_FUNCTION(eventlog_commit_offset);

static void report_partition_lost(const char *group, const ElMemberRef *ref, Oid topic,
								  int32 partition) pg_attribute_noreturn();

static void
report_partition_lost(const char *group, const ElMemberRef *ref, Oid topic,
					  int32 partition)
{
	char	   *name = get_rel_name(topic);

	ereport(ERROR,
			(errcode(ERRCODE_EL_FENCED),
			 ref->named ?
			 errmsg("member \"%s\" of group \"%s\" has lost partition %d of topic \"%s\"",
					ref->name, group, partition, name ? name : "?") :
			 errmsg("this session has lost partition %d of topic \"%s\" in group \"%s\"",
					partition, name ? name : "?", group),
			 errdetail("The partition was given to another member after this one consumed from it."),
			 errhint("Retry the transaction.")));
}

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

static bool
is_same_member(const ElLocalPart *lp, const ElMemberRef *ref)
{
	return lp->member.incarnation == ref->incarnation;
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

/* A member's commit was refused. */
static void
count_fenced(const ElMemberRef *ref)
{
	ElMember   *m;

	el_group_lock(LW_EXCLUSIVE);
	m = el_member_of_ref(ref);
	if (m != NULL)
		m->fenced_count++;
	el_group_unlock();
}

/*
 * Lock the partition for this transaction, on behalf of a member that consumed
 * from it, perhaps in an earlier one.  Returns with the committed offset in
 * *entry.  40L01 if the member has lost the partition since, 55006 if another
 * transaction works on it.
 */
static void
lock_for_commit(ElLocalPart *lp, const ElMemberRef *ref, ElEntry *entry)
{
	const char *group = lp->key.group;
	int64		epoch = 0;
	int64		consumed_epoch = lp->epoch;
	Oid			topic = lp->topic;
	int32		partition = lp->key.partition;
	ElSlotNo	part = find_owned(ref, &lp->key, &epoch);

	/*
	 * it outlives el_local_remove() below, for the end of the transaction
	 * frees it
	 */
	Assert(lp->in_xact);
	if (part == EL_NO_SLOT || epoch != consumed_epoch || !is_same_member(lp, ref) ||
		lp->must_fail_commit)
	{
		count_fenced(ref);
		el_local_remove(lp);	/* it is told once */
		report_partition_lost(group, ref, topic, partition);
	}
	switch (el_part_lock(lp, part, ref, epoch, false, entry))
	{
		case EL_LOCK_OK:
			break;
		case EL_LOCK_BUSY:
			el_report_part_busy(group, topic, partition);
			break;
		case EL_LOCK_NOT_OWNED:
			count_fenced(ref);
			report_partition_lost(group, ref, topic, partition);
			break;
	}
}

/* Commit a part up to next; true if that moves it. */
static bool
commit_part(ElLocalPart *lp, const ElEntry *entry, int64 next)
{
	int64		before = lp->state.commit ? lp->state.committed : entry->next;

	if (next == before)
		return false;
	el_local_save(lp);
	lp->state.version = entry->version;
	lp->state.committed = next;
	lp->state.commit = true;
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
	int64		epoch;
	int64		delivered;
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
			d->epoch = p->epoch;
			d->delivered = p->delivered;
		}
	}
	el_group_unlock();
	return n;
}

/* All of it is committed; or only one partition is taken, to be committed by the caller. */
static int
commit_last_delivered(const ElMemberRef *ref, const ElPartKey *only)
{
	Delivered  *list = NULL;
	int			n = list_last_delivered(ref, &list);
	int			moved = 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		Delivered  *d = &list[i];
		ElLocalPart *lp;
		ElEntry		entry;

		if (only != NULL && memcmp(only, &d->key, sizeof(ElPartKey)) != 0)
			continue;
		if (get_rel_relkind(d->relid) == '\0')
			continue;			/* the topic is gone */
		el_check_select(d->relid);	/* it was perhaps another role that
									 * consumed */
		lp = el_local_get(&d->key, d->relid);
		if (lp->state.commit)
			continue;			/* this transaction's business already */
		lp->member = *ref;
		lp->epoch = d->epoch;
		lock_for_commit(lp, ref, &entry);
		if (only == NULL && d->delivered <= entry.next)
			continue;			/* committed, or sought past, meanwhile */
		el_local_save(lp);
		lp->state.position = d->delivered;
		lp->state.version = entry.version;
		lp->state.committed = entry.next;
		if (only == NULL)
			moved += commit_part(lp, &entry, d->delivered) ? 1 : 0;
	}
	return moved;
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
	List	   *parts;
	ListCell   *lc;
	int			moved = 0;
	bool		consumed = false;

	el_call_begin(fcinfo, &spec, &call);
	/* nor does anybody else keep the member alive */
	el_member_check_may_act(&call.conf, call.member);

	el_offsets_prepare_commit();
	el_offsets_ensure();
	el_member_require(call.group, call.member, true, &ref);

	/* a session's position may come from earlier transactions */
	parts = el_local_parts(call.group, call.member != NULL);
	foreach(lc, parts)
	{
		ElLocalPart *lp = lfirst(lc);
		ElEntry		entry;

		if (lp->member.incarnation == 0 ||
			lp->member.named != (call.member != NULL) ||
			(call.member != NULL &&
			 strcmp(lp->member.name, call.member->name) != 0))
			continue;
		consumed |= lp->state.consumed;
		if (lp->state.position <= lp->state.committed && !lp->must_fail_commit)
			continue;			/* nothing new, or sought, or forgotten */
		(void) el_local_get(&lp->key, lp->topic);
		lock_for_commit(lp, &ref, &entry);
		if (lp->state.position >= 0 && lp->state.version == entry.version)
			moved += commit_part(lp, &entry, lp->state.position) ? 1 : 0;
	}
	if (call.member != NULL && !consumed)
		moved += commit_last_delivered(&ref, NULL);
	list_free(parts);
	PG_RETURN_INT32(moved);
}

/* The part from which this backend has delivered as this member, if it has. */
static ElLocalPart *
find_delivered(const ElPartKey *key, const ElMemberRef *ref)
{
	ElLocalPart *lp = el_local_find(key);

	if (lp != NULL && lp->state.position >= 0 && is_same_member(lp, ref))
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
	const ElLocalPart *lp = el_local_find(key);
	int64		epoch;

	/* consumed before it was put out or replaced, and came back */
	if (lp != NULL && lp->state.position >= 0 && lp->member.incarnation != 0)
		report_partition_lost(call->group, ref, call->topic->relid,
							  call->partition);
	if (find_owned(ref, key, &epoch) == EL_NO_SLOT)
		ereport(ERROR,
				(errcode(ERRCODE_EL_NOT_OWNED),
				 errmsg("partition %d of topic \"%s\" is not owned by this member of group \"%s\"",
						call->partition, get_rel_name(call->topic->relid),
						call->group)));
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
	ElEntry		entry;
	int64		next;
	int64		committed;

	el_call_begin(fcinfo, &spec, &call);
	next = PG_GETARG_INT64(3);
	el_part_key(&key, call.group, &call.topic->uuid, call.partition);

	el_offsets_prepare_commit();
	el_offsets_ensure();
	el_member_require(call.group, call.member, true, &ref);

	lp = find_delivered(&key, &ref);
	if (lp == NULL && call.member != NULL)
	{
		(void) commit_last_delivered(&ref, &key);
		lp = find_delivered(&key, &ref);
	}
	if (lp == NULL)
		report_not_delivered(&call, &key, &ref);

	(void) el_local_get(&key, call.topic->relid);
	lock_for_commit(lp, &ref, &entry);
	/* somebody's seek() came after the delivery: not to be undone */
	if (!lp->state.commit && lp->state.version != entry.version)
		report_nothing_delivered(call.group, call.topic->relid, call.partition);
	committed = lp->state.commit ? lp->state.committed : entry.next;
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
	PG_RETURN_INT32(commit_part(lp, &entry, next) ? 1 : 0);
}
