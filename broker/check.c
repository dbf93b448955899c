/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Whether the server is what the broker needs.
 *
 * IDENTIFICATION
 *	  broker/check.c
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/check.h"
#include "broker/settings.h"

#define CONNECT_TIMEOUT "10"	/* seconds a host */

/* Columns of the query. */
enum
{
	INSTALLED, PRELOADED, INTERFACE, MAY_USE, MAY_WATCH, ROLE, DATABASE, IN_RECOVERY, SCHEMAS
};

/* Each column is an answer whatever is missing; so it names no object that may not be there. */
static const char query[] =
"SELECT (SELECT extversion FROM pg_extension WHERE extname = 'eventlog'),"
" current_setting('eventlog.group_memory', true) IS NOT NULL,"
" to_regprocedure('_eventlog.broker_interface()') IS NOT NULL,"
" coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = '_eventlog'), false),"
" coalesce(has_function_privilege(to_regprocedure('_eventlog.broker_watch()'), 'EXECUTE'), false),"
" current_user, current_database(), pg_is_in_recovery(),"
" (SELECT string_agg(s, ', ') FROM regexp_split_to_table($1, '\\s*,\\s*') s"
"   WHERE s <> '' AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = s))";

static int	problems;

static void
complain(const char *format, const char *a, const char *b)
{
	problems++;
	printf(format, a, b);
	putchar('\n');
}

static void
check_interface(PGconn *conn)
{
	PGresult   *result = PQexec(conn, "SELECT _eventlog.broker_interface()");
	char		ours[16];

	snprintf(ours, sizeof(ours), "%d", BROKER_INTERFACE);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		complain("The server's side of the broker cannot be called: %s%s", PQresultErrorMessage(result), "");
	else if (strcmp(PQgetvalue(result, 0, 0), ours) != 0)
		complain("The server's side of the broker has interface %s, this program needs %s: install the same version of both, "
				 "and ALTER EXTENSION eventlog UPDATE.", PQgetvalue(result, 0, 0), ours);
	PQclear(result);
}

static void
check_answers(PGconn *conn, const PGresult *r)
{
	const char *role = PQgetvalue(r, 0, ROLE);
	const char *database = PQgetvalue(r, 0, DATABASE);

	if (PQgetisnull(r, 0, INSTALLED))
	{
		complain("The extension is not installed in database \"%s\": CREATE EXTENSION eventlog.%s", database, "");
		return;
	}
	if (PQgetvalue(r, 0, PRELOADED)[0] != 't')
		complain("The library is not loaded: add eventlog to shared_preload_libraries and restart the server.%s%s", "", "");
	if (PQgetvalue(r, 0, INTERFACE)[0] != 't')
		complain("Version %s of the extension has no side for the broker: ALTER EXTENSION eventlog UPDATE.%s",
				 PQgetvalue(r, 0, INSTALLED), "");
	else if (PQgetvalue(r, 0, MAY_USE)[0] != 't')
		complain("Role \"%s\" may not use the broker's functions: GRANT USAGE ON SCHEMA _eventlog TO \"%s\".", role, role);
	else
	{
		check_interface(conn);
		if (PQgetvalue(r, 0, MAY_WATCH)[0] != 't')
			complain("Role \"%s\" may not watch the database: GRANT EXECUTE ON PROCEDURE _eventlog.broker_watch() TO \"%s\".",
					 role, role);
	}
	if (!PQgetisnull(r, 0, SCHEMAS))
		complain("Of topic_schemas these do not exist: %s.%s", PQgetvalue(r, 0, SCHEMAS), "");
	if (PQgetvalue(r, 0, IN_RECOVERY)[0] == 't')
		printf("Note: the server is a standby; clients can read from it and not produce.\n");
}

bool
check_server(void)
{
	const char *const keys[] = {"connect_timeout", "dbname", "fallback_application_name", NULL};
	const char *const values[] = {CONNECT_TIMEOUT, settings.conninfo, "eventlog-broker check", NULL};
	PGconn	   *conn = PQconnectdbParams(keys, values, 1);

	problems = 0;
	if (PQstatus(conn) != CONNECTION_OK)
		complain("PostgreSQL cannot be reached: %s%s", PQerrorMessage(conn), "");
	else
	{
		const char *const parameters[] = {settings.topic_schemas};
		PGresult   *result = PQexecParams(conn, query, 1, NULL, parameters, NULL, NULL, 0);

		if (PQresultStatus(result) == PGRES_TUPLES_OK)
			check_answers(conn, result);
		else
			complain("PostgreSQL cannot be asked: %s%s", PQresultErrorMessage(result), "");
		PQclear(result);
		if (problems == 0)
			printf("PostgreSQL %s at %s is ready for this broker.\n",
				   PQparameterStatus(conn, "server_version"), PQhost(conn));
	}
	PQfinish(conn);
	return problems == 0;
}
