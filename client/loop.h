/*-------------------------------------------------------------------------
 *
 * loop.h
 *	  The event loop of a program: descriptors, timers and signals, one thread.
 *
 * The loop is epoll on Linux and kqueue elsewhere.  What is waited for is in
 * structs of the caller's, which stay where they are until they are taken out
 * of the loop; a callback may take out, or free, any of them, itself too.
 *
 * IDENTIFICATION
 *	  client/loop.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_LOOP_H
#define CLIENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#define CLIENT_READABLE		1
#define CLIENT_WRITABLE		2

/* Timers that need not be exact end on multiples of so many milliseconds. */
#define CLIENT_COARSE_MS	10

typedef struct ClientLoop ClientLoop;

/*
 * events is a set of what was asked for.  A descriptor with an error or a hang-up
 * is told all that was asked for: reading or writing then says what is wrong.
 */
typedef void (*ClientFdFn) (void *arg, int events);
typedef void (*ClientTimerFn) (void *arg);
typedef void (*ClientSignalFn) (void *arg, int signo);

/* A descriptor in the loop.  All zeros: not in it. */
typedef struct ClientFd
{
	int			fd;
	int			wanted;			/* CLIENT_READABLE, CLIENT_WRITABLE */
	ClientFdFn	fn;
	void	   *arg;
} ClientFd;

/* A timer.  All zeros: it does not run. */
typedef struct ClientTimer
{
	int64_t		due;			/* client_loop_now() */
	uint64_t	order;			/* among those due at the same time */
	int			place;			/* in the heap, from 1; 0: it does not run */
	ClientTimerFn fn;
	void	   *arg;
} ClientTimer;

/* NULL, with errno, when the system has no more descriptors. */
extern ClientLoop *client_loop_new(void);

/* Nothing may be in it any more but signals, whose old ways come back. */
extern void client_loop_free(ClientLoop *loop);

/* Waits and calls until client_loop_stop() is called. */
extern void client_loop_run(ClientLoop *loop);
extern void client_loop_stop(ClientLoop *loop);

/* Milliseconds of a monotonic clock, as of the last return from waiting. */
extern int64_t client_loop_now(const ClientLoop *loop);

/*
 * Puts watch->fd into the loop, or changes what is wanted of it.  Of who wants
 * nothing (0), hang-ups are not told either.  The caller closes descriptors,
 * after client_loop_unwatch().  False, with errno, if the system refuses.
 */
extern bool client_loop_watch(ClientLoop *loop, ClientFd *watch, int wanted);

/* Takes it out; it may be out already.  No event of it is told any more. */
extern void client_loop_unwatch(ClientLoop *loop, ClientFd *watch);

/* Starts the timer, or moves it; a time that is past means as soon as possible. */
extern void client_timer_start(ClientLoop *loop, ClientTimer *timer, int64_t due);

/* The same, up to CLIENT_COARSE_MS later, so that many timers are one wake-up. */
extern void client_timer_start_coarse(ClientLoop *loop, ClientTimer *timer, int64_t due);

/* Stops it; it may have stopped already. */
extern void client_timer_stop(ClientLoop *loop, ClientTimer *timer);

/*
 * From now on the signal calls fn from the loop, and nothing else happens at it.
 * There is one loop in a process that has signals.  False, with errno.
 */
extern bool client_loop_signal(ClientLoop *loop, int signo, ClientSignalFn fn, void *arg);

#endif							/* CLIENT_LOOP_H */
