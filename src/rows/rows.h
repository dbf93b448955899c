/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  Where functions that return events put them.
 *
 * IDENTIFICATION
 *	  src/rows/rows.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ROWS_H
#define EL_ROWS_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/nodes.h"

#include "kafka/record.h"
#include "rows/row.h"
#include "topic/topic.h"

typedef struct ElRows ElRows;

/*
 * The result of the set-returning function that is running, of rows of this form.
 * It is a tuplestore, or what rows_scan.c wants to read (see the README).
 */
extern ElRows *el_rows_begin(FunctionCallInfo fcinfo, ElRowForm form);

/* The topic stays valid until the transaction ends; the record is copied. */
extern void el_rows_put(ElRows *rows, ElTopic *t, int32 partition,
						const ElRecord *rec);
extern void el_rows_end(ElRows *rows);

/*
 * A result that is kept as records, beyond work_mem in a temporary file: each becomes a
 * row when it is read, and only as many columns as are read.  Lives in CurrentMemoryContext.
 */
extern ElRows *el_rows_create(void);

/* As the context of a call, it makes el_rows_begin() give this result. */
extern Node *el_rows_as_context(ElRows *rows);

/* Row n, from 0; false if there are no more.  columns: bit i for column i; the others are not set. */
extern bool el_rows_get(ElRows *rows, int64 n, uint32 columns,
						Datum *values, bool *nulls);
extern int64 el_rows_count(const ElRows *rows);

/* Close the file, before the memory goes. */
extern void el_rows_close(ElRows *rows);

#endif							/* EL_ROWS_H */
