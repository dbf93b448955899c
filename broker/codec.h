/*-------------------------------------------------------------------------
 *
 * codec.h
 *	  From the bytes of Kafka's protocol to structs and back, by their tables.
 *
 * Errors are static, untranslated phrases ("string is longer than the frame").
 *
 * IDENTIFICATION
 *	  broker/codec.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_CODEC_H
#define EL_BROKER_CODEC_H

#include "broker/arena.h"
#include "broker/messages.h"
#include "broker/output.h"

/* Bytes being read: a frame without its size, which must outlive the struct. */
typedef struct KafkaReader
{
	const char *pos;
	const char *end;
	const char *field;			/* after an error: the name of the field that
								 * was being read, or NULL */
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
 * Append a message as that version has it; what the version does not have is
 * left out.  Records of reference_from bytes or more are referred to, and must
 * stay until they are sent.  False with *error if something is null that must
 * not be, or the output failed; the output is then as before, but for "error".
 */
extern bool kafka_encode(KafkaOutput *out, const KafkaMessage *message,
						 int16_t version, const void *data, const char **error);

/*
 * Read the header of a request, whatever its version (then answer or close:
 * kafka_serves()).  NULL with *error if its key is none of kafka_apis or the
 * bytes are wrong.
 */
extern const KafkaApi *kafka_decode_request_header(KafkaReader *reader,
												   RequestHeader *header,
												   KafkaArena *arena,
												   const char **error);

/* Set every member to its default. */
extern void kafka_set_defaults(const KafkaStruct *type, void *data);

/*
 * Give an array n items, each with its defaults:
 *
 *	if (!KAFKA_NEW_ITEMS(arena, &response.topics, MetadataResponseTopic, 3))
 *
 * False if the arena's limit is reached; the array is empty then.
 */
#define KAFKA_NEW_ITEMS(arena, array, type, n) \
	kafka_new_items(arena, &KAFKA_TYPE(type), \
					_Generic((array)->items, type *: (array)), n)
extern bool kafka_new_items(KafkaArena *arena, const KafkaStruct *type,
							void *array, int32_t n);

#endif							/* EL_BROKER_CODEC_H */
