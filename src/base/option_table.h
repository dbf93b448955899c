/*-------------------------------------------------------------------------
 *
 * option_table.h
 *	  Options in a JSON object, described by a table.
 *
 * A module says in a table which options its struct has: their names, kinds,
 * bounds and places.  Parsing, printing and the lists of valid names and values
 * in errors all walk that table.
 *
 * IDENTIFICATION
 *	  src/base/option_table.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_OPTION_TABLE_H
#define EL_OPTION_TABLE_H

#include "postgres.h"

#include "utils/jsonb.h"

typedef enum ElOptionKind
{
	EL_OPTION_INTERVAL,			/* int64, ms; written as interval text */
	EL_OPTION_SIZE,				/* int64, bytes; a number or text such as '16
								 * MB' */
	EL_OPTION_BOOL,				/* bool */
	EL_OPTION_CHOICE,			/* int or enum; one of a list of words */
	EL_OPTION_TEXT				/* char[], "" for null */
} ElOptionKind;

/* The last one of a list has no word.  Of several for one value the first is printed. */
typedef struct ElOptionChoice
{
	const char *word;
	int			value;
} ElOptionChoice;

typedef struct ElOptionDef
{
	const char *name;
	ElOptionKind kind;
	size_t		offset;			/* of the field in the struct of options */
	int64		min;			/* of INTERVAL and SIZE */
	int64		max;			/* of TEXT: bytes */
	const ElOptionChoice *choices;	/* of CHOICE */
	bool		nullable;		/* may null be given? */
	int64		null_value;		/* what null means; of INTERVAL and SIZE, -1
								 * is "no limit" */
	bool		(*text_valid) (const char *str, int len);	/* of TEXT */
	const char *text_hint;		/* of TEXT: what to give */
} ElOptionDef;

typedef struct ElOptionTable
{
	const char *owner;			/* whose options they are, in messages:
								 * "topic" */
	const ElOptionDef *defs;
	int			ndefs;
} ElOptionTable;

/*
 * Called for a member that is not in the table.  Returns false if the caller does
 * not know it either.
 */
typedef bool (*ElOptionOther) (void *arg, const JsonbValue *name,
							   const JsonbValue *value);

/*
 * Apply the members of a JSON object to the struct of options; fields that have
 * no member stay as they are.  Members that are not in the table go to other
 * (NULL: there are none); other_names are listed with the table's in the error
 * of an unknown one ("" or ", a, b").  Raises 22023 for whatever is wrong, also
 * if json is not an object.  Allocates in CurrentMemoryContext.
 */
extern void el_options_parse(const ElOptionTable *table, void *options,
							 Jsonb *json, ElOptionOther other, void *arg,
							 const char *other_names);

/*
 * Push the options, as keys and values, into a JSON object that has been begun;
 * only those that differ from base, if that is not NULL.
 */
extern void el_options_push(const ElOptionTable *table,
							JsonbParseState **state, const void *options,
							const void *base);

/* For members that are not in a table. */

/* Is this the name of the member? */
extern bool el_json_name_is(const JsonbValue *name, const char *wanted);

/* Make a JSON string of a C string, which is not copied. */
extern void el_json_string(JsonbValue *v, const char *str);

/* How a value looks in an error message; palloc'd or constant. */
extern const char *el_json_describe(const JsonbValue *v);

/* Sets *result to the value if that is a whole number within int64; else returns false. */
extern bool el_json_whole_number(const JsonbValue *v, int64 *result);

#endif							/* EL_OPTION_TABLE_H */
