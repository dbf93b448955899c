/*-------------------------------------------------------------------------
 *
 * fuzz_connection.c
 *	  libFuzzer target: broker/connection.c with clients that send whatever they
 *	  like, in whatever pieces, and go when they like.
 *
 * The input is a list of acts of three clients, each at the other end of a
 * socket pair.  Handlers of our own keep requests until an act answers them.
 *
 *	client	act				arguments
 *	0-2 	0  bytes		length (1), so many bytes of the input
 *			1  frame		API (1), version (1), length (2), so many bytes as its body
 *			2  begin frame	the same, but the second half comes with a later act
 *			3  rest			what is left of such a frame
 *			4  read			length (1), times 1024
 *			5  shut down	it sends no more
 *			6  close		another client takes its place
 *			7  answer		which (1), how (1): one of the requests in hand
 *
 * What must hold: answers come in the order of requests, and are frames; in the
 * end, when clients have gone and requests in hand were let go of, no memory is
 * counted, no connection open and every hold released.
 *
 * IDENTIFICATION
 *	  test/unit/fuzz_connection.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/connection.h"
#include "broker/handlers.h"
#include "broker/pool.h"
#include "broker/protocol/bytes.h"
#include "broker/settings.h"
#include "client/log.h"

#define N_CLIENTS	3
#define MAX_IN_HAND	64
#define RECORDS		30000		/* bytes of a large answer */

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

typedef struct Client
{
	int			fd;				/* -1: it has closed */
	bool		sends;			/* it has not shut down */
	bool		odd;			/* bytes came that are no frame of ours */
	int32_t		sent;			/* correlation ids, which count */
	int32_t		answered;
	char	   *rest;			/* of a frame, not sent yet */
	size_t		rest_len;
	char	   *got;			/* of an answer, not complete */
	size_t		got_len;
} Client;

/* What the broker's other files would have. */
BrokerSettings settings = {
	.max_connections = 100,
	.max_request_size = 40000,
	.max_requests_in_flight = 6,
	.memory = 50000,
};

static ClientLoop *loop;
static Pool pool;
static Listener listener;
static Client clients[N_CLIENTS];
static Request *in_hand[MAX_IN_HAND];
static int	n_in_hand;
static int	n_holds;
static char records[RECORDS];

/*
 * Handlers
 */
static void
take_out(Request *request)
{
	for (int i = 0; i < n_in_hand; i++)
	{
		if (in_hand[i] == request)
		{
			in_hand[i] = in_hand[--n_in_hand];
			return;
		}
	}
	REQUIRE(!"a request that is in hand");
}

/* Of an even correlation id it is freed at once, else when its turn comes. */
static void
let_go(Request *request)
{
	if (request->header.correlation_id % 2 == 0)
	{
		take_out(request);
		request_free(request);
	}
	else
		request_keep(request);
}

static void
keep(Request *request)
{
	REQUIRE(n_in_hand < MAX_IN_HAND);
	request->abandon = let_go;
	in_hand[n_in_hand++] = request;
}

static void
release(void *what)
{
	n_holds--;
}

static void
answer(Request *request, uint8_t how)
{
	void	   *response = kafka_arena_alloc(&request->arena, request->api->response->body->size);

	if (response == NULL)
	{
		request_close(request, "out of memory");
		return;
	}
	kafka_set_defaults(request->api->response->body, response);
	if (request->api->key == 1 && how % 4 == 1)
	{
		FetchResponse *fetch = response;

		if (KAFKA_NEW_ITEMS(&request->arena, &fetch->responses, FetchableTopicResponse, 1) &&
			KAFKA_NEW_ITEMS(&request->arena, &fetch->responses.items[0].partitions, FetchPartitionData, 1))
		{
			fetch->responses.items[0].partitions.items[0].records = (KafkaBytes)
			{
				.data = records,.len = RECORDS
			};
			n_holds++;
			(void) request_hold(request, release, NULL);
		}
	}
	if (request->is_token)
		request_answer_token(request);
	else
		request_answer(request, response);
}

static void
end(Request *request, uint8_t how)
{
	take_out(request);
	request->abandon = NULL;
	if (request->connection == NULL && how % 2 == 0)
		request_free(request);
	else if (how % 16 == 14)
		request_close(request, how % 32 == 14 ? "a reason" : NULL);
	else if (how % 16 == 15)
		request_leave_unanswered(request);
	else
		answer(request, how);
}

static void
handle_later(Request *request)
{
	keep(request);
}

static void
handle_now(Request *request)
{
	answer(request, 0);
}

/* As handlers.c does. */
static void
handle_unsupported(Request *request)
{
	request->header.request_api_version = 0;
	answer(request, 0);
}

static void
handle_login(Request *request)
{
	if (!connection_has_role(request->connection))
		connection_set_role(request->connection, &pool);
	answer(request, 0);
}

/* The next frame is a token. */
static void
handle_handshake(Request *request)
{
	if (!connection_has_role(request->connection))
		connection_expect_token(request->connection, request->header.request_api_version == 0);
	answer(request, 0);
}

void
handle_sasl_authenticate(Request *request)
{
	handle_login(request);
}

static const Handler handlers[] = {
	{.key = 0,.handle = handle_later},
	{.key = 1,.handle = handle_later,.in_turn = true},
	{.key = 3,.handle = handle_now,.in_turn = true},
	{.key = 17,.handle = handle_handshake,.in_turn = true,.before_login = true},
	{.key = 18,.handle = handle_now,.in_turn = true,.before_login = true,.unsupported = handle_unsupported},
	{.key = 36,.handle = handle_sasl_authenticate,.in_turn = true,.before_login = true},
};

#define N_HANDLERS ((int) (sizeof(handlers) / sizeof(handlers[0])))

const Handler *
handler_of(int16_t key)
{
	for (int i = 0; i < N_HANDLERS; i++)
	{
		if (handlers[i].key == key)
			return &handlers[i];
	}
	return NULL;
}

/*
 * Clients
 */
static void
on_stop(void *arg)
{
	client_loop_stop(loop);
}

/* What is to be done now. */
static void
run(int rounds)
{
	static ClientTimer timer = {.fn = on_stop};

	while (rounds-- > 0)
	{
		client_timer_start(loop, &timer, 0);
		client_loop_run(loop);
	}
}

static void
connect_client(Client *client, bool logged_in)
{
	int			ends[2];
	int			small = 4096;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	/* so that answers get stuck */
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	memset(client, 0, sizeof(Client));
	client->fd = ends[0];
	client->sends = true;
	listener.pool = logged_in ? &pool : NULL;
	connection_new(loop, ends[1], &listener, "client");
}

static void
close_client(Client *client)
{
	close(client->fd);
	free(client->rest);
	free(client->got);
	client->fd = -1;
	client->rest = client->got = NULL;
}

static void
send_bytes(Client *client, const void *data, size_t len)
{
	ssize_t		n;

	if (!client->sends)
		return;
	n = send(client->fd, data, len, MSG_NOSIGNAL);
	/* what does not fit is lost: a stream that is cut anywhere */
	if (n != (ssize_t) len)
	{
		client->odd = true;
		shutdown(client->fd, SHUT_WR);
		client->sends = false;
	}
}

static void
send_frame(Client *client, uint8_t api, uint8_t version, const uint8_t *body, size_t len, bool all)
{
	const KafkaApi *what = kafka_api(handlers[api % N_HANDLERS].key);
	int			versions = what->announced_max - what->announced_min + 2;	/* and one too many */
	int			v = what->announced_min + version % versions;
	size_t		header = 4 + 8 + 2 + (kafka_serves(what, (int16_t) v) && v >= what->flexible_since);
	char	   *frame;
	size_t		first;

	if (client->rest_len > 0 || !client->sends)
		return;
	frame = calloc(1, header + len);
	kafka_put_int32(frame, (int32_t) (header + len - 4));
	kafka_put_int16(frame + 4, what->key);
	kafka_put_int16(frame + 6, (int16_t) v);
	kafka_put_int32(frame + 8, ++client->sent);
	memcpy(frame + header, body, len);
	first = all ? header + len : (header + len) / 2;
	send_bytes(client, frame, first);
	if (!all)
	{
		client->rest_len = header + len - first;
		client->rest = malloc(client->rest_len);
		memcpy(client->rest, frame + first, client->rest_len);
	}
	free(frame);
}

static void
send_rest(Client *client)
{
	if (client->rest_len > 0)
		send_bytes(client, client->rest, client->rest_len);
	free(client->rest);
	client->rest = NULL;
	client->rest_len = 0;
}

/* Answers are frames, and in order. */
static void
read_answers(Client *client, size_t most)
{
	static char buffer[256 * 1024];
	size_t		at = 0;
	ssize_t		n = recv(client->fd, buffer, most < sizeof(buffer) ? most : sizeof(buffer), 0);

	if (n <= 0)
		return;
	client->got = realloc(client->got, client->got_len + (size_t) n);
	memcpy(client->got + client->got_len, buffer, (size_t) n);
	client->got_len += (size_t) n;
	while (client->got_len - at >= 4)
	{
		int32_t		size = kafka_get_int32(client->got + at);

		REQUIRE(size >= 0 && size < RECORDS + 10000);
		if (client->got_len - at < 4 + (size_t) size)
			break;
		/* (a token's answer has no correlation id) */
		if (!client->odd && size >= 4)
		{
			int32_t		id = kafka_get_int32(client->got + at + 4);

			REQUIRE(id > client->answered && id <= client->sent);
			client->answered = id;
		}
		at += 4 + (size_t) size;
	}
	memmove(client->got, client->got + at, client->got_len - at);
	client->got_len -= at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end_of_data = data + size;

	if (loop == NULL)
	{
		loop = client_loop_new();
		client_log_level = CLIENT_ERROR + 1;
		signal(SIGPIPE, SIG_IGN);	/* as main.c does */
		pool.loop = loop;
	}
	if (size < 1)
		return 0;
	for (int i = 0; i < N_CLIENTS; i++)
		connect_client(&clients[i], data[0] & (1 << i));
	data++;

#define LEFT ((size_t) (end_of_data - data))
#define BYTE (LEFT > 0 ? *data++ : 0)
	while (LEFT > 0)
	{
		uint8_t		act = BYTE;
		Client	   *client = &clients[act % N_CLIENTS];
		size_t		len;

		switch (act / N_CLIENTS % 8)
		{
			case 0:
				len = BYTE;
				len = len < LEFT ? len : LEFT;
				client->odd = true;
				send_bytes(client, data, len);
				data += len;
				break;
			case 1:
			case 2:
				{
					uint8_t		api = BYTE;
					uint8_t		version = BYTE;

					len = BYTE;
					len = len * 256 + BYTE;
					len = len < LEFT ? len : LEFT;
					send_frame(client, api, version, data, len, act / N_CLIENTS % 8 == 1);
					data += len;
					break;
				}
			case 3:
				send_rest(client);
				break;
			case 4:
				read_answers(client, (size_t) BYTE * 1024);
				break;
			case 5:
				shutdown(client->fd, SHUT_WR);
				client->sends = false;
				break;
			case 6:
				len = BYTE;
				close_client(client);
				if (act >= 128)
					run(1);
				connect_client(client, len % 2);
				break;
			case 7:
				{
					uint8_t		which = BYTE;
					uint8_t		how = BYTE;

					if (n_in_hand > 0)
						end(in_hand[which % n_in_hand], how);
					break;
				}
		}

		/*
		 * one that begins, and is at once followed by another, may come in
		 * one piece
		 */
		if (act < 192)
			run(1);
		/* now and then everybody has been idle for too long */
		if (act % 32 == 24)
		{
			settings.idle_timeout = act < 128 ? 600000 : -1;
			connections_sweep();
		}
		REQUIRE(connection_counts.memory >= 0);
	}
#undef BYTE
#undef LEFT

	run(3);
	for (int i = 0; i < N_CLIENTS; i++)
		close_client(&clients[i]);
	run(3);
	while (n_in_hand > 0)
	{
		end(in_hand[0], 0);
		run(1);
	}
	run(3);
	connections_close_all();
	while (n_in_hand > 0)
		end(in_hand[0], 0);
	REQUIRE(connections_gone());
	REQUIRE(connection_counts.connections == 0);
	REQUIRE(connection_counts.memory == 0);
	REQUIRE(n_holds == 0);
	REQUIRE(pool.n_clients == 0);
	return 0;
}
