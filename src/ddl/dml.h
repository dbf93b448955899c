/*-------------------------------------------------------------------------
 *
 * dml.h
 *	  DML that topics refuse.
 *
 * IDENTIFICATION
 *	  src/ddl/dml.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_DML_H
#define EL_DML_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "nodes/parsenodes.h"

/* Raise for a query, before planning and before execution, that topics do not support */
extern void el_dml_check_parsed(Query *parse);
extern void el_dml_check_plan(QueryDesc *query);

#endif							/* EL_DML_H */
