/*-------------------------------------------------------------------------
 *
 * dml.c
 *	  DML that topics refuse.
 *
 * The access method refuses UPDATE, DELETE and row locks when it meets a row;
 * that leaves out statements that find none, so they are refused when they
 * start.  ON CONFLICT is refused at planning, before the planner complains of
 * a missing index.
 *
 * IDENTIFICATION
 *	  src/ddl/dml.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"

#include "base/errors.h"
#include "base/extension.h"
#include "ddl/dml.h"
#include "table/write_through.h"
#include "topic/shape.h"
#include "topic/topic.h"

static inline bool
rte_is_ours(RangeTblEntry *rte)
{
	if (rte->rtekind != RTE_RELATION)
		return false;
	if (rte->relkind == RELKIND_PARTITIONED_TABLE)
		return el_is_topic(rte->relid);
	return rte->relkind == RELKIND_RELATION && el_is_leaf(rte->relid);
}

/*
 * ON CONFLICT, in a query and in the data-modifying queries of its WITH.
 */
static void
refuse_on_conflict(Query *query)
{
	ListCell   *lc;

	if (query->onConflict && query->resultRelation > 0 &&
		rte_is_ours(rt_fetch(query->resultRelation, query->rtable)))
		el_not_supported("ON CONFLICT",
						 "Events are never duplicates of each other: insert without ON CONFLICT and let the consumer compare keys.");

	if (query->hasModifyingCTE)
	{
		foreach(lc, query->cteList)
		{
			CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);

			if (IsA(cte->ctequery, Query))
				refuse_on_conflict((Query *) cte->ctequery);
		}
	}
}

/* Before planning: what the planner would complain of in other words. */
void
el_dml_check_parsed(Query *parse)
{
	if ((parse->onConflict || parse->hasModifyingCTE) &&
		OidIsValid(el_am_oid()))
		refuse_on_conflict(parse);
}

/* One ModifyTable, of the query itself or of its WITH. */
static void
check_modify(QueryDesc *query, ModifyTable *mt)
{
	List	   *rtable = query->plannedstmt->rtable;
	int			varno = linitial_int(mt->resultRelations);
	RangeTblEntry *rte;

	Assert(mt->resultRelations != NIL);
	/* what the statement named: a topic, or one partition of it */
	rte = rt_fetch(mt->nominalRelation > 0 ? mt->nominalRelation : varno, rtable);
	if (!rte_is_ours(rte))
		return;

	switch (mt->operation)
	{
		case CMD_INSERT:
			break;
		case CMD_UPDATE:
			el_not_supported("UPDATE", "Produce a new event with the same key instead.");
			break;
		case CMD_DELETE:
			el_not_supported("DELETE", "Use delete_events_before(), or produce a null value for the key.");
			break;
		default:
			el_not_supported("MERGE", "Use INSERT.");
			break;
	}

	if (mt->onConflictAction != ONCONFLICT_NONE)
		el_not_supported("ON CONFLICT",
						 "Events are never duplicates of each other: insert without ON CONFLICT and let the consumer compare keys.");

	el_write_through_begin(query, mt, rte->relid);
}

/* Before execution: refuse what topics do not support, and note INSERTs that need their offsets. */
void
el_dml_check_plan(QueryDesc *query)
{
	PlannedStmt *stmt = query->plannedstmt;
	ListCell   *lc;

	/* the usual SELECT ends here */
	if (stmt->commandType == CMD_SELECT && !stmt->hasModifyingCTE &&
		stmt->rowMarks == NIL)
		return;
	if (!OidIsValid(el_am_oid()))
		return;

	foreach(lc, stmt->rowMarks)
	{
		PlanRowMark *mark = lfirst_node(PlanRowMark, lc);

		if (RowMarkRequiresRowShareLock(mark->markType) &&
			rte_is_ours(rt_fetch(mark->rti, stmt->rtable)))
			el_not_supported("SELECT ... FOR UPDATE or FOR SHARE",
							 "Events never change, there is nothing to lock; consume() and claim() give each event to one reader.");
	}

	if (stmt->planTree && IsA(stmt->planTree, ModifyTable))
		check_modify(query, (ModifyTable *) stmt->planTree);

	if (stmt->hasModifyingCTE)
	{
		foreach(lc, stmt->subplans)
		{
			Plan	   *plan = lfirst(lc);

			if (plan && IsA(plan, ModifyTable))
				check_modify(query, (ModifyTable *) plan);
		}
	}
}
