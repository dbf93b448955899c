/*-------------------------------------------------------------------------
 *
 * output_test.c
 *	  Unit tests of the broker's memory: arenas and outputs.
 *
 *	output_test ROUNDS
 *
 * IDENTIFICATION
 *	  test/unit/output_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "broker/protocol/arena.h"
#include "broker/protocol/bytes.h"
#include "broker/protocol/output.h"

#include "check.h"

/* --- arenas ------------------------------------------------------------------------- */

/* Allocations of all sizes: aligned, zeroed, apart, and together within the limit. */
static void
test_arena(void)
{
	size_t		limit = random_below(4) == 0 ? random_below(100) : random_below(2000000);
	KafkaArena	arena;
	char	   *got[200];
	size_t		size[lengthof(got)];
	size_t		used = 0;
	int			n;
	int			i;
	size_t		j;

	kafka_arena_init(&arena, limit);
	for (n = 0; n < (int) lengthof(got); n++)
	{
		size[n] = random_below(10) == 0 ? random_below(limit + 2) : random_below(300);
		got[n] = kafka_arena_alloc(&arena, size[n]);
		CHECK(arena.taken <= limit);
		if (got[n] == NULL)
			break;
		CHECK((uintptr_t) got[n] % _Alignof(max_align_t) == 0);
		for (j = 0; j < size[n] && got[n][j] == 0; j++)
			;
		CHECK(j == size[n]);
		memset(got[n], n + 1, size[n]);
		used += size[n];
	}
	CHECK(used <= limit);
	for (i = 0; i < n; i++)
	{
		for (j = 0; j < size[i] && got[i][j] == (char) (i + 1); j++)
			;
		CHECK(j == size[i]);
	}
	kafka_arena_free(&arena);
	CHECK(arena.taken == 0 && arena.blocks == NULL && arena.limit == limit);
}

static void
test_arena_limits(void)
{
	KafkaArena	arena;

	kafka_arena_init(&arena, 1000);
	CHECK(kafka_arena_alloc(&arena, 1001) == NULL);
	CHECK(kafka_arena_alloc(&arena, SIZE_MAX) == NULL);
	CHECK(kafka_arena_alloc_array(&arena, SIZE_MAX / 8, 16) == NULL);
	/* a wish that was refused spoils nothing */
	CHECK(kafka_arena_alloc(&arena, 800) != NULL);
	CHECK(kafka_arena_alloc(&arena, 500) == NULL);
	CHECK(kafka_arena_alloc(&arena, 0) != NULL);
	kafka_arena_free(&arena);
	kafka_arena_init(&arena, SIZE_MAX);
	CHECK(kafka_arena_alloc(&arena, SIZE_MAX) == NULL);
	CHECK(kafka_arena_alloc(&arena, SIZE_MAX - 8) == NULL);
	kafka_arena_free(&arena);
	kafka_arena_init(&arena, 0);
	CHECK(kafka_arena_alloc(&arena, 0) == NULL);
	kafka_arena_free(&arena);
}

/* --- outputs ------------------------------------------------------------------------ */

/* What should come out: all that was put, in order. */
static char stream[1 << 20];
static size_t stream_len;
static size_t stream_sent;

/* The socket takes some bytes of what is offered. */
static void
send_some(KafkaOutput *out)
{
	struct iovec pieces[4];
	int			max = 1 + (int) random_below(lengthof(pieces));
	int			n = kafka_output_pieces(out, pieces, max);
	size_t		offered = 0;
	size_t		taken;
	int			i;

	CHECK((n == 0) == (kafka_output_unsent(out) == 0));
	CHECK(kafka_output_unsent(out) == stream_len - stream_sent);
	for (i = 0; i < n; i++)
	{
		CHECK(pieces[i].iov_len > 0);
		CHECK(memcmp(pieces[i].iov_base, stream + stream_sent + offered, pieces[i].iov_len) == 0);
		offered += pieces[i].iov_len;
	}
	CHECK(offered <= kafka_output_unsent(out));
	taken = random_below(3) == 0 ? offered : random_below(offered + 1);
	kafka_output_sent(out, taken);
	stream_sent += taken;
}

static void
put_some(KafkaOutput *out)
{
	static char elsewhere[4096];
	size_t		len = random_below(4) == 0 ? random_below(sizeof(elsewhere)) : random_below(20);
	size_t		from = random_below(sizeof(elsewhere) - len);

	if (elsewhere[0] == '\0')
	{
		random_bytes(elsewhere, sizeof(elsewhere));
		elsewhere[0] = 'x';
	}
	if (random_below(2) == 0)
		kafka_output_copy(out, elsewhere + from, len);
	else
		kafka_output_refer(out, elsewhere + from, len);
	memcpy(stream + stream_len, elsewhere + from, len);
	stream_len += len;
}

/* Frames, some of which are given up, sent while others are put. */
static void
test_output(void)
{
	KafkaOutput out;
	int			steps = 60;

	kafka_output_init(&out, SIZE_MAX);
	stream_len = stream_sent = 0;
	while (steps-- > 0)
	{
		size_t		begin = stream_len;
		KafkaFrame	frame;
		int			pieces = (int) random_below(6);

		if (random_below(2) == 0)
		{
			send_some(&out);
			continue;
		}
		frame = kafka_output_begin_frame(&out);
		stream_len += 4;
		while (pieces-- > 0)
			put_some(&out);
		if (random_below(4) == 0)
		{
			kafka_output_fail(&out, "given up");
			kafka_output_fail(&out, "again");
			put_some(&out);
			CHECK(kafka_output_room(&out, 1) == NULL);
			CHECK(!kafka_output_end_frame(&out, frame));
			CHECK_TEXT(out.error, "given up");
			stream_len = begin;
			continue;
		}
		CHECK(kafka_output_end_frame(&out, frame));
		kafka_put_int32(stream + begin, (int32_t) (stream_len - begin - 4));
	}
	while (kafka_output_unsent(&out) > 0)
		send_some(&out);
	CHECK(stream_sent == stream_len);
	kafka_output_free(&out);
}

/* A client that never reads all of it makes the buffer no larger. */
static void
test_output_keeps_size(void)
{
	KafkaOutput out;
	static char data[1000];
	int			i;

	kafka_output_init(&out, 3000);
	for (i = 0; i < 10000; i++)
	{
		KafkaFrame	frame = kafka_output_begin_frame(&out);

		kafka_output_copy(&out, data, 600);
		kafka_output_refer(&out, data, 300);
		CHECK(kafka_output_end_frame(&out, frame));
		if (i > 0)
			kafka_output_sent(&out, 904);
	}
	CHECK(out.capacity <= 4096);
	CHECK(out.reference_capacity <= 16);
	kafka_output_free(&out);
}

static void
test_output_limit(void)
{
	KafkaOutput out;
	KafkaFrame	frame;
	static char data[100];

	kafka_output_init(&out, 100);
	frame = kafka_output_begin_frame(&out);
	kafka_output_copy(&out, data, 50);
	kafka_output_refer(&out, data, 46);
	CHECK(kafka_output_end_frame(&out, frame));
	frame = kafka_output_begin_frame(&out);
	CHECK(!kafka_output_end_frame(&out, frame));
	CHECK_TEXT(out.error, "answer is larger than its limit");
	CHECK(kafka_output_unsent(&out) == 100);
	/* room comes back by sending */
	kafka_output_sent(&out, 60);
	frame = kafka_output_begin_frame(&out);
	kafka_output_refer(&out, data, 57);
	CHECK(!kafka_output_end_frame(&out, frame));
	frame = kafka_output_begin_frame(&out);
	kafka_output_refer(&out, data, 56);
	CHECK(kafka_output_end_frame(&out, frame));
	kafka_output_free(&out);
}

int
main(int argc, char **argv)
{
	int			rounds;

	if (argc != 2)
	{
		fprintf(stderr, "usage: output_test ROUNDS\n");
		return 2;
	}
	test_arena_limits();
	test_output_limit();
	test_output_keeps_size();
	for (rounds = atoi(argv[1]); rounds > 0; rounds--)
	{
		test_arena();
		test_output();
	}
	return check_summary();
}
