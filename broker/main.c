/*-------------------------------------------------------------------------
 *
 * main.c
 *	  eventlog-broker: speaks Kafka's protocol to clients, and PostgreSQL's to
 *	  the server where the log is.
 *
 * IDENTIFICATION
 *	  broker/main.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "broker/check.h"
#include "broker/connection.h"
#include "broker/listener.h"
#include "broker/pool.h"
#include "broker/reads.h"
#include "broker/sasl.h"
#include "broker/service.h"
#include "broker/settings.h"
#include "broker/status.h"
#include "broker/watch.h"
#include "client/log.h"
#include "client/options.h"

#ifndef EVENTLOG_VERSION
#define EVENTLOG_VERSION "unknown"
#endif

#define SWEEP_MS		5000
#define DRAIN_MS		10000	/* for answers in hand, at the end */

BrokerSettings settings;

static bool help;
static bool check;
static bool version;
static char *config_file;

static const char *const authentications[] = {"none", "plain", NULL};
static const char *const value_types[] = {"bytea", "json", "text", NULL};

static ClientOption table[] = {
	{.name = "conninfo",.type = CLIENT_OPTION_STRING,.value = &settings.conninfo,.initial = "",.max = 8192,
	.help = "connection string of PostgreSQL, as of libpq; several hosts and target_session_attrs are followed"},
	{.name = "listeners",.type = CLIENT_OPTION_STRING,.value = &settings.listeners,.initial = "127.0.0.1:9092",.max = 4096,
	.help = "addresses for clients, host:port, ...; see authentication"},
	{.name = "advertised_listeners",.type = CLIENT_OPTION_STRING,.value = &settings.advertised_listeners,.initial = "",.max = 4096,
	.help = "addresses that clients are told, one for each of listeners; default: the same"},
	{.name = "authentication",.type = CLIENT_OPTION_ENUM,.value = &settings.authentication,.initial = "none",.choices = authentications,
	.help = "plain: clients log in by SASL PLAIN, with name and password of a PostgreSQL role"},
	{.name = "insecure",.type = CLIENT_OPTION_BOOL,.value = &settings.insecure,.initial = "off",
	.help = "plain is allowed on addresses other than loopback, though passwords pass unencrypted"},
	{.name = "topic_schemas",.type = CLIENT_OPTION_STRING,.value = &settings.topic_schemas,.initial = "public",.max = 4096,
	.help = "schemas, in this order, whose topics have their table's name for Kafka"},
	{.name = "auto_create_topics",.type = CLIENT_OPTION_BOOL,.value = &settings.auto_create_topics,.initial = "off",
	.help = "a topic that a client asks for is created, in the first of topic_schemas, if its role may CREATE there"},
	{.name = "default_partitions",.type = CLIENT_OPTION_INT,.value = &settings.default_partitions,.initial = "1",.min = 1,.max = 10000,
	.help = "of topics that clients create"},
	{.name = "default_value_type",.type = CLIENT_OPTION_ENUM,.value = &settings.default_value_type,.initial = "bytea",.choices = value_types,
	.help = "of topics that clients create: bytea takes everything; of json and text each record is checked. Keys are bytea"},
	{.name = "node_id",.type = CLIENT_OPTION_INT,.value = &settings.node_id,.initial = "1",.min = 0,.max = INT32_MAX,
	.help = "what clients know this broker by"},
	{.name = "backends",.type = CLIENT_OPTION_INT,.value = &settings.backends,.initial = "4",.min = 1,.max = 64,
	.help = "connections to PostgreSQL"},
	{.name = "max_connections",.type = CLIENT_OPTION_INT,.value = &settings.max_connections,.initial = "10000",.min = 1,.max = 1000000,
	.help = "of clients"},
	{.name = "max_request_size",.type = CLIENT_OPTION_SIZE,.value = &settings.max_request_size,.initial = "100MB",
	.min = 65536,.max = 1 << 30,.help = "a larger request closes its connection"},
	{.name = "max_requests_in_flight",.type = CLIENT_OPTION_INT,.value = &settings.max_requests_in_flight,.initial = "1000",
	.min = 1,.max = 100000,.help = "of a connection; more are not read until these are answered"},
	{.name = "memory",.type = CLIENT_OPTION_SIZE,.value = &settings.memory,.initial = "512MB",
	.min = 16 << 20,.max = INT64_MAX,.help = "for requests and answers in hand; more requests are not read until there is some"},
	{.name = "fetch_size",.type = CLIENT_OPTION_SIZE,.value = &settings.fetch_size,.initial = "1MB",
	.min = 1024,.max = 64 << 20,.help = "of records in an answer; a batch that is larger comes whole"},
	{.name = "idle_timeout",.type = CLIENT_OPTION_TIME,.value = &settings.idle_timeout,.initial = "10min",
	.min = 1000,.max = INT64_MAX,.help = "after which a silent client's connection is closed"},
	{.name = "request_timeout",.type = CLIENT_OPTION_TIME,.value = &settings.request_timeout,.initial = "30s",
	.min = 1000,.max = INT32_MAX,.help = "that PostgreSQL may take; the client is told to try again then"},
	{.name = "status_listener",.type = CLIENT_OPTION_STRING,.value = &settings.status_listener,.initial = "",.max = 4096,
	.help = "address, host:port, on which /metrics and /health are told by HTTP; for local use, there is no authentication"},
	{.name = "log_level",.type = CLIENT_OPTION_ENUM,.value = &client_log_level,.initial = "info",.choices = client_log_levels,
	.help = "the least that is logged"},
	{.name = "log_format",.type = CLIENT_OPTION_ENUM,.value = &client_log_format,.initial = "text",.choices = client_log_formats,
	.help = "of lines on stderr"},
	{.name = "config",.type = CLIENT_OPTION_STRING,.value = &config_file,.initial = "",.max = 4096,
	.help = "file with these settings, name = value"},
	{.name = "check",.type = CLIENT_OPTION_BOOL,.value = &check,.initial = "off",.flags = CLIENT_OPTION_COMMAND,
	.help = "connects to PostgreSQL, says what is missing there, and ends"},
	{.name = "help",.type = CLIENT_OPTION_BOOL,.value = &help,.initial = "off",.flags = CLIENT_OPTION_COMMAND,
	.help = "shows this"},
	{.name = "version",.type = CLIENT_OPTION_BOOL,.value = &version,.initial = "off",.flags = CLIENT_OPTION_COMMAND,
	.help = "shows the version"},
	{.name = NULL},
};

static ClientOptions options = {"eventlog-broker", "EVENTLOG_BROKER_", table};

static ClientLoop *loop;
static ClientTimer sweep_timer;
static ClientTimer drain_timer;
static bool ending;

static void
on_drained(void *arg)
{
	client_loop_stop(loop);
}

static void
on_sweep(void *arg)
{
	connections_sweep();
	pools_sweep(loop);
	client_log_more(false);
	if (ending && connections_gone())
		client_loop_stop(loop);
	client_timer_start_coarse(loop, &sweep_timer, client_loop_now(loop) + (ending ? 50 : SWEEP_MS));
}

/* SIGTERM, SIGINT: requests in hand are answered; a second one does not wait for that. */
static void
on_signal(void *arg, int signo)
{
	if (ending)
	{
		client_loop_stop(loop);
		return;
	}
	ending = true;
	client_log(CLIENT_INFO, "ending", CLIENT_TEXT("signal", strsignal(signo)));
	service_ending();
	listeners_close(loop);
	connections_drain();
	drain_timer.fn = on_drained;
	client_timer_start(loop, &drain_timer, client_loop_now(loop) + DRAIN_MS);
	client_timer_start(loop, &sweep_timer, client_loop_now(loop));
}

/* As many descriptors as may be needed, if the system lets us. */
static void
raise_descriptors(void)
{
	struct rlimit limit;
	rlim_t		wanted = (rlim_t) settings.max_connections + settings.backends + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= wanted ? wanted : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
		client_log(CLIENT_WARNING, "the system allows fewer descriptors than max_connections needs",
				   CLIENT_INT("descriptors", limit.rlim_cur));
}

/*
 * Frames and results come and go all the time: memory that the C library gives back to
 * the system costs a page fault for each 4 kB when it is wanted again.  So it keeps up to
 * 32 MB, and blocks of up to 4 MB come from there.
 */
static void
keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
#endif
}

int
main(int argc, char **argv)
{
	Pool	   *pool;
	int			problems = client_options_read(&options, argc, argv, stderr);

	if (help)
	{
		client_options_help(&options, stdout);
		return 0;
	}
	if (version)
	{
		printf("eventlog-broker %s\n", EVENTLOG_VERSION);
		return 0;
	}
	if (problems > 0)
		return 2;
	if (check)
		return check_server() ? 0 : 1;
	keep_memory();
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	loop = client_loop_new();
	if (loop == NULL ||
		!client_loop_signal(loop, SIGTERM, on_signal, NULL) ||
		!client_loop_signal(loop, SIGINT, on_signal, NULL))
	{
		client_log(CLIENT_ERROR, "cannot start", CLIENT_TEXT("reason", strerror(errno)));
		return 1;
	}
	client_log(CLIENT_INFO, "starting", CLIENT_TEXT("version", EVENTLOG_VERSION));
	client_options_log(&options);
	pool = pool_new(loop, NULL, NULL);
	watch_start(loop, service_update);
	if (!listeners_open(loop, settings.authentication == AUTHENTICATION_NONE ? pool : NULL) || !status_open(loop))
		return 1;
	service_start(loop);
	sweep_timer.fn = on_sweep;
	client_timer_start(loop, &sweep_timer, client_loop_now(loop) + SWEEP_MS);
	client_loop_run(loop);

	client_timer_stop(loop, &sweep_timer);
	client_timer_stop(loop, &drain_timer);
	service_stop();
	status_close();
	connections_close_all();
	reads_stop();
	client_log(CLIENT_INFO, "ended");
	client_log_more(true);
	watch_stop();
	sasl_stop();
	while (pools != NULL)
		pool_free(pools);
	client_loop_free(loop);
	return 0;
}
