/*-------------------------------------------------------------------------
 *
 * seek_bounds.c
 *	  Which conditions say where in a log to look, and where that is.
 *
 * A bound is a condition of one of these forms, the column on either side:
 *
 *	  event_offset < <= = >= > value
 *	  event_offset = ANY (array), also as IN
 *	  event_time = >= > value		times may run backwards, so that this only
 *									says before which event there is nothing
 *	  (partition, event_offset, ...) < <= >= > (value, value, ...)
 *									in any order: within one table the
 *									partition is a constant
 *
 * The planner asks with the values that it knows, to estimate how much is left;
 * the executor with all of them.
 *
 * An offset, or partition, may be compared with a number of any type that has
 * a B-tree operator for it: drivers send numeric, or double precision.  What it is cast
 * to then holds all offsets exactly, for they end at 2^47 - 1.
 *
 * IDENTIFICATION
 *	  src/table/seek_bounds.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/clock.h"
#include "base/compat.h"
#include "kafka/record.h"
#include "storage/page.h"
#include "table/seek_bounds.h"
#include "topic/shape.h"

/* Any number, as far as it matters to integers from 0 to EL_MAX_OFFSET. */
typedef struct Number
{
	int64		floor;			/* -1 .. EL_MAX_OFFSET */
	bool		more;			/* the number is greater than that */
} Number;

/*
 * The planner's part
 */

AttrNumber
el_bound_column(Node *expr, Index relid)
{
	Var		   *var = (Var *) expr;
	Oid			type;

	if (IsA(expr, FuncExpr))
	{
		FuncExpr   *cast = (FuncExpr *) expr;

		if (cast->funcid != F_NUMERIC_INT8 && cast->funcid != F_FLOAT8_INT8 &&
			cast->funcid != F_NUMERIC_INT4 && cast->funcid != F_FLOAT8_INT4 &&
			cast->funcid != F_INT8_INT4)
			return 0;
		var = linitial(cast->args);
	}
	if (!IsA(var, Var) || var->varno != relid || var->varlevelsup != 0)
		return 0;
	switch (var->varattno)
	{
		case EL_ATT_PARTITION:
			type = INT4OID;
			break;
		case EL_ATT_OFFSET:
			type = INT8OID;
			break;
		case EL_ATT_TIME:
			type = TIMESTAMPTZOID;
			break;
		default:
			return 0;
	}
	return var->vartype == type ? var->varattno : 0;
}

Oid
el_btree_family(Oid type)
{
	return lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
}

static bool
is_comparable(AttrNumber column, Oid type)
{
	if (column == EL_ATT_TIME)
		return type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID;
	return type == INT2OID || type == INT4OID || type == INT8OID ||
		type == NUMERICOID || type == FLOAT4OID || type == FLOAT8OID;
}

/* One more column, and the strategy of its operator; false if it is none, or has been there. */
static bool
add_column(ElBound *bound, Node *expr, Oid opno, Node *value, Index relid,
		   int *strategy)
{
	ElBoundColumn *c = &bound->columns[bound->ncolumns];
	Oid			family;
	Oid			left;

	c->column = el_bound_column(expr, relid);
	if (c->column == 0)
		return false;
	for (int i = 0; i < bound->ncolumns; i++)
		if (bound->columns[i].column == c->column)
			return false;
	family = el_btree_family(exprType(expr));
	if (!op_in_opfamily(opno, family))
		return false;
	get_op_opfamily_properties(opno, family, false, strategy, &left, &c->type);
	if (left != exprType(expr) || !is_comparable(c->column, c->type))
		return false;
	c->value = (Expr *) value;
	bound->ncolumns++;
	return true;
}

/* Columns from the first on, as long as they are of use; on the side where the first one is. */
static void
read_row(RowCompareExpr *row, Index relid, ElBound *bound)
{
	bool		swapped = el_bound_column(linitial(row->largs), relid) == 0;
	ListCell   *c,
			   *o,
			   *v;

	forthree(c, swapped ? row->rargs : row->largs, o, row->opnos,
			 v, swapped ? row->largs : row->rargs)
	{
		Oid			opno = swapped ? get_commutator(lfirst_oid(o)) : lfirst_oid(o);

		/* the strategy is the same for all */
		if (!add_column(bound, lfirst(c), opno, lfirst(v), relid, &bound->strategy) ||
			bound->columns[bound->ncolumns - 1].column == EL_ATT_TIME)
			return;
	}
	bound->exact = true;
}

bool
el_read_bound(Expr *expr, Index relid, ElBound *bound)
{
	memset(bound, 0, sizeof(*bound));
	if (IsA(expr, OpExpr))
	{
		OpExpr	   *op = (OpExpr *) expr;

		if (list_length(op->args) != 2 ||
			!add_column(bound, linitial(op->args), op->opno, lsecond(op->args),
						relid, &bound->strategy))
			return false;
		bound->exact = bound->columns[0].column == EL_ATT_OFFSET;
	}
	else if (IsA(expr, ScalarArrayOpExpr))
	{
		ScalarArrayOpExpr *op = (ScalarArrayOpExpr *) expr;

		if (!op->useOr ||
			!add_column(bound, linitial(op->args), op->opno, lsecond(op->args),
						relid, &bound->strategy) ||
			bound->columns[0].column != EL_ATT_OFFSET ||
			bound->strategy != BTEqualStrategyNumber)
			return false;
		bound->any = bound->exact = true;
	}
	else if (IsA(expr, RowCompareExpr))
		read_row((RowCompareExpr *) expr, relid, bound);

	/* partitions alone are pruned by core */
	for (int i = 0; i < bound->ncolumns; i++)
		if (bound->columns[i].column == EL_ATT_OFFSET ||
			(bound->columns[i].column == EL_ATT_TIME &&
			 bound->strategy >= BTEqualStrategyNumber))
			return true;
	return false;
}

/* A comparison with a column to the left, NULL if that cannot be; what else may be a bound stays. */
static Expr *
column_to_left(Expr *clause, Index relid)
{
	if (IsA(clause, OpExpr) && list_length(((OpExpr *) clause)->args) == 2)
	{
		OpExpr	   *op = (OpExpr *) clause;

		if (el_bound_column(linitial(op->args), relid) != 0)
			return clause;
		if (el_bound_column(lsecond(op->args), relid) == 0 ||
			!OidIsValid(get_commutator(op->opno)))
			return NULL;
		op = copyObject(op);
		CommuteOpExpr(op);
		return (Expr *) op;
	}
	return clause;
}

Expr *
el_find_bound(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *rinfo,
			  ElBound *bound)
{
	Expr	   *expr;

	if (rinfo->pseudoconstant || !restriction_is_securely_promotable(rinfo, rel))
		return NULL;
	expr = column_to_left(rinfo->clause, rel->relid);
	if (expr == NULL || !el_read_bound(expr, rel->relid, bound))
		return NULL;
	for (int i = 0; i < bound->ncolumns; i++)
	{
		Node	   *value = (Node *) bound->columns[i].value;

		if (contain_volatile_functions(value) ||
			bms_is_member(rel->relid, pull_varnos(root, value)))
			return NULL;
	}
	return expr;
}

/*
 * What bounds leave
 */

static Number
integer_number(int64 v)
{
	if (v < 0)
		return (Number)
	{
		-1, true
	};
	if (v > EL_MAX_OFFSET)
		return (Number)
	{
		EL_MAX_OFFSET, true
	};
	return (Number)
	{
		v, false
	};
}

static Number
float_number(float8 v)
{
	if (v < 0)
		return (Number)
	{
		-1, true
	};
	if (isnan(v) || v > EL_MAX_OFFSET)	/* NaN is greater than all */
		return (Number)
	{
		EL_MAX_OFFSET, true
	};
	return (Number)
	{
		(int64) floor(v), floor(v) != v
	};
}

static Number
numeric_number(Datum v)
{
	Datum		whole;

	if (DatumGetBool(DirectFunctionCall2(numeric_lt, v,
										 NumericGetDatum(int64_to_numeric(0)))))
		return (Number)
	{
		-1, true
	};
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, v,
										 NumericGetDatum(int64_to_numeric(EL_MAX_OFFSET)))))
		return (Number)
	{
		EL_MAX_OFFSET, true
	};
	whole = DirectFunctionCall1(numeric_floor, v);
	return (Number)
	{
		DatumGetInt64(DirectFunctionCall1(numeric_int8, whole)),
			DatumGetBool(DirectFunctionCall2(numeric_ne, whole, v))
	};
}

static Number
as_number(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return integer_number(DatumGetInt16(value));
		case INT4OID:
			return integer_number(DatumGetInt32(value));
		case INT8OID:
			return integer_number(DatumGetInt64(value));
		case FLOAT4OID:
			return float_number(DatumGetFloat4(value));
		case FLOAT8OID:
			return float_number(DatumGetFloat8(value));
		default:
			Assert(type == NUMERICOID);
			return numeric_number(value);
	}
}

/* The time, in ms, before which nothing is as late as the value. */
static int64
as_time(Oid type, Datum value)
{
	TimestampTz time;
	int			overflow;

	switch (type)
	{
		case DATEOID:
			time = date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow);
			break;
		case TIMESTAMPOID:
			time = timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow);
			break;
		default:
			Assert(type == TIMESTAMPTZOID);
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

static inline void
leave_nothing(ElScanRange *range)
{
	range->max_offset = -1;
}

/* equal: is the offset itself in, if the number is one? */
static void
narrow_offsets(int strategy, Number n, bool equal, ElScanRange *range)
{
	bool		at = equal && !n.more;

	if (strategy == BTEqualStrategyNumber && n.more)
		leave_nothing(range);
	if (strategy >= BTEqualStrategyNumber)
		range->min_offset = Max(range->min_offset, at ? n.floor : n.floor + 1);
	if (strategy <= BTEqualStrategyNumber)
		range->max_offset = Min(range->max_offset, at || n.more ? n.floor : n.floor - 1);
}

static int
compare_with(int32 partition, Number n)
{
	if (partition != n.floor)
		return partition < n.floor ? -1 : 1;
	return n.more ? -1 : 0;
}

/* Is a row in whose columns before that one are equal to their values? */
static bool
equal_so_far(const ElBound *bound, int column, const Datum *values,
			 const bool *nulls, int32 partition)
{
	for (int i = column; i < bound->ncolumns; i++)
	{
		const ElBoundColumn *c = &bound->columns[i];
		int			cmp;

		if (c->column != EL_ATT_PARTITION)
			break;				/* must be looked at */
		if (nulls[i])
			return false;
		cmp = compare_with(partition, as_number(c->type, values[i]));
		if (cmp != 0)
			return (cmp < 0) == (bound->strategy < BTEqualStrategyNumber);
	}
	return !bound->exact || (bound->strategy != BTLessStrategyNumber &&
							 bound->strategy != BTGreaterStrategyNumber);
}

static int
compare_offsets(const void *a, const void *b)
{
	int64		l = *(const int64 *) a;
	int64		r = *(const int64 *) b;

	return l < r ? -1 : l > r;
}

/* Offsets that are elements, and in the list that there is. */
static void
narrow_to_elements(Oid type, Datum value, ElScanRange *range)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	int			n = 0;
	int64	   *offsets;
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &len, &byval, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), len, byval, align, &elements,
					  &nulls, &nelements);
	offsets = palloc(Max(nelements, 1) * sizeof(int64));
	for (int i = 0; i < nelements; i++)
	{
		Number		number;

		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			continue;
		number = as_number(type, elements[i]);
		if (!number.more &&
			(range->noffsets < 0 ||
			 bsearch(&number.floor, range->offsets, range->noffsets,
					 sizeof(int64), compare_offsets) != NULL))
			offsets[n++] = number.floor;
	}
	qsort(offsets, n, sizeof(int64), compare_offsets);
	range->offsets = offsets;
	range->noffsets = 0;
	for (int i = 0; i < n; i++)
		if (i == 0 || offsets[i] != offsets[range->noffsets - 1])
			offsets[range->noffsets++] = offsets[i];
}

void
el_apply_bound(const ElBound *bound, const Datum *values, const bool *nulls,
			   int32 partition, ElScanRange *range)
{
	for (int i = 0; i < bound->ncolumns; i++)
	{
		const ElBoundColumn *c = &bound->columns[i];
		int			cmp;

		if (nulls[i])
		{
			/* the operators are strict */
			leave_nothing(range);
			return;
		}
		switch (c->column)
		{
			case EL_ATT_PARTITION:
				cmp = compare_with(partition, as_number(c->type, values[i]));
				if (cmp == 0)
					continue;
				if ((cmp < 0) != (bound->strategy < BTEqualStrategyNumber))
					leave_nothing(range);
				return;
			case EL_ATT_OFFSET:
				if (bound->any)
					narrow_to_elements(c->type, values[i], range);
				else
					narrow_offsets(bound->strategy, as_number(c->type, values[i]),
								   equal_so_far(bound, i + 1, values, nulls, partition),
								   range);
				return;
			default:
				Assert(c->column == EL_ATT_TIME);
				if (bound->strategy >= BTEqualStrategyNumber)
					range->from_time = Max(range->from_time,
										   as_time(c->type, values[i]));
				return;
		}
	}
}
