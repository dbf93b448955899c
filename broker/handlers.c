/*-------------------------------------------------------------------------
 *
 * handlers.c
 *	  Who answers which request, and ApiVersions, which tells it.
 *
 * IDENTIFICATION
 *	  broker/handlers.c
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <stddef.h>

#include "broker/errors.h"
#include "broker/handlers.h"
#include "client/log.h"

static const Handler handlers[] = {
	{.key = 0,.handle = handle_produce},
	{.key = 1,.handle = handle_fetch,.in_turn = true},
	{.key = 2,.handle = handle_list_offsets,.in_turn = true},
	{.key = 3,.handle = handle_metadata,.in_turn = true},
	{.key = 10,.handle = handle_find_coordinator,.in_turn = true},
	{.key = 17,.handle = handle_sasl_handshake,.in_turn = true,.before_login = true},
	{.key = 18,.handle = handle_api_versions,.in_turn = true,.before_login = true,
	.unsupported = handle_api_versions_unsupported},
	{.key = 22,.handle = handle_init_producer_id,.in_turn = true},
	{.key = 23,.handle = handle_offset_for_leader_epoch,.in_turn = true},
	{.key = 36,.handle = handle_sasl_authenticate,.in_turn = true,.before_login = true},
};

#define N_HANDLERS ((int) (sizeof(handlers) / sizeof(handlers[0])))

const Handler *
handler_of(int16_t key)
{
	for (int i = 0; i < N_HANDLERS; i++)
	{
		if (handlers[i].key == key)
			return &handlers[i];
	}
	return NULL;
}

/* Kafka's rule for the name and version of a client's software (KIP-511). */
static bool
is_software_name(KafkaString name)
{
	for (int i = 0; i < name.len; i++)
	{
		char		ch = name.data[i];

		if (isalnum((unsigned char) ch))
			continue;
		if ((ch != '-' && ch != '.') || i == 0 || i == name.len - 1)
			return false;
	}
	return name.len > 0;
}

/* What is served; with an error nothing, or only the versions of this request itself. */
static void
answer_versions(Request *request, int16_t error)
{
	ApiVersionsResponse response;
	int			n = 0;
	bool		all = error == KAFKA_NONE;

	kafka_set_defaults(&KAFKA_TYPE(ApiVersionsResponse), &response);
	response.error_code = error;
	if (error != KAFKA_NONE && error != KAFKA_UNSUPPORTED_VERSION)
	{
		request_answer(request, &response);
		return;
	}
	if (!KAFKA_NEW_ITEMS(&request->arena, &response.api_keys, ApiVersion, all ? N_HANDLERS : 1))
	{
		request_close(request, "out of memory");
		return;
	}
	for (int i = 0; i < N_HANDLERS; i++)
	{
		const KafkaApi *api = kafka_api(handlers[i].key);

		if (!all && api->key != request->api->key)
			continue;
		response.api_keys.items[n].api_key = api->key;
		response.api_keys.items[n].min_version = api->announced_min;
		response.api_keys.items[n++].max_version = api->announced_max;
	}
	request_answer(request, &response);
}

void
handle_api_versions(Request *request)
{
	const ApiVersionsRequest *body = request->body;

	if (connection_expects_token(request->connection))
	{
		/* between SaslHandshake and SaslAuthenticate there is no place for it */
		request->closes = true;
		answer_versions(request, KAFKA_ILLEGAL_SASL_STATE);
		return;
	}
	if (request->header.request_api_version >= 3)
	{
		if (!is_software_name(body->client_software_name) ||
			!is_software_name(body->client_software_version))
		{
			answer_versions(request, KAFKA_INVALID_REQUEST);
			return;
		}
		client_log(CLIENT_DEBUG, "a client says what it is",
				   CLIENT_BYTES("software", body->client_software_name.data, body->client_software_name.len),
				   CLIENT_BYTES("version", body->client_software_version.data, body->client_software_version.len));
	}
	answer_versions(request, KAFKA_NONE);
}

/* The answer is version 0's, whatever was asked; the client then asks for what it finds in it. */
void
handle_api_versions_unsupported(Request *request)
{
	request->header.request_api_version = 0;
	answer_versions(request, KAFKA_UNSUPPORTED_VERSION);
}
