/*-------------------------------------------------------------------------
 *
 * service.c
 *	  What the broker tells systemd, if that has started it: sd_notify(3).
 *
 *	READY=1		it listens, and PostgreSQL tells its changes for the first time
 *	STATUS=		what "systemctl status" shows
 *	WATCHDOG=1	the event loop turns; twice in the time that systemd waits
 *	STOPPING=1	no more clients; the answers in hand are finished
 *
 * It is not ready before PostgreSQL answers, since what is started after it could
 * not use it, and since a start with a wrong connection string is one that has
 * failed.  When PostgreSQL goes away later it stays a service that is up: it
 * keeps its clients, and a restart would only lose them.
 *
 * IDENTIFICATION
 *	  broker/service.c
 *
 *-------------------------------------------------------------------------
 */
#include "broker/service.h"

#ifdef WITH_SYSTEMD

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "broker/connection.h"
#include "broker/watch.h"

#define STATUS_MS	5000		/* between looks at what STATUS= says */

static ClientLoop *the_loop;	/* NULL: nobody is told */
static ClientTimer watchdog_timer;
static ClientTimer status_timer;
static int64_t half;			/* of the time in which the watchdog wants to
								 * be told */
static bool ready;
static bool ending;
static char told[512];			/* STATUS= */

/* A status is a line. */
static void
tell_status(void)
{
	char		status[sizeof(told)];
	const char *trouble = watch_trouble();

	if (ending)
		snprintf(status, sizeof(status), "ending: answers in hand are finished");
	else if (watch_is_live())
		snprintf(status, sizeof(status), "serving, clients: %lld", (long long) connection_counts.connections);
	else
		snprintf(status, sizeof(status), "no connection to PostgreSQL, clients: %lld%s%s",
				 (long long) connection_counts.connections, trouble[0] ? ": " : "", trouble);
	for (char *p = status; *p; p++)
		if (iscntrl((unsigned char) *p))
			*p = ' ';
	if (strcmp(status, told) == 0)
		return;
	strcpy(told, status);
	sd_notifyf(0, "STATUS=%s", status);
}

static void
on_status_timer(void *arg)
{
	tell_status();
	client_timer_start_coarse(the_loop, &status_timer, client_loop_now(the_loop) + STATUS_MS);
}

static void
on_watchdog_timer(void *arg)
{
	sd_notify(0, "WATCHDOG=1");
	client_timer_start(the_loop, &watchdog_timer, client_loop_now(the_loop) + half);
}

void
service_start(ClientLoop *loop)
{
	uint64_t	usec = 0;

	if (getenv("NOTIFY_SOCKET") == NULL)
		return;
	the_loop = loop;
	status_timer.fn = on_status_timer;
	client_timer_start(loop, &status_timer, client_loop_now(loop));
	if (sd_watchdog_enabled(0, &usec) <= 0)
		return;
	half = usec / 2000;
	watchdog_timer.fn = on_watchdog_timer;
	client_timer_start(loop, &watchdog_timer, client_loop_now(loop) + half);
}

void
service_update(void)
{
	if (the_loop == NULL)
		return;
	if (watch_is_live() && !ready)
	{
		ready = true;
		sd_notify(0, "READY=1");
	}
	tell_status();
}

void
service_ending(void)
{
	if (the_loop == NULL)
		return;
	ending = true;
	sd_notify(0, "STOPPING=1");
	tell_status();
}

void
service_stop(void)
{
	if (the_loop == NULL)
		return;
	client_timer_stop(the_loop, &status_timer);
	client_timer_stop(the_loop, &watchdog_timer);
	the_loop = NULL;
}

#else

void
service_start(ClientLoop *loop)
{
}

void
service_update(void)
{
}

void
service_ending(void)
{
}

void
service_stop(void)
{
}

#endif
