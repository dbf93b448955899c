/*-------------------------------------------------------------------------
 *
 * fuzz_messages.c
 *	  libFuzzer target: reading messages of Kafka's protocol, whatever their
 *	  bytes, and writing them again.
 *
 * The first byte of the input chooses what the rest is:
 *
 *	0	a request with its header, which says what it is
 *	1	the body of a request, after a byte each for which API and which version
 *	2	the body of a response, likewise
 *
 * IDENTIFICATION
 *	  test/unit/fuzz_messages.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "tree.h"

/* as the broker has it */
#define ARENA_LIMIT(len) (4 * (len) + 65536)

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require_round_trip(const KafkaMessage *message, int16_t version, const char *bytes, size_t len)
{
	bool		read;
	const char *wrong = round_trip(message, version, bytes, len, ARENA_LIMIT(len), &read);

	if (wrong != NULL)
	{
		fprintf(stderr, "%s, version %d: %s\n", message->body->name, version, wrong);
		abort();
	}
}

static void
read_request(const char *bytes, size_t len)
{
	KafkaReader reader = kafka_reader(bytes, len);
	KafkaArena	arena;
	RequestHeader header;
	const char *error;
	const KafkaApi *api;

	kafka_arena_init(&arena, ARENA_LIMIT(len));
	api = kafka_decode_request_header(&reader, &header, &arena, &error);
	if (api != NULL && kafka_serves(api, header.request_api_version))
		require_round_trip(api->request, header.request_api_version, reader.pos,
						   (size_t) (reader.end - reader.pos));
	kafka_arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *) data;
	const KafkaApi *api;
	const KafkaMessage *message;
	int			versions;

	if (size < 1)
		return 0;
	if (data[0] == 0)
	{
		read_request(bytes + 1, size - 1);
		return 0;
	}
	if (size < 3 || data[0] > 2)
		return 0;
	api = &kafka_apis[data[1] % kafka_n_apis];
	message = data[0] == 1 ? api->request : api->response;
	versions = message->max_version - message->min_version + 1;
	require_round_trip(message, (int16_t) (message->min_version + data[2] % versions), bytes + 3, size - 3);
	return 0;
}
