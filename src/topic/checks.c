/*-------------------------------------------------------------------------
 *
 * checks.c
 *	  What every way of producing checks of an event: size, time, partition,
 *	  CHECK constraints.
 *
 * IDENTIFICATION
 *	  src/topic/checks.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/locks.h"
#include "kafka/partitioner.h"
#include "kafka/record.h"
#include "topic/checks.h"
#include "topic/options.h"
#include "topic/shape.h"
#include "topic/topic.h"

/*
 * CHECK constraints, compiled once per topic and backend.  Inlined functions
 * may be replaced and EXECUTE privileges are checked when an expression is
 * compiled, hence CachedExpression (which notices the former) and userid.
 */
typedef struct ElTopicChecks
{
	Oid			userid;			/* compiled for; InvalidOid: not complete */
	bool		busy;			/* being evaluated: the states are in use */
	int			count;
	CachedExpression **cached;
	ExprState **states;
	TupleTableSlot *slot;
	ExprContext *econtext;
	MemoryContext mcxt;			/* of all of that */
	MemoryContextCallback release;	/* of cached */
} ElTopicChecks;

void
el_check_event_size(ElTopic *t, const ElRecord *r, bool restored)
{
	int64		limit = restored ? EL_MAX_EVENT_BYTES : t->options.max_event_bytes;
	int64		size = (int64) Max(r->key_len, 0) + Max(r->value_len, 0) +
		r->headers_len;

	Assert(r->key_len >= -1 && r->value_len >= -1 && r->headers_len >= 0);
	if (size > limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("event of %lld bytes is too large for topic \"%s\"",
						(long long) size, t->name),
				 errdetail("Key, value and headers may have %lld bytes in all (max_event_bytes).",
						   (long long) limit),
				 errhint("Raise max_event_bytes with alter_topic(), or store the large part elsewhere.")));
}

int64
el_event_time(ElTopic *t, TimestampTz time, bool restored)
{
	int64		ms;

	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("event_time of an event in topic \"%s\" cannot be infinite",
						t->name)));

	ms = el_timestamptz_to_ms(time);
	if (!restored && t->options.max_clock_ahead_ms >= 0 &&
		ms - el_now_ms() > t->options.max_clock_ahead_ms)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("event_time %s is too far in the future for topic \"%s\"",
						timestamptz_to_str(time), t->name),
				 errdetail("It may be at most %lld ms ahead of the server's clock (max_clock_ahead).",
						   (long long) t->options.max_clock_ahead_ms),
				 errhint("Retention goes by event times: one far in the future keeps a segment for ever.")));

	return ms;
}

int32
el_choose_partition(ElTopic *t, const ElRecord *r)
{
	if (t->npartitions == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("topic \"%s\" has no partitions", t->name)));

	if (r->key_len >= 0)
		return el_partition_for_key(t->options.partitioner, r->key,
									r->key_len, t->npartitions);

	/* a null key may go anywhere, so also around a partition that is missing */
	for (int i = 0; i < t->npartitions; i++)
	{
		int32		p = (int32) ((*t->next_partition)++ % (uint32) t->npartitions);

		if (OidIsValid(t->leaves[p]))
			return p;
	}

	return 0;
}

void
el_check_partition(ElTopic *t, int64 partition)
{
	if (partition < 0 || partition >= t->npartitions)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partition %lld of topic \"%s\" does not exist",
						(long long) partition, t->name),
				 t->npartitions == 1 ?
				 errdetail("The topic has one partition, number 0.") :
				 errdetail("The topic has %d partitions, numbered from 0.",
						   t->npartitions)));

	if (!OidIsValid(t->leaves[partition]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the table of partition %lld of topic \"%s\" is missing",
						(long long) partition, t->name)));
}

/*
 * Let the executor judge the row, for its own message or because our compiled
 * expressions cannot be used.
 */
static void
check_by_executor(ElTopic *t, TupleTableSlot *slot)
{
	Relation	rel = table_open(t->relid, AccessShareLock);
	EState	   *estate = CreateExecutorState();
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	ResultRelInfo *info = makeNode(ResultRelInfo);

	InitResultRelInfo(info, rel, 0, NULL, 0);
	slot->tts_tableOid = t->relid;
	ExecConstraints(info, slot, estate);

	MemoryContextSwitchTo(old);
	FreeExecutorState(estate);
	table_close(rel, AccessShareLock);
}

/*
 * Callback of the context of the compiled constraints: it is reset before they
 * are compiled again, and deleted with the topic.  Must not fail.
 */
static void
release_cached(void *arg)
{
	ElTopicChecks *c = arg;

	for (int i = 0; i < c->count; i++)
	{
		if (c->cached[i])
			FreeCachedExpression(c->cached[i]);
	}
	c->count = 0;
	c->userid = InvalidOid;
}

/* Compile.  An error half-way leaves what the next call releases. */
static void
compile_checks(ElTopic *t, ElTopicChecks *c)
{
	MemoryContext old;
	TupleConstr *constr = t->tupdesc->constr;
	Relation	rel;

	Assert(!c->busy);
	MemoryContextReset(c->mcxt);
	Assert(c->count == 0);
	c->release.func = release_cached;
	c->release.arg = c;
	MemoryContextRegisterResetCallback(c->mcxt, &c->release);

	/*
	 * CheckConstraintFetch may have found fewer than there are; then the
	 * executor complains
	 */
	rel = table_open(t->relid, AccessShareLock);
	if (constr->num_check != rel->rd_rel->relchecks)
		elog(ERROR, "%d pg_constraint record(s) missing for relation \"%s\"",
			 rel->rd_rel->relchecks - constr->num_check, t->name);
	table_close(rel, AccessShareLock);

	old = MemoryContextSwitchTo(c->mcxt);
	c->cached = palloc0(sizeof(CachedExpression *) * Max(constr->num_check, 1));
	c->states = palloc0(sizeof(ExprState *) * Max(constr->num_check, 1));
	c->slot = MakeSingleTupleTableSlot(t->tupdesc, &TTSOpsVirtual);
	c->econtext = CreateStandaloneExprContext();
	for (int i = 0; i < constr->num_check; i++)
	{
		c->count = i + 1;
		c->cached[i] = GetCachedExpression(stringToNode(constr->check[i].ccbin));
		c->states[i] = ExecInitExpr((Expr *) c->cached[i]->expr, NULL);
	}
	MemoryContextSwitchTo(old);

	c->userid = GetUserId();
}

static bool
checks_valid(ElTopicChecks *c)
{
	if (c->userid != GetUserId())
		return false;
	for (int i = 0; i < c->count; i++)
	{
		if (!c->cached[i]->is_valid)
			return false;
	}
	return true;
}

static void
fill_slot(TupleTableSlot *slot, ElTopic *t, Datum *values, bool *nulls)
{
	Assert(slot->tts_tupleDescriptor->natts == EL_NATTS);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, sizeof(Datum) * EL_NATTS);
	memcpy(slot->tts_isnull, nulls, sizeof(bool) * EL_NATTS);
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = t->relid;
}

/* The compiled expressions, for one row.  Raises if it does not satisfy them. */
static void
evaluate_checks(ElTopic *t, ElTopicChecks *c, Datum *values, bool *nulls)
{
	bool		ok = true;

	Assert(c->busy && c->userid == GetUserId());
	fill_slot(c->slot, t, values, nulls);

	for (int i = 0; ok && i < EL_NATTS; i++)
		ok = !nulls[i] || !TupleDescAttr(t->tupdesc, i)->attnotnull;

	/* a null result is not a violation, hence ExecCheck and not ExecQual */
	c->econtext->ecxt_scantuple = c->slot;
	for (int i = 0; ok && i < c->count; i++)
		ok = ExecCheck(c->states[i], c->econtext);
	ResetExprContext(c->econtext);

	if (!ok)
		check_by_executor(t, c->slot);
	ExecClearTuple(c->slot);
}

/*
 * A constraint's function may itself produce to this topic, or raise: busy says
 * that the compiled states are in use, and is taken back in any case.
 */
void
el_check_constraints(ElTopic *t, Datum *values, bool *nulls)
{
	Assert(el_relation_locked(t->relid, AccessShareLock));
	if (!t->has_check)
		return;

	if (!t->checks)
	{
		ElTopicChecks *c = MemoryContextAllocZero(t->mcxt, sizeof(ElTopicChecks));

		c->mcxt = AllocSetContextCreate(t->mcxt, "eventlog checks",
										ALLOCSET_SMALL_SIZES);
		t->checks = c;
	}

	/* a function in a CHECK that itself produces to this topic */
	if (t->checks->busy)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(t->tupdesc, &TTSOpsVirtual);

		fill_slot(slot, t, values, nulls);
		check_by_executor(t, slot);
		ExecDropSingleTupleTableSlot(slot);
		return;
	}

	if (!checks_valid(t->checks))
		compile_checks(t, t->checks);

	t->checks->busy = true;
	PG_TRY();
	{
		evaluate_checks(t, t->checks, values, nulls);
	}
	PG_FINALLY();
	{
		t->checks->busy = false;
	}
	PG_END_TRY();
}
