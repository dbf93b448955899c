/*-------------------------------------------------------------------------
 *
 * sqlstate.c
 *	  What a program does about an error of PostgreSQL: one table.
 *
 * docs/reference.md tells what the extension's own codes mean.
 *
 * IDENTIFICATION
 *	  client/sqlstate.c
 *
 *-------------------------------------------------------------------------
 */
#include <stddef.h>
#include <string.h>

#include "client/sqlstate.h"

#define RECONNECTS	1
#define UNKNOWN		2			/* outcome */

typedef struct Rule
{
	const char *code;			/* a SQLSTATE, or what some begin with */
	ClientAction action;
	int			flags;
} Rule;

/* The longest code that fits counts. */
static const Rule rules[] = {
	/* the connection; but a malformed message is the program's own */
	{"08", CLIENT_RETRY, UNKNOWN},
	{"08P01", CLIENT_FAULT, 0},

	/* not there, or not in this version */
	{"0A", CLIENT_FAULT, 0},

	/* values, constraints, limits of one call */
	{"21", CLIENT_FAULT, 0},
	{"22", CLIENT_FAULT, 0},
	{"23", CLIENT_FAULT, 0},
	{"54", CLIENT_FAULT, 0},
	{"P0", CLIENT_FAULT, 0},	/* of a CHECK or trigger that raises its own */

	/* the server is not the primary any more */
	{"25006", CLIENT_RETRY, RECONNECTS},

	/* the prepared statement is gone: DISCARD ALL by somebody in between */
	{"26000", CLIENT_RETRY, RECONNECTS},

	/* conflicts; whether a transaction was committed is not known after 40003 */
	{"40", CLIENT_RETRY, 0},
	{"40002", CLIENT_FAULT, 0},
	{"40003", CLIENT_RETRY, UNKNOWN},
	{"40L01", CLIENT_FENCED, 0},
	{"EL001", CLIENT_FENCED, 0},
	{"EL002", CLIENT_FENCED, 0},

	/*
	 * objects that are not there or are another kind, and rights; but
	 * functions belong to the library
	 */
	{"42", CLIENT_FAULT, 0},
	{"42883", CLIENT_STOP, 0},
	{"3F000", CLIENT_FAULT, 0},
	{"44", CLIENT_FAULT, 0},
	{"EL003", CLIENT_FAULT, 0},
	{"EL004", CLIENT_FAULT, 0},

	/* full disk, memory or connections: till somebody or something makes room */
	{"53", CLIENT_RETRY, 0},

	/* not in a state for it; in use, locked */
	{"55", CLIENT_FAULT, 0},
	{"55006", CLIENT_RETRY, 0},
	{"55P03", CLIENT_RETRY, 0},

	/*
	 * cancelled; shut down, when a commit may have waited for a standby; the
	 * database is gone
	 */
	{"57014", CLIENT_RETRY, 0},
	{"57P", CLIENT_RETRY, UNKNOWN},
	{"57P04", CLIENT_STOP, 0},

	/* input and output; but a library or file that is not there stays so */
	{"58", CLIENT_RETRY, 0},
	{"58P01", CLIENT_STOP, 0},

	/*
	 * the rest is CLIENT_STOP: logins, databases, EL005, corruption, errors
	 * of the program
	 */
};

/* NULL: none fits. */
static const Rule *
find_rule(const char *sqlstate)
{
	const Rule *best = NULL;
	size_t		best_len = 0;
	size_t		i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
	{
		size_t		len = strlen(rules[i].code);

		if (len > best_len && strncmp(sqlstate, rules[i].code, len) == 0)
		{
			best = &rules[i];
			best_len = len;
		}
	}
	return best;
}

const char *
client_action_name(ClientAction action)
{
	static const char *const names[] = {"retry", "fenced", "fault", "stop"};

	return names[action];
}

ClientAction
client_sqlstate_action(const char *sqlstate)
{
	const Rule *rule = find_rule(sqlstate);

	return rule ? rule->action : CLIENT_STOP;
}

bool
client_sqlstate_reconnects(const char *sqlstate)
{
	const Rule *rule = find_rule(sqlstate);

	return rule && (rule->flags & RECONNECTS) != 0;
}

bool
client_sqlstate_unknown_outcome(const char *sqlstate)
{
	const Rule *rule = find_rule(sqlstate);

	return rule && (rule->flags & UNKNOWN) != 0;
}
