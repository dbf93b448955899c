/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The connections to PostgreSQL of one role, and the calls that wait for them.
 *
 * Connections are opened when calls wait for one, up to settings.backends, and
 * stay.  While PostgreSQL is away calls wait: clients notice a pause, and those
 * that have waited too long are told to try again.
 *
 * IDENTIFICATION
 *	  broker/pool.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "broker/auto_create.h"
#include "broker/pool.h"
#include "broker/produce.h"
#include "broker/settings.h"
#include "broker/topics.h"
#include "client/memory.h"

struct PoolCall
{
	const ClientStatement *statement;
	ClientParams params;
	ClientResultFn fn;
	void	   *arg;
	int64_t		deadline;
	PoolCall   *next;
};

struct PoolSession
{
	Pool	   *pool;
	ClientSession *session;
	PoolCall   *call;			/* that runs, or NULL */
	PoolSession *next;
};

#define UNUSED_MS	300000		/* after which the connections of a role are
								 * closed */

Pool	   *pools;

static void pool_start_calls(Pool *pool);

static void
on_session_state(void *arg, ClientSessionState state, const ClientFailure *failure)
{
	PoolSession *s = arg;

	if (state == CLIENT_SESSION_READY)
		pool_start_calls(s->pool);
}

static void
on_result(void *arg, PGresult *result, const ClientFailure *failure)
{
	PoolSession *s = arg;
	PoolCall   *call = s->call;

	s->call = NULL;
	s->pool->n_calls--;
	call->fn(call->arg, result, failure);
	free(call);
	pool_start_calls(s->pool);
}

static void
open_session(Pool *pool)
{
	static const char *const session_settings[] = {
		"lock_timeout", "0",
		NULL
	};
	PoolSession *s = client_alloc(sizeof(PoolSession));
	ClientSessionConfig config = {
		.conninfo = settings.conninfo,
		.user = pool->user,
		.password = pool->password,
		.application_name = "eventlog-broker",
		.settings = session_settings,
		.on_state = on_session_state,
		.arg = s,
	};

	s->pool = pool;
	s->next = pool->sessions;
	pool->sessions = s;
	pool->n_sessions++;
	s->session = client_session_new(pool->loop, &config);
}

/* A session that is connected and in no call; NULL: there is none. */
static PoolSession *
find_ready(const Pool *pool)
{
	for (PoolSession *s = pool->sessions; s != NULL; s = s->next)
	{
		if (client_session_state(s->session) == CLIENT_SESSION_READY)
			return s;
	}
	return NULL;
}

bool
pool_has_free_session(const Pool *pool)
{
	return pool->first_call == NULL &&
		(pool->n_sessions < settings.backends || find_ready(pool) != NULL);
}

/* The call that has waited longest waits no more. */
static PoolCall *
take_first_call(Pool *pool)
{
	PoolCall   *call = pool->first_call;

	pool->first_call = call->next;
	if (pool->first_call == NULL)
		pool->last_call = NULL;
	return call;
}

/* Give sessions that are free to the calls that wait, and then to what was collected. */
static void
pool_start_calls(Pool *pool)
{
	while (pool->first_call != NULL)
	{
		PoolSession *s = find_ready(pool);

		if (s == NULL)
		{
			if (pool->n_sessions < settings.backends)
				open_session(pool);
			return;
		}
		s->call = take_first_call(pool);
		client_session_call(s->session, s->call->statement, &s->call->params,
							settings.request_timeout, on_result, s);
	}
	produce_start(pool->produce);
}

/* Calls that have waited too long fail; the oldest come first. */
static void
on_timer(void *arg)
{
	Pool	   *pool = arg;
	const ClientFailure failure = {
		.action = CLIENT_RETRY,
		.sqlstate = "08006",
		.message = "no connection to PostgreSQL",
	};

	while (pool->first_call != NULL && pool->first_call->deadline <= client_loop_now(pool->loop))
	{
		PoolCall   *call = take_first_call(pool);

		pool->n_calls--;
		call->fn(call->arg, NULL, &failure);
		free(call);
	}
	if (pool->first_call != NULL)
		client_timer_start_coarse(pool->loop, &pool->timer, pool->first_call->deadline);
	else
		produce_start(pool->produce);
}

void
pool_call(Pool *pool, const ClientStatement *statement,
		  const ClientParams *params, ClientResultFn fn, void *arg)
{
	PoolCall   *call = client_alloc(sizeof(PoolCall));

	pool->n_calls++;
	call->statement = statement;
	if (params != NULL)
		call->params = *params;
	call->fn = fn;
	call->arg = arg;
	call->deadline = client_loop_now(pool->loop) + settings.request_timeout;
	if (pool->last_call != NULL)
		pool->last_call->next = call;
	else
	{
		pool->first_call = call;
		client_timer_start_coarse(pool->loop, &pool->timer, call->deadline);
	}
	pool->last_call = call;
	pool_start_calls(pool);
}

Pool *
pool_new(ClientLoop *loop, const char *user, const char *password)
{
	Pool	   *pool = client_alloc(sizeof(Pool));

	pool->loop = loop;
	pool->user = user != NULL ? client_strdup(user) : NULL;
	pool->password = password != NULL ? client_strdup(password) : NULL;
	pool->last_client = client_loop_now(loop);
	pool->next = pools;
	pools = pool;
	pool->timer.fn = on_timer;
	pool->timer.arg = pool;
	pool->topics = topics_new(pool);
	pool->produce = produce_queue_new(pool);
	return pool;
}

void
pools_sweep(ClientLoop *loop)
{
	Pool	   *next;

	for (Pool *pool = pools; pool != NULL; pool = next)
	{
		next = pool->next;
		if (pool->user != NULL && pool->n_clients == 0 && pool->n_calls == 0 &&
			client_loop_now(loop) - pool->last_client > UNUSED_MS)
			pool_free(pool);
	}
}

void
pool_free(Pool *pool)
{
	Pool	  **link = &pools;

	while (*link != pool)
		link = &(*link)->next;
	*link = pool->next;
	while (pool->sessions != NULL)
	{
		PoolSession *s = pool->sessions;

		pool->sessions = s->next;
		client_session_free(s->session);
		free(s->call);
		free(s);
	}
	while (pool->first_call != NULL)
		free(take_first_call(pool));
	client_timer_stop(pool->loop, &pool->timer);
	produce_queue_free(pool->produce);
	auto_create_forget(pool);
	topics_free(pool->topics);
	free(pool->user);
	free(pool->password);
	free(pool);
}
