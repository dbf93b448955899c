/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The connections to PostgreSQL of one role, and the calls that wait for them.
 *
 * IDENTIFICATION
 *	  broker/pool.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_POOL_H
#define EL_BROKER_POOL_H

#include "client/session.h"

struct TopicCache;
struct ProduceQueue;

typedef struct AutoCreate AutoCreate;

typedef struct PoolCall PoolCall;
typedef struct PoolSession PoolSession;

typedef struct Pool
{
	ClientLoop *loop;
	char	   *user;			/* NULL: the one of conninfo */
	char	   *password;
	PoolSession *sessions;
	int			n_sessions;
	PoolCall   *first_call;		/* that wait for a session, the oldest first */
	PoolCall   *last_call;
	int			n_calls;		/* that wait or run */
	ClientTimer timer;			/* for calls that have waited too long */
	struct TopicCache *topics;	/* what the role sees */
	struct ProduceQueue *produce;
	AutoCreate *creations;		/* of topics, that run (auto_create.c) */

	int			n_clients;		/* connections that work as the role */
	int64_t		last_client;	/* when one of them was here */
	int64_t		proven;			/* when PostgreSQL took the password; 0: never */
	struct Pool *next;			/* of all */
} Pool;

/* All there are: one for each role. */
extern Pool *pools;

/* Both are copied; NULL: those of conninfo. */
extern Pool *pool_new(ClientLoop *loop, const char *user, const char *password);
extern void pool_free(Pool *pool);

/* Those of roles that nobody has worked as for a while are closed. */
extern void pools_sweep(ClientLoop *loop);

/*
 * Calls a function of the server, as soon as a session is free.  What params
 * points to stays until fn is called; NULL: the function has no parameters.  A
 * call that has got no session, or no result, within settings.request_timeout
 * fails with 08006.  fn is always called from the loop.
 */
extern void pool_call(Pool *pool, const ClientStatement *statement,
					  const ClientParams *params, ClientResultFn fn, void *arg);

/* Is a session free, so that a call would begin at once? */
extern bool pool_has_free_session(const Pool *pool);

#endif							/* EL_BROKER_POOL_H */
