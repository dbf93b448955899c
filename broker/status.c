/*-------------------------------------------------------------------------
 *
 * status.c
 *	  What the broker tells those who watch over it, by HTTP: /metrics in
 *	  Prometheus' text format, and /health, which is 200 while PostgreSQL is
 *	  there and 503 otherwise.
 *
 * One request a connection, few connections, small answers: no more of HTTP
 * than that.
 *
 * IDENTIFICATION
 *	  broker/status.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/connection.h"
#include "broker/listener.h"
#include "broker/reads.h"
#include "broker/settings.h"
#include "broker/status.h"
#include "broker/watch.h"
#include "client/memory.h"

#define MAX_REQUEST		2048
#define MAX_ANSWER		4096
#define MAX_VISITORS	16
#define PATIENCE		5000	/* milliseconds for a request and its answer */

typedef struct Visitor
{
	ClientFd	watch;
	ClientTimer timer;
	char		request[MAX_REQUEST];
	size_t		request_len;
	char		answer[MAX_ANSWER];
	size_t		answer_len;		/* 0: there is none yet */
	size_t		sent;
	struct Visitor *next;
} Visitor;

static ClientLoop *the_loop;
static ClientFd listener = {.fd = -1};
static Visitor *visitors;
static int	n_visitors;

static void
visitor_end(void *arg)
{
	Visitor    *v = arg;
	Visitor   **link = &visitors;

	while (*link != v)
		link = &(*link)->next;
	*link = v->next;
	n_visitors--;
	client_timer_stop(the_loop, &v->timer);
	client_loop_unwatch(the_loop, &v->watch);
	close(v->watch.fd);
	free(v);
}

static void
answer(Visitor *v, const char *status, const char *type, const char *body)
{
	int			n = snprintf(v->answer, MAX_ANSWER,
							 "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
							 status, type, strlen(body), body);

	v->answer_len = n < MAX_ANSWER ? (size_t) n : MAX_ANSWER - 1;
}

static void
answer_metrics(Visitor *v)
{
	static const struct
	{
		const char *name;
		const char *type;
		const char *help;
		int64_t    *value;
	}			metrics[] = {
		{"connections", "gauge", "Clients that are connected.", &connection_counts.connections},
		{"memory_bytes", "gauge", "Requests and answers in hand.", &connection_counts.memory},
		{"requests_total", "counter", "Requests of clients.", &connection_counts.requests},
		{"received_bytes_total", "counter", "Bytes from clients.", &connection_counts.bytes_in},
		{"sent_bytes_total", "counter", "Bytes to clients.", &connection_counts.bytes_out},
		{"refused_connections_total", "counter", "Connections over max_connections.", &connection_counts.refused},
		{"reads_ahead_total", "counter", "Reads of partitions before a client asked.", &read_counts.ahead},
		{"reads_ahead_used_total", "counter", "Those for which one did.", &read_counts.ahead_used},
	};
	char		body[MAX_ANSWER - 256];
	size_t		len = 0;

	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		len += snprintf(body + len, sizeof(body) - len,
						"# HELP eventlog_broker_%s %s\n# TYPE eventlog_broker_%s %s\neventlog_broker_%s %lld\n",
						metrics[i].name, metrics[i].help, metrics[i].name, metrics[i].type,
						metrics[i].name, (long long) *metrics[i].value);
	snprintf(body + len, sizeof(body) - len,
			 "# HELP eventlog_broker_up Whether PostgreSQL tells its changes.\n"
			 "# TYPE eventlog_broker_up gauge\neventlog_broker_up %d\n", watch_is_live());
	answer(v, "200 OK", "text/plain; version=0.0.4", body);
}

static void
answer_request(Visitor *v)
{
	if (strncmp(v->request, "GET /metrics ", 13) == 0)
		answer_metrics(v);
	else if (strncmp(v->request, "GET /health ", 12) != 0)
		answer(v, "404 Not Found", "text/plain", "there are /metrics and /health\n");
	else if (watch_is_live())
		answer(v, "200 OK", "text/plain", "ok\n");
	else
		answer(v, "503 Service Unavailable", "text/plain", "no connection to PostgreSQL\n");
}

static void
on_visitor(void *arg, int events)
{
	Visitor    *v = arg;
	ssize_t		n;

	if (v->answer_len == 0)
	{
		n = read(v->watch.fd, v->request + v->request_len, MAX_REQUEST - 1 - v->request_len);
		if (n > 0)
			v->request_len += n;
		v->request[v->request_len] = '\0';
		if (n > 0 && strstr(v->request, "\r\n\r\n") == NULL && v->request_len < MAX_REQUEST - 1)
			return;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
		{
			visitor_end(v);
			return;
		}
		answer_request(v);
	}
	n = write(v->watch.fd, v->answer + v->sent, v->answer_len - v->sent);
	if (n > 0)
		v->sent += n;
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || v->sent == v->answer_len ||
		!client_loop_watch(the_loop, &v->watch, CLIENT_WRITABLE))
		visitor_end(v);
}

static void
on_visit(void *arg, int events)
{
	char		peer[PEER_SIZE];
	int			fd = accept_client(listener.fd, peer);
	Visitor    *v;

	if (fd < 0)
		return;
	if (n_visitors >= MAX_VISITORS)
	{
		close(fd);
		return;
	}
	v = client_alloc(sizeof(Visitor));
	v->watch.fd = fd;
	v->watch.fn = on_visitor;
	v->watch.arg = v;
	v->timer.fn = visitor_end;
	v->timer.arg = v;
	v->next = visitors;
	visitors = v;
	n_visitors++;
	client_timer_start_coarse(the_loop, &v->timer, client_loop_now(the_loop) + PATIENCE);
	if (!client_loop_watch(the_loop, &v->watch, CLIENT_READABLE))
		visitor_end(v);
}

bool
status_open(ClientLoop *loop)
{
	the_loop = loop;
	if (settings.status_listener[0] == '\0')
		return true;
	listener.fd = listen_on(settings.status_listener);
	listener.fn = on_visit;
	return listener.fd >= 0 && client_loop_watch(loop, &listener, CLIENT_READABLE);
}

void
status_close(void)
{
	while (visitors != NULL)
		visitor_end(visitors);
	if (listener.fd < 0)
		return;
	client_loop_unwatch(the_loop, &listener);
	close(listener.fd);
	listener.fd = -1;
}
