/*-------------------------------------------------------------------------
 *
 * json_scan.c
 *	  Walking over JSON that is known to be JSON.
 *
 * PostgreSQL's parser says whether something is JSON.  Behind that, finding
 * members needs no tree and no callbacks: values are skipped by their brackets
 * and quotes, and stay what they are, byte for byte.
 *
 * IDENTIFICATION
 *	  src/value/json_scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonfuncs.h"

#include "base/compat.h"
#include "value/json_check.h"
#include "value/json_scan.h"

void
el_json_validate(const char *json, int32 len)
{
	if (!el_json_is_plain(json, len))
		pg_parse_json_or_ereport(el_json_lexer(json, len, GetDatabaseEncoding(), false),
								 &nullSemAction);
}

const char *
el_json_skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

/* Behind the string that begins at p. */
static const char *
skip_string(const char *p)
{
	Assert(*p == '"');
	for (p++; *p != '"'; p++)
	{
		Assert(*p != '\0');
		if (*p == '\\')
			p++;
	}
	return p + 1;
}

const char *
el_json_skip(const char *value)
{
	const char *p = value;
	int			depth = 0;

	do
	{
		switch (*p)
		{
			case '"':
				p = skip_string(p);
				continue;
			case '{':
			case '[':
				depth++;
				break;
			case '}':
			case ']':
				depth--;
				break;
			default:
				if (depth > 0)
					break;

				/* a number, true, false, null */
				return p + strcspn(p, ",]} \t\n\r");
		}
		p++;
	} while (depth > 0);
	return p;
}

/* From where a container begins, or from behind what is in it, to what is next. */
static const char *
next_place(const char *p)
{
	p = el_json_skip_space(p);
	return *p == '{' || *p == '[' || *p == ',' ? el_json_skip_space(p + 1) : p;
}

bool
el_json_next_member(const char **p, const char **name, const char **value)
{
	const char *q = next_place(*p);

	*p = q;
	if (*q == '}')
		return false;
	*name = q;
	q = el_json_skip_space(skip_string(q));
	Assert(*q == ':');
	*value = el_json_skip_space(q + 1);
	*p = el_json_skip(*value);
	return true;
}

bool
el_json_at_element(const char **p)
{
	*p = next_place(*p);
	return **p != ']';
}

bool
el_json_next_element(const char **p, const char **value)
{
	if (!el_json_at_element(p))
		return false;
	*value = *p;
	*p = el_json_skip(*p);
	return true;
}

static void refuse_escape(const char *detail) pg_attribute_noreturn();

static void
refuse_escape(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
			 errmsg("unsupported Unicode escape sequence"),
			 errdetail_internal("%s", _(detail))));
}

/* Four hexadecimal digits. */
static pg_wchar
get_hex4(const char *p)
{
	pg_wchar	c = 0;

	for (int i = 0; i < 4; i++)
		c = c << 4 | (pg_wchar) (p[i] <= '9' ? p[i] - '0' :
								 (p[i] | 0x20) - 'a' + 10);
	return c;
}

/* The Unicode escape at p, or two that are one character; returns what is behind. */
static const char *
append_unicode(StringInfo buf, const char *p)
{
	pg_wchar	c = get_hex4(p + 2);
	unsigned char encoded[MAX_UNICODE_EQUIVALENT_STRING + 1];

	p += 6;
	if (is_utf16_surrogate_first(c) && p[0] == '\\' && p[1] == 'u' &&
		is_utf16_surrogate_second(get_hex4(p + 2)))
	{
		c = surrogate_pair_to_codepoint(c, get_hex4(p + 2));
		p += 6;
	}
	else if (is_utf16_surrogate_first(c) || is_utf16_surrogate_second(c))
		refuse_escape("A Unicode surrogate is without its other half.");
	if (c == 0)
		refuse_escape("\\u0000 cannot be converted to text.");
	pg_unicode_to_server(c, encoded);
	appendStringInfoString(buf, (char *) encoded);
	return p;
}

char *
el_json_decode(const char *string)
{
	StringInfoData buf;
	const char *p = string + 1;

	Assert(*string == '"');
	initStringInfo(&buf);
	for (;;)
	{
		size_t		run = strcspn(p, "\"\\");

		appendBinaryStringInfo(&buf, p, run);
		p += run;
		if (*p != '\\')
			break;
		if (p[1] == 'u')
		{
			p = append_unicode(&buf, p);
			continue;
		}
		switch (p[1])
		{
			case 'b':
				appendStringInfoChar(&buf, '\b');
				break;
			case 'f':
				appendStringInfoChar(&buf, '\f');
				break;
			case 'n':
				appendStringInfoChar(&buf, '\n');
				break;
			case 'r':
				appendStringInfoChar(&buf, '\r');
				break;
			case 't':
				appendStringInfoChar(&buf, '\t');
				break;
			default:			/* quote, backslash, slash */
				appendStringInfoChar(&buf, p[1]);
				break;
		}
		p += 2;
	}
	Assert(*p == '"');
	return buf.data;
}

/* Most names have no escapes, and need no memory. */
bool
el_json_string_is(const char *string, const char *text)
{
	size_t		len = strcspn(string + 1, "\"\\");
	char	   *decoded;
	bool		same;

	if (strncmp(string + 1, text, len) != 0)
		return false;
	if (string[1 + len] == '"')
		return text[len] == '\0';

	decoded = el_json_decode(string);
	same = strcmp(decoded, text) == 0;
	pfree(decoded);
	return same;
}
