/*-------------------------------------------------------------------------
 *
 * dml.c
 *	  Planner and executor hooks: statements that topics refuse, and INSERTs
 *	  that need their offsets.
 *
 * The access method refuses UPDATE, DELETE and row locks when it meets a row;
 * that leaves out statements that find none, so they are refused when they
 * start.  ON CONFLICT is refused at planning, before the planner complains of
 * a missing index.
 *
 * An INSERT whose RETURNING (or a view's CHECK OPTION) looks at event_offset
 * must append at once.  A stack of such running queries tells the access
 * method; its entries go when the query ends or its subtransaction aborts.
 *
 * IDENTIFICATION
 *	  src/ddl/dml.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
#include "utils/memutils.h"

#include "eventlog.h"
#include "produce/buffer.h"
#include "ddl/ddl.h"
#include "topic/topic.h"

static planner_hook_type prev_planner;
static ExecutorStart_hook_type prev_executor_start;
static ExecutorEnd_hook_type prev_executor_end;

typedef struct WriteThrough
{
	struct WriteThrough *next;
	QueryDesc  *query;
	SubTransactionId subid;		/* in which it was started */
	Oid			topic;
} WriteThrough;

/* in TopTransactionContext */
static WriteThrough *write_through = NULL;

bool
el_write_through(Oid topic)
{
	for (WriteThrough *w = write_through; w; w = w->next)
	{
		if (w->topic == topic)
			return true;
	}
	return false;
}

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

static PlannedStmt *
el_planner(Query *parse, const char *query_string, int cursor_options,
		   ParamListInfo bound_params)
{
	if ((parse->onConflict || parse->hasModifyingCTE) &&
		OidIsValid(el_am_oid()))
		refuse_on_conflict(parse);

	if (prev_planner)
		return prev_planner(parse, query_string, cursor_options, bound_params);
	return standard_planner(parse, query_string, cursor_options, bound_params);
}

/* Does an expression look at what only an append can tell? */
static bool
needs_offset(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		return var->varno == *(int *) context &&
			(var->varattno == EL_ATT_OFFSET ||
			 var->varattno == InvalidAttrNumber ||
			 var->varattno == SelfItemPointerAttributeNumber);
	}
	return expression_tree_walker(node, needs_offset, context);
}

/* One ModifyTable, of the query itself or of its WITH. */
static void
check_modify(QueryDesc *query, ModifyTable *mt)
{
	List	   *rtable = query->plannedstmt->rtable;
	int			varno = linitial_int(mt->resultRelations);
	RangeTblEntry *rte;
	WriteThrough *w;
	Oid			topic;

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

	if (!needs_offset((Node *) mt->returningLists, &varno) &&
		!needs_offset((Node *) mt->withCheckOptionLists, &varno))
		return;

	topic = rte->relid;
	if (rte->relkind == RELKIND_RELATION)
	{
		ElTopic    *t = el_topic_of_leaf(rte->relid, NULL);

		if (t)
			topic = t->relid;
	}

	w = MemoryContextAlloc(TopTransactionContext, sizeof(WriteThrough));
	w->query = query;
	w->subid = GetCurrentSubTransactionId();
	w->topic = topic;
	w->next = write_through;
	write_through = w;
}

static void
check_query(QueryDesc *query)
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

static void
el_executor_start(QueryDesc *query, int eflags)
{
	check_query(query);

	if (prev_executor_start)
		prev_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

static void
el_executor_end(QueryDesc *query)
{
	for (WriteThrough **p = &write_through; *p;)
	{
		WriteThrough *w = *p;

		if (w->query == query)
		{
			*p = w->next;
			pfree(w);
		}
		else
			p = &w->next;
	}

	if (prev_executor_end)
		prev_executor_end(query);
	else
		standard_ExecutorEnd(query);
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			/* the entries go with TopTransactionContext */
			write_through = NULL;
			break;
		default:
			break;
	}
}

/* Entries made in the aborting subtransaction or below it are the first ones, and have the larger ids. */
static void
subxact_callback(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;

	while (write_through && write_through->subid >= mine)
	{
		WriteThrough *w = write_through;

		write_through = w->next;
		pfree(w);
	}
}

void
el_dml_init(void)
{
	prev_planner = planner_hook;
	planner_hook = el_planner;
	prev_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = el_executor_start;
	prev_executor_end = ExecutorEnd_hook;
	ExecutorEnd_hook = el_executor_end;

	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
