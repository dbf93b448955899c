/*-------------------------------------------------------------------------
 *
 * groups.c
 *	  create_group(), alter_group(), drop_group(), grant_group(), revoke_group().
 *
 * A group's row has its options, owner and grants (catalog.c); its committed
 * offsets are events, so dropping a group writes tombstones for them, with the
 * transaction, and its members leave when that commits (notes.c).
 *
 * IDENTIFICATION
 *	  src/group/groups.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "base/compat.h"
#include "base/errors.h"
#include "group/arguments.h"
#include "group/begin.h"
#include "group/catalog.h"
#include "group/groups.h"
#include "group/local.h"
#include "group/notes.h"
#include "group/offsets.h"
#include "group/offsets_append.h"
#include "group/part_lock.h"
#include "group/session.h"
#include "group/slots.h"
#include "storage/lmgr.h"
#include "topic/topic.h"
#include "topic/uuids.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"


EL_FUNCTION(eventlog_create_group);
EL_FUNCTION(eventlog_alter_group);
EL_FUNCTION(eventlog_drop_group);
EL_FUNCTION(eventlog_grant_group);
EL_FUNCTION(eventlog_revoke_group);

/*
 * The owner of a group may drop its committed offsets and say who uses it.  So
 * a role that creates a group which others use already, under the defaults, must
 * have the right to read what they read.  42501.
 */
static void
check_may_create(const char *name)
{
	ElSlotNo	g;
	ElSlotNo	s;
	ElSlotNo	ts;
	ElEntry    *entries = NULL;
	pg_uuid_t  *uuids = NULL;
	bool	   *used = NULL;
	ListCell   *lc;
	int			n = 0;
	int			i;

	el_group_lock_with_offsets(name, LW_SHARED);
	g = el_group_find(MyDatabaseId, name);
	if (g != EL_NO_SLOT)
	{
		entries = palloc_array(ElEntry, EL_GROUP(g)->nparts + 1);
		uuids = palloc_array(pg_uuid_t, EL_GROUP(g)->nparts + 1);
		used = palloc_array(bool, EL_GROUP(g)->nparts + 1);
		for (ts = EL_GROUP(g)->first_topic; ts != EL_NO_SLOT;
			 ts = EL_TOPIC(ts)->next_topic)
		{
			for (s = EL_TOPIC(ts)->first_part; s != EL_NO_SLOT;
				 s = EL_PART(s)->next_part)
			{
				el_entry_copy(s, &entries[n]);
				uuids[n] = EL_TOPIC(ts)->uuid;
				used[n++] = EL_TOPIC(ts)->nsubscribers > 0 ||
					EL_PART(s)->holder != 0;
			}
		}
	}
	el_group_unlock();
	if (n == 0)
		return;

	/* by uuid: what is known only from its offsets has no OID here */
	foreach(lc, el_all_topics())
	{
		ElTopic    *t = el_topic_lock_if_there(lfirst_oid(lc), AccessShareLock,
											   true);

		if (t == NULL)
			continue;
		if (pg_class_aclcheck(t->relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		{
			ElEntry		mark;
			bool		in_use = !el_mark_read(name, &t->uuid, &mark) ||
				mark.next >= 0;

			for (i = 0; i < n && !in_use; i++)
				in_use = memcmp(&t->uuid, &uuids[i], UUID_LEN) == 0 &&
					(used[i] || !el_entry_resolve(&entries[i]) ||
					 entries[i].next >= 0);
			if (in_use)
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("group \"%s\" is in use", name),
						 errdetail("Others use it with topics that you may not read.")));
		}
		UnlockRelationOid(lfirst_oid(lc), AccessShareLock);
	}
}

static void
forget_grants(const char *name)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(name)};

	(void) el_internal_sql("DELETE FROM _eventlog.group_grants WHERE group_name OPERATOR(pg_catalog.=) $1",
						   1, types, values);
}

static void report_no_group(const char *name) pg_attribute_noreturn();

static void
report_no_group(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_EL_NO_GROUP),
			 errmsg("group \"%s\" does not exist", name),
			 errhint("Only a group made by create_group() has options and an owner; others have the defaults.")));
}

/* The opening of a function that a group's owner calls for a group that was created. */
static void
begin_as_owner(FunctionCallInfo fcinfo, const ElCallSpec *spec, ElCall *call)
{
	el_call_begin(fcinfo, spec, call);
	if (!call->conf.exists)
		report_no_group(call->group);
	el_group_check_owner(&call->conf);
}

/* create_group(group_name text, options jsonb, if_not_exists boolean) */
Datum
eventlog_create_group(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"group_name", "options"};
	static const ElCallSpec spec = {
		.command = "create_group()",
		.writes = true,
		.right = EL_CALL_ANYBODY,
		.names = names,
		.nnames = lengthof(names)
	};
	ElCall		call;
	ElGroupConf conf;
	bool		if_not_exists = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	Oid			types[3] = {TEXTOID, OIDOID, JSONBOID};
	Datum		values[3];

	el_call_begin(fcinfo, &spec, &call);
	if (!call.conf.exists)
		check_may_create(call.group);
	/* only to see that they are valid */
	el_group_conf_defaults(&conf, call.group);
	el_group_conf_set(&conf, PG_GETARG_JSONB_P(1));

	values[0] = CStringGetTextDatum(call.group);
	values[1] = ObjectIdGetDatum(GetUserId());
	values[2] = PG_GETARG_DATUM(1);
	if (el_internal_sql("INSERT INTO _eventlog.groups (group_name, owner, options)"
						" VALUES ($1, $2, pg_catalog.jsonb_strip_nulls($3)) ON CONFLICT DO NOTHING",
						3, types, values) == 0)
	{
		if (!if_not_exists)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("group \"%s\" already exists", call.group)));
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("group \"%s\" already exists, skipping", call.group)));
	}
	else
		forget_grants(call.group);	/* one given while its former namesake was
									 * dropped */
	PG_RETURN_VOID();
}

/* alter_group(group_name text, options jsonb): null takes an option back to its default */
Datum
eventlog_alter_group(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"group_name", "options"};
	static const ElCallSpec spec = {
		.command = "alter_group()",
		.writes = true,
		.right = EL_CALL_ANYBODY,
		.names = names,
		.nnames = lengthof(names)
	};
	ElCall		call;
	Oid			types[2] = {TEXTOID, JSONBOID};
	Datum		values[2];

	begin_as_owner(fcinfo, &spec, &call);
	el_group_conf_set(&call.conf, PG_GETARG_JSONB_P(1));

	values[0] = CStringGetTextDatum(call.group);
	values[1] = PG_GETARG_DATUM(1);
	if (el_internal_sql("UPDATE _eventlog.groups SET options = pg_catalog.jsonb_strip_nulls(options OPERATOR(pg_catalog.||) $2)"
						" WHERE group_name OPERATOR(pg_catalog.=) $1",
						2, types, values) == 0)
		report_no_group(call.group);
	PG_RETURN_VOID();
}

/*
 * Dropping
 */

/* A partition of the group that may have a committed offset. */
typedef struct DroppedPart
{
	ElSlotNo	slot;
	ElPartKey	key;
	Oid			topic;
	ElEntry		entry;
} DroppedPart;

/* What a group has to be rid of. */
typedef struct Dropped
{
	int			nparts;
	DroppedPart *parts;
	int			ntopics;
	pg_uuid_t  *topics;
	bool		has_gone;		/* and offsets in topics that do not exist */
} Dropped;

/* The group's partitions and topics.  55006 if a member other than this session would go on consuming in it. */
static void
list_dropped(const char *group, Dropped *d)
{
	ElMemberRef me;
	bool		session = el_session_member(group, &me);
	char		other[EL_NAME_SIZE] = "";
	ElSlotNo	g;
	ElSlotNo	s;
	ElSlotNo	ts;
	int			ntopics = 0;

	memset(d, 0, sizeof(*d));
	el_group_lock_with_offsets(group, LW_SHARED);
	g = el_group_find(MyDatabaseId, group);
	if (g != EL_NO_SLOT)
	{
		d->has_gone = EL_GROUP(g)->has_gone;
		for (s = EL_GROUP(g)->first_member; s != EL_NO_SLOT;
			 s = EL_MEMBER(s)->next_member)
		{
			if (!session || s != me.slot)
				strlcpy(other, EL_MEMBER(s)->name, EL_NAME_SIZE);
		}
		for (ts = EL_GROUP(g)->first_topic; ts != EL_NO_SLOT;
			 ts = EL_TOPIC(ts)->next_topic)
			ntopics++;
		d->topics = palloc_array(pg_uuid_t, ntopics + 1);
		d->parts = palloc_array(DroppedPart, EL_GROUP(g)->nparts + 1);
		for (ts = EL_GROUP(g)->first_topic; ts != EL_NO_SLOT;
			 ts = EL_TOPIC(ts)->next_topic)
		{
			d->topics[d->ntopics++] = EL_TOPIC(ts)->uuid;
			for (s = EL_TOPIC(ts)->first_part; s != EL_NO_SLOT;
				 s = EL_PART(s)->next_part)
			{
				DroppedPart *p = &d->parts[d->nparts++];

				Assert(d->nparts <= EL_GROUP(g)->nparts);
				p->slot = s;
				el_entry_copy(s, &p->entry);
				p->topic = EL_TOPIC(ts)->relid;
				el_part_key(&p->key, group, &EL_TOPIC(ts)->uuid,
							EL_PART(s)->partition);
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
}

/* A tombstone for what the group has committed in the partition.  False if its slot is another's by now. */
static bool
drop_part(DroppedPart *p)
{
	ElLocalPart *lp = el_local_find(&p->key);
	ElLockResult result;

	if (el_entry_resolve(&p->entry) && p->entry.next < 0 &&
		el_local_committed(lp, &p->entry) < 0)
		return true;			/* nothing committed there */
	lp = el_local_get(&p->key, p->topic);
	result = el_part_lock(lp, p->slot, NULL, 0, false, NULL);
	if (result == EL_LOCK_EVICTED)
		return false;
	if (result != EL_LOCK_OK)
		el_report_part_busy(p->key.group, p->topic, p->key.partition);
	el_local_save(lp);
	lp->state.committed = -1;
	lp->state.commit = lp->state.any_owner = true;
	return true;
}

/* Tombstones for what it has committed in topics that do not exist: nobody can lock, or commit, anything there. */
static void
drop_gone_offsets(const char *group)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ElOffsets  *offsets = el_offsets_read(snapshot, false, group, NULL);
	ElOffsetGroup *og = el_offsets_of_group(offsets, group);
	HTAB	   *labelled = el_labelled_topics();
	List	   *keys = NIL;
	ElOffset   *o;

	for (o = og == NULL ? NULL : og->first; o != NULL; o = o->next_of_group)
	{
		if (o->next >= 0 && !OidIsValid(el_topic_with_uuid(labelled, &o->key.uuid)))
			keys = lappend(keys, &o->key);
	}
	UnregisterSnapshot(snapshot);
	el_offsets_append_tombstones(keys);
}

void
el_drop_offsets(const char *group)
{
	Dropped		d;
	int			i;

	el_offsets_prepare_commit();
	do
	{
		list_dropped(group, &d);
		for (i = 0; i < d.nparts && drop_part(&d.parts[i]); i++)
			;
	} while (i < d.nparts);
	for (i = 0; i < d.ntopics; i++)
	{
		if (!el_begin_drop(group, &d.topics[i]))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("another transaction is about to begin group \"%s\" in a topic",
							group),
					 errhint("Try again when that transaction has ended.")));
	}
	if (d.has_gone)
		drop_gone_offsets(group);
	el_local_drop(group);
}

bool
el_drop_group(const char *group)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(group)};

	if (el_internal_sql("DELETE FROM _eventlog.groups WHERE group_name OPERATOR(pg_catalog.=) $1",
						1, types, values) == 0)
		return false;
	forget_grants(group);
	el_drop_offsets(group);
	el_note_dropped_group(group);
	return true;
}

/*
 * drop_group(group_name text, if_exists boolean).  Members other than this session
 * must have left: they would go on with a group that starts all over.
 */
Datum
eventlog_drop_group(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"group_name"};
	static const ElCallSpec spec = {
		.command = "drop_group()",
		.writes = true,
		.right = EL_CALL_ANYBODY,
		.names = names,
		.nnames = lengthof(names)
	};
	ElCall		call;

	el_call_begin(fcinfo, &spec, &call);
	if (!call.conf.exists)
	{
		if (PG_ARGISNULL(1) || !PG_GETARG_BOOL(1))
			report_no_group(call.group);
		ereport(NOTICE,
				(errcode(ERRCODE_EL_NO_GROUP),
				 errmsg("group \"%s\" does not exist, skipping", call.group)));
		PG_RETURN_VOID();
	}
	el_group_check_owner(&call.conf);
	if (!el_drop_group(call.group))
		report_no_group(call.group);
	PG_RETURN_VOID();
}

/*
 * grant_group() and revoke_group(): who may use a group beside its owner.
 * Giving what is given already, or taking what is not, changes nothing, as
 * with GRANT and REVOKE.
 */
static void
change_grant(FunctionCallInfo fcinfo, const char *command, const char *sql)
{
	static const char *const names[] = {"group_name", "role"};
	ElCallSpec	spec = {
		.command = command,
		.writes = true,
		.right = EL_CALL_ANYBODY,
		.names = names,
		.nnames = lengthof(names)
	};
	ElCall		call;
	Oid			types[2] = {TEXTOID, OIDOID};
	Datum		values[2];

	begin_as_owner(fcinfo, &spec, &call);
	values[0] = CStringGetTextDatum(call.group);
	values[1] = PG_GETARG_DATUM(1);
	(void) el_internal_sql(sql, 2, types, values);
}

/* grant_group(group_name text, role regrole) */
Datum
eventlog_grant_group(PG_FUNCTION_ARGS)
{
	change_grant(fcinfo, "grant_group()",
				 "INSERT INTO _eventlog.group_grants (group_name, role)"
				 " VALUES ($1, $2) ON CONFLICT DO NOTHING");
	PG_RETURN_VOID();
}

/* revoke_group(group_name text, role regrole) */
Datum
eventlog_revoke_group(PG_FUNCTION_ARGS)
{
	change_grant(fcinfo, "revoke_group()",
				 "DELETE FROM _eventlog.group_grants"
				 " WHERE group_name OPERATOR(pg_catalog.=) $1"
				 " AND role OPERATOR(pg_catalog.=) $2");
	PG_RETURN_VOID();
}
