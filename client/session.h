/*-------------------------------------------------------------------------
 *
 * session.h
 *	  A connection to PostgreSQL that comes back by itself, in an event loop.
 *
 * A session connects, prepares each statement when it is first called, runs one
 * call at a time, and tells notifications while one runs.  When the connection
 * is lost it waits, longer each time up to a second, and connects again, to the
 * next host of several that suits target_session_attrs.  Calls are never
 * repeated: their callback is told what became of them.
 *
 * Nothing here waits for the network, but for libpq looking up host names:
 * where names come from a slow name server, the connection string has hostaddr.
 *
 * Callbacks come from the loop only, never from within a function below; they may
 * call all of these, client_session_free() too.
 *
 * libpq keeps buffers as large as the largest call and row for as long as a
 * connection lasts: who makes both bounds both.
 *
 * IDENTIFICATION
 *	  client/session.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include <assert.h>
#include <libpq-fe.h>

#include "client/loop.h"
#include "client/sqlstate.h"

#define CLIENT_MAX_PARAMS	16

typedef struct ClientSession ClientSession;

typedef enum ClientSessionState
{
	CLIENT_SESSION_WAITING,		/* until it tries to connect again */
	CLIENT_SESSION_CONNECTING,
	CLIENT_SESSION_READY,		/* for a call */
	CLIENT_SESSION_BUSY,		/* with one */
	CLIENT_SESSION_ENDED		/* could not connect, or lost, and was made to
								 * try once */
} ClientSessionState;

/* Why a call or a connection failed; what it points at lasts as long as the callback. */
typedef struct ClientFailure
{
	ClientAction action;
	bool		outcome_unknown;	/* the call may have been committed */
	char		sqlstate[6];	/* 08001, 08006: the connection, with no word
								 * from the server */
	const char *message;
	const char *detail;			/* or NULL */
	const char *hint;			/* or NULL */
} ClientFailure;

/* A statement of the program; sessions know it by its address. */
typedef struct ClientStatement
{
	const char *name;			/* of the prepared statement */
	const char *sql;
	int			nparams;		/* up to CLIENT_MAX_PARAMS */
	const Oid  *types;			/* of the parameters; NULL: the server infers
								 * them */
} ClientStatement;

/* The parameters of a call, in their order and in binary; a NULL value is null. */
typedef struct ClientParams
{
	int			n;
	const char *values[CLIENT_MAX_PARAMS];
	int			lengths[CLIENT_MAX_PARAMS];
} ClientParams;

static inline void
client_params_add(ClientParams *params, const char *value, int length)
{
	assert(params->n < CLIENT_MAX_PARAMS);
	params->values[params->n] = value;
	params->lengths[params->n++] = length;
}

/*
 * How a call ended: with a result of PGRES_TUPLES_OK or PGRES_COMMAND_OK in binary,
 * which now is the callback's to PQclear() whenever it likes, or with NULL and
 * a failure.  The session is ready for the next call, or without connection.
 */
typedef void (*ClientResultFn) (void *arg, PGresult *result, const ClientFailure *failure);

typedef struct ClientSessionConfig
{
	const char *conninfo;
	const char *user;			/* instead of the one in conninfo, unless NULL */
	const char *password;
	const char *application_name;
	const char *const *settings;	/* name, value, name, value ... NULL: in
									 * effect from the first statement; or
									 * NULL */
	int64_t		connect_timeout;	/* milliseconds a host; 0: 5 seconds */
	bool		once;			/* no second try: CLIENT_SESSION_ENDED */

	/*
	 * The state is CLIENT_SESSION_READY, after connecting; or WAITING or
	 * ENDED, for the reason.
	 */
	void		(*on_state) (void *arg, ClientSessionState state, const ClientFailure *failure);
	/* NULL: not wanted */
	void		(*on_notify) (void *arg, const char *channel, const char *payload);
	void	   *arg;
} ClientSessionConfig;

/* Begins to connect.  All of config is copied. */
extern ClientSession *client_session_new(ClientLoop *loop, const ClientSessionConfig *config);

/* Closes it.  The callback of a running call is not called any more. */
extern void client_session_free(ClientSession *session);

extern ClientSessionState client_session_state(const ClientSession *session);

/*
 * Runs a statement in a session that is ready.  params is copied, but what its
 * values point at stays until the callback comes; NULL: the statement has no
 * parameters.  A call that takes longer than timeout milliseconds (0: no
 * limit) fails, and its connection with it.
 */
extern void client_session_call(ClientSession *session, const ClientStatement *statement,
								const ClientParams *params,
								int64_t timeout, ClientResultFn fn, void *arg);

/* Gives up the connection, for a reason that its call, if any, and on_state are told, and connects again. */
extern void client_session_drop(ClientSession *session, const char *reason);

/* The server's version (150006), 0 without a connection; its process, for log lines. */
extern int	client_session_server_version(const ClientSession *session);
extern int	client_session_backend_pid(const ClientSession *session);

#endif							/* CLIENT_SESSION_H */
