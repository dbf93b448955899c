/*-------------------------------------------------------------------------
 *
 * frames.c
 *	  Many Kafka clients in one program, for the benchmarks of eventlog-broker:
 *	  frames are made once and sent over and over, so that little of the
 *	  machine goes to the side that is not measured.
 *
 *	  frames produce PORT TOPIC PARTITIONS CONNECTIONS IN_FLIGHT SECONDS RECORDS FILE
 *		  each connection sends batches of RECORDS lines of FILE, to all
 *		  partitions in turn, with up to IN_FLIGHT requests without an answer
 *	  frames wait PORT TOPIC PARTITIONS CONNECTIONS SECONDS MAX_WAIT
 *		  each connection fetches at the end of a partition, where nothing comes,
 *		  and asks again whenever it is told so
 *
 * The first tenth of the time is to warm up.  Prints JSON: requests and seconds
 * of what was measured, requests and bytes of batches in all, milliseconds that
 * answers took, seconds of CPU time.
 *
 * IDENTIFICATION
 *	  bench/frames.c
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define API_PRODUCE			0
#define API_FETCH			1
#define API_LIST_OFFSETS	2

#define MAX_IN_FLIGHT		64
#define MAX_ANSWER			4096	/* those to what is sent here are small */
#define DISTINCT			256 /* batches that are made */
#define MAX_LINE			65536
#define BUCKETS				2000000 /* of 10 microseconds */

typedef struct Buffer
{
	char	   *data;
	size_t		len;
	size_t		size;
} Buffer;

typedef struct Frame
{
	Buffer		bytes;
	size_t		partition_at;	/* where the partition's number stands */
	size_t		batch_bytes;
} Frame;

typedef struct Connection
{
	int			fd;
	int			in_flight;
	int			next;			/* of its requests: chooses batch and
								 * partition */
	int			oldest;			/* ring of the times when requests were sent */
	double		sent[MAX_IN_FLIGHT];
	char		answer[MAX_ANSWER];
	size_t		answer_len;
	char	   *rest;			/* of a frame that did not fit into the socket */
	size_t		rest_len;
	size_t		rest_at;
} Connection;

static const char *topic;
static int	port;
static int	partitions;
static Frame *frames;
static int	n_frames;
static bool producing;
static uint32_t *buckets;

static void
fail(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
wrong(const char *what, int number)
{
	fprintf(stderr, "frames: %s: %d\n", what, number);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *
grow(void *data, size_t size)
{
	data = realloc(data, size);
	if (data == NULL)
		fail("memory");
	return data;
}

/*
 * Bytes of Kafka's protocol: integers are big-endian.
 */
static void
put(Buffer *b, const void *data, size_t len)
{
	if (b->len + len > b->size)
	{
		b->size = 2 * (b->len + len);
		b->data = grow(b->data, b->size);
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void
put8(Buffer *b, int8_t value)
{
	put(b, &value, 1);
}

static void
put16(Buffer *b, int16_t value)
{
	uint16_t	v = htobe16((uint16_t) value);

	put(b, &v, sizeof(v));
}

static void
put32(Buffer *b, int32_t value)
{
	uint32_t	v = htobe32((uint32_t) value);

	put(b, &v, sizeof(v));
}

static void
put64(Buffer *b, int64_t value)
{
	uint64_t	v = htobe64((uint64_t) value);

	put(b, &v, sizeof(v));
}

static void
put_text(Buffer *b, const char *text)
{
	put16(b, (int16_t) strlen(text));
	put(b, text, strlen(text));
}

static void
put_varint(Buffer *b, int32_t value)
{
	uint32_t	v = ((uint32_t) value << 1) ^ (uint32_t) (value >> 31);

	for (; v > 0x7F; v >>= 7)
		put8(b, (int8_t) (v | 0x80));
	put8(b, (int8_t) v);
}

static void
set32(Buffer *b, size_t at, uint32_t value)
{
	value = htobe32(value);
	memcpy(b->data + at, &value, sizeof(value));
}

static int32_t
get32(const char *data)
{
	uint32_t	v;

	memcpy(&v, data, sizeof(v));
	return (int32_t) be32toh(v);
}

static int16_t
get16(const char *data)
{
	uint16_t	v;

	memcpy(&v, data, sizeof(v));
	return (int16_t) be16toh(v);
}

static int64_t
get64(const char *data)
{
	uint64_t	v;

	memcpy(&v, data, sizeof(v));
	return (int64_t) be64toh(v);
}

static uint32_t
crc32c(const char *data, size_t len)
{
	uint32_t	crc = 0xFFFFFFFF;

	for (size_t i = 0; i < len; i++)
	{
		crc ^= (uint8_t) data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78 : 0);
	}
	return ~crc;
}

/* The head of a request; its length is set by end_request(). */
static void
begin_request(Buffer *b, int api, int version)
{
	put32(b, 0);
	put16(b, (int16_t) api);
	put16(b, (int16_t) version);
	put32(b, 0);				/* correlation id */
	put_text(b, "frames");
}

static void
end_request(Buffer *b)
{
	set32(b, 0, (uint32_t) (b->len - 4));
}

/* A record batch of version 2 of these lines, without keys. */
static void
put_batch(Buffer *b, char *const *lines, int records)
{
	size_t		begin = b->len;
	struct timespec t;
	int64_t		ms;

	clock_gettime(CLOCK_REALTIME, &t);
	ms = (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
	put64(b, 0);				/* base offset */
	put32(b, 0);				/* length: below */
	put32(b, -1);				/* leader epoch */
	put8(b, 2);					/* magic */
	put32(b, 0);				/* CRC: below */
	put16(b, 0);				/* attributes */
	put32(b, records - 1);		/* last offset delta */
	put64(b, ms);
	put64(b, ms);
	put64(b, -1);				/* producer id */
	put16(b, -1);				/* its epoch */
	put32(b, -1);				/* sequence */
	put32(b, records);
	for (int i = 0; i < records; i++)
	{
		static Buffer record;

		record.len = 0;
		put8(&record, 0);
		put_varint(&record, 0); /* timestamp delta */
		put_varint(&record, i);
		put_varint(&record, -1);	/* no key */
		put_varint(&record, (int32_t) strlen(lines[i]));
		put(&record, lines[i], strlen(lines[i]));
		put_varint(&record, 0); /* headers */
		put_varint(b, (int32_t) record.len);
		put(b, record.data, record.len);
	}
	set32(b, begin + 8, (uint32_t) (b->len - begin - 12));
	set32(b, begin + 17, crc32c(b->data + begin + 21, b->len - begin - 21));
}

/* The frames of producers, one for each of DISTINCT batches; partition_at is set in each. */
static void
make_produce_frames(const char *path, int records)
{
	FILE	   *file = fopen(path, "r");
	char	  **lines = grow(NULL, sizeof(char *) * (size_t) records);
	static char line[MAX_LINE];

	if (file == NULL)
		fail(path);
	n_frames = DISTINCT;
	frames = calloc(DISTINCT, sizeof(Frame));
	if (frames == NULL)
		fail("memory");
	for (int i = 0; i < DISTINCT; i++)
	{
		Buffer	   *b = &frames[i].bytes;
		size_t		batch;

		for (int n = 0; n < records; n++)
		{
			if (fgets(line, sizeof(line), file) == NULL)
			{
				rewind(file);
				if (fgets(line, sizeof(line), file) == NULL)
					fail(path);
			}
			line[strcspn(line, "\n")] = '\0';
			lines[n] = strdup(line);
		}
		begin_request(b, API_PRODUCE, 7);
		put16(b, -1);			/* no transaction */
		put16(b, -1);			/* acks */
		put32(b, 30000);		/* timeout */
		put32(b, 1);
		put_text(b, topic);
		put32(b, 1);
		frames[i].partition_at = b->len;
		put32(b, 0);
		put32(b, 0);
		batch = b->len;
		put_batch(b, lines, records);
		frames[i].batch_bytes = b->len - batch;
		set32(b, batch - 4, (uint32_t) frames[i].batch_bytes);
		end_request(b);
		for (int n = 0; n < records; n++)
			free(lines[n]);
	}
	free(lines);
	fclose(file);
}

static int
connect_to_port(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,.sin_port = htons((uint16_t) port),.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int			fd = socket(AF_INET, SOCK_STREAM, 0);
	int			on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *) &to, sizeof(to)) != 0)
		fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* Reads so many bytes of a blocking socket. */
static void
receive(int fd, char *data, size_t len)
{
	for (size_t at = 0; at < len;)
	{
		ssize_t		n = recv(fd, data + at, len - at, 0);

		if (n <= 0)
			fail("recv");
		at += (size_t) n;
	}
}

/* The offset at which a partition ends, by ListOffsets. */
static int64_t
end_of_partition(int fd, int partition)
{
	Buffer		b = {0};
	char		answer[MAX_ANSWER];
	size_t		len,
				at = 4 + 4 + 2 + strlen(topic) + 4; /* correlation, topics,
													 * name, partitions */

	begin_request(&b, API_LIST_OFFSETS, 1);
	put32(&b, -1);
	put32(&b, 1);
	put_text(&b, topic);
	put32(&b, 1);
	put32(&b, partition);
	put64(&b, -1);
	end_request(&b);
	if (send(fd, b.data, b.len, 0) != (ssize_t) b.len)
		fail("send");
	free(b.data);
	receive(fd, answer, 4);
	len = (size_t) get32(answer);
	if (len > sizeof(answer) || len < at + 4 + 2 + 8 + 8)
		wrong("bytes of an answer to ListOffsets", (int) len);
	receive(fd, answer, len);
	if (get16(answer + at + 4) != 0)
		wrong("ListOffsets is answered with error", get16(answer + at + 4));
	return get64(answer + at + 4 + 2 + 8);
}

/* The frames of readers: a fetch at the end of each partition. */
static void
make_fetch_frames(int max_wait)
{
	int			fd = connect_to_port();

	n_frames = partitions;
	frames = calloc((size_t) partitions, sizeof(Frame));
	if (frames == NULL)
		fail("memory");
	for (int i = 0; i < partitions; i++)
	{
		Buffer	   *b = &frames[i].bytes;

		begin_request(b, API_FETCH, 11);
		put32(b, -1);			/* replica */
		put32(b, max_wait);
		put32(b, 1);			/* bytes at least */
		put32(b, 50 << 20);		/* at most */
		put8(b, 0);				/* isolation */
		put32(b, 0);			/* no session */
		put32(b, -1);
		put32(b, 1);
		put_text(b, topic);
		put32(b, 1);
		frames[i].partition_at = b->len;
		put32(b, i);
		put32(b, -1);			/* leader epoch */
		put64(b, end_of_partition(fd, i));
		put64(b, -1);			/* log start */
		put32(b, 1 << 20);
		put32(b, 0);			/* none forgotten */
		put_text(b, "");		/* rack */
		end_request(b);
	}
	close(fd);
}

static int	epoll;

static void
watch(Connection *c, uint32_t events, int how)
{
	struct epoll_event event = {.events = events,.data.ptr = c};

	if (epoll_ctl(epoll, how, c->fd, &event) != 0)
		fail("epoll_ctl");
}

/* Sends what is left of a frame; false: the socket is full. */
static bool
send_rest(Connection *c)
{
	while (c->rest_at < c->rest_len)
	{
		ssize_t		n = send(c->fd, c->rest + c->rest_at, c->rest_len - c->rest_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && errno != EINTR)
			fail("send");
		if (n > 0)
			c->rest_at += (size_t) n;
	}
	c->rest_len = c->rest_at = 0;
	return true;
}

static uint64_t requests;
static uint64_t batch_bytes;

/* The next requests of a connection, in one piece; its socket may take some of it later. */
static void
send_requests(Connection *c, int number, int n, double at)
{
	struct iovec pieces[MAX_IN_FLIGHT] = {0};
	ssize_t		len = 0;
	ssize_t		sent;

	for (int i = 0; i < n; i++)
	{
		/* another frame for each of them: they are sent together */
		Frame	   *frame = &frames[producing ? (number * 31 + c->next) % n_frames : number % n_frames];

		if (producing)
			set32(&frame->bytes, frame->partition_at, (uint32_t) ((number + c->next) % partitions));
		set32(&frame->bytes, 8, (uint32_t) c->next);
		pieces[i] = (struct iovec)
		{
			frame->bytes.data, frame->bytes.len
		};
		len += (ssize_t) frame->bytes.len;
		c->next++;
		c->sent[(c->oldest + c->in_flight) % MAX_IN_FLIGHT] = at;
		c->in_flight++;
		batch_bytes += frame->batch_bytes;
	}
	requests += (uint64_t) n;
	sent = writev(c->fd, pieces, n);
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		fail("send");
	if (sent < 0)
		sent = 0;
	if (sent < len)
	{
		c->rest_len = (size_t) (len - sent);
		c->rest = grow(c->rest, c->rest_len);
		for (int i = n - 1; i >= 0; i--)
		{
			size_t		left = pieces[i].iov_len < (size_t) (len - sent) ? pieces[i].iov_len : (size_t) (len - sent);

			len -= (ssize_t) left;
			memcpy(c->rest + (len - sent), (char *) pieces[i].iov_base + pieces[i].iov_len - left, left);
		}
		watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
	}
}

/* Answers must be those to the oldest request, and say that all is well. */
static void
check_answer(const Connection *c, const char *data, size_t len)
{
	size_t		error_at = producing ? 4 + 4 + 2 + strlen(topic) + 4 + 4 : 4 + 4;

	if (len < error_at + 2)
		wrong("bytes of an answer", (int) len);
	if (get32(data) != c->next - c->in_flight)
		wrong("an answer is not to the oldest request, but to", get32(data));
	if (get16(data + error_at) != 0)
		wrong("a request is answered with error", get16(data + error_at));
	if (!producing)
	{
		/*
		 * throttle, error, session, topics, name, partitions, index, error,
		 * high watermark, stable and start offset
		 */
		size_t		at = 4 + 4 + 2 + 4 + 4 + 2 + strlen(topic) + 4 + 4;

		if (get32(data + 4 + 4 + 2 + 4) == 0)
			return;				/* it may leave out partitions without news */
		if (len < at + 2 || get16(data + at) != 0)
			wrong("a partition is answered with error", len < at + 2 ? -1 : get16(data + at));
		at += 2 + 8 + 8 + 8;	/* aborted transactions, preferred replica,
								 * records */
		if (len < at + 12 || get32(data + at + 4 + 4) > 0)
			wrong("something came to who waits where nothing should, bytes", len < at + 12 ? -1 : get32(data + at + 8));
	}
}

/* Takes the answers that are there; how many. */
static int
take_answers(Connection *c, double at, bool counted)
{
	ssize_t		n = recv(c->fd, c->answer + c->answer_len, sizeof(c->answer) - c->answer_len, 0);
	size_t		done = 0;
	int			found = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		fail(n == 0 ? "a connection was closed" : "recv");
	c->answer_len += (size_t) n;
	while (c->answer_len - done >= 4)
	{
		size_t		len = (size_t) get32(c->answer + done);
		size_t		bucket;

		if (len + 4 > sizeof(c->answer))
			wrong("bytes of an answer", (int) len);
		if (c->answer_len - done < len + 4)
			break;
		check_answer(c, c->answer + done + 4, len);
		done += len + 4;
		found++;
		bucket = (size_t) ((at - c->sent[c->oldest]) * 1e5);
		if (counted)
			buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
		c->oldest = (c->oldest + 1) % MAX_IN_FLIGHT;
		c->in_flight--;
	}
	c->answer_len -= done;
	memmove(c->answer, c->answer + done, c->answer_len);
	return found;
}

/* Milliseconds that this share of the counted answers took at most. */
static double
percentile(uint64_t counted, double share)
{
	uint64_t	sum = 0;
	size_t		i = 0;

	while (i < BUCKETS - 1 && (sum += buckets[i]) <= share * counted)
		i++;
	return (i + 0.5) / 100;
}

static void
run(int n_connections, int in_flight, double seconds)
{
	Connection *connections = calloc((size_t) n_connections, sizeof(Connection));
	struct epoll_event events[256];
	double		begin,
				counting,
				end,
				at;
	uint64_t	counted = 0;
	int			open = 0;
	struct rusage usage;

	epoll = epoll_create1(0);
	if (connections == NULL || epoll < 0)
		fail("memory");
	for (int i = 0; i < n_connections; i++)
	{
		connections[i].fd = connect_to_port();
		if (fcntl(connections[i].fd, F_SETFL, O_NONBLOCK) != 0)
			fail("fcntl");
		watch(&connections[i], EPOLLIN, EPOLL_CTL_ADD);
	}
	begin = now();
	counting = begin + seconds / 10;
	end = counting + seconds;
	for (int i = 0; i < n_connections; i++)
	{
		send_requests(&connections[i], i, in_flight, begin);
		open += in_flight;
	}
	while (open > 0)
	{
		int			n = epoll_wait(epoll, events, 256, 30000);

		if (n == 0)
			wrong("no answer within 30 seconds; requests without one", open);
		if (n < 0 && errno != EINTR)
			fail("epoll_wait");
		for (int i = 0; i < n; i++)
		{
			Connection *c = events[i].data.ptr;
			int			number = (int) (c - connections);

			at = now();
			if (events[i].events & EPOLLOUT && send_rest(c))
				watch(c, EPOLLIN, EPOLL_CTL_MOD);
			if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
			{
				bool		counts = at >= counting && at < end;
				int			found = take_answers(c, at, counts);

				open -= found;
				if (counts)
					counted += (uint64_t) found;
			}
			if (at < end && c->in_flight < in_flight && c->rest_len == 0)
			{
				open += in_flight - c->in_flight;
				send_requests(c, number, in_flight - c->in_flight, at);
			}
		}
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"requests\": %llu, \"seconds\": %.6f, \"all\": %llu, \"bytes\": %llu, \"p50\": %.3f, \"p99\": %.3f, \"cpu\": %.3f}\n",
		   (unsigned long long) counted, end - counting, (unsigned long long) requests, (unsigned long long) batch_bytes,
		   percentile(counted, 0.5), percentile(counted, 0.99),
		   usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

int
main(int argc, char **argv)
{
	struct rlimit limit;
	int			in_flight = 1;

	signal(SIGPIPE, SIG_IGN);
	producing = argc == 10 && strcmp(argv[1], "produce") == 0;
	if (!producing && !(argc == 8 && strcmp(argv[1], "wait") == 0))
	{
		fprintf(stderr, "usage: frames produce PORT TOPIC PARTITIONS CONNECTIONS IN_FLIGHT SECONDS RECORDS FILE\n"
				"       frames wait PORT TOPIC PARTITIONS CONNECTIONS SECONDS MAX_WAIT\n");
		return 2;
	}
	port = atoi(argv[2]);
	topic = argv[3];
	partitions = atoi(argv[4]);
	buckets = calloc(BUCKETS, sizeof(uint32_t));
	if (buckets == NULL)
		fail("memory");
	/* a descriptor for each connection */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (producing)
	{
		in_flight = atoi(argv[6]);
		if (in_flight < 1 || in_flight > MAX_IN_FLIGHT || atoi(argv[8]) < 1)
			wrong("not a number of requests or records", in_flight);
		make_produce_frames(argv[9], atoi(argv[8]));
		run(atoi(argv[5]), in_flight, atof(argv[7]));
	}
	else
	{
		make_fetch_frames(atoi(argv[7]));
		run(atoi(argv[5]), in_flight, atof(argv[6]));
	}
	return 0;
}
