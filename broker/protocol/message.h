/*-------------------------------------------------------------------------
 *
 * message.h
 *	  How a message of Kafka's protocol is described: types of its fields, and
 *	  the tables that say in which versions they are on the wire.
 *
 * A message is a plain C struct (messages.h) and a constant table beside it
 * (messages.c); codec.h turns bytes into the struct and back by the table.  What
 * the struct points to lies in the frame it was decoded from or in the arena.
 *
 * IDENTIFICATION
 *	  broker/protocol/message.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_MESSAGE_H
#define EL_BROKER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A string, not terminated.  len is -1 where it is null, and data is then NULL.
 * May contain NUL bytes; is UTF-8 only where the table calls it a name.
 */
typedef struct KafkaString
{
	const char *data;
	int32_t		len;
} KafkaString;

typedef struct KafkaPiece
{
	const char *data;
	int32_t		len;
} KafkaPiece;

/*
 * Bytes, or record batches; len is -1 where they are null.  Records that are encoded may
 * lie in pieces of together len bytes or more; data is not looked at then.
 */
typedef struct KafkaBytes
{
	const char *data;
	int32_t		len;
	const KafkaPiece *pieces;	/* NULL: all at data */
} KafkaBytes;

typedef struct KafkaUuid
{
	uint8_t		bytes[16];
} KafkaUuid;

/* n items; n is -1 where the array is null.  Without items, items is NULL. */
typedef struct KafkaInt32Array
{
	int32_t		n;
	int32_t    *items;
} KafkaInt32Array;

typedef struct KafkaInt64Array
{
	int32_t		n;
	int64_t    *items;
} KafkaInt64Array;

typedef struct KafkaStringArray
{
	int32_t		n;
	KafkaString *items;
} KafkaStringArray;

/* What every array is laid out as. */
typedef struct KafkaAnyArray
{
	int32_t		n;
	void	   *items;
} KafkaAnyArray;

/* What is on the wire; beside it the type of the struct's member. */
typedef enum KafkaType
{
	KAFKA_BOOL,					/* bool */
	KAFKA_INT8,					/* int8_t */
	KAFKA_INT16,				/* int16_t */
	KAFKA_INT32,				/* int32_t */
	KAFKA_INT64,				/* int64_t */
	KAFKA_UUID,					/* KafkaUuid */
	KAFKA_STRING,				/* KafkaString */
	KAFKA_NAME,					/* KafkaString that is refused if not UTF-8 */
	KAFKA_HEADER_STRING,		/* KafkaString, never in the compact form */
	KAFKA_BYTES,				/* KafkaBytes */
	KAFKA_RECORDS,				/* KafkaBytes, not copied when encoded; may
								 * lie in pieces then */
	KAFKA_STRUCT				/* the struct itself */
} KafkaType;

typedef struct KafkaStruct KafkaStruct;

/*
 * One field.  Its name is Kafka's in C's style (TopicData: topic_data), which is
 * also the member's.
 */
typedef struct KafkaField
{
	const char *name;
	const KafkaStruct *child;	/* of a struct, or of an array of structs */
	int64_t		default_value;	/* of numbers; what has a length: 0, or -1 for
								 * null */
	uint16_t	offset;			/* in the struct */
	uint8_t		type;			/* KafkaType, of each item if is_array */
	bool		is_array;
	bool		nullable;		/* in versions from null_since on */
	bool		tagged;			/* in the tagged section, with that tag */
	uint8_t		tag;
	int16_t		since;			/* the versions that have it */
	int16_t		until;
	int16_t		null_since;
} KafkaField;

struct KafkaStruct
{
	const char *name;
	uint16_t	size;			/* of the C struct */
	uint16_t	n_fields;
	const KafkaField *fields;	/* in the order of the wire */
};

/* The table of a struct; and the type of arrays of it, where there are any. */
#define KAFKA_TYPE(type) kafka_type_##type
#define KAFKA_DESCRIBE(type) extern const KafkaStruct KAFKA_TYPE(type)
#define KAFKA_DESCRIBE_ITEM(type) \
	typedef struct type##Array \
	{ \
		int32_t		n; \
		type	   *items; \
	} type##Array; \
	KAFKA_DESCRIBE(type)

/* A request, a response or a header of one: a struct with versions. */
typedef struct KafkaMessage
{
	const KafkaStruct *body;
	int16_t		min_version;	/* that can be decoded and encoded */
	int16_t		max_version;
	int16_t		flexible_since; /* KAFKA_NEVER if no version is flexible */
	bool		is_header;		/* is followed by something else */
} KafkaMessage;

#define KAFKA_NEVER INT16_MAX

/* One of the calls that the broker answers. */
typedef struct KafkaApi
{
	int16_t		key;
	const char *name;
	int16_t		announced_min;
	int16_t		announced_max;
	int16_t		served_min;		/* what is below is announced for those who
								 * look at the number only */
	int16_t		flexible_since;
	const KafkaMessage *request;
	const KafkaMessage *response;
} KafkaApi;

#endif							/* EL_BROKER_MESSAGE_H */
