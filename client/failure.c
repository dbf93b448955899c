/*-------------------------------------------------------------------------
 *
 * failure.c
 *	  What went wrong in a session, from the words of the server or of libpq.
 *
 * IDENTIFICATION
 *	  client/failure.c
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "client/failure.h"

ClientFailure
client_failure_of_words(const char *sqlstate, const char *message)
{
	ClientFailure failure = {0};

	snprintf(failure.sqlstate, sizeof(failure.sqlstate), "%.5s", sqlstate);
	failure.action = client_sqlstate_action(failure.sqlstate);
	failure.message = message;
	return failure;
}

ClientFailure
client_failure_lost(const char *reason, bool sent)
{
	ClientFailure failure = client_failure_of_words("08006", reason);

	failure.outcome_unknown = sent;
	return failure;
}

/* 0A000 alone may as well be the function's own. */
bool
client_failure_is_stale_plan(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

	return sqlstate && strcmp(sqlstate, "0A000") == 0 && function && strcmp(function, "RevalidateCachedQuery") == 0;
}

ClientFailure
client_failure_of_result(const PGresult *result, bool sent)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	ClientFailure failure;

	/* libpq's own errors have no code: they are of the connection */
	if (sqlstate == NULL)
		return client_failure_lost(PQresultErrorMessage(result), sent);
	failure = client_failure_of_words(sqlstate, message ? message : "");
	if (client_failure_is_stale_plan(result))
		failure.action = CLIENT_RETRY;
	failure.outcome_unknown = sent && client_sqlstate_unknown_outcome(sqlstate);
	failure.detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	failure.hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	return failure;
}

/* "FATAL:  28P01: ...": where the code begins; NULL: there is none. */
static char *
find_code(char *message)
{
	char	   *p = message;

	while ((p = strstr(p, ":  ")) != NULL)
	{
		int			n;

		p += 3;
		for (n = 0; n < 5 && (isdigit((unsigned char) p[n]) || isupper((unsigned char) p[n])); n++)
			;
		if (n == 5 && p[5] == ':' && p[6] == ' ')
			return p;
	}
	return NULL;
}

/*
 * A line a host becomes one with all of them.  libpq's advice, which is indented,
 * and where in the server's source an error was are left out.
 */
static void
make_one_line(char *message)
{
	char	   *to = message;
	char	   *line;
	char	   *rest = message;

	while ((line = strsep(&rest, "\n")) != NULL)
	{
		size_t		len = strlen(line);

		if (len == 0 || line[0] == '\t' || strncmp(line, "LOCATION:", 9) == 0)
			continue;
		if (to > message)
			*to++ = ' ';
		memmove(to, line, len + 1);
		to += len;
	}
	*to = '\0';
}

/*
 * libpq tells no code of an error at connecting, but has it in the message of a
 * verbose connection.  Of several hosts the last has the word.
 */
ClientFailure
client_failure_of_connecting(PGconn *conn, char *buf)
{
	ClientFailure failure;
	char	   *code,
			   *end;

	snprintf(buf, FAILURE_TEXT, "%s", PQerrorMessage(conn));
	failure = client_failure_of_words(PQconnectionNeedsPassword(conn) ? "28P01" : "08001", buf);
	for (end = buf; (code = find_code(end)) != NULL; end = code + strcspn(code, "\n"))
	{
		char		sqlstate[6];

		snprintf(sqlstate, sizeof(sqlstate), "%.5s", code);
		memmove(code, code + 7, strlen(code + 7) + 1);
		failure = client_failure_of_words(sqlstate, buf);
	}
	make_one_line(buf);
	return failure;
}
