/*-------------------------------------------------------------------------
 *
 * views_1_0.h
 *	  What version 1.0 of the extension wants of the views' functions.
 *
 * IDENTIFICATION
 *	  src/group/views_1_0.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_VIEWS_1_0_H
#define EL_VIEWS_1_0_H

#include "postgres.h"

#include "access/tupdesc.h"

/* Columns of the functions as 1.0 declares them: of members, 1.1 declares one less; ... */
#define EL_PARTITIONS_COLUMNS_1_0	10
#define EL_MEMBERS_COLUMNS_1_0		12

/* ... of partitions, others, as many. */
extern bool el_partitions_are_1_0(TupleDesc desc);

/*
 * Make a row of 1.0 out of one of 1.1, in place: the arrays have room for
 * 1.0's columns.  What is added lives in the current memory context.
 */
extern void el_partition_row_1_0(Datum *values, bool *nulls);
extern void el_member_row_1_0(Datum *values, bool *nulls);

#endif							/* EL_VIEWS_1_0_H */
