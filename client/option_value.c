/*-------------------------------------------------------------------------
 *
 * option_value.c
 *	  The value of a setting, from text and back.
 *
 * IDENTIFICATION
 *	  client/option_value.c
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/memory.h"
#include "client/option_value.h"

#define MAX_SHOWN 64			/* characters of a wrong value */

typedef struct Unit
{
	const char *name;
	int64_t		factor;
} Unit;

/* From the largest on. */
static const Unit size_units[] = {
	{"TB", INT64_C(1) << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}, {"B", 1}, {NULL, 0}
};

static const Unit time_units[] = {
	{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}
};

static const Unit no_units[] = {{NULL, 0}};

static const Unit *
units_of(const ClientOption *option)
{
	return option->type == CLIENT_OPTION_SIZE ? size_units : option->type == CLIENT_OPTION_TIME ? time_units : no_units;
}

/* NULL: there is none of that name. */
static const Unit *
find_unit(const ClientOption *option, const char *name)
{
	const Unit *unit;

	for (unit = units_of(option); unit->name; unit++)
		if (strcmp(unit->name, name) == 0)
			return unit;
	return NULL;
}

/* Appends to what is in buf already, as far as it fits. */
static void
append(char *buf, size_t size, const char *text)
{
	size_t		len = strlen(buf);

	snprintf(buf + len, size - len, "%s", text);
}

/* ", not "x"": but a secret stays one. */
static void
append_value(const ClientOption *option, const char *text, char *why, size_t size)
{
	if (option->flags & CLIENT_OPTION_SECRET)
		return;
	append(why, size, ", not \"");
	if (strlen(text) > MAX_SHOWN)
	{
		char		shown[MAX_SHOWN + 4];

		snprintf(shown, sizeof(shown), "%.*s...", MAX_SHOWN, text);
		append(why, size, shown);
	}
	else
		append(why, size, text);
	append(why, size, "\"");
}

static void
append_list(char *buf, size_t size, const char *text, bool first)
{
	if (!first)
		append(buf, size, ", ");
	append(buf, size, text);
}

static bool
parse_number(ClientOption *option, const char *given, bool set, char *why, size_t size)
{
	const Unit *unit = NULL;
	char		limit[32];
	char	   *end;
	long long	n;

	errno = 0;
	n = strtoll(given, &end, 10);
	if (end == given || errno != 0)
		n = -1;
	while (isspace((unsigned char) *end))
		end++;
	if (*end != '\0')
		unit = find_unit(option, end);
	else if (option->unit)
		unit = find_unit(option, option->unit);

	if (end == given || errno != 0 || (*end != '\0' && unit == NULL))
	{
		snprintf(why, size, "must be an integer");
		if (units_of(option)->name)
		{
			append(why, size, " with one of the units ");
			for (unit = units_of(option); unit->name; unit++)
				append_list(why, size, unit->name, unit == units_of(option));
		}
		append_value(option, given, why, size);
		return false;
	}
	if (unit && (n > INT64_MAX / unit->factor || n < INT64_MIN / unit->factor))
		n = n > 0 ? INT64_MAX : INT64_MIN;
	else if (unit)
		n *= unit->factor;
	if (n < option->min || n > option->max)
	{
		client_option_format_number(option, option->min, limit, sizeof(limit));
		snprintf(why, size, "must be from %s to ", limit);
		client_option_format_number(option, option->max, limit, sizeof(limit));
		append(why, size, limit);
		append_value(option, given, why, size);
		return false;
	}
	if (set)
		*(int64_t *) option->value = n;
	return true;
}

static bool
parse_bool(ClientOption *option, const char *text, bool set, char *why, size_t size)
{
	static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};
	size_t		i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcasecmp(text, words[i]) != 0)
			continue;
		if (set)
			*(bool *) option->value = i % 2 == 1;
		return true;
	}
	snprintf(why, size, "must be on or off");
	append_value(option, text, why, size);
	return false;
}

static bool
parse_enum(ClientOption *option, const char *text, bool set, char *why, size_t size)
{
	int			i;

	for (i = 0; option->choices[i]; i++)
	{
		if (strcasecmp(text, option->choices[i]) != 0)
			continue;
		if (set)
			*(int *) option->value = i;
		return true;
	}
	snprintf(why, size, "must be one of ");
	for (i = 0; option->choices[i]; i++)
		append_list(why, size, option->choices[i], i == 0);
	append_value(option, text, why, size);
	return false;
}

static bool
parse_string(ClientOption *option, const char *text, bool set, char *why, size_t size)
{
	size_t		len = strlen(text);

	if (len < (size_t) option->min && len == 0)
	{
		snprintf(why, size, "must not be empty");
		return false;
	}
	if (len < (size_t) option->min || len > (size_t) option->max)
	{
		snprintf(why, size, "must have from %lld to %lld bytes, not %zu",
				 (long long) option->min, (long long) option->max, len);
		return false;
	}
	if (set)
	{
		free(option->text);
		option->text = client_strdup(text);
		*(char **) option->value = option->text;
	}
	return true;
}

bool
client_option_parse(ClientOption *option, const char *text, bool set, char *why, size_t size)
{
	switch (option->type)
	{
		case CLIENT_OPTION_STRING:
			return parse_string(option, text, set, why, size);
		case CLIENT_OPTION_INT:
		case CLIENT_OPTION_SIZE:
		case CLIENT_OPTION_TIME:
			return parse_number(option, text, set, why, size);
		case CLIENT_OPTION_BOOL:
			return parse_bool(option, text, set, why, size);
		case CLIENT_OPTION_ENUM:
			return parse_enum(option, text, set, why, size);
	}
	return false;
}

void
client_option_format_number(const ClientOption *option, int64_t n, char *buf, size_t size)
{
	const Unit *unit = units_of(option);

	while (unit->name && (n == 0 || n % unit->factor != 0))
		unit++;
	snprintf(buf, size, "%lld%s%s", (long long) (unit->name ? n / unit->factor : n),
			 unit->name ? " " : "", unit->name ? unit->name : "");
}

void
client_option_format(const ClientOption *option, char *buf, size_t size)
{
	switch (option->type)
	{
		case CLIENT_OPTION_STRING:
			snprintf(buf, size, "%s", *(char **) option->value);
			break;
		case CLIENT_OPTION_INT:
		case CLIENT_OPTION_SIZE:
		case CLIENT_OPTION_TIME:
			client_option_format_number(option, *(int64_t *) option->value, buf, size);
			break;
		case CLIENT_OPTION_BOOL:
			snprintf(buf, size, "%s", *(bool *) option->value ? "on" : "off");
			break;
		case CLIENT_OPTION_ENUM:
			snprintf(buf, size, "%s", option->choices[*(int *) option->value]);
			break;
	}
}

void
client_option_type_name(const ClientOption *option, char *buf, size_t size)
{
	static const char *const names[] = {"TEXT", "INTEGER", "SIZE", "TIME", "on|off"};
	int			i;

	if (option->type != CLIENT_OPTION_ENUM)
	{
		snprintf(buf, size, "%s", names[option->type]);
		return;
	}
	buf[0] = '\0';
	for (i = 0; option->choices[i]; i++)
	{
		if (i > 0)
			append(buf, size, "|");
		append(buf, size, option->choices[i]);
	}
}
