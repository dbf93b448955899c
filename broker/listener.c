/*-------------------------------------------------------------------------
 *
 * listener.c
 *	  The addresses on which clients are accepted.
 *
 * IDENTIFICATION
 *	  broker/listener.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/listener.h"
#include "broker/settings.h"
#include "client/log.h"
#include "client/memory.h"

#define ACCEPT_AT_ONCE	64
#define ACCEPT_PAUSE	200		/* milliseconds, when there are no descriptors */

static Listener *listeners;
static ClientTimer pause_timer;
static ClientLoop *the_loop;

/*
 * The number-th element of "a, b, ...", split at its last colon.  False: there
 * is none, or it is no host:port.
 */
static bool
get_address(const char *list, int number, char *host, size_t host_size, char *port, size_t port_size)
{
	const char *p = list;
	size_t		len;
	const char *colon;

	for (; number > 0 && p != NULL; number--)
	{
		p = strchr(p, ',');
		if (p != NULL)
			p++;
	}
	if (p == NULL)
		return false;
	p += strspn(p, " ");
	len = strcspn(p, ", ");
	colon = memrchr(p, ':', len);
	if (colon == NULL || colon == p || (size_t) (colon - p) >= host_size ||
		len - (colon - p) - 1 >= port_size || colon + 1 == p + len)
		return false;
	memcpy(host, p, colon - p);
	host[colon - p] = '\0';
	if (host[0] == '[' && host[strlen(host) - 1] == ']')
	{
		memmove(host, host + 1, strlen(host));
		host[strlen(host) - 1] = '\0';
	}
	memcpy(port, colon + 1, len - (colon - p) - 1);
	port[len - (colon - p) - 1] = '\0';
	return true;
}

static int
count_addresses(const char *list)
{
	int			n = list[0] != '\0';

	for (; *list; list++)
		n += *list == ',';
	return n;
}

int
accept_client(int fd, char *peer)
{
	struct sockaddr_storage address;
	socklen_t	len = sizeof(address);
	int			one = 1;
	int			client = accept4(fd, (struct sockaddr *) &address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	char		host[NI_MAXHOST],
				port[NI_MAXSERV];

	if (client < 0)
	{
		int			saved = errno;

		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ECONNABORTED && errno != EINTR)
			client_log_limited(CLIENT_WARNING, "a client cannot be accepted",
							   CLIENT_TEXT("reason", strerror(errno)));
		errno = saved;
		return -1;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (getnameinfo((struct sockaddr *) &address, len, host, sizeof(host), port, sizeof(port),
					NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(peer, PEER_SIZE, "%s:%s", host, port);
	else
		strcpy(peer, "?");
	return client;
}

/* False: the system refuses. */
static bool
listen_again(void)
{
	for (Listener *listener = listeners; listener != NULL; listener = listener->next)
	{
		if (!client_loop_watch(the_loop, &listener->watch, CLIENT_READABLE))
			return false;
	}
	return true;
}

static void
on_pause_end(void *arg)
{
	if (!listen_again())
		client_timer_start(the_loop, &pause_timer, client_loop_now(the_loop) + ACCEPT_PAUSE);
}

/* Who cannot be accepted would be told again and again. */
static void
pause_listening(void)
{
	for (Listener *listener = listeners; listener != NULL; listener = listener->next)
		client_loop_watch(the_loop, &listener->watch, 0);
	pause_timer.fn = on_pause_end;
	client_timer_start(the_loop, &pause_timer, client_loop_now(the_loop) + ACCEPT_PAUSE);
}

static void
on_accept(void *arg, int events)
{
	Listener   *listener = arg;
	char		peer[PEER_SIZE];

	for (int i = 0; i < ACCEPT_AT_ONCE; i++)
	{
		int			fd = accept_client(listener->watch.fd, peer);

		if (fd < 0)
		{
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				pause_listening();
			return;
		}
		connection_new(the_loop, fd, listener, peer);
	}
}

static int
open_socket(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE,.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int			error = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints, &list);
	int			fd = -1;

	if (error != 0)
	{
		client_log(CLIENT_ERROR, "a listener's address is not known",
				   CLIENT_TEXT("host", host), CLIENT_TEXT("port", port), CLIENT_TEXT("reason", gai_strerror(error)));
		return -1;
	}
	for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
	{
		int			one = 1;

		fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)
		{
			int			saved = errno;

			close(fd);
			errno = saved;
			fd = -1;
		}
	}
	if (fd < 0)
		client_log(CLIENT_ERROR, "a listener cannot be opened",
				   CLIENT_TEXT("host", host), CLIENT_TEXT("port", port), CLIENT_TEXT("reason", strerror(errno)));
	freeaddrinfo(list);
	return fd;
}

int
listen_on(const char *address)
{
	char		host[NI_MAXHOST],
				port[NI_MAXSERV];

	if (!get_address(address, 0, host, sizeof(host), port, sizeof(port)))
	{
		client_log(CLIENT_ERROR, "an address must be host:port", CLIENT_TEXT("address", address));
		return -1;
	}
	return open_socket(host, port);
}

/* The port that the system has chosen for port 0. */
static int32_t
real_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t	len = sizeof(address);
	char		port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *) &address, &len) != 0 ||
		getnameinfo((struct sockaddr *) &address, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV) != 0)
		return 0;
	return atoi(port);
}

static bool
is_loopback(int fd)
{
	struct sockaddr_storage address;
	socklen_t	len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *) &address, &len) != 0)
		return false;
	if (address.ss_family == AF_INET)
		return ntohl(((struct sockaddr_in *) &address)->sin_addr.s_addr) >> 24 == 127;
	return address.ss_family == AF_INET6 &&
		IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *) &address)->sin6_addr);
}

bool
listeners_open(ClientLoop *loop, Pool *pool)
{
	int			n = count_addresses(settings.listeners);
	int			n_advertised = count_addresses(settings.advertised_listeners);

	the_loop = loop;
	if (n_advertised != 0 && n_advertised != n)
	{
		client_log(CLIENT_ERROR, "advertised_listeners must have as many addresses as listeners, or none");
		return false;
	}
	for (int i = 0; i < n; i++)
	{
		char		host[NI_MAXHOST],
					port[NI_MAXSERV];
		Listener   *listener;
		int			fd;

		if (!get_address(settings.listeners, i, host, sizeof(host), port, sizeof(port)))
		{
			client_log(CLIENT_ERROR, "listeners must be host:port, ...", CLIENT_TEXT("listeners", settings.listeners));
			return false;
		}
		fd = open_socket(host, port);
		if (fd < 0)
			return false;
		listener = client_alloc(sizeof(Listener));
		listener->next = listeners;
		listeners = listener;
		listener->pool = pool;
		if (!is_loopback(fd))
		{
			if (pool == NULL && !settings.insecure)
			{
				client_log(CLIENT_ERROR, "authentication=plain sends passwords unencrypted: only loopback addresses, or insecure=on",
						   CLIENT_TEXT("host", host));
				return false;
			}
			if (pool != NULL)
				client_log(CLIENT_WARNING, "whoever reaches this address works as the user of conninfo", CLIENT_TEXT("host", host));
		}
		listener->watch.fd = fd;
		listener->watch.fn = on_accept;
		listener->watch.arg = listener;
		listener->port = real_port(fd);
		if (n_advertised != 0)
		{
			if (!get_address(settings.advertised_listeners, i, host, sizeof(host), port, sizeof(port)))
			{
				client_log(CLIENT_ERROR, "advertised_listeners must be host:port, ...",
						   CLIENT_TEXT("advertised_listeners", settings.advertised_listeners));
				return false;
			}
			if (atoi(port) != 0)
				listener->port = atoi(port);
		}
		else if (strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		{
			/*
			 * nobody can come back to these; the host's own name is what
			 * Kafka takes, too
			 */
			if (gethostname(host, sizeof(host)) != 0)
				strcpy(host, "localhost");
		}
		listener->host = client_strdup(host);
		if (!client_loop_watch(loop, &listener->watch, CLIENT_READABLE))
		{
			client_log(CLIENT_ERROR, "a listener cannot be watched", CLIENT_TEXT("reason", strerror(errno)));
			return false;
		}
		client_log(CLIENT_INFO, "listening", CLIENT_TEXT("host", listener->host), CLIENT_INT("port", listener->port));
	}
	return true;
}

void
listeners_close(ClientLoop *loop)
{
	client_timer_stop(loop, &pause_timer);
	while (listeners != NULL)
	{
		Listener   *listener = listeners;

		listeners = listener->next;
		client_loop_unwatch(loop, &listener->watch);
		close(listener->watch.fd);
		free(listener->host);
		free(listener);
	}
}
