/*-------------------------------------------------------------------------
 *
 * seek_bounds.h
 *	  Which conditions say where in a log to look, and where that is.
 *
 * IDENTIFICATION
 *	  src/table/seek_bounds.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SEEK_BOUNDS_H
#define EL_SEEK_BOUNDS_H

#include "postgres.h"

#include "access/attnum.h"
#include "nodes/pathnodes.h"
#include "nodes/primnodes.h"

#include "table/scan.h"

/* Of a row comparison, those columns that are used: partition, event_offset, event_time. */
#define EL_BOUND_COLUMNS	3

typedef struct ElBoundColumn
{
	AttrNumber	column;
	Oid			type;			/* of the value that it is compared with */
	Expr	   *value;			/* for any: an array of those */
} ElBoundColumn;

/*
 * A bound, taken to pieces: columns compared with values, as a row if they are
 * several.
 */
typedef struct ElBound
{
	int			strategy;		/* B-tree's */
	bool		any;			/* with any element of an array */
	bool		exact;			/* it says all that the condition does; else
								 * the condition is to be evaluated as well */
	int			ncolumns;
	ElBoundColumn columns[EL_BOUND_COLUMNS];
} ElBound;

/*
 * The column of a log, or 0, that an expression is.  As numeric or double
 * precision an integer one is still the same.
 */
extern AttrNumber el_bound_column(Node *expr, Index relid);

/* The B-tree family of a column's type, or another one's. */
extern Oid	el_btree_family(Oid type);

/*
 * The condition as a bound on a table's rows, column to the left if it is a plain
 * comparison, or NULL.  A condition that would have to wait for others, because it might leak what they
 * hide, is none.
 */
extern Expr *el_find_bound(PlannerInfo *root, RelOptInfo *rel,
						   RestrictInfo *rinfo, ElBound *bound);

/* Take such an expression to pieces again; false: it is none. */
extern bool el_read_bound(Expr *expr, Index relid, ElBound *bound);

/*
 * Narrow the range down to what a bound leaves, given its values.  Offsets are
 * allocated in CurrentMemoryContext.  partition: the table's, which counts for rows only.
 */
extern void el_apply_bound(const ElBound *bound, const Datum *values,
						   const bool *nulls, int32 partition,
						   ElScanRange *range);

#endif							/* EL_SEEK_BOUNDS_H */
