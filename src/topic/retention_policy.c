/*-------------------------------------------------------------------------
 *
 * retention_policy.c
 *	  What a topic's options discard, and apply_retention().
 *
 * The maintenance worker calls this for each partition now and then; producers
 * keep retention_bytes themselves, when their append opens a segment.
 *
 * IDENTIFICATION
 *	  src/topic/retention_policy.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/acl.h"

#include "base/arguments.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "kafka/record.h"
#include "storage/compact.h"
#include "storage/retention.h"
#include "storage/settle.h"
#include "storage/shrink.h"
#include "topic/callbacks.h"
#include "topic/options.h"
#include "topic/retention_policy.h"
#include "topic/topic.h"

EL_FUNCTION(eventlog_apply_retention);

int64
el_retain_partition(ElTopic *t, int32 partition, Relation leaf)
{
	const ElTopicOptions *o = &t->options;
	ElRetention policy = {
		.before_ms = EL_MIN_TIME,
		.bytes = -1,
		.held_from = PG_INT64_MAX
	};
	bool		held;

	Assert(CheckRelationLockedByMe(leaf, AccessShareLock, true));
	if ((o->cleanup_policy & EL_CLEANUP_DELETE) == 0)
		return 0;
	if (o->retention_ms >= 0)
		policy.before_ms = el_now_ms() - o->retention_ms;
	policy.bytes = o->retention_bytes;
	if (o->retain_until_consumed && el_topic_callbacks != NULL)
	{
		policy.held_from = el_topic_callbacks->held_from(&t->uuid, partition);
		policy.held_counts = o->when_full == EL_REJECT;
	}
	return el_log_retain(leaf, &policy, &held);
}

int64
el_compact_partition(ElTopic *t, Relation leaf, bool always,
					 bool (*may_go_on) (Relation rel))
{
	const ElTopicOptions *o = &t->options;
	ElCompaction policy = {
		.codec = o->compression,
		.now_ms = el_now_ms(),
		.delete_retention_ms = o->delete_retention_ms,
		.always = always,
		.may_go_on = may_go_on
	};

	if (!el_is_compacted(o))
		return 0;
	Assert(CheckRelationLockedByMe(leaf, ShareUpdateExclusiveLock, true));

	/*
	 * as VACUUM does, which need not have run; an old snapshot must not make
	 * each round longer
	 */
	(void) el_log_settle(leaf, GetOldestNonRemovableTransactionId(leaf), false);
	return el_log_compact(leaf, &policy);
}

/* apply_retention(topic regclass): bytes of segments freed */
Datum
eventlog_apply_retention(PG_FUNCTION_ARGS)
{
	Oid			relid;
	ElTopic    *t;
	int64		freed = 0;

	el_arg_not_null(fcinfo, 0, "topic");
	relid = PG_GETARG_OID(0);
	el_require_write("apply_retention()");

	LockRelationOid(relid, AccessShareLock);
	t = el_topic(relid);
	if (!el_is_owner(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, t->name);

	for (int32 i = 0; i < t->npartitions; i++)
	{
		Relation	leaf;
		LOCKMODE	lockmode;

		CHECK_FOR_INTERRUPTS();
		if (!OidIsValid(t->leaves[i]))
			continue;
		/* compaction: not beside VACUUM or another one */
		lockmode = el_is_compacted(&t->options) ? ShareUpdateExclusiveLock : AccessShareLock;
		leaf = table_open(t->leaves[i], lockmode);
		freed += el_retain_partition(t, i, leaf);
		freed += el_compact_partition(t, leaf, true, NULL);
		(void) el_log_shrink(leaf);
		table_close(leaf, lockmode);
	}
	PG_RETURN_INT64(freed);
}
