/*-------------------------------------------------------------------------
 *
 * connection.c
 *	  Connections of Kafka clients: frames in, answers out.
 *
 * Bytes are read into one buffer that all connections share, and copied to the
 * frame they belong to; what is left of a large frame is read to where it will
 * stay.  A frame's memory grows with what has arrived of it, so that a client
 * that only says how much it is going to send takes none.
 *
 * What is in hand is counted.  When there is too much, a connection that needs
 * memory for a frame waits for others to be answered, first come first served;
 * if nothing is in hand that could be answered, one of them, until its frame is
 * complete, gets what it needs all the same, for else nobody would ever go on.
 *
 * IDENTIFICATION
 *	  broker/connection.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "broker/connection.h"
#include "broker/handlers.h"
#include "broker/pool.h"
#include "broker/protocol/bytes.h"
#include "broker/settings.h"
#include "client/log.h"
#include "client/memory.h"

#define SCRATCH_SIZE		65536
/* of a connection at a time, so that one that sends without end does not hold up others */
#define READ_AT_ONCE		(4 * SCRATCH_SIZE)
#define FRAME_FIRST			SCRATCH_SIZE	/* what a frame takes before more
											 * of it is there */
#define ARENA_FACTOR		16	/* an arena may take so many times its frame */
#define ARENA_LEAST			65536
#define PIECES				64	/* of one writev() */
/* an incomplete frame that holds memory others wait for */
#define FRAME_TIMEOUT		30000
#define MAX_BEFORE_LOGIN	65536	/* bytes of a request of who has not said
									 * who he is */
/* the same of answers that nobody reads */
#define ANSWER_TIMEOUT		30000
/* in which requests are read that a client sent before it hung up */
#define GONE_TIMEOUT		10000

typedef enum ConnectionState
{
	OPEN,
	ENDING,						/* nothing is read any more; what is in hand
								 * is answered */
	CLOSED						/* to be freed by whoever has it in hand */
} ConnectionState;

struct Connection
{
	ClientLoop *loop;
	ClientFd	watch;
	const Listener *listener;
	Pool	   *pool;			/* NULL: nobody has said who works here */
	bool		expects_token;	/* of SASL, since its handshake */
	bool		expects_bare_token; /* it is the next frame */
	char	   *peer;
	ConnectionState state;
	int			depth;			/* of calls that have it in hand */
	Connection *prev,
			   *next;			/* of all */

	int64_t		last_heard;
	int64_t		last_sent;		/* when answers last moved, if there are some */
	int64_t		frame_began;	/* 0: between frames */
	char		head[4];		/* the size of a frame */
	int			head_len;
	char	   *frame;
	size_t		frame_size;
	size_t		frame_len;		/* what has arrived */
	size_t		frame_capacity;
	char	   *left;			/* what was read and has no place yet */
	size_t		left_len;
	bool		starved;		/* waits for memory */
	Connection *next_starved;

	Request    *first;			/* not yet sent, in their order */
	Request    *last;
	int			n_requests;
};

ConnectionCounts connection_counts;

static Connection *connections;
static Connection *first_starved;
static Connection *last_starved;
static ClientTimer feed_timer;	/* when memory has come back */
static ClientLoop *feed_loop;
static Connection *favoured;	/* gets memory for its frame whatever there is */
static int64_t incomplete;		/* of the memory in hand, what frames have
								 * that are not complete */
static bool draining;
static char scratch[SCRATCH_SIZE];

static void connection_close(Connection *c, const char *reason);
static void connection_flush(Connection *c);
static void connection_feed(Connection *c, const char *data, size_t len);
static void connection_want(Connection *c);

/*
 * Memory
 */

/* Connections that wait for memory go on, as far as there is some. */
static void
feed_starved(void)
{
	while (first_starved != NULL)
	{
		Connection *c = first_starved;
		char	   *left = c->left;
		size_t		len = c->left_len;

		if (connection_counts.memory > settings.memory &&
			(favoured != NULL || connection_counts.memory > incomplete))
			return;
		first_starved = c->next_starved;
		if (first_starved == NULL)
			last_starved = NULL;
		c->next_starved = NULL;
		c->starved = false;
		c->left = NULL;
		c->left_len = 0;
		c->depth++;
		connection_feed(c, left, len);
		free(left);
		connection_want(c);
		c->depth--;
		if (c->state == CLOSED && c->depth == 0)
			connection_close(c, NULL);
		if (c->starved)
			return;
	}
}

static void
on_feed_timer(void *arg)
{
	feed_starved();
}

/* Those that wait for it go on soon, but not from within whatever this is. */
void
connection_memory(int64_t bytes)
{
	connection_counts.memory += bytes;
	if (bytes < 0 && first_starved != NULL && feed_timer.place == 0)
	{
		feed_timer.fn = on_feed_timer;
		client_timer_start(feed_loop, &feed_timer, client_loop_now(feed_loop));
	}
}

/* Counts what the request takes by now. */
static void
request_count(Request *request)
{
	size_t		size = sizeof(Request) + request->frame_size + request->arena.taken + request->output.capacity;

	connection_memory((int64_t) size - (int64_t) request->counted);
	request->counted = size;
}

/*
 * Room for what has arrived of the frame and for n bytes more.  False: it has to
 * wait.  A frame whose memory the system refuses ends its connection.
 */
static bool
frame_room(Connection *c, size_t n)
{
	size_t		need = c->frame_len + n;
	size_t		capacity = c->frame_capacity;
	char	   *frame;

	if (need <= capacity)
		return true;
	if (capacity == 0)
		capacity = FRAME_FIRST;
	while (capacity < need)
		capacity *= 2;
	if (capacity > c->frame_size)
		capacity = c->frame_size;
	if (connection_counts.memory + (int64_t) (capacity - c->frame_capacity) > settings.memory &&
		c != favoured)
	{
		if (favoured != NULL || connection_counts.memory > incomplete)
			return false;
		favoured = c;
	}
	frame = realloc(c->frame, capacity);
	if (frame == NULL)
		return false;
	connection_counts.memory += (int64_t) (capacity - c->frame_capacity);
	incomplete += (int64_t) (capacity - c->frame_capacity);
	c->frame = frame;
	c->frame_capacity = capacity;
	return true;
}

/*
 * Requests
 */
bool
request_hold(Request *request, void (*release) (void *what), void *what)
{
	Hold	   *hold = kafka_arena_alloc(&request->arena, sizeof(Hold));

	if (hold == NULL)
	{
		release(what);
		return false;
	}
	hold->release = release;
	hold->what = what;
	hold->next = request->holds;
	request->holds = hold;
	return true;
}

void
request_free(Request *request)
{
	for (Hold *hold = request->holds; hold != NULL; hold = hold->next)
		hold->release(hold->what);
	kafka_output_free(&request->output);
	kafka_arena_free(&request->arena);
	free(request->frame);
	connection_memory(-(int64_t) request->counted);
	free(request);
}

void
request_keep(Request *request)
{
}

/* The request has its answer: send what can be sent. */
static void
request_done(Request *request)
{
	Connection *c = request->connection;

	request->answered = true;
	request_count(request);
	if (c == NULL)
	{
		request_free(request);
		return;
	}
	if (c->first == request)
		connection_flush(c);
}

void
request_answer(Request *request, const void *response)
{
	const KafkaApi *api = request->api;
	int16_t		version = request->header.request_api_version;
	ResponseHeader header = {request->header.correlation_id};
	KafkaFrame	frame = kafka_output_begin_frame(&request->output);

	if (!kafka_encode(&request->output, &kafka_response_header,
					  kafka_response_header_version(api, version), &header) ||
		!kafka_encode(&request->output, api->response, version, response) ||
		!kafka_output_end_frame(&request->output, frame))
	{
		client_log_limited(CLIENT_ERROR, "an answer could not be made",
						   CLIENT_TEXT("api", api->name), CLIENT_INT("version", version),
						   CLIENT_TEXT("reason", request->output.error));
		kafka_output_free(&request->output);
		request->closes = true;
	}
	request_done(request);
}

void
request_leave_unanswered(Request *request)
{
	request_done(request);
}

void
request_close(Request *request, const char *reason)
{
	if (request->connection != NULL && reason != NULL)
		client_log_limited(CLIENT_INFO, "a connection is closed",
						   CLIENT_TEXT("client", request->connection->peer),
						   CLIENT_TEXT("reason", reason));
	request->closes = true;
	request_done(request);
}

void
request_answer_token(Request *request)
{
	char	   *size = kafka_output_room(&request->output, 4);

	if (size == NULL)
		request->closes = true;
	else
		memset(size, 0, 4);
	request_done(request);
}

/* A frame that is a token, as if it had come in a SaslAuthenticate of version 0. */
static void
request_token(Request *request)
{
	SaslAuthenticateRequest *body = kafka_arena_alloc(&request->arena, sizeof(SaslAuthenticateRequest));

	if (body == NULL)
	{
		request_close(request, "out of memory");
		return;
	}
	body->auth_bytes.data = request->frame;
	body->auth_bytes.len = (int32_t) request->frame_len;
	request->api = kafka_api(36);
	request->is_token = true;
	request->body = body;
	handle_sasl_authenticate(request);
}

/*
 * A frame is complete.  Whatever is wrong with it closes the connection, as
 * Kafka does; what was asked before is answered first.
 */
static void
connection_request(Connection *c)
{
	Request    *request = calloc(1, sizeof(Request));
	KafkaReader reader = kafka_reader(c->frame, c->frame_size);
	const char *error = NULL;
	const Handler *handler;

	incomplete -= (int64_t) c->frame_capacity;
	if (favoured == c)
		favoured = NULL;
	if (request == NULL)
	{
		incomplete += (int64_t) c->frame_capacity;	/* it is given back as
													 * such */
		connection_close(c, "out of memory");
		return;
	}
	connection_counts.requests++;
	request->connection = c;
	request->listener = c->listener;
	request->pool = c->pool;
	request->frame = c->frame;
	request->frame_size = c->frame_capacity;
	request->frame_len = c->frame_size;
	request->counted = c->frame_capacity;
	c->frame = NULL;
	c->frame_capacity = c->frame_len = c->frame_size = 0;
	c->head_len = 0;
	c->frame_began = 0;
	kafka_arena_init(&request->arena, request->frame_size * ARENA_FACTOR + ARENA_LEAST);
	kafka_output_init(&request->output, INT32_MAX);

	if (c->last != NULL)
		c->last->next = request;
	else
		c->first = request;
	c->last = request;
	c->n_requests++;

	if (c->expects_bare_token)
	{
		c->expects_bare_token = false;
		request_token(request);
		return;
	}
	request->api = kafka_decode_request_header(&reader, &request->header, &request->arena, &error);
	if (request->api == NULL)
	{
		c->state = ENDING;
		request_close(request, error);
		return;
	}
	handler = handler_of(request->api->key);
	if (c->pool == NULL && (handler == NULL || !handler->before_login))
	{
		c->state = ENDING;
		request_close(request, "the client has not said who it is");
		return;
	}
	if (handler == NULL || !kafka_serves(request->api, request->header.request_api_version))
	{
		/* of the versions themselves an unknown one has an answer */
		if (handler != NULL && handler->unsupported != NULL)
		{
			handler->unsupported(request);
			return;
		}
		c->state = ENDING;
		request_close(request, "API or version that was not announced");
		return;
	}
	request->body = kafka_arena_alloc(&request->arena, request->api->request->body->size);
	if (request->body == NULL ||
		!kafka_decode(&reader, request->api->request, request->header.request_api_version,
					  request->body, &request->arena, &error))
	{
		client_log_limited(CLIENT_INFO, "a request cannot be read",
						   CLIENT_TEXT("client", c->peer),
						   CLIENT_TEXT("api", request->api->name),
						   CLIENT_INT("version", request->header.request_api_version),
						   CLIENT_TEXT("field", reader.field),
						   CLIENT_TEXT("reason", error));
		c->state = ENDING;
		request_close(request, NULL);
		return;
	}
	request_count(request);
	if (!handler->in_turn || c->first == request)
		handler->handle(request);
}

/* A size that no request has: what may it be? */
static const char *
bad_size(const char *head)
{
	if (memcmp(head, "GET ", 4) == 0 || memcmp(head, "POST", 4) == 0 || memcmp(head, "HEAD", 4) == 0)
		return "this is an HTTP request; the listener speaks Kafka's protocol";
	if (head[0] == 0x16 && head[1] == 0x03)
		return "this is a TLS handshake; the listener does not speak TLS";
	return "the size of a request is out of bounds";
}

/* The connection has no place for these bytes until there is memory. */
static void
connection_starve(Connection *c, const char *data, size_t len)
{
	c->left = len > 0 ? malloc(len) : NULL;
	if (len > 0 && c->left == NULL)
	{
		connection_close(c, "out of memory");
		return;
	}
	if (len > 0)
		memcpy(c->left, data, len);
	c->left_len = len;
	c->starved = true;
	feed_loop = c->loop;
	if (last_starved != NULL)
		last_starved->next_starved = c;
	else
		first_starved = c;
	last_starved = c;
}

/* Bytes that were read become frames, and complete frames requests. */
static void
connection_feed(Connection *c, const char *data, size_t len)
{
	while (len > 0 && c->state == OPEN)
	{
		size_t		n;

		if (c->frame_size == 0)
		{
			uint32_t	size;

			if (c->frame_began == 0)
				c->frame_began = client_loop_now(c->loop);
			n = 4 - c->head_len < len ? 4 - c->head_len : len;
			memcpy(c->head + c->head_len, data, n);
			c->head_len += n;
			data += n;
			len -= n;
			if (c->head_len < 4)
				return;
			size = (uint32_t) kafka_get_int32(c->head);
			if (size == 0 || size > settings.max_request_size ||
				(c->pool == NULL && size > MAX_BEFORE_LOGIN))
			{
				client_log_limited(CLIENT_INFO, "a connection is closed",
								   CLIENT_TEXT("client", c->peer),
								   CLIENT_TEXT("reason", bad_size(c->head)));
				c->state = ENDING;
				if (c->first == NULL)
					connection_close(c, NULL);
				return;
			}
			c->frame_size = size;
			if (len == 0)
				return;
		}
		n = c->frame_size - c->frame_len < len ? c->frame_size - c->frame_len : len;
		if (!frame_room(c, n))
		{
			connection_starve(c, data, len);
			return;
		}
		memcpy(c->frame + c->frame_len, data, n);
		c->frame_len += n;
		data += n;
		len -= n;
		if (c->frame_len == c->frame_size)
			connection_request(c);
	}
}

/*
 * The socket
 */
static void
connection_read(Connection *c)
{
	size_t		total = 0;

	while (total < READ_AT_ONCE && c->state == OPEN && !c->starved &&
		   c->n_requests < settings.max_requests_in_flight)
	{
		size_t		rest = c->frame_size - c->frame_len;
		bool		direct = c->frame_size > 0 && rest >= SCRATCH_SIZE / 4;
		char	   *to = scratch;
		size_t		room = SCRATCH_SIZE;
		ssize_t		n;

		/* little is read ahead of what there may be no place for */
		if (connection_counts.memory > settings.memory / 2)
			room = SCRATCH_SIZE / 16;
		if (direct)
		{
			room = rest < SCRATCH_SIZE ? rest : SCRATCH_SIZE;
			if (!frame_room(c, room))
			{
				connection_starve(c, NULL, 0);
				return;
			}
			to = c->frame + c->frame_len;
			room = c->frame_capacity - c->frame_len;
		}
		n = read(c->watch.fd, to, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0)
		{
			connection_close(c, n == 0 ? NULL : strerror(errno));
			return;
		}
		c->last_heard = client_loop_now(c->loop);
		connection_counts.bytes_in += n;
		total += n;
		if (direct)
		{
			c->frame_len += n;
			if (c->frame_len == c->frame_size)
				connection_request(c);
		}
		else
			connection_feed(c, scratch, n);
		if ((size_t) n < room)
			return;
	}
}

/* Take the first request off, which was sent; the next one's turn has come. */
static void
connection_pop(Connection *c)
{
	Request    *request = c->first;
	bool		closes = request->closes;

	c->first = request->next;
	if (c->first == NULL)
		c->last = NULL;
	c->n_requests--;
	request->connection = NULL;
	request_free(request);
	if (closes)
		connection_close(c, NULL);
	else if (c->first != NULL && !c->first->answered)
	{
		const Handler *handler = handler_of(c->first->api->key);

		if (handler->in_turn)
			handler->handle(c->first);
	}
}

/*
 * Sends answers as far as they are there and the socket takes them.  Called for
 * whatever answers a request, so it may be within itself: then the outer call
 * goes on.
 */
static void
connection_flush(Connection *c)
{
	if (c->depth++ > 0)
	{
		c->depth--;
		return;
	}
	if ((c->watch.wanted & CLIENT_WRITABLE) == 0)
		c->last_sent = client_loop_now(c->loop);
	while (c->state != CLOSED && c->first != NULL && c->first->answered)
	{
		struct iovec pieces[PIECES];
		int			n_pieces = 0;
		ssize_t		n;

		for (Request *r = c->first; r != NULL && r->answered && n_pieces < PIECES; r = r->next)
		{
			n_pieces += kafka_output_pieces(&r->output, pieces + n_pieces, PIECES - n_pieces);
			if (r->closes)
				break;
		}
		if (n_pieces == 0)
		{
			connection_pop(c);
			continue;
		}
		n = writev(c->watch.fd, pieces, n_pieces);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0)
		{
			connection_close(c, strerror(errno));
			break;
		}
		connection_counts.bytes_out += n;
		c->last_heard = c->last_sent = client_loop_now(c->loop);
		while (n > 0 || (c->first != NULL && c->state != CLOSED && c->first->answered &&
						 kafka_output_unsent(&c->first->output) == 0))
		{
			size_t		unsent = kafka_output_unsent(&c->first->output);
			size_t		sent = unsent < (size_t) n ? unsent : (size_t) n;

			kafka_output_sent(&c->first->output, sent);
			n -= sent;
			if (sent < unsent)
				break;
			connection_pop(c);
		}
	}
	if (c->state == ENDING && c->first == NULL)
		connection_close(c, NULL);
	if (c->state != CLOSED)
		connection_want(c);
	c->depth--;
	if (c->state == CLOSED)
		connection_close(c, NULL);
}

static void
connection_want(Connection *c)
{
	int			wanted = 0;

	if (c->state == CLOSED)
		return;
	if (c->state == OPEN && !c->starved && c->n_requests < settings.max_requests_in_flight)
		wanted |= CLIENT_READABLE;
	if (c->first != NULL && c->first->answered)
		wanted |= CLIENT_WRITABLE;
	if (wanted != c->watch.wanted && !client_loop_watch(c->loop, &c->watch, wanted))
		connection_close(c, strerror(errno));
}

static void
connection_event(void *arg, int events)
{
	Connection *c = arg;

	c->depth++;
	if (events & CLIENT_READABLE)
		connection_read(c);
	c->depth--;
	/* answers that were made while reading go out together */
	connection_flush(c);
	feed_starved();
}

/*
 * The end of a connection: of its socket at once, of the struct when nobody has
 * it in hand.
 */
static void
connection_close(Connection *c, const char *reason)
{
	if (c->state != CLOSED || c->watch.fd >= 0)
	{
		if (reason != NULL)
			client_log_limited(CLIENT_INFO, "a connection has ended",
							   CLIENT_TEXT("client", c->peer), CLIENT_TEXT("reason", reason));
		else
			client_log(CLIENT_DEBUG, "a connection has ended", CLIENT_TEXT("client", c->peer));
		client_loop_unwatch(c->loop, &c->watch);
		close(c->watch.fd);
		c->watch.fd = -1;
		c->state = CLOSED;
		connection_counts.connections--;
		if (c->pool != NULL)
		{
			c->pool->n_clients--;
			c->pool->last_client = client_loop_now(c->loop);
		}
		if (c->starved)
		{
			Connection **link = &first_starved;

			last_starved = NULL;
			while (*link != NULL)
			{
				if (*link == c)
					*link = c->next_starved;
				else
				{
					last_starved = *link;
					link = &(*link)->next_starved;
				}
			}
			c->starved = false;
		}
		while (c->first != NULL)
		{
			Request    *request = c->first;

			c->first = request->next;
			request->connection = NULL;
			if (!request->answered && request->abandon != NULL)
				request->abandon(request);
			else
				request_free(request);
		}
		c->last = NULL;
		if (favoured == c)
			favoured = NULL;
		incomplete -= (int64_t) c->frame_capacity;
		connection_memory(-(int64_t) c->frame_capacity);
		free(c->frame);
		free(c->left);
		c->frame = c->left = NULL;
		c->frame_capacity = 0;
	}
	if (c->depth > 0)
		return;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		connections = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	free(c->peer);
	free(c);
}

void
connection_new(ClientLoop *loop, int fd, const Listener *listener, const char *peer)
{
	Connection *c;

	if (draining || connection_counts.connections >= settings.max_connections)
	{
		connection_counts.refused++;
		client_log_limited(CLIENT_WARNING, "a connection is refused: there are max_connections",
						   CLIENT_TEXT("client", peer));
		close(fd);
		return;
	}
	c = client_alloc(sizeof(Connection));
	c->loop = loop;
	c->listener = listener;
	if (listener->pool != NULL)
		connection_set_role(c, listener->pool);
	c->peer = client_strdup(peer);
	c->watch.fd = fd;
	c->watch.fn = connection_event;
	c->watch.arg = c;
	c->last_heard = client_loop_now(loop);
	c->next = connections;
	if (connections != NULL)
		connections->prev = c;
	connections = c;
	connection_counts.connections++;
	client_log(CLIENT_DEBUG, "a client has connected", CLIENT_TEXT("client", peer));
	connection_want(c);
}

bool
connection_has_role(const Connection *connection)
{
	return connection->pool != NULL;
}

void
connection_set_role(Connection *connection, Pool *pool)
{
	connection->pool = pool;
	connection->expects_token = false;
	pool->n_clients++;
}

void
connection_expect_token(Connection *connection, bool bare)
{
	connection->expects_token = true;
	connection->expects_bare_token = bare;
}

bool
connection_expects_token(const Connection *connection)
{
	return connection->expects_token;
}

ClientLoop *
connection_loop(const Connection *connection)
{
	return connection->loop;
}

const char *
connection_peer(const Connection *connection)
{
	return connection->peer;
}

/*
 * Has its client hung up, while nothing is read from it since there is too much in
 * hand?  What is in hand may wait for days.
 */
static bool
has_gone(const Connection *c)
{
	struct pollfd p = {.fd = c->watch.fd};
	char		byte;

	if (c->state != OPEN || (c->watch.wanted & CLIENT_READABLE) != 0)
		return false;
#ifdef POLLRDHUP
	p.events = POLLRDHUP;
#endif
	return poll(&p, 1, 0) > 0 &&
		(recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0 ||
		 client_loop_now(c->loop) - c->last_heard > GONE_TIMEOUT);
}

void
connections_sweep(void)
{
	Connection *next;

	for (Connection *c = connections; c != NULL; c = next)
	{
		int64_t		now = client_loop_now(c->loop);

		next = c->next;
		if (c->first == NULL && now - c->last_heard > settings.idle_timeout)
			connection_close(c, "idle");
		else if (c->frame_began != 0 && now - c->frame_began > FRAME_TIMEOUT &&
				 connection_counts.memory > settings.memory / 2)
			connection_close(c, "a request does not come to its end while memory is short");
		else if (c->first != NULL && c->first->answered && now - c->last_sent > settings.idle_timeout)
			connection_close(c, "does not read its answers");
		else if (c->first != NULL && c->first->answered && now - c->last_sent > ANSWER_TIMEOUT &&
				 connection_counts.memory > settings.memory / 2)
			connection_close(c, "does not read its answers while memory is short");
		else if (has_gone(c))
			connection_close(c, "has gone, with requests in hand");
	}
	feed_starved();
}

void
connections_drain(void)
{
	Connection *next;

	draining = true;
	for (Connection *c = connections; c != NULL; c = next)
	{
		next = c->next;
		if (c->state == OPEN)
			c->state = ENDING;
		if (c->first == NULL)
			connection_close(c, NULL);
		else
			connection_want(c);
	}
}

bool
connections_gone(void)
{
	return connections == NULL;
}

void
connections_close_all(void)
{
	while (connections != NULL)
		connection_close(connections, NULL);
	if (feed_loop != NULL)
		client_timer_stop(feed_loop, &feed_timer);
}
