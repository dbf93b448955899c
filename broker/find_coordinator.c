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
	KafkaString id = request->header.client_id;
	KafkaString message;
	FindCoordinatorResponse response;

	message.data = body->key_type == GROUP ? group_text : transaction_text;
	message.len = (int32_t) strlen(message.data);
	client_log_limited(CLIENT_WARNING, "a client asks for a coordinator",
					   CLIENT_BYTES("client_id", id.data, id.len > 0 ? id.len : 0),
					   CLIENT_TEXT("answer", message.data));
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
