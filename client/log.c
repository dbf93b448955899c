/*-------------------------------------------------------------------------
 *
 * log.c
 *	  What a program tells its operator: one line an event, on stderr.
 *
 * IDENTIFICATION
 *	  client/log.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/log.h"

#define MAX_LINE	8192
#define MAX_FIELD	1024		/* bytes of a text that are shown */

const char *const client_log_levels[] = {"debug", "info", "warning", "error", NULL};
const char *const client_log_formats[] = {"text", "json", NULL};

int			client_log_level = CLIENT_INFO;
int			client_log_format = CLIENT_LOG_TEXT;

/* Places that have not said how many more there were. */
static ClientLogPlace *places = NULL;

/* A line in the making.  What does not fit is left out, whole characters and fields at a time. */
typedef struct Line
{
	char		data[MAX_LINE];
	size_t		len;
	size_t		limit;			/* MAX_LINE less what must still be said */
} Line;


/* --- text that nobody can misuse ------------------------------------------- */

static bool
put(Line *line, const char *text, size_t len)
{
	if (len > line->limit - line->len)
		return false;
	memcpy(line->data + line->len, text, len);
	line->len += len;
	return true;
}

static bool
put_text(Line *line, const char *text)
{
	return put(line, text, strlen(text));
}

/*
 * The character at p, of which left bytes are there, and its length.  Bytes that
 * are no UTF-8 give -1 and length 1.
 */
static int32_t
next_character(const unsigned char *p, size_t left, size_t *len)
{
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t		n = p[0] < 0x80 ? 1 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2 :
		p[0] >= 0xE0 && p[0] < 0xF0 ? 3 : p[0] >= 0xF0 && p[0] < 0xF5 ? 4 : 0;
	int32_t		c;
	size_t		i;

	*len = 1;
	if (n == 1)
		return p[0];
	if (n == 0 || n > left)
		return -1;
	c = p[0] & (0x7F >> n);
	for (i = 1; i < n; i++)
	{
		if ((p[i] & 0xC0) != 0x80)
			return -1;
		c = (c << 6) | (p[i] & 0x3F);
	}
	if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return -1;
	*len = n;
	return c;
}

/* Does a character do something to a terminal or to the reading of a line, rather than show? */
static bool
acts(int32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) ||
		c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF;
}

/* One character of a quoted text, escaped if need be. */
static bool
put_character(Line *line, const unsigned char *p, size_t len, int32_t c)
{
	bool		json = client_log_format == CLIENT_LOG_JSON;
	char		escaped[16];

	if (c == '"' || c == '\\')
	{
		escaped[0] = '\\';
		escaped[1] = (char) c;
		return put(line, escaped, 2);
	}
	if (c >= 0 && !acts(c))
		return put(line, (const char *) p, len);
	if (c == '\n' || c == '\r' || c == '\t')
		return put_text(line, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
	if (json)
		snprintf(escaped, sizeof(escaped), "\\u%04x", c < 0 ? 0xFFFDU : (unsigned) c);
	else if (c < 0x80)
		snprintf(escaped, sizeof(escaped), "\\x%02x", p[0]);
	else
		snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned) c);
	return put_text(line, escaped);
}

static bool
put_quoted(Line *line, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *) text;
	size_t		shown = len > MAX_FIELD ? MAX_FIELD : len;
	size_t		i,
				n;
	bool		ok = put_text(line, "\"");

	for (i = 0; ok && i < shown; i += n)
	{
		int32_t		c = next_character(p + i, len - i, &n);

		ok = put_character(line, p + i, n, c);
	}
	return ok && (shown == len || put_text(line, "...")) && put_text(line, "\"");
}

/* Can a text stand in a line without quotes? */
static bool
is_word(const char *text, size_t len)
{
	size_t		i;

	for (i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '=' || text[i] == '\\')
			return false;
	return len > 0 && len <= MAX_FIELD;
}

static bool
put_value(Line *line, const ClientField *field)
{
	char		number[32];

	if (field->kind == CLIENT_FIELD_INT)
	{
		snprintf(number, sizeof(number), "%lld", (long long) field->number);
		return put_text(line, number);
	}
	if (client_log_format == CLIENT_LOG_TEXT && is_word(field->text, field->len))
		return put(line, field->text, field->len);
	return put_quoted(line, field->text, field->len);
}

/* A field, all of it or nothing. */
static bool
put_field(Line *line, const ClientField *field)
{
	size_t		before = line->len;
	bool		ok;

	if (client_log_format == CLIENT_LOG_JSON)
		ok = put_text(line, ",\"") && put_text(line, field->key) && put_text(line, "\":");
	else
		ok = put_text(line, " ") && put_text(line, field->key) && put_text(line, "=");
	ok = ok && put_value(line, field);
	if (!ok)
		line->len = before;
	return ok;
}


/* --- lines ----------------------------------------------------------------- */

static void
put_time(Line *line)
{
	bool		json = client_log_format == CLIENT_LOG_JSON;
	struct timespec now;
	struct tm	tm;
	char		day[32];
	char		fraction[16];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(day, sizeof(day), json ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(fraction, sizeof(fraction), json ? ".%03dZ" : ".%03d UTC", (int) (now.tv_nsec / 1000000));
	put_text(line, day);
	put_text(line, fraction);
}

/* The rest of what a pipe does not take at once; errors have nowhere to be told. */
static void
write_all(const char *p, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = write(STDERR_FILENO, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		p += n;
		len -= (size_t) n;
	}
}

ClientField
client_field_text(const char *key, const char *string)
{
	return CLIENT_BYTES(key, string, string ? strlen(string) : 0);
}

void
client_log_line(ClientLogLevel level, const char *message, const ClientField *fields)
{
	bool		json = client_log_format == CLIENT_LOG_JSON;
	int			saved = errno;
	Line		line;

	line.len = 0;
	line.limit = MAX_LINE - 32;
	if (json)
	{
		put_text(&line, "{\"time\":\"");
		put_time(&line);
		put_text(&line, "\",\"level\":\"");
		put_text(&line, client_log_levels[level]);
		put_text(&line, "\",\"message\":");
		put_quoted(&line, message, strlen(message));
	}
	else
	{
		put_time(&line);
		put_text(&line, " ");
		put_text(&line, client_log_levels[level]);
		put_text(&line, ": ");
		put_text(&line, message);
	}
	for (; fields->kind != CLIENT_FIELD_END; fields++)
	{
		if (fields->kind == CLIENT_FIELD_TEXT && fields->text == NULL)
			continue;
		if (!put_field(&line, fields))
		{
			line.limit = MAX_LINE;
			put_text(&line, json ? ",\"cut\":1" : " cut=1");
			break;
		}
	}
	line.limit = MAX_LINE;
	put_text(&line, json ? "}\n" : "\n");
	write_all(line.data, line.len);
	errno = saved;
}


/* --- what there is too much of --------------------------------------------- */

static int64_t
monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
say_more(ClientLogPlace *place)
{
	if (place->more > 0)
		client_log_line(place->level, "more like this were not shown",
						CLIENT_FIELDS(CLIENT_TEXT("like", place->message), CLIENT_INT("more", (int64_t) place->more)));
	place->more = 0;
}

bool
client_log_may(ClientLogPlace *place, ClientLogLevel level, const char *message)
{
	int64_t		now = monotonic_ms();

	if (place->said == 0 || now - place->began >= CLIENT_LOG_WINDOW_MS)
	{
		say_more(place);
		place->began = now;
		place->said = 0;
	}
	place->level = level;
	place->message = message;
	if (place->said < CLIENT_LOG_BURST)
	{
		place->said++;
		return true;
	}
	place->more++;
	if (!place->listed)
	{
		place->listed = true;
		place->next = places;
		places = place;
	}
	return false;
}

void
client_log_more(bool all)
{
	int64_t		now = monotonic_ms();
	ClientLogPlace **link = &places;

	while (*link)
	{
		ClientLogPlace *place = *link;

		if (all || now - place->began >= CLIENT_LOG_WINDOW_MS)
		{
			say_more(place);
			place->listed = false;
			*link = place->next;
		}
		else
			link = &place->next;
	}
}
