/*-------------------------------------------------------------------------
 *
 * partitions_view.c
 *	  The rows of eventlog_partitions.
 *
 * IDENTIFICATION
 *	  src/group/partitions_view.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "group/views_1_0.h"
#include "group/visible.h"
#include "storage/epoch.h"
#include "storage/log.h"
#include "storage/stable.h"
#include "topic/log_floor.h"
#include "topic/topic.h"
#include "topic/topic_views.h"

EL_FUNCTION(eventlog_partitions);

/* What is shown of a partition. */
typedef struct PartitionState
{
	bool		exists;			/* its table does */
	bool		readable;		/* the log is; else only bytes is known */
	int64		bytes;
	ElLogInfo	info;
	int64		stable;
	FullTransactionId stop;		/* whom readers wait for at the stable offset */
} PartitionState;

/* An ElProbe. */
static void
read_partition_state(ElTopic *t, int32 partition, Relation leaf, void *arg)
{
	PartitionState *state = arg;

	state->exists = true;
	state->bytes = (int64) RelationGetNumberOfBlocks(leaf) * BLCKSZ;
	el_partition_info(t, partition, leaf, &state->info);
	state->stable = el_log_stable_offset(leaf, GetActiveSnapshot(),
										 &state->stop);
	if (!state->info.exists)
		state->stable = state->info.log_end;
}

/*
 * Who is the transaction that readers of a partition wait for?  The pid of the
 * backend that runs it, else its xid, in case it is prepared; both are NULL if
 * it has ended.
 */
static void
find_blocker(FullTransactionId fxid, Datum *values, bool *nulls)
{
	TransactionId xid;
	int			pid;

	nulls[0] = nulls[1] = true;
	if (!FullTransactionIdIsValid(fxid) || RecoveryInProgress())
		return;
	xid = XidFromFullTransactionId(fxid);
	if (!TransactionIdFollowsOrEquals(xid, TransactionXmin))
		return;					/* pg_subtrans need not know it any more */
	xid = SubTransGetTopmostTransaction(xid);
	pid = BackendXidGetPid(xid);
	values[0] = Int32GetDatum(pid);
	nulls[0] = pid == 0;
	values[1] = TransactionIdGetDatum(xid);
	nulls[1] = pid != 0;
}

static void
put_partition(ReturnSetInfo *rsinfo, ElTopic *t, int32 partition)
{
	Datum		values[EL_PARTITIONS_COLUMNS_1_0];
	bool		nulls[EL_PARTITIONS_COLUMNS_1_0] = {false};
	PartitionState state = {0};
	ElLogInfo  *info = &state.info;

	state.readable = el_probe_partition(t, partition, read_partition_state,
										&state);
	if (!state.exists)
		return;
	values[0] = ObjectIdGetDatum(t->relid);
	values[1] = Int32GetDatum(partition);
	values[2] = Int64GetDatum(info->log_start);
	values[3] = Int64GetDatum(info->log_end);
	values[4] = Int64GetDatum(state.stable);
	values[5] = Int64GetDatum(info->exists ?
							  (int64) (info->end_seg - info->first_seg) : 0);
	values[6] = Int64GetDatum(state.bytes);
	nulls[7] = nulls[8] = true;
	values[9] = Int32GetDatum(el_epoch_in_force(&info->epoch).epoch);
	if (!state.readable)
		nulls[2] = nulls[3] = nulls[4] = nulls[5] = nulls[9] = true;
	else if (state.stable < info->log_end)
		find_blocker(state.stop, &values[7], &nulls[7]);
	if (el_partitions_are_1_0(rsinfo->setDesc))
		el_partition_row_1_0(values, nulls);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
eventlog_partitions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, el_visible_topics())
	{
		ElTopic    *t = lfirst(lc);
		int32		p;

		for (p = 0; p < t->npartitions; p++)
		{
			CHECK_FOR_INTERRUPTS();
			put_partition(rsinfo, t, p);
		}
	}
	return (Datum) 0;
}
