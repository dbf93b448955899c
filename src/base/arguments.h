/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments of SQL functions.
 *
 * IDENTIFICATION
 *	  src/base/arguments.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ARGUMENTS_H
#define EL_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

/* 22004 if argument n (from 0), which SQL calls by this name, is NULL. */
extern void el_arg_not_null(FunctionCallInfo fcinfo, int n, const char *name);

/* The same for the first n arguments; those whose name is NULL may be NULL. */
extern void el_args_not_null(FunctionCallInfo fcinfo,
							 const char *const *names, int n);

/* Milliseconds of an interval, months being 30 days; 22023 if negative or beyond some 70 million years. */
extern int64 el_interval_ms(const Interval *interval, const char *name);

#endif							/* EL_ARGUMENTS_H */
