/*-------------------------------------------------------------------------
 *
 * option_table.c
 *	  Options in a JSON object, described by a table.
 *
 * IDENTIFICATION
 *	  src/base/option_table.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/option_table.h"

/*
 * Fields of the struct of options
 */
static inline int64 *
int64_field(const ElOptionDef *def, const void *options)
{
	Assert(def->kind == EL_OPTION_INTERVAL || def->kind == EL_OPTION_SIZE);
	return (int64 *) ((char *) options + def->offset);
}

static inline bool *
bool_field(const ElOptionDef *def, const void *options)
{
	Assert(def->kind == EL_OPTION_BOOL);
	return (bool *) ((char *) options + def->offset);
}

static inline int *
choice_field(const ElOptionDef *def, const void *options)
{
	Assert(def->kind == EL_OPTION_CHOICE && def->choices != NULL);
	return (int *) ((char *) options + def->offset);
}

static inline char *
text_field(const ElOptionDef *def, const void *options)
{
	Assert(def->kind == EL_OPTION_TEXT && def->text_valid != NULL);
	return (char *) options + def->offset;
}

/*
 * Members of JSON objects
 */
bool
el_json_name_is(const JsonbValue *name, const char *wanted)
{
	Assert(name->type == jbvString);
	return name->val.string.len == strlen(wanted) &&
		memcmp(name->val.string.val, wanted, name->val.string.len) == 0;
}

void
el_json_string(JsonbValue *v, const char *str)
{
	v->type = jbvString;
	v->val.string.val = (char *) str;
	v->val.string.len = strlen(str);
}

const char *
el_json_describe(const JsonbValue *v)
{
	switch (v->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return psprintf("\"%s\"",
							pnstrdup(v->val.string.val, v->val.string.len));
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(v->val.numeric)));
		case jbvBool:
			return v->val.boolean ? "true" : "false";
		default:
			return JsonContainerIsArray(v->val.binary.data) ? "an array" :
				"an object";
	}
}

bool
el_json_whole_number(const JsonbValue *v, int64 *result)
{
	Datum		n;

	if (v->type != jbvNumeric)
		return false;
	n = NumericGetDatum(v->val.numeric);
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, n,
										  DirectFunctionCall2(numeric_trunc, n,
															  Int32GetDatum(0)))))
		return false;
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, n,
										 NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, n,
										 NumericGetDatum(int64_to_numeric(PG_INT64_MIN)))))
		return false;
	*result = DatumGetInt64(DirectFunctionCall1(numeric_int8, n));
	return true;
}

/*
 * Printing
 */

/* As interval text, in the largest unit that divides it. */
static char *
format_interval(int64 ms)
{
	const int64 minute = 60 * 1000;
	const int64 hour = 60 * minute;
	const int64 day = 24 * hour;

	Assert(ms >= 0);
	if (ms % day == 0 && ms > 0)
		return psprintf(ms == day ? "%lld day" : "%lld days",
						(long long) (ms / day));
	if (ms % hour == 0 && ms > 0)
		return psprintf(ms == hour ? "%lld hour" : "%lld hours",
						(long long) (ms / hour));
	if (ms % minute == 0 && ms > 0)
		return psprintf("%lld min", (long long) (ms / minute));
	if (ms % 1000 == 0)
		return psprintf("%lld s", (long long) (ms / 1000));
	return psprintf("%lld ms", (long long) ms);
}

/* The word for a value; NULL if there is none. */
static const char *
choice_word(const ElOptionDef *def, int value)
{
	for (const ElOptionChoice *c = def->choices; c->word != NULL; c++)
	{
		if (c->value == value)
			return c->word;
	}
	return NULL;
}

/* The option as JSON: null for "no limit". */
static void
option_to_json(const ElOptionDef *def, const void *options, JsonbValue *v)
{
	const char *word;
	int64		n;

	v->type = jbvNull;
	switch (def->kind)
	{
		case EL_OPTION_INTERVAL:
			n = *int64_field(def, options);
			if (n >= 0)
				el_json_string(v, format_interval(n));
			break;

		case EL_OPTION_SIZE:
			n = *int64_field(def, options);
			if (n >= 0)
			{
				v->type = jbvNumeric;
				v->val.numeric = int64_to_numeric(n);
			}
			break;

		case EL_OPTION_BOOL:
			v->type = jbvBool;
			v->val.boolean = *bool_field(def, options);
			break;

		case EL_OPTION_CHOICE:
			word = choice_word(def, *choice_field(def, options));
			if (word != NULL)
				el_json_string(v, word);
			break;

		case EL_OPTION_TEXT:
			word = text_field(def, options);
			if (*word != '\0')
				el_json_string(v, word);
			break;
	}
}

static bool
same_option(const ElOptionDef *def, const void *a, const void *b)
{
	switch (def->kind)
	{
		case EL_OPTION_INTERVAL:
		case EL_OPTION_SIZE:
			return *int64_field(def, a) == *int64_field(def, b);
		case EL_OPTION_BOOL:
			return *bool_field(def, a) == *bool_field(def, b);
		case EL_OPTION_CHOICE:
			return *choice_field(def, a) == *choice_field(def, b);
		case EL_OPTION_TEXT:
			return strcmp(text_field(def, a), text_field(def, b)) == 0;
	}
	pg_unreachable();
}

void
el_options_push(const ElOptionTable *table, JsonbParseState **state,
				const void *options, const void *base)
{
	for (int i = 0; i < table->ndefs; i++)
	{
		const ElOptionDef *def = &table->defs[i];
		JsonbValue	v;

		if (base != NULL && same_option(def, options, base))
			continue;
		el_json_string(&v, def->name);
		pushJsonbValue(state, WJB_KEY, &v);
		option_to_json(def, options, &v);
		pushJsonbValue(state, WJB_VALUE, &v);
	}
}

/*
 * Parsing
 */

/* What to give instead of a value that an option cannot have. */
static const char *
value_hint(const ElOptionDef *def)
{
	StringInfoData hint;

	initStringInfo(&hint);
	switch (def->kind)
	{
		case EL_OPTION_INTERVAL:
			appendStringInfoString(&hint, "Give an interval as text, such as \"7 days\"");
			break;
		case EL_OPTION_SIZE:
			appendStringInfoString(&hint, "Give a number of bytes, or text such as \"16 MB\"");
			break;
		case EL_OPTION_BOOL:
			appendStringInfoString(&hint, "Give true or false");
			break;
		case EL_OPTION_CHOICE:
			appendStringInfoString(&hint, "Valid values are ");
			for (const ElOptionChoice *c = def->choices; c->word != NULL; c++)
				appendStringInfo(&hint, "%s\"%s\"", c == def->choices ? "" : ", ",
								 c->word);
			break;
		case EL_OPTION_TEXT:
			appendStringInfoString(&hint, def->text_hint);
			break;
	}
	if (def->nullable)
		appendStringInfoString(&hint, def->kind == EL_OPTION_TEXT ?
							   ", or null for none" : def->null_value == -1 ?
							   ", or null for no limit" :
							   ", or null for the default");
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

/* The bounds, where they are others than one expects; NULL if they are not. */
static const char *
value_detail(const ElOptionDef *def)
{
	if (def->kind == EL_OPTION_SIZE && def->max < PG_INT64_MAX)
		return psprintf("It must be between %lld and %lld bytes.",
						(long long) def->min, (long long) def->max);
	if (def->kind == EL_OPTION_INTERVAL && def->min > 1)
		return psprintf("It must be at least %s.", format_interval(def->min));
	return NULL;
}

static void refuse_value(const ElOptionTable *table, const ElOptionDef *def,
						 const JsonbValue *v) pg_attribute_noreturn();

static void
refuse_value(const ElOptionTable *table, const ElOptionDef *def,
			 const JsonbValue *v)
{
	const char *detail = value_detail(def);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for %s option \"%s\": %s",
					table->owner, def->name, el_json_describe(v)),
			 detail ? errdetail_internal("%s", detail) : 0,
			 errhint("%s", value_hint(def))));
}

static void refuse_name(const ElOptionTable *table, const JsonbValue *name,
						const char *other_names) pg_attribute_noreturn();

static void
refuse_name(const ElOptionTable *table, const JsonbValue *name,
			const char *other_names)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < table->ndefs; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", table->defs[i].name);
	appendStringInfoString(&list, other_names);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized %s option \"%s\"", table->owner,
					pnstrdup(name->val.string.val, name->val.string.len)),
			 errhint("Valid options are: %s.", list.data)));
}

/* Milliseconds of interval text, months being 30 days; the type's error if it is not one. */
static int64
parse_interval(const JsonbValue *v)
{
	char	   *str = pnstrdup(v->val.string.val, v->val.string.len);
	Interval   *interval;

	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
													 CStringGetDatum(str),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	/* int32 months and days, int64 us: cannot overflow in ms */
	return ((int64) interval->month * DAYS_PER_MONTH + interval->day) *
		SECS_PER_DAY * 1000 + interval->time / 1000;
}

static int64
parse_size(const JsonbValue *v)
{
	text	   *str = cstring_to_text_with_len(v->val.string.val,
											   v->val.string.len);

	return DatumGetInt64(DirectFunctionCall1(pg_size_bytes,
											 PointerGetDatum(str)));
}

static const ElOptionChoice *
find_choice(const ElOptionDef *def, const JsonbValue *v)
{
	for (const ElOptionChoice *c = def->choices; c->word != NULL; c++)
	{
		if (el_json_name_is(v, c->word))
			return c;
	}
	return NULL;
}

static void
set_null(const ElOptionDef *def, void *options)
{
	switch (def->kind)
	{
		case EL_OPTION_INTERVAL:
		case EL_OPTION_SIZE:
			*int64_field(def, options) = def->null_value;
			break;
		case EL_OPTION_BOOL:
			*bool_field(def, options) = def->null_value != 0;
			break;
		case EL_OPTION_CHOICE:
			*choice_field(def, options) = (int) def->null_value;
			break;
		case EL_OPTION_TEXT:
			*text_field(def, options) = '\0';
			break;
	}
}

/* Raises 22023, or the error of interval's or pg_size_bytes()'s input. */
static void
set_option(const ElOptionTable *table, const ElOptionDef *def, void *options,
		   const JsonbValue *v)
{
	const ElOptionChoice *choice;
	int64		n;

	Assert(def->min <= def->max);
	if (v->type == jbvNull && def->nullable)
	{
		set_null(def, options);
		return;
	}

	switch (def->kind)
	{
		case EL_OPTION_INTERVAL:
			if (v->type != jbvString)
				refuse_value(table, def, v);
			n = parse_interval(v);
			if (n < def->min || n > def->max)
				refuse_value(table, def, v);
			*int64_field(def, options) = n;
			break;

		case EL_OPTION_SIZE:
			if (v->type == jbvString)
				n = parse_size(v);
			else if (!el_json_whole_number(v, &n))
				refuse_value(table, def, v);
			if (n < def->min || n > def->max)
				refuse_value(table, def, v);
			*int64_field(def, options) = n;
			break;

		case EL_OPTION_BOOL:
			if (v->type != jbvBool)
				refuse_value(table, def, v);
			*bool_field(def, options) = v->val.boolean;
			break;

		case EL_OPTION_CHOICE:
			choice = v->type == jbvString ? find_choice(def, v) : NULL;
			if (choice == NULL)
				refuse_value(table, def, v);
			*choice_field(def, options) = choice->value;
			break;

		case EL_OPTION_TEXT:
			if (v->type != jbvString || v->val.string.len > def->max ||
				!def->text_valid(v->val.string.val, v->val.string.len))
				refuse_value(table, def, v);
			memcpy(text_field(def, options), v->val.string.val, v->val.string.len);
			text_field(def, options)[v->val.string.len] = '\0';
			break;
	}
}

static const ElOptionDef *
find_option(const ElOptionTable *table, const JsonbValue *name)
{
	for (int i = 0; i < table->ndefs; i++)
	{
		if (el_json_name_is(name, table->defs[i].name))
			return &table->defs[i];
	}
	return NULL;
}

/* Options are set one by one: after an error some are set already. */
void
el_options_parse(const ElOptionTable *table, void *options, Jsonb *json,
				 ElOptionOther other, void *arg, const char *other_names)
{
	JsonbIterator *it;
	JsonbValue	name;
	JsonbValue	v;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s options must be a JSON object", table->owner)));

	it = JsonbIteratorInit(&json->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &name, true) == WJB_KEY)
	{
		const ElOptionDef *def = find_option(table, &name);

		/* containers as a whole, which no option has */
		(void) JsonbIteratorNext(&it, &v, true);
		if (def != NULL)
			set_option(table, def, options, &v);
		else if (other == NULL || !other(arg, &name, &v))
			refuse_name(table, &name, other_names);
	}
}
