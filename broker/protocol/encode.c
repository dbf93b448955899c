/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  From structs to the bytes of Kafka's protocol, by their tables.
 *
 * IDENTIFICATION
 *	  broker/protocol/encode.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "broker/protocol/bytes.h"
#include "broker/protocol/codec.h"

typedef struct Encoder
{
	KafkaOutput *out;
	int16_t		version;
	bool		flexible;
} Encoder;

static void encode_struct(Encoder *e, const KafkaStruct *type, const char *data);

static void
put_unsigned(Encoder *e, uint64_t value, int size)
{
	char	   *room = kafka_output_room(e->out, (size_t) size);

	if (room != NULL)
		kafka_put_unsigned(room, value, size);
}

static void
put_uvarint(Encoder *e, uint32_t value)
{
	char	   *room = kafka_output_room(e->out, (size_t) kafka_uvarint_size(value));

	if (room != NULL)
		kafka_put_uvarint(room, value);
}

/*
 * Put a length or count, compact or in size bytes; whether the value follows.
 */
static bool
put_length(Encoder *e, bool compact, int size, bool nullable, int32_t len)
{
	if (len < 0 && !nullable)
		kafka_output_fail(e->out, "null where there must not be one");
	if (e->out->error != NULL)
		return false;
	if (compact)
		put_uvarint(e, len < 0 ? 0 : (uint32_t) len + 1);
	else
		put_unsigned(e, (uint64_t) (int64_t) (len < 0 ? -1 : len), size);
	return len >= 0;
}

static void
encode_string(Encoder *e, const KafkaField *field, bool nullable,
			  const KafkaString *string)
{
	bool		compact = e->flexible && field->type != KAFKA_HEADER_STRING;

	if (string->len > KAFKA_MAX_STRING)
		kafka_output_fail(e->out, "string is longer than 32767 bytes");
	else if (put_length(e, compact, 2, nullable, string->len))
		kafka_output_copy(e->out, string->data, (size_t) string->len);
}

static void
encode_bytes(Encoder *e, const KafkaField *field, bool nullable,
			 const KafkaBytes *bytes)
{
	const KafkaPiece whole = {bytes->data, bytes->len};
	const KafkaPiece *piece = bytes->pieces != NULL ? bytes->pieces : &whole;
	int32_t		left = bytes->len;

	if (!put_length(e, e->flexible, 4, nullable, bytes->len))
		return;
	for (; left > 0; left -= piece++->len)
	{
		size_t		len = (size_t) (piece->len < left ? piece->len : left);

		if (field->type == KAFKA_RECORDS && len >= e->out->reference_from)
			kafka_output_refer(e->out, piece->data, len);
		else
			kafka_output_copy(e->out, piece->data, len);
	}
}

/* Put one value of the field's type: the field, or an item of it. */
static void
encode_value(Encoder *e, const KafkaField *field, bool nullable, const void *value)
{
	switch ((KafkaType) field->type)
	{
		case KAFKA_BOOL:
			put_unsigned(e, *(const bool *) value ? 1 : 0, 1);
			break;
		case KAFKA_INT8:
			put_unsigned(e, (uint64_t) *(const int8_t *) value, 1);
			break;
		case KAFKA_INT16:
			put_unsigned(e, (uint64_t) *(const int16_t *) value, 2);
			break;
		case KAFKA_INT32:
			put_unsigned(e, (uint64_t) *(const int32_t *) value, 4);
			break;
		case KAFKA_INT64:
			put_unsigned(e, (uint64_t) *(const int64_t *) value, 8);
			break;
		case KAFKA_UUID:
			kafka_output_copy(e->out, value, sizeof(KafkaUuid));
			break;
		case KAFKA_STRING:
		case KAFKA_NAME:
		case KAFKA_HEADER_STRING:
			encode_string(e, field, nullable, value);
			break;
		case KAFKA_BYTES:
		case KAFKA_RECORDS:
			encode_bytes(e, field, nullable, value);
			break;
		case KAFKA_STRUCT:
			encode_struct(e, field->child, value);
			break;
	}
}

static void
encode_field(Encoder *e, const KafkaField *field, const void *member)
{
	bool		nullable = kafka_field_nullable(field, e->version);
	const KafkaAnyArray *array = member;
	size_t		size;
	int32_t		i;

	if (!field->is_array)
	{
		encode_value(e, field, nullable, member);
		return;
	}
	if (!put_length(e, e->flexible, 4, nullable, array->n))
		return;
	size = kafka_field_size(field);
	for (i = 0; i < array->n && e->out->error == NULL; i++)
		encode_value(e, field, false, (const char *) array->items + (size_t) i * size);
}

/*
 * Put the size of what was put since begin, in front of it.  What is put behind a
 * tag is small, so it is moved; there are no references in it, for no table has
 * records there: see messages_test.c.
 */
static void
insert_size(Encoder *e, size_t begin)
{
	size_t		size = e->out->len - begin;
	int			bytes = kafka_uvarint_size((uint32_t) size);
	char	   *p;

	if (size > INT32_MAX)
		kafka_output_fail(e->out, "tagged field is too large");
	if (kafka_output_room(e->out, (size_t) bytes) == NULL)
		return;
	p = e->out->buffer + begin;
	memmove(p + bytes, p, size);
	kafka_put_uvarint(p, (uint32_t) size);
}

/* Whether the field belongs into the tagged section of its struct. */
static bool
goes_tagged(const Encoder *e, const KafkaField *field, const char *data)
{
	return field->tagged && kafka_field_present(field, e->version) &&
		!kafka_is_default(field, data + field->offset);
}

/* Tagged fields stand in the table by ascending tags: see messages_test.c. */
static void
encode_tagged(Encoder *e, const KafkaStruct *type, const char *data)
{
	uint32_t	count = 0;
	int			i;

	for (i = 0; i < type->n_fields; i++)
		if (goes_tagged(e, &type->fields[i], data))
			count++;
	put_uvarint(e, count);
	for (i = 0; i < type->n_fields && count > 0; i++)
	{
		const KafkaField *field = &type->fields[i];
		size_t		begin;

		if (!goes_tagged(e, field, data))
			continue;
		put_uvarint(e, field->tag);
		begin = e->out->len;
		encode_field(e, field, data + field->offset);
		insert_size(e, begin);
	}
}

static void
encode_struct(Encoder *e, const KafkaStruct *type, const char *data)
{
	int			i;

	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];

		if (kafka_field_present(field, e->version) && !field->tagged)
			encode_field(e, field, data + field->offset);
	}
	if (e->flexible)
		encode_tagged(e, type, data);
}

bool
kafka_encode(KafkaOutput *out, const KafkaMessage *message, int16_t version,
			 const void *data)
{
	Encoder		e = {
		.out = out,
		.version = version,
		.flexible = version >= message->flexible_since
	};

	if (version < message->min_version || version > message->max_version)
		kafka_output_fail(out, "version is not known");
	else
		encode_struct(&e, message->body, data);
	return out->error == NULL;
}
