/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The settings of a program: one table, from four places.
 *
 * IDENTIFICATION
 *	  client/options.c
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/log.h"
#include "client/memory.h"
#include "client/option_value.h"
#include "client/options.h"

#define MAX_NAME	64
#define MAX_WHERE	512
#define MAX_WHY		1024
#define MAX_FILE	(1 << 20)	/* bytes of a file of settings */

extern char **environ;

/* A reading of settings: where it is, and what was wrong so far. */
typedef struct Reading
{
	ClientOptions *options;
	FILE	   *out;
	int			problems;
	ClientOptionSource source;
	char		where[MAX_WHERE];
} Reading;

static void
problem(Reading *reading, const char *what, const char *why)
{
	fprintf(reading->out, "%s: %s: %s%s%s\n", reading->options->program, reading->where,
			what, why[0] != '\0' ? " " : "", why);
	reading->problems++;
}


/* --- names ----------------------------------------------------------------- */

/* As in the table: lower case, with _.  False: it is too long for a name. */
static bool
normalize(const char *name, size_t len, char *buf)
{
	size_t		i;

	if (len >= MAX_NAME)
		return false;
	for (i = 0; i < len; i++)
		buf[i] = name[i] == '-' ? '_' : (char) tolower((unsigned char) name[i]);
	buf[len] = '\0';
	return true;
}

/* Can the option be set there? */
static bool
is_settable(const ClientOption *option, ClientOptionSource source)
{
	return source == CLIENT_FROM_COMMAND_LINE || (option->flags & CLIENT_OPTION_COMMAND) == 0;
}

static ClientOption *
find_option(const Reading *reading, const char *name)
{
	ClientOption *option;

	for (option = reading->options->table; option->name; option++)
		if (strcmp(option->name, name) == 0 && is_settable(option, reading->source))
			return option;
	return NULL;
}

/* How many characters to insert, remove or replace, to make one name of the other. */
static int
distance(const char *a, const char *b)
{
	int			row[MAX_NAME];
	int			i,
				j;

	for (j = 0; j <= (int) strlen(b); j++)
		row[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++)
	{
		int			before = row[0];

		row[0] = i;
		for (j = 1; b[j - 1] != '\0'; j++)
		{
			int			best = before + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			before = row[j];
			row[j] = best;
		}
	}
	return row[strlen(b)];
}

static void
no_such_option(Reading *reading, const char *shown, const char *name)
{
	const char *best = NULL;
	int			least = 2 + (int) strlen(name) / 6;
	const ClientOption *option;
	char		what[MAX_WHERE];
	char		why[MAX_WHY] = "is no setting";

	for (option = reading->options->table; option->name; option++)
	{
		int			d = is_settable(option, reading->source) ? distance(name, option->name) : least + 1;

		if (d <= least)
		{
			best = option->name;
			least = d - 1;
		}
	}
	if (best)
		snprintf(why, sizeof(why), "is no setting; did you mean %s?", best);
	snprintf(what, sizeof(what), "\"%.*s\"", MAX_NAME, shown);
	problem(reading, what, why);
}

static void
set_option(Reading *reading, ClientOption *option, const char *text)
{
	bool		set = reading->source >= option->source;
	char		why[MAX_WHY];

	if (!client_option_parse(option, text, set, why, sizeof(why)))
		problem(reading, option->name, why);
	else if (set)
		option->source = reading->source;
}


/* --- command line and environment ------------------------------------------ */

static void
read_command_line(Reading *reading, int argc, char **argv)
{
	int			i;

	reading->source = CLIENT_FROM_COMMAND_LINE;
	snprintf(reading->where, MAX_WHERE, "command line");
	for (i = 1; i < argc; i++)
	{
		const char *given = argv[i] + 2;
		size_t		len;
		char		name[MAX_NAME];
		ClientOption *option;

		if (strncmp(argv[i], "--", 2) != 0)
		{
			char		what[MAX_WHERE];

			/* what is behind = may be a password */
			snprintf(what, sizeof(what), "\"%.*s\"", (int) (strcspn(argv[i], "=") < MAX_NAME ? strcspn(argv[i], "=") : MAX_NAME), argv[i]);
			problem(reading, what, "is no setting: they begin with --");
			continue;
		}
		len = strcspn(given, "=");
		option = normalize(given, len, name) ? find_option(reading, name) : NULL;
		if (option == NULL)
		{
			char		shown[MAX_NAME];

			snprintf(shown, sizeof(shown), "--%.*s", (int) (len < 60 ? len : 60), given);
			no_such_option(reading, shown, len < MAX_NAME ? name : "");
			/* its value is no setting of its own */
			if (given[len] == '\0' && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
				i++;
		}
		else if (given[len] == '=')
			set_option(reading, option, given + len + 1);
		else if (option->type == CLIENT_OPTION_BOOL)
			set_option(reading, option, "on");
		else if (i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
			set_option(reading, option, argv[++i]);
		else
			problem(reading, option->name, "has no value");
	}
}

/*
 * Variables that begin with our prefix, but are made by Kubernetes for a service of
 * the program's name.
 */
static bool
is_foreign(const char *name)
{
	return strncmp(name, "SERVICE_", 8) == 0 || strncmp(name, "PORT=", 5) == 0 || strncmp(name, "PORT_", 5) == 0;
}

static void
read_environment(Reading *reading)
{
	const char *prefix = reading->options->prefix;
	char	  **variable;

	reading->source = CLIENT_FROM_ENVIRONMENT;
	for (variable = environ; *variable; variable++)
	{
		size_t		len = strcspn(*variable, "=");
		const char *given = *variable + strlen(prefix);
		char		name[MAX_NAME];
		ClientOption *option;
		bool		fits;

		if (strncmp(*variable, prefix, strlen(prefix)) != 0 || (*variable)[len] == '\0' || is_foreign(given))
			continue;
		snprintf(reading->where, MAX_WHERE, "environment");
		fits = normalize(given, len - strlen(prefix), name);
		option = fits ? find_option(reading, name) : NULL;
		if (option)
			set_option(reading, option, *variable + len + 1);
		else
		{
			char		shown[MAX_NAME];

			snprintf(shown, sizeof(shown), "%.*s", (int) (len < 60 ? len : 60), *variable);
			no_such_option(reading, shown, fits ? name : "");
		}
	}
}


/* --- the file -------------------------------------------------------------- */

/* All of it, with a zero behind; NULL, after a problem. */
static char *
read_whole(Reading *reading, const char *path)
{
	FILE	   *file = fopen(path, "r");
	char	   *data;
	size_t		len;
	const char *wrong = NULL;

	if (file == NULL)
	{
		problem(reading, "cannot be read:", strerror(errno));
		return NULL;
	}
	data = client_alloc(MAX_FILE + 1);
	len = fread(data, 1, MAX_FILE + 1, file);
	if (ferror(file))
		wrong = strerror(errno);
	else if (len > MAX_FILE)
		wrong = "it is longer than 1 MB";
	else if (memchr(data, '\0', len))
		wrong = "it has a zero byte";
	fclose(file);
	if (wrong)
	{
		problem(reading, "cannot be read:", wrong);
		free(data);
		return NULL;
	}
	data[len] = '\0';
	return data;
}

/*
 * A quoted value, in place: '' is a quote, and \ escapes as in postgresql.conf.
 * Returns what follows the closing quote; NULL: there is none.
 */
static char *
unquote(char *p, char **value)
{
	char	   *to = p;

	*value = to;
	for (p++; *p != '\0'; p++)
	{
		static const char plain[] = "bfnrt";
		static const char escaped[] = "\b\f\n\r\t";
		const char *which;

		if (*p == '\'' && p[1] != '\'')
		{
			*to = '\0';
			return p + 1;
		}
		if (*p == '\'')
			p++;
		else if (*p == '\\' && p[1] != '\0')
		{
			p++;
			if (*p >= '0' && *p <= '7')
			{
				int			byte = 0;
				int			digits;

				for (digits = 0; digits < 3 && p[digits] >= '0' && p[digits] <= '7'; digits++)
					byte = byte * 8 + (p[digits] - '0');
				p += digits - 1;
				*to++ = (char) byte;
				continue;
			}
			which = strchr(plain, *p);
			if (which)
			{
				*to++ = escaped[which - plain];
				continue;
			}
		}
		*to++ = *p;
	}
	return NULL;
}

static char *
skip_space(char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\r')
		p++;
	return p;
}

static void
read_line(Reading *reading, char *line)
{
	char	   *given = skip_space(line);
	char	   *end = given;
	char	   *value;
	size_t		len;
	char		name[MAX_NAME];
	ClientOption *option;
	bool		fits;

	if (*given == '\0' || *given == '#')
		return;
	while (isalnum((unsigned char) *end) || *end == '_' || *end == '-')
		end++;
	len = (size_t) (end - given);
	end = skip_space(end);
	if (len == 0 || *end != '=')
	{
		problem(reading, "this is not", "\"name = value\"");
		return;
	}
	value = skip_space(end + 1);
	if (*value == '\'')
	{
		end = unquote(value, &value);
		if (end == NULL)
		{
			problem(reading, "the quote is not closed", "");
			return;
		}
	}
	else
	{
		char	   *stop;

		/* numbers and their units may have a space between them */
		end = value + strcspn(value, "#");
		for (stop = end; stop > value && isspace((unsigned char) stop[-1]);)
			stop--;
		if (*end == '#')
			end = value + strlen(value);
		*stop = '\0';
	}
	end = skip_space(end);
	if (*end != '\0' && *end != '#')
	{
		problem(reading, "there is something behind the value", "");
		return;
	}
	fits = normalize(given, len, name);
	option = fits ? find_option(reading, name) : NULL;
	given[len < MAX_NAME ? len : MAX_NAME - 1] = '\0';
	if (option)
		set_option(reading, option, value);
	else
		no_such_option(reading, given, fits ? name : "");
}

static void
read_file(Reading *reading, const char *path)
{
	char	   *data;
	char	   *line;
	int			number = 0;

	reading->source = CLIENT_FROM_FILE;
	snprintf(reading->where, MAX_WHERE, "file \"%s\"", path);
	data = read_whole(reading, path);
	for (line = data; line;)
	{
		char	   *next = strchr(line, '\n');

		if (next)
			*next++ = '\0';
		snprintf(reading->where, MAX_WHERE, "file \"%s\", line %d", path, ++number);
		read_line(reading, line);
		line = next;
	}
	free(data);
}


/* --- all of them ----------------------------------------------------------- */

int
client_options_read(ClientOptions *options, int argc, char **argv, FILE *problems)
{
	Reading		reading = {options, problems, 0, CLIENT_FROM_DEFAULT, "default"};
	ClientOption *option;

	for (option = options->table; option->name; option++)
	{
		option->source = CLIENT_FROM_DEFAULT;
		set_option(&reading, option, option->initial);
	}
	read_command_line(&reading, argc, argv);
	read_environment(&reading);
	for (option = options->table; option->name; option++)
		if (strcmp(option->name, "config") == 0 && (*(char **) option->value)[0] != '\0')
			read_file(&reading, *(char **) option->value);
	return reading.problems;
}

/* Range and default, in brackets. */
static void
print_limits(const ClientOption *option, FILE *out)
{
	char		least[32];
	char		most[32];

	fprintf(out, " (");
	if (option->type == CLIENT_OPTION_INT || option->type == CLIENT_OPTION_SIZE || option->type == CLIENT_OPTION_TIME)
	{
		client_option_format_number(option, option->min, least, sizeof(least));
		client_option_format_number(option, option->max, most, sizeof(most));
		fprintf(out, "%s to %s, ", least, most);
		if (option->unit)
			fprintf(out, "in %s if there is no unit, ", option->unit);
	}
	if (option->initial[0] == '\0')
		fprintf(out, "default: none)");
	else
		fprintf(out, "default: %s)", option->initial);
}

void
client_options_help(const ClientOptions *options, FILE *out)
{
	const ClientOption *option;
	char		type[256];

	for (option = options->table; option->name; option++)
	{
		if (option->flags & CLIENT_OPTION_COMMAND)
		{
			fprintf(out, "  --%s\n        %s\n", option->name, option->help);
			continue;
		}
		client_option_type_name(option, type, sizeof(type));
		if (option->type == CLIENT_OPTION_BOOL)
			fprintf(out, "  --%s[=%s]\n        %s", option->name, type, option->help);
		else
			fprintf(out, "  --%s=%s\n        %s", option->name, type, option->help);
		print_limits(option, out);
		fprintf(out, "\n");
	}
	fprintf(out, "\nSettings are also taken from the environment, as %sNAME, and from lines \"name = value\" of the file that\n"
			"--config names. The command line comes first, then the environment, then the file.\n", options->prefix);
}

void
client_options_log(const ClientOptions *options)
{
	static const char *const sources[] = {"default", "file", "environment", "command line"};
	const ClientOption *option;
	char		value[1024];

	for (option = options->table; option->name; option++)
	{
		if (option->source == CLIENT_FROM_DEFAULT || (option->flags & CLIENT_OPTION_COMMAND) != 0)
			continue;
		if (option->flags & CLIENT_OPTION_SECRET)
			snprintf(value, sizeof(value), "(not shown)");
		else
			client_option_format(option, value, sizeof(value));
		client_log(CLIENT_INFO, "setting", CLIENT_TEXT("name", option->name), CLIENT_TEXT("value", value),
				   CLIENT_TEXT("from", sources[option->source]));
	}
}
