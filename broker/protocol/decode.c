/*-------------------------------------------------------------------------
 *
 * decode.c
 *	  From the bytes of Kafka's protocol to structs, by their tables.
 *
 * What is read may come from anyone.  Each step either reads at least a byte of
 * the frame or is bounded by the table, whose depth also bounds recursion, so
 * time is linear in the frame; no length or count is believed before it has been
 * compared with the bytes that are left; and what is allocated comes from the
 * arena, which has a limit.
 *
 * Where Kafka is lenient and no client needs it, this is not: tags must ascend
 * (KIP-482 says so; Kafka's own reader takes any order and the last of two), the
 * size of a tagged field must be what is read of it, a length below -1 is no null,
 * and no bytes may be left over.
 *
 * IDENTIFICATION
 *	  broker/protocol/decode.c
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "broker/protocol/bytes.h"
#include "broker/protocol/codec.h"

typedef struct Decoder
{
	KafkaReader *reader;
	KafkaArena *arena;
	const char *error;
	int16_t		version;
	bool		flexible;
} Decoder;

static bool decode_struct(Decoder *d, const KafkaStruct *type, char *data);

/* Returns false, for the caller to return. */
static bool
fail(Decoder *d, const char *field, const char *error)
{
	d->reader->field = field;
	d->error = error;
	return false;
}

static size_t
left(const Decoder *d)
{
	return (size_t) (d->reader->end - d->reader->pos);
}

static bool
take(Decoder *d, const KafkaField *field, size_t size, const char **p)
{
	if (size > left(d))
		return fail(d, field->name, "message is cut short");
	*p = d->reader->pos;
	d->reader->pos += size;
	return true;
}

static bool
take_uvarint(Decoder *d, const char *field, uint32_t *value)
{
	const char *p = kafka_get_uvarint(d->reader->pos, d->reader->end, value);

	if (p == NULL)
		return fail(d, field, "varint is cut short or too long");
	d->reader->pos = p;
	return true;
}

/*
 * Read a length or count, -1 for null: compact or in size bytes.  Null only where
 * it may be.
 */
static bool
take_length(Decoder *d, const KafkaField *field, bool compact, int size,
			bool nullable, int64_t *len)
{
	const char *p;
	uint32_t	u;

	if (compact)
	{
		if (!take_uvarint(d, field->name, &u))
			return false;
		*len = (int64_t) u - 1;
	}
	else
	{
		if (!take(d, field, (size_t) size, &p))
			return false;
		*len = size == 2 ? kafka_get_int16(p) : kafka_get_int32(p);
	}
	if (*len < -1)
		return fail(d, field->name, "length is negative");
	if (*len == -1 && !nullable)
		return fail(d, field->name, "null is not allowed");
	return true;
}

/* Whether these bytes are UTF-8 as Unicode has it: shortest form, no surrogates. */
static bool
is_utf8(const char *data, size_t len)
{
	const uint8_t *p = (const uint8_t *) data;
	const uint8_t *end = p + len;

	while (p < end)
	{
		uint8_t		least = 0x80;
		uint8_t		most = 0xbf;
		int			more;

		if (*p < 0x80)
		{
			p++;
			continue;
		}
		if (*p >= 0xc2 && *p <= 0xdf)
			more = 1;
		else if (*p >= 0xe0 && *p <= 0xef)
		{
			more = 2;
			if (*p == 0xe0)
				least = 0xa0;
			if (*p == 0xed)
				most = 0x9f;
		}
		else if (*p >= 0xf0 && *p <= 0xf4)
		{
			more = 3;
			if (*p == 0xf0)
				least = 0x90;
			if (*p == 0xf4)
				most = 0x8f;
		}
		else
			return false;
		if (more >= end - p)
			return false;
		for (p++; more > 0; more--, p++)
		{
			if (*p < least || *p > most)
				return false;
			least = 0x80;
			most = 0xbf;
		}
	}
	return true;
}

static bool
decode_string(Decoder *d, const KafkaField *field, bool nullable, KafkaString *string)
{
	bool		compact = d->flexible && field->type != KAFKA_HEADER_STRING;
	const char *p;
	int64_t		len;

	if (!take_length(d, field, compact, 2, nullable, &len))
		return false;
	if (len == -1)
	{
		*string = (KafkaString)
		{
			NULL, -1
		};
		return true;
	}
	if (len > KAFKA_MAX_STRING)
		return fail(d, field->name, "string is longer than 32767 bytes");
	if (!take(d, field, (size_t) len, &p))
		return false;
	if (field->type == KAFKA_NAME && !is_utf8(p, (size_t) len))
		return fail(d, field->name, "name is not UTF-8");
	*string = (KafkaString)
	{
		p, (int32_t) len
	};
	return true;
}

static bool
decode_bytes(Decoder *d, const KafkaField *field, bool nullable, KafkaBytes *bytes)
{
	const char *p;
	int64_t		len;

	if (!take_length(d, field, d->flexible, 4, nullable, &len))
		return false;
	if (len == -1)
	{
		*bytes = (KafkaBytes)
		{
			.data = NULL,.len = -1
		};
		return true;
	}
	if (len > INT32_MAX)
		return fail(d, field->name, "message is cut short");
	if (!take(d, field, (size_t) len, &p))
		return false;
	*bytes = (KafkaBytes)
	{
		.data = p,.len = (int32_t) len
	};
	return true;
}

/* Read one value of the field's type: the field, or an item of it. */
static bool
decode_value(Decoder *d, const KafkaField *field, bool nullable, void *value)
{
	const char *p;

	switch ((KafkaType) field->type)
	{
		case KAFKA_BOOL:
			if (!take(d, field, 1, &p))
				return false;
			*(bool *) value = *p != 0;
			return true;
		case KAFKA_INT8:
			if (!take(d, field, 1, &p))
				return false;
			*(int8_t *) value = (int8_t) *p;
			return true;
		case KAFKA_INT16:
			if (!take(d, field, 2, &p))
				return false;
			*(int16_t *) value = kafka_get_int16(p);
			return true;
		case KAFKA_INT32:
			if (!take(d, field, 4, &p))
				return false;
			*(int32_t *) value = kafka_get_int32(p);
			return true;
		case KAFKA_INT64:
			if (!take(d, field, 8, &p))
				return false;
			*(int64_t *) value = kafka_get_int64(p);
			return true;
		case KAFKA_UUID:
			if (!take(d, field, sizeof(KafkaUuid), &p))
				return false;
			memcpy(value, p, sizeof(KafkaUuid));
			return true;
		case KAFKA_STRING:
		case KAFKA_NAME:
		case KAFKA_HEADER_STRING:
			return decode_string(d, field, nullable, value);
		case KAFKA_BYTES:
		case KAFKA_RECORDS:
			return decode_bytes(d, field, nullable, value);
		case KAFKA_STRUCT:
			return decode_struct(d, field->child, value);
	}
	return fail(d, field->name, "type is unknown");
}

static size_t least_struct_size(const Decoder *d, const KafkaStruct *type);

/* How many bytes one value of the field's type takes at least. */
static size_t
least_size(const Decoder *d, const KafkaField *field)
{
	switch ((KafkaType) field->type)
	{
		case KAFKA_BOOL:
		case KAFKA_INT8:
			return 1;
		case KAFKA_INT16:
		case KAFKA_HEADER_STRING:
			return 2;
		case KAFKA_INT32:
			return 4;
		case KAFKA_INT64:
			return 8;
		case KAFKA_UUID:
			return sizeof(KafkaUuid);
		case KAFKA_STRING:
		case KAFKA_NAME:
			return d->flexible ? 1 : 2;
		case KAFKA_BYTES:
		case KAFKA_RECORDS:
			return d->flexible ? 1 : 4;
		case KAFKA_STRUCT:
			return least_struct_size(d, field->child);
	}
	return 1;
}

static size_t
least_struct_size(const Decoder *d, const KafkaStruct *type)
{
	size_t		size = d->flexible ? 1 : 0; /* the tagged section */
	int			i;

	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];

		if (!kafka_field_present(field, d->version) || field->tagged)
			continue;
		if (field->is_array)
			size += d->flexible ? 1 : 4;
		else
			size += least_size(d, field);
	}
	return size;
}

static bool
decode_array(Decoder *d, const KafkaField *field, KafkaAnyArray *array)
{
	size_t		size = kafka_field_size(field);
	int64_t		n;
	int32_t		i;
	char	   *items;

	if (!take_length(d, field, d->flexible, 4,
					 kafka_field_nullable(field, d->version), &n))
		return false;
	*array = (KafkaAnyArray)
	{
		n < 0 ? -1 : 0, NULL
	};
	if (n <= 0)
		return true;

	/*
	 * a struct takes a byte at least, whatever its fields: see
	 * messages_test.c
	 */
	if (n > left(d) / least_size(d, field))
		return fail(d, field->name, "array has more items than bytes are left");
	items = n > INT32_MAX ? NULL :
		kafka_arena_alloc_array(d->arena, (size_t) n, size);
	if (items == NULL)
		return fail(d, field->name, "message takes too much memory");
	*array = (KafkaAnyArray)
	{
		(int32_t) n, items
	};
	for (i = 0; i < n; i++)
		if (!decode_value(d, field, false, items + (size_t) i * size))
			return false;
	return true;
}

static bool
decode_field(Decoder *d, const KafkaField *field, void *member)
{
	if (field->is_array)
		return decode_array(d, field, member);
	return decode_value(d, field, kafka_field_nullable(field, d->version), member);
}

static const KafkaField *
find_tag(const Decoder *d, const KafkaStruct *type, uint32_t tag)
{
	int			i;

	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];

		if (field->tagged && field->tag == tag &&
			kafka_field_present(field, d->version))
			return field;
	}
	return NULL;
}

/*
 * Read the tagged section at the end of a struct, whose tagged fields have their
 * defaults.  Tags that are not known are skipped.
 */
static bool
decode_tagged(Decoder *d, const KafkaStruct *type, char *data)
{
	uint32_t	count;
	int64_t		last = -1;

	if (!take_uvarint(d, type->name, &count))
		return false;
	/* each has a tag and a size */
	if (count > left(d) / 2)
		return fail(d, type->name, "more tagged fields than bytes are left");
	for (; count > 0; count--)
	{
		const KafkaField *field;
		const char *end = d->reader->end;
		uint32_t	tag;
		uint32_t	size;
		bool		ok;

		if (!take_uvarint(d, type->name, &tag) ||
			!take_uvarint(d, type->name, &size))
			return false;
		if (tag <= last)
			return fail(d, type->name, "tags do not ascend");
		last = tag;
		if (size > left(d))
			return fail(d, type->name, "tagged field is longer than what is left");
		field = find_tag(d, type, tag);
		if (field == NULL)
		{
			d->reader->pos += size;
			continue;
		}
		d->reader->end = d->reader->pos + size;
		ok = decode_field(d, field, data + field->offset);
		if (ok && left(d) > 0)
			ok = fail(d, field->name, "tagged field is longer than its value");
		d->reader->end = end;
		if (!ok)
			return false;
	}
	return true;
}

static bool
decode_struct(Decoder *d, const KafkaStruct *type, char *data)
{
	int			i;

	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];

		if (!kafka_field_present(field, d->version) || field->tagged)
			kafka_set_default(field, data + field->offset);
		else if (!decode_field(d, field, data + field->offset))
			return false;
	}
	return !d->flexible || decode_tagged(d, type, data);
}

bool
kafka_decode(KafkaReader *reader, const KafkaMessage *message, int16_t version,
			 void *data, KafkaArena *arena, const char **error)
{
	Decoder		d = {
		.reader = reader,
		.arena = arena,
		.version = version,
		.flexible = version >= message->flexible_since
	};
	bool		ok;

	reader->field = NULL;
	if (version < message->min_version || version > message->max_version)
		ok = fail(&d, message->body->name, "version is not known");
	else
		ok = decode_struct(&d, message->body, data);
	if (ok && left(&d) > 0 && !message->is_header)
		ok = fail(&d, message->body->name, "message is followed by more bytes");
	*error = d.error;
	return ok;
}

const KafkaApi *
kafka_decode_request_header(KafkaReader *reader, RequestHeader *header,
							KafkaArena *arena, const char **error)
{
	const KafkaApi *api;
	int16_t		version;

	/* which version the header has follows from its first two fields */
	if (reader->end - reader->pos < 4)
	{
		*error = "message is cut short";
		return NULL;
	}
	api = kafka_api(kafka_get_int16(reader->pos));
	version = kafka_get_int16(reader->pos + 2);
	if (api == NULL)
	{
		*error = "API key is not known";
		return NULL;
	}
	if (!kafka_decode(reader, &kafka_request_header,
					  kafka_request_header_version(api, version), header, arena,
					  error))
		return NULL;
	return api;
}
