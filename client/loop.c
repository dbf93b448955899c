/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  The event loop of a program: descriptors, timers and signals, one thread.
 *
 * IDENTIFICATION
 *	  client/loop.c
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/loop.h"
#include "client/memory.h"
#include "client/poller.h"

#define MAX_SIGNAL 64

typedef struct SignalWatch
{
	ClientSignalFn fn;			/* NULL: not ours */
	void	   *arg;
	struct sigaction before;
} SignalWatch;

struct ClientLoop
{
	int			poller;
	bool		stopped;
	int64_t		now;

	/* what the last wait has found, and how far it has been told */
	PollerEvent events[POLLER_EVENTS];
	int			nevents;
	int			told;

	/* timers: a heap, from heap[1] */
	ClientTimer **heap;
	int			ntimers;
	int			room;
	uint64_t	order;			/* of the last one started */

	ClientFd	signals;		/* the reading end of signal_pipe */
	SignalWatch watched[MAX_SIGNAL];
};

/* What a signal handler can reach. */
static int	signal_pipe = -1;	/* the writing end */
static volatile sig_atomic_t arrived[MAX_SIGNAL];

static int64_t
monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

ClientLoop *
client_loop_new(void)
{
	int			poller = poller_open();
	ClientLoop *loop;

	if (poller < 0)
		return NULL;
	loop = client_alloc(sizeof(ClientLoop));
	loop->poller = poller;
	loop->now = monotonic_ms();
	loop->signals.fd = -1;
	return loop;
}

int64_t
client_loop_now(const ClientLoop *loop)
{
	return loop->now;
}

void
client_loop_stop(ClientLoop *loop)
{
	loop->stopped = true;
}


/* --- descriptors ----------------------------------------------------------- */

bool
client_loop_watch(ClientLoop *loop, ClientFd *watch, int wanted)
{
	if (wanted == watch->wanted)
		return true;
	if (!poller_change(loop->poller, watch->fd, watch->wanted, wanted, watch))
		return false;
	watch->wanted = wanted;
	return true;
}

void
client_loop_unwatch(ClientLoop *loop, ClientFd *watch)
{
	int			i;

	if (watch->wanted != 0)
		poller_change(loop->poller, watch->fd, watch->wanted, 0, watch);
	watch->wanted = 0;

	/* it may be freed now, or stand for another descriptor */
	for (i = loop->told; i < loop->nevents; i++)
		if (loop->events[i].data == watch)
			loop->events[i].data = NULL;
}

static void
tell_events(ClientLoop *loop)
{
	for (loop->told = 0; loop->told < loop->nevents;)
	{
		PollerEvent *event = &loop->events[loop->told++];
		ClientFd   *watch = event->data;

		/* what one callback does may change what the next one wants */
		if (watch && (event->events & watch->wanted) != 0)
			watch->fn(watch->arg, event->events & watch->wanted);
	}
	loop->nevents = loop->told = 0;
}


/* --- timers ---------------------------------------------------------------- */

static bool
is_before(const ClientTimer *a, const ClientTimer *b)
{
	return a->due < b->due || (a->due == b->due && a->order < b->order);
}

static void
put_timer(ClientLoop *loop, int place, ClientTimer *timer)
{
	loop->heap[place] = timer;
	timer->place = place;
}

/* Finds the place for a timer, where the heap has a gap at place. */
static void
sift(ClientLoop *loop, int place, ClientTimer *timer)
{
	while (place > 1 && is_before(timer, loop->heap[place / 2]))
	{
		put_timer(loop, place, loop->heap[place / 2]);
		place /= 2;
	}
	while (place * 2 <= loop->ntimers)
	{
		int			child = place * 2;

		if (child < loop->ntimers && is_before(loop->heap[child + 1], loop->heap[child]))
			child++;
		if (!is_before(loop->heap[child], timer))
			break;
		put_timer(loop, place, loop->heap[child]);
		place = child;
	}
	put_timer(loop, place, timer);
}

void
client_timer_stop(ClientLoop *loop, ClientTimer *timer)
{
	int			place = timer->place;
	ClientTimer *last;

	if (place == 0)
		return;
	last = loop->heap[loop->ntimers--];
	if (last != timer)
		sift(loop, place, last);
	timer->place = 0;
}

void
client_timer_start(ClientLoop *loop, ClientTimer *timer, int64_t due)
{
	client_timer_stop(loop, timer);
	if (loop->ntimers + 1 >= loop->room)
	{
		loop->room = loop->room ? loop->room * 2 : 64;
		loop->heap = client_realloc(loop->heap, (size_t) loop->room * sizeof(ClientTimer *));
	}
	/* the past is now: nobody gets in before those that have been due longer */
	timer->due = due > loop->now ? due : loop->now;
	timer->order = ++loop->order;
	loop->ntimers++;
	sift(loop, loop->ntimers, timer);
}

void
client_timer_start_coarse(ClientLoop *loop, ClientTimer *timer, int64_t due)
{
	client_timer_start(loop, timer, (due + CLIENT_COARSE_MS - 1) / CLIENT_COARSE_MS * CLIENT_COARSE_MS);
}

/* Calls those that are due, but not what they start: descriptors have their turn before that. */
static void
call_timers(ClientLoop *loop)
{
	uint64_t	last = loop->order;

	while (loop->ntimers > 0)
	{
		ClientTimer *timer = loop->heap[1];

		if (timer->due > loop->now || timer->order > last)
			break;
		client_timer_stop(loop, timer);
		timer->fn(timer->arg);
	}
}

/* How long to wait; -1: for ever. */
static int64_t
wait_time(const ClientLoop *loop)
{
	int64_t		left;

	if (loop->ntimers == 0)
		return -1;
	left = loop->heap[1]->due - monotonic_ms();
	return left > 0 ? left : 0;
}


/* --- signals --------------------------------------------------------------- */

/* The pipe only wakes: when it is full, the loop has not woken up yet. */
static void
note_signal(int signo)
{
	int			saved = errno;
	ssize_t		n;

	arrived[signo] = 1;
	n = write(signal_pipe, "", 1);
	(void) n;
	errno = saved;
}

static void
tell_signals(void *arg, int events)
{
	ClientLoop *loop = arg;
	char		bytes[64];
	int			signo;

	(void) events;
	while (read(loop->signals.fd, bytes, sizeof(bytes)) == (ssize_t) sizeof(bytes))
		;
	for (signo = 1; signo < MAX_SIGNAL; signo++)
	{
		if (!arrived[signo] || loop->watched[signo].fn == NULL)
			continue;
		arrived[signo] = 0;
		loop->watched[signo].fn(loop->watched[signo].arg, signo);
	}
}

static bool
open_signal_pipe(ClientLoop *loop)
{
	int			ends[2];
	int			i;

	if (loop->signals.fd >= 0)
		return true;
	assert(signal_pipe < 0);
	if (pipe(ends) != 0)
		return false;
	for (i = 0; i < 2; i++)
	{
		fcntl(ends[i], F_SETFD, FD_CLOEXEC);
		fcntl(ends[i], F_SETFL, O_NONBLOCK);
	}
	loop->signals.fd = ends[0];
	loop->signals.fn = tell_signals;
	loop->signals.arg = loop;
	signal_pipe = ends[1];
	return client_loop_watch(loop, &loop->signals, CLIENT_READABLE);
}

bool
client_loop_signal(ClientLoop *loop, int signo, ClientSignalFn fn, void *arg)
{
	SignalWatch *watch;
	struct sigaction action;

	assert(signo > 0 && signo < MAX_SIGNAL);
	watch = &loop->watched[signo];
	assert(watch->fn == NULL);
	if (!open_signal_pipe(loop))
		return false;
	memset(&action, 0, sizeof(action));
	action.sa_handler = note_signal;
	action.sa_flags = SA_RESTART;
	sigemptyset(&action.sa_mask);
	if (sigaction(signo, &action, &watch->before) != 0)
		return false;
	watch->fn = fn;
	watch->arg = arg;
	return true;
}


/* --- the loop -------------------------------------------------------------- */

void
client_loop_run(ClientLoop *loop)
{
	loop->stopped = false;
	while (!loop->stopped)
	{
		loop->nevents = poller_wait(loop->poller, loop->events, wait_time(loop));
		loop->now = monotonic_ms();
		tell_events(loop);
		call_timers(loop);
	}
}

void
client_loop_free(ClientLoop *loop)
{
	int			signo;

	assert(loop->ntimers == 0);
	for (signo = 1; signo < MAX_SIGNAL; signo++)
		if (loop->watched[signo].fn)
			sigaction(signo, &loop->watched[signo].before, NULL);
	if (loop->signals.fd >= 0)
	{
		close(loop->signals.fd);
		close(signal_pipe);
		signal_pipe = -1;
	}
	close(loop->poller);
	free(loop->heap);
	free(loop);
}
