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

#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "group/group.h"

EL_FUNCTION(eventlog_commit);
EL_FUNCTION(eventlog_commit_offset);

static void pg_attribute_noreturn()
lost(const char *group, const ElMemberRef *ref, Oid topic, int32 partition)
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

static void pg_attribute_noreturn()
nothing_delivered(const char *group, Oid topic, int32 partition)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("nothing was delivered from partition %d of topic \"%s\" to this member of group \"%s\"",
					partition, get_rel_name(topic), group),
			 errhint("Use seek() to move a group to another offset.")));
}

static bool
same_member(const ElLocalPart *lp, const ElMemberRef *ref)
{
	return lp->member.incarnation == ref->incarnation;
}

/* The partition's slot and since when the member owns it; EL_NO_SLOT if it does not. */
static ElSlot
owned_part(const ElMemberRef *ref, const char *group, const pg_uuid_t *uuid,
		   int32 partition, int64 *epoch)
{
	ElSlot		g;
	ElSlot		part = EL_NO_SLOT;

	el_group_lock(LW_SHARED);
	g = el_group_find(MyDatabaseId, group);
	if (g != EL_NO_SLOT)
		part = el_part_find(g, uuid, partition);
	if (part != EL_NO_SLOT)
	{
		ElPart	   *p = EL_PART(part);

		*epoch = p->epoch;
		if (p->owner != ref->slot || el_member_of_ref(ref) == NULL)
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
 * Take the partition for this transaction, on behalf of a member that consumed
 * from it, perhaps in an earlier one.
 */
static void
lock_for_commit(ElLocalPart *lp, const char *group, const ElMemberRef *ref,
				ElEntry *entry)
{
	int64		epoch = 0;
	int64		consumed_epoch = lp->epoch;
	Oid			topic = lp->topic;
	int32		partition = lp->key.partition;
	ElSlot		part = owned_part(ref, group, &lp->key.uuid, partition, &epoch);

	if (part == EL_NO_SLOT || epoch != consumed_epoch || !same_member(lp, ref) ||
		lp->lost)
	{
		count_fenced(ref);
		el_local_remove(lp);	/* it is told once */
		lost(group, ref, topic, partition);
	}
	switch (el_part_lock(lp, part, ref, epoch, false, entry))
	{
		case EL_LOCK_OK:
			break;
		case EL_LOCK_BUSY:
			el_part_busy(group, topic, partition);
			break;
		case EL_LOCK_LOST:
			count_fenced(ref);
			lost(group, ref, topic, partition);
			break;
	}
}

/* Commit a part up to next; true if that moves it. */
static bool
commit_part(ElLocalPart *lp, const ElEntry *entry, int64 next)
{
	int64		before = lp->v.commit ? lp->v.committed : entry->next;

	if (next == before)
		return false;
	el_local_save(lp);
	lp->v.version = entry->version;
	lp->v.committed = next;
	lp->v.commit = true;
	return true;
}

/*
 * What a named member's last consuming transaction delivered becomes this
 * transaction's to commit.
 */
typedef struct Delivered
{
	ElSlot		part;
	pg_uuid_t	uuid;
	Oid			relid;
	int32		partition;
	int64		epoch;
	int64		delivered;
} Delivered;

static int
last_delivered(const ElMemberRef *ref, Delivered **result)
{
	ElMember   *m;
	ElSlot		s;
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
			d->part = s;
			d->uuid = EL_TOPIC(p->topic)->uuid;
			d->relid = EL_TOPIC(p->topic)->relid;
			d->partition = p->partition;
			d->epoch = p->epoch;
			d->delivered = p->delivered;
		}
	}
	el_group_unlock();
	return n;
}

static int
commit_last_delivered(const char *group, const ElMemberRef *ref,
					  const pg_uuid_t *only_uuid, int32 only_partition)
{
	Delivered  *list = NULL;
	int			n = last_delivered(ref, &list);
	int			moved = 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		Delivered  *d = &list[i];
		ElWant		want = {0};
		ElLocalPart *lp;
		ElEntry		entry;

		if (only_uuid != NULL &&
			(only_partition != d->partition ||
			 memcmp(only_uuid, &d->uuid, UUID_LEN) != 0))
			continue;
		if (get_rel_relkind(d->relid) == '\0')
			continue;			/* the topic is gone */
		el_check_select(d->relid);	/* it was perhaps another role that consumed */
		want.relid = d->relid;
		want.uuid = d->uuid;
		lp = el_local_get(group, &want, d->partition);
		if (lp->v.commit)
			continue;			/* this transaction's business already */
		lp->member = *ref;
		lp->epoch = d->epoch;
		lock_for_commit(lp, group, ref, &entry);
		if (only_uuid == NULL && d->delivered <= entry.next)
			continue;			/* committed, or sought past, meanwhile */
		el_local_save(lp);
		lp->v.position = d->delivered;
		lp->v.version = entry.version;
		lp->v.committed = entry.next;
		if (only_uuid == NULL)
			moved += commit_part(lp, &entry, d->delivered) ? 1 : 0;
	}
	return moved;
}

/* commit(group_name text, member text): what was consumed so far */
Datum
eventlog_commit(PG_FUNCTION_ARGS)
{
	char	   *group;
	ElMemberName *member = NULL;
	ElGroupConf conf;
	ElMemberRef ref;
	List	   *parts;
	ListCell   *lc;
	int			moved = 0;
	bool		consumed = false;

	el_require_write("commit()");
	group = el_group_arg(fcinfo);
	if (!PG_ARGISNULL(1))
		member = el_text_to_member(PG_GETARG_TEXT_PP(1));
	el_group_conf(group, &conf);
	el_group_check_use(&conf);

	/*
	 * Anybody can give a member's name: only who may read its topics commits
	 * for it, or keeps it alive.
	 */
	if (member != NULL)
		list_free_deep(el_member_topics(&conf, member));

	el_offsets_prepare_commit();
	el_offsets_ensure();
	el_member_require(group, member, true, &ref);

	/* a session's position may come from earlier transactions */
	parts = el_local_parts(group, member != NULL);
	foreach(lc, parts)
	{
		ElLocalPart *lp = lfirst(lc);
		ElWant		want = {0};
		ElEntry		entry;

		if (lp->member.incarnation == 0 || lp->member.named != (member != NULL) ||
			(member != NULL && strcmp(lp->member.name, member->name) != 0))
			continue;
		consumed |= lp->v.consumed;
		if (lp->v.position <= lp->v.committed && !lp->lost)
			continue;			/* nothing new, or sought, or forgotten */
		want.relid = lp->topic;
		want.uuid = lp->key.uuid;
		(void) el_local_get(group, &want, lp->key.partition);
		lock_for_commit(lp, group, &ref, &entry);
		if (lp->v.position >= 0 && lp->v.version == entry.version)
			moved += commit_part(lp, &entry, lp->v.position) ? 1 : 0;
	}
	if (member != NULL && !consumed)
		moved += commit_last_delivered(group, &ref, NULL, 0);
	list_free(parts);
	PG_RETURN_INT32(moved);
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
	char	   *group;
	ElMemberName *member = NULL;
	ElWant	   *want;
	int32		partition;
	int64		next;
	ElGroupConf conf;
	ElMemberRef ref;
	ElLocalPart *lp;
	ElEntry		entry;
	ElSlot		part;
	int64		epoch = 0;
	int64		committed;
	bool		mine;

	el_require_write("commit()");
	el_args_not_null(fcinfo, names, lengthof(names));
	group = el_group_arg(fcinfo);
	want = el_topic_arg(fcinfo, 1, PG_GETARG_INT64(2));
	partition = (int32) PG_GETARG_INT64(2);
	next = PG_GETARG_INT64(3);
	if (!PG_ARGISNULL(4))
		member = el_text_to_member(PG_GETARG_TEXT_PP(4));
	el_group_conf(group, &conf);
	el_group_check_use(&conf);

	el_offsets_prepare_commit();
	el_offsets_ensure();
	el_member_require(group, member, true, &ref);

	lp = el_local_find(group, &want->uuid, partition);
	mine = lp != NULL && lp->v.position >= 0 && same_member(lp, &ref);
	if (!mine && member != NULL)
	{
		(void) commit_last_delivered(group, &ref, &want->uuid, partition);
		lp = el_local_find(group, &want->uuid, partition);
		mine = lp != NULL && lp->v.position >= 0 && same_member(lp, &ref);
	}
	part = owned_part(&ref, group, &want->uuid, partition, &epoch);
	if (!mine)
	{
		/* consumed before it was put out or replaced, and came back */
		if (lp != NULL && lp->v.position >= 0 && lp->member.incarnation != 0)
			lost(group, &ref, want->relid, partition);
		if (part == EL_NO_SLOT)
			ereport(ERROR,
					(errcode(ERRCODE_EL_NOT_OWNED),
					 errmsg("partition %d of topic \"%s\" is not owned by this member of group \"%s\"",
							partition, get_rel_name(want->relid), group)));
		nothing_delivered(group, want->relid, partition);
	}

	lp = el_local_get(group, want, partition);
	lock_for_commit(lp, group, &ref, &entry);
	/* somebody's seek() came after the delivery: not to be undone */
	if (!lp->v.commit && lp->v.version != entry.version)
		nothing_delivered(group, want->relid, partition);
	committed = lp->v.commit ? lp->v.committed : entry.next;
	if (next < committed || next > lp->v.position || next < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset %lld cannot be committed for partition %d of topic \"%s\"",
						(long long) next, partition,
						get_rel_name(want->relid)),
				 errdetail("Group \"%s\" has committed %lld and was delivered events up to %lld.",
						   group, (long long) Max(committed, 0),
						   (long long) lp->v.position),
				 errhint("Use seek() to move a group to another offset.")));
	PG_RETURN_INT32(commit_part(lp, &entry, next) ? 1 : 0);
}
