/*-------------------------------------------------------------------------
 *
 * json_walk.h
 *	  A walk through the text of a JSON document, in slices of it.
 *
 * IDENTIFICATION
 *	  src/produce/json_walk.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_JSON_WALK_H
#define EL_JSON_WALK_H

#include "postgres.h"

/* A value as it stands in the document, without the space around it. */
typedef struct ElJson
{
	const char *data;			/* NULL: there is none */
	int32		len;
} ElJson;

/* Where a walk stands: at a value, or at the bracket that ends what it is in. */
typedef struct ElJsonWalk
{
	const char *p;
} ElJsonWalk;

/* Begin with the outermost value of JSON that is known to be valid and whose outermost value is an array or object. */
extern void el_json_begin(ElJsonWalk *w, const char *json);

/* Go into the array '[' or object '{' that the walk stands at; false if it is at something else. */
extern bool el_json_enter(ElJsonWalk *w, char bracket);

/* Is there nothing more in it? */
static inline bool
el_json_at_end(const ElJsonWalk *w)
{
	return *w->p == ']' || *w->p == '}';
}

/*
 * The next element, or in an object names and values in turn, as one slice
 * whatever is in it; false if there is nothing more.
 */
extern bool el_json_next(ElJsonWalk *w, ElJson *item);

/* Leave the array or object whose end has been reached, and which is not the outermost. */
extern void el_json_leave(ElJsonWalk *w);

static inline bool
el_json_is_string(ElJson json)
{
	return *json.data == '"';
}

static inline bool
el_json_is_null(ElJson json)
{
	return *json.data == 'n';
}

/*
 * What a string says: a slice of the document, or if there are escapes in it, in
 * CurrentMemoryContext.  Raises for escapes that no text can hold.
 */
extern ElJson el_json_content(ElJson string);

#endif							/* EL_JSON_WALK_H */
