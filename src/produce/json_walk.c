/*-------------------------------------------------------------------------
 *
 * json_walk.c
 *	  A walk through the text of a JSON document, in slices of it.
 *
 * PostgreSQL's parser says what is JSON, before; here brackets and quotes are
 * enough to find where a value ends.  So nothing is copied, and a value keeps
 * its bytes: spaces, the order of an object's fields, fields that are there
 * twice, the way a number is written.
 *
 * No byte of a longer character is below 0x80 in any encoding of a server.
 *
 * IDENTIFICATION
 *	  src/produce/json_walk.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/jsonfuncs.h"

#include "base/compat.h"
#include "produce/json_walk.h"

static inline const char *
skip_space(const char *p)
{
	while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')
		p++;
	return p;
}

/* Behind the closing quote of a string that begins behind its opening one. */
static inline const char *
skip_string(const char *p)
{
	while (*p != '"')
		p += *p == '\\' ? 2 : 1;
	return p + 1;
}

/* A number, true, false or null ends where something else begins. */
static inline const char *
skip_scalar(const char *p)
{
	while (*p != ',' && *p != ':' && *p != ']' && *p != '}' &&
		   *p != ' ' && *p != '\n' && *p != '\t' && *p != '\r')
		p++;
	return p;
}

static const char *
skip_value(const char *p)
{
	int			level = 0;

	do
	{
		switch (*p)
		{
			case '"':
				p = skip_string(p + 1);
				break;
			case '{':
			case '[':
				level++;
				p++;
				break;
			case '}':
			case ']':
				level--;
				p++;
				break;
			default:
				p = level > 0 ? p + 1 : skip_scalar(p);
				break;
		}
	} while (level > 0);
	return p;
}

/* To what comes behind a value that ends here, past the comma or colon between them. */
static inline const char *
skip_separator(const char *p)
{
	p = skip_space(p);
	return *p == ',' || *p == ':' ? skip_space(p + 1) : p;
}

void
el_json_begin(ElJsonWalk *w, const char *json)
{
	w->p = skip_space(json);
}

bool
el_json_enter(ElJsonWalk *w, char bracket)
{
	if (*w->p != bracket)
		return false;
	w->p = skip_space(w->p + 1);
	return true;
}

bool
el_json_next(ElJsonWalk *w, ElJson *item)
{
	const char *end;

	if (el_json_at_end(w))
		return false;
	end = skip_value(w->p);
	Assert(end > w->p);
	item->data = w->p;
	item->len = end - w->p;
	w->p = skip_separator(end);
	return true;
}

void
el_json_leave(ElJsonWalk *w)
{
	Assert(el_json_at_end(w));
	w->p = skip_separator(w->p + 1);
}

/* A parser's callback: the string without its escapes. */
static EL_JSON_RESULT
take_string(void *content, char *token, JsonTokenType type)
{
	Assert(type == JSON_TOKEN_STRING);
	((ElJson *) content)->data = token;
	((ElJson *) content)->len = strlen(token);
	EL_JSON_RETURN;
}

ElJson
el_json_content(ElJson string)
{
	ElJson		content = {string.data + 1, string.len - 2};

	Assert(string.len >= 2 && el_json_is_string(string));
	if (memchr(content.data, '\\', content.len) != NULL)
	{
		JsonSemAction actions = {
			.semstate = &content,
			.scalar = take_string
		};

		pg_parse_json_or_ereport(el_json_lexer(string.data, string.len,
											   GetDatabaseEncoding(), true),
								 &actions);
	}
	return content;
}
