/*-------------------------------------------------------------------------
 *
 * format.h
 *	  A type taken apart: what is needed to write and read its values.
 *
 * IDENTIFICATION
 *	  src/value/format.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_FORMAT_H
#define EL_FORMAT_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "nodes/pg_list.h"

typedef enum ElFormatKind
{
	EL_FORMAT_SCALAR,			/* anything else: by its functions */
	EL_FORMAT_ARRAY,
	EL_FORMAT_ROW
} ElFormatKind;

/* A scalar inside a row. */
typedef enum ElJsonForm
{
	EL_JSON_STRING,				/* of its text form */
	EL_JSON_NUMBER,				/* its text form, if that is a number */
	EL_JSON_BOOLEAN,
	EL_JSON_AS_IS				/* json, jsonb */
} ElJsonForm;

typedef struct ElFormat
{
	Oid			type;			/* as declared; may be a domain */
	Oid			base_type;		/* below domains */
	int32		typmod;
	ElFormatKind kind;			/* of the base type */
	bool		has_row;		/* is one, or has one inside: its form is JSON */
	bool		one_by_one;		/* is or has what array_in() would not read as
								 * we do: domains, roles, schemas */
	void	   *domain_extra;	/* domain_check()'s cache */
	MemoryContext mcxt;

	/* scalars, and arrays of those that need nothing else */
	FmgrInfo	input;			/* of the base type, so without CHECKs */
	FmgrInfo	output;
	Oid			typioparam;
	int			settings;		/* EL_FIX_..., of the output function */
	int			input_settings;
	ElJsonForm	json;

	/* arrays */
	struct ElFormat *element;
	int16		elmlen;
	bool		elmbyval;
	char		elmalign;
	char		delimiter;
	bool		nests;			/* JSON arrays can tell their dimensions */

	/* rows */
	TupleDesc	desc;
	uint64		desc_id;		/* of the type cache: another one, another
								 * description */
	struct ElFormat **attributes;	/* [desc->natts], NULL: dropped */
	List	   *rows;			/* of the root: all rows inside, itself
								 * included */
} ElFormat;

/* Look at the type's parts in the catalogs; lives in mcxt. */
extern ElFormat *el_format_make(Oid type, int32 typmod, MemoryContext mcxt);

/* Are the row types inside still what they were?  ALTER TYPE tells the type cache, not those who use the type. */
extern bool el_format_is_current(const ElFormat *root);

/* An array of what its own functions write and read. */
static inline bool
el_format_by_function(const ElFormat *c)
{
	return c->kind == EL_FORMAT_SCALAR ||
		(c->kind == EL_FORMAT_ARRAY &&
		 !c->element->has_row && !c->element->one_by_one);
}

#endif							/* EL_FORMAT_H */
