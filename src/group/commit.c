/*-------------------------------------------------------------------------
 *
 * commit.c
 *	  commit() and seek(): committed offsets, changed with the transaction.
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
EL_FUNCTION(eventlog_seek);

static void pg_attribute_noreturn()
lost(const char *group, const char *member, Oid topic, int32 partition)
{
	char	   *name = get_rel_name(topic);

	ereport(ERROR,
			(errcode(ERRCODE_EL_FENCED),
			 member != NULL ?
			 errmsg("member \"%s\" of group \"%s\" has lost partition %d of topic \"%s\"",
					member, group, partition, name ? name : "?") :
			 errmsg("this session has lost partition %d of topic \"%s\" in group \"%s\"",
					partition, name ? name : "?", group),
			 errdetail("The partition was given to another member after this one consumed from it."),
			 errhint("Retry the transaction.")));
}

static void pg_attribute_noreturn()
busy(const char *group, Oid topic, int32 partition)
{
	char	   *name = get_rel_name(topic);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("partition %d of topic \"%s\" in group \"%s\" is held by another transaction",
					partition, name ? name : "?", group),
			 errhint("Try again when that transaction has ended; eventlog_lag shows it as blocked_by_pid.")));
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

/* The member that commits; raises unless there is one. */
static void
committing_member(const char *group, const char *member, ElMemberRef *ref)
{
	bool		stale = false;
	ElSlot		g;
	ElSlot		m = EL_NO_SLOT;
	int			xact_pid = 0;

	if (member == NULL)
	{
		if (el_session_member(group, ref, &stale))
		{
			el_group_lock(LW_EXCLUSIVE);
			if (EL_MEMBER(ref->slot)->head.kind == EL_SLOT_MEMBER &&
				EL_MEMBER(ref->slot)->incarnation == ref->incarnation)
				EL_MEMBER(ref->slot)->last_call_ms = el_monotonic_ms();
			el_group_unlock();
			return;
		}
	}
	else
	{
		el_group_lock(LW_EXCLUSIVE);
		g = el_group_find(MyDatabaseId, group);
		if (g != EL_NO_SLOT)
			m = el_member_find(g, member);
		if (m != EL_NO_SLOT)
		{
			ref->slot = m;
			ref->incarnation = EL_MEMBER(m)->incarnation;
			ref->named = true;
			strlcpy(ref->name, member, EL_NAME_SIZE);
			xact_pid = EL_MEMBER(m)->xact_pid;
			if (xact_pid == 0 || xact_pid == MyProcPid)
				EL_MEMBER(m)->last_call_ms = el_monotonic_ms();
		}
		el_group_unlock();
		if (xact_pid != 0 && xact_pid != MyProcPid)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("member \"%s\" of group \"%s\" is busy in a transaction of another session",
							member, group),
					 errdetail("That session's process has PID %d.", xact_pid)));
		if (m != EL_NO_SLOT)
			return;
		stale = el_local_consumed_by(group, member);
	}

	if (stale)
	{
		if (member == NULL)
			el_session_leave(group);
		ereport(ERROR,
				(errcode(ERRCODE_EL_FENCED),
				 member != NULL ?
				 errmsg("member \"%s\" has been put out of group \"%s\"",
						member, group) :
				 errmsg("this session has been put out of group \"%s\"",
						group),
				 errdetail("It made no call within max_poll_interval."),
				 errhint("Retry the transaction.")));
	}
	ereport(ERROR,
			(errcode(ERRCODE_EL_NOT_MEMBER),
			 member != NULL ?
			 errmsg("\"%s\" is not a member of group \"%s\"", member, group) :
			 errmsg("this session is not a member of group \"%s\"", group),
			 errhint("A member joins by consume() and leaves with its session, or after max_poll_interval without a call.")));
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
		if (p->owner != ref->slot || p->owner == EL_NO_SLOT ||
			EL_MEMBER(p->owner)->incarnation != ref->incarnation)
			part = EL_NO_SLOT;
	}
	el_group_unlock();
	return part;
}

/* A member's commit was refused. */
static void
count_fenced(const ElMemberRef *ref)
{
	el_group_lock(LW_EXCLUSIVE);
	if (EL_HEAD(ref->slot)->kind == EL_SLOT_MEMBER &&
		EL_MEMBER(ref->slot)->incarnation == ref->incarnation)
		EL_MEMBER(ref->slot)->fenced_count++;
	el_group_unlock();
}

/*
 * Take the partition for this transaction, on behalf of a member that consumed
 * from it, perhaps in an earlier one.
 */
static void
lock_for_commit(ElLocalPart *lp, const char *group, const char *member,
				const ElMemberRef *ref, ElEntry *entry)
{
	int64		epoch = 0;
	int64		consumed_epoch = lp->epoch;
	Oid			topic = lp->topic;
	int32		partition = lp->key.partition;
	ElSlot		part = owned_part(ref, group, &lp->key.uuid, partition, &epoch);

	if (part == EL_NO_SLOT || epoch != consumed_epoch || !same_member(lp, ref))
	{
		count_fenced(ref);
		el_local_remove(lp);	/* it is told once */
		lost(group, member, topic, partition);
	}
	switch (el_part_lock(lp, part, ref, epoch, false, entry))
	{
		case EL_LOCK_OK:
			break;
		case EL_LOCK_BUSY:
			busy(group, topic, partition);
			break;
		case EL_LOCK_LOST:
			count_fenced(ref);
			lost(group, member, topic, partition);
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
	ElSlot		s;
	int			n = 0;

	el_group_lock(LW_SHARED);
	if (EL_HEAD(ref->slot)->kind == EL_SLOT_MEMBER &&
		EL_MEMBER(ref->slot)->incarnation == ref->incarnation)
	{
		ElMember   *m = EL_MEMBER(ref->slot);

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
commit_last_delivered(const char *group, const char *member,
					  const ElMemberRef *ref, const pg_uuid_t *only_uuid,
					  int32 only_partition, int64 only_next)
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
		lock_for_commit(lp, group, member, ref, &entry);
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

static char *
group_arg(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", "group_name")));
	return el_text_to_name(PG_GETARG_TEXT_PP(0), "group");
}

static void
check_command(const char *name)
{
	el_require_preload();
	el_require_primary(name);
	PreventCommandIfReadOnly(name);
}

/* commit(group_name text, member text): what was consumed so far */
Datum
eventlog_commit(PG_FUNCTION_ARGS)
{
	char	   *group;
	char	   *member = NULL;
	ElGroupConf conf;
	ElMemberRef ref;
	List	   *parts;
	ListCell   *lc;
	int			moved = 0;
	bool		consumed = false;

	check_command("commit()");
	group = group_arg(fcinfo);
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
	committing_member(group, member, &ref);

	/* a session's position may come from earlier transactions */
	parts = el_local_parts(group, member != NULL);
	foreach(lc, parts)
	{
		ElLocalPart *lp = lfirst(lc);
		ElWant		want = {0};
		ElEntry		entry;

		if (lp->member.incarnation == 0 || lp->member.named != (member != NULL) ||
			(member != NULL && strcmp(lp->member.name, member) != 0) ||
			lp->v.position < 0)
			continue;
		consumed |= lp->v.consumed;
		if (lp->v.position <= lp->v.committed)
			continue;			/* nothing new, or sought */
		want.relid = lp->topic;
		want.uuid = lp->key.uuid;
		(void) el_local_get(group, &want, lp->key.partition);
		lock_for_commit(lp, group, member, &ref, &entry);
		if (lp->v.position >= 0 && lp->v.version == entry.version)
			moved += commit_part(lp, &entry, lp->v.position) ? 1 : 0;
	}
	if (member != NULL && !consumed)
		moved += commit_last_delivered(group, member, &ref, NULL, 0, 0);
	list_free(parts);
	PG_RETURN_INT32(moved);
}

/* The topic argument: locked, readable by the caller, and with that partition. */
static ElWant *
topic_arg(FunctionCallInfo fcinfo, int n, int64 partition)
{
	Oid			relid = PG_GETARG_OID(n);
	ElWant	   *want;

	el_check_select(relid);
	LockRelationOid(relid, AccessShareLock);
	want = el_want(relid);
	el_check_partition(want->topic, partition);
	return want;
}

static void
check_not_null(FunctionCallInfo fcinfo, const char *const *names, int n)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("\"%s\" must not be null", names[i])));
	}
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
	char	   *member = NULL;
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

	check_command("commit()");
	check_not_null(fcinfo, names, lengthof(names));
	group = group_arg(fcinfo);
	want = topic_arg(fcinfo, 1, PG_GETARG_INT64(2));
	partition = (int32) PG_GETARG_INT64(2);
	next = PG_GETARG_INT64(3);
	if (!PG_ARGISNULL(4))
		member = el_text_to_member(PG_GETARG_TEXT_PP(4));
	el_group_conf(group, &conf);
	el_group_check_use(&conf);

	el_offsets_prepare_commit();
	el_offsets_ensure();
	committing_member(group, member, &ref);

	lp = el_local_find(group, &want->uuid, partition);
	mine = lp != NULL && lp->v.position >= 0 && same_member(lp, &ref);
	if (!mine && member != NULL)
	{
		(void) commit_last_delivered(group, member, &ref, &want->uuid,
									 partition, next);
		lp = el_local_find(group, &want->uuid, partition);
		mine = lp != NULL && lp->v.position >= 0 && same_member(lp, &ref);
	}
	part = owned_part(&ref, group, &want->uuid, partition, &epoch);
	if (!mine && part == EL_NO_SLOT)
	{
		/* consumed before it was put out and came back: lost, else never had */
		if (lp != NULL && lp->v.position >= 0 && lp->member.incarnation != 0)
			lost(group, member, want->relid, partition);
		ereport(ERROR,
				(errcode(ERRCODE_EL_NOT_OWNED),
				 errmsg("partition %d of topic \"%s\" is not owned by this member of group \"%s\"",
						partition, get_rel_name(want->relid), group)));
	}
	if (!mine)
		nothing_delivered(group, want->relid, partition);

	lp = el_local_get(group, want, partition);
	lock_for_commit(lp, group, member, &ref, &entry);
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

/*
 * seek(group_name text, topic regclass, partition bigint, event_offset
 * bigint): position and committed offset, whoever owns the partition
 */
Datum
eventlog_seek(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"group_name", "topic", "partition", "event_offset"
	};
	char	   *group;
	ElWant	   *want;
	int32		partition;
	int64		offset;
	ElGroupConf conf;
	ElLocalPart *lp;
	ElEntry		entry;
	ElSlot		part;
	ElSlot		g;
	Relation	rel;
	ElLogInfo	info;

	check_command("seek()");
	check_not_null(fcinfo, names, lengthof(names));
	group = group_arg(fcinfo);
	el_group_conf(group, &conf);
	el_group_check_owner(&conf);
	want = topic_arg(fcinfo, 1, PG_GETARG_INT64(2));
	partition = (int32) PG_GETARG_INT64(2);
	offset = PG_GETARG_INT64(3);

	rel = el_open_leaf(want->topic, partition);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("partition %d of topic \"%s\" does not exist",
						partition, get_rel_name(want->relid))));
	el_partition_info(want->topic, partition, rel, &info);
	table_close(rel, AccessShareLock);
	if (offset < info.log_start || offset > info.log_end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset %lld is outside partition %d of topic \"%s\"",
						(long long) offset, partition,
						get_rel_name(want->relid)),
				 errhint("The log goes from %lld to %lld.",
						 (long long) info.log_start,
						 (long long) info.log_end)));

	el_offsets_prepare_commit();
	el_offsets_ensure();
	el_group_lock(LW_EXCLUSIVE);
	g = el_group_get(MyDatabaseId, group);
	part = el_part_get(g, el_group_topic_get(g, &want->uuid, want->relid,
											 want->npartitions), partition);
	el_group_unlock();

	lp = el_local_get(group, want, partition);
	if (el_part_lock(lp, part, NULL, 0, false, &entry) != EL_LOCK_OK)
		busy(group, want->relid, partition);
	el_local_save(lp);
	lp->v.position = offset;
	lp->v.version = entry.version;
	lp->v.committed = offset;
	lp->v.commit = true;
	lp->v.forced = true;
	lp->v.tombstone = false;
	PG_RETURN_VOID();
}

/*
 * drop_group(): tombstones for the group's committed offsets.  Who would go on
 * consuming in it keeps it from being dropped.
 */
void
el_drop_offsets(const char *group)
{
	ElMemberRef me;
	bool		stale;
	bool		session = el_session_member(group, &me, &stale);
	ElSlot		g;
	ElSlot		s;
	ElSlot		ts;
	int			n = 0;
	int			i;
	char		other[EL_NAME_SIZE] = "";
	ElSlot	   *slots = NULL;
	ElWant	   *wants = NULL;
	int32	   *partitions = NULL;

	el_offsets_prepare_commit();
	el_offsets_ensure();

	el_group_lock(LW_SHARED);
	g = el_group_find(MyDatabaseId, group);
	if (g != EL_NO_SLOT)
	{
		for (s = EL_GROUP(g)->first_member; s != EL_NO_SLOT;
			 s = EL_MEMBER(s)->next_member)
		{
			if (!session || s != me.slot)
				strlcpy(other, EL_MEMBER(s)->name, EL_NAME_SIZE);
		}
		slots = palloc_array(ElSlot, EL_GROUP(g)->nparts + 1);
		wants = palloc0_array(ElWant, EL_GROUP(g)->nparts + 1);
		partitions = palloc_array(int32, EL_GROUP(g)->nparts + 1);
		for (ts = EL_GROUP(g)->first_topic; ts != EL_NO_SLOT;
			 ts = EL_TOPIC(ts)->next_topic)
		{
			for (s = EL_TOPIC(ts)->first_part; s != EL_NO_SLOT;
				 s = EL_PART(s)->next_part)
			{
				slots[n] = s;
				wants[n].relid = EL_TOPIC(ts)->relid;
				wants[n].uuid = EL_TOPIC(ts)->uuid;
				partitions[n++] = EL_PART(s)->partition;
			}
		}
	}
	el_group_unlock();

	if (other[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("group \"%s\" has members", group),
				 errdetail("One of them is \"%s\".", other),
				 errhint("Stop its consumers first.")));

	for (i = 0; i < n; i++)
	{
		ElLocalPart *lp;
		ElEntry		entry;

		if (el_entry_read(slots[i], &entry) && entry.next < 0)
			continue;			/* nothing committed there */
		lp = el_local_get(group, &wants[i], partitions[i]);
		if (el_part_lock(lp, slots[i], NULL, 0, false, &entry) != EL_LOCK_OK)
			busy(group, wants[i].relid, partitions[i]);
		el_local_save(lp);
		lp->v.position = -1;
		lp->v.version = entry.version;
		lp->v.committed = -1;
		lp->v.commit = lp->v.forced = lp->v.tombstone = true;
	}
}
