/*-------------------------------------------------------------------------
 *
 * offset_text.c
 *	  Committed offsets and start marks as the JSON text of their events.
 *
 * Text, so that a dump or a SELECT can be read.  A committed offset:
 *
 *	key		["group", "topic uuid", partition]
 *	value	{"next": offset}; null, a tombstone, when the group was dropped
 *
 * A start mark, which says where the group begins in each partition of a topic:
 *
 *	key		["group", "topic uuid"]
 *	value	[start, ...] by partition, null for one with a committed offset; null
 *			altogether, a tombstone, when the group was dropped
 *
 * The text on the log is UTF-8, as all JSON there is.
 *
 * IDENTIFICATION
 *	  src/group/offset_text.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include <ctype.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "group/offset_text.h"
#include "storage/page.h"
#include "topic/options.h"

void
el_offset_key_text(StringInfo buf, const ElPartKey *key)
{
	StringInfoData name;
	char	   *utf8;

	initStringInfo(&name);
	escape_json(&name, key->group);
	utf8 = pg_server_to_any(name.data, name.len, PG_UTF8);
	appendStringInfo(buf, "[%s, \"%s\"", utf8,
					 DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(&key->uuid))));
	if (key->partition != EL_MARK_PARTITION)
		appendStringInfo(buf, ", %d", key->partition);
	appendStringInfoChar(buf, ']');
	pfree(name.data);
}

void
el_offset_value_text(StringInfo buf, int64 next)
{
	appendStringInfo(buf, "{\"next\": %lld}", (long long) next);
}

void
el_starts_text(StringInfo buf, const int64 *starts, int32 n)
{
	appendStringInfoChar(buf, '[');
	for (int32 i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoString(buf, ", ");
		if (starts[i] < 0)
			appendStringInfoString(buf, "null");
		else
			appendStringInfo(buf, "%lld", (long long) starts[i]);
	}
	appendStringInfoChar(buf, ']');
}

/*
 * The scalars of an array or object without anything nested in it, in their
 * order.  The strings live in the current memory context.
 */
#define MAX_SCALARS		3
typedef struct Flat
{
	bool		is_object;
	int			depth;
	int			n;				/* MAX_SCALARS + 1: it is not flat, or has too
								 * many */
	char	   *names[MAX_SCALARS]; /* of an object's fields */
	char	   *tokens[MAX_SCALARS];
	JsonTokenType types[MAX_SCALARS];
} Flat;

static EL_JSON_RESULT
begin_array(void *arg)
{
	Flat	   *f = arg;

	if (f->depth++ > 0)
		f->n = MAX_SCALARS + 1;
	EL_JSON_RETURN;
}

static EL_JSON_RESULT
begin_object(void *arg)
{
	Flat	   *f = arg;

	f->is_object = true;
	if (f->depth++ > 0)
		f->n = MAX_SCALARS + 1;
	EL_JSON_RETURN;
}

static EL_JSON_RESULT
begin_field(void *arg, char *name, bool isnull)
{
	Flat	   *f = arg;

	if (f->n < MAX_SCALARS)
		f->names[f->n] = name;
	EL_JSON_RETURN;
}

static EL_JSON_RESULT
take_scalar(void *arg, char *token, JsonTokenType type)
{
	Flat	   *f = arg;

	if (f->n < MAX_SCALARS && f->depth == 1)
	{
		f->tokens[f->n] = token;
		f->types[f->n++] = type;
	}
	else
		f->n = MAX_SCALARS + 1;
	EL_JSON_RETURN;
}

/*
 * The parser raises for what is nested too deep, and for characters that the
 * server's encoding does not have.  Nothing is nested in a text of ours, and
 * only control characters are escaped in it by number.
 */
static bool
is_plain_text(const char *data, int32 len)
{
	bool		in_string = false;
	int			depth = 0;

	if (!pg_verify_mbstr(PG_UTF8, data, len, true))
		return false;
	for (int32 i = 0; i < len; i++)
	{
		if (data[i] == '"')
			in_string = !in_string;
		else if (!in_string && (data[i] == '[' || data[i] == '{') && ++depth > 1)
			return false;
		else if (data[i] == '\\' && ++i < len && data[i] == 'u' &&
				 (len - i < 5 || data[i + 1] != '0' || data[i + 2] != '0' ||
				  data[i + 3] > '7'))
			return false;
	}
	return true;
}

/* Read such an array or object of min to max scalars; false for anything else, without an error. */
static bool
parse_flat(const char *data, int32 len, bool is_object, int min, int max, Flat *f)
{
	JsonSemAction actions = {
		.semstate = f,
		.object_start = begin_object,
		.array_start = begin_array,
		.object_field_start = begin_field,
		.scalar = take_scalar
	};

	memset(f, 0, sizeof(*f));
	return is_plain_text(data, len) &&
		pg_parse_json(el_json_lexer(data, len, PG_UTF8, true), &actions) == JSON_SUCCESS &&
		f->is_object == is_object && f->n >= min && f->n <= max;
}

/* A number from 0 to max, written in digits alone. */
static bool
parse_number(const Flat *f, int i, int64 max, int64 *v)
{
	const char *s = f->tokens[i];

	if (f->types[i] != JSON_TOKEN_NUMBER || strspn(s, "0123456789") != strlen(s))
		return false;
	errno = 0;
	*v = strtoi64(s, NULL, 10);
	return errno == 0 && *v <= max;
}

/* As uuid_out() writes it; anything else is refused without an error. */
static bool
parse_uuid(const char *s, pg_uuid_t *uuid)
{
	int			i;

	for (i = 0; i < 36; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' :
			!isxdigit((unsigned char) s[i]))
			return false;
	}
	if (s[i] != '\0')
		return false;
	*uuid = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(s)));
	return true;
}

/*
 * Plain texts: exactly as they are written here, of characters that stand for
 * themselves.  Nearly all are, and the topic is read whole, so they are worth a
 * short cut.  False: look more closely.
 */

/* Digits up to the end, but for the tail. */
static bool
take_plain_number(const char *p, const char *end, const char *tail, int64 max,
				  int64 *v)
{
	const char *begin = p;

	for (*v = 0; p < end && *p >= '0' && *p <= '9' && *v <= max; p++)
		*v = *v * 10 + (*p - '0');
	return p > begin && *v <= max && (*begin != '0' || p == begin + 1) &&
		end - p == strlen(tail) && memcmp(p, tail, end - p) == 0;
}

/* -1 if it is none. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
take_plain_uuid(const char *p, pg_uuid_t *uuid)
{
	for (int i = 0; i < UUID_LEN; i++, p += 2)
	{
		int			high;
		int			low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
			return false;
		high = hex_digit(p[0]);
		low = hex_digit(p[1]);
		if (high < 0 || low < 0)
			return false;
		uuid->data[i] = (unsigned char) (high << 4 | low);
	}
	return true;
}

static bool
parse_plain_key(const char *data, int32 len, ElPartKey *key)
{
	static const char middle[] = "\", \"";
	const char *end = data + len;
	const char *name = data + 2;
	const char *p;
	char		group[EL_NAME_SIZE];
	pg_uuid_t	uuid;
	int64		partition = EL_MARK_PARTITION;

	if (len < 2 || data[0] != '[' || data[1] != '"')
		return false;
	for (p = name; p < end && *p != '"'; p++)
	{
		if (*p < ' ' || *p > '~' || *p == '\\' || p - name >= EL_NAME_SIZE - 1)
			return false;
	}
	if (p == name || end - p < lengthof(middle) - 1 + 36 + 2 ||
		memcmp(p, middle, lengthof(middle) - 1) != 0)
		return false;
	memcpy(group, name, p - name);
	group[p - name] = '\0';
	p += lengthof(middle) - 1;
	if (!take_plain_uuid(p, &uuid))
		return false;
	p += 36;
	if (end - p > 4 && memcmp(p, "\", ", 3) == 0)
	{
		if (!take_plain_number(p + 3, end, "]", PG_INT32_MAX, &partition))
			return false;
	}
	else if (end - p != 2 || memcmp(p, "\"]", 2) != 0)
		return false;
	el_part_key(key, group, &uuid, (int32) partition);
	return true;
}

static bool
parse_plain_value(const char *data, int32 len, int64 *next)
{
	static const char head[] = "{\"next\": ";

	return len > lengthof(head) - 1 && memcmp(data, head, lengthof(head) - 1) == 0 &&
		take_plain_number(data + lengthof(head) - 1, data + len, "}",
						  EL_MAX_OFFSET, next);
}

bool
el_offset_parse_key(const char *data, int32 len, ElPartKey *key)
{
	Flat		f;
	char	   *group;
	pg_uuid_t	uuid;
	int64		partition = EL_MARK_PARTITION;

	if (parse_plain_key(data, len, key))
		return true;
	if (!parse_flat(data, len, false, 2, 3, &f) ||
		f.types[0] != JSON_TOKEN_STRING || f.types[1] != JSON_TOKEN_STRING ||
		!parse_uuid(f.tokens[1], &uuid) ||
		(f.n == 3 && !parse_number(&f, 2, PG_INT32_MAX, &partition)))
		return false;
	group = pg_any_to_server(f.tokens[0], strlen(f.tokens[0]), PG_UTF8);
	if (group[0] == '\0' || strlen(group) >= EL_NAME_SIZE)
		return false;
	el_part_key(key, group, &uuid, (int32) partition);
	return true;
}

bool
el_offset_parse_value(const char *data, int32 len, int64 *next)
{
	Flat		f;

	if (parse_plain_value(data, len, next))
		return true;
	return parse_flat(data, len, true, 1, 1, &f) &&
		strcmp(f.names[0], "next") == 0 &&
		parse_number(&f, 0, EL_MAX_OFFSET, next);
}

/*
 * Starts
 *
 * There may be as many as a topic has partitions, so they are not read token by
 * token into an array of scalars.
 */
typedef struct Cursor
{
	const char *p;
	const char *end;
} Cursor;

static void
skip_space(Cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
		c->p++;
}

/* Pass over the character, and white space before it, if that is what comes. */
static bool
take_char(Cursor *c, char ch)
{
	skip_space(c);
	if (c->p >= c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}

/* An offset in digits alone, as JSON writes numbers; or null, which is -1. */
static bool
take_start(Cursor *c, int64 *start)
{
	const char *begin;

	skip_space(c);
	if (c->end - c->p >= 4 && memcmp(c->p, "null", 4) == 0)
	{
		c->p += 4;
		*start = -1;
		return true;
	}
	begin = c->p;
	*start = 0;
	while (c->p < c->end && isdigit((unsigned char) *c->p))
	{
		*start = *start * 10 + (*c->p++ - '0');
		if (*start > EL_MAX_OFFSET)
			return false;
	}
	return c->p > begin && (*begin != '0' || c->p == begin + 1);
}

bool
el_starts_parse(const char *data, int32 len, int64 **starts, int32 *n)
{
	Cursor		c = {data, data + len};
	int32		room = 16;

	*starts = palloc_array(int64, room);
	*n = 0;
	if (!take_char(&c, '['))
		return false;
	/* none: of a topic that was created in the transaction that began there */
	while (!take_char(&c, ']'))
	{
		if (*n > 0 && !take_char(&c, ','))
			return false;
		if (*n >= EL_MAX_PARTITIONS)
			return false;
		if (*n >= room)
			*starts = repalloc(*starts, sizeof(int64) * (room *= 2));
		if (!take_start(&c, &(*starts)[(*n)++]))
			return false;
	}
	skip_space(&c);
	return c.p == c.end;
}
