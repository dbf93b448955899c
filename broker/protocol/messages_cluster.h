/*-------------------------------------------------------------------------
 *
 * messages_cluster.h
 *	  Messages of a connection and about the cluster: ApiVersions, SaslHandshake,
 *	  SaslAuthenticate, Metadata and FindCoordinator.
 *
 * IDENTIFICATION
 *	  broker/protocol/messages_cluster.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_MESSAGES_CLUSTER_H
#define EL_BROKER_MESSAGES_CLUSTER_H

#include "broker/protocol/message.h"

/* in answers of others: which node leads, and where it is */

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

#endif							/* EL_BROKER_MESSAGES_CLUSTER_H */
