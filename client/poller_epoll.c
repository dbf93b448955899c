/*-------------------------------------------------------------------------
 *
 * poller_epoll.c
 *	  The event loop's waiting, on Linux.
 *
 * IDENTIFICATION
 *	  client/poller_epoll.c
 *
 *-------------------------------------------------------------------------
 */
#include "client/loop.h"
#include "client/poller.h"

#ifdef CLIENT_EPOLL
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

int
poller_open(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

/*
 * What wants nothing is taken out, for epoll tells hang-ups of all that is in:
 * the loop would spin.  A descriptor that was closed has left by itself.
 */
bool
poller_change(int poller, int fd, int before, int wanted, void *data)
{
	struct epoll_event event = {0};

	event.events = ((wanted & CLIENT_READABLE) ? EPOLLIN : 0) | ((wanted & CLIENT_WRITABLE) ? EPOLLOUT : 0);
	event.data.ptr = data;
	if (wanted == 0)
		return epoll_ctl(poller, EPOLL_CTL_DEL, fd, &event) == 0 || errno == EBADF || errno == ENOENT;
	return epoll_ctl(poller, before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) == 0;
}

int
poller_wait(int poller, PollerEvent *events, int64_t timeout)
{
	struct epoll_event found[POLLER_EVENTS];
	int			n = epoll_wait(poller, found, POLLER_EVENTS, timeout > INT_MAX ? INT_MAX : (int) timeout);
	int			i;

	for (i = 0; i < n; i++)
	{
		uint32_t	what = found[i].events;

		events[i].data = found[i].data.ptr;
		events[i].events = ((what & (EPOLLIN | EPOLLERR | EPOLLHUP)) ? CLIENT_READABLE : 0) |
			((what & (EPOLLOUT | EPOLLERR | EPOLLHUP)) ? CLIENT_WRITABLE : 0);
	}
	return n > 0 ? n : 0;
}
#endif							/* CLIENT_EPOLL */
