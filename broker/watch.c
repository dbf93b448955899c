/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  The session in which the server tells what changes.
 *
 * _eventlog.broker_watch() does not return; it sends notifications while it runs:
 *
 *	e TOPIC/PARTITION ...	there is more to read, or less (OID and number)
 *	m						topics, or rights, may have changed
 *	h						nothing; every second
 *
 * Until the first one comes, and when none has come for some seconds, the
 * session tells nothing that could be relied on.
 *
 * IDENTIFICATION
 *	  broker/watch.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/binary.h"
#include "broker/cluster.h"
#include "broker/partition.h"
#include "broker/pool.h"
#include "broker/settings.h"
#include "broker/topics.h"
#include "broker/watch.h"
#include "client/log.h"

#define SILENCE		5000		/* milliseconds after which the server is
								 * taken to be gone */
#define PAUSE		1000		/* between tries */

static struct
{
	ClientLoop *loop;
	ClientSession *session;
	ClientTimer timer;
	bool		live;
	uint64_t	era;
	int64_t		last_heard;
	void		(*on_change) (void);	/* of live */
	char		trouble[256];	/* why it is not live */
}			watch;

static const ClientStatement identity_statement = {
	"identity",
	"SELECT s.system_identifier, d.oid::int4 FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()",
	0, NULL
};
static const ClientStatement watch_statement = {"broker_watch", "CALL _eventlog.broker_watch()", 0, NULL};

static void watch_call(void);

/* And roles, perhaps: whoever logs in now is asked for the password again. */
static void
all_topics_changed(void)
{
	for (Pool *pool = pools; pool != NULL; pool = pool->next)
	{
		pool->proven = 0;
		topics_invalidate(pool->topics);
	}
}

/* What was known is as of before; whatever changes from now on is told, or not. */
static void
set_live(bool live)
{
	bool		changed = watch.live != live;

	if (changed)
		client_log(CLIENT_INFO, live ? "changes are told by PostgreSQL" : "changes are not told by PostgreSQL any more");
	watch.live = live;
	watch.era++;
	if (live)
		watch.trouble[0] = '\0';
	all_topics_changed();
	partitions_changed();
	if (changed)
		watch.on_change();
}

static void
note_trouble(const ClientFailure *failure)
{
	snprintf(watch.trouble, sizeof(watch.trouble), "%s", failure->message);
}

static void
on_watch_timer(void *arg)
{
	ClientSessionState state = client_session_state(watch.session);

	if (state == CLIENT_SESSION_READY)
		watch_call();
	else if (state == CLIENT_SESSION_BUSY && client_loop_now(watch.loop) - watch.last_heard > SILENCE)
		client_session_drop(watch.session, "the server has told nothing for too long");
	client_timer_start(watch.loop, &watch.timer, client_loop_now(watch.loop) + PAUSE);
}

static void
on_watch_end(void *arg, PGresult *result, const ClientFailure *failure)
{
	PQclear(result);
	if (failure != NULL)
	{
		note_trouble(failure);
		client_log_limited(CLIENT_WARNING, "PostgreSQL cannot be watched",
						   CLIENT_TEXT("sqlstate", failure->sqlstate),
						   CLIENT_TEXT("reason", failure->message),
						   CLIENT_TEXT("hint", failure->hint));
	}
	if (watch.live)
		set_live(false);
}

static void
on_identity(void *arg, PGresult *result, const ClientFailure *failure)
{
	if (result != NULL && PQntuples(result) == 1)
		cluster_set_id((uint64_t) binary_int64(result, 0, 0, 0),
					   (uint32_t) binary_int32(result, 0, 1, 0));
	else if (failure != NULL)
		client_log_limited(CLIENT_WARNING, "the cluster's identity cannot be read", CLIENT_TEXT("reason", failure->message));
	PQclear(result);
	if (failure == NULL)
		client_session_call(watch.session, &watch_statement, NULL, 0, on_watch_end, NULL);
}

static void
watch_call(void)
{
	watch.last_heard = client_loop_now(watch.loop);
	client_session_call(watch.session, &identity_statement, NULL, settings.request_timeout, on_identity, NULL);
}

static void
on_watch_state(void *arg, ClientSessionState state, const ClientFailure *failure)
{
	if (state == CLIENT_SESSION_READY)
		watch_call();
	else if (failure != NULL)
		note_trouble(failure);
}

static void
on_notify(void *arg, const char *channel, const char *payload)
{
	watch.last_heard = client_loop_now(watch.loop);
	if (!watch.live)
	{
		set_live(true);
		return;
	}
	if (payload[0] == 'm')
		all_topics_changed();
	else if (payload[0] == 'e')
	{
		const char *p = payload + 1;

		while (*p == ' ')
		{
			char	   *end;
			unsigned long relid = strtoul(p + 1, &end, 10);
			long		partition;

			if (*end != '/')
				break;
			partition = strtol(end + 1, &end, 10);
			partition_changed((Oid) relid, (int32_t) partition);
			p = end;
		}
		if (*p != '\0')
			partitions_changed();	/* a word that we do not know, like "all" */
	}
}

void
watch_start(ClientLoop *loop, void (*on_change) (void))
{
	ClientSessionConfig config = {
		.conninfo = settings.conninfo,
		.application_name = "eventlog-broker watch",
		.on_state = on_watch_state,
		.on_notify = on_notify,
	};

	watch.loop = loop;
	watch.on_change = on_change;
	watch.timer.fn = on_watch_timer;
	watch.session = client_session_new(loop, &config);
	client_timer_start(loop, &watch.timer, client_loop_now(loop) + PAUSE);
}

void
watch_stop(void)
{
	client_timer_stop(watch.loop, &watch.timer);
	client_session_free(watch.session);
	watch.session = NULL;
}

bool
watch_is_live(void)
{
	return watch.live;
}

const char *
watch_trouble(void)
{
	return watch.trouble;
}

uint64_t
watch_era(void)
{
	return watch.era;
}
