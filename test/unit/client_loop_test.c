/*-------------------------------------------------------------------------
 *
 * client_loop_test.c
 *	  The event loop: descriptors, timers, signals.
 *
 * IDENTIFICATION
 *	  test/unit/client_loop_test.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "client/loop.h"

static ClientLoop *loop;
static ClientTimer end;			/* of a test that may have nothing left to do */

static void
stop(void *arg)
{
	(void) arg;
	client_loop_stop(loop);
}

static void
run_for(int64_t ms)
{
	end.fn = stop;
	client_timer_start(loop, &end, client_loop_now(loop) + ms);
	client_loop_run(loop);
	client_timer_stop(loop, &end);
}

/* Processor time of this process, in microseconds. */
static int64_t
work_done(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* Two ends that are connected; nonblocking. */
static void
open_pair(int *ends)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
	{
		perror("socketpair");
		exit(2);
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
}

/* --- descriptors ----------------------------------------------------------- */

typedef struct End
{
	ClientFd	watch;
	int			calls;
	int			events;
	int			bytes;
	struct End *victim;			/* taken out, closed and freed at the first
								 * event */
} End;

static void
free_end(End *e)
{
	client_loop_unwatch(loop, &e->watch);
	close(e->watch.fd);
	free(e);
}

static void
on_event(void *arg, int events)
{
	End		   *e = arg;
	char		buf[512];
	ssize_t		n;

	e->calls++;
	e->events = events;
	while ((events & CLIENT_READABLE) && (n = read(e->watch.fd, buf, sizeof(buf))) > 0)
		e->bytes += (int) n;
	if (e->victim)
		free_end(e->victim);
	e->victim = NULL;
}

static End *
new_end(int fd)
{
	End		   *e = xmalloc(sizeof(End));

	memset(e, 0, sizeof(End));
	e->watch.fd = fd;
	e->watch.fn = on_event;
	e->watch.arg = e;
	return e;
}

static void
send_byte(int fd)
{
	CHECK(write(fd, "x", 1) == 1);
}

static void
test_descriptors(void)
{
	int			ends[2];
	End		   *e;

	open_pair(ends);
	e = new_end(ends[0]);
	CHECK(client_loop_watch(loop, &e->watch, CLIENT_READABLE));
	run_for(5);
	CHECK(e->calls == 0);
	send_byte(ends[1]);
	run_for(5);
	CHECK(e->calls == 1 && e->events == CLIENT_READABLE && e->bytes == 1);

	CHECK(client_loop_watch(loop, &e->watch, CLIENT_WRITABLE));
	send_byte(ends[1]);
	e->calls = 0;
	run_for(0);
	CHECK(e->calls >= 1 && e->events == CLIENT_WRITABLE && e->bytes == 1);

	/* nobody who stops to read is told what comes */
	CHECK(client_loop_watch(loop, &e->watch, 0));
	e->calls = 0;
	run_for(5);
	CHECK(e->calls == 0);
	CHECK(client_loop_watch(loop, &e->watch, CLIENT_READABLE));
	run_for(5);
	CHECK(e->bytes == 2);

	client_loop_unwatch(loop, &e->watch);
	client_loop_unwatch(loop, &e->watch);
	send_byte(ends[1]);
	e->calls = 0;
	run_for(5);
	CHECK(e->calls == 0);
	free_end(e);
	close(ends[1]);
}

/* A peer that hangs up while nothing is wanted of it must not make the loop spin. */
static void
test_hang_up(void)
{
	int			ends[2];
	End		   *e;
	int64_t		before;

	open_pair(ends);
	e = new_end(ends[0]);
	CHECK(client_loop_watch(loop, &e->watch, CLIENT_READABLE));
	CHECK(client_loop_watch(loop, &e->watch, 0));
	close(ends[1]);
	before = work_done();
	run_for(300);
	CHECK(e->calls == 0);
	CHECK(work_done() - before < 100000);

	/* who wants to write is told that there is something to be known */
	CHECK(client_loop_watch(loop, &e->watch, CLIENT_WRITABLE));
	run_for(0);
	CHECK(e->calls > 0 && e->events == CLIENT_WRITABLE);
	free_end(e);
}

/* A callback frees another descriptor whose event is found already, and a new one gets its number. */
static void
test_freed_in_callback(void)
{
	int			i;

	for (i = 0; i < 2; i++)
	{
		int			a[2],
					b[2];
		End		   *first,
				   *second;

		open_pair(a);
		open_pair(b);
		first = new_end(a[0]);
		second = new_end(b[0]);
		CHECK(client_loop_watch(loop, &first->watch, CLIENT_READABLE));
		CHECK(client_loop_watch(loop, &second->watch, CLIENT_READABLE));
		/* whichever comes first frees the other */
		if (i == 0)
			first->victim = second;
		else
			second->victim = first;
		send_byte(i == 0 ? a[1] : b[1]);
		send_byte(i == 0 ? b[1] : a[1]);
		run_for(5);
		CHECK((i == 0 ? first : second)->calls == 1);
		free_end(i == 0 ? first : second);
		close(a[1]);
		close(b[1]);
	}
}

static void
silence(void *arg, int events)
{
	End		   *e = arg;

	e->calls++;
	CHECK(events != 0);
	client_loop_watch(loop, &e->victim->watch, 0);
}

/* A callback decides that nothing more is wanted of another whose event is found already. */
static void
test_silenced_in_callback(void)
{
	int			a[2],
				b[2];
	End		   *first,
			   *second;

	open_pair(a);
	open_pair(b);
	first = new_end(a[0]);
	second = new_end(b[0]);
	first->watch.fn = second->watch.fn = silence;
	first->victim = second;
	second->victim = first;
	CHECK(client_loop_watch(loop, &first->watch, CLIENT_WRITABLE));
	CHECK(client_loop_watch(loop, &second->watch, CLIENT_WRITABLE));
	run_for(0);
	CHECK((first->calls == 0) != (second->calls == 0));
	free_end(first);
	free_end(second);
	close(a[1]);
	close(b[1]);
}

static void
free_itself(void *arg, int events)
{
	(void) events;
	free_end(arg);
}

static void
test_frees_itself(void)
{
	int			ends[2];
	End		   *e;

	open_pair(ends);
	e = new_end(ends[0]);
	e->watch.fn = free_itself;
	CHECK(client_loop_watch(loop, &e->watch, CLIENT_READABLE));
	send_byte(ends[1]);
	run_for(5);
	CHECK(write(ends[1], "x", 1) < 0 && errno == EPIPE);
	close(ends[1]);
}

/* A number that was closed and is another socket now: it is watched anew. */
static void
test_number_again(void)
{
	int			a[2],
				b[2];
	End		   *e;

	open_pair(a);
	e = new_end(a[0]);
	CHECK(client_loop_watch(loop, &e->watch, CLIENT_READABLE));
	close(a[0]);
	client_loop_unwatch(loop, &e->watch);
	open_pair(b);
	if (b[0] != a[0])
	{
		CHECK(dup2(b[0], a[0]) == a[0]);
		close(b[0]);
	}
	CHECK(client_loop_watch(loop, &e->watch, CLIENT_READABLE));
	send_byte(b[1]);
	run_for(5);
	CHECK(e->bytes == 1);
	free_end(e);
	close(a[1]);
	close(b[1]);
}

/* As many as the system lets this process have, up to 10,000: each byte arrives where it belongs. */
static void
test_many_descriptors(void)
{
	struct rlimit limit;
	int			n = 10000;
	int			i,
				round,
				wrong = 0;
	End		  **all;
	int		   *others;
	int64_t		before;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur != RLIM_INFINITY && (rlim_t) n * 2 + 100 > limit.rlim_cur)
		n = (int) limit.rlim_cur / 2 - 100;
	all = xmalloc((size_t) n * sizeof(End *));
	others = xmalloc((size_t) n * sizeof(int));
	for (i = 0; i < n; i++)
	{
		int			ends[2];

		open_pair(ends);
		all[i] = new_end(ends[0]);
		others[i] = ends[1];
		CHECK(client_loop_watch(loop, &all[i]->watch, CLIENT_READABLE));
	}
	for (i = 0; i < n; i += 3)
		send_byte(others[i]);
	for (round = 0; round < 100 && (round == 0 || wrong > 0); round++)
	{
		run_for(100);
		for (i = 0, wrong = 0; i < n; i++)
			wrong += all[i]->bytes != (i % 3 == 0);
	}
	CHECK(wrong == 0);

	/* idle ones cost nothing */
	before = work_done();
	run_for(500);
	CHECK(work_done() - before < 50000);
	printf("%d descriptors\n", n);
	for (i = 0; i < n; i++)
	{
		free_end(all[i]);
		close(others[i]);
	}
	free(all);
	free(others);
}

/* --- timers ---------------------------------------------------------------- */

#define NTIMERS 500

typedef struct Alarm
{
	ClientTimer timer;
	int64_t		due;			/* 0: it must not come */
	int			rang;
	bool		late;
} Alarm;

static int64_t last_due;
static int	out_of_order;

static void
on_alarm(void *arg)
{
	Alarm	   *a = arg;

	a->rang++;
	out_of_order += a->due < last_due;
	last_due = a->due;
	a->late = client_loop_now(loop) < a->due;
}

/* Timers start, move and stop at random, and come in order: each once, none early. */
static void
test_timers(void)
{
	static Alarm alarms[NTIMERS];
	int64_t		base = client_loop_now(loop) + 100;
	int			i,
				wrong = 0;

	memset(alarms, 0, sizeof(alarms));
	for (i = 0; i < 20000; i++)
	{
		Alarm	   *a = &alarms[random_below(NTIMERS)];

		a->timer.fn = on_alarm;
		a->timer.arg = a;
		if (random_below(4) == 0)
		{
			client_timer_stop(loop, &a->timer);
			a->due = 0;
		}
		else
		{
			a->due = base + (int64_t) random_below(100);
			client_timer_start(loop, &a->timer, a->due);
		}
	}
	last_due = 0;
	out_of_order = 0;
	run_for(300);
	for (i = 0; i < NTIMERS; i++)
		wrong += alarms[i].rang != (alarms[i].due != 0) || alarms[i].late;
	CHECK(wrong == 0);
	CHECK(out_of_order == 0);
}

static int	rung[100];
static int	nrung;

static void
note_number(void *arg)
{
	rung[nrung++] = *(int *) arg;
}

/* Those of the same time come in the order in which they were started. */
static void
test_same_time(void)
{
	static ClientTimer timers[100];
	static int	numbers[100];
	int64_t		due = client_loop_now(loop) + 5;
	int			i,
				wrong = 0;

	for (i = 0; i < 100; i++)
	{
		numbers[i] = i;
		timers[i].fn = note_number;
		timers[i].arg = &numbers[i];
		client_timer_start(loop, &timers[i], due);
	}
	run_for(20);
	for (i = 0; i < 100; i++)
		wrong += rung[i] != i;
	CHECK(nrung == 100 && wrong == 0);
}

typedef struct Greedy
{
	ClientTimer timer;
	int			rang;
} Greedy;

/* Who is due again at once does not keep others from their turn. */
static void
on_greedy(void *arg)
{
	Greedy	   *g = arg;

	g->rang++;
	client_timer_start(loop, &g->timer, 0);
}

static void
test_no_starving(void)
{
	Greedy		greedy = {{0}, 0};
	Alarm		other = {{0}, 0, 0, false};
	int			ends[2];
	End		   *e;

	open_pair(ends);
	e = new_end(ends[0]);
	client_loop_watch(loop, &e->watch, CLIENT_READABLE);
	send_byte(ends[1]);
	greedy.timer.fn = on_greedy;
	greedy.timer.arg = &greedy;
	client_timer_start(loop, &greedy.timer, 0);
	other.timer.fn = on_alarm;
	other.timer.arg = &other;
	other.due = client_loop_now(loop) + 1;
	client_timer_start(loop, &other.timer, other.due);
	run_for(20);
	CHECK(greedy.rang > 1);
	CHECK(other.rang == 1);
	CHECK(e->bytes == 1);
	client_timer_stop(loop, &greedy.timer);
	free_end(e);
	close(ends[1]);
}

static int64_t wake_ups[100];
static int	nwake_ups;

static void
note_wake_up(void *arg)
{
	(void) arg;
	if (nwake_ups == 0 || wake_ups[nwake_ups - 1] != client_loop_now(loop))
		wake_ups[nwake_ups++] = client_loop_now(loop);
}

/* A hundred coarse timers within 50 ms are a few wake-ups. */
static void
test_coarse(void)
{
	static ClientTimer timers[100];
	int64_t		now;
	int			i;

	run_for(0);
	now = client_loop_now(loop);
	memset(timers, 0, sizeof(timers));
	nwake_ups = 0;
	for (i = 0; i < 100; i++)
	{
		timers[i].fn = note_wake_up;
		client_timer_start_coarse(loop, &timers[i], now + 1 + i / 2);
		CHECK(timers[i].due >= now + 1 + i / 2 && timers[i].due < now + 1 + i / 2 + CLIENT_COARSE_MS);
	}
	run_for(100);
	CHECK(nwake_ups > 0 && nwake_ups <= 7);
}

/* --- signals --------------------------------------------------------------- */

static int	told[65];

static void
on_signal(void *arg, int signo)
{
	CHECK(arg == told);
	told[signo]++;
}

static void
raise_some(void *arg)
{
	(void) arg;
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR2);
}

static void
test_signals(void)
{
	ClientTimer timer = {0};
	struct sigaction action;
	int			i;

	CHECK(client_loop_signal(loop, SIGUSR1, on_signal, told));
	CHECK(client_loop_signal(loop, SIGUSR2, on_signal, told));
	raise(SIGUSR1);
	CHECK(told[SIGUSR1] == 0);
	run_for(5);
	CHECK(told[SIGUSR1] == 1);
	timer.fn = raise_some;
	client_timer_start(loop, &timer, client_loop_now(loop) + 2);
	run_for(20);
	CHECK(told[SIGUSR1] == 2);
	CHECK(told[SIGUSR2] == 1);

	/* more than the pipe holds */
	for (i = 0; i < 100000; i++)
		raise(SIGUSR1);
	raise(SIGUSR2);
	run_for(5);
	CHECK(told[SIGUSR1] == 3);
	CHECK(told[SIGUSR2] == 2);

	client_loop_free(loop);
	sigaction(SIGUSR1, NULL, &action);
	CHECK(action.sa_handler == SIG_DFL);
	loop = client_loop_new();
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	loop = client_loop_new();
	if (loop == NULL)
	{
		perror("client_loop_new");
		return 2;
	}
	test_descriptors();
	test_hang_up();
	test_freed_in_callback();
	test_frees_itself();
	test_silenced_in_callback();
	test_number_again();
	test_many_descriptors();
	test_timers();
	test_same_time();
	test_no_starving();
	test_coarse();
	test_signals();
	client_loop_free(loop);
	return check_summary();
}
