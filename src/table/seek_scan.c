/*-------------------------------------------------------------------------
 *
 * seek_scan.c
 *	  A plan node that seeks in a partition instead of reading all of it.
 *
 * A log is sorted by event_offset, and a place in it is found by offset or by
 * time within a few pages.  So the planner is offered, beside the sequential
 * scan, a custom scan
 *
 * - that reads only the offsets which conditions on event_offset leave: a range,
 *   or a list of them;
 * - that leaves out what lies before the first event which is late enough for
 *   event_time >= or >.  Times may run backwards: the condition is evaluated for the
 *   rest as well, and an upper bound leaves out nothing;
 * - whose rows come in offset order, or in the opposite one.  The partition is
 *   the same in all of them, so they are in the order of partition and
 *   event_offset, too, and the partitions of a topic in that order need no sort.
 *
 * All bounds (seek_bounds.c) are kept as the expressions they were in custom_exprs: so core translates what is in them, EXPLAIN shows them, and
 * EvalPlanQual can check a row by them.  Their values are evaluated when a scan
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
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "partitioning/partbounds.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "base/compat.h"
#include "base/settings.h"
#include "kafka/record.h"
#include "storage/log.h"
#include "storage/page.h"
#include "table/scan.h"
#include "table/seek_bounds.h"
#include "table/seek_scan.h"
#include "table/slot.h"
#include "topic/shape.h"

/* Descending costs about what it does in a B-tree, besides the page it leads to. */
#define EL_SEEK_CPU_OPERATORS	50.0

/* Elements of an array that is not known, as core guesses. */
#define EL_ARRAY_ESTIMATE	10

/* A bound of the scan, at execution. */
typedef struct SeekBound
{
	ElBound		bound;
	ExprState  *values[EL_BOUND_COLUMNS];
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
 * Paths
 */

/* Those of the conditions that are bounds; the others, and those that say more, are left for the filter. */
static List *
find_bounds(PlannerInfo *root, RelOptInfo *rel, List *rinfos, List **filter)
{
	List	   *exprs = NIL;
	ListCell   *lc;

	foreach(lc, rinfos)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		ElBound		bound;
		Expr	   *expr = el_find_bound(root, rel, rinfo, &bound);

		if (expr != NULL)
			exprs = lappend(exprs, expr);
		if (expr == NULL || !bound.exact)
			*filter = lappend(*filter, rinfo);
	}
	return exprs;
}

/* What is to be read of a log. */
typedef struct SeekSize
{
	Selectivity fraction;		/* of all rows, in one stretch */
	double		noffsets;		/* a list of as many; -1: there is none */
} SeekSize;

static OpExpr *
compare_column(RelOptInfo *rel, AttrNumber column, Oid type, int strategy,
			   Oid value_type, Expr *value)
{
	Oid			op = get_opfamily_member(el_btree_family(type), type,
										 value_type, strategy);

	return (OpExpr *) make_opclause(op, BOOLOID, false,
									(Expr *) makeVar(rel->relid, column, type, -1, InvalidOid, 0),
									value, InvalidOid, InvalidOid);
}

static OpExpr *
compare_offset(RelOptInfo *rel, int strategy, int64 offset)
{
	return compare_column(rel, EL_ATT_OFFSET, INT8OID, strategy, INT8OID,
						  (Expr *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
											 Int64GetDatum(offset), false, FLOAT8PASSBYVAL));
}

/* The number of the partition; -1 if it holds nothing. */
static int32
leaf_partition(PlannerInfo *root, RelOptInfo *rel)
{
	Relation	leaf = table_open(root->simple_rte_array[rel->relid]->relid, NoLock);
	ElLogInfo	info;

	el_log_info(leaf, &info);
	table_close(leaf, NoLock);
	return info.exists ? info.partition : -1;
}

/* Narrows the range by a bound whose values can be estimated; false if they cannot. */
static bool
apply_estimate(PlannerInfo *root, RelOptInfo *rel, const ElBound *bound,
			   ElScanRange *range)
{
	Datum		values[EL_BOUND_COLUMNS];
	bool		nulls[EL_BOUND_COLUMNS];

	for (int i = 0; i < bound->ncolumns; i++)
	{
		Const	   *value = (Const *)
			estimate_expression_value(root, (Node *) bound->columns[i].value);

		if (!IsA(value, Const))
			return false;
		values[i] = value->constvalue;
		nulls[i] = value->constisnull;
	}
	el_apply_bound(bound, values, nulls,
				   bound->ncolumns > 1 ? leaf_partition(root, rel) : -1, range);
	return true;
}

/*
 * Part of the log that is read.  Bounds on offsets and on times leave a stretch of
 * it each, so the smaller counts.
 */
static SeekSize
seek_size(PlannerInfo *root, RelOptInfo *rel, List *exprs)
{
	SeekSize	size = {1.0, -1};
	ElScanRange range = EL_SCAN_ALL;
	Selectivity unknown = 1.0;
	List	   *offsets = NIL;
	List	   *times = NIL;
	ListCell   *lc;

	foreach(lc, exprs)
	{
		Expr	   *expr = lfirst(lc);
		ElBound		bound;
		ElBoundColumn *c = &bound.columns[0];

		(void) el_read_bound(expr, rel->relid, &bound);
		if (c->column == EL_ATT_TIME)
		{
			/* an equal time is looked for up to the end */
			times = lappend(times, compare_column(rel, EL_ATT_TIME, TIMESTAMPTZOID,
												  bound.strategy == BTEqualStrategyNumber ?
												  BTGreaterEqualStrategyNumber : bound.strategy,
												  c->type, c->value));
		}
		else if (bound.strategy == BTEqualStrategyNumber && !bound.any)
		{
			/* offsets are unique, whether or not statistics say so */
			size.fraction = 1.0 / Max(rel->tuples, 1.0);
			return size;
		}
		else if (apply_estimate(root, rel, &bound, &range))
			continue;
		else if (bound.any)
			size.noffsets = IsA(c->value, ArrayExpr) ?
				list_length(((ArrayExpr *) c->value)->elements) : EL_ARRAY_ESTIMATE;
		else if (bound.ncolumns == 1 && exprType(linitial(((OpExpr *) expr)->args)) == INT8OID)
			offsets = lappend(offsets, expr);
		else
			unknown *= DEFAULT_INEQ_SEL;
	}
	if (range.min_offset > 0)
		offsets = lappend(offsets, compare_offset(rel, BTGreaterEqualStrategyNumber, range.min_offset));
	if (range.max_offset < EL_MAX_OFFSET)
		offsets = lappend(offsets, compare_offset(rel, BTLessEqualStrategyNumber, range.max_offset));
	if (range.noffsets >= 0)
		size.noffsets = range.noffsets;
	size.fraction = Min(clauselist_selectivity(root, offsets, rel->relid, JOIN_INNER, NULL) * unknown,
						clauselist_selectivity(root, times, rel->relid, JOIN_INNER, NULL));
	return size;
}

/* required_outer: the tables whose columns are in the bounds. */
static void
add_seek_path(PlannerInfo *root, RelOptInfo *rel, SeekSize size, List *filter,
			  Relids required_outer, List *pathkeys, bool backward)
{
	CustomPath *cpath = makeNode(CustomPath);
	Path	   *path = &cpath->path;
	double		tuples = size.noffsets >= 0 ? size.noffsets :
		clamp_row_est(rel->tuples * size.fraction);
	double		seeks = size.noffsets >= 0 ? size.noffsets : 1;
	double		random_page;
	double		seq_page;
	double		pages;
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
	if (size.noffsets > 1)
		pages = random_page * index_pages_fetched(size.noffsets, rel->pages, 0, root);
	else
		pages = random_page + seq_page * (size.noffsets >= 0 ? 0 : ceil(rel->pages * size.fraction));
	/* what has nothing is free to look at, as for the sequential scan */
	if (rel->pages == 0)
		pages = seeks = 0;

	/*
	 * The seek is no start-up cost, as a B-tree's pages are none: a LIMIT
	 * would prefer the sequential scan, which starts at once and, the planner
	 * thinks, meets matching rows soon, when all that do not match come
	 * first.
	 */
	path->startup_cost = qual.startup + path->pathtarget->cost.startup;
	path->total_cost = path->startup_cost + pages +
		seeks * EL_SEEK_CPU_OPERATORS * cpu_operator_cost +
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

/* The order of a column's values, by < or >, if anything in this query asks for it. */
static List *
column_pathkeys(PlannerInfo *root, RelOptInfo *rel, AttrNumber column, Oid type,
				int strategy)
{
	Oid			op = get_opfamily_member(el_btree_family(type), type, type, strategy);

	return el_build_expression_pathkey(root, (Expr *) makeVar(rel->relid, column, type, -1,
															  InvalidOid, 0),
									   op, rel->relids);
}

/*
 * How far a scan in that direction has the rows in the order that the query asks
 * for: by event_offset, and in any order by the partition, which is one.  There
 * are no nulls to come first or last.
 */
static List *
order_offered(PlannerInfo *root, List *partition, List *offset, int strategy)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, root->query_pathkeys)
	{
		PathKey    *key = lfirst_node(PathKey, lc);
		PathKey    *p = partition == NIL ? NULL : linitial_node(PathKey, partition);
		PathKey    *o = offset == NIL ? NULL : linitial_node(PathKey, offset);

		if (!(p != NULL && key->pk_eclass == p->pk_eclass) &&
			!(o != NULL && key->pk_eclass == o->pk_eclass &&
			  key == make_canonical_pathkey(root, o->pk_eclass, o->pk_opfamily,
											strategy, key->pk_nulls_first)))
			break;
		result = lappend(result, key);
	}
	return result;
}

/* Paths in one direction, for each order that it has and the query, or a merge join of it, can use. */
static void
add_ordered_paths(PlannerInfo *root, RelOptInfo *rel, List *exprs, SeekSize size,
				  List *filter, bool backward)
{
	int			strategy = backward ? BTGreaterStrategyNumber : BTLessStrategyNumber;
	List	   *partition = column_pathkeys(root, rel, EL_ATT_PARTITION, INT4OID,
											strategy);
	List	   *offset = column_pathkeys(root, rel, EL_ATT_OFFSET, INT8OID,
										 strategy);
	List	   *asked = order_offered(root, partition, offset, strategy);
	List	   *merged = truncate_useless_pathkeys(root, rel, offset);
	List	   *both = partition == NIL ? NIL :
		truncate_useless_pathkeys(root, rel, list_concat_copy(partition, offset));

	/* forward is as good as backward where the order does not matter */
	if ((exprs != NIL && !backward) || asked != NIL)
		add_seek_path(root, rel, size, filter, rel->lateral_relids, asked, backward);
	if (merged != NIL && compare_pathkeys(merged, asked) != PATHKEYS_EQUAL)
		add_seek_path(root, rel, size, filter, rel->lateral_relids, merged, backward);
	if (both != NIL && compare_pathkeys(both, asked) != PATHKEYS_EQUAL &&
		compare_pathkeys(both, merged) != PATHKEYS_EQUAL)
		add_seek_path(root, rel, size, filter, rel->lateral_relids, both, backward);
}

static bool
is_sought_member(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
				 EquivalenceMember *em, void *arg)
{
	AttrNumber	column = el_bound_column((Node *) em->em_expr, rel->relid);

	return column == EL_ATT_OFFSET || column == EL_ATT_TIME;
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
		List	   *exprs;
		List	   *filter = NIL;
		ParamPathInfo *param_info;
		ElBound		bound;

		if (el_find_bound(root, rel, rinfo, &bound) == NULL)
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
		exprs = find_bounds(root, rel,
							list_concat_copy(rel->baserestrictinfo,
											 param_info->ppi_clauses),
							&filter);
		add_seek_path(root, rel, seek_size(root, rel, exprs), filter, outer,
					  NIL, false);
	}
}

/*
 * Is it the DEFAULT partition?  Rows that arrive there go on to others, so that
 * it never has any.
 */
static bool
is_default_partition(PlannerInfo *root, RelOptInfo *rel, RelOptInfo **topic)
{
	if (rel->reloptkind != RELOPT_OTHER_MEMBER_REL || rel->pages != 0)
		return false;
	*topic = find_base_rel(root, root->append_rel_array[rel->relid]->parent_relid);
	return (*topic)->boundinfo != NULL && partition_bound_has_default((*topic)->boundinfo) &&
		(*topic)->part_rels[(*topic)->boundinfo->default_index] == rel;
}

/* Adds paths in both orders where the query can use the order, and one for each set of outer tables. */
void
el_seek_scan_pathlist(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	List	   *filter = NIL;
	List	   *exprs;
	RelOptInfo *topic;
	SeekSize	size;

	/* for every table of every query: cheap tests first, then the catalog */
	if (!el_enable_seek || rte->rtekind != RTE_RELATION ||
		rte->relkind != RELKIND_RELATION || rte->inh || rte->tablesample ||
		(rel->baserestrictinfo == NIL && rel->joininfo == NIL &&
		 !rel->has_eclass_joins && root->query_pathkeys == NIL) ||
		IS_DUMMY_REL(rel) || !el_is_leaf(rte->relid))
		return;

	/* without it the others are in order, which core asks of live partitions */
	if (is_default_partition(root, rel, &topic))
	{
		topic->live_parts = bms_del_member(topic->live_parts,
										   topic->boundinfo->default_index);
		mark_dummy_rel(rel);
		return;
	}

	exprs = find_bounds(root, rel, rel->baserestrictinfo, &filter);
	size = seek_size(root, rel, exprs);
	add_ordered_paths(root, rel, exprs, size, filter, false);
	add_ordered_paths(root, rel, exprs, size, filter, true);
	add_join_paths(root, rel);
}

static Plan *
plan_seek(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist,
		  List *clauses, List *custom_plans)
{
	CustomScan *cscan = makeNode(CustomScan);
	List	   *filter = NIL;

	Assert(rel->relid > 0 && rel->rtekind == RTE_RELATION);
	cscan->custom_exprs = find_bounds(root, rel, clauses, &filter);
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
		SeekBound  *b = &s->bounds[s->nbounds++];

		if (!el_read_bound(lfirst(lc), cscan->scan.scanrelid, &b->bound))
			elog(ERROR, "not a bound: node type %d", (int) nodeTag(lfirst(lc)));
		for (int i = 0; i < b->bound.ncolumns; i++)
			b->values[i] = ExecInitExpr(b->bound.columns[i].value, &css->ss.ps);
	}
	Assert(s->nbounds == list_length(cscan->custom_exprs));
	s->recheck = ExecInitQual(cscan->custom_exprs, &css->ss.ps);
}

/* Evaluate the bounds and tell the scan. */
static void
set_bounds(SeekState *s)
{
	ExprContext *econtext = s->css.ss.ps.ps_ExprContext;
	MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	ElScanRange range = EL_SCAN_ALL;

	Assert(s->scan != NULL && !s->bounded);
	for (int i = 0; i < s->nbounds; i++)
	{
		SeekBound  *b = &s->bounds[i];
		Datum		values[EL_BOUND_COLUMNS];
		bool		nulls[EL_BOUND_COLUMNS];

		for (int c = 0; c < b->bound.ncolumns; c++)
			values[c] = ExecEvalExpr(b->values[c], econtext, &nulls[c]);
		el_apply_bound(&b->bound, values, nulls,
					   b->bound.ncolumns > 1 ? el_scan_partition(s->scan) : -1,
					   &range);
	}
	el_scan_set_range(s->scan, &range);
	MemoryContextSwitchTo(old);
	ResetExprContext(econtext);
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
