/*-------------------------------------------------------------------------
 *
 * compat_json.h
 *	  Differences between PostgreSQL 15, 16, 17 and 18 in the JSON parser.
 *
 * IDENTIFICATION
 *	  src/base/compat_json.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_COMPAT_JSON_H
#define EL_COMPAT_JSON_H

#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

/* A lexer that hands out the strings of a text in the server's encoding. */
#if PG_VERSION_NUM < 170000
#define el_json_string_lexer(json, len) \
	makeJsonLexContextCstringLen(json, len, GetDatabaseEncoding(), true)
#else
#define el_json_string_lexer(json, len) \
	makeJsonLexContextCstringLen(NULL, json, len, GetDatabaseEncoding(), true)
#endif

/* What the parser's callbacks return: since 16 they may end the parse. */
#if PG_VERSION_NUM < 160000
#define EL_JSON_RESULT				void
#define EL_JSON_RETURN				return
#else
#define EL_JSON_RESULT				JsonParseErrorType
#define EL_JSON_RETURN				return JSON_SUCCESS
#endif

#endif							/* EL_COMPAT_JSON_H */
