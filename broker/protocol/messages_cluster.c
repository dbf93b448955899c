/*-------------------------------------------------------------------------
 *
 * messages_cluster.c
 *	  Messages of a connection and about the cluster: ApiVersions, SaslHandshake,
 *	  SaslAuthenticate, Metadata and FindCoordinator.
 *
 * IDENTIFICATION
 *	  broker/protocol/messages_cluster.c
 *
 *-------------------------------------------------------------------------
 */
#include "broker/protocol/messages_cluster.h"
#include "broker/protocol/table.h"

/* in answers of others */

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
