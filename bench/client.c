/*-------------------------------------------------------------------------
 *
 * client.c
 *	  The benchmark's clients: produce and consume as fast as it goes, produce
 *	  by the clock, follow and tell latencies, wait together for one event.
 *
 *	client produce FILE TOPIC EVENTS BATCH DEPTH
 *		transactions of BATCH events, each a random line of FILE, DEPTH of them
 *		sent before the first is answered
 *	client consume FUNCTION GROUP TOPIC EVENTS BATCH
 *		FUNCTION is consume or consume_bytes; commits each batch
 *	client paced TOPIC RATE SECONDS CONNECTIONS BATCH
 *		open loop: BATCH events are due every BATCH/RATE seconds, on the
 *		connections in turn; a connection that is late sends at once
 *	client follow GROUP TOPIC EVENTS
 *		the loop of the guide: consume, commit, wait when nothing came
 *	client wake TOPIC CONNECTIONS ROUNDS
 *		as many groups, each waiting; one event for all of them
 *
 * One line of JSON on standard output, or a message and exit code 1.  Events
 * must come in the order of their offsets with none left out, or it is an
 * error.  Times are CLOCK_MONOTONIC, which processes of a machine share; the
 * first second of paced events is not counted.  Connects as PG* variables say.
 *
 * IDENTIFICATION
 *	  bench/client.c
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <libpq-fe.h>

#define MAX_PARTITIONS 4096
#define TEXTOID 25

static void
fail(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
sleep_until(int64_t when)
{
	struct timespec t = {when / 1000000000, when % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* Seconds of processor time of this process so far. */
static double
cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static PGconn *
connect_db(void)
{
	PGconn	   *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
		fail("%s", PQerrorMessage(conn));
	return conn;
}

static PGresult *
checked(PGconn *conn, PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		fail("%s", PQerrorMessage(conn));
	return res;
}

static void
prepare(PGconn *conn, const char *name, const char *query)
{
	PQclear(checked(conn, PQprepare(conn, name, query, 0, NULL)));
}

/* A prepared statement with parameters in text form, its result in binary. */
static PGresult *
execute(PGconn *conn, const char *name, int n, const char *const *params)
{
	return checked(conn, PQexecPrepared(conn, name, n, params, NULL, NULL, 1));
}

/* --- arrays of text in their binary form ------------------------------ */

typedef struct Array
{
	char	   *data;
	size_t		length;
	size_t		room;
} Array;

static void
array_bytes(Array *a, const void *data, size_t n)
{
	if (a->length + n > a->room)
	{
		a->room = (a->length + n) * 2;
		if ((a->data = realloc(a->data, a->room)) == NULL)
			fail("out of memory");
	}
	memcpy(a->data + a->length, data, n);
	a->length += n;
}

static void
array_start(Array *a, int n)
{
	uint32_t	head[] = {htonl(1), htonl(0), htonl(TEXTOID), htonl(n), htonl(1)};

	a->length = 0;
	array_bytes(a, head, sizeof(head));
}

static void
array_add(Array *a, const char *text, size_t n)
{
	uint32_t	length = htonl(n);

	array_bytes(a, &length, sizeof(length));
	array_bytes(a, text, n);
}

/* --- events as they come --------------------------------------------- */

typedef struct Order
{
	int64_t		next[MAX_PARTITIONS];	/* 0: none seen; otherwise 1 + offset */
	int64_t		events;
	int64_t		bytes;
} Order;

/* Columns partition, event_offset and value of a result, wherever they are. */
static void
take(PGresult *res, Order *order)
{
	int			partition_col = PQfnumber(res, "partition");
	int			offset_col = PQfnumber(res, "event_offset");
	int			value_col = PQfnumber(res, "value");

	for (int i = 0; i < PQntuples(res); i++)
	{
		uint32_t	partition;
		uint64_t	offset;

		memcpy(&partition, PQgetvalue(res, i, partition_col), sizeof(partition));
		memcpy(&offset, PQgetvalue(res, i, offset_col), sizeof(offset));
		partition = ntohl(partition);
		offset = be64toh(offset);
		if (partition >= MAX_PARTITIONS)
			fail("partition %u", partition);
		if (order->next[partition] != 0 && order->next[partition] != (int64_t) offset + 1)
			fail("partition %u: offset %lld where %lld should come", partition, (long long) offset,
				 (long long) order->next[partition] - 1);
		order->next[partition] = (int64_t) offset + 2;
		order->events++;
		order->bytes += PQgetlength(res, i, value_col);
	}
}

/* --- latencies --------------------------------------------------------- */

typedef struct Times
{
	int64_t    *ns;
	int64_t		n;
	int64_t		room;
} Times;

static void
times_add(Times *t, int64_t ns)
{
	if (t->n == t->room)
	{
		t->room = t->room * 2 + 1024;
		if ((t->ns = realloc(t->ns, t->room * sizeof(int64_t))) == NULL)
			fail("out of memory");
	}
	t->ns[t->n++] = ns;
}

static int
compare(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

/* Milliseconds. */
static void
times_print(const char *name, Times *t)
{
	const double at[] = {0.5, 0.99, 0.999};
	const char *const names[] = {"p50", "p99", "p99.9"};

	if (t->n == 0)
		fail("no times to tell: run longer");
	qsort(t->ns, t->n, sizeof(int64_t), compare);
	printf(", \"%s\": {", name);
	for (int i = 0; i < 3; i++)
		printf("\"%s\": %.4f, ", names[i], t->ns[(int64_t) (at[i] * (t->n - 1) + 0.5)] / 1e6);
	printf("\"max\": %.4f}", t->ns[t->n - 1] / 1e6);
}

/* --- as fast as it goes ------------------------------------------------ */

#define PRODUCE_ONE "SELECT produce($1::text::regclass, NULL::text, $2::text)"
#define PRODUCE_BATCH "SELECT produce_batch($1::text::regclass, NULL, $2::text[])"

static void
produce(const char *path, const char *topic, int64_t events, int batch, int depth)
{
	PGconn	   *conn = connect_db();
	FILE	   *file = fopen(path, "r");
	char	  **lines = NULL;
	size_t	   *lengths = NULL;
	int			nlines = 0;
	Array		values = {0};
	int64_t		sent = 0;
	int64_t		done = 0;
	int64_t		begin;
	double		spent;
	uint64_t	random = 88172645463325252u;

	for (char *line = NULL;; line = NULL)
	{
		size_t		room = 0;
		ssize_t		n = file ? getline(&line, &room, file) : -1;

		if (n <= 0)
			break;
		if (nlines % 1024 == 0)
		{
			lines = realloc(lines, (nlines + 1024) * sizeof(char *));
			lengths = realloc(lengths, (nlines + 1024) * sizeof(size_t));
		}
		lines[nlines] = line;
		lengths[nlines++] = n - (line[n - 1] == '\n');
	}
	if (nlines == 0)
		fail("%s: no events", path);
	prepare(conn, "produce", PRODUCE_BATCH);
	if (!PQenterPipelineMode(conn))
		fail("%s", PQerrorMessage(conn));

	begin = now();
	spent = cpu();
	while (done < events)
	{
		if (sent < events && sent - done < (int64_t) batch * depth)
		{
			const char *params[] = {topic, NULL};
			int			sizes[] = {0, 0};
			int			formats[] = {0, 1};

			array_start(&values, batch);
			for (int i = 0; i < batch; i++)
			{
				int			line;

				random ^= random << 13;
				random ^= random >> 7;
				random ^= random << 17;
				line = random % nlines;
				array_add(&values, lines[line], lengths[line]);
			}
			params[1] = values.data;
			sizes[1] = values.length;
			if (!PQsendQueryPrepared(conn, "produce", 2, params, sizes, formats, 1) || !PQpipelineSync(conn))
				fail("%s", PQerrorMessage(conn));
			sent += batch;
		}
		else
		{
			/* its row, the end of the statement, the end of the transaction */
			PQclear(checked(conn, PQgetResult(conn)));
			PQclear(PQgetResult(conn));
			PQclear(PQgetResult(conn));
			done += batch;
		}
	}
	printf("{\"events\": %lld, \"seconds\": %.6f, \"client_cpu\": %.6f}\n", (long long) done, (now() - begin) / 1e9, cpu() - spent);
}

static void
consume(const char *function, const char *group, const char *topic, int64_t events, const char *batch)
{
	PGconn	   *conn = connect_db();
	static Order order;
	const char *params[] = {group, topic, batch};
	char		query[200];
	int64_t		begin;
	double		spent;

	snprintf(query, sizeof(query), "SELECT * FROM %s($1, $2::text::regclass, $3::text::bigint, commit => true)", function);
	prepare(conn, "consume", query);
	begin = now();
	spent = cpu();
	while (order.events < events)
	{
		PGresult   *res = execute(conn, "consume", 3, params);

		if (PQntuples(res) == 0)
			fail("the topic ended after %lld events", (long long) order.events);
		take(res, &order);
		PQclear(res);
	}
	printf("{\"events\": %lld, \"bytes\": %lld, \"seconds\": %.6f, \"client_cpu\": %.6f}\n", (long long) order.events,
		   (long long) order.bytes, (now() - begin) / 1e9, cpu() - spent);
}

/* --- by the clock ------------------------------------------------------ */

#define WARM_UP INT64_C(1000000000)

typedef struct Sender
{
	pthread_t	thread;
	PGconn	   *conn;
	const char *topic;
	int64_t		begin;
	int64_t		first;			/* number of its first transaction */
	int64_t		step;			/* from one of its transactions to the next */
	int64_t		transactions;	/* of all senders */
	int64_t		interval;		/* from one transaction to the next, ns */
	int			batch;
	Times		late;			/* from the time it was due until it was sent */
	Times		from_due;
	Times		from_send;
} Sender;

static void *
send_paced(void *arg)
{
	Sender	   *s = arg;
	Array		values = {0};

	prepare(s->conn, "one", PRODUCE_ONE);
	prepare(s->conn, "batch", PRODUCE_BATCH);
	for (int64_t i = s->first; i < s->transactions; i += s->step)
	{
		int64_t		due = s->begin + i * s->interval;
		int64_t		sent;
		int64_t		answered;
		char		value[128];
		const char *params[] = {s->topic, value};
		int			sizes[] = {0, 0};
		int			formats[] = {0, 1};
		int			n;

		sleep_until(due);
		sent = now();
		n = snprintf(value, sizeof(value),
					 "{\"due\":%lld,\"sent\":%lld,\"transaction\":%lld,\"type\":\"order.paid\",\"amount\":1234.50}",
					 (long long) (due < s->begin + WARM_UP ? 0 : due), (long long) sent, (long long) i);
		if (s->batch == 1)
			PQclear(checked(s->conn, PQexecPrepared(s->conn, "one", 2, params, NULL, NULL, 1)));
		else
		{
			array_start(&values, s->batch);
			for (int k = 0; k < s->batch; k++)
				array_add(&values, value, n);
			params[1] = values.data;
			sizes[1] = values.length;
			PQclear(checked(s->conn, PQexecPrepared(s->conn, "batch", 2, params, sizes, formats, 1)));
		}
		answered = now();
		if (due < s->begin + WARM_UP)
			continue;
		times_add(&s->late, sent - due);
		times_add(&s->from_due, answered - due);
		times_add(&s->from_send, answered - sent);
	}
	return NULL;
}

static void
join(Times *all, const Times *some)
{
	for (int64_t i = 0; i < some->n; i++)
		times_add(all, some->ns[i]);
}

static void
paced(const char *topic, double rate, double seconds, int connections, int batch)
{
	Sender	   *senders = calloc(connections, sizeof(Sender));
	Times		late = {0};
	Times		from_due = {0};
	Times		from_send = {0};
	int64_t		transactions = (int64_t) (rate * seconds / batch);
	int64_t		begin;
	double		spent;
	double		took;

	for (int i = 0; i < connections; i++)
		senders[i].conn = connect_db();
	begin = now() + 100000000;
	spent = cpu();
	for (int i = 0; i < connections; i++)
	{
		Sender	   *s = &senders[i];

		s->topic = topic;
		s->begin = begin;
		s->first = i;
		s->step = connections;
		s->transactions = transactions;
		s->interval = (int64_t) (1e9 * batch / rate);
		s->batch = batch;
		if (pthread_create(&s->thread, NULL, send_paced, s))
			fail("no thread");
	}
	for (int i = 0; i < connections; i++)
	{
		pthread_join(senders[i].thread, NULL);
		join(&late, &senders[i].late);
		join(&from_due, &senders[i].from_due);
		join(&from_send, &senders[i].from_send);
	}
	took = (now() - begin) / 1e9;
	printf("{\"events\": %lld, \"seconds\": %.6f, \"client_cpu\": %.6f", (long long) transactions * batch, took, cpu() - spent);
	times_print("late", &late);
	times_print("from_due", &from_due);
	times_print("from_send", &from_send);
	printf("}\n");
}

static int64_t
number_after(const char *value, int length, const char *name)
{
	const char *found = memmem(value, length, name, strlen(name));

	if (found == NULL)
		fail("an event that is not ours: %.*s", length, value);
	return strtoll(found + strlen(name), NULL, 10);
}

static void
follow(const char *group, const char *topic, int64_t events)
{
	PGconn	   *conn = connect_db();
	static Order order;
	Times		from_due = {0};
	Times		from_send = {0};
	const char *params[] = {group, topic};
	int64_t		waits = 0;
	int64_t		last = now();
	double		spent;

	prepare(conn, "consume", "SELECT * FROM consume($1, $2::text::regclass)");
	prepare(conn, "commit", "SELECT commit($1)");
	prepare(conn, "wait", "CALL wait_for_events($1, '1 s')");
	PQclear(execute(conn, "consume", 2, params));	/* joins */
	fputs("ready\n", stderr);
	spent = cpu();
	while (order.events < events)
	{
		PGresult   *res = execute(conn, "consume", 2, params);
		int64_t		here = now();
		int			value_col = PQfnumber(res, "value");
		int			n = PQntuples(res);

		take(res, &order);
		for (int i = 0; i < n; i++)
		{
			const char *value = PQgetvalue(res, i, value_col);
			int			length = PQgetlength(res, i, value_col);
			int64_t		due = number_after(value, length, "\"due\":");

			if (due == 0)
				continue;
			times_add(&from_due, here - due);
			times_add(&from_send, here - number_after(value, length, "\"sent\":"));
		}
		PQclear(res);
		if (n > 0)
		{
			PQclear(execute(conn, "commit", 1, params));
			last = here;
		}
		else
		{
			if (here - last > INT64_C(30000000000))
				fail("%lld events of %lld, and then none for 30 s", (long long) order.events, (long long) events);
			PQclear(execute(conn, "wait", 1, params));
			waits++;
		}
	}
	printf("{\"events\": %lld, \"waits\": %lld, \"client_cpu\": %.6f", (long long) order.events, (long long) waits, cpu() - spent);
	times_print("from_due", &from_due);
	times_print("from_send", &from_send);
	printf("}\n");
}

/* --- one event for many ------------------------------------------------- */

typedef struct Waiter
{
	pthread_t	thread;
	PGconn	   *conn;
	const char *topic;
	int			number;
	int64_t		had;			/* when it had the event */
} Waiter;

static void *
wait_for_one(void *arg)
{
	Waiter	   *w = arg;
	char		group[30];
	const char *params[] = {group, w->topic};
	int			n = 0;

	snprintf(group, sizeof(group), "w%d", w->number);
	while (n == 0)
	{
		PGresult   *res;

		PQclear(execute(w->conn, "wait", 1, params));
		res = execute(w->conn, "consume", 2, params);
		w->had = now();
		n = PQntuples(res);
		PQclear(res);
	}
	if (n != 1)
		fail("%d events instead of 1", n);
	PQclear(execute(w->conn, "commit", 1, params));
	return NULL;
}

static void
wake(const char *topic, int connections, int rounds)
{
	PGconn	   *conn = connect_db();
	Waiter	   *waiters = calloc(connections, sizeof(Waiter));
	Times		times[4] = {0}; /* by round: the first, the middle and the
								 * last waiter, the producer's answer */
	const char *params[] = {topic, "{\"wake\": true}"};
	double		spent = cpu();

	for (int i = 0; i < connections; i++)
	{
		char		group[30];
		const char *consume_params[] = {group, topic};
		Waiter	   *w = &waiters[i];

		snprintf(group, sizeof(group), "w%d", i);
		w->conn = connect_db();
		w->topic = topic;
		w->number = i;
		prepare(w->conn, "consume", "SELECT * FROM consume($1, $2::text::regclass)");
		prepare(w->conn, "commit", "SELECT commit($1)");
		prepare(w->conn, "wait", "CALL wait_for_events($1, '60 s')");
		PQclear(execute(w->conn, "consume", 2, consume_params));
	}
	prepare(conn, "one", PRODUCE_ONE);
	for (int round = 0; round < rounds; round++)
	{
		Times		had = {0};
		int64_t		sent;
		int64_t		answered;

		for (int i = 0; i < connections; i++)
			if (pthread_create(&waiters[i].thread, NULL, wait_for_one, &waiters[i]))
				fail("no thread");
		for (int waiting = 0; waiting < connections;)
		{
			PGresult   *res = checked(conn, PQexec(conn, "SELECT count(*) FROM eventlog_members WHERE state = 'waiting'"));

			waiting = atoi(PQgetvalue(res, 0, 0));
			PQclear(res);
			sleep_until(now() + 5000000);
		}
		sent = now();
		PQclear(execute(conn, "one", 2, params));
		answered = now();
		for (int i = 0; i < connections; i++)
		{
			pthread_join(waiters[i].thread, NULL);
			times_add(&had, waiters[i].had - sent);
		}
		qsort(had.ns, had.n, sizeof(int64_t), compare);
		times_add(&times[0], had.ns[0]);
		times_add(&times[1], had.ns[had.n / 2]);
		times_add(&times[2], had.ns[had.n - 1]);
		times_add(&times[3], answered - sent);
		free(had.ns);
	}
	printf("{\"rounds\": %d, \"client_cpu\": %.6f", rounds, cpu() - spent);
	times_print("first", &times[0]);
	times_print("middle", &times[1]);
	times_print("last", &times[2]);
	times_print("commit", &times[3]);
	printf("}\n");
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "produce") && argc == 7)
		produce(argv[2], argv[3], atoll(argv[4]), atoi(argv[5]), atoi(argv[6]));
	else if (!strcmp(what, "consume") && argc == 7)
		consume(argv[2], argv[3], argv[4], atoll(argv[5]), argv[6]);
	else if (!strcmp(what, "paced") && argc == 7)
		paced(argv[2], atof(argv[3]), atof(argv[4]), atoi(argv[5]), atoi(argv[6]));
	else if (!strcmp(what, "follow") && argc == 5)
		follow(argv[2], argv[3], atoll(argv[4]));
	else if (!strcmp(what, "wake") && argc == 5)
		wake(argv[2], atoi(argv[3]), atoi(argv[4]));
	else
		fail("usage: see the head of client.c");
	return 0;
}
