/*-------------------------------------------------------------------------
 *
 * partitioner.h
 *	  Which partition a key belongs to, as Kafka's clients choose it.
 *
 * The same key goes to the same partition on every machine and in every
 * version: these numbers are part of the contract with other clients.
 *
 * IDENTIFICATION
 *	  src/kafka/partitioner.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PARTITIONER_H
#define EL_PARTITIONER_H

typedef enum ElPartitioner
{
	EL_PARTITIONER_MURMUR2,		/* the Java client's default */
	EL_PARTITIONER_CRC32		/* librdkafka's "consistent" */
} ElPartitioner;

/* MurmurHash2 with seed 0x9747b28c (org.apache.kafka.common.utils.Utils.murmur2). */
extern int32 el_murmur2(const char *key, size_t len);

/* CRC-32 (IEEE 802.3), as zlib's. */
extern uint32 el_crc32(const char *key, size_t len);

/*
 * Partition, 0 .. npartitions - 1, of a key that is not null; npartitions > 0.
 */
extern int32 el_partition_for_key(ElPartitioner p, const char *key, size_t len,
								  int32 npartitions);

#endif							/* EL_PARTITIONER_H */
