/*-------------------------------------------------------------------------
 *
 * form.c
 *	  A value's form on the log: JSON if there are rows in it, else its text.
 *
 * Rows are JSON objects because a row type changes: attributes are found by
 * their names, so that what was written before ALTER TYPE reads as it does in a
 * table.  It is not to_json()'s JSON, whose casts do not all read back and
 * which loses where arrays begin.
 *
 * IDENTIFICATION
 *	  src/value/form.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "value/form.h"
#include "value/json_scan.h"
#include "value/literal.h"
#include "value/portable.h"

static char *write_text(ElFormat *c, Datum value);
static void put_json(StringInfo buf, ElFormat *c, Datum value);
static Datum read_text(ElFormat *c, char *text, bool check);
static Datum read_json(ElFormat *c, const char *json, bool check, bool *isnull);

/*
 * Writing
 */

static void
put_scalar(StringInfo buf, ElFormat *c, Datum value)
{
	char	   *text = write_text(c, value);

	switch (c->json)
	{
		case EL_JSON_AS_IS:
			appendStringInfoString(buf, text);
			break;
		case EL_JSON_BOOLEAN:
			appendStringInfoString(buf, *text == 't' ? "true" : "false");
			break;
		case EL_JSON_NUMBER:
			if (IsValidJsonNumber(text, strlen(text)))
				appendStringInfoString(buf, text);
			else
				escape_json(buf, text);
			break;
		case EL_JSON_STRING:
			escape_json(buf, text);
			break;
	}
	pfree(text);
}

/* Attributes in the type's order; those that are NULL are left out, so that a key keeps its bytes when the type grows. */
static void
put_row(StringInfo buf, ElFormat *c, Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	int			natts = c->desc->natts;
	Datum	   *values = palloc(sizeof(Datum) * Max(natts, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(natts, 1));
	bool		first = true;
	HeapTupleData tuple;

	if (HeapTupleHeaderGetTypeId(header) != c->base_type)
		elog(ERROR, "row has type %u instead of %u",
			 HeapTupleHeaderGetTypeId(header), c->base_type);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, c->desc, values, nulls);

	appendStringInfoChar(buf, '{');
	for (int i = 0; i < natts; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (c->attributes[i] == NULL || nulls[i])
			continue;
		if (!first)
			appendStringInfoChar(buf, ',');
		first = false;
		escape_json(buf, NameStr(TupleDescAttr(c->desc, i)->attname));
		appendStringInfoChar(buf, ':');
		put_json(buf, c->attributes[i], values[i]);
	}
	appendStringInfoChar(buf, '}');
	pfree(values);
	pfree(nulls);
}

/* Can JSON tell what the array is?  Where it begins it cannot. */
static bool
is_plain_array(const ElFormat *c, ArrayType *array)
{
	if (!c->nests)
		return false;
	for (int i = 0; i < ARR_NDIM(array); i++)
	{
		if (ARR_LBOUND(array)[i] != 1)
			return false;
	}
	return true;
}

static void
put_dimension(StringInfo buf, ElFormat *c, ArrayType *array, int depth,
			  Datum *elems, bool *nulls, int *next)
{
	appendStringInfoChar(buf, '[');
	for (int i = 0; i < ARR_DIMS(array)[depth]; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			appendStringInfoChar(buf, ',');
		if (depth + 1 < ARR_NDIM(array))
			put_dimension(buf, c, array, depth + 1, elems, nulls, next);
		else
		{
			if (nulls[*next])
				appendStringInfoString(buf, "null");
			else
				put_json(buf, c->element, elems[*next]);
			(*next)++;
		}
	}
	appendStringInfoChar(buf, ']');
}

static void
put_array(StringInfo buf, ElFormat *c, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *elems;
	bool	   *nulls;
	int			nelems;
	int			next = 0;

	if (!is_plain_array(c, array))
	{
		escape_json(buf, write_text(c, PointerGetDatum(array)));
		return;
	}
	if (ARR_NDIM(array) == 0)
	{
		appendStringInfoString(buf, "[]");
		return;
	}
	deconstruct_array(array, ARR_ELEMTYPE(array), c->elmlen, c->elmbyval,
					  c->elmalign, &elems, &nulls, &nelems);
	put_dimension(buf, c, array, 0, elems, nulls, &next);
	Assert(next == nelems);
}

static void
put_json(StringInfo buf, ElFormat *c, Datum value)
{
	check_stack_depth();
	switch (c->kind)
	{
		case EL_FORMAT_SCALAR:
			put_scalar(buf, c, value);
			break;
		case EL_FORMAT_ARRAY:
			put_array(buf, c, value);
			break;
		case EL_FORMAT_ROW:
			put_row(buf, c, value);
			break;
	}
}

/* An array of what has rows: the text of each element is its own form. */
static char *
write_array_text(ElFormat *c, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	ElArrayLiteral literal;
	Datum	   *elems;
	bool	   *nulls;

	literal.ndim = ARR_NDIM(array);
	for (int i = 0; i < literal.ndim; i++)
	{
		literal.dims[i] = ARR_DIMS(array)[i];
		literal.lbs[i] = ARR_LBOUND(array)[i];
	}
	deconstruct_array(array, ARR_ELEMTYPE(array), c->elmlen, c->elmbyval,
					  c->elmalign, &elems, &nulls, &literal.nelems);
	literal.elems = palloc(sizeof(char *) * Max(literal.nelems, 1));
	for (int i = 0; i < literal.nelems; i++)
		literal.elems[i] = nulls[i] ? NULL : write_text(c->element, elems[i]);
	return el_array_literal(&literal, c->delimiter);
}

/* The text form, whose rows are JSON as well. */
static char *
write_text(ElFormat *c, Datum value)
{
	StringInfoData buf;

	check_stack_depth();
	if (c->kind == EL_FORMAT_ARRAY && c->has_row)
		return write_array_text(c, value);
	if (c->kind != EL_FORMAT_ROW)
		return el_output_portably(&c->output, value, c->settings);
	initStringInfo(&buf);
	put_row(&buf, c, value);
	return buf.data;
}

char *
el_form_write(ElFormat *c, Datum value)
{
	StringInfoData buf;

	if (!c->has_row)
		return write_text(c, value);
	initStringInfo(&buf);
	put_json(&buf, c, value);
	return buf.data;
}

/*
 * Reading
 */

bool
el_form_is_json(const ElFormat *c, const char *form)
{
	const char *p = el_json_skip_space(form);

	if (c->kind == EL_FORMAT_ROW)
		return *p == '{';
	if (c->kind != EL_FORMAT_ARRAY || !c->has_row)
		return false;

	/* "[0:1]={...}" is an array's text, and no JSON array of rows */
	if (*p == '[')
		return !isdigit((unsigned char) p[1]) && p[1] != '-' && p[1] != '+';
	return *p == '"';
}

static void
check_domain(ElFormat *c, Datum value, bool isnull, bool check)
{
	if (check && c->type != c->base_type)
		domain_check(value, isnull, c->type, &c->domain_extra, c->mcxt);
}

static Datum
make_row(ElFormat *c, Datum *values, bool *nulls)
{
	return HeapTupleGetDatum(heap_form_tuple(c->desc, values, nulls));
}

/* The attribute of this name; most often the one behind the last, which is asked first. */
static int
find_attribute(const ElFormat *c, const char *name, int hint)
{
	int			natts = c->desc->natts;

	for (int i = 0; i < natts; i++)
	{
		int			n = (hint + i) % natts;

		if (c->attributes[n] != NULL &&
			el_json_string_is(name, NameStr(TupleDescAttr(c->desc, n)->attname)))
			return n;
	}
	return -1;
}

/* Names that the type does not have are passed over, the last of equal ones counts. */
static Datum
read_row_json(ElFormat *c, const char *json, bool check)
{
	int			natts = c->desc->natts;
	const char **found = palloc0(sizeof(char *) * Max(natts, 1));
	Datum	   *values = palloc0(sizeof(Datum) * Max(natts, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(natts, 1));
	int			hint = 0;
	const char *p = json;
	const char *name;
	const char *value;

	while (el_json_next_member(&p, &name, &value))
	{
		int			n = find_attribute(c, name, hint);

		CHECK_FOR_INTERRUPTS();
		if (n < 0)
			continue;
		found[n] = value;
		hint = n + 1;
	}
	for (int i = 0; i < natts; i++)
	{
		nulls[i] = true;
		if (found[i] != NULL)
			values[i] = read_json(c->attributes[i], found[i], check, &nulls[i]);
		else if (c->attributes[i] != NULL)
			check_domain(c->attributes[i], (Datum) 0, true, check);
	}
	return make_row(c, values, nulls);
}

/* The form that rows had before, by position; attributes that were added since are NULL. */
static Datum
read_row_text(ElFormat *c, const char *text, bool check)
{
	int			natts = c->desc->natts;
	char	  **columns = palloc0(sizeof(char *) * Max(natts, 1));
	Datum	   *values = palloc0(sizeof(Datum) * Max(natts, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(natts, 1));
	int			live = 0;
	int			next = 0;

	for (int i = 0; i < natts; i++)
		live += c->attributes[i] != NULL;
	(void) el_record_literal_parse(text, columns, live);
	for (int i = 0; i < natts; i++)
	{
		char	   *column;

		nulls[i] = true;
		if (c->attributes[i] == NULL)
			continue;
		column = columns[next++];
		nulls[i] = column == NULL;
		if (column != NULL)
			values[i] = read_text(c->attributes[i], column, check);
		else
			check_domain(c->attributes[i], (Datum) 0, true, check);
	}
	return make_row(c, values, nulls);
}

/* Elements of a JSON array, with the array's dimensions as they come out. */
typedef struct ArrayBuild
{
	ElFormat   *format;			/* of the array */
	bool		check;
	int			ndim;
	int			dims[MAXDIM];
	int			nelems;
	int			allocated;
	Datum	   *elems;
	bool	   *nulls;
} ArrayBuild;

static void refuse_array(const ArrayBuild *b) pg_attribute_noreturn();

static void
refuse_array(const ArrayBuild *b)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("malformed JSON array for type %s",
					format_type_be(b->format->base_type)),
			 errdetail("Arrays inside it do not all have the same length and depth.")));
}

static void
collect_elements(ArrayBuild *b, const char *json, int depth)
{
	const char *p = json;
	const char *value;
	int			count = 0;

	if (depth >= MAXDIM)
		refuse_array(b);
	for (; el_json_next_element(&p, &value); count++)
	{
		CHECK_FOR_INTERRUPTS();
		if (*value == '[')
		{
			if (b->ndim > 0 && depth + 1 >= b->ndim)
				refuse_array(b);
			collect_elements(b, value, depth + 1);
			continue;
		}
		if (b->ndim == 0)
			b->ndim = depth + 1;
		else if (b->ndim != depth + 1)
			refuse_array(b);
		if (b->nelems >= b->allocated)
		{
			b->allocated *= 2;
			b->elems = repalloc(b->elems, sizeof(Datum) * b->allocated);
			b->nulls = repalloc(b->nulls, sizeof(bool) * b->allocated);
		}
		b->elems[b->nelems] = read_json(b->format->element, value, b->check,
										&b->nulls[b->nelems]);
		b->nelems++;
	}
	if (b->dims[depth] < 0)
		b->dims[depth] = count;
	else if (b->dims[depth] != count)
		refuse_array(b);
}

static Datum
make_array(ElFormat *c, int ndim, int *dims, int *lbs, Datum *elems,
		   bool *nulls)
{
	if (ndim == 0)
		return PointerGetDatum(construct_empty_array(c->element->type));
	return PointerGetDatum(construct_md_array(elems, nulls, ndim, dims, lbs,
											  c->element->type, c->elmlen,
											  c->elmbyval, c->elmalign));
}

static Datum
read_array_json(ElFormat *c, const char *json, bool check)
{
	ArrayBuild	b = {c, check};
	int			lbs[MAXDIM];

	if (!c->nests)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("malformed JSON for type %s", format_type_be(c->type)),
				 errdetail("It must be a JSON string with the array's text form.")));
	b.allocated = 16;
	b.elems = palloc(sizeof(Datum) * b.allocated);
	b.nulls = palloc(sizeof(bool) * b.allocated);
	for (int i = 0; i < MAXDIM; i++)
	{
		b.dims[i] = -1;
		lbs[i] = 1;
	}
	collect_elements(&b, json, 0);
	return make_array(c, b.ndim, b.dims, lbs, b.elems, b.nulls);
}

static Datum
read_array_text(ElFormat *c, const char *text, bool check)
{
	ElArrayLiteral literal;
	Datum	   *elems;
	bool	   *nulls;

	el_array_literal_parse(text, c->delimiter, &literal);
	elems = palloc0(sizeof(Datum) * Max(literal.nelems, 1));
	nulls = palloc(sizeof(bool) * Max(literal.nelems, 1));
	for (int i = 0; i < literal.nelems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		nulls[i] = literal.elems[i] == NULL;
		if (nulls[i])
			check_domain(c->element, (Datum) 0, true, check);
		else
			elems[i] = read_text(c->element, literal.elems[i], check);
	}
	return make_array(c, literal.ndim, literal.dims, literal.lbs, elems, nulls);
}

/*
 * A role or schema.  One that is not there any more is none ("-"): whoever drops or
 * renames a role cannot see what topics name it, and must not make events unreadable.
 */
static Datum
read_name(ElFormat *c, char *text, bool check)
{
	List	   *names = NIL;

	/* "-" and numbers are no names */
	if (!check && *text !='-' && !isdigit((unsigned char) *text) &&
		SplitIdentifierString(pstrdup(text), '.', &names) &&
		list_length(names) == 1)
		return ObjectIdGetDatum(c->base_type == REGROLEOID ?
								get_role_oid(linitial(names), true) :
								get_namespace_oid(linitial(names), true));
	return el_input_portably(&c->input, text, c->typioparam, c->typmod,
							 c->input_settings);
}

/* What write_text() gives, and for rows their text of before. */
static Datum
read_text(ElFormat *c, char *text, bool check)
{
	Datum		value;

	check_stack_depth();
	if (c->base_type == REGROLEOID || c->base_type == REGNAMESPACEOID)
		value = read_name(c, text, check);
	else if (el_format_by_function(c))
		value = el_input_portably(&c->input, text, c->typioparam, c->typmod,
								  c->input_settings);
	else if (c->kind == EL_FORMAT_ARRAY)
		value = read_array_text(c, text, check);
	else if (el_form_is_json(c, text))
	{
		el_json_validate(text, strlen(text));
		value = read_row_json(c, el_json_skip_space(text), check);
	}
	else
		value = read_row_text(c, text, check);
	check_domain(c, value, false, check);
	return value;
}

static void refuse_json(const ElFormat *c, const char *wanted) pg_attribute_noreturn();

static void
refuse_json(const ElFormat *c, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("malformed JSON for type %s", format_type_be(c->type)),
			 errdetail("It must be %s.", wanted)));
}

/* The JSON value at json, of validated JSON. */
static Datum
read_json(ElFormat *c, const char *json, bool check, bool *isnull)
{
	Datum		value;

	check_stack_depth();
	*isnull = *json == 'n' &&
		!(c->kind == EL_FORMAT_SCALAR && c->json == EL_JSON_AS_IS);
	if (*isnull)
	{
		check_domain(c, (Datum) 0, true, check);
		return (Datum) 0;
	}

	if (c->kind == EL_FORMAT_ROW)
	{
		if (*json != '{')
			refuse_json(c, "a JSON object");
		value = read_row_json(c, json, check);
	}
	else if (c->kind == EL_FORMAT_ARRAY && *json == '[')
		value = read_array_json(c, json, check);
	else if (*json == '"' &&
			 !(c->kind == EL_FORMAT_SCALAR && c->json == EL_JSON_AS_IS))
		return read_text(c, el_json_decode(json), check);
	else if (c->kind == EL_FORMAT_ARRAY)
		refuse_json(c, "a JSON array, or a string with the array's text form");
	else
		return read_text(c, pnstrdup(json, el_json_skip(json) - json), check);
	check_domain(c, value, false, check);
	return value;
}

Datum
el_form_read(ElFormat *c, char *form, bool check_domains)
{
	const char *json;
	bool		isnull;
	Datum		value;

	if (c->kind != EL_FORMAT_ARRAY || !el_form_is_json(c, form))
		return read_text(c, form, check_domains);
	el_json_validate(form, strlen(form));
	json = el_json_skip_space(form);
	value = read_json(c, json, check_domains, &isnull);
	Assert(!isnull);
	return value;
}

/*
 * Names
 */

static bool has_member(ElFormat *c, const char *json, Oid row_type,
					   const char *name);

static bool
text_has_member(ElFormat *c, const char *text, Oid row_type, const char *name)
{
	ElArrayLiteral literal;

	if (c->kind == EL_FORMAT_ROW)
	{
		if (!el_form_is_json(c, text))
			return false;
		el_json_validate(text, strlen(text));
		return has_member(c, el_json_skip_space(text), row_type, name);
	}
	if (c->kind != EL_FORMAT_ARRAY)
		return false;
	el_array_literal_parse(text, c->delimiter, &literal);
	for (int i = 0; i < literal.nelems; i++)
	{
		if (literal.elems[i] != NULL &&
			text_has_member(c->element, literal.elems[i], row_type, name))
			return true;
	}
	return false;
}

/* The same of validated JSON. */
static bool
has_member(ElFormat *c, const char *json, Oid row_type, const char *name)
{
	const char *p = json;
	const char *member;
	const char *value;

	check_stack_depth();
	if (!c->has_row)
		return false;
	if (*json == '{' && c->kind == EL_FORMAT_ROW)
	{
		while (el_json_next_member(&p, &member, &value))
		{
			int			n = find_attribute(c, member, 0);

			CHECK_FOR_INTERRUPTS();
			if (c->base_type == row_type && el_json_string_is(member, name))
				return true;
			if (n >= 0 && has_member(c->attributes[n], value, row_type, name))
				return true;
		}
	}
	else if (*json == '[' && c->kind == EL_FORMAT_ARRAY)
	{
		while (el_json_next_element(&p, &value))
		{
			CHECK_FOR_INTERRUPTS();
			if (has_member(*value == '[' ? c : c->element, value, row_type, name))
				return true;
		}
	}
	else if (*json == '"')
		return text_has_member(c, el_json_decode(json), row_type, name);
	return false;
}

bool
el_form_has_member(ElFormat *c, const char *form, Oid row_type,
				   const char *name)
{
	if (!c->has_row)
		return false;
	if (!el_form_is_json(c, form))
		return text_has_member(c, form, row_type, name);
	el_json_validate(form, strlen(form));
	return has_member(c, el_json_skip_space(form), row_type, name);
}
