/*-------------------------------------------------------------------------
 *
 * find_coordinator.c
 *	  FindCoordinator: there are no consumer groups of Kafka's yet, nor
 *	  transactions.
 *
 * It is announced all the same: without it librdkafka would not compress by lz4.
 *
 * IDENTIFICATION
 *	  broker/find_coordinator.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "broker/errors.h"
#include "broker/handlers.h"
#include "client/log.h"

#define GROUP	0				/* key_type; 1 is a transaction */

void
handle_find_coordinator(Request *request)
{
	static const char group_text[] = "this broker has no consumer groups yet; assign partitions, or consume by SQL";
	static const char transaction_text[] = "this broker has no transactions yet";
	const FindCoordinatorRequest *body = request->body;
	const char *text = body->key_type == GROUP ? group_text : transaction_text;
	KafkaString message = {text, (int32_t) strlen(text)};
	FindCoordinatorResponse response;

	client_log_limited(CLIENT_WARNING, "a client asks for a coordinator, which this broker does not have yet",
					   CLIENT_BYTES("client_id", request->header.client_id.data,
									request->header.client_id.len > 0 ? request->header.client_id.len : 0),
					   CLIENT_TEXT("for", body->key_type == GROUP ? "a consumer group" : "a transaction"));
	kafka_set_defaults(&KAFKA_TYPE(FindCoordinatorResponse), &response);
	response.error_code = KAFKA_INVALID_REQUEST;
	response.error_message = message;
	response.node_id = -1;
	response.port = -1;
	if (request->header.request_api_version >= 4)
	{
		if (!KAFKA_NEW_ITEMS(&request->arena, &response.coordinators, Coordinator, body->coordinator_keys.n))
		{
			request_close(request, "out of memory");
			return;
		}
		for (int i = 0; i < body->coordinator_keys.n; i++)
		{
			Coordinator *c = &response.coordinators.items[i];

			c->key = body->coordinator_keys.items[i];
			c->node_id = -1;
			c->port = -1;
			c->error_code = KAFKA_INVALID_REQUEST;
			c->error_message = message;
		}
	}
	request_answer(request, &response);
}
