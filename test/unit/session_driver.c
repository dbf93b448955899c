/*-------------------------------------------------------------------------
 *
 * session_driver.c
 *	  A session of client/session.h on strings: test/t/070_client_sessions.pl
 *	  pulls them.
 *
 * session_driver CONNINFO [CONNECT_TIMEOUT [once]] reads commands, a line each:
 *
 *	call MS SQL			runs it, with so many milliseconds (0: no limit)
 *	big MS BYTES		so many bytes to the server, and back
 *	chain N SQL			runs it again from its own callback, N times
 *	drop REASON
 *	drop_at_notify		at the next notification
 *	free_at EVENT		frees the session in the next callback: result, state, notify
 *	quit
 *
 * and tells what happens, a line each; each call's result is its first value.
 * The end of its input ends it.  "stalled MS" at the end is the longest time that
 * the loop was kept from turning.
 *
 * IDENTIFICATION
 *	  test/unit/session_driver.c
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "client/session.h"

#define BYTEAOID 17
#define TICK_MS 5

static ClientLoop *loop;
static ClientSession *session;
static ClientStatement statements[100];
static int	nstatements;
static int	chain;
static const char *free_at = "";
static bool drop_at_notify;

static char *big;
static int	big_len;
static const Oid echo_types[] = {BYTEAOID};
static const ClientStatement echo = {"echo", "SELECT $1", 1, echo_types};

static ClientTimer tick;
static int64_t ticked;
static int64_t stalled;

static const char *const states[] = {"waiting", "connecting", "ready", "busy", "ended"};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
on_tick(void *arg)
{
	int64_t		now = now_ms();

	(void) arg;
	if (ticked != 0 && now - ticked - TICK_MS > stalled)
		stalled = now - ticked - TICK_MS;
	ticked = now;
	client_timer_start(loop, &tick, client_loop_now(loop) + TICK_MS);
}

static void
free_if(const char *event)
{
	if (strcmp(free_at, event) != 0)
		return;
	client_session_free(session);
	session = NULL;
	printf("freed\n");
}

static void
print_failure(const ClientFailure *failure)
{
	printf("%s %s%s: %s%s%s\n", failure->sqlstate, client_action_name(failure->action),
		   failure->outcome_unknown ? " unknown" : "", failure->message,
		   failure->detail ? " / " : "", failure->detail ? failure->detail : "");
}

static void
print_result(const PGresult *result)
{
	printf("result ");
	if (PQntuples(result) > 0)
		fwrite(PQgetvalue(result, 0, 0), 1, (size_t) PQgetlength(result, 0, 0), stdout);
	printf("\n");
}

static void on_result(void *arg, PGresult *result, const ClientFailure *failure);

static void
call(ClientStatement *statement, int64_t timeout)
{
	client_session_call(session, statement, NULL, timeout, on_result, statement);
}

static void
on_result(void *arg, PGresult *result, const ClientFailure *failure)
{
	ClientStatement *statement = arg;

	if (failure)
	{
		printf("failed ");
		print_failure(failure);
	}
	else if (statement)
	{
		if (--chain <= 0)
			print_result(result);
	}
	else
		printf("big %s\n", PQgetlength(result, 0, 0) == big_len &&
			   memcmp(PQgetvalue(result, 0, 0), big, (size_t) big_len) == 0 ? "same" : "other");
	PQclear(result);
	free_if("result");
	if (session && statement && chain > 0 && client_session_state(session) == CLIENT_SESSION_READY)
		call(statement, 0);
}

static void
on_state(void *arg, ClientSessionState state, const ClientFailure *failure)
{
	(void) arg;
	if (failure)
	{
		printf("%s ", states[state]);
		print_failure(failure);
	}
	else
		printf("%s %d\n", states[state], client_session_backend_pid(session));
	free_if("state");
}

static void
on_notify(void *arg, const char *channel, const char *payload)
{
	(void) arg;
	printf("notify %s %s\n", channel, payload);
	if (drop_at_notify)
		client_session_drop(session, "told to");
	drop_at_notify = false;
	free_if("notify");
}

/* The same text is the same statement. */
static ClientStatement *
find_statement(const char *sql)
{
	int			i;

	for (i = 0; i < nstatements; i++)
		if (strcmp(statements[i].sql, sql) == 0)
			return &statements[i];
	if (nstatements == 100)
		exit(2);
	statements[i].sql = strdup(sql);
	statements[i].name = strdup(sql);
	return &statements[nstatements++];
}

static void
command(char *line)
{
	char	   *what = next_field(&line, ' ');
	char	   *first = next_field(&line, ' ');

	if (strcmp(what, "quit") == 0)
		client_loop_stop(loop);
	else if (session == NULL)
		printf("no session\n");
	else if (strcmp(what, "free_at") == 0)
		free_at = strdup(first);
	else if (strcmp(what, "drop_at_notify") == 0)
		drop_at_notify = true;
	else if (strcmp(what, "drop") == 0)
		client_session_drop(session, first);
	else if (client_session_state(session) != CLIENT_SESSION_READY)
		printf("not ready\n");
	else if (strcmp(what, "big") == 0)
	{
		ClientParams params = {0};

		free(big);
		big_len = atoi(line);
		big = xmalloc((size_t) big_len);
		random_bytes(big, (size_t) big_len);
		client_params_add(&params, big, big_len);
		ticked = now_ms();
		client_session_call(session, &echo, &params, atoi(first), on_result, NULL);
	}
	else if (strcmp(what, "chain") == 0)
	{
		chain = atoi(first);
		call(find_statement(line), 0);
	}
	else
		call(find_statement(line), atoi(first));
}

static void
on_input(void *arg, int events)
{
	static char input[65536];
	static size_t len;
	ClientFd   *watch = arg;
	ssize_t		n = read(watch->fd, input + len, sizeof(input) - 1 - len);
	char	   *end;

	(void) events;
	if (n <= 0)
	{
		client_loop_stop(loop);
		return;
	}
	len += (size_t) n;
	input[len] = '\0';
	while ((end = strchr(input, '\n')) != NULL)
	{
		*end = '\0';
		command(input);
		len -= (size_t) (end + 1 - input);
		memmove(input, end + 1, len + 1);
	}
}

int
main(int argc, char **argv)
{
	static const char *const settings[] = {"test.setting", "a b\\c", NULL};
	ClientSessionConfig config = {0};
	ClientFd	input = {0};

	if (argc < 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	loop = client_loop_new();
	config.conninfo = argv[1];
	config.application_name = "session_driver";
	config.settings = settings;
	config.connect_timeout = argc > 2 ? atoi(argv[2]) : 0;
	config.once = argc > 3;
	config.on_state = on_state;
	config.on_notify = on_notify;
	session = client_session_new(loop, &config);
	input.fd = STDIN_FILENO;
	input.fn = on_input;
	input.arg = &input;
	client_loop_watch(loop, &input, CLIENT_READABLE);
	tick.fn = on_tick;
	on_tick(NULL);
	client_loop_run(loop);

	client_timer_stop(loop, &tick);
	client_loop_unwatch(loop, &input);
	if (session)
		client_session_free(session);
	client_loop_free(loop);
	printf("stalled %lld\n", (long long) stalled);
	return 0;
}
