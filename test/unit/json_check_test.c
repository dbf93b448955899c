/*-------------------------------------------------------------------------
 *
 * json_check_test.c
 *	  What json_check.c takes for plain is JSON, and it reads no byte beyond.
 *
 * Random documents, whole and damaged, in blocks of exactly their size, against the grammar
 * of RFC 8259 read one byte at a time.  Built twice: with and without SSE2.
 *
 * IDENTIFICATION
 *	  test/unit/json_check_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "value/json_check.h"

#undef printf
#undef fprintf
#undef snprintf
#undef sprintf
#include "check.h"

/*
 * The grammar.  What each function is given is where something should begin; it
 * returns what is behind it, NULL if it is something else.  plain is cleared for what
 * is left to PostgreSQL's parser.
 */
static const char *end;
static bool plain;

static char
at(const char *p)
{
	return p < end ? *p : '\0';
}

static const char *
space(const char *p)
{
	while (p < end && strchr(" \n\t\r", *p) != NULL && *p != '\0')
		p++;
	return p;
}

static const char *
string(const char *p)
{
	if (at(p++) != '"')
		return NULL;
	for (; p < end && *p != '"'; p++)
	{
		if ((unsigned char) *p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		if (at(++p) == 'u')
			plain = false;
		else if (at(p) == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
			return NULL;
	}
	return p < end ? p + 1 : NULL;
}

static const char *
digits(const char *p)
{
	const char *begin = p;

	while (at(p) >= '0' && at(p) <= '9')
		p++;
	return p > begin ? p : NULL;
}

static const char *
number(const char *p)
{
	if (at(p) == '-')
		p++;
	p = at(p) == '0' ? p + 1 : digits(p);
	if (p != NULL && at(p) == '.')
		p = digits(p + 1);
	if (p != NULL && (at(p) == 'e' || at(p) == 'E'))
	{
		p++;
		p = digits(at(p) == '+' || at(p) == '-' ? p + 1 : p);
	}
	return p;
}

static const char *
value(const char *p, int levels)
{
	static const char *const words[] = {"true", "false", "null"};
	char		open = at(p);
	char		close = open == '{' ? '}' : ']';

	if (open == '"')
		return string(p);
	for (int i = 0; i < 3; i++)
	{
		size_t		len = strlen(words[i]);

		if ((size_t) (end - p) >= len && memcmp(p, words[i], len) == 0)
			return p + len;
	}
	if (open != '{' && open != '[')
		return number(p);
	if (levels == 64)
		plain = false;
	p = space(p + 1);
	if (at(p) == close)
		return p + 1;
	for (;;)
	{
		if (open == '{')
		{
			p = string(p);
			if (p == NULL || at(p = space(p)) != ':')
				return NULL;
			p = space(p + 1);
		}
		p = value(p, levels + 1);
		if (p == NULL)
			return NULL;
		p = space(p);
		if (at(p) == close)
			return p + 1;
		if (at(p) != ',')
			return NULL;
		p = space(p + 1);
	}
}

/* Is it JSON, ending with a bracket, without anything that is left to the parser? */
static bool
wanted(const char *doc, size_t len)
{
	const char *p;

	end = doc + len;
	plain = true;
	p = value(space(doc), 0);
	if (p == NULL || space(p) != end || !plain)
		return false;
	return p[-1] == '}' || p[-1] == ']';
}

/* Documents */
static char doc[100000];
static size_t doc_len;

static void
put(const char *chars, size_t n)
{
	while (n-- > 0)
		doc[doc_len++] = chars[random_below(strlen(chars))];
}

static void
put_value(int levels)
{
	static const char *const words[] = {"true", "false", "null"};
	size_t		n = random_below(levels > 8 ? 1 : 5);
	size_t		kind = random_below(levels == 0 && random_below(20) > 0 ? 2 : 7);

	if (kind < 2 && levels < 70)
	{
		doc[doc_len++] = "{["[kind];
		for (size_t i = 0; i < n && doc_len < 400; i++)
		{
			if (i > 0)
				doc[doc_len++] = ',';
			put(" \n\t\r", random_below(8) == 0);
			if (kind == 0)
			{
				doc[doc_len++] = '"';
				put("abc xyz\xc3\xa4\x7f", random_below(random_below(8) ? 12 : 90));
				doc_len += sprintf(doc + doc_len, "\"%s:", random_below(8) ? "" : " ");
			}
			put_value(levels + 1);
			put(" \n\t\r", random_below(8) == 0);
		}
		doc[doc_len++] = "}]"[kind];
	}
	else if (kind < 4)
	{
		doc[doc_len++] = '"';
		n = random_below(random_below(8) ? 12 : 90);
		for (size_t i = 0; i < n; i++)
		{
			put("\\", random_below(9) == 0);
			if (doc[doc_len - 1] == '\\')
				put("\"\\/bfnrt", 1);
			put("abc xyz", 1);
		}
		doc[doc_len++] = '"';
	}
	else if (kind < 6)
	{
		put("-", random_below(2));
		if (random_below(4) == 0)
			doc[doc_len++] = '0';
		else
		{
			put("123456789", 1);
			put("0123456789", random_below(random_below(8) ? 10 : 90));
		}
		if (random_below(2) == 0)
		{
			doc[doc_len++] = '.';
			put("0123456789", 1 + random_below(5));
		}
		if (random_below(4) == 0)
		{
			put("eE", 1);
			put("+-", random_below(2));
			put("0123456789", 1 + random_below(2));
		}
	}
	else
		doc_len += sprintf(doc + doc_len, "%s", words[random_below(3)]);
}

static void
damage(void)
{
	size_t		i = random_below(doc_len);

	if (random_below(3) > 0)
		doc[i] = "\"\\{}[],:0123-.eE+tnfu \n\t\x01\x7f\xc3"[random_below(28)];
	else
		memmove(doc + i, doc + i + 1, --doc_len - i);
}

int
main(int argc, char **argv)
{
	int			rounds = argc > 1 ? atoi(argv[1]) : 100000;
	int			nplain = 0;

	for (int i = 0; i < rounds; i++)
	{
		char	   *exact;
		size_t		levels = i % 1000 == 0 ? 62 + random_below(6) : 0;
		bool		want;

		doc_len = 0;
		put(" ", random_below(random_below(8) ? 1 : 80));
		for (size_t level = 0; level < levels; level++)
			doc[doc_len++] = '[';
		put_value(levels);
		for (size_t level = 0; level < levels; level++)
			doc[doc_len++] = ']';
		for (size_t n = random_below(3); n > 0 && doc_len > 0 && i % 2; n--)
			damage();

		exact = xmalloc(doc_len);
		memcpy(exact, doc, doc_len);
		want = wanted(exact, doc_len);
		nplain += want;
		if (!CHECK(el_json_is_plain(exact, (int32) doc_len) == want))
			printf("%.*s\n", (int) doc_len, doc);
		free(exact);
	}
	CHECK(nplain > rounds / 4 && nplain < rounds * 3 / 4);
	return check_summary();
}
