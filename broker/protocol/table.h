/*-------------------------------------------------------------------------
 *
 * table.h
 *	  Words for the tables of messages.
 *
 * A line of a table: the type on the wire, the member, the first and the last
 * version that has it (UP: up to the newest), and what is special about it.  A
 * member of another type than the line says does not compile.  Versions of a
 * struct's fields count only as far as the field that holds the struct is there.
 * test/nightly/kafka_schemas compares all of it with Kafka's own schemas.
 *
 * IDENTIFICATION
 *	  broker/protocol/table.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_TABLE_H
#define EL_BROKER_TABLE_H

#include "broker/protocol/message.h"

#define UP INT16_MAX

#define NULLABLE(version) .nullable = true, .null_since = (version)
#define TAGGED(number) .tagged = true, .tag = (number)
#define DEFAULT(value) .default_value = (value)
#define NULL_DEFAULT .default_value = -1

/* where a member lies, if it has that type */
#define PLACE(member, ctype) \
	_Generic(((THIS *) NULL)->member, ctype: offsetof(THIS, member))
#define PLACE_ARRAY(member, ctype) \
	_Generic(((THIS *) NULL)->member.items, ctype *: offsetof(THIS, member))

#define FIELD(wire, place, member, first, last, ...) \
	{.name = #member, .type = (wire), .offset = (place), \
		.since = (first), .until = (last), __VA_ARGS__}
#define ONE(wire, ctype, member, ...) \
	FIELD(wire, PLACE(member, ctype), member, __VA_ARGS__)
#define MANY(wire, ctype, member, ...) \
	FIELD(wire, PLACE_ARRAY(member, ctype), member, __VA_ARGS__, .is_array = true)

#define BOOL(...) ONE(KAFKA_BOOL, bool, __VA_ARGS__,)
#define INT8(...) ONE(KAFKA_INT8, int8_t, __VA_ARGS__,)
#define INT16(...) ONE(KAFKA_INT16, int16_t, __VA_ARGS__,)
#define INT32(...) ONE(KAFKA_INT32, int32_t, __VA_ARGS__,)
#define INT64(...) ONE(KAFKA_INT64, int64_t, __VA_ARGS__,)
#define UUID(...) ONE(KAFKA_UUID, KafkaUuid, __VA_ARGS__,)
#define STRING(...) ONE(KAFKA_STRING, KafkaString, __VA_ARGS__,)
#define NAME(...) ONE(KAFKA_NAME, KafkaString, __VA_ARGS__,)
#define HEADER_STRING(...) ONE(KAFKA_HEADER_STRING, KafkaString, __VA_ARGS__,)
#define BYTES(...) ONE(KAFKA_BYTES, KafkaBytes, __VA_ARGS__,)
#define RECORDS(...) ONE(KAFKA_RECORDS, KafkaBytes, __VA_ARGS__,)
#define STRUCT(ctype, ...) \
	ONE(KAFKA_STRUCT, ctype, __VA_ARGS__, .child = &KAFKA_TYPE(ctype))
#define INT32_ARRAY(...) MANY(KAFKA_INT32, int32_t, __VA_ARGS__)
#define INT64_ARRAY(...) MANY(KAFKA_INT64, int64_t, __VA_ARGS__)
#define STRING_ARRAY(...) MANY(KAFKA_STRING, KafkaString, __VA_ARGS__)
#define NAME_ARRAY(...) MANY(KAFKA_NAME, KafkaString, __VA_ARGS__)
#define STRUCT_ARRAY(ctype, ...) \
	MANY(KAFKA_STRUCT, ctype, __VA_ARGS__, .child = &KAFKA_TYPE(ctype))

#define TABLE(ctype) \
	const KafkaStruct KAFKA_TYPE(ctype) = \
	{ \
		#ctype, sizeof(ctype), \
		sizeof(ctype##_fields) / sizeof(KafkaField), ctype##_fields \
	}

#endif							/* EL_BROKER_TABLE_H */
