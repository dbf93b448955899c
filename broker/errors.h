/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  Kafka's error codes, and which of them an SQLSTATE is.
 *
 * Numbers and meanings: org.apache.kafka.common.protocol.Errors.
 *
 * IDENTIFICATION
 *	  broker/errors.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_ERRORS_H
#define EL_BROKER_ERRORS_H

#include <stdint.h>

typedef enum KafkaError
{
	KAFKA_UNKNOWN_SERVER_ERROR = -1,
	KAFKA_NONE = 0,
	KAFKA_OFFSET_OUT_OF_RANGE = 1,
	KAFKA_CORRUPT_MESSAGE = 2,
	KAFKA_UNKNOWN_TOPIC_OR_PARTITION = 3,
	KAFKA_NOT_LEADER_OR_FOLLOWER = 6,
	KAFKA_REQUEST_TIMED_OUT = 7,
	KAFKA_MESSAGE_TOO_LARGE = 10,
	KAFKA_INVALID_TOPIC_EXCEPTION = 17,
	KAFKA_INVALID_REQUIRED_ACKS = 21,
	KAFKA_TOPIC_AUTHORIZATION_FAILED = 29,
	KAFKA_INVALID_TIMESTAMP = 32,
	KAFKA_UNSUPPORTED_SASL_MECHANISM = 33,
	KAFKA_ILLEGAL_SASL_STATE = 34,
	KAFKA_UNSUPPORTED_VERSION = 35,
	KAFKA_INVALID_CONFIG = 40,
	KAFKA_INVALID_REQUEST = 42,
	KAFKA_POLICY_VIOLATION = 44,
	KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53,
	KAFKA_KAFKA_STORAGE_ERROR = 56,
	KAFKA_SASL_AUTHENTICATION_FAILED = 58,
	KAFKA_FETCH_SESSION_ID_NOT_FOUND = 70,
	KAFKA_UNKNOWN_LEADER_EPOCH = 75,
	KAFKA_UNSUPPORTED_COMPRESSION_TYPE = 76,
	KAFKA_INVALID_RECORD = 87,
	KAFKA_UNKNOWN_TOPIC_ID = 100
} KafkaError;

/* The code for what PostgreSQL said of a topic; 0 for NULL and "00000". */
extern int16_t kafka_error_of_sqlstate(const char *sqlstate);

#endif							/* EL_BROKER_ERRORS_H */
