/*-------------------------------------------------------------------------
 *
 * messages.c
 *	  The headers, and which API has which messages.
 *
 * IDENTIFICATION
 *	  broker/protocol/messages.c
 *
 *-------------------------------------------------------------------------
 */
#include "broker/protocol/messages.h"
#include "broker/protocol/table.h"

#define THIS RequestHeader
static const KafkaField RequestHeader_fields[] =
{
	INT16(request_api_key, 0, UP),
	INT16(request_api_version, 0, UP),
	INT32(correlation_id, 0, UP),
	HEADER_STRING(client_id, 0, UP, NULLABLE(0)),
};

TABLE(RequestHeader);
#undef THIS

#define THIS ResponseHeader
static const KafkaField ResponseHeader_fields[] =
{
	INT32(correlation_id, 0, UP),
};

TABLE(ResponseHeader);
#undef THIS

const KafkaMessage kafka_request_header =
{
	&KAFKA_TYPE(RequestHeader), 1, 2, 2, true
};
const KafkaMessage kafka_response_header =
{
	&KAFKA_TYPE(ResponseHeader), 0, 1, 1, true
};

/*
 * Librdkafka before 2.11.1 takes a broker that does not announce the oldest
 * Produce for one that knows no compression; like Kafka 4, this one announces
 * what it does not serve.
 */
#define API(key, name, announced, served, last, flexible) \
	{ \
		key, #name, announced, last, served, flexible, \
		&(const KafkaMessage) {&KAFKA_TYPE(name##Request), served, last, flexible, false}, \
		&(const KafkaMessage) {&KAFKA_TYPE(name##Response), served, last, flexible, false} \
	}

const KafkaApi kafka_apis[] =
{
	API(0, Produce, 0, 3, 11, 9),
	API(1, Fetch, 4, 4, 16, 12),
	API(2, ListOffsets, 0, 0, 8, 6),
	API(3, Metadata, 0, 0, 12, 9),
	API(10, FindCoordinator, 0, 0, 4, 3),
	API(17, SaslHandshake, 0, 0, 1, KAFKA_NEVER),
	API(18, ApiVersions, 0, 0, 4, 3),
	API(22, InitProducerId, 0, 0, 4, 2),
	API(23, OffsetForLeaderEpoch, 2, 2, 4, 4),
	API(36, SaslAuthenticate, 0, 0, 2, 2),
};
const int	kafka_n_apis = sizeof(kafka_apis) / sizeof(kafka_apis[0]);

const KafkaApi *
kafka_api(int16_t key)
{
	int			i;

	for (i = 0; i < kafka_n_apis; i++)
		if (kafka_apis[i].key == key)
			return &kafka_apis[i];
	return NULL;
}
