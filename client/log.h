/*-------------------------------------------------------------------------
 *
 * log.h
 *	  What a program tells its operator: one line an event, on stderr.
 *
 * A line is a message, which is a constant of the program, and fields, which
 * are not: text from clients and servers is in fields only, and never reaches a
 * terminal or a parser raw.
 *
 *	client_log(CLIENT_INFO, "client connected",
 *			   CLIENT_TEXT("address", address), CLIENT_INT("port", port));
 *
 * IDENTIFICATION
 *	  client/log.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_LOG_H
#define CLIENT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ClientLogLevel
{
	CLIENT_DEBUG,
	CLIENT_INFO,
	CLIENT_WARNING,
	CLIENT_ERROR
} ClientLogLevel;

typedef enum ClientLogFormat
{
	CLIENT_LOG_TEXT,			/* time, level, message, key=value ... */
	CLIENT_LOG_JSON				/* an object a line */
} ClientLogFormat;

/* The names of both, for the options of a program. */
extern const char *const client_log_levels[];
extern const char *const client_log_formats[];

/* What is below this level is not said; settings of the program. */
extern int	client_log_level;
extern int	client_log_format;

typedef enum ClientFieldKind
{
	CLIENT_FIELD_END,
	CLIENT_FIELD_TEXT,
	CLIENT_FIELD_INT
} ClientFieldKind;

typedef struct ClientField
{
	ClientFieldKind kind;
	const char *key;
	const char *text;			/* NULL: the field is left out */
	size_t		len;
	int64_t		number;
} ClientField;

/* Text that ends with a zero, text of a length, and a number. */
#define CLIENT_TEXT(key, text) client_field_text(key, text)
#define CLIENT_BYTES(key, text, len) ((ClientField) {CLIENT_FIELD_TEXT, (key), (text), (len), 0})
#define CLIENT_INT(key, number) ((ClientField) {CLIENT_FIELD_INT, (key), NULL, 0, (number)})

extern ClientField client_field_text(const char *key, const char *string);

/* The fields of a line as an array, after one that stands for none. */
#define CLIENT_NO_FIELD ((ClientField) {CLIENT_FIELD_END, NULL, NULL, 0, 0})
#define CLIENT_FIELDS(...) ((const ClientField[]) {CLIENT_NO_FIELD, ##__VA_ARGS__, CLIENT_NO_FIELD} + 1)

/* Says it.  Long fields and lines are cut; a line is one write(). */
#define client_log(level, message, ...) \
	do { \
		if ((int) (level) >= client_log_level) \
			client_log_line((level), (message), CLIENT_FIELDS(__VA_ARGS__)); \
	} while (0)

/*
 * For what a client can make happen as often as it likes: of each place in the
 * program CLIENT_LOG_BURST lines in CLIENT_LOG_WINDOW_MS are said, then how many
 * more there were like the last.
 */
#define CLIENT_LOG_BURST		5
#define CLIENT_LOG_WINDOW_MS	10000

#define client_log_limited(level, message, ...) \
	do { \
		static ClientLogPlace client_log_place; \
		if ((int) (level) >= client_log_level && client_log_may(&client_log_place, (level), (message))) \
			client_log_line((level), (message), CLIENT_FIELDS(__VA_ARGS__)); \
	} while (0)

/* A place that is limited. */
typedef struct ClientLogPlace
{
	ClientLogLevel level;
	const char *message;
	int64_t		began;			/* of the window, monotonic milliseconds */
	int			said;			/* in it */
	uint64_t	more;			/* that were not said */
	bool		listed;			/* among those that have something to say */
	struct ClientLogPlace *next;
} ClientLogPlace;

/*
 * Says how many more there were, of the places whose window is over (all: of
 * every place).  The program calls it every CLIENT_LOG_WINDOW_MS and at its end.
 */
extern void client_log_more(bool all);

extern bool client_log_may(ClientLogPlace *place, ClientLogLevel level, const char *message);
extern void client_log_line(ClientLogLevel level, const char *message, const ClientField *fields);

#endif							/* CLIENT_LOG_H */
