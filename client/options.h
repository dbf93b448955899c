/*-------------------------------------------------------------------------
 *
 * options.h
 *	  The settings of a program: one table, from four places.
 *
 * A setting is taken from the command line (--name value, --name=value; - and _
 * are the same), else from the environment (PREFIX_NAME), else from the file
 * that the setting "config" names (name = value, quotes and comments as in
 * postgresql.conf), else it has its default.  Everything that is wrong in any
 * of these is told at once.
 *
 * IDENTIFICATION
 *	  client/options.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum ClientOptionType
{
	CLIENT_OPTION_STRING,		/* char *: never NULL; min and max are lengths */
	CLIENT_OPTION_INT,			/* int64_t */
	CLIENT_OPTION_SIZE,			/* int64_t, bytes: B, kB, MB, GB, TB */
	CLIENT_OPTION_TIME,			/* int64_t, milliseconds: ms, s, min, h, d */
	CLIENT_OPTION_BOOL,			/* bool; on the command line --name is on */
	CLIENT_OPTION_ENUM			/* int: an index into choices */
} ClientOptionType;

/* Flags. */
#define CLIENT_OPTION_SECRET	1	/* its value is never shown */
#define CLIENT_OPTION_COMMAND	2	/* what to do rather than how: on the
									 * command line only */

/* Where a value is from, the first wins. */
typedef enum ClientOptionSource
{
	CLIENT_FROM_DEFAULT,
	CLIENT_FROM_FILE,
	CLIENT_FROM_ENVIRONMENT,
	CLIENT_FROM_COMMAND_LINE
} ClientOptionSource;

typedef struct ClientOption
{
	const char *name;			/* lower case, with _ */
	ClientOptionType type;
	void	   *value;			/* of the type above */
	const char *initial;		/* the default, as in the file */
	int64_t		min,			/* of numbers, and lengths of strings */
				max;
	const char *unit;			/* of a size or time without unit, NULL: B, ms */
	const char *const *choices; /* of an enum, ends with NULL */
	int			flags;
	const char *help;			/* a phrase */

	/* the rest is private */
	ClientOptionSource source;
	char	   *text;			/* what a string's value points at */
} ClientOption;

typedef struct ClientOptions
{
	const char *program;		/* "eventlog-broker" */
	const char *prefix;			/* "EVENTLOG_BROKER_" */
	ClientOption *table;		/* ends with a name that is NULL */
} ClientOptions;

/*
 * Reads all of them.  Returns how many problems there were; each is a line on
 * problems that says where it is.  Settings with a problem have their default.
 */
extern int	client_options_read(ClientOptions *options, int argc, char **argv, FILE *problems);

/* Every setting with type, range, default and meaning: what --help prints. */
extern void client_options_help(const ClientOptions *options, FILE *out);

/* Logs the settings that are not defaults, and where they are from. */
extern void client_options_log(const ClientOptions *options);

#endif							/* CLIENT_OPTIONS_H */
