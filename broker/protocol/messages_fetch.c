/*-------------------------------------------------------------------------
 *
 * messages_fetch.c
 *	  Messages of those who read: Fetch, ListOffsets and OffsetForLeaderEpoch.
 *
 * IDENTIFICATION
 *	  broker/protocol/messages_fetch.c
 *
 *-------------------------------------------------------------------------
 */
#include "broker/protocol/messages_fetch.h"
#include "broker/protocol/table.h"

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
