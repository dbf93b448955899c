/*-------------------------------------------------------------------------
 *
 * json_check.h
 *	  A quick look at whether bytes are JSON.
 *
 * IDENTIFICATION
 *	  src/value/json_check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_JSON_CHECK_H
#define EL_JSON_CHECK_H

#include "postgres.h"

/*
 * Is it JSON (RFC 8259) beyond doubt?  False means that it is not, or has something that is left
 * to PostgreSQL's parser to judge, which also says what is wrong: \u escapes,
 * more than 64 levels, what is neither object nor array.  Only for encodings in which no byte below 0x80 is part of a longer
 * character; every encoding of a server is.
 */
extern bool el_json_is_plain(const char *json, int32 len);

#endif							/* EL_JSON_CHECK_H */
