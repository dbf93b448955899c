/*-------------------------------------------------------------------------
 *
 * connection.h
 *	  Connections of Kafka clients, and the requests that arrive on them.
 *
 * A request is decoded and given to its handler, which answers it at once or
 * later; the requests of a connection are answered in their order.  Frames and
 * answers in hand are bounded for a connection and for all: beyond that nothing
 * is read from the socket.
 *
 * IDENTIFICATION
 *	  broker/connection.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_CONNECTION_H
#define EL_BROKER_CONNECTION_H

#include "broker/protocol/codec.h"
#include "client/loop.h"

typedef struct Connection Connection;
typedef struct Listener Listener;
typedef struct Pool Pool;

/*
 * Where a listener's clients are told to come back to, and as whom they work.
 */
struct Listener
{
	ClientFd	watch;
	char	   *host;			/* advertised */
	int32_t		port;
	Pool	   *pool;			/* in which its clients work; NULL: they have
								 * to say who they are (sasl.c) */
	Listener   *next;
};

typedef struct Request Request;

/* Something that an answer refers to, given back when it is sent. */
typedef struct Hold
{
	void		(*release) (void *what);
	void	   *what;
	struct Hold *next;
} Hold;

struct Request
{
	Connection *connection;		/* NULL: the client has gone */
	Request    *next;			/* of the connection, the next one */
	Pool	   *pool;			/* of the role that it works as */
	const Listener *listener;

	const KafkaApi *api;
	RequestHeader header;
	void	   *body;			/* the request's struct, in the arena */
	KafkaArena	arena;			/* of everything that lasts as long as this */
	char	   *frame;			/* what body's strings and records are in */
	size_t		frame_size;		/* of its memory */
	size_t		frame_len;
	bool		is_token;		/* of SASL, without a header */
	size_t		counted;		/* of connection_counts.memory */

	void	   *state;			/* the handler's */
	void		(*abandon) (Request *request);	/* the client has gone, and
												 * connection is NULL: the
												 * handler lets go of it and
												 * calls request_free(), now
												 * or later; NULL: it is freed */

	bool		answered;		/* the output is complete */
	bool		closes;			/* the connection ends with it */
	KafkaOutput output;
	Hold	   *holds;
};

/* Has the client, or its listener, said who it works as? */
extern bool connection_has_role(const Connection *connection);
extern void connection_set_role(Connection *connection, Pool *pool);

/*
 * The client has named a mechanism of SASL that is served, so that a token is what
 * comes next; bare: as a frame of its own, without a header (SaslHandshake 0).
 */
extern void connection_expect_token(Connection *connection, bool bare);
extern bool connection_expects_token(const Connection *connection);

extern ClientLoop *connection_loop(const Connection *connection);

/* The address, for lines of the log. */
extern const char *connection_peer(const Connection *connection);

/* Sends the response, a struct of the API's kind; or closes the connection if it cannot be encoded. */
extern void request_answer(Request *request, const void *response);

/* The same for such a token: bytes after their size. */
extern void request_answer_token(Request *request);

/* There is no answer (Produce with acks 0); the requests behind it go on. */
extern void request_leave_unanswered(Request *request);

/* The connection is closed when what was asked before has been answered. */
extern void request_close(Request *request, const char *reason);

/* The answer refers to memory that release(what) gives back after it was sent; false: no memory, and it was released. */
extern bool request_hold(Request *request, void (*release) (void *what), void *what);

/* The end of a request whose client has gone. */
extern void request_free(Request *request);

/* For abandon: a callback that is yet to come frees it. */
extern void request_keep(Request *request);

/* So many bytes more are in hand, or less. */
extern void connection_memory(int64_t bytes);

/* Takes over a socket that was accepted. */
extern void connection_new(ClientLoop *loop, int fd, const Listener *listener, const char *peer);

/* Closes those that have been idle for too long; to be called now and then. */
extern void connections_sweep(void);

/* No request is read any more; those in hand are answered.  True when all connections have ended. */
extern void connections_drain(void);
extern bool connections_gone(void);
extern void connections_close_all(void);

/* For metrics. */
typedef struct ConnectionCounts
{
	int64_t		connections;
	int64_t		memory;			/* bytes of frames and answers in hand */
	int64_t		requests;		/* since the start, as those below */
	int64_t		bytes_in;
	int64_t		bytes_out;
	int64_t		refused;		/* connections over the limit */
} ConnectionCounts;

extern ConnectionCounts connection_counts;

#endif							/* EL_BROKER_CONNECTION_H */
