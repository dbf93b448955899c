/*-------------------------------------------------------------------------
 *
 * init_producer_id.c
 *	  InitProducerId: an id for a producer whose batches are to be in the log
 *	  once.
 *
 * What the server knows of a producer it knows by its id, so who asks again gets
 * another one, at epoch 0, as from Kafka.
 *
 * IDENTIFICATION
 *	  broker/init_producer_id.c
 *
 *-------------------------------------------------------------------------
 */
#include "broker/binary.h"
#include "broker/errors.h"
#include "broker/handlers.h"
#include "broker/pool.h"
#include "client/log.h"

static const ClientStatement init_statement = {
	"broker_init_producer", "SELECT _eventlog.broker_init_producer()", 0, NULL
};

static void
answer(Request *request, int16_t error, int64_t producer_id)
{
	InitProducerIdResponse response;

	kafka_set_defaults(&KAFKA_TYPE(InitProducerIdResponse), &response);
	response.error_code = error;
	response.producer_id = error == KAFKA_NONE ? producer_id : -1;
	response.producer_epoch = error == KAFKA_NONE ? 0 : -1;
	request_answer(request, &response);
}

static void
on_id(void *arg, PGresult *result, const ClientFailure *failure)
{
	Request    *request = arg;
	int64_t		id = result != NULL ? binary_int64(result, 0, 0, -1) : -1;
	int16_t		error = failure != NULL ? kafka_error_of_sqlstate(failure->sqlstate) :
		id < 0 ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_NONE;

	PQclear(result);
	if (request->connection == NULL)
		request_free(request);
	else
		answer(request, error, id);
}

void
handle_init_producer_id(Request *request)
{
	const InitProducerIdRequest *body = request->body;

	/* one that has an id and an epoch already may give both, or none */
	if (body->transactional_id.len >= 0 || (body->producer_id == -1) != (body->producer_epoch == -1))
	{
		if (body->transactional_id.len >= 0)
			client_log_limited(CLIENT_WARNING, "a client asks for a transactional producer, which this broker does not have yet");
		answer(request, KAFKA_INVALID_REQUEST, -1);
		return;
	}
	request->abandon = request_keep;
	pool_call(request->pool, &init_statement, NULL, on_id, request);
}
