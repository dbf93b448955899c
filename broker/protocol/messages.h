/*-------------------------------------------------------------------------
 *
 * messages.h
 *	  The messages of Kafka's protocol that the broker speaks, as C structs.
 *
 * Names are Kafka's, in C's style.  A struct has the fields of all versions up to
 * the highest that is announced; which of them a version has, the table of the
 * same name says (table.h).  What two messages of Kafka share in all but its name
 * is one struct here, and what they call the same but is not has two names.
 *
 * IDENTIFICATION
 *	  broker/protocol/messages.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_MESSAGES_H
#define EL_BROKER_MESSAGES_H

#include "broker/protocol/messages_cluster.h"
#include "broker/protocol/messages_fetch.h"
#include "broker/protocol/messages_produce.h"

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
