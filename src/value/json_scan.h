/*-------------------------------------------------------------------------
 *
 * json_scan.h
 *	  Walking over JSON that is known to be JSON.
 *
 * IDENTIFICATION
 *	  src/value/json_scan.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_JSON_SCAN_H
#define EL_JSON_SCAN_H

#include "postgres.h"

/* 22P02 unless the text is JSON; in the server's encoding. */
extern void el_json_validate(const char *json, int32 len);

/*
 * The others take JSON that has been validated, and terminated.  A value begins
 * at its first character, and *end is behind its last.
 */
extern const char *el_json_skip_space(const char *p);
extern const char *el_json_skip(const char *value);

/*
 * The next member of an object, the next element of an array: *p is at first
 * where the container begins.  False at its end, where its bracket is.
 * el_json_at_element() leaves *p at the element, which the caller has to pass.
 */
extern bool el_json_next_member(const char **p, const char **name,
								const char **value);
extern bool el_json_next_element(const char **p, const char **value);
extern bool el_json_at_element(const char **p);

/* A string's text, in CurrentMemoryContext; 22P05 if it has \u0000. */
extern char *el_json_decode(const char *string);

/* Is this string, a member's name say, this text? */
extern bool el_json_string_is(const char *string, const char *text);

#endif							/* EL_JSON_SCAN_H */
