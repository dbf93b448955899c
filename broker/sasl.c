/*-------------------------------------------------------------------------
 *
 * sasl.c
 *	  Who a client is: SaslHandshake and SaslAuthenticate, mechanism PLAIN.
 *
 * Name and password are a PostgreSQL role's: a connection as that role proves
 * them, and from then on the client works in the role's pool, so that GRANTs,
 * pg_hba.conf and connection limits are what they are for everybody.  For a
 * minute the proof counts for other clients of the same name and password: a
 * thousand consumers are not a thousand logins.
 *
 * IDENTIFICATION
 *	  broker/sasl.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "broker/errors.h"
#include "broker/handlers.h"
#include "broker/pool.h"
#include "broker/sasl.h"
#include "broker/settings.h"
#include "client/log.h"
#include "client/memory.h"

#define PROOF_MS		60000
#define FAILURE_PAUSE	100		/* before a failed login is answered */
#define MAX_NAME		63		/* NAMEDATALEN - 1 */
#define MAX_PASSWORD	4096

static const char mechanism[] = "PLAIN";

/* A login that PostgreSQL is asked for. */
typedef struct Login
{
	Request    *request;		/* NULL: the client has gone */
	ClientLoop *loop;
	ClientSession *session;
	ClientTimer timer;			/* of the pause */
	bool		failed;
	char		user[MAX_NAME + 1];
	char		password[MAX_PASSWORD + 1];
	struct Login *next;
} Login;

static Login *logins;

void
handle_sasl_handshake(Request *request)
{
	const SaslHandshakeRequest *body = request->body;
	SaslHandshakeResponse response;

	kafka_set_defaults(&KAFKA_TYPE(SaslHandshakeResponse), &response);
	if (connection_has_role(request->connection))
		response.error_code = KAFKA_ILLEGAL_SASL_STATE;
	else if (connection_expects_token(request->connection))
	{
		response.error_code = KAFKA_ILLEGAL_SASL_STATE;
		request->closes = true;
	}
	else
	{
		response.mechanisms.items = kafka_arena_alloc(&request->arena, sizeof(KafkaString));
		if (response.mechanisms.items == NULL)
		{
			request_close(request, "out of memory");
			return;
		}
		response.mechanisms.n = 1;
		response.mechanisms.items[0].data = mechanism;
		response.mechanisms.items[0].len = sizeof(mechanism) - 1;
		if (body->mechanism.len != (int32_t) sizeof(mechanism) - 1 ||
			memcmp(body->mechanism.data, mechanism, sizeof(mechanism) - 1) != 0)
		{
			response.error_code = KAFKA_UNSUPPORTED_SASL_MECHANISM;
			request->closes = true;
		}
		else
			connection_expect_token(request->connection, request->header.request_api_version == 0);
	}
	request_answer(request, &response);
}

/* Everything of it is gone afterwards, the password too. */
static void
login_free(Login *login)
{
	Login	  **link = &logins;

	while (*link != login)
		link = &(*link)->next;
	*link = login->next;
	client_timer_stop(login->loop, &login->timer);
	if (login->session != NULL)
		client_session_free(login->session);
	explicit_bzero(login, sizeof(Login));
	free(login);
}

/* text: why not, which does not say whether the role exists; NULL: the client is who it says. */
static void
answer(Request *request, const char *text)
{
	SaslAuthenticateResponse response;

	request->closes = text !=NULL;

	if (request->is_token)
	{
		if (text !=NULL)
			request_close(request, text);
		else
			request_answer_token(request);
		return;
	}
	kafka_set_defaults(&KAFKA_TYPE(SaslAuthenticateResponse), &response);
	if (text !=NULL)
	{
		response.error_code = KAFKA_SASL_AUTHENTICATION_FAILED;
		response.error_message.data = text;

		response.error_message.len = (int32_t) strlen(text);
	}
	response.auth_bytes.len = 0;
	request_answer(request, &response);
}

static Pool *
find_pool(const char *user, const char *password)
{
	for (Pool *pool = pools; pool != NULL; pool = pool->next)
	{
		if (pool->user != NULL && strcmp(pool->user, user) == 0 && strcmp(pool->password, password) == 0)
			return pool;
	}
	return NULL;
}

/* The login has ended, well or not, and so does what is left of it. */
static void
login_done(Login *login, const char *text)
{
	Request    *request = login->request;

	if (request != NULL)
	{
		request->abandon = NULL;
		request->state = NULL;
		if (text == NULL)
		{
			Pool	   *pool = find_pool(login->user, login->password);

			if (pool == NULL)
				pool = pool_new(login->loop, login->user, login->password);
			pool->proven = client_loop_now(login->loop);
			connection_set_role(request->connection, pool);
		}
		answer(request, text);
	}
	login_free(login);
}

static void
on_pause(void *arg)
{
	login_done(arg, "Authentication failed: invalid user name or password");
}

static void
on_login_state(void *arg, ClientSessionState state, const ClientFailure *failure)
{
	Login	   *login = arg;

	if (state == CLIENT_SESSION_READY)
		login_done(login, NULL);
	else if (state == CLIENT_SESSION_ENDED && !login->failed)
	{
		Pool	   *pool = find_pool(login->user, login->password);

		login->failed = true;
		if (pool != NULL)
			pool->proven = 0;
		client_log_limited(CLIENT_WARNING, "a client's login has failed",
						   CLIENT_TEXT("client", login->request != NULL ? connection_peer(login->request->connection) : NULL),
						   CLIENT_TEXT("user", login->user),
						   CLIENT_TEXT("reason", failure != NULL ? failure->message : NULL));
		client_timer_start(login->loop, &login->timer, client_loop_now(login->loop) + FAILURE_PAUSE);
	}
}

/* The client has gone; the login is of no use any more. */
static void
login_abandon(Request *request)
{
	Login	   *login = request->state;

	login->request = NULL;
	request_free(request);
	login_free(login);
}

/* A part of the token, up to a zero or its end; false: it is too long, or has no end. */
static bool
take_part(const char **from, const char *end, char *to, size_t size, bool last)
{
	const char *zero = memchr(*from, '\0', end - *from);
	const char *stop = zero != NULL ? zero : end;

	if ((zero != NULL) == last || (size_t) (stop - *from) >= size)
		return false;
	memcpy(to, *from, stop - *from);
	to[stop - *from] = '\0';
	*from = stop + (zero != NULL);
	return true;
}

/* RFC 4616: authzid NUL authcid NUL passwd; nobody works as somebody else. */
static bool
read_token(KafkaBytes token, char *user, char *password)
{
	char		authzid[MAX_NAME + 1];
	const char *p = token.data;
	const char *end = token.data + (token.len > 0 ? token.len : 0);

	return token.len > 0 &&
		take_part(&p, end, authzid, sizeof(authzid), false) &&
		take_part(&p, end, user, MAX_NAME + 1, false) &&
		take_part(&p, end, password, MAX_PASSWORD + 1, true) &&
		user[0] != '\0' && (authzid[0] == '\0' || strcmp(authzid, user) == 0);
}

void
handle_sasl_authenticate(Request *request)
{
	const SaslAuthenticateRequest *body = request->body;
	ClientLoop *loop = connection_loop(request->connection);
	Login	   *login;
	Pool	   *pool;
	ClientSessionConfig config = {
		.conninfo = settings.conninfo,
		.application_name = "eventlog-broker login",
		.once = true,
		.on_state = on_login_state,
	};

	if (connection_has_role(request->connection))
	{
		static const char done_text[] = "the client is known already, or need not say who it is";
		SaslAuthenticateResponse response;

		kafka_set_defaults(&KAFKA_TYPE(SaslAuthenticateResponse), &response);
		response.error_code = KAFKA_ILLEGAL_SASL_STATE;
		response.error_message.data = done_text;
		response.error_message.len = sizeof(done_text) - 1;
		response.auth_bytes.len = 0;
		request_answer(request, &response);
		return;
	}
	if (!connection_expects_token(request->connection))
	{
		request_close(request, "a SASL token without a handshake");
		return;
	}
	login = client_alloc(sizeof(Login));
	login->request = request;
	login->loop = loop;
	login->timer.fn = on_pause;
	login->timer.arg = login;
	login->next = logins;
	logins = login;
	request->state = login;
	request->abandon = login_abandon;
	if (!read_token(body->auth_bytes, login->user, login->password))
	{
		login->failed = true;
		client_timer_start(loop, &login->timer, client_loop_now(loop) + FAILURE_PAUSE);
		return;
	}
	pool = find_pool(login->user, login->password);
	if (pool != NULL && pool->proven != 0 && client_loop_now(loop) - pool->proven < PROOF_MS)
	{
		connection_set_role(request->connection, pool);
		request->abandon = NULL;
		login_free(login);
		answer(request, NULL);
		return;
	}
	config.user = login->user;
	config.password = login->password;
	config.arg = login;
	login->session = client_session_new(loop, &config);
}

void
sasl_stop(void)
{
	while (logins != NULL)
		login_free(logins);
}
