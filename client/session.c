/*-------------------------------------------------------------------------
 *
 * session.c
 *	  A connection to PostgreSQL that comes back by itself, in an event loop.
 *
 * Every callback is called by tell_*(), and only from on_io() and on_timer().
 * A callback may free the session: who has called one looks at session->freed
 * before it does anything else.  The memory goes when the loop's call returns.
 *
 * IDENTIFICATION
 *	  client/session.c
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/failure.h"
#include "client/log.h"
#include "client/memory.h"
#include "client/session.h"
#include "client/session_parameters.h"

#define CONNECT_TIMEOUT_MS	5000
#define FIRST_PAUSE_MS		50
#define LONGEST_PAUSE_MS	1000
#define SETTLED_MS			1000	/* a connection that has lasted so long
									 * begins with short pauses again */
#define SAY_AGAIN_MS		60000	/* that it still cannot connect */

/* The call that runs. */
typedef struct Call
{
	const ClientStatement *statement;
	ClientParams params;
	ClientResultFn fn;			/* NULL: none runs */
	void	   *arg;
	bool		sent;			/* the statement itself, rather than its text */
	bool		complete;		/* the server is ready for the next: only now
								 * a transaction is committed */
	PGresult   *result;			/* the first that failed, or the last; NULL:
								 * nothing came yet */
} Call;

struct ClientSession
{
	ClientLoop *loop;
	ClientSessionConfig config; /* without its strings: they are in parameters */
	ClientParameters *parameters;
	char	   *name;			/* application_name */
	ClientSessionState state;
	int			depth;			/* of calls from the loop */
	bool		freed;

	PGconn	   *conn;			/* NULL while it waits */
	ClientFd	watch;
	const char *host;			/* libpq's word for the one it tries */
	const ClientStatement **prepared;
	int			nprepared;
	int			room;
	char		last_words[FAILURE_TEXT];	/* what the server said when it
											 * closed the connection */
	char		last_sqlstate[6];

	ClientTimer timer;			/* of what the state waits for at most */
	Call		call;
	char		drop_reason[256];	/* the connection shall be given up; or
									 * empty */

	int			tries;			/* since the last connection that lasted */
	int64_t		connected;		/* when */
	uint64_t	random;
	int64_t		said;			/* when it last said that it cannot connect;
								 * 0: not yet */
	char		said_what[FAILURE_TEXT];
};


/* --- losing and waiting ---------------------------------------------------- */

/* Sets the timer for what the state waits for; a connection that is to be given up keeps it for that. */
static void
set_clock(ClientSession *session, int64_t ms)
{
	if (session->drop_reason[0] == '\0')
		client_timer_start(session->loop, &session->timer, client_loop_now(session->loop) + ms);
}

static void
stop_clock(ClientSession *session)
{
	if (session->drop_reason[0] == '\0')
		client_timer_stop(session->loop, &session->timer);
}

/* How long to wait before the next try: half of it at random, so that not all come at once. */
static int64_t
next_pause(ClientSession *session)
{
	int64_t		pause = LONGEST_PAUSE_MS;

	if (session->tries < 5 && FIRST_PAUSE_MS << session->tries < LONGEST_PAUSE_MS)
		pause = FIRST_PAUSE_MS << session->tries;
	session->tries++;
	session->random ^= session->random << 13;
	session->random ^= session->random >> 7;
	session->random ^= session->random << 17;
	return pause / 2 + (int64_t) (session->random % (uint64_t) (pause / 2 + 1));
}

static void
close_connection(ClientSession *session)
{
	if (session->conn == NULL)
		return;
	client_loop_unwatch(session->loop, &session->watch);
	PQfinish(session->conn);
	session->conn = NULL;
	session->nprepared = 0;
}

/* A server that stays away is not said each second, but when the reason changes, and each minute. */
static void
log_loss(ClientSession *session, const ClientFailure *failure, bool was_connected, int64_t pause)
{
	int64_t		now = client_loop_now(session->loop);

	if (was_connected)
		client_log(CLIENT_WARNING, "connection to PostgreSQL lost",
				   CLIENT_TEXT("session", session->name), CLIENT_TEXT("sqlstate", failure->sqlstate),
				   CLIENT_TEXT("reason", failure->message), CLIENT_INT("next_try_ms", pause));
	else if (session->said == 0 || now - session->said >= SAY_AGAIN_MS || strcmp(session->said_what, failure->message) != 0)
	{
		client_log(failure->action == CLIENT_RETRY ? CLIENT_WARNING : CLIENT_ERROR, "cannot connect to PostgreSQL",
				   CLIENT_TEXT("session", session->name), CLIENT_TEXT("sqlstate", failure->sqlstate),
				   CLIENT_TEXT("reason", failure->message), CLIENT_INT("tries", session->tries));
		session->said = now;
		snprintf(session->said_what, FAILURE_TEXT, "%s", failure->message);
	}
}

/* Has the call ended well, whatever became of the connection? */
static bool
has_succeeded(const Call *call)
{
	return call->sent && call->complete && call->result &&
		(PQresultStatus(call->result) == PGRES_TUPLES_OK || PQresultStatus(call->result) == PGRES_COMMAND_OK);
}

static bool
has_failed(const Call *call)
{
	return call->result && PQresultStatus(call->result) == PGRES_FATAL_ERROR;
}

/* Takes the call out and tells its end: by its own result, or by the failure. */
static void
tell_call(ClientSession *session, const ClientFailure *failure)
{
	Call		call = session->call;
	ClientFailure own;

	if (call.fn == NULL)
		return;
	memset(&session->call, 0, sizeof(Call));
	if (has_succeeded(&call))
	{
		call.fn(call.arg, call.result, NULL);
		return;
	}
	if (has_failed(&call))
		own = client_failure_of_result(call.result, call.sent);
	else
	{
		own = *failure;
		own.outcome_unknown = call.sent;
	}
	call.fn(call.arg, NULL, &own);
	PQclear(call.result);
}

static void
tell_state(ClientSession *session, const ClientFailure *failure)
{
	session->config.on_state(session->config.arg, session->state, failure);
}

/* Without connection from now on; the failure's strings may be in it. */
static void
lose(ClientSession *session, const ClientFailure *given)
{
	ClientFailure failure = *given;
	char		message[FAILURE_TEXT];
	bool		was_connected = session->state == CLIENT_SESSION_READY || session->state == CLIENT_SESSION_BUSY;
	int64_t		now = client_loop_now(session->loop);
	int64_t		pause;
	size_t		len;

	snprintf(message, sizeof(message), "%s", given->message);
	for (len = strlen(message); len > 0 && message[len - 1] == '\n';)
		message[--len] = '\0';
	failure.message = message;
	failure.detail = failure.hint = NULL;

	close_connection(session);
	session->drop_reason[0] = '\0';
	if (was_connected && now - session->connected >= SETTLED_MS)
		session->tries = 0;
	if (session->config.once)
	{
		session->state = CLIENT_SESSION_ENDED;
		stop_clock(session);
	}
	else
	{
		session->state = CLIENT_SESSION_WAITING;
		pause = next_pause(session);
		set_clock(session, pause);
		log_loss(session, &failure, was_connected, pause);
	}
	tell_call(session, &failure);
	if (!session->freed)
		tell_state(session, &failure);
}

/* Keeps libpq's word for what broke the connection, unless the server has said it; later ones are of no use. */
static void
note_break(ClientSession *session)
{
	const char *message = PQerrorMessage(session->conn);

	if (session->last_words[0] != '\0')
		return;
	snprintf(session->last_words, FAILURE_TEXT, "%.*s", (int) strcspn(message, "\n"), message);
	memcpy(session->last_sqlstate, "08006", 6);
}

/* The connection broke, by the server's last words or by libpq's. */
static void
lose_broken(ClientSession *session)
{
	ClientFailure failure;

	note_break(session);
	if (has_failed(&session->call))
		failure = client_failure_of_result(session->call.result, false);
	else
		failure = client_failure_of_words(session->last_sqlstate, session->last_words);
	lose(session, &failure);
}


/* --- connecting ------------------------------------------------------------ */

static void
fail_to_connect(ClientSession *session)
{
	char		buf[FAILURE_TEXT];
	ClientFailure failure = client_failure_of_connecting(session->conn, buf);

	if (client_parameters_error(session->parameters))
	{
		failure.action = CLIENT_STOP;
		failure.message = client_parameters_error(session->parameters);
	}
	lose(session, &failure);
}

/* Messages that are no errors of a call; and the last one before the connection ends, which need not be an error. */
static void
receive_notice(void *arg, const PGresult *result)
{
	ClientSession *session = arg;
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (severity == NULL || sqlstate == NULL || message == NULL)
		return;
	if (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0 || strncmp(sqlstate, "57P", 3) == 0)
	{
		snprintf(session->last_words, sizeof(session->last_words), "%s", message);
		snprintf(session->last_sqlstate, sizeof(session->last_sqlstate), "%s", sqlstate);
	}
	else if (strcmp(severity, "WARNING") == 0)
		client_log_limited(CLIENT_WARNING, "PostgreSQL warns", CLIENT_TEXT("session", session->name),
						   CLIENT_TEXT("sqlstate", sqlstate), CLIENT_TEXT("warning", message));
}

static void
become_ready(ClientSession *session)
{
	client_log(session->config.once ? CLIENT_DEBUG : CLIENT_INFO, "connected to PostgreSQL",
			   CLIENT_TEXT("session", session->name), CLIENT_TEXT("host", PQhost(session->conn)),
			   CLIENT_TEXT("port", PQport(session->conn)), CLIENT_TEXT("user", PQuser(session->conn)),
			   CLIENT_INT("version", PQserverVersion(session->conn)), CLIENT_INT("backend", PQbackendPID(session->conn)),
			   CLIENT_INT("tries", session->tries + 1));
	session->state = CLIENT_SESSION_READY;
	session->connected = client_loop_now(session->loop);
	session->said = 0;
	PQsetnonblocking(session->conn, 1);
	stop_clock(session);
	tell_state(session, NULL);
}

/* Watches the socket; libpq may have another one than before, even of the same number. */
static bool
watch_socket(ClientSession *session, int wanted)
{
	session->watch.fd = PQsocket(session->conn);
	return session->watch.fd >= 0 && client_loop_watch(session->loop, &session->watch, wanted);
}

/* A host after the other has its time. */
static void
start_host_timer(ClientSession *session)
{
	const char *host = PQhost(session->conn);

	if (host == session->host)
		return;
	session->host = host;
	set_clock(session, session->config.connect_timeout);
}

static void
go_on_connecting(ClientSession *session)
{
	PostgresPollingStatusType step;
	bool		watched = true;

	client_loop_unwatch(session->loop, &session->watch);
	step = PQconnectPoll(session->conn);
	if (step == PGRES_POLLING_FAILED)
	{
		fail_to_connect(session);
		return;
	}
	if (step == PGRES_POLLING_OK || step == PGRES_POLLING_READING)
		watched = watch_socket(session, CLIENT_READABLE);
	else
		watched = watch_socket(session, CLIENT_WRITABLE);
	if (!watched)
	{
		ClientFailure failure = client_failure_lost("the socket cannot be watched", false);

		lose(session, &failure);
	}
	else if (step == PGRES_POLLING_OK)
		become_ready(session);
	else
		start_host_timer(session);
}

static void
connect_now(ClientSession *session)
{
	session->state = CLIENT_SESSION_CONNECTING;
	session->host = NULL;
	session->last_words[0] = '\0';
	session->conn = client_parameters_connect(session->parameters);
	if (session->conn == NULL)
	{
		ClientFailure failure = client_failure_lost("out of memory", false);

		lose(session, &failure);
		return;
	}
	/* for the code of an error */
	PQsetErrorVerbosity(session->conn, PQERRORS_VERBOSE);
	PQsetNoticeReceiver(session->conn, receive_notice, session);
	if (PQstatus(session->conn) == CONNECTION_BAD || !watch_socket(session, CLIENT_WRITABLE))
		fail_to_connect(session);
	else
		start_host_timer(session);
}


/* --- calls ----------------------------------------------------------------- */

static bool
is_prepared(const ClientSession *session, const ClientStatement *statement)
{
	int			i;

	for (i = 0; i < session->nprepared; i++)
		if (session->prepared[i] == statement)
			return true;
	return false;
}

static void
remember_prepared(ClientSession *session, const ClientStatement *statement)
{
	if (session->nprepared == session->room)
	{
		session->room = session->room ? session->room * 2 : 8;
		session->prepared = client_realloc(session->prepared, (size_t) session->room * sizeof(ClientStatement *));
	}
	session->prepared[session->nprepared++] = statement;
}

/* Sends what it can, and watches for more room.  False: the connection is broken. */
static bool
flush_and_watch(ClientSession *session)
{
	int			left = PQflush(session->conn);

	return left >= 0 && watch_socket(session, CLIENT_READABLE | (left > 0 ? CLIENT_WRITABLE : 0));
}

/* The call's text, if the connection does not know it yet, else the call.  False: the connection is broken. */
static bool
send_call(ClientSession *session)
{
	static const int binary[CLIENT_MAX_PARAMS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	Call	   *call = &session->call;
	const ClientStatement *statement = call->statement;
	int			ok;

	if (!is_prepared(session, statement))
		ok = PQsendPrepare(session->conn, statement->name, statement->sql, statement->nparams, statement->types);
	else
	{
		ok = PQsendQueryPrepared(session->conn, statement->name, statement->nparams,
								 call->params.values, call->params.lengths, binary, 1);
		call->sent = true;
	}
	return ok && flush_and_watch(session);
}

/*
 * Keeps what has come of the call, and whether it is complete.  An error may come
 * after a result: at the commit.
 */
static void
receive_results(ClientSession *session)
{
	Call	   *call = &session->call;

	while (!call->complete && !PQisBusy(session->conn))
	{
		PGresult   *result = PQgetResult(session->conn);

		if (result == NULL)
			call->complete = true;
		else if (PQresultStatus(result) == PGRES_FATAL_ERROR && PQstatus(session->conn) == CONNECTION_BAD &&
				 PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL)
		{
			/* libpq's own: that no more comes */
			PQclear(result);
			return;
		}
		else if (has_failed(call))
			PQclear(result);
		else
		{
			PQclear(call->result);
			call->result = result;
			/* COPY would come again and again */
			call->complete = PQresultStatus(result) == PGRES_COPY_IN || PQresultStatus(result) == PGRES_COPY_OUT;
		}
	}
}

/* All of the answer is there: to a statement's text, or to the call. */
static void
end_call(ClientSession *session)
{
	Call	   *call = &session->call;
	ExecStatusType status = PQresultStatus(call->result);
	ClientFailure failure;

	if (!call->sent && status == PGRES_COMMAND_OK)
	{
		PQclear(call->result);
		call->result = NULL;
		call->complete = false;
		remember_prepared(session, call->statement);
		if (!send_call(session))
			lose_broken(session);
		return;
	}
	if (has_succeeded(call))
	{
		session->state = CLIENT_SESSION_READY;
		stop_clock(session);
		tell_call(session, NULL);
		return;
	}
	if (!has_failed(call))
	{
		failure = client_failure_lost("the statement has no result that a call can have", call->sent);
		failure.action = CLIENT_STOP;
		lose(session, &failure);
		return;
	}
	failure = client_failure_of_result(call->result, call->sent);
	if (client_sqlstate_reconnects(failure.sqlstate) || client_failure_is_stale_plan(call->result))
		lose(session, &failure);
	else
	{
		session->state = CLIENT_SESSION_READY;
		stop_clock(session);
		tell_call(session, &failure);
	}
}

static void
tell_notifications(ClientSession *session)
{
	PGnotify   *notify;

	while (!session->freed && (notify = PQnotifies(session->conn)) != NULL)
	{
		if (session->config.on_notify)
			session->config.on_notify(session->config.arg, notify->relname, notify->extra);
		PQfreemem(notify);
	}
}

/* The server has sent something, or takes more. */
static void
exchange(ClientSession *session)
{
	bool		alive = PQconsumeInput(session->conn) != 0;

	if (!alive)
		note_break(session);
	if (session->state == CLIENT_SESSION_BUSY)
		receive_results(session);
	/* in this order: some may have come behind the last result */
	tell_notifications(session);
	if (session->freed)
		return;
	alive = alive && PQstatus(session->conn) == CONNECTION_OK && flush_and_watch(session);
	if (!alive)
		lose_broken(session);
	else if (session->state == CLIENT_SESSION_BUSY && session->call.complete)
		end_call(session);
}


/* --- what the loop calls --------------------------------------------------- */

static void
enter(ClientSession *session)
{
	session->depth++;
}

static void
leave(ClientSession *session)
{
	if (--session->depth > 0 || !session->freed)
		return;
	client_parameters_free(session->parameters);
	free(session->prepared);
	free(session->name);
	free(session);
}

static void
on_io(void *arg, int events)
{
	ClientSession *session = arg;

	(void) events;
	enter(session);
	if (session->state == CLIENT_SESSION_CONNECTING)
		go_on_connecting(session);
	else
		exchange(session);
	leave(session);
}

static void
on_timer(void *arg)
{
	ClientSession *session = arg;
	ClientFailure failure;

	enter(session);
	if (session->drop_reason[0] != '\0')
	{
		char		reason[sizeof(session->drop_reason)];

		memcpy(reason, session->drop_reason, sizeof(reason));
		failure = client_failure_lost(reason, false);
		lose(session, &failure);
	}
	else if (session->state == CLIENT_SESSION_WAITING)
		connect_now(session);
	else if (session->state == CLIENT_SESSION_CONNECTING)
	{
		client_parameters_rotate(session->parameters);
		failure = client_failure_of_words("08001", "the server does not answer");
		lose(session, &failure);
	}
	else
	{
		failure = client_failure_lost("no answer in the time that the call has", true);
		lose(session, &failure);
	}
	leave(session);
}


/* --- what the program calls ------------------------------------------------ */

ClientSession *
client_session_new(ClientLoop *loop, const ClientSessionConfig *config)
{
	ClientSession *session = client_alloc(sizeof(ClientSession));

	session->loop = loop;
	session->config = *config;
	session->config.conninfo = session->config.user = session->config.password = session->config.application_name = NULL;
	session->config.settings = NULL;
	session->parameters = client_parameters_new(config);
	session->name = client_strdup(config->application_name);
	if (session->config.connect_timeout == 0)
		session->config.connect_timeout = CONNECT_TIMEOUT_MS;
	session->watch.fn = on_io;
	session->watch.arg = session;
	session->timer.fn = on_timer;
	session->timer.arg = session;
	session->random = ((uint64_t) time(NULL) << 32) ^ ((uint64_t) getpid() << 16) ^ (uint64_t) (uintptr_t) session ^ 1;
	session->state = CLIENT_SESSION_WAITING;
	client_timer_start(loop, &session->timer, client_loop_now(loop));
	return session;
}

void
client_session_free(ClientSession *session)
{
	close_connection(session);
	client_timer_stop(session->loop, &session->timer);
	PQclear(session->call.result);
	memset(&session->call, 0, sizeof(Call));
	session->freed = true;
	enter(session);
	leave(session);
}

ClientSessionState
client_session_state(const ClientSession *session)
{
	return session->state;
}

void
client_session_call(ClientSession *session, const ClientStatement *statement,
					const ClientParams *params,
					int64_t timeout, ClientResultFn fn, void *arg)
{
	assert(session->state == CLIENT_SESSION_READY);
	assert(statement->nparams == (params != NULL ? params->n : 0));
	session->state = CLIENT_SESSION_BUSY;
	session->call.statement = statement;
	session->call.fn = fn;
	session->call.arg = arg;
	if (params != NULL)
		session->call.params = *params;
	if (!send_call(session))
		client_session_drop(session, PQerrorMessage(session->conn));
	else if (timeout > 0)
		set_clock(session, timeout);
}

void
client_session_drop(ClientSession *session, const char *reason)
{
	if (session->conn == NULL)
		return;
	snprintf(session->drop_reason, sizeof(session->drop_reason), "%s", reason[0] != '\0' ? reason : "dropped");
	client_timer_start(session->loop, &session->timer, client_loop_now(session->loop));
}

int
client_session_server_version(const ClientSession *session)
{
	return session->conn ? PQserverVersion(session->conn) : 0;
}

int
client_session_backend_pid(const ClientSession *session)
{
	return session->conn ? PQbackendPID(session->conn) : 0;
}
