/*-------------------------------------------------------------------------
 *
 * messages_produce.h
 *	  Messages of those who write: Produce and InitProducerId.
 *
 * IDENTIFICATION
 *	  broker/protocol/messages_produce.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_MESSAGES_PRODUCE_H
#define EL_BROKER_MESSAGES_PRODUCE_H

#include "broker/protocol/messages_cluster.h"

/* Produce (0) */

typedef struct PartitionProduceData
{
	int32_t		index;
	KafkaBytes	records;
} PartitionProduceData;

KAFKA_DESCRIBE_ITEM(PartitionProduceData);

typedef struct TopicProduceData
{
	KafkaString name;
	PartitionProduceDataArray partition_data;
} TopicProduceData;

KAFKA_DESCRIBE_ITEM(TopicProduceData);

typedef struct ProduceRequest
{
	KafkaString transactional_id;
	int16_t		acks;
	int32_t		timeout_ms;
	TopicProduceDataArray topic_data;
} ProduceRequest;

KAFKA_DESCRIBE(ProduceRequest);

typedef struct BatchIndexAndErrorMessage
{
	int32_t		batch_index;
	KafkaString batch_index_error_message;
} BatchIndexAndErrorMessage;

KAFKA_DESCRIBE_ITEM(BatchIndexAndErrorMessage);

typedef struct PartitionProduceResponse
{
	int32_t		index;
	int16_t		error_code;
	int64_t		base_offset;
	int64_t		log_append_time_ms;
	int64_t		log_start_offset;
	BatchIndexAndErrorMessageArray record_errors;
	KafkaString error_message;
	LeaderIdAndEpoch current_leader;
} PartitionProduceResponse;

KAFKA_DESCRIBE_ITEM(PartitionProduceResponse);

typedef struct TopicProduceResponse
{
	KafkaString name;
	PartitionProduceResponseArray partition_responses;
} TopicProduceResponse;

KAFKA_DESCRIBE_ITEM(TopicProduceResponse);

typedef struct ProduceResponse
{
	TopicProduceResponseArray responses;
	int32_t		throttle_time_ms;
	NodeEndpointArray node_endpoints;
} ProduceResponse;

KAFKA_DESCRIBE(ProduceResponse);

/* InitProducerId (22) */

typedef struct InitProducerIdRequest
{
	KafkaString transactional_id;
	int32_t		transaction_timeout_ms;
	int64_t		producer_id;
	int16_t		producer_epoch;
} InitProducerIdRequest;

KAFKA_DESCRIBE(InitProducerIdRequest);

typedef struct InitProducerIdResponse
{
	int32_t		throttle_time_ms;
	int16_t		error_code;
	int64_t		producer_id;
	int16_t		producer_epoch;
} InitProducerIdResponse;

KAFKA_DESCRIBE(InitProducerIdResponse);

#endif							/* EL_BROKER_MESSAGES_PRODUCE_H */
