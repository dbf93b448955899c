/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments of the broker's functions.
 *
 * IDENTIFICATION
 *	  src/wire/arguments.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_ARGUMENTS_H
#define EL_WIRE_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/uuid.h"

/* The partitions that a call is about: its first two arguments. */
typedef struct ElPlaces
{
	int			n;
	const pg_uuid_t *topics;
	const int32 *partitions;
} ElPlaces;

/* 22004 for NULLs, 22023 for arrays of several dimensions or different lengths. */
extern void el_places(FunctionCallInfo fcinfo, ElPlaces *places);

/*
 * The n elements of an array whose elements have a fixed length, argument argno (from
 * 0) that SQL calls by this name; errors as above.
 */
extern const void *el_fixed_array(FunctionCallInfo fcinfo, int argno,
								  const char *name, int n);

/* The array itself, checked in the same way; n -1: of any length. */
extern ArrayType *el_plain_array(FunctionCallInfo fcinfo, int argno,
								 const char *name, int n);

#endif							/* EL_WIRE_ARGUMENTS_H */
