/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Which of Kafka's error codes an SQLSTATE is.
 *
 * A client tries again at the codes that Kafka calls retriable, so those stand
 * for what passes by itself, and the others for what does not.
 *
 * IDENTIFICATION
 *	  broker/errors.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "broker/errors.h"

typedef struct ErrorRule
{
	const char *sqlstate;		/* or the beginning of it */
	KafkaError	error;
} ErrorRule;

/* the first that fits */
static const ErrorRule rules[] = {
	{"00000", KAFKA_NONE},
	{"42501", KAFKA_TOPIC_AUTHORIZATION_FAILED},
	{"42704", KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
	{"42P01", KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
	{"42809", KAFKA_UNKNOWN_TOPIC_OR_PARTITION},
	{"42602", KAFKA_INVALID_TOPIC_EXCEPTION},
	{"22008", KAFKA_INVALID_TIMESTAMP},
	{"22023", KAFKA_INVALID_REQUEST},
	{"25000", KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED},
	{"54000", KAFKA_MESSAGE_TOO_LARGE},
	{"53400", KAFKA_POLICY_VIOLATION},
	{"0A000", KAFKA_UNSUPPORTED_COMPRESSION_TYPE},
	{"EL006", KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER},
	{"EL007", KAFKA_DUPLICATE_SEQUENCE_NUMBER},
	{"EL008", KAFKA_INVALID_PRODUCER_EPOCH},
	{"XX001", KAFKA_CORRUPT_MESSAGE},
	{"22", KAFKA_INVALID_RECORD},
	{"23", KAFKA_INVALID_RECORD},
	{"25006", KAFKA_NOT_LEADER_OR_FOLLOWER},
	{"08", KAFKA_NOT_LEADER_OR_FOLLOWER},
	{"57P", KAFKA_NOT_LEADER_OR_FOLLOWER},
	{"40", KAFKA_REQUEST_TIMED_OUT},
	{"55P03", KAFKA_REQUEST_TIMED_OUT},
	{"57014", KAFKA_REQUEST_TIMED_OUT},
	{"53", KAFKA_KAFKA_STORAGE_ERROR},
};

int16_t
kafka_error_of_sqlstate(const char *sqlstate)
{
	if (sqlstate == NULL)
		return KAFKA_NONE;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
	{
		if (strncmp(sqlstate, rules[i].sqlstate, strlen(rules[i].sqlstate)) == 0)
			return rules[i].error;
	}
	return KAFKA_UNKNOWN_SERVER_ERROR;
}
