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

/* 0A000 for a query, before it is planned, that the planner would refuse in other words. */
extern void el_dml_check_parsed(Query *parse);

/*
 * 0A000 for a query, before it is executed, that topics do not support.  Notes
 * INSERTs that return their offsets (table/write_through.c).
 */
extern void el_dml_check_plan(QueryDesc *query);

#endif							/* EL_DML_H */
