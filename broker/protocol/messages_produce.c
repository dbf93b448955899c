/*-------------------------------------------------------------------------
 *
 * messages_produce.c
 *	  Messages of those who write: Produce and InitProducerId.
 *
 * IDENTIFICATION
 *	  broker/protocol/messages_produce.c
 *
 *-------------------------------------------------------------------------
 */
#include "broker/protocol/messages_produce.h"
#include "broker/protocol/table.h"

/* Produce (0) */

#define THIS PartitionProduceData
static const KafkaField PartitionProduceData_fields[] =
{
	INT32(index, 0, UP),
	RECORDS(records, 0, UP, NULLABLE(0)),
};

TABLE(PartitionProduceData);
#undef THIS

#define THIS TopicProduceData
static const KafkaField TopicProduceData_fields[] =
{
	NAME(name, 0, UP),
	STRUCT_ARRAY(PartitionProduceData, partition_data, 0, UP),
};

TABLE(TopicProduceData);
#undef THIS

#define THIS ProduceRequest
static const KafkaField ProduceRequest_fields[] =
{
	NAME(transactional_id, 3, UP, NULLABLE(0), NULL_DEFAULT),
	INT16(acks, 0, UP),
	INT32(timeout_ms, 0, UP),
	STRUCT_ARRAY(TopicProduceData, topic_data, 0, UP),
};

TABLE(ProduceRequest);
#undef THIS

#define THIS BatchIndexAndErrorMessage
static const KafkaField BatchIndexAndErrorMessage_fields[] =
{
	INT32(batch_index, 0, UP),
	STRING(batch_index_error_message, 0, UP, NULLABLE(0), NULL_DEFAULT),
};

TABLE(BatchIndexAndErrorMessage);
#undef THIS

#define THIS PartitionProduceResponse
static const KafkaField PartitionProduceResponse_fields[] =
{
	INT32(index, 0, UP),
	INT16(error_code, 0, UP),
	INT64(base_offset, 0, UP),
	INT64(log_append_time_ms, 2, UP, DEFAULT(-1)),
	INT64(log_start_offset, 5, UP, DEFAULT(-1)),
	STRUCT_ARRAY(BatchIndexAndErrorMessage, record_errors, 8, UP),
	STRING(error_message, 8, UP, NULLABLE(0), NULL_DEFAULT),
	STRUCT(LeaderIdAndEpoch, current_leader, 10, UP, TAGGED(0)),
};

TABLE(PartitionProduceResponse);
#undef THIS

#define THIS TopicProduceResponse
static const KafkaField TopicProduceResponse_fields[] =
{
	NAME(name, 0, UP),
	STRUCT_ARRAY(PartitionProduceResponse, partition_responses, 0, UP),
};

TABLE(TopicProduceResponse);
#undef THIS

#define THIS ProduceResponse
static const KafkaField ProduceResponse_fields[] =
{
	STRUCT_ARRAY(TopicProduceResponse, responses, 0, UP),
	INT32(throttle_time_ms, 1, UP),
	STRUCT_ARRAY(NodeEndpoint, node_endpoints, 10, UP, TAGGED(0)),
};

TABLE(ProduceResponse);
#undef THIS

/* InitProducerId (22) */

#define THIS InitProducerIdRequest
static const KafkaField InitProducerIdRequest_fields[] =
{
	NAME(transactional_id, 0, UP, NULLABLE(0)),
	INT32(transaction_timeout_ms, 0, UP),
	INT64(producer_id, 3, UP, DEFAULT(-1)),
	INT16(producer_epoch, 3, UP, DEFAULT(-1)),
};

TABLE(InitProducerIdRequest);
#undef THIS

#define THIS InitProducerIdResponse
static const KafkaField InitProducerIdResponse_fields[] =
{
	INT32(throttle_time_ms, 0, UP),
	INT16(error_code, 0, UP),
	INT64(producer_id, 0, UP, DEFAULT(-1)),
	INT16(producer_epoch, 0, UP),
};

TABLE(InitProducerIdResponse);
#undef THIS
