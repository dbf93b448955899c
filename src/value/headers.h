/*-------------------------------------------------------------------------
 *
 * headers.h
 *	  Event headers between SQL's jsonb and the record's form.
 *
 * IDENTIFICATION
 *	  src/value/headers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_HEADERS_H
#define EL_HEADERS_H

#include "postgres.h"


/*
 * From SQL's jsonb (an object, or an array of [name, value]; values are strings,
 * null or {"base64": "..."}) to the record's form, in CurrentMemoryContext;
 * 22023 for any other shape.
 */
extern void el_headers_from_jsonb(Datum headers, const char **data, int32 *len);

/*
 * And back, in CurrentMemoryContext: an object when names are distinct, else an
 * array; {} for none; bytes that are not valid text become {"base64": ...}.
 * 22P03 if the bytes are not headers.
 */
extern Datum el_headers_to_jsonb(const char *data, int32 len);

/*
 * Headers in the record's form, with n more of them (text), in
 * CurrentMemoryContext; 22P03 if the bytes are not headers.
 */
extern void el_headers_append(const char *headers, int32 headers_len,
							  const char *const *names,
							  const char *const *values, int n,
							  const char **data, int32 *len);

#endif							/* EL_HEADERS_H */
