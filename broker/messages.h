/*-------------------------------------------------------------------------
 *
 * messages.h
 *	  The messages of Kafka's protocol that the broker speaks, as C structs.
 *
 * Names are Kafka's, in C's style.  A struct has the fields of all versions up to
 * the highest that is announced; which of them a version has, messages.c says.
 * What two messages of Kafka share in all but its name is one struct here, and
 * what they call the same but is not has two names.
 *
 * IDENTIFICATION
 *	  broker/messages.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_MESSAGES_H
#define EL_BROKER_MESSAGES_H

#include "broker/message.h"

/* The table of a struct; and the type of arrays of it, where there are any. */
#define KAFKA_TYPE(type) kafka_type_##type
#define KAFKA_DESCRIBE(type) extern const KafkaStruct KAFKA_TYPE(type)
#define KAFKA_DESCRIBE_ITEM(type) \
	typedef struct type##Array \
	{ \
		int32_t		n; \
		type	   *items; \
	} type##Array; \
	KAFKA_DESCRIBE(type)

typedef struct RequestHeader
{
	int16_t		request_api_key;
	int16_t		request_api_version;
	int32_t		correlation_id;
	KafkaString client_id;
} RequestHeader;

KAFKA_DESCRIBE(RequestHeader);

typedef struct ResponseHeader
{
	int32_t		correlation_id;
} ResponseHeader;

KAFKA_DESCRIBE(ResponseHeader);

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

typedef struct LeaderIdAndEpoch
{
	int32_t		leader_id;
	int32_t		leader_epoch;
} LeaderIdAndEpoch;

KAFKA_DESCRIBE(LeaderIdAndEpoch);

typedef struct NodeEndpoint
{
	int32_t		node_id;
	KafkaString host;
	int32_t		port;
	KafkaString rack;
} NodeEndpoint;

KAFKA_DESCRIBE_ITEM(NodeEndpoint);

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

/* Fetch (1) */

typedef struct FetchPartition
{
	int32_t		partition;
	int32_t		current_leader_epoch;
	int64_t		fetch_offset;
	int32_t		last_fetched_epoch;
	int64_t		log_start_offset;
	int32_t		partition_max_bytes;
} FetchPartition;

KAFKA_DESCRIBE_ITEM(FetchPartition);

typedef struct FetchTopic
{
	KafkaString topic;
	KafkaUuid	topic_id;
	FetchPartitionArray partitions;
} FetchTopic;

KAFKA_DESCRIBE_ITEM(FetchTopic);

typedef struct ForgottenTopic
{
	KafkaString topic;
	KafkaUuid	topic_id;
	KafkaInt32Array partitions;
} ForgottenTopic;

KAFKA_DESCRIBE_ITEM(ForgottenTopic);

typedef struct ReplicaState
{
	int32_t		replica_id;
	int64_t		replica_epoch;
} ReplicaState;

KAFKA_DESCRIBE(ReplicaState);

typedef struct FetchRequest
{
	KafkaString cluster_id;
	int32_t		replica_id;
	ReplicaState replica_state;
	int32_t		max_wait_ms;
	int32_t		min_bytes;
	int32_t		max_bytes;
	int8_t		isolation_level;
	int32_t		session_id;
	int32_t		session_epoch;
	FetchTopicArray topics;
	ForgottenTopicArray forgotten_topics_data;
	KafkaString rack_id;
} FetchRequest;

KAFKA_DESCRIBE(FetchRequest);

typedef struct DivergingEpoch
{
	int32_t		epoch;
	int64_t		end_offset;
} DivergingEpoch;

KAFKA_DESCRIBE(DivergingEpoch);

typedef struct SnapshotId
{
	int64_t		end_offset;
	int32_t		epoch;
} SnapshotId;

KAFKA_DESCRIBE(SnapshotId);

typedef struct AbortedTransaction
{
	int64_t		producer_id;
	int64_t		first_offset;
} AbortedTransaction;

KAFKA_DESCRIBE_ITEM(AbortedTransaction);

typedef struct FetchPartitionData
{
	int32_t		partition_index;
	int16_t		error_code;
	int64_t		high_watermark;
	int64_t		last_stable_offset;
	int64_t		log_start_offset;
	DivergingEpoch diverging_epoch;
	LeaderIdAndEpoch current_leader;
	SnapshotId	snapshot_id;
	AbortedTransactionArray aborted_transactions;
	int32_t		preferred_read_replica;
	KafkaBytes	records;
} FetchPartitionData;

KAFKA_DESCRIBE_ITEM(FetchPartitionData);

typedef struct FetchableTopicResponse
{
	KafkaString topic;
	KafkaUuid	topic_id;
	FetchPartitionDataArray partitions;
} FetchableTopicResponse;

KAFKA_DESCRIBE_ITEM(FetchableTopicResponse);

typedef struct FetchResponse
{
	int32_t		throttle_time_ms;
	int16_t		error_code;
	int32_t		session_id;
	FetchableTopicResponseArray responses;
	NodeEndpointArray node_endpoints;
} FetchResponse;

KAFKA_DESCRIBE(FetchResponse);

/* ListOffsets (2) */

typedef struct ListOffsetsPartition
{
	int32_t		partition_index;
	int32_t		current_leader_epoch;
	int64_t		timestamp;
	int32_t		max_num_offsets;
} ListOffsetsPartition;

KAFKA_DESCRIBE_ITEM(ListOffsetsPartition);

typedef struct ListOffsetsTopic
{
	KafkaString name;
	ListOffsetsPartitionArray partitions;
} ListOffsetsTopic;

KAFKA_DESCRIBE_ITEM(ListOffsetsTopic);

typedef struct ListOffsetsRequest
{
	int32_t		replica_id;
	int8_t		isolation_level;
	ListOffsetsTopicArray topics;
} ListOffsetsRequest;

KAFKA_DESCRIBE(ListOffsetsRequest);

typedef struct ListOffsetsPartitionResponse
{
	int32_t		partition_index;
	int16_t		error_code;
	KafkaInt64Array old_style_offsets;
	int64_t		timestamp;
	int64_t		offset;
	int32_t		leader_epoch;
} ListOffsetsPartitionResponse;

KAFKA_DESCRIBE_ITEM(ListOffsetsPartitionResponse);

typedef struct ListOffsetsTopicResponse
{
	KafkaString name;
	ListOffsetsPartitionResponseArray partitions;
} ListOffsetsTopicResponse;

KAFKA_DESCRIBE_ITEM(ListOffsetsTopicResponse);

typedef struct ListOffsetsResponse
{
	int32_t		throttle_time_ms;
	ListOffsetsTopicResponseArray topics;
} ListOffsetsResponse;

KAFKA_DESCRIBE(ListOffsetsResponse);

/* Metadata (3) */

typedef struct MetadataRequestTopic
{
	KafkaUuid	topic_id;
	KafkaString name;
} MetadataRequestTopic;

KAFKA_DESCRIBE_ITEM(MetadataRequestTopic);

typedef struct MetadataRequest
{
	MetadataRequestTopicArray topics;
	bool		allow_auto_topic_creation;
	bool		include_cluster_authorized_operations;
	bool		include_topic_authorized_operations;
} MetadataRequest;

KAFKA_DESCRIBE(MetadataRequest);

typedef struct MetadataResponseBroker
{
	int32_t		node_id;
	KafkaString host;
	int32_t		port;
	KafkaString rack;
} MetadataResponseBroker;

KAFKA_DESCRIBE_ITEM(MetadataResponseBroker);

typedef struct MetadataResponsePartition
{
	int16_t		error_code;
	int32_t		partition_index;
	int32_t		leader_id;
	int32_t		leader_epoch;
	KafkaInt32Array replica_nodes;
	KafkaInt32Array isr_nodes;
	KafkaInt32Array offline_replicas;
} MetadataResponsePartition;

KAFKA_DESCRIBE_ITEM(MetadataResponsePartition);

typedef struct MetadataResponseTopic
{
	int16_t		error_code;
	KafkaString name;
	KafkaUuid	topic_id;
	bool		is_internal;
	MetadataResponsePartitionArray partitions;
	int32_t		topic_authorized_operations;
} MetadataResponseTopic;

KAFKA_DESCRIBE_ITEM(MetadataResponseTopic);

typedef struct MetadataResponse
{
	int32_t		throttle_time_ms;
	MetadataResponseBrokerArray brokers;
	KafkaString cluster_id;
	int32_t		controller_id;
	MetadataResponseTopicArray topics;
	int32_t		cluster_authorized_operations;
} MetadataResponse;

KAFKA_DESCRIBE(MetadataResponse);

/* FindCoordinator (10) */

typedef struct FindCoordinatorRequest
{
	KafkaString key;
	int8_t		key_type;
	KafkaStringArray coordinator_keys;
} FindCoordinatorRequest;

KAFKA_DESCRIBE(FindCoordinatorRequest);

typedef struct Coordinator
{
	KafkaString key;
	int32_t		node_id;
	KafkaString host;
	int32_t		port;
	int16_t		error_code;
	KafkaString error_message;
} Coordinator;

KAFKA_DESCRIBE_ITEM(Coordinator);

typedef struct FindCoordinatorResponse
{
	int32_t		throttle_time_ms;
	int16_t		error_code;
	KafkaString error_message;
	int32_t		node_id;
	KafkaString host;
	int32_t		port;
	CoordinatorArray coordinators;
} FindCoordinatorResponse;

KAFKA_DESCRIBE(FindCoordinatorResponse);

/* SaslHandshake (17) */

typedef struct SaslHandshakeRequest
{
	KafkaString mechanism;
} SaslHandshakeRequest;

KAFKA_DESCRIBE(SaslHandshakeRequest);

typedef struct SaslHandshakeResponse
{
	int16_t		error_code;
	KafkaStringArray mechanisms;
} SaslHandshakeResponse;

KAFKA_DESCRIBE(SaslHandshakeResponse);

/* ApiVersions (18) */

typedef struct ApiVersionsRequest
{
	KafkaString client_software_name;
	KafkaString client_software_version;
} ApiVersionsRequest;

KAFKA_DESCRIBE(ApiVersionsRequest);

typedef struct ApiVersion
{
	int16_t		api_key;
	int16_t		min_version;
	int16_t		max_version;
} ApiVersion;

KAFKA_DESCRIBE_ITEM(ApiVersion);

typedef struct SupportedFeatureKey
{
	KafkaString name;
	int16_t		min_version;
	int16_t		max_version;
} SupportedFeatureKey;

KAFKA_DESCRIBE_ITEM(SupportedFeatureKey);

typedef struct FinalizedFeatureKey
{
	KafkaString name;
	int16_t		max_version_level;
	int16_t		min_version_level;
} FinalizedFeatureKey;

KAFKA_DESCRIBE_ITEM(FinalizedFeatureKey);

typedef struct ApiVersionsResponse
{
	int16_t		error_code;
	ApiVersionArray api_keys;
	int32_t		throttle_time_ms;
	SupportedFeatureKeyArray supported_features;
	int64_t		finalized_features_epoch;
	FinalizedFeatureKeyArray finalized_features;
	bool		zk_migration_ready;
} ApiVersionsResponse;

KAFKA_DESCRIBE(ApiVersionsResponse);

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

/* OffsetForLeaderEpoch (23) */

typedef struct OffsetForLeaderPartition
{
	int32_t		partition;
	int32_t		current_leader_epoch;
	int32_t		leader_epoch;
} OffsetForLeaderPartition;

KAFKA_DESCRIBE_ITEM(OffsetForLeaderPartition);

typedef struct OffsetForLeaderTopic
{
	KafkaString topic;
	OffsetForLeaderPartitionArray partitions;
} OffsetForLeaderTopic;

KAFKA_DESCRIBE_ITEM(OffsetForLeaderTopic);

typedef struct OffsetForLeaderEpochRequest
{
	int32_t		replica_id;
	OffsetForLeaderTopicArray topics;
} OffsetForLeaderEpochRequest;

KAFKA_DESCRIBE(OffsetForLeaderEpochRequest);

typedef struct EpochEndOffset
{
	int16_t		error_code;
	int32_t		partition;
	int32_t		leader_epoch;
	int64_t		end_offset;
} EpochEndOffset;

KAFKA_DESCRIBE_ITEM(EpochEndOffset);

typedef struct OffsetForLeaderTopicResult
{
	KafkaString topic;
	EpochEndOffsetArray partitions;
} OffsetForLeaderTopicResult;

KAFKA_DESCRIBE_ITEM(OffsetForLeaderTopicResult);

typedef struct OffsetForLeaderEpochResponse
{
	int32_t		throttle_time_ms;
	OffsetForLeaderTopicResultArray topics;
} OffsetForLeaderEpochResponse;

KAFKA_DESCRIBE(OffsetForLeaderEpochResponse);

/* SaslAuthenticate (36) */

typedef struct SaslAuthenticateRequest
{
	KafkaBytes	auth_bytes;
} SaslAuthenticateRequest;

KAFKA_DESCRIBE(SaslAuthenticateRequest);

typedef struct SaslAuthenticateResponse
{
	int16_t		error_code;
	KafkaString error_message;
	KafkaBytes	auth_bytes;
	int64_t		session_lifetime_ms;
} SaslAuthenticateResponse;

KAFKA_DESCRIBE(SaslAuthenticateResponse);

/* All that is announced, by ascending keys. */
extern const KafkaApi kafka_apis[];
extern const int kafka_n_apis;

/* The API with that key, or NULL. */
extern const KafkaApi *kafka_api(int16_t key);

/* Whether the broker answers requests of that version. */
static inline bool
kafka_serves(const KafkaApi *api, int16_t version)
{
	return version >= api->served_min && version <= api->announced_max;
}

/* Before every request and every response; which version of it, see below. */
extern const KafkaMessage kafka_request_header;
extern const KafkaMessage kafka_response_header;

static inline int16_t
kafka_request_header_version(const KafkaApi *api, int16_t version)
{
	return version >= api->flexible_since ? 2 : 1;
}

/*
 * A client that asks for the versions cannot know them yet: so the header of
 * that answer is always the oldest.
 */
static inline int16_t
kafka_response_header_version(const KafkaApi *api, int16_t version)
{
	return version >= api->flexible_since && api->key != 18 ? 1 : 0;
}

#endif							/* EL_BROKER_MESSAGES_H */
