/*-------------------------------------------------------------------------
 *
 * fields.h
 *	  Fields and their defaults.
 *
 * IDENTIFICATION
 *	  broker/protocol/fields.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_FIELDS_H
#define EL_BROKER_FIELDS_H

#include "broker/protocol/arena.h"
#include "broker/protocol/messages.h"

/* Strings are no longer in any version, not even where their length could be. */
#define KAFKA_MAX_STRING INT16_MAX

/* Whether that version has the field. */
static inline bool
kafka_field_present(const KafkaField *field, int16_t version)
{
	return version >= field->since && version <= field->until;
}

static inline bool
kafka_field_nullable(const KafkaField *field, int16_t version)
{
	return field->nullable && version >= field->null_since;
}

/* The size of a field in its struct, or of one of its items if it is an array. */
extern size_t kafka_field_size(const KafkaField *field);

/* Set one member, or all of them, to the default. */
extern void kafka_set_default(const KafkaField *field, void *member);
extern void kafka_set_defaults(const KafkaStruct *type, void *data);

/* Whether a member has its default. */
extern bool kafka_is_default(const KafkaField *field, const void *member);

/*
 * Give an array n items, each with its defaults:
 *
 *	if (!KAFKA_NEW_ITEMS(arena, &response.topics, MetadataResponseTopic, 3))
 *
 * False if the arena's limit is reached; the array is empty then.
 */
#define KAFKA_NEW_ITEMS(arena, array, type, n) \
	kafka_new_items(arena, &KAFKA_TYPE(type), \
					_Generic((array), type##Array *: (array)), n)
extern bool kafka_new_items(KafkaArena *arena, const KafkaStruct *type,
							void *array, int32_t n);

#endif							/* EL_BROKER_FIELDS_H */
