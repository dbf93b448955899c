/*-------------------------------------------------------------------------
 *
 * json_check.c
 *	  A quick look at whether bytes are JSON.
 *
 * PostgreSQL's parser takes about as long for an event of 100 bytes as all
 * that produce() does besides compressing it.  It copies, counts and calls back; for what is
 * plain, one pass over the bytes with no memory but a stack of bits says the same.
 *
 * IDENTIFICATION
 *	  src/topic/json_check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "topic/json_check.h"

#define MAX_LEVELS 64

/* Characters of a string that need no second look: all but ", \ and control characters. */
static inline bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

/* Of eight bytes: the lowest bit set belongs to the first one that is so. */
#define ONES	UINT64CONST(0x0101010101010101)
#define HIGHS	UINT64CONST(0x8080808080808080)
#define HAS_ZERO(v)		(((v) - ONES) & ~(v) & HIGHS)
#define HAS_LESS(v, n)	(((v) - ONES * (n)) & ~(v) & HIGHS)

/* Behind the closing quote of a string that begins behind its opening one; NULL: not plain. */
static const char *
skip_string(const char *p, const char *end)
{
	for (;;)
	{
#ifndef WORDS_BIGENDIAN
		while (end - p >= 8)
		{
			uint64		v;

			memcpy(&v, p, 8);
			v = HAS_LESS(v, 0x20) | HAS_ZERO(v ^ ONES * '"') |
				HAS_ZERO(v ^ ONES * '\\');
			if (v != 0)
			{
				p += pg_rightmost_one_pos64(v) / 8;
				break;
			}
			p += 8;
		}
#endif
		while (p < end && is_plain((unsigned char) *p))
			p++;
		if (p == end)
			return NULL;
		if (*p == '"')
			return p + 1;
		if (*p != '\\' || end - p < 2 || strchr("\"\\/bfnrt", p[1]) == NULL ||
			p[1] == '\0')
			return NULL;
		p += 2;
	}
}

static inline bool
is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static const char *
skip_number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (!is_digit(p, end))
		return NULL;
	if (*p == '0')
		p++;
	else
		while (is_digit(p, end))
			p++;
	if (p < end && *p == '.')
	{
		if (!is_digit(++p, end))
			return NULL;
		while (is_digit(p, end))
			p++;
	}
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (!is_digit(p, end))
			return NULL;
		while (is_digit(p, end))
			p++;
	}
	return p;
}

static const char *
skip_word(const char *p, const char *end, const char *word)
{
	size_t		len = strlen(word);

	return (size_t) (end - p) >= len && memcmp(p, word, len) == 0 ?
		p + len : NULL;
}

static inline const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* Behind "key" : and the space behind it */
static const char *
skip_key(const char *p, const char *end)
{
	if (p == end || *p != '"')
		return NULL;
	p = skip_string(p + 1, end);
	if (p == NULL)
		return NULL;
	p = skip_space(p, end);
	if (p == end || *p != ':')
		return NULL;
	return skip_space(p + 1, end);
}

bool
el_json_is_plain(const char *json, int32 len)
{
	const char *p = skip_space(json, json + len);
	const char *end = json + len;
	uint64		in_object = 0;	/* bit 0: the innermost level is one */
	int			level = 0;

	for (;;)
	{
		/* a value */
		if (p == NULL || p == end)
			return false;
		switch (*p)
		{
			case '{':
			case '[':
				if (level++ == MAX_LEVELS)
					return false;
				in_object = in_object << 1 | (*p == '{');
				p = skip_space(p + 1, end);
				if (p < end && *p == (in_object & 1 ? '}' : ']'))
					break;		/* empty; closed below */
				if (in_object & 1)
					p = skip_key(p, end);
				continue;
			case '"':
				p = skip_string(p + 1, end);
				break;
			case 't':
				p = skip_word(p, end, "true");
				break;
			case 'f':
				p = skip_word(p, end, "false");
				break;
			case 'n':
				p = skip_word(p, end, "null");
				break;
			default:
				p = skip_number(p, end);
		}
		if (p == NULL)
			return false;

		/* behind it: what it closes, and then another one */
		for (;;)
		{
			p = skip_space(p, end);
			if (level == 0)
				return p == end;
			if (p == end)
				return false;
			if (*p == ',')
				break;
			if (*p != (in_object & 1 ? '}' : ']'))
				return false;
			p++;
			in_object >>= 1;
			level--;
		}
		p = skip_space(p + 1, end);
		if (in_object & 1)
			p = skip_key(p, end);
	}
}
