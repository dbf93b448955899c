/*-------------------------------------------------------------------------
 *
 * poller.h
 *	  What the event loop needs of the system: epoll or kqueue.
 *
 * poller_epoll.c and poller_kqueue.c are the two; one of them is empty.
 *
 * IDENTIFICATION
 *	  client/poller.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_POLLER_H
#define CLIENT_POLLER_H

#include <stdbool.h>
#include <stdint.h>

/* CLIENT_KQUEUE takes kqueue where epoll is: to test it, with libkqueue. */
#if defined(__linux__) && !defined(CLIENT_KQUEUE)
#define CLIENT_EPOLL
#endif

#define POLLER_EVENTS	256		/* that one wait can return */

typedef struct PollerEvent
{
	void	   *data;
	int			events;			/* CLIENT_READABLE, CLIENT_WRITABLE; both at
								 * errors and hang-ups */
} PollerEvent;

/* A descriptor of its own, closed at exec; -1, with errno. */
extern int	poller_open(void);

/* What is wanted of fd, after what was wanted before; 0 is nothing.  False, with errno. */
extern bool poller_change(int poller, int fd, int before, int wanted, void *data);

/* Waits up to timeout milliseconds (-1: for ever); returns the number of events, 0 also when a signal came. */
extern int	poller_wait(int poller, PollerEvent *events, int64_t timeout);

#endif							/* CLIENT_POLLER_H */
