/*-------------------------------------------------------------------------
 *
 * messages.c
 *	  In which versions a message has which field, and how.
 *
 * A line: the type on the wire, the member, the first and the last version that
 * has it (UP: up to the newest), and what is special about it.  A member of
 * another type than the line says does not compile.  Versions of a struct's
 * fields count only as far as the field that holds the struct is there.
 * test/nightly/kafka_schemas compares all of it with Kafka's own schemas.
 *
 * IDENTIFICATION
 *	  broker/messages.c
 *
 *-------------------------------------------------------------------------
 */
#include "broker/messages.h"

#define UP INT16_MAX

#define NULLABLE(version) .nullable = true, .null_since = (version)
#define TAGGED(number) .tagged = true, .tag = (number)
#define DEFAULT(value) .default_value = (value)
#define NULL_DEFAULT .default_value = -1

/* where a member lies, if it has that type */
#define PLACE(member, ctype) \
	_Generic(((THIS *) NULL)->member, ctype: offsetof(THIS, member))
#define PLACE_ARRAY(member, ctype) \
	_Generic(((THIS *) NULL)->member.items, ctype *: offsetof(THIS, member))

#define FIELD(wire, place, member, first, last, ...) \
	{.name = #member, .type = (wire), .offset = (place), \
		.since = (first), .until = (last), __VA_ARGS__}
#define ONE(wire, ctype, member, ...) \
	FIELD(wire, PLACE(member, ctype), member, __VA_ARGS__)
#define MANY(wire, ctype, member, ...) \
	FIELD(wire, PLACE_ARRAY(member, ctype), member, __VA_ARGS__, .is_array = true)

#define BOOL(...) ONE(KAFKA_BOOL, bool, __VA_ARGS__,)
#define INT8(...) ONE(KAFKA_INT8, int8_t, __VA_ARGS__,)
#define INT16(...) ONE(KAFKA_INT16, int16_t, __VA_ARGS__,)
#define INT32(...) ONE(KAFKA_INT32, int32_t, __VA_ARGS__,)
#define INT64(...) ONE(KAFKA_INT64, int64_t, __VA_ARGS__,)
#define UUID(...) ONE(KAFKA_UUID, KafkaUuid, __VA_ARGS__,)
#define STRING(...) ONE(KAFKA_STRING, KafkaString, __VA_ARGS__,)
#define NAME(...) ONE(KAFKA_NAME, KafkaString, __VA_ARGS__,)
#define HEADER_STRING(...) ONE(KAFKA_HEADER_STRING, KafkaString, __VA_ARGS__,)
#define BYTES(...) ONE(KAFKA_BYTES, KafkaBytes, __VA_ARGS__,)
#define RECORDS(...) ONE(KAFKA_RECORDS, KafkaBytes, __VA_ARGS__,)
#define STRUCT(ctype, ...) \
	ONE(KAFKA_STRUCT, ctype, __VA_ARGS__, .child = &KAFKA_TYPE(ctype))
#define INT32_ARRAY(...) MANY(KAFKA_INT32, int32_t, __VA_ARGS__)
#define INT64_ARRAY(...) MANY(KAFKA_INT64, int64_t, __VA_ARGS__)
#define STRING_ARRAY(...) MANY(KAFKA_STRING, KafkaString, __VA_ARGS__)
#define NAME_ARRAY(...) MANY(KAFKA_NAME, KafkaString, __VA_ARGS__)
#define STRUCT_ARRAY(ctype, ...) \
	MANY(KAFKA_STRUCT, ctype, __VA_ARGS__, .child = &KAFKA_TYPE(ctype))

#define TABLE(ctype) \
	const KafkaStruct KAFKA_TYPE(ctype) = \
	{ \
		#ctype, sizeof(ctype), \
		sizeof(ctype##_fields) / sizeof(KafkaField), ctype##_fields \
	}

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

#define THIS LeaderIdAndEpoch
static const KafkaField LeaderIdAndEpoch_fields[] =
{
	INT32(leader_id, 0, UP, DEFAULT(-1)),
	INT32(leader_epoch, 0, UP, DEFAULT(-1)),
};

TABLE(LeaderIdAndEpoch);
#undef THIS

#define THIS NodeEndpoint
static const KafkaField NodeEndpoint_fields[] =
{
	INT32(node_id, 0, UP),
	STRING(host, 0, UP),
	INT32(port, 0, UP),
	STRING(rack, 0, UP, NULLABLE(0), NULL_DEFAULT),
};

TABLE(NodeEndpoint);
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

/* Fetch (1) */

#define THIS FetchPartition
static const KafkaField FetchPartition_fields[] =
{
	INT32(partition, 0, UP),
	INT32(current_leader_epoch, 9, UP, DEFAULT(-1)),
	INT64(fetch_offset, 0, UP),
	INT32(last_fetched_epoch, 12, UP, DEFAULT(-1)),
	INT64(log_start_offset, 5, UP, DEFAULT(-1)),
	INT32(partition_max_bytes, 0, UP),
};

TABLE(FetchPartition);
#undef THIS

#define THIS FetchTopic
static const KafkaField FetchTopic_fields[] =
{
	NAME(topic, 0, 12),
	UUID(topic_id, 13, UP),
	STRUCT_ARRAY(FetchPartition, partitions, 0, UP),
};

TABLE(FetchTopic);
#undef THIS

#define THIS ForgottenTopic
static const KafkaField ForgottenTopic_fields[] =
{
	NAME(topic, 7, 12),
	UUID(topic_id, 13, UP),
	INT32_ARRAY(partitions, 7, UP),
};

TABLE(ForgottenTopic);
#undef THIS

#define THIS ReplicaState
static const KafkaField ReplicaState_fields[] =
{
	INT32(replica_id, 0, UP, DEFAULT(-1)),
	INT64(replica_epoch, 0, UP, DEFAULT(-1)),
};

TABLE(ReplicaState);
#undef THIS

#define THIS FetchRequest
static const KafkaField FetchRequest_fields[] =
{
	STRING(cluster_id, 12, UP, NULLABLE(0), TAGGED(0), NULL_DEFAULT),
	INT32(replica_id, 0, 14, DEFAULT(-1)),
	STRUCT(ReplicaState, replica_state, 15, UP, TAGGED(1)),
	INT32(max_wait_ms, 0, UP),
	INT32(min_bytes, 0, UP),
	INT32(max_bytes, 3, UP, DEFAULT(INT32_MAX)),
	INT8(isolation_level, 4, UP),
	INT32(session_id, 7, UP),
	INT32(session_epoch, 7, UP, DEFAULT(-1)),
	STRUCT_ARRAY(FetchTopic, topics, 0, UP),
	STRUCT_ARRAY(ForgottenTopic, forgotten_topics_data, 7, UP),
	STRING(rack_id, 11, UP),
};

TABLE(FetchRequest);
#undef THIS

#define THIS DivergingEpoch
static const KafkaField DivergingEpoch_fields[] =
{
	INT32(epoch, 0, UP, DEFAULT(-1)),
	INT64(end_offset, 0, UP, DEFAULT(-1)),
};

TABLE(DivergingEpoch);
#undef THIS

#define THIS SnapshotId
static const KafkaField SnapshotId_fields[] =
{
	INT64(end_offset, 0, UP, DEFAULT(-1)),
	INT32(epoch, 0, UP, DEFAULT(-1)),
};

TABLE(SnapshotId);
#undef THIS

#define THIS AbortedTransaction
static const KafkaField AbortedTransaction_fields[] =
{
	INT64(producer_id, 0, UP),
	INT64(first_offset, 0, UP),
};

TABLE(AbortedTransaction);
#undef THIS

#define THIS FetchPartitionData
static const KafkaField FetchPartitionData_fields[] =
{
	INT32(partition_index, 0, UP),
	INT16(error_code, 0, UP),
	INT64(high_watermark, 0, UP),
	INT64(last_stable_offset, 4, UP, DEFAULT(-1)),
	INT64(log_start_offset, 5, UP, DEFAULT(-1)),
	STRUCT(DivergingEpoch, diverging_epoch, 12, UP, TAGGED(0)),
	STRUCT(LeaderIdAndEpoch, current_leader, 12, UP, TAGGED(1)),
	STRUCT(SnapshotId, snapshot_id, 12, UP, TAGGED(2)),
	STRUCT_ARRAY(AbortedTransaction, aborted_transactions, 4, UP, NULLABLE(0)),
	INT32(preferred_read_replica, 11, UP, DEFAULT(-1)),
	RECORDS(records, 0, UP, NULLABLE(0)),
};

TABLE(FetchPartitionData);
#undef THIS

#define THIS FetchableTopicResponse
static const KafkaField FetchableTopicResponse_fields[] =
{
	NAME(topic, 0, 12),
	UUID(topic_id, 13, UP),
	STRUCT_ARRAY(FetchPartitionData, partitions, 0, UP),
};

TABLE(FetchableTopicResponse);
#undef THIS

#define THIS FetchResponse
static const KafkaField FetchResponse_fields[] =
{
	INT32(throttle_time_ms, 1, UP),
	INT16(error_code, 7, UP),
	INT32(session_id, 7, UP),
	STRUCT_ARRAY(FetchableTopicResponse, responses, 0, UP),
	STRUCT_ARRAY(NodeEndpoint, node_endpoints, 16, UP, TAGGED(0)),
};

TABLE(FetchResponse);
#undef THIS

/* ListOffsets (2) */

#define THIS ListOffsetsPartition
static const KafkaField ListOffsetsPartition_fields[] =
{
	INT32(partition_index, 0, UP),
	INT32(current_leader_epoch, 4, UP, DEFAULT(-1)),
	INT64(timestamp, 0, UP),
	INT32(max_num_offsets, 0, 0, DEFAULT(1)),
};

TABLE(ListOffsetsPartition);
#undef THIS

#define THIS ListOffsetsTopic
static const KafkaField ListOffsetsTopic_fields[] =
{
	NAME(name, 0, UP),
	STRUCT_ARRAY(ListOffsetsPartition, partitions, 0, UP),
};

TABLE(ListOffsetsTopic);
#undef THIS

#define THIS ListOffsetsRequest
static const KafkaField ListOffsetsRequest_fields[] =
{
	INT32(replica_id, 0, UP),
	INT8(isolation_level, 2, UP),
	STRUCT_ARRAY(ListOffsetsTopic, topics, 0, UP),
};

TABLE(ListOffsetsRequest);
#undef THIS

#define THIS ListOffsetsPartitionResponse
static const KafkaField ListOffsetsPartitionResponse_fields[] =
{
	INT32(partition_index, 0, UP),
	INT16(error_code, 0, UP),
	INT64_ARRAY(old_style_offsets, 0, 0),
	INT64(timestamp, 1, UP, DEFAULT(-1)),
	INT64(offset, 1, UP, DEFAULT(-1)),
	INT32(leader_epoch, 4, UP, DEFAULT(-1)),
};

TABLE(ListOffsetsPartitionResponse);
#undef THIS

#define THIS ListOffsetsTopicResponse
static const KafkaField ListOffsetsTopicResponse_fields[] =
{
	NAME(name, 0, UP),
	STRUCT_ARRAY(ListOffsetsPartitionResponse, partitions, 0, UP),
};

TABLE(ListOffsetsTopicResponse);
#undef THIS

#define THIS ListOffsetsResponse
static const KafkaField ListOffsetsResponse_fields[] =
{
	INT32(throttle_time_ms, 2, UP),
	STRUCT_ARRAY(ListOffsetsTopicResponse, topics, 0, UP),
};

TABLE(ListOffsetsResponse);
#undef THIS

/* Metadata (3) */

#define THIS MetadataRequestTopic
static const KafkaField MetadataRequestTopic_fields[] =
{
	UUID(topic_id, 10, UP),
	NAME(name, 0, UP, NULLABLE(10)),
};

TABLE(MetadataRequestTopic);
#undef THIS

#define THIS MetadataRequest
static const KafkaField MetadataRequest_fields[] =
{
	STRUCT_ARRAY(MetadataRequestTopic, topics, 0, UP, NULLABLE(1)),
	BOOL(allow_auto_topic_creation, 4, UP, DEFAULT(true)),
	BOOL(include_cluster_authorized_operations, 8, 10),
	BOOL(include_topic_authorized_operations, 8, UP),
};

TABLE(MetadataRequest);
#undef THIS

#define THIS MetadataResponseBroker
static const KafkaField MetadataResponseBroker_fields[] =
{
	INT32(node_id, 0, UP),
	STRING(host, 0, UP),
	INT32(port, 0, UP),
	STRING(rack, 1, UP, NULLABLE(0), NULL_DEFAULT),
};

TABLE(MetadataResponseBroker);
#undef THIS

#define THIS MetadataResponsePartition
static const KafkaField MetadataResponsePartition_fields[] =
{
	INT16(error_code, 0, UP),
	INT32(partition_index, 0, UP),
	INT32(leader_id, 0, UP),
	INT32(leader_epoch, 7, UP, DEFAULT(-1)),
	INT32_ARRAY(replica_nodes, 0, UP),
	INT32_ARRAY(isr_nodes, 0, UP),
	INT32_ARRAY(offline_replicas, 5, UP),
};

TABLE(MetadataResponsePartition);
#undef THIS

#define THIS MetadataResponseTopic
static const KafkaField MetadataResponseTopic_fields[] =
{
	INT16(error_code, 0, UP),
	NAME(name, 0, UP, NULLABLE(12)),
	UUID(topic_id, 10, UP),
	BOOL(is_internal, 1, UP),
	STRUCT_ARRAY(MetadataResponsePartition, partitions, 0, UP),
	INT32(topic_authorized_operations, 8, UP, DEFAULT(INT32_MIN)),
};

TABLE(MetadataResponseTopic);
#undef THIS

#define THIS MetadataResponse
static const KafkaField MetadataResponse_fields[] =
{
	INT32(throttle_time_ms, 3, UP),
	STRUCT_ARRAY(MetadataResponseBroker, brokers, 0, UP),
	STRING(cluster_id, 2, UP, NULLABLE(0), NULL_DEFAULT),
	INT32(controller_id, 1, UP, DEFAULT(-1)),
	STRUCT_ARRAY(MetadataResponseTopic, topics, 0, UP),
	INT32(cluster_authorized_operations, 8, 10, DEFAULT(INT32_MIN)),
};

TABLE(MetadataResponse);
#undef THIS

/* FindCoordinator (10) */

#define THIS FindCoordinatorRequest
static const KafkaField FindCoordinatorRequest_fields[] =
{
	NAME(key, 0, 3),
	INT8(key_type, 1, UP),
	NAME_ARRAY(coordinator_keys, 4, UP),
};

TABLE(FindCoordinatorRequest);
#undef THIS

#define THIS Coordinator
static const KafkaField Coordinator_fields[] =
{
	NAME(key, 0, UP),
	INT32(node_id, 0, UP),
	STRING(host, 0, UP),
	INT32(port, 0, UP),
	INT16(error_code, 0, UP),
	STRING(error_message, 0, UP, NULLABLE(0)),
};

TABLE(Coordinator);
#undef THIS

#define THIS FindCoordinatorResponse
static const KafkaField FindCoordinatorResponse_fields[] =
{
	INT32(throttle_time_ms, 1, UP),
	INT16(error_code, 0, 3),
	STRING(error_message, 1, 3, NULLABLE(0)),
	INT32(node_id, 0, 3),
	STRING(host, 0, 3),
	INT32(port, 0, 3),
	STRUCT_ARRAY(Coordinator, coordinators, 4, UP),
};

TABLE(FindCoordinatorResponse);
#undef THIS

/* SaslHandshake (17) */

#define THIS SaslHandshakeRequest
static const KafkaField SaslHandshakeRequest_fields[] =
{
	STRING(mechanism, 0, UP),
};

TABLE(SaslHandshakeRequest);
#undef THIS

#define THIS SaslHandshakeResponse
static const KafkaField SaslHandshakeResponse_fields[] =
{
	INT16(error_code, 0, UP),
	STRING_ARRAY(mechanisms, 0, UP),
};

TABLE(SaslHandshakeResponse);
#undef THIS

/* ApiVersions (18) */

#define THIS ApiVersionsRequest
static const KafkaField ApiVersionsRequest_fields[] =
{
	STRING(client_software_name, 3, UP),
	STRING(client_software_version, 3, UP),
};

TABLE(ApiVersionsRequest);
#undef THIS

#define THIS ApiVersion
static const KafkaField ApiVersion_fields[] =
{
	INT16(api_key, 0, UP),
	INT16(min_version, 0, UP),
	INT16(max_version, 0, UP),
};

TABLE(ApiVersion);
#undef THIS

#define THIS SupportedFeatureKey
static const KafkaField SupportedFeatureKey_fields[] =
{
	STRING(name, 0, UP),
	INT16(min_version, 0, UP),
	INT16(max_version, 0, UP),
};

TABLE(SupportedFeatureKey);
#undef THIS

#define THIS FinalizedFeatureKey
static const KafkaField FinalizedFeatureKey_fields[] =
{
	STRING(name, 0, UP),
	INT16(max_version_level, 0, UP),
	INT16(min_version_level, 0, UP),
};

TABLE(FinalizedFeatureKey);
#undef THIS

#define THIS ApiVersionsResponse
static const KafkaField ApiVersionsResponse_fields[] =
{
	INT16(error_code, 0, UP),
	STRUCT_ARRAY(ApiVersion, api_keys, 0, UP),
	INT32(throttle_time_ms, 1, UP),
	STRUCT_ARRAY(SupportedFeatureKey, supported_features, 3, UP, TAGGED(0)),
	INT64(finalized_features_epoch, 3, UP, TAGGED(1), DEFAULT(-1)),
	STRUCT_ARRAY(FinalizedFeatureKey, finalized_features, 3, UP, TAGGED(2)),
	BOOL(zk_migration_ready, 3, UP, TAGGED(3)),
};

TABLE(ApiVersionsResponse);
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

/* OffsetForLeaderEpoch (23) */

#define THIS OffsetForLeaderPartition
static const KafkaField OffsetForLeaderPartition_fields[] =
{
	INT32(partition, 0, UP),
	INT32(current_leader_epoch, 2, UP, DEFAULT(-1)),
	INT32(leader_epoch, 0, UP),
};

TABLE(OffsetForLeaderPartition);
#undef THIS

#define THIS OffsetForLeaderTopic
static const KafkaField OffsetForLeaderTopic_fields[] =
{
	NAME(topic, 0, UP),
	STRUCT_ARRAY(OffsetForLeaderPartition, partitions, 0, UP),
};

TABLE(OffsetForLeaderTopic);
#undef THIS

#define THIS OffsetForLeaderEpochRequest
static const KafkaField OffsetForLeaderEpochRequest_fields[] =
{
	INT32(replica_id, 3, UP, DEFAULT(-2)),
	STRUCT_ARRAY(OffsetForLeaderTopic, topics, 0, UP),
};

TABLE(OffsetForLeaderEpochRequest);
#undef THIS

#define THIS EpochEndOffset
static const KafkaField EpochEndOffset_fields[] =
{
	INT16(error_code, 0, UP),
	INT32(partition, 0, UP),
	INT32(leader_epoch, 1, UP, DEFAULT(-1)),
	INT64(end_offset, 0, UP, DEFAULT(-1)),
};

TABLE(EpochEndOffset);
#undef THIS

#define THIS OffsetForLeaderTopicResult
static const KafkaField OffsetForLeaderTopicResult_fields[] =
{
	NAME(topic, 0, UP),
	STRUCT_ARRAY(EpochEndOffset, partitions, 0, UP),
};

TABLE(OffsetForLeaderTopicResult);
#undef THIS

#define THIS OffsetForLeaderEpochResponse
static const KafkaField OffsetForLeaderEpochResponse_fields[] =
{
	INT32(throttle_time_ms, 2, UP),
	STRUCT_ARRAY(OffsetForLeaderTopicResult, topics, 0, UP),
};

TABLE(OffsetForLeaderEpochResponse);
#undef THIS

/* SaslAuthenticate (36) */

#define THIS SaslAuthenticateRequest
static const KafkaField SaslAuthenticateRequest_fields[] =
{
	BYTES(auth_bytes, 0, UP),
};

TABLE(SaslAuthenticateRequest);
#undef THIS

#define THIS SaslAuthenticateResponse
static const KafkaField SaslAuthenticateResponse_fields[] =
{
	INT16(error_code, 0, UP),
	STRING(error_message, 0, UP, NULLABLE(0)),
	BYTES(auth_bytes, 0, UP),
	INT64(session_lifetime_ms, 1, UP),
};

TABLE(SaslAuthenticateResponse);
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
