/*-------------------------------------------------------------------------
 *
 * rows_scan.c
 *	  FROM consume(...), read_topic(...) and their like without a tuplestore.
 *
 * PostgreSQL puts all rows of a function in FROM into a tuplestore and takes
 * them out again, each with all columns.  That takes longer than to read them from the log.
 * Where nothing but the function stands in that place, a custom scan calls it
 * instead: the first row it is asked for runs the function to its end, as
 * before, but what the function puts (rows.h) is kept as records, and becomes a
 * row of the columns that the query looks at when it is asked for.
 *
 * Everything else stays as with a function scan: who may call the function, that
 * it runs once, whatever is rescanned, and in both directions.
 *
 * IDENTIFICATION
 *	  src/rows/rows_scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"	/* for el_function_aclcheck() */
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/extension.h"
#include "rows/row.h"
#include "rows/rows.h"
#include "rows/rows_scan.h"

static const PGFunction *returning_events;

typedef struct RowsScan
{
	CustomScanState css;
	FuncExpr   *call;
	FmgrInfo	flinfo;
	List	   *args;			/* of ExprState */
	ElRows	   *rows;			/* NULL: not called yet */
	MemoryContext rows_cxt;
	MemoryContextCallback release;	/* of spare_cxt, also after an error */
	int64		current;		/* row last returned, -1 before the first */
	uint32		columns;		/* of the function's row that are looked at */
	int			natts;			/* number of columns of the slot */
	int			column[EL_ROW_MAX_COLUMNS]; /* which of the function's row
											 * each is */
} RowsScan;

/*
 * The memory of one scan is kept for the next one: to ask the system for it anew
 * each time, page by page, takes longer than to fill it.
 */
#define SPARE_SIZE		(256 * 1024)
static MemoryContext spare_cxt = NULL;
static bool spare_in_use = false;

static Plan *plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
					   List *tlist, List *clauses, List *custom_plans);
static Node *create_state(CustomScan *plan);
static void begin_scan(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *exec_scan(CustomScanState *node);
static void end_scan(CustomScanState *node);
static void rescan_rows(CustomScanState *node);
static void explain_rows(CustomScanState *node, List *ancestors, ExplainState *es);

static const CustomPathMethods path_methods = {
	.CustomName = "EventlogRows",
	.PlanCustomPath = plan_scan
};

static const CustomScanMethods scan_methods = {
	.CustomName = "EventlogRows",
	.CreateCustomScanState = create_state
};

static const CustomExecMethods exec_methods = {
	.CustomName = "EventlogRows",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan_rows,
	.ExplainCustomScan = explain_rows
};

/*
 * Planning
 */

/* Is it one of the functions that put their rows by el_rows_put()? */
static bool
puts_rows(Oid function)
{
	FmgrInfo	flinfo;

	if (function < FirstNormalObjectId || !OidIsValid(el_am_oid()))
		return false;
	fmgr_info(function, &flinfo);
	for (const PGFunction *f = returning_events; *f; f++)
		if (flinfo.fn_addr == *f)
			return true;
	return false;
}

/* Something that a rescan might change, and then the function would have to be called again. */
static bool
has_exec_param(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind != PARAM_EXTERN;
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan))
		return true;
	return expression_tree_walker(node, has_exec_param, context);
}

/*
 * Looked for in what the scan will evaluate: attr_needed knows nothing of conditions on this
 * table alone, of placeholders, and of what stands in a UNION ALL.
 */
static bool
wants_whole_row(RelOptInfo *rel)
{
	Bitmapset  *columns = NULL;

	pull_varattnos((Node *) list_make2(rel->reltarget->exprs,
									   extract_actual_clauses(rel->baserestrictinfo, false)),
				   rel->relid, &columns);
	return bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns);
}

/* The call that this entry of FROM consists of; NULL if it is not one of ours, or is more than that. */
static FuncExpr *
our_call(RelOptInfo *rel, RangeTblEntry *rte)
{
	FuncExpr   *call;

	if (rte->rtekind != RTE_FUNCTION || list_length(rte->functions) != 1 ||
		rte->funcordinality || !bms_is_empty(rel->lateral_relids))
		return NULL;
	call = (FuncExpr *) ((RangeTblFunction *) linitial(rte->functions))->funcexpr;
	if (!IsA(call, FuncExpr) || !call->funcretset || !puts_rows(call->funcid) ||
		has_exec_param((Node *) call, NULL))
		return NULL;
	/* no whole row, and no column that the function does not have */
	if (rel->max_attr > EL_ROW_MAX_COLUMNS || wants_whole_row(rel))
		return NULL;
	return call;
}

void
el_rows_scan_pathlist(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	FuncExpr   *call;
	Path	   *instead;
	CustomPath *path;

	call = our_call(rel, rte);
	if (call == NULL || rel->pathlist == NIL)
		return;

	instead = (Path *) linitial(rel->pathlist);
	path = makeNode(CustomPath);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.rows = instead->rows;
	path->path.startup_cost = instead->startup_cost;
	path->path.total_cost = instead->total_cost;
	path->flags = CUSTOMPATH_SUPPORT_BACKWARD_SCAN | CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_private = list_make1(call);
	path->methods = &path_methods;
	rel->pathlist = list_make1(path);
}

/*
 * The scan tuple has the columns that the query looks at, and custom_private says
 * which columns of the function's row they are.
 */
static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist,
		  List *clauses, List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);
	List	   *quals = extract_actual_clauses(clauses, false);

	/* not of the target list: it may be set after us */
	List	   *vars = pull_var_clause((Node *) list_make2(rel->reltarget->exprs,
														   quals),
									   PVC_RECURSE_PLACEHOLDERS);
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	/* the slot has the columns that are looked at, and no others */
	foreach(lc, vars)
	{
		Var		   *var = lfirst_node(Var, lc);

		Assert(var->varattno > 0 && var->varattno <= EL_ROW_MAX_COLUMNS);
		if (bms_is_member(var->varattno, columns))
			continue;
		columns = bms_add_member(columns, var->varattno);
		scan->custom_scan_tlist =
			lappend(scan->custom_scan_tlist,
					makeTargetEntry((Expr *) copyObject(var),
									list_length(scan->custom_scan_tlist) + 1,
									NULL, false));
		/* Var numbers are gone by the time it runs */
		scan->custom_private = lappend_int(scan->custom_private,
										   var->varattno - 1);
	}
	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = quals;
	scan->flags = path->flags;
	scan->methods = &scan_methods;
	scan->custom_exprs = path->custom_private;
	return &scan->scan.plan;
}

/*
 * Execution
 */
static Node *
create_state(CustomScan *plan)
{
	RowsScan   *s = (RowsScan *) newNode(sizeof(RowsScan), T_CustomScanState);

	s->css.methods = &exec_methods;
	return (Node *) s;
}

/* What ExecInitFunctionScan() does; the right to call the function is asked for here, as there. */
static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	RowsScan   *s = (RowsScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	AclResult	acl;
	ListCell   *lc;

	s->call = linitial_node(FuncExpr, plan->custom_exprs);
	acl = el_function_aclcheck(s->call->funcid, GetUserId());
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_FUNCTION, get_func_name(s->call->funcid));
	InvokeFunctionExecuteHook(s->call->funcid);
	fmgr_info(s->call->funcid, &s->flinfo);
	fmgr_info_set_expr((Node *) s->call, &s->flinfo);
	s->args = ExecInitExprList(s->call->args, &node->ss.ps);

	foreach(lc, plan->custom_private)
	{
		Assert(s->natts < EL_ROW_MAX_COLUMNS);
		s->column[s->natts] = lfirst_int(lc);
		s->columns |= 1 << s->column[s->natts++];
	}
	s->current = -1;
}

static void
release_spare(void *arg)
{
	Assert(spare_in_use);
	MemoryContextReset(spare_cxt);
	spare_in_use = false;
}

static MemoryContext
make_rows_cxt(RowsScan *s)
{
	MemoryContext query_cxt = s->css.ss.ps.state->es_query_cxt;

	if (spare_in_use)
		return AllocSetContextCreate(query_cxt, "eventlog rows",
									 ALLOCSET_DEFAULT_SIZES);
	if (spare_cxt == NULL)
		spare_cxt = AllocSetContextCreate(TopMemoryContext,
										  "eventlog rows kept",
										  SPARE_SIZE, SPARE_SIZE, SPARE_SIZE);
	s->release.func = release_spare;
	MemoryContextRegisterResetCallback(query_cxt, &s->release);
	spare_in_use = true;
	return spare_cxt;
}

/*
 * Runs the function to its end; it puts its rows into s->rows (see the README on
 * fcinfo->context).  A strict one is not called with a NULL.
 */
static void
call_function(RowsScan *s)
{
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	MemoryContext old;
	FunctionCallInfo fcinfo;
	PgStat_FunctionCallUsage usage;
	ListCell   *lc;
	bool		has_null = false;
	int			n = 0;

	Assert(s->rows == NULL);
	s->rows_cxt = make_rows_cxt(s);
	old = MemoryContextSwitchTo(s->rows_cxt);
	s->rows = el_rows_create();

	MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	fcinfo = palloc0(SizeForFunctionCallInfo(list_length(s->args)));
	InitFunctionCallInfoData(*fcinfo, &s->flinfo, list_length(s->args),
							 s->call->inputcollid, el_rows_as_context(s->rows),
							 NULL);
	foreach(lc, s->args)
	{
		fcinfo->args[n].value = ExecEvalExpr((ExprState *) lfirst(lc), econtext,
											 &fcinfo->args[n].isnull);
		has_null |= fcinfo->args[n++].isnull;
	}
	if (!has_null || !s->flinfo.fn_strict)
	{
		pgstat_init_function_usage(fcinfo, &usage);
		(void) FunctionCallInvoke(fcinfo);
		pgstat_end_function_usage(&usage, true);
	}
	MemoryContextSwitchTo(old);
}

/* Rows are counted from 0; before the first and behind the last there is none. */
static TupleTableSlot *
next_kept_row(ScanState *ss)
{
	RowsScan   *s = (RowsScan *) ss;
	TupleTableSlot *slot = ss->ss_ScanTupleSlot;
	Datum		values[EL_ROW_MAX_COLUMNS];
	bool		nulls[EL_ROW_MAX_COLUMNS];
	MemoryContext old;
	bool		found;

	CHECK_FOR_INTERRUPTS();
	ExecClearTuple(slot);
	if (s->rows == NULL)
		call_function(s);
	if (ScanDirectionIsForward(ss->ps.state->es_direction))
		s->current = Min(s->current + 1, el_rows_count(s->rows));
	else
		s->current = Max(s->current - 1, -1);

	old = MemoryContextSwitchTo(ss->ps.ps_ExprContext->ecxt_per_tuple_memory);
	found = el_rows_get(s->rows, s->current, s->columns, values, nulls);
	MemoryContextSwitchTo(old);
	if (!found)
		return slot;
	Assert(slot->tts_tupleDescriptor->natts == s->natts);
	for (int i = 0; i < s->natts; i++)
	{
		slot->tts_values[i] = values[s->column[i]];
		slot->tts_isnull[i] = nulls[s->column[i]];
	}
	return ExecStoreVirtualTuple(slot);
}

static bool
recheck_row(ScanState *ss, TupleTableSlot *slot)
{
	return true;
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_kept_row, recheck_row);
}

static void
end_scan(CustomScanState *node)
{
	RowsScan   *s = (RowsScan *) node;

	if (s->rows == NULL)
		return;
	el_rows_close(s->rows);
	if (s->rows_cxt != spare_cxt)
		MemoryContextDelete(s->rows_cxt);
}

static void
rescan_rows(CustomScanState *node)
{
	((RowsScan *) node)->current = -1;
	ExecScanReScan(&node->ss);
}

static void
explain_rows(CustomScanState *node, List *ancestors, ExplainState *es)
{
	ExplainPropertyText("Function",
						get_func_name(((RowsScan *) node)->call->funcid), es);
}

void
el_rows_scan_install(const PGFunction *putting)
{
	returning_events = putting;
	RegisterCustomScanMethods(&scan_methods);
}
