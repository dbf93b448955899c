/*-------------------------------------------------------------------------
 *
 * codec.h
 *	  From the bytes of Kafka's protocol to structs and back, by their tables.
 *
 * Errors are static, untranslated phrases ("string is longer than what is left").
 *
 * IDENTIFICATION
 *	  broker/protocol/codec.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_CODEC_H
#define EL_BROKER_CODEC_H

#include "broker/protocol/arena.h"
#include "broker/protocol/fields.h"
#include "broker/protocol/messages.h"
#include "broker/protocol/output.h"

/* Bytes being read: a frame without its size, which must outlive the struct. */
typedef struct KafkaReader
{
	const char *pos;
	const char *end;
	const char *field;			/* after an error: what was being read, or
								 * NULL */
} KafkaReader;

static inline KafkaReader
kafka_reader(const char *data, size_t len)
{
	return (KafkaReader)
	{
		data, data + len, NULL
	};
}

/*
 * Read a message of that version into its struct; fields that the version does
 * not have get their defaults.  All bytes must be read, unless it is a header.
 * False with *error if they are not what Kafka would send, the version is not in
 * the table, or the arena's limit is reached; the struct is undefined then.
 */
extern bool kafka_decode(KafkaReader *reader, const KafkaMessage *message,
						 int16_t version, void *data, KafkaArena *arena,
						 const char **error);

/*
 * Read the header of a request, whatever its version (for which see
 * kafka_serves()).  NULL with *error if nothing is announced for its key or the
 * bytes are wrong.
 */
extern const KafkaApi *kafka_decode_request_header(KafkaReader *reader,
												   RequestHeader *header,
												   KafkaArena *arena,
												   const char **error);

/*
 * Append a message as that version has it; what the version does not have is
 * left out.  Records of reference_from bytes or more are referred to, and must
 * stay until they are sent.  False if the output failed, also because something
 * is null that must not be; out->error says why.
 */
extern bool kafka_encode(KafkaOutput *out, const KafkaMessage *message,
						 int16_t version, const void *data);

#endif							/* EL_BROKER_CODEC_H */
