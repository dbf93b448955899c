/*-------------------------------------------------------------------------
 *
 * messages_fetch.h
 *	  Messages of those who read: Fetch, ListOffsets and OffsetForLeaderEpoch.
 *
 * IDENTIFICATION
 *	  broker/protocol/messages_fetch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_MESSAGES_FETCH_H
#define EL_BROKER_MESSAGES_FETCH_H

#include "broker/protocol/messages_cluster.h"

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

#endif							/* EL_BROKER_MESSAGES_FETCH_H */
