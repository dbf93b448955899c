/*-------------------------------------------------------------------------
 *
 * seek_scan.c
 *	  A plan node that seeks in a partition instead of reading all of it.
 *
 * A log is sorted by event_offset, and a place in it is found by offset or by
 * time within a few pages.  So the planner is offered, beside the sequential
 * scan, a custom scan
 *
 * - that reads only the offsets which conditions on event_offset leave;
 * - that leaves out what lies before the first event which is late enough for
 *   event_time >= or >.  Times may run backwards: the condition is evaluated for the
 *   rest as well, and an upper bound leaves out nothing;
 * - whose rows come in offset order, or in the opposite one.
 *
 * Conditions on event_offset are exact and need no filter.  All bounds are kept as
 * the operator expressions they were, column to the left, in custom_exprs: so
 * core translates what is in them, EXPLAIN shows them, and EvalPlanQual can
 * check a row by them.  Their right-hand sides are evaluated when a scan
 * begins, by index scans' rules: no volatile functions, nothing of the row.
 *
 * IDENTIFICATION
 *	  src/table/seek_scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "common/int.h"
#include "executor/executor.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/spccache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/settings.h"
#include "kafka/record.h"
#include "storage/page.h"
#include "table/scan.h"
#include "table/seek_scan.h"
#include "table/slot.h"
#include "topic/shape.h"

/* Descending costs about what it does in a B-tree, besides the page it leads to. */
#define EL_SEEK_CPU_OPERATORS	50.0


/* A bound of the scan, at execution. */
typedef struct SeekBound
{
	AttrNumber	column;			/* EL_ATT_OFFSET or EL_ATT_TIME */
	int			strategy;		/* B-tree's */
	Oid			type;			/* of the value */
	ExprState  *value;
} SeekBound;

typedef struct SeekState
{
	CustomScanState css;
	bool		backward;		/* greatest offset first */
	int			nbounds;
	SeekBound  *bounds;
	ExprState  *recheck;		/* all bounds as a condition */
	TableScanDesc scan;			/* made when the first row is asked for */
	bool		bounded;		/* the bounds have been evaluated for this
								 * scan */
} SeekState;

static Plan *plan_seek(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
					   List *tlist, List *clauses, List *custom_plans);
static Node *create_seek_state(CustomScan *cscan);
static void begin_seek(CustomScanState *css, EState *estate, int eflags);
static TupleTableSlot *exec_seek(CustomScanState *css);
static void end_seek(CustomScanState *css);
static void rescan_seek(CustomScanState *css);
static void explain_seek(CustomScanState *css, List *ancestors,
						 ExplainState *es);

#define EL_SEEK_NAME "EventlogSeek"

static const CustomPathMethods path_methods = {
	.CustomName = EL_SEEK_NAME,
	.PlanCustomPath = plan_seek
};

static const CustomScanMethods scan_methods = {
	.CustomName = EL_SEEK_NAME,
	.CreateCustomScanState = create_seek_state
};

static const CustomExecMethods exec_methods = {
	.CustomName = EL_SEEK_NAME,
	.BeginCustomScan = begin_seek,
	.ExecCustomScan = exec_seek,
	.EndCustomScan = end_seek,
	.ReScanCustomScan = rescan_seek,
	.ExplainCustomScan = explain_seek
};

/*
 * Which conditions are bounds
 */

static bool
is_sought_column(Node *node, Index relid)
{
	Var		   *var = (Var *) node;

	return IsA(node, Var) && var->varno == relid && var->varlevelsup == 0 &&
		((var->varattno == EL_ATT_OFFSET && var->vartype == INT8OID) ||
		 (var->varattno == EL_ATT_TIME && var->vartype == TIMESTAMPTZOID));
}

static Oid
btree_family(Oid type)
{
	return lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
}

/* What the operator of a condition, column to the left, means there; false: nothing that could be sought. */
static bool
bound_properties(OpExpr *op, AttrNumber *column, int *strategy, Oid *type)
{
	Var		   *var = linitial_node(Var, op->args);
	Oid			family = btree_family(var->vartype);
	Oid			column_type;

	*column = var->varattno;
	if (!op_in_opfamily(op->opno, family))
		return false;
	get_op_opfamily_properties(op->opno, family, false, strategy, &column_type,
							   type);
	if (column_type != var->vartype)
		return false;
	return *column == EL_ATT_OFFSET || *strategy >= BTEqualStrategyNumber;
}

/*
 * The condition as a bound, column to the left, or NULL.  A condition that would
 * have to wait for others, because it might leak what they hide, is none.
 */
static OpExpr *
as_bound(RelOptInfo *rel, RestrictInfo *rinfo)
{
	OpExpr	   *op = (OpExpr *) rinfo->clause;
	AttrNumber	column;
	int			strategy;
	Oid			type;

	if (!IsA(op, OpExpr) || list_length(op->args) != 2 ||
		rinfo->pseudoconstant || !restriction_is_securely_promotable(rinfo, rel))
		return NULL;
	if (is_sought_column(linitial(op->args), rel->relid))
	{
		if (bms_is_member(rel->relid, rinfo->right_relids))
			return NULL;
	}
	else if (is_sought_column(lsecond(op->args), rel->relid))
	{
		if (bms_is_member(rel->relid, rinfo->left_relids) ||
			!OidIsValid(get_commutator(op->opno)))
			return NULL;
		op = copyObject(op);
		CommuteOpExpr(op);
	}
	else
		return NULL;
	if (!bound_properties(op, &column, &strategy, &type) ||
		contain_volatile_functions(lsecond(op->args)))
		return NULL;
	return op;
}

static inline AttrNumber
bound_column(OpExpr *bound)
{
	return linitial_node(Var, bound->args)->varattno;
}

/* Those of the conditions that are bounds; the others, and those on times, are left for the filter. */
static List *
find_bounds(RelOptInfo *rel, List *rinfos, List **filter)
{
	List	   *bounds = NIL;
	ListCell   *lc;

	foreach(lc, rinfos)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		OpExpr	   *bound = as_bound(rel, rinfo);

		if (bound != NULL)
			bounds = lappend(bounds, bound);
		if (bound == NULL || bound_column(bound) != EL_ATT_OFFSET)
			*filter = lappend(*filter, rinfo);
	}
	return bounds;
}

/*
 * Paths
 */

/* Part of the log that is read.  Both kinds of bounds leave a stretch of it, so the smaller counts. */
static Selectivity
read_fraction(PlannerInfo *root, RelOptInfo *rel, List *bounds)
{
	List	   *offsets = NIL;
	List	   *times = NIL;
	ListCell   *lc;

	foreach(lc, bounds)
	{
		OpExpr	   *op = lfirst_node(OpExpr, lc);
		AttrNumber	column;
		int			strategy;
		Oid			type;

		(void) bound_properties(op, &column, &strategy, &type);
		if (column == EL_ATT_OFFSET)
		{
			/* offsets are unique, whether or not statistics say so */
			if (strategy == BTEqualStrategyNumber)
				return 1.0 / Max(rel->tuples, 1.0);
			offsets = lappend(offsets, op);
		}
		else
		{
			/* an equal time is looked for up to the end */
			if (strategy == BTEqualStrategyNumber)
			{
				op = copyObject(op);
				op->opno = get_opfamily_member(btree_family(TIMESTAMPTZOID),
											   TIMESTAMPTZOID, type,
											   BTGreaterEqualStrategyNumber);
				op->opfuncid = InvalidOid;
			}
			times = lappend(times, op);
		}
	}
	return Min(clauselist_selectivity(root, offsets, rel->relid, JOIN_INNER, NULL),
			   clauselist_selectivity(root, times, rel->relid, JOIN_INNER, NULL));
}

/* required_outer: the tables whose columns are in the bounds. */
static void
add_seek_path(PlannerInfo *root, RelOptInfo *rel, List *bounds, List *filter,
			  Relids required_outer, List *pathkeys, bool backward)
{
	CustomPath *cpath = makeNode(CustomPath);
	Path	   *path = &cpath->path;
	Selectivity fraction = read_fraction(root, rel, bounds);
	double		tuples = clamp_row_est(rel->tuples * fraction);
	double		random_page;
	double		seq_page;
	QualCost	qual;

	path->pathtype = T_CustomScan;
	path->parent = rel;
	path->pathtarget = rel->reltarget;
	path->param_info = get_baserel_parampathinfo(root, rel, required_outer);
	path->parallel_safe = rel->consider_parallel;
	path->rows = path->param_info ? path->param_info->ppi_rows : rel->rows;
	path->pathkeys = pathkeys;

	get_tablespace_page_costs(rel->reltablespace, &random_page, &seq_page);
	cost_qual_eval(&qual, filter, root);

	/*
	 * The seek is no start-up cost, as a B-tree's pages are none: a LIMIT
	 * would prefer the sequential scan, which starts at once and, the planner
	 * thinks, meets matching rows soon, when all that do not match come
	 * first.
	 */
	path->startup_cost = qual.startup + path->pathtarget->cost.startup;
	path->total_cost = path->startup_cost + random_page +
		EL_SEEK_CPU_OPERATORS * cpu_operator_cost +
		ceil(rel->pages * fraction) * seq_page +
		tuples * (cpu_tuple_cost + qual.per_tuple) +
		path->rows * path->pathtarget->cost.per_tuple;
	/* records are looked at twice to go back */
	if (backward)
		path->total_cost += tuples * cpu_operator_cost;

	cpath->flags = CUSTOMPATH_SUPPORT_BACKWARD_SCAN |
		CUSTOMPATH_SUPPORT_PROJECTION;
	cpath->custom_private = list_make1(makeInteger(backward));
	cpath->methods = &path_methods;
	add_path(rel, path);
}

/* What the order of offsets, by < or >, is good for in this query. */
static List *
offset_pathkeys(PlannerInfo *root, RelOptInfo *rel, int strategy)
{
	Oid			op = get_opfamily_member(btree_family(INT8OID), INT8OID,
										 INT8OID, strategy);
	Expr	   *column = (Expr *) makeVar(rel->relid, EL_ATT_OFFSET, INT8OID, -1,
										  InvalidOid, 0);

	return truncate_useless_pathkeys(root, rel,
									 el_build_expression_pathkey(root, column,
																 op, rel->relids));
}

static bool
is_sought_member(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
				 EquivalenceMember *em, void *arg)
{
	return is_sought_column((Node *) em->em_expr, rel->relid);
}

/* The inner side of a nested loop: bounds by columns of other tables. */
static void
add_join_paths(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *clauses = NIL;
	List	   *outer_sets = NIL;
	ListCell   *lc;

	foreach(lc, rel->joininfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (join_clause_is_movable_to(rinfo, rel))
			clauses = lappend(clauses, rinfo);
	}
	if (rel->has_eclass_joins)
		clauses = list_concat(clauses,
							  generate_implied_equalities_for_column(root, rel, is_sought_member,
																	 NULL, rel->lateral_referencers));
	foreach(lc, clauses)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		Relids		outer;
		ListCell   *other;
		List	   *bounds;
		List	   *filter = NIL;
		ParamPathInfo *param_info;

		if (as_bound(rel, rinfo) == NULL)
			continue;
		outer = bms_union(rinfo->clause_relids, rel->lateral_relids);
		outer = bms_del_member(outer, rel->relid);
		if (bms_is_empty(outer))
			continue;
		foreach(other, outer_sets)
		{
			if (bms_equal(lfirst(other), outer))
				break;
		}
		if (other != NULL)
			continue;
		outer_sets = lappend(outer_sets, outer);

		/* with all that is known of those tables' rows */
		param_info = get_baserel_parampathinfo(root, rel, outer);
		bounds = find_bounds(rel, list_concat_copy(rel->baserestrictinfo,
												   param_info->ppi_clauses),
							 &filter);
		add_seek_path(root, rel, bounds, filter, outer, NIL, false);
	}
}

/* Adds paths in both orders where the query can use the order, and one for each set of outer tables. */
void
el_seek_scan_pathlist(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	List	   *filter = NIL;
	List	   *bounds;
	List	   *pathkeys;

	/* for every table of every query: cheap tests first, then the catalog */
	if (!el_enable_seek || rte->rtekind != RTE_RELATION ||
		rte->relkind != RELKIND_RELATION || rte->inh || rte->tablesample ||
		(rel->baserestrictinfo == NIL && rel->joininfo == NIL &&
		 !rel->has_eclass_joins && root->query_pathkeys == NIL) ||
		IS_DUMMY_REL(rel) || !el_is_leaf(rte->relid))
		return;

	bounds = find_bounds(rel, rel->baserestrictinfo, &filter);
	pathkeys = offset_pathkeys(root, rel, BTLessStrategyNumber);
	if (bounds != NIL || pathkeys != NIL)
		add_seek_path(root, rel, bounds, filter, rel->lateral_relids, pathkeys,
					  false);
	pathkeys = offset_pathkeys(root, rel, BTGreaterStrategyNumber);
	if (pathkeys != NIL)
		add_seek_path(root, rel, bounds, filter, rel->lateral_relids, pathkeys,
					  true);
	add_join_paths(root, rel);
}

static Plan *
plan_seek(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist,
		  List *clauses, List *custom_plans)
{
	CustomScan *cscan = makeNode(CustomScan);
	List	   *filter = NIL;

	Assert(rel->relid > 0 && rel->rtekind == RTE_RELATION);
	cscan->custom_exprs = find_bounds(rel, clauses, &filter);
	cscan->scan.plan.targetlist = tlist;
	cscan->scan.plan.qual = extract_actual_clauses(filter, false);
	cscan->scan.scanrelid = rel->relid;
	cscan->flags = path->flags;
	cscan->custom_private = path->custom_private;
	cscan->methods = &scan_methods;
	return &cscan->scan.plan;
}

/*
 * Execution
 */

static Node *
create_seek_state(CustomScan *cscan)
{
	SeekState  *s = palloc0(sizeof(SeekState));

	NodeSetTag(s, T_CustomScanState);
	s->css.methods = &exec_methods;
	el_custom_slot_ops(&s->css, &ElTupleSlotOps);
	s->backward = intVal(linitial(cscan->custom_private)) != 0;
	return (Node *) s;
}

static void
begin_seek(CustomScanState *css, EState *estate, int eflags)
{
	SeekState  *s = (SeekState *) css;
	CustomScan *cscan = (CustomScan *) css->ss.ps.plan;
	ListCell   *lc;

	el_custom_slot_ops_late(css, estate, &ElTupleSlotOps);
	s->bounds = palloc(Max(list_length(cscan->custom_exprs), 1) *
					   sizeof(SeekBound));
	foreach(lc, cscan->custom_exprs)
	{
		OpExpr	   *op = lfirst_node(OpExpr, lc);
		SeekBound  *bound = &s->bounds[s->nbounds++];

		if (!bound_properties(op, &bound->column, &bound->strategy,
							  &bound->type))
			elog(ERROR, "operator %u is no bound", op->opno);
		bound->value = ExecInitExpr(lsecond(op->args), &css->ss.ps);
	}
	Assert(s->nbounds == list_length(cscan->custom_exprs));
	s->recheck = ExecInitQual(cscan->custom_exprs, &css->ss.ps);
}

/* Narrow the offsets min .. max by a bound. */
static void
bound_offset(const SeekBound *bound, Datum value, int64 *min, int64 *max)
{
	int64		v = bound->type == INT2OID ? DatumGetInt16(value) :
		bound->type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);

	Assert(bound->strategy >= BTLessStrategyNumber &&
		   bound->strategy <= BTGreaterStrategyNumber);
	/* a bound that lies behind all integers leaves nothing */
	if ((bound->strategy == BTLessStrategyNumber && pg_sub_s64_overflow(v, 1, &v)) ||
		(bound->strategy == BTGreaterStrategyNumber && pg_add_s64_overflow(v, 1, &v)))
	{
		*max = -1;
		return;
	}
	if (bound->strategy >= BTEqualStrategyNumber)
		*min = Max(*min, v);
	if (bound->strategy <= BTEqualStrategyNumber)
		*max = Min(*max, v);
}

/* The time, in ms, before which nothing satisfies the bound. */
static int64
bound_time(const SeekBound *bound, Datum value)
{
	TimestampTz time;
	int			overflow;

	Assert(bound->column == EL_ATT_TIME &&
		   bound->strategy >= BTEqualStrategyNumber);
	switch (bound->type)
	{
		case DATEOID:
			time = date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow);
			break;
		case TIMESTAMPOID:
			time = timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow);
			break;
		default:
			time = DatumGetTimestampTz(value);
			break;
	}
	if (TIMESTAMP_IS_NOBEGIN(time))
		return EL_MIN_TIME;

	/*
	 * a log may have times that are beyond PostgreSQL's, which are shown as
	 * infinity
	 */
	return el_timestamptz_to_ms(Min(time, END_TIMESTAMP - 1));
}

/* Evaluate the bounds and tell the scan. */
static void
set_bounds(SeekState *s)
{
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	int64		min = 0;
	int64		max = EL_MAX_OFFSET;
	int64		from_time = EL_MIN_TIME;

	Assert(s->scan != NULL && !s->bounded);
	for (int i = 0; i < s->nbounds; i++)
	{
		SeekBound  *bound = &s->bounds[i];
		bool		isnull;
		Datum		value = ExecEvalExprSwitchContext(bound->value, econtext,
													  &isnull);

		if (isnull)
			max = -1;			/* the operators are strict */
		else if (bound->column == EL_ATT_OFFSET)
			bound_offset(bound, value, &min, &max);
		else
			from_time = Max(from_time, bound_time(bound, value));
	}
	ResetExprContext(econtext);
	el_scan_set_range(s->scan, min, max, from_time);
	s->bounded = true;
}

static TupleTableSlot *
next_sought_row(ScanState *node)
{
	SeekState  *s = (SeekState *) node;
	ScanDirection direction = node->ps.state->es_direction;

	if (s->scan == NULL)
		s->scan = table_beginscan(node->ss_currentRelation,
								  node->ps.state->es_snapshot, 0, NULL);
	if (!s->bounded)
		set_bounds(s);
	Assert(s->bounded && !ScanDirectionIsNoMovement(direction));
	if (s->backward)
		direction = ScanDirectionIsForward(direction) ?
			BackwardScanDirection : ForwardScanDirection;
	if (table_scan_getnextslot(s->scan, direction, node->ss_ScanTupleSlot))
		return node->ss_ScanTupleSlot;
	return NULL;
}

/* EvalPlanQual: values that the bounds were made of may have changed. */
static bool
recheck_bounds(ScanState *node, TupleTableSlot *slot)
{
	node->ps.ps_ExprContext->ecxt_scantuple = slot;
	return ExecQualAndReset(((SeekState *) node)->recheck,
							node->ps.ps_ExprContext);
}

static TupleTableSlot *
exec_seek(CustomScanState *css)
{
	return ExecScan(&css->ss, next_sought_row, recheck_bounds);
}

static void
end_seek(CustomScanState *css)
{
	SeekState  *s = (SeekState *) css;

	if (s->scan != NULL)
		table_endscan(s->scan);
}

static void
rescan_seek(CustomScanState *css)
{
	SeekState  *s = (SeekState *) css;

	if (s->scan != NULL)
		table_rescan(s->scan, NULL);
	s->bounded = false;
	ExecScanReScan(&css->ss);
}

static void
explain_seek(CustomScanState *css, List *ancestors, ExplainState *es)
{
	CustomScan *cscan = (CustomScan *) css->ss.ps.plan;

	if (cscan->custom_exprs != NIL)
	{
		List	   *context = set_deparse_context_plan(es->deparse_cxt,
													   &cscan->scan.plan,
													   ancestors);

		ExplainPropertyText("Seek Cond",
							deparse_expression((Node *) make_ands_explicit(cscan->custom_exprs),
											   context, es->verbose, false),
							es);
	}
	ExplainPropertyText("Order", ((SeekState *) css)->backward ?
						"event_offset DESC" : "event_offset", es);
}

void
el_seek_scan_install(void)
{
	RegisterCustomScanMethods(&scan_methods);
}
