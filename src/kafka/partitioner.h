/*-------------------------------------------------------------------------
 *
 * partitioner.h
 *	  Which partition a key belongs to, as Kafka's clients choose it.
 *
 * Plain functions over bytes; builds without the server, like batch.h.
 *
 * IDENTIFICATION
 *	  src/kafka/partitioner.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PARTITIONER_H
#define EL_PARTITIONER_H

#include "kafka/batch.h"

typedef enum ElPartitioner
{
	EL_PARTITIONER_MURMUR2,		/* the Java client's default */
	EL_PARTITIONER_CRC32		/* librdkafka's "consistent" */
} ElPartitioner;

/* MurmurHash2 with seed 0x9747b28c (org.apache.kafka.common.utils.Utils.murmur2). */
extern int32 el_murmur2(const char *key, size_t len);
/* CRC-32 (IEEE 802.3), as zlib's. */
extern uint32 el_crc32(const char *key, size_t len);
/* Partition of a key that is not null; npartitions > 0. */
extern int32 el_partition_for_key(ElPartitioner p, const char *key, size_t len,
								  int32 npartitions);

#endif							/* EL_PARTITIONER_H */
