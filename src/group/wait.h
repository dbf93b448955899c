/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Sleeping until there is something to consume.
 *
 * IDENTIFICATION
 *	  src/group/wait.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WAIT_H
#define EL_WAIT_H

#include "postgres.h"

#include "group/member.h"

typedef struct ElWaitState
{
	int			place;			/* in the table of waiters; -1: not registered */
	int64		deadline_ms;	/* monotonic */
	int64		max_poll_ms;	/* the member must be heard of at least this
								 * often */
} ElWaitState;

extern void el_wait_begin(ElWaitState *w, int64 wait_ms);

/*
 * Say what would end the wait, before looking whether it is there already:
 * changes of these groups, and events in what is assigned.
 */
extern void el_wait_register(ElWaitState *w, const ElAssignment *a, int n);

/* The look met a partition with events that another transaction works on: its release ends the wait, too. */
extern void el_wait_want_free(ElWaitState *w);

/*
 * Sleep until signalled, for LOOK_AGAIN_MS (wait.c) at most, and not beyond due
 * (Unix ms; 0: none) or the deadline.  False: the deadline has passed.
 */
extern bool el_wait_sleep(ElWaitState *w, int64 due_ms);
extern void el_wait_end(ElWaitState *w);
extern void el_wait_cleanup(int code, Datum arg);	/* el_wait_end for an
													 * error */

#endif							/* EL_WAIT_H */
