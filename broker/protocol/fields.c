/*-------------------------------------------------------------------------
 *
 * fields.c
 *	  Fields and their defaults.
 *
 * IDENTIFICATION
 *	  broker/protocol/fields.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "broker/protocol/fields.h"

size_t
kafka_field_size(const KafkaField *field)
{
	switch ((KafkaType) field->type)
	{
		case KAFKA_BOOL:
			return sizeof(bool);
		case KAFKA_INT8:
			return sizeof(int8_t);
		case KAFKA_INT16:
			return sizeof(int16_t);
		case KAFKA_INT32:
			return sizeof(int32_t);
		case KAFKA_INT64:
			return sizeof(int64_t);
		case KAFKA_UUID:
			return sizeof(KafkaUuid);
		case KAFKA_STRING:
		case KAFKA_NAME:
		case KAFKA_HEADER_STRING:
			return sizeof(KafkaString);
		case KAFKA_BYTES:
		case KAFKA_RECORDS:
			return sizeof(KafkaBytes);
		case KAFKA_STRUCT:
			return field->child->size;
	}
	return 0;
}

void
kafka_set_default(const KafkaField *field, void *member)
{
	int32_t		len = (int32_t) field->default_value;

	if (field->is_array)
	{
		*(KafkaAnyArray *) member = (KafkaAnyArray)
		{
			len, NULL
		};
		return;
	}
	switch ((KafkaType) field->type)
	{
		case KAFKA_BOOL:
			*(bool *) member = field->default_value != 0;
			break;
		case KAFKA_INT8:
			*(int8_t *) member = (int8_t) field->default_value;
			break;
		case KAFKA_INT16:
			*(int16_t *) member = (int16_t) field->default_value;
			break;
		case KAFKA_INT32:
			*(int32_t *) member = (int32_t) field->default_value;
			break;
		case KAFKA_INT64:
			*(int64_t *) member = field->default_value;
			break;
		case KAFKA_UUID:
			memset(member, 0, sizeof(KafkaUuid));
			break;
		case KAFKA_STRING:
		case KAFKA_NAME:
		case KAFKA_HEADER_STRING:
			*(KafkaString *) member = (KafkaString)
			{
				len < 0 ? NULL : "", len
			};
			break;
		case KAFKA_BYTES:
		case KAFKA_RECORDS:
			*(KafkaBytes *) member = (KafkaBytes)
			{
				.data = len < 0 ? NULL : "",.len = len
			};
			break;
		case KAFKA_STRUCT:
			kafka_set_defaults(field->child, member);
			break;
	}
}

void
kafka_set_defaults(const KafkaStruct *type, void *data)
{
	int			i;

	for (i = 0; i < type->n_fields; i++)
		kafka_set_default(&type->fields[i],
						  (char *) data + type->fields[i].offset);
}

bool
kafka_is_default(const KafkaField *field, const void *member)
{
	static const KafkaUuid zero;
	int			i;

	if (field->is_array)
		return ((const KafkaAnyArray *) member)->n == field->default_value;
	switch ((KafkaType) field->type)
	{
		case KAFKA_BOOL:
			return *(const bool *) member == (field->default_value != 0);
		case KAFKA_INT8:
			return *(const int8_t *) member == field->default_value;
		case KAFKA_INT16:
			return *(const int16_t *) member == field->default_value;
		case KAFKA_INT32:
			return *(const int32_t *) member == field->default_value;
		case KAFKA_INT64:
			return *(const int64_t *) member == field->default_value;
		case KAFKA_UUID:
			return memcmp(member, &zero, sizeof(zero)) == 0;
		case KAFKA_STRING:
		case KAFKA_NAME:
		case KAFKA_HEADER_STRING:
			return ((const KafkaString *) member)->len == field->default_value;
		case KAFKA_BYTES:
		case KAFKA_RECORDS:
			return ((const KafkaBytes *) member)->len == field->default_value;
		case KAFKA_STRUCT:
			for (i = 0; i < field->child->n_fields; i++)
			{
				const KafkaField *f = &field->child->fields[i];

				if (!kafka_is_default(f, (const char *) member + f->offset))
					return false;
			}
			return true;
	}
	return false;
}

bool
kafka_new_items(KafkaArena *arena, const KafkaStruct *type, void *array, int32_t n)
{
	KafkaAnyArray *a = array;
	int32_t		i;

	*a = (KafkaAnyArray)
	{
		0, NULL
	};
	if (n == 0)
		return true;
	a->items = kafka_arena_alloc_array(arena, (size_t) n, type->size);
	if (a->items == NULL)
		return false;
	a->n = n;
	for (i = 0; i < n; i++)
		kafka_set_defaults(type, (char *) a->items + (size_t) i * type->size);
	return true;
}
