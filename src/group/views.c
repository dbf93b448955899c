/*-------------------------------------------------------------------------
 *
 * views.c
 *	  eventlog_partitions, eventlog_groups, eventlog_members, eventlog_lag.
 *
 * State is copied out of shared memory under its lock first; rows are made
 * after that.  On a standby there is no coordinator: what the views know
 * there comes from the tables.
 *
 * IDENTIFICATION
 *	  src/group/views.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/subtrans.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "group/group.h"
#include "storage/reader.h"
#include "storage/search.h"
#include "storage/stable.h"

EL_FUNCTION(eventlog_partitions);
EL_FUNCTION(eventlog_groups);
EL_FUNCTION(eventlog_members);
EL_FUNCTION(eventlog_lag);

/*
 * What the caller may see
 */
static bool
may_see_all(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
}

/* All topics the caller may see, but not ours; locked. */
static List *
visible_topics(void)
{
	Oid			internal = get_namespace_oid(EL_INTERNAL_SCHEMA, true);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, el_all_topics())
	{
		Oid			relid = lfirst_oid(lc);
		ElTopic    *t;

		if (get_rel_relkind(relid) == '\0' ||
			get_rel_namespace(relid) == internal || !el_may_see_topic(relid))
			continue;
		LockRelationOid(relid, AccessShareLock);
		t = get_rel_relkind(relid) == '\0' ? NULL : el_topic_or_null(relid);
		if (t != NULL)
			result = lappend(result, t);
		else
			UnlockRelationOid(relid, AccessShareLock);
	}
	return result;
}

/* What is asked for in a row is mostly the same: the last answer is kept in *last. */
static ElTopic *
topic_by_uuid(List *topics, const pg_uuid_t *uuid, ElTopic **last)
{
	ListCell   *lc;

	if (*last != NULL && memcmp(&(*last)->uuid, uuid, UUID_LEN) == 0)
		return *last;
	foreach(lc, topics)
	{
		ElTopic    *t = lfirst(lc);

		if (memcmp(&t->uuid, uuid, UUID_LEN) == 0)
			return *last = t;
	}
	return NULL;
}

/*
 * eventlog_partitions
 */

/* Who is the transaction that readers of a partition wait for? */
static void
find_blocker(FullTransactionId fxid, Datum *values, bool *nulls)
{
	TransactionId xid;
	int			pid;
	Oid			types[2];
	Datum		args[2];

	nulls[0] = nulls[1] = nulls[2] = true;
	if (!FullTransactionIdIsValid(fxid) || RecoveryInProgress())
		return;
	xid = XidFromFullTransactionId(fxid);
	if (!TransactionIdFollowsOrEquals(xid, TransactionXmin))
		return;
	xid = SubTransGetTopmostTransaction(xid);
	pid = BackendXidGetPid(xid);

	SPI_connect();
	if (pid != 0)
	{
		values[0] = Int32GetDatum(pid);
		nulls[0] = false;
		types[0] = INT4OID;
		args[0] = Int32GetDatum(pid);
		if (SPI_execute_with_args("SELECT xact_start FROM pg_catalog.pg_stat_get_activity($1)",
								  1, types, args, NULL, true, 1) == SPI_OK_SELECT &&
			SPI_processed > 0)
			values[2] = SPI_getbinval(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc, 1, &nulls[2]);
	}
	else
	{
		types[0] = XIDOID;
		args[0] = TransactionIdGetDatum(xid);
		if (SPI_execute_with_args("SELECT gid, prepared FROM pg_catalog.pg_prepared_xacts"
								  " WHERE transaction OPERATOR(pg_catalog.=) $1",
								  1, types, args, NULL, true, 1) == SPI_OK_SELECT &&
			SPI_processed > 0)
		{
			char	   *gid = SPI_getvalue(SPI_tuptable->vals[0],
										   SPI_tuptable->tupdesc, 1);

			if (gid != NULL)
			{
				text	   *t = cstring_to_text(gid);

				values[1] = PointerGetDatum(SPI_palloc(VARSIZE(t)));
				memcpy(DatumGetPointer(values[1]), t, VARSIZE(t));
				nulls[1] = false;
			}
			values[2] = SPI_getbinval(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc, 2, &nulls[2]);
		}
	}
	SPI_finish();
}

/* What eventlog_partitions shows of one. */
typedef struct PartitionLook
{
	bool		exists;			/* its table does */
	int64		bytes;
	ElLogInfo	info;
	int64		stable;
	FullTransactionId stop;
} PartitionLook;

static void
look_at_log(ElTopic *t, int32 partition, Relation leaf, void *arg)
{
	PartitionLook *look = arg;

	look->exists = true;
	look->bytes = (int64) RelationGetNumberOfBlocks(leaf) * BLCKSZ;
	el_partition_info(t, partition, leaf, &look->info);
	look->stable = el_log_stable_offset(leaf, GetActiveSnapshot(), &look->stop);
	if (!look->info.exists)
		look->stable = look->info.log_end;
}

Datum
eventlog_partitions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, visible_topics())
	{
		ElTopic    *t = lfirst(lc);
		int32		p;

		for (p = 0; p < t->npartitions; p++)
		{
			Datum		values[10];
			bool		nulls[10] = {false};
			PartitionLook look = {0};
			ElLogInfo  *info = &look.info;
			bool		readable;

			CHECK_FOR_INTERRUPTS();
			readable = el_probe_partition(t, p, look_at_log, &look);
			if (!look.exists)
				continue;
			values[0] = ObjectIdGetDatum(t->relid);
			values[1] = Int32GetDatum(p);
			values[2] = Int64GetDatum(info->log_start);
			values[3] = Int64GetDatum(info->log_end);
			values[4] = Int64GetDatum(look.stable);
			values[5] = Int64GetDatum(info->exists ?
									  (int64) (info->end_seg - info->first_seg) : 0);
			values[6] = Int64GetDatum(look.bytes);
			nulls[7] = nulls[8] = nulls[9] = true;
			if (!readable)
				nulls[2] = nulls[3] = nulls[4] = nulls[5] = true;
			else if (look.stable < info->log_end)
				find_blocker(look.stop, &values[7], &nulls[7]);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
								 nulls);
		}
	}
	return (Datum) 0;
}

/*
 * What is known about groups, copied out of shared memory
 */
typedef struct PartCopy
{
	pg_uuid_t	uuid;
	int32		partition;
	ElEntry		entry;
	char		owner[EL_NAME_SIZE];
	int32		holder;
	bool		moving;			/* owner is not yet who it shall be */
	int64		delivered;
	int64		events_lost;
	TimestampTz stuck_since;
	int32		redeliveries;
} PartCopy;

typedef struct MemberCopy
{
	char		name[EL_NAME_SIZE];
	bool		named;
	int32		pid;
	int32		xact_pid;
	int32		nowned;
	int64		epoch;
	uint64		incarnation;
	int64		fenced_count;
	TimestampTz last_seen;
	int			ntopics;
	Oid		   *topics;
} MemberCopy;

typedef struct GroupCopy
{
	char		name[EL_NAME_SIZE];
	ElGroupConf conf;
	int32		use;
	int64		epoch;
	bool		changing;
	int			nmembers;
	MemberCopy *members;
	int			nparts;
	PartCopy   *parts;
} GroupCopy;

static void
copy_group(ElSlot gs, GroupCopy *c)
{
	ElGroup    *g = EL_GROUP(gs);
	ElSlot		s;
	ElSlot		ts;

	strlcpy(c->name, g->name, EL_NAME_SIZE);
	c->use = g->use;
	c->epoch = g->epoch;
	c->changing = g->epoch != g->assignment_epoch;
	c->nmembers = c->nparts = 0;
	c->members = palloc0_array(MemberCopy, g->nmembers + 1);
	c->parts = palloc0_array(PartCopy, g->nparts + 1);
	for (s = g->first_member; s != EL_NO_SLOT; s = EL_MEMBER(s)->next_member)
	{
		ElMember   *m = EL_MEMBER(s);
		MemberCopy *mc = &c->members[c->nmembers++];
		ElSlot		sub;
		int			n = 0;

		strlcpy(mc->name, m->name, EL_NAME_SIZE);
		mc->named = m->named;
		mc->pid = m->pid;
		mc->xact_pid = m->xact_pid;
		mc->nowned = m->nowned;
		mc->epoch = m->epoch;
		mc->incarnation = m->incarnation;
		mc->fenced_count = m->fenced_count;
		mc->last_seen = m->last_seen;
		for (sub = m->first_sub; sub != EL_NO_SLOT; sub = EL_SUB(sub)->next_sub)
			n++;
		mc->topics = palloc_array(Oid, n + 1);
		for (sub = m->first_sub; sub != EL_NO_SLOT; sub = EL_SUB(sub)->next_sub)
			mc->topics[mc->ntopics++] = EL_TOPIC(EL_SUB(sub)->topic)->relid;
	}
	for (ts = g->first_topic; ts != EL_NO_SLOT; ts = EL_TOPIC(ts)->next_topic)
	{
		for (s = EL_TOPIC(ts)->first_part; s != EL_NO_SLOT;
			 s = EL_PART(s)->next_part)
		{
			ElPart	   *p = EL_PART(s);
			PartCopy   *pc = &c->parts[c->nparts++];

			pc->uuid = EL_TOPIC(ts)->uuid;
			pc->partition = p->partition;
			el_entry_copy(s, &pc->entry);
			if (p->owner != EL_NO_SLOT)
				strlcpy(pc->owner, EL_MEMBER(p->owner)->name, EL_NAME_SIZE);
			pc->holder = p->holder;
			pc->moving = p->owner != p->target;
			c->changing |= pc->moving && g->nmembers > 0;
			pc->delivered = p->delivered;
			pc->events_lost = p->events_lost;
			pc->stuck_since = p->stuck_since;
			pc->redeliveries = p->redeliveries;
		}
	}
}

static int
compare_parts(const void *a, const void *b)
{
	const PartCopy *pa = a;
	const PartCopy *pb = b;
	int			c = memcmp(&pa->uuid, &pb->uuid, UUID_LEN);

	return c != 0 ? c : pa->partition - pb->partition;
}

static int
compare_groups(const ListCell *a, const ListCell *b)
{
	return strcmp(((GroupCopy *) lfirst(a))->name,
				  ((GroupCopy *) lfirst(b))->name);
}

static GroupCopy *
group_copy_get(List **groups, const char *name)
{
	ListCell   *lc;
	GroupCopy  *c;

	foreach(lc, *groups)
	{
		c = lfirst(lc);
		if (strcmp(c->name, name) == 0)
			return c;
	}
	c = palloc0(sizeof(GroupCopy));
	strlcpy(c->name, name, EL_NAME_SIZE);
	*groups = lappend(*groups, c);
	return c;
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
		GroupCopy  *c;
		PartCopy   *p;

		if (o->next < 0)
			continue;
		c = group_copy_get(groups, o->key.group);
		if (c->nparts == 0)
			c->parts = palloc0_array(PartCopy, 8);
		else if (c->nparts >= 8 && (c->nparts & (c->nparts - 1)) == 0)
			c->parts = repalloc(c->parts, sizeof(PartCopy) * c->nparts * 2);
		p = &c->parts[c->nparts++];
		memset(p, 0, sizeof(*p));
		p->uuid = o->key.uuid;
		p->partition = o->key.partition;
		p->entry.next = o->next;
		p->entry.version = o->version;
		p->entry.fxid = o->fxid;
		p->delivered = -1;
	}
}

/* All groups of this database, sorted by name. */
static List *
all_groups(void)
{
	List	   *groups = NIL;
	ListCell   *lc;

	if (el_shared == NULL || RecoveryInProgress())
		read_offsets(&groups);
	else
	{
		ElSlot		s;

		el_offsets_lock(LW_SHARED);
		for (s = el_shared->first_group; s != EL_NO_SLOT;
			 s = EL_GROUP(s)->next_group)
		{
			GroupCopy  *c;

			if (EL_GROUP(s)->dbid != MyDatabaseId)
				continue;
			c = palloc0(sizeof(GroupCopy));
			copy_group(s, c);
			groups = lappend(groups, c);
		}
		el_group_unlock();
	}
	/* and those with a row that nobody has used yet */
	foreach(lc, el_group_confs())
		(void) group_copy_get(&groups, ((ElGroupConf *) lfirst(lc))->name);

	list_sort(groups, compare_groups);
	foreach(lc, groups)
	{
		GroupCopy  *c = lfirst(lc);
		int			i;

		el_group_conf(c->name, &c->conf);
		for (i = 0; i < c->nparts; i++)
			(void) el_entry_resolve(&c->parts[i].entry);
		qsort(c->parts, c->nparts, sizeof(PartCopy), compare_parts);
	}
	return groups;
}

/* Topics of a group that the caller may see. */
static List *
topics_of_group(const GroupCopy *c, List *topics)
{
	List	   *result = NIL;
	ElTopic    *last = NULL;
	int			i;

	for (i = 0; i < c->nparts; i++)
	{
		ElTopic    *t = topic_by_uuid(topics, &c->parts[i].uuid, &last);

		if (t != NULL)
			result = list_append_unique_ptr(result, t);
	}
	return result;
}

/* A group is seen by who owns it, was granted it, or sees one of its topics. */
static bool
may_see_group(const GroupCopy *c, List *group_topics)
{
	if (may_see_all() || group_topics != NIL)
		return true;
	return c->conf.exists && el_group_may_use(&c->conf);
}

static Datum
oid_array(const Oid *oids, int n)
{
	Datum	   *datums = palloc_array(Datum, n + 1);
	int			i;

	for (i = 0; i < n; i++)
		datums[i] = ObjectIdGetDatum(oids[i]);
	return PointerGetDatum(construct_array(datums, n, REGCLASSOID, sizeof(Oid),
										   true, TYPALIGN_INT));
}

/*
 * Lag
 *
 * What the groups lag behind is looked at once per partition and call, however
 * many groups there are.
 */
typedef struct LogEnd
{
	Oid			leaf;			/* hash key */
	bool		exists;
	int64		log_start;
	int64		log_end;
	int64		visible_end;	/* end of the last committed batch before the stable offset */
} LogEnd;

static HTAB *
new_log_ends(void)
{
	HASHCTL		ctl;

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(LogEnd);
	ctl.hcxt = CurrentMemoryContext;
	return hash_create("eventlog log ends", 64, &ctl,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Aborted batches at the end do not count: nobody can ever commit behind them.
 */
static void
look_at_end(ElTopic *t, int32 partition, Relation leaf, void *arg)
{
	LogEnd	   *e = arg;
	ElLogInfo	info;

	el_partition_info(t, partition, leaf, &info);
	e->log_start = info.log_start;
	e->log_end = info.log_end;
	e->visible_end = info.exists ?
		el_log_latest(leaf, GetActiveSnapshot(), info.log_start) :
		info.log_end;
	e->exists = true;
}

/* NULL if there is no such partition, or it cannot be looked at. */
static LogEnd *
log_end(HTAB *ends, ElTopic *t, int32 partition)
{
	Oid			leaf = partition < t->npartitions ? t->leaves[partition] : InvalidOid;
	LogEnd	   *e;
	bool		found;

	if (!OidIsValid(leaf))
		return NULL;
	e = hash_search(ends, &leaf, HASH_ENTER, &found);
	if (found)
		return e->exists ? e : NULL;
	e->exists = false;
	(void) el_probe_partition(t, partition, look_at_end, e);
	return e->exists ? e : NULL;
}

/* Is the partition in use by the group: committed, owned or delivered from? */
static bool
part_in_use(const PartCopy *p)
{
	return p->entry.next >= 0 || p->owner[0] != '\0' || p->delivered >= 0;
}

/* Offsets between the committed one and the last that could be consumed. */
static int64
lag_of(const PartCopy *p, const LogEnd *e)
{
	return Max(e->visible_end - Max(p->entry.next, e->log_start), 0);
}

/* What the group has passed over, and what is gone while it has not come that far. */
static int64
events_lost(const PartCopy *p, const LogEnd *e)
{
	int64		lost = p->events_lost;

	if (p->entry.next >= 0 && p->entry.next < e->log_start)
		lost += e->log_start - p->entry.next;
	return lost;
}

typedef struct AgeLook
{
	int64		offset;
	double		seconds;
} AgeLook;

static void
look_at_age(ElTopic *t, int32 partition, Relation leaf, void *arg)
{
	AgeLook    *look = arg;
	ElReader   *r = el_reader_begin(leaf, GetActiveSnapshot(), EL_READ_STABLE);
	ElRecord	rec;

	if (el_reader_seek(r, look->offset) != EL_SEEK_AT_END &&
		el_reader_next(r, &rec))
		look->seconds = (el_now_ms() - rec.timestamp) / 1000.0;
	el_reader_end(r);
}

/* Age of the first event that was not consumed; -1 if it is gone, or damaged. */
static double
lag_seconds(ElTopic *t, const PartCopy *p, const LogEnd *e)
{
	AgeLook		look = {Max(p->entry.next, e->log_start), -1};

	(void) el_probe_partition(t, p->partition, look_at_age, &look);
	return look.seconds;
}

/* Epochs are counted from a random number that makes them unique; people need only the rest. */
static int64
shown_epoch(int64 epoch)
{
	return epoch & PG_UINT32_MAX;
}

Datum
eventlog_groups(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *topics = visible_topics();
	HTAB	   *ends = new_log_ends();
	ElTopic    *last = NULL;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, all_groups())
	{
		GroupCopy  *c = lfirst(lc);
		List	   *group_topics = topics_of_group(c, topics);
		Datum		values[7];
		bool		nulls[7] = {false};
		const char *state;
		Oid		   *oids;
		int			n = 0;
		int			i;
		int64		lag = 0;
		bool		used = false;
		bool		committed = false;
		ListCell   *lc2;

		if (!may_see_group(c, group_topics))
			continue;
		for (i = 0; i < c->nparts; i++)
		{
			ElTopic    *t = topic_by_uuid(topics, &c->parts[i].uuid, &last);
			LogEnd	   *e;

			used |= part_in_use(&c->parts[i]) || c->parts[i].holder != 0;
			committed |= c->parts[i].entry.next >= 0;
			if (t != NULL && part_in_use(&c->parts[i]) &&
				(e = log_end(ends, t, c->parts[i].partition)) != NULL)
				lag += lag_of(&c->parts[i], e);
		}
		if (!c->conf.exists && c->nmembers == 0 && !used)
			continue;			/* only remembered, for a while */

		if (c->nmembers > 0)
			state = c->changing ? "rebalancing" : "stable";
		else if (c->use == EL_USE_CLAIMS)
			state = "claims";
		else
			state = "empty";

		oids = palloc_array(Oid, list_length(group_topics) + 1);
		foreach(lc2, group_topics)
			oids[n++] = ((ElTopic *) lfirst(lc2))->relid;

		values[0] = CStringGetTextDatum(c->name);
		values[1] = ObjectIdGetDatum(c->conf.owner);
		nulls[1] = !c->conf.exists;
		values[2] = CStringGetTextDatum(state);
		values[3] = Int64GetDatum(shown_epoch(c->epoch));
		nulls[3] = c->epoch == 0;
		values[4] = Int64GetDatum(c->nmembers);
		values[5] = oid_array(oids, n);
		values[6] = Int64GetDatum(lag);
		nulls[6] = !used && !committed;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* What a member is doing. */
static const char *
member_state(const MemberCopy *m)
{
	if (m->xact_pid != 0)
		return "working";
	return el_waits(m->pid) ? "waiting" : "idle";
}

/* A member's topics, but for those the caller may not see. */
static Datum
visible_topics_of(const MemberCopy *m, List *topics)
{
	Oid		   *oids = palloc_array(Oid, m->ntopics + 1);
	int			n = 0;
	int			i;
	ListCell   *lc;

	for (i = 0; i < m->ntopics; i++)
	{
		foreach(lc, topics)
		{
			if (((ElTopic *) lfirst(lc))->relid == m->topics[i])
				oids[n++] = m->topics[i];
		}
	}
	return oid_array(oids, n);
}

Datum
eventlog_members(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *topics = visible_topics();
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, all_groups())
	{
		GroupCopy  *c = lfirst(lc);
		int			i;

		if (!may_see_group(c, topics_of_group(c, topics)))
			continue;
		for (i = 0; i < c->nmembers; i++)
		{
			MemberCopy *m = &c->members[i];
			Datum		values[12];
			bool		nulls[12] = {false};
			Oid			types[1] = {INT4OID};
			Datum		args[1];
			int			pid = m->named ? m->xact_pid : m->pid;

			CHECK_FOR_INTERRUPTS();
			values[0] = CStringGetTextDatum(c->name);
			values[1] = CStringGetTextDatum(m->name);
			values[2] = CStringGetTextDatum(m->named ? "named" : "session");
			values[3] = Int32GetDatum(pid);
			nulls[3] = pid == 0;
			nulls[4] = true;
			if (pid != 0)
			{
				args[0] = Int32GetDatum(pid);
				SPI_connect();
				if (SPI_execute_with_args("SELECT application_name FROM pg_catalog.pg_stat_get_activity($1)",
										  1, types, args, NULL, true, 1) == SPI_OK_SELECT &&
					SPI_processed > 0)
				{
					char	   *name = SPI_getvalue(SPI_tuptable->vals[0],
													SPI_tuptable->tupdesc, 1);

					if (name != NULL)
					{
						text	   *t = cstring_to_text(name);

						values[4] = PointerGetDatum(SPI_palloc(VARSIZE(t)));
						memcpy(DatumGetPointer(values[4]), t, VARSIZE(t));
						nulls[4] = false;
					}
				}
				SPI_finish();
			}
			values[5] = visible_topics_of(m, topics);
			values[6] = Int64GetDatum(m->nowned);
			values[7] = Int64GetDatum(shown_epoch(m->epoch));
			values[8] = TimestampTzGetDatum(m->last_seen);
			values[9] = Int64GetDatum(m->fenced_count);
			values[10] = CStringGetTextDatum(member_state(m));
			values[11] = Int64GetDatum((int64) m->incarnation);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
								 nulls);
		}
	}
	return (Datum) 0;
}

Datum
eventlog_lag(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *topics = visible_topics();
	HTAB	   *ends = new_log_ends();
	ElTopic    *last = NULL;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, all_groups())
	{
		GroupCopy  *c = lfirst(lc);
		int			i;

		for (i = 0; i < c->nparts; i++)
		{
			PartCopy   *p = &c->parts[i];
			ElTopic    *t = topic_by_uuid(topics, &p->uuid, &last);
			Datum		values[13];
			bool		nulls[13] = {false};
			LogEnd	   *e;
			int64		lag;
			double		seconds = -1;

			CHECK_FOR_INTERRUPTS();
			if (t == NULL || (!part_in_use(p) && p->holder == 0) ||
				(e = log_end(ends, t, p->partition)) == NULL)
				continue;
			lag = lag_of(p, e);
			if (lag > 0)
				seconds = lag_seconds(t, p, e);
			values[0] = CStringGetTextDatum(c->name);
			values[1] = ObjectIdGetDatum(t->relid);
			values[2] = Int32GetDatum(p->partition);
			values[3] = CStringGetTextDatum(p->owner);
			nulls[3] = p->owner[0] == '\0';
			values[4] = Int64GetDatum(p->entry.next);
			nulls[4] = p->entry.next < 0;
			values[5] = Int64GetDatum(p->delivered);
			nulls[5] = p->delivered < 0;
			values[6] = Int64GetDatum(e->log_end);
			values[7] = Int64GetDatum(lag);
			values[8] = Float8GetDatum(seconds);
			nulls[8] = seconds < 0;
			values[9] = Int64GetDatum(p->redeliveries);
			values[10] = TimestampTzGetDatum(p->stuck_since);
			nulls[10] = p->redeliveries == 0;
			values[11] = Int64GetDatum(events_lost(p, e));
			values[12] = Int32GetDatum(p->holder);
			nulls[12] = p->holder == 0;
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
								 nulls);
		}
	}
	return (Datum) 0;
}
