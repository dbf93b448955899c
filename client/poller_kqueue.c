/*-------------------------------------------------------------------------
 *
 * poller_kqueue.c
 *	  The event loop's waiting, on BSD and macOS.
 *
 * IDENTIFICATION
 *	  client/poller_kqueue.c
 *
 *-------------------------------------------------------------------------
 */
#include "client/loop.h"
#include "client/poller.h"

#ifndef CLIENT_EPOLL
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>

int
poller_open(void)
{
	int			poller = kqueue();

	if (poller >= 0)
		fcntl(poller, F_SETFD, FD_CLOEXEC);
	return poller;
}

/* One filter; what was closed has left by itself. */
static bool
change_filter(int poller, int fd, int filter, bool add, void *data)
{
	struct kevent change;

	EV_SET(&change, fd, filter, add ? EV_ADD : EV_DELETE, 0, 0, data);
	return kevent(poller, &change, 1, NULL, 0, NULL) == 0 || (!add && (errno == EBADF || errno == ENOENT));
}

bool
poller_change(int poller, int fd, int before, int wanted, void *data)
{
	int			changed = before ^ wanted;
	bool		ok = true;

	if (changed & CLIENT_READABLE)
		ok = change_filter(poller, fd, EVFILT_READ, (wanted & CLIENT_READABLE) != 0, data);
	if (ok && (changed & CLIENT_WRITABLE))
		ok = change_filter(poller, fd, EVFILT_WRITE, (wanted & CLIENT_WRITABLE) != 0, data);
	return ok;
}

int
poller_wait(int poller, PollerEvent *events, int64_t timeout)
{
	struct kevent found[POLLER_EVENTS];
	struct timespec limit;
	int			n,
				i;

	limit.tv_sec = timeout / 1000;
	limit.tv_nsec = timeout % 1000 * 1000000;
	n = kevent(poller, NULL, 0, found, POLLER_EVENTS, timeout < 0 ? NULL : &limit);
	for (i = 0; i < n; i++)
	{
		events[i].data = (void *) found[i].udata;
		events[i].events = found[i].filter == EVFILT_READ ? CLIENT_READABLE : CLIENT_WRITABLE;
		if (found[i].flags & EV_ERROR)
			events[i].events = CLIENT_READABLE | CLIENT_WRITABLE;
	}
	return n > 0 ? n : 0;
}
#endif							/* ! CLIENT_EPOLL */
