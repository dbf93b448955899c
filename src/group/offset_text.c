/*-------------------------------------------------------------------------
 *
 * offset_text.c
 *	  Committed offsets as the JSON text of their events.
 *
 * Text, so that a dump or a SELECT can be read; fixed shapes, so that
 * reading them back needs no JSON library:
 *
 *	key		["group", "topic uuid", partition]
 *	value	{"next": offset}; null, a tombstone, when the group was dropped
 *
 * IDENTIFICATION
 *	  src/group/offset_text.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/uuid.h"

#include "group/offset_text.h"
#include "storage/log.h"

void
el_offset_key_text(StringInfo buf, const ElPartKey *key)
{
	StringInfoData name;
	char	   *utf8;

	initStringInfo(&name);
	escape_json(&name, key->group);
	utf8 = pg_server_to_any(name.data, name.len, PG_UTF8);
	appendStringInfo(buf, "[%s, \"%s\", %d]", utf8,
					 DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(&key->uuid))),
					 key->partition);
	pfree(name.data);
}

void
el_offset_value_text(StringInfo buf, int64 next)
{
	appendStringInfo(buf, "{\"next\": %lld}", (long long) next);
}

/* A reader for the two shapes of JSON that we write. */
typedef struct Cursor
{
	const char *p;
	const char *end;
} Cursor;

static bool
scan_char(Cursor *s, char c)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' ||
							 *s->p == '\r'))
		s->p++;
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* A string of fewer than size bytes, unescaped; only ASCII may be written as \u. */
static bool
scan_string(Cursor *s, char *buf, int size)
{
	int			n = 0;

	if (!scan_char(s, '"'))
		return false;
	while (s->p < s->end && *s->p != '"')
	{
		char		c = *s->p++;

		if (c == '\\')
		{
			if (s->p >= s->end)
				return false;
			c = *s->p++;
			switch (c)
			{
				case 'b':
					c = '\b';
					break;
				case 'f':
					c = '\f';
					break;
				case 'n':
					c = '\n';
					break;
				case 'r':
					c = '\r';
					break;
				case 't':
					c = '\t';
					break;
				case 'u':
					{
						unsigned int code = 0;
						int			i;

						if (s->end - s->p < 4)
							return false;
						for (i = 0; i < 4; i++)
						{
							char		h = *s->p++;

							if (h >= '0' && h <= '9')
								code = code * 16 + (h - '0');
							else if (h >= 'a' && h <= 'f')
								code = code * 16 + (h - 'a' + 10);
							else if (h >= 'A' && h <= 'F')
								code = code * 16 + (h - 'A' + 10);
							else
								return false;
						}
						if (code == 0 || code > 0x7f)
							return false;
						c = (char) code;
						break;
					}
				default:
					break;		/* itself: quote, backslash, slash */
			}
		}
		if (n + 1 >= size)
			return false;
		buf[n++] = c;
	}
	buf[n] = '\0';
	return scan_char(s, '"');
}

static bool
scan_int(Cursor *s, int64 *v)
{
	int64		n = 0;
	const char *start;

	while (s->p < s->end && *s->p == ' ')
		s->p++;
	start = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
	{
		if (n > EL_MAX_OFFSET)
			return false;
		n = n * 10 + (*s->p++ - '0');
	}
	*v = n;
	return s->p > start;
}

static bool
scan_uuid(const char *text, pg_uuid_t *uuid)
{
	int			n = 0;

	for (; *text; text++)
	{
		int			v;

		if (*text == '-')
			continue;
		if (*text >= '0' && *text <= '9')
			v = *text - '0';
		else if (*text >= 'a' && *text <= 'f')
			v = *text - 'a' + 10;
		else if (*text >= 'A' && *text <= 'F')
			v = *text - 'A' + 10;
		else
			return false;
		if (n >= 2 * UUID_LEN)
			return false;
		if (n % 2 == 0)
			uuid->data[n / 2] = v << 4;
		else
			uuid->data[n / 2] |= v;
		n++;
	}
	return n == 2 * UUID_LEN;
}

bool
el_offset_parse_key(const char *data, int32 len, ElPartKey *key)
{
	Cursor		s = {data, data + len};
	char		group[EL_NAME_SIZE * MAX_MULTIBYTE_CHAR_LEN];
	char		uuid[64];
	char	   *name;
	int64		partition;

	memset(key, 0, sizeof(*key));
	if (!scan_char(&s, '[') ||
		!scan_string(&s, group, sizeof(group)) ||
		!scan_char(&s, ',') ||
		!scan_string(&s, uuid, sizeof(uuid)) ||
		!scan_char(&s, ',') ||
		!scan_int(&s, &partition) ||
		!scan_char(&s, ']') ||
		!scan_uuid(uuid, &key->uuid) ||
		partition > PG_INT32_MAX)
		return false;
	name = pg_any_to_server(group, strlen(group), PG_UTF8);
	if (strlen(name) == 0 || strlen(name) >= EL_NAME_SIZE)
		return false;
	strlcpy(key->group, name, EL_NAME_SIZE);
	if (name != group)
		pfree(name);
	key->partition = (int32) partition;
	return true;
}

bool
el_offset_parse_value(const char *data, int32 len, int64 *next)
{
	Cursor		s = {data, data + len};
	char		name[16];

	return scan_char(&s, '{') && scan_string(&s, name, sizeof(name)) &&
		strcmp(name, "next") == 0 && scan_char(&s, ':') && scan_int(&s, next) &&
		scan_char(&s, '}');
}
