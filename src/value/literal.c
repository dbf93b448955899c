/*-------------------------------------------------------------------------
 *
 * literal.c
 *	  The text forms of arrays and rows, taken apart and put together.
 *
 * IDENTIFICATION
 *	  src/value/literal.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "value/literal.h"

/* An array while it is taken apart. */
typedef struct ArrayParse
{
	const char *str;
	const char *p;
	char		delimiter;
	int			allocated;
	ElArrayLiteral *to;
} ArrayParse;

static void malformed_array(const ArrayParse *a) pg_attribute_noreturn();
static void malformed_record(const char *str, const char *detail) pg_attribute_noreturn();

static void
malformed_array(const ArrayParse *a)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("malformed array literal: \"%s\"", a->str)));
}

static void
malformed_record(const char *str, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("malformed record literal: \"%s\"", str),
			 errdetail_internal("%s", _(detail))));
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *
skip_space(const char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

/* A subscript: an integer. */
static int
get_subscript(ArrayParse *a)
{
	char	   *end;
	long		n;

	errno = 0;
	n = strtol(a->p, &end, 10);
	if (end == a->p || errno != 0 || n != (int) n)
		malformed_array(a);
	a->p = end;
	return (int) n;
}

/* "[1:2][0:1]=", if it is there: the number of dimensions, and their first subscripts. */
static int
get_bounds(ArrayParse *a)
{
	int			ndim = 0;

	while (*(a->p = skip_space(a->p)) == '[')
	{
		if (ndim >= MAXDIM)
			malformed_array(a);
		a->p++;
		a->to->lbs[ndim] = get_subscript(a);
		if (*a->p++ != ':')
			malformed_array(a);
		(void) get_subscript(a);
		if (*a->p++ != ']')
			malformed_array(a);
		ndim++;
	}
	if (ndim > 0 && *a->p++ != '=')
		malformed_array(a);
	return ndim;
}

static void
add_element(ArrayParse *a, char *str)
{
	ElArrayLiteral *to = a->to;

	if (to->nelems >= a->allocated)
	{
		a->allocated = Max(16, a->allocated * 2);
		to->elems = to->elems == NULL ?
			palloc(sizeof(char *) * a->allocated) :
			repalloc(to->elems, sizeof(char *) * a->allocated);
	}
	to->elems[to->nelems++] = str;
}

/* One element, quoted or not. */
static void
get_element(ArrayParse *a)
{
	StringInfoData buf;
	bool		quoted = *a->p == '"';
	bool		escaped = false;
	int			kept = 0;		/* what is not white space at the end */

	initStringInfo(&buf);
	if (quoted)
		a->p++;
	for (;;)
	{
		char		c = *a->p;

		if (c == '\0')
			malformed_array(a);
		if (quoted && c == '"')
			break;
		if (!quoted && (c == a->delimiter || c == '}'))
			break;
		if (!quoted && (c == '"' || c == '{'))
			malformed_array(a);
		if (c == '\\')
		{
			escaped = true;
			c = *++a->p;
			if (c == '\0')
				malformed_array(a);
			appendStringInfoChar(&buf, c);
			kept = buf.len;
		}
		else
		{
			appendStringInfoChar(&buf, c);
			if (quoted || !is_space(c))
				kept = buf.len;
		}
		a->p++;
	}
	if (quoted)
		a->p++;
	buf.data[kept] = '\0';
	if (!quoted && kept == 0)
		malformed_array(a);
	if (!quoted && !escaped && pg_strcasecmp(buf.data, "NULL") == 0)
		add_element(a, NULL);
	else
		add_element(a, buf.data);
}

/* What is between { and }, the former at a->p. */
static void
get_dimension(ArrayParse *a, int depth)
{
	ElArrayLiteral *to = a->to;
	int			count = 0;

	if (depth >= MAXDIM)
		malformed_array(a);
	a->p = skip_space(a->p + 1);
	while (*a->p != '}')
	{
		CHECK_FOR_INTERRUPTS();
		if (*a->p == '{')
		{
			if (to->ndim > 0 && depth + 1 >= to->ndim)
				malformed_array(a);
			get_dimension(a, depth + 1);
		}
		else
		{
			if (to->ndim == 0)
				to->ndim = depth + 1;
			else if (to->ndim != depth + 1)
				malformed_array(a);
			get_element(a);
		}
		count++;
		a->p = skip_space(a->p);
		if (*a->p == a->delimiter)
		{
			a->p = skip_space(a->p + 1);
			if (*a->p == '}')
				malformed_array(a);
		}
		else if (*a->p != '}')
			malformed_array(a);
	}
	a->p++;
	if (to->dims[depth] < 0)
		to->dims[depth] = count;
	else if (to->dims[depth] != count)
		malformed_array(a);
}

void
el_array_literal_parse(const char *str, char delimiter, ElArrayLiteral *array)
{
	ArrayParse	a = {str, str, delimiter, 0, array};
	int			bounds;

	memset(array, 0, sizeof(*array));
	for (int i = 0; i < MAXDIM; i++)
	{
		array->dims[i] = -1;
		array->lbs[i] = 1;
	}
	bounds = get_bounds(&a);
	a.p = skip_space(a.p);
	if (*a.p != '{')
		malformed_array(&a);
	get_dimension(&a, 0);
	if (*skip_space(a.p) != '\0' || (bounds > 0 && bounds != array->ndim))
		malformed_array(&a);
}

/* In quotes, with backslashes before what would end them. */
static void
append_quoted(StringInfo buf, const char *str)
{
	appendStringInfoChar(buf, '"');
	for (const char *p = str; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *p);
	}
	appendStringInfoChar(buf, '"');
}

static void
append_dimension(StringInfo buf, const ElArrayLiteral *array, char delimiter,
				 int depth, int *next)
{
	appendStringInfoChar(buf, '{');
	for (int i = 0; i < array->dims[depth]; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			appendStringInfoChar(buf, delimiter);
		if (depth + 1 < array->ndim)
			append_dimension(buf, array, delimiter, depth + 1, next);
		else if (array->elems[*next] == NULL)
		{
			appendStringInfoString(buf, "NULL");
			(*next)++;
		}
		else
			append_quoted(buf, array->elems[(*next)++]);
	}
	appendStringInfoChar(buf, '}');
}

char *
el_array_literal(const ElArrayLiteral *array, char delimiter)
{
	StringInfoData buf;
	bool		bounds = false;
	int			next = 0;

	if (array->nelems == 0)
		return pstrdup("{}");
	initStringInfo(&buf);
	for (int i = 0; i < array->ndim; i++)
		bounds = bounds || array->lbs[i] != 1;
	if (bounds)
	{
		for (int i = 0; i < array->ndim; i++)
			appendStringInfo(&buf, "[%d:%d]", array->lbs[i],
							 array->lbs[i] + array->dims[i] - 1);
		appendStringInfoChar(&buf, '=');
	}
	append_dimension(&buf, array, delimiter, 0, &next);
	Assert(next == array->nelems);
	return buf.data;
}

/* One column, NULL if there is nothing: as record_in() reads it. */
static char *
get_column(const char *str, const char **p)
{
	StringInfoData buf;
	bool		quoted = false;

	if (**p == ',' || **p == ')')
		return NULL;
	initStringInfo(&buf);
	while (quoted || (**p != ',' && **p != ')'))
	{
		char		c = *(*p)++;

		if (c == '\0')
			malformed_record(str, "Unexpected end of input.");
		if (c == '\\')
		{
			c = *(*p)++;
			if (c == '\0')
				malformed_record(str, "Unexpected end of input.");
			appendStringInfoChar(&buf, c);
		}
		else if (c != '"')
			appendStringInfoChar(&buf, c);
		else if (!quoted)
			quoted = true;
		else if (**p == '"')
			appendStringInfoChar(&buf, *(*p)++);
		else
			quoted = false;
	}
	return buf.data;
}

int
el_record_literal_parse(const char *str, char **columns, int max)
{
	const char *p = skip_space(str);
	int			n = 0;

	if (*p++ != '(')
		malformed_record(str, "Missing left parenthesis.");

	/* "()" is a row without columns */
	if (max == 0 && *p == ')')
		p++;
	else
	{
		for (;;)
		{
			CHECK_FOR_INTERRUPTS();
			if (n >= max)
				malformed_record(str, "Too many columns.");
			columns[n++] = get_column(str, &p);
			if (*p++ == ')')
				break;
		}
	}
	if (*skip_space(p) != '\0')
		malformed_record(str, "Junk after right parenthesis.");
	return n;
}
