/*-------------------------------------------------------------------------
 *
 * messages_test.c
 *	  Unit tests of the broker's messages: their tables, and the codec.
 *
 *	messages_test VECTORS TREES
 *
 * VECTORS holds frames of real clients and a real broker (kafka_frames.txt);
 * TREES is how many random messages of each kind and version are tried.
 *
 * IDENTIFICATION
 *	  test/unit/messages_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "broker/protocol/bytes.h"
#include "tree.h"

#define ARENA_LIMIT ((size_t) 64 * 1024 * 1024)
#define OUTPUT_LIMIT ((size_t) 64 * 1024 * 1024)

static int	trees;

/* --- every message in every version ---------------------------------------------- */

typedef void (*OnVersion) (const KafkaMessage *message, int16_t version);

static void
on_message(const KafkaMessage *message, OnVersion f)
{
	int16_t		version;

	for (version = message->min_version; version <= message->max_version; version++)
		f(message, version);
}

static void
on_every_version(OnVersion f)
{
	int			i;

	on_message(&kafka_request_header, f);
	on_message(&kafka_response_header, f);
	for (i = 0; i < kafka_n_apis; i++)
	{
		on_message(kafka_apis[i].request, f);
		on_message(kafka_apis[i].response, f);
	}
}

/* --- what the codec relies on in the tables ---------------------------------------- */

/* How many things it has on the wire. */
static int
check_struct(const KafkaMessage *message, const KafkaStruct *type, int16_t version, bool in_tag)
{
	bool		flexible = version >= message->flexible_since;
	int			last_tag = -1;
	int			on_wire = flexible ? 1 : 0;
	size_t		end = 0;
	int			i;

	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];
		bool		has_length = field->is_array || field->type == KAFKA_STRING ||
			field->type == KAFKA_NAME || field->type == KAFKA_HEADER_STRING ||
			field->type == KAFKA_BYTES || field->type == KAFKA_RECORDS;

		/* members in the order of the table, one behind the other */
		CHECK(field->offset >= end);
		end = field->offset + (field->is_array ? sizeof(KafkaAnyArray) : kafka_field_size(field));
		CHECK(end <= type->size);
		/* what is behind a tag is moved when it is written */
		CHECK(field->type != KAFKA_RECORDS || !(in_tag || field->tagged));
		CHECK((field->child != NULL) == (field->type == KAFKA_STRUCT));
		CHECK(field->since <= field->until && field->since >= 0);
		if (has_length)
			CHECK(field->default_value == 0 ||
				  (field->default_value == -1 && field->nullable && !field->is_array));
		else
			CHECK(!field->nullable);
		if (!kafka_field_present(field, version))
			continue;
		if (field->tagged)
		{
			CHECK(flexible);
			/* so that tags ascend when they are written in this order */
			CHECK(field->tag > last_tag);
			last_tag = field->tag;
		}
		else
			on_wire++;
		/* so that the number of items is bounded by the bytes */
		if (field->type == KAFKA_STRUCT)
			CHECK(check_struct(message, field->child, version, in_tag || field->tagged) > 0);
	}
	return on_wire;
}

static void
check_table(const KafkaMessage *message, int16_t version)
{
	check_struct(message, message->body, version, false);
}

static void
test_tables(void)
{
	int			i;

	on_every_version(check_table);
	for (i = 0; i < kafka_n_apis; i++)
	{
		const KafkaApi *api = &kafka_apis[i];

		CHECK(i == 0 || api->key > kafka_apis[i - 1].key);
		CHECK(api->announced_min <= api->served_min);
		CHECK(api->served_min <= api->announced_max);
		CHECK(kafka_api(api->key) == api);
		CHECK(!kafka_serves(api, api->served_min - 1));
		CHECK(kafka_serves(api, api->served_min));
		CHECK(kafka_serves(api, api->announced_max));
		CHECK(!kafka_serves(api, api->announced_max + 1));
	}
	CHECK(kafka_api(-1) == NULL);
	CHECK(kafka_api(4) == NULL);
	CHECK(kafka_response_header_version(kafka_api(18), 4) == 0);
	CHECK(kafka_response_header_version(kafka_api(0), 8) == 0);
	CHECK(kafka_response_header_version(kafka_api(0), 9) == 1);
	CHECK(kafka_request_header_version(kafka_api(18), 3) == 2);
	CHECK(kafka_request_header_version(kafka_api(17), 1) == 1);
}

/* --- a message, encoded and decoded -------------------------------------------------- */

/* Encode into a block of exactly that size; NULL with *error. */
static char *
encode(const KafkaMessage *message, int16_t version, const void *data,
	   size_t reference_from, size_t *len, const char **error)
{
	KafkaOutput out;
	char	   *bytes = NULL;

	kafka_output_init(&out, OUTPUT_LIMIT);
	out.reference_from = reference_from;
	if (kafka_encode(&out, message, version, data))
		bytes = flatten(&out, len);
	*error = out.error;
	kafka_output_free(&out);
	return bytes;
}

/* Decode the first bytes of a message from a block of their own, so that overruns are found. */
static const char *
decode_error(const KafkaMessage *message, int16_t version, const char *bytes, size_t len)
{
	KafkaArena	arena;
	KafkaReader reader;
	char	   *block = xmalloc(len);
	void	   *data = xmalloc(message->body->size);
	const char *error;
	bool		ok;

	memcpy(block, bytes, len);
	kafka_arena_init(&arena, ARENA_LIMIT);
	reader = kafka_reader(block, len);
	ok = kafka_decode(&reader, message, version, data, &arena, &error);
	CHECK(ok == (error == NULL));
	CHECK(ok || reader.field != NULL);
	CHECK(arena.taken <= arena.limit);
	kafka_arena_free(&arena);
	free(data);
	free(block);
	return error;
}

/* As fuzz_messages.c does it, beginning with what is right. */
static void
check_damaged(const KafkaMessage *message, int16_t version, const char *bytes, size_t len)
{
	char	   *block = xmalloc(len);
	int			times = len == 0 ? 0 : 10;

	for (; times > 0; times--)
	{
		int			changes = 1 + (int) random_below(3);
		bool		read;

		memcpy(block, bytes, len);
		while (changes-- > 0)
			block[random_below(len)] = (char) (random_below(2) == 0 ? next_random() : random_below(3) - 1);
		CHECK_TEXT(round_trip(message, version, block, len, 4 * len + 65536, &read), NULL);
	}
	free(block);
}

/* What is encoded reads as the same, and writes the same again; no prefix of it does. */
static void
check_tree(const KafkaMessage *message, int16_t version, const void *tree)
{
	KafkaArena	arena;
	KafkaReader reader;
	void	   *again = xmalloc(message->body->size);
	const char *error;
	size_t		len;
	size_t		again_len;
	char	   *bytes;
	char	   *again_bytes;
	size_t		cut;

	bytes = encode(message, version, tree, 100, &len, &error);
	if (!CHECK(bytes != NULL))
		return;
	kafka_arena_init(&arena, ARENA_LIMIT);
	reader = kafka_reader(bytes, len);
	if (CHECK(kafka_decode(&reader, message, version, again, &arena, &error)))
	{
		CHECK(reader.pos == reader.end);
		CHECK(same_struct(message->body, tree, again));
		again_bytes = encode(message, version, again, SIZE_MAX, &again_len, &error);
		CHECK(again_bytes != NULL && again_len == len && memcmp(bytes, again_bytes, len) == 0);
		free(again_bytes);
	}
	for (cut = 0; cut < len; cut += len < 400 ? 1 : 1 + random_below(len / 50))
		CHECK(decode_error(message, version, bytes, cut) != NULL);
	check_damaged(message, version, bytes, len);
	kafka_arena_free(&arena);
	free(bytes);
	free(again);
}

static void
check_trees(const KafkaMessage *message, int16_t version)
{
	int			i;

	for (i = 0; i < trees; i++)
	{
		KafkaArena	arena;
		TreeShape	shape = {.arena = &arena,.version = version,.only_defaults = i == 0,.bad_utf8 = i % 2 == 1};
		void	   *tree = xmalloc(message->body->size);

		kafka_arena_init(&arena, ARENA_LIMIT);
		random_struct(&shape, message->body, tree);
		check_tree(message, version, tree);
		kafka_arena_free(&arena);
		free(tree);
	}
}

/* --- tables that are not Kafka's, to write what no client should -------------------- */

typedef void (*Edit) (KafkaField *field);

static KafkaArena edited;		/* where they live */

static const KafkaStruct *
edit_struct(const KafkaStruct *type, Edit edit)
{
	KafkaStruct *copy = kafka_arena_alloc(&edited, sizeof(KafkaStruct));
	KafkaField *fields = kafka_arena_alloc_array(&edited, type->n_fields, sizeof(KafkaField));
	int			i;

	memcpy(copy, type, sizeof(*copy));
	memcpy(fields, type->fields, type->n_fields * sizeof(KafkaField));
	for (i = 0; i < type->n_fields; i++)
	{
		if (fields[i].child != NULL)
			fields[i].child = edit_struct(fields[i].child, edit);
		edit(&fields[i]);
	}
	copy->fields = fields;
	return copy;
}

static KafkaMessage
edit_message(const KafkaMessage *message, Edit edit)
{
	KafkaMessage copy = *message;

	copy.body = edit_struct(message->body, edit);
	return copy;
}

static void
allow_null(KafkaField *field)
{
	field->nullable = true;
	field->null_since = 0;
}

static void
move_tag(KafkaField *field)
{
	field->tag += 100;
}

static void
same_tag(KafkaField *field)
{
	field->tag = 0;
}

static void
no_name(KafkaField *field)
{
	if (field->type == KAFKA_NAME)
		field->type = KAFKA_STRING;
}

/* --- null where it must not be ------------------------------------------------------ */

/* Members (or items of them) that must not be null; one of them is picked at random. */
typedef struct Pick
{
	int			n;
	const KafkaField *field;
	void	   *value;
	bool		is_array;
} Pick;

static void
pick(Pick *p, const KafkaField *field, void *value, bool is_array)
{
	if (random_below((size_t) ++p->n) == 0)
	{
		p->field = field;
		p->value = value;
		p->is_array = is_array;
	}
}

static void pick_in_struct(Pick *p, const KafkaStruct *type, int16_t version, void *data, bool names);

static void
pick_in_value(Pick *p, const KafkaField *field, int16_t version, void *value, bool nullable, bool names)
{
	if (field->type == KAFKA_STRUCT)
		pick_in_struct(p, field->child, version, value, names);
	else if (field->type == KAFKA_NAME || (!names && field->type >= KAFKA_STRING))
	{
		if (names ? ((KafkaString *) value)->len > 0 : !nullable)
			pick(p, field, value, false);
	}
}

/* names: pick strings that are names and not empty instead. */
static void
pick_in_struct(Pick *p, const KafkaStruct *type, int16_t version, void *data, bool names)
{
	int			i;
	int32_t		j;

	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];
		void	   *member = (char *) data + field->offset;
		KafkaAnyArray *array = member;
		bool		nullable = kafka_field_nullable(field, version);

		if (!kafka_field_present(field, version))
			continue;
		if (!field->is_array)
		{
			pick_in_value(p, field, version, member, nullable, names);
			continue;
		}
		if (!nullable && !names)
			pick(p, field, array, true);
		for (j = 0; j < array->n; j++)
			pick_in_value(p, field, version,
						  (char *) array->items + (size_t) j * kafka_field_size(field),
						  false, names);
	}
}

static void
check_null(const KafkaMessage *message, int16_t version)
{
	KafkaMessage lenient = edit_message(message, allow_null);
	int			i;

	for (i = 0; i < trees; i++)
	{
		KafkaArena	arena;
		TreeShape	shape = {.arena = &arena,.version = version};
		void	   *tree = xmalloc(message->body->size);
		Pick		p = {0};
		const char *error;
		size_t		len;
		char	   *bytes;

		kafka_arena_init(&arena, ARENA_LIMIT);
		random_struct(&shape, message->body, tree);
		pick_in_struct(&p, message->body, version, tree, false);
		/* items of arrays of strings are never null, not even with that table */
		if (p.n > 0 && (p.is_array || !p.field->is_array))
		{
			if (p.is_array)
				*(KafkaAnyArray *) p.value = null_array;
			else if (p.field->type == KAFKA_BYTES || p.field->type == KAFKA_RECORDS)
				*(KafkaBytes *) p.value = null_bytes;
			else
				*(KafkaString *) p.value = null_string;
			CHECK(encode(message, version, tree, SIZE_MAX, &len, &error) == NULL);
			CHECK_TEXT(error, "null where there must not be one");
			bytes = encode(&lenient, version, tree, SIZE_MAX, &len, &error);
			if (CHECK(bytes != NULL))
				CHECK_TEXT(decode_error(message, version, bytes, len), "null is not allowed");
			free(bytes);
		}
		kafka_arena_free(&arena);
		free(tree);
	}
	kafka_arena_free(&edited);
}

/* --- names that are not UTF-8 ------------------------------------------------------- */

static void
check_names(const KafkaMessage *message, int16_t version)
{
	static const char *const bad[] = {
		"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xef\xbf",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xfe", "\xc3\xa4\xc3"
	};
	KafkaMessage lenient = edit_message(message, no_name);
	int			i;

	for (i = 0; i < trees; i++)
	{
		KafkaArena	arena;
		TreeShape	shape = {.arena = &arena,.version = version};
		void	   *tree = xmalloc(message->body->size);
		Pick		p = {0};
		const char *error;
		size_t		len;
		char	   *bytes;

		kafka_arena_init(&arena, ARENA_LIMIT);
		random_struct(&shape, message->body, tree);
		pick_in_struct(&p, message->body, version, tree, true);
		if (p.n > 0)
		{
			const char *text = bad[random_below(lengthof(bad))];

			*(KafkaString *) p.value = (KafkaString)
			{
				text	   ,
							(int32_t) strlen(text)
			};
			bytes = encode(&lenient, version, tree, SIZE_MAX, &len, &error);
			if (CHECK(bytes != NULL))
			{
				CHECK_TEXT(decode_error(message, version, bytes, len), "name is not UTF-8");
				CHECK_TEXT(decode_error(&lenient, version, bytes, len), NULL);
			}
			free(bytes);
		}
		kafka_arena_free(&arena);
		free(tree);
	}
	kafka_arena_free(&edited);
}

/* --- tags --------------------------------------------------------------------------- */

/* Set tagged fields to their defaults; the most that one struct had set. */
static int
drop_tagged(const KafkaStruct *type, int16_t version, void *data)
{
	int			here = 0;
	int			most = 0;
	int			i;
	int32_t		j;

	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];
		void	   *member = (char *) data + field->offset;
		KafkaAnyArray *array = member;

		if (field->tagged)
		{
			here += kafka_is_default(field, member) ? 0 : 1;
			kafka_set_default(field, member);
		}
		else if (field->type == KAFKA_STRUCT)
		{
			for (j = 0; j < (field->is_array ? array->n : 1); j++)
				most = Max(most, drop_tagged(field->child, version,
											 field->is_array ?
											 (char *) array->items + (size_t) j * field->child->size :
											 member));
		}
	}
	return Max(most, here);
}

/* Tags of the future are skipped, at every level; tags that repeat are refused. */
static void
check_tags(const KafkaMessage *message, int16_t version)
{
	KafkaMessage moved = edit_message(message, move_tag);
	KafkaMessage repeated = edit_message(message, same_tag);
	int			i;

	for (i = 0; i < trees; i++)
	{
		KafkaArena	arena;
		TreeShape	shape = {.arena = &arena,.version = version};
		void	   *tree = xmalloc(message->body->size);
		void	   *again = xmalloc(message->body->size);
		KafkaReader reader;
		const char *error;
		size_t		len;
		size_t		repeated_len;
		char	   *bytes;
		char	   *repeated_bytes;

		kafka_arena_init(&arena, ARENA_LIMIT);
		random_struct(&shape, message->body, tree);
		bytes = encode(&moved, version, tree, SIZE_MAX, &len, &error);
		repeated_bytes = encode(&repeated, version, tree, SIZE_MAX, &repeated_len, &error);
		/* which may also end in the first one, read as another */
		if (drop_tagged(message->body, version, tree) > 1)
			CHECK(decode_error(message, version, repeated_bytes, repeated_len) != NULL);
		reader = kafka_reader(bytes, len);
		if (CHECK(kafka_decode(&reader, message, version, again, &arena, &error)))
			CHECK(same_struct(message->body, tree, again));
		kafka_arena_free(&arena);
		free(repeated_bytes);
		free(bytes);
		free(again);
		free(tree);
	}
	kafka_arena_free(&edited);
}

/* --- bytes, one by one -------------------------------------------------------------- */

static const struct
{
	int			key;
	int			version;
	const char *hex;			/* of a request's body */
	const char *error;			/* NULL: it is right */
}			bodies[] = {

	/* ApiVersions: a tagged section, right and wrong */
	{18, 3, "0261 0262 00", NULL},
	{18, 3, "0261 0262", "varint is cut short or too long"},
	{18, 3, "0261 0262 00 00", "message is followed by more bytes"},
	{18, 3, "0261 0262 01 05 01 ff", NULL},
	{18, 3, "0261 0262 02 05 01 ff 06 00", NULL},
	{18, 3, "0261 0262 02 05 01 ff 05 00", "tags do not ascend"},
	{18, 3, "0261 0262 02 06 00 05 00", "tags do not ascend"},
	{18, 3, "0261 0262 01 05 02 ff", "tagged field is longer than what is left"},
	{18, 3, "0261 0262 01 ffffffff0f 00", NULL},
	{18, 3, "0261 0262 01 05 ffffffff0f", "tagged field is longer than what is left"},
	{18, 3, "0261 0262 ffffffff0f 05 00", "more tagged fields than bytes are left"},
	{18, 3, "0261 0262 02 05 00", "more tagged fields than bytes are left"},

	/*
	 * varints: in more bytes than they need, with bits beyond 32, without an
	 * end
	 */
	{18, 3, "8200 61 0262 00", NULL},
	{18, 3, "828000 61 0262 00", NULL},
	{18, 3, "8280808000 61 0262 00", NULL},
	{18, 3, "8280808010 61 0262 00", "varint is cut short or too long"},
	{18, 3, "828080808000 61 0262 00", "varint is cut short or too long"},
	{18, 3, "ffffffff0f 61 0262 00", "string is longer than 32767 bytes"},
	{18, 3, "818002 61 0262 00", "string is longer than 32767 bytes"},
	{18, 3, "808002 61 0262 00", "message is cut short"},
	{18, 3, "00 0262 00", "null is not allowed"},
	{18, 0, "", NULL},
	{18, 0, "00", "message is followed by more bytes"},
	{18, 5, "0261 0262 00", "version is not known"},
	{18, -1, "", "version is not known"},
	/* SaslHandshake: a string without the compact form */
	{17, 1, "0005 504c41494e", NULL},
	{17, 1, "0005 504c4149", "message is cut short"},
	{17, 1, "7fff 504c4149", "message is cut short"},
	{17, 1, "ffff", "null is not allowed"},
	{17, 1, "fffe", "length is negative"},
	{17, 1, "8000", "length is negative"},
	/* Metadata: arrays, of all versions; null from version 1 on */
	{3, 0, "00000000", NULL},
	{3, 0, "ffffffff", "null is not allowed"},
	{3, 1, "ffffffff", NULL},
	{3, 1, "fffffffe", "length is negative"},
	{3, 1, "80000000", "length is negative"},
	{3, 1, "7fffffff", "array has more items than bytes are left"},
	{3, 1, "00000002 0000 0000", NULL},
	{3, 1, "00000003 0000 0000", "array has more items than bytes are left"},
	{3, 1, "00000001 0000 0000", "message is followed by more bytes"},
	{3, 1, "00000001 0001 c3", "name is not UTF-8"},
	{3, 9, "00 01 00 01 00", NULL},
	{3, 9, "ffffffff0f 01 00 01 00", "array has more items than bytes are left"},
	{3, 9, "02 0261 00 01 00 01", "varint is cut short or too long"},
	{3, 9, "02 00 00 01 00 00 00", "null is not allowed"},
	{3, 10, "02 00000000000000000000000000000000 00 00 01 00 00 00", NULL},
	/* a bool is true unless it is zero */
	{3, 9, "00 ff 02 80 00", NULL},

	/*
	 * Produce: versions that are announced, not served; null records; lengths
	 * that lie
	 */
	{0, 2, "0001 00001388 00000000", "version is not known"},
	{0, 3, "ffff 0001 00001388 00000000", NULL},
	{0, 8, "ffff 0001 00001388 00000001 0001 74 00000001 00000000 ffffffff", NULL},
	{0, 8, "ffff 0001 00001388 00000001 0001 74 00000001 00000000 00000001", "message is cut short"},
	{0, 8, "ffff 0001 00001388 00000001 0001 74 00000001 00000000 7fffffff", "message is cut short"},
	{0, 9, "00 0001 00001388 02 0274 02 00000000 00 00 00 00", NULL},
	{0, 9, "00 0001 00001388 02 0274 02 00000000 ffffffff0f 00 00 00", "message is cut short"},
	{0, 12, "00 0001 00001388 01 00", "version is not known"},
	/* Fetch: the size of a tagged field is that of its value */
	{1, 15, "00000000 00000001 00000000 00 00000000 ffffffff 01 01 01 00", NULL},
	{1, 15, "00000000 00000001 00000000 00 00000000 ffffffff 01 01 01 01 00 02 0161", "tagged field is longer than its value"},
	{1, 15, "00000000 00000001 00000000 00 00000000 ffffffff 01 01 01 01 00 02 0261", NULL},
	{1, 15, "00000000 00000001 00000000 00 00000000 ffffffff 01 01 01 01 00 03 026100", "tagged field is longer than its value"},
	{1, 15, "00000000 00000001 00000000 00 00000000 ffffffff 01 01 01 01 00 01 03", "message is cut short"},
	{1, 15, "00000000 00000001 00000000 00 00000000 ffffffff 01 01 01 02 00 01 00 00 01 00", "tags do not ascend"},
	{1, 12, "ffffffff 00000000 00000001 00000000 00 00000000 ffffffff 01 01 01 00", NULL},
};

/* Hex with spaces, into a block of exactly that size. */
static char *
from_spaced_hex(const char *hex, size_t *len)
{
	char	   *plain = xmalloc(strlen(hex) + 1);
	char	   *bytes;
	size_t		n = 0;

	for (; *hex != '\0'; hex++)
		if (*hex != ' ')
			plain[n++] = *hex;
	plain[n] = '\0';
	bytes = from_hex(plain, len);
	free(plain);
	return bytes;
}

static void
test_bodies(void)
{
	size_t		i;

	for (i = 0; i < lengthof(bodies); i++)
	{
		size_t		len;
		char	   *bytes = from_spaced_hex(bodies[i].hex, &len);
		const char *error = decode_error(kafka_api(bodies[i].key)->request,
										 bodies[i].version, bytes, len);

		if (!CHECK_TEXT(error, bodies[i].error))
			printf("... of %d, version %d: %s\n", bodies[i].key, bodies[i].version, bodies[i].hex);
		free(bytes);
	}
}

static const char *
header_error(const char *hex)
{
	KafkaArena	arena;
	size_t		len;
	char	   *bytes = from_spaced_hex(hex, &len);
	KafkaReader reader = kafka_reader(bytes, len);
	RequestHeader header;
	const char *error;
	bool		ok;

	kafka_arena_init(&arena, ARENA_LIMIT);
	ok = kafka_decode_request_header(&reader, &header, &arena, &error) != NULL;
	CHECK(ok == (error == NULL));
	kafka_arena_free(&arena);
	free(bytes);
	return error;
}

static void
test_headers(void)
{
	CHECK_TEXT(header_error("0012 0000 00000001 ffff"), NULL);
	CHECK_TEXT(header_error("0012 0000 00000001 0001 ff"), NULL);
	CHECK_TEXT(header_error("0012 0003 00000001 0001 61 00"), NULL);
	/* a version that nobody knows yet: the answer is one that all know */
	CHECK_TEXT(header_error("0012 7fff 00000001 0001 61 01 00 01 ff"), NULL);
	CHECK_TEXT(header_error("0012 ffff 00000001 0001 61"), NULL);
	CHECK_TEXT(header_error("0012 0003 00000001 0001 61"), "varint is cut short or too long");
	CHECK_TEXT(header_error("0012 0003 00000001 0261 00"), "message is cut short");
	CHECK_TEXT(header_error("0012 0000 0000"), "message is cut short");
	CHECK_TEXT(header_error("0012"), "message is cut short");
	CHECK_TEXT(header_error(""), "message is cut short");
	CHECK_TEXT(header_error("0004 0000 00000001 ffff"), "API key is not known");
	CHECK_TEXT(header_error("ffff 0000 00000001 ffff"), "API key is not known");
	/* a browser, and a client that begins with TLS */
	CHECK_TEXT(header_error("2f20485454502f312e310d0a"), "API key is not known");
}

/* --- frames of real clients and a real broker --------------------------------------- */

static void
check_frame(char *line)
{
	int			key = atoi(next_field(&line, ' '));
	int			version = atoi(next_field(&line, ' '));
	bool		is_request = strcmp(next_field(&line, ' '), "request") == 0;
	size_t		len;
	char	   *bytes = from_hex(next_field(&line, ' '), &len);
	const KafkaApi *api = kafka_api((int16_t) key);
	const KafkaMessage *message = is_request ? api->request : api->response;
	void	   *tree = xmalloc(message->body->size);
	RequestHeader request_header;
	ResponseHeader response_header;
	KafkaArena	arena;
	KafkaReader reader = kafka_reader(bytes, len);
	KafkaOutput out;
	KafkaFrame	frame;
	const char *error;
	size_t		again_len;
	char	   *again;
	bool		ok;

	kafka_arena_init(&arena, ARENA_LIMIT);
	if (is_request)
	{
		ok = kafka_decode_request_header(&reader, &request_header, &arena, &error) == api;
		CHECK(request_header.request_api_version == version);
	}
	else
		ok = kafka_decode(&reader, &kafka_response_header,
						  kafka_response_header_version(api, version), &response_header,
						  &arena, &error);
	CHECK(ok);
	if (!kafka_decode(&reader, message, version, tree, &arena, &error))
	{
		printf("%d version %d: %s: %s\n", key, version, reader.field, error);
		CHECK(false);
	}
	else
	{
		kafka_output_init(&out, OUTPUT_LIMIT);
		frame = kafka_output_begin_frame(&out);
		if (is_request)
			kafka_encode(&out, &kafka_request_header,
						 kafka_request_header_version(api, version), &request_header);
		else
			kafka_encode(&out, &kafka_response_header,
						 kafka_response_header_version(api, version), &response_header);
		kafka_encode(&out, message, version, tree);
		if (CHECK(kafka_output_end_frame(&out, frame)))
		{
			again = flatten(&out, &again_len);
			CHECK(again_len == len + 4 && kafka_get_int32(again) == (int32_t) len);
			CHECK(again_len == len + 4 && memcmp(again + 4, bytes, len) == 0);
			free(again);
		}
		kafka_output_free(&out);
	}
	kafka_arena_free(&arena);
	free(tree);
	free(bytes);
}

static void
test_frames(const char *dir)
{
	static char line[1024 * 1024];
	FILE	   *f = open_vectors(dir, "kafka_frames.txt");
	int			n = 0;

	for (; next_line(f, line, sizeof(line)); n++)
		check_frame(line);
	CHECK(n > 0);
	fclose(f);
}

/* --- limits ------------------------------------------------------------------------- */

/* What costs most memory and time for its bytes ends soon, and within the arena. */
static void
test_hostile(void)
{
	size_t		len = 8 * 1024 * 1024;
	char	   *bytes = xmalloc(len + 16);
	KafkaArena	arena;
	KafkaReader reader;
	MetadataRequest metadata;
	ApiVersionsRequest versions;
	const char *error;

	/* topics, which take two bytes each at least in version 9 */
	memset(bytes, 0, len + 16);
	memcpy(bytes, "\xff\xff\xff\x03", 4);
	kafka_arena_init(&arena, 4 * len);
	reader = kafka_reader(bytes, len);
	CHECK(!kafka_decode(&reader, kafka_api(3)->request, 9, &metadata, &arena, &error));
	CHECK_TEXT(error, "array has more items than bytes are left");
	memcpy(bytes, "\xff\xff\xff\x01", 4);
	reader = kafka_reader(bytes, len);
	CHECK(!kafka_decode(&reader, kafka_api(3)->request, 9, &metadata, &arena, &error));
	CHECK_TEXT(error, "message takes too much memory");
	CHECK_TEXT(reader.field, "topics");
	CHECK(arena.taken <= arena.limit);
	kafka_arena_free(&arena);

	/* tags without end, of which no two are the same */
	{
		char	   *p = bytes;
		uint32_t	n = (uint32_t) (len / 8);
		uint32_t	i;

		memcpy(p, "\x02" "a" "\x02" "b", 4);
		p = kafka_put_uvarint(p + 4, n);
		for (i = 0; i < n; i++)
			p = kafka_put_uvarint(kafka_put_uvarint(p, i), 0);
		kafka_arena_init(&arena, 0);
		reader = kafka_reader(bytes, (size_t) (p - bytes));
		CHECK(kafka_decode(&reader, kafka_api(18)->request, 3, &versions, &arena, &error));
		CHECK(arena.taken == 0);
	}
	free(bytes);
}

/* New items are what Kafka takes for granted, structs in them too. */
static void
test_new_items(void)
{
	KafkaArena	arena;
	FetchPartitionDataArray partitions;
	int			i;

	kafka_arena_init(&arena, 4096);
	CHECK(KAFKA_NEW_ITEMS(&arena, &partitions, FetchPartitionData, 3));
	CHECK(partitions.n == 3);
	for (i = 0; i < partitions.n; i++)
	{
		CHECK(partitions.items[i].last_stable_offset == -1);
		CHECK(partitions.items[i].current_leader.leader_epoch == -1);
		CHECK(partitions.items[i].records.len == 0 && partitions.items[i].records.data != NULL);
		CHECK(partitions.items[i].aborted_transactions.n == 0);
	}
	CHECK(KAFKA_NEW_ITEMS(&arena, &partitions, FetchPartitionData, 0));
	CHECK(partitions.n == 0 && partitions.items == NULL);
	CHECK(!KAFKA_NEW_ITEMS(&arena, &partitions, FetchPartitionData, 1000));
	CHECK(partitions.n == 0 && partitions.items == NULL);
	kafka_arena_free(&arena);
}

/* A table of pointers to the frame, not copies of it. */
static void
test_no_copy(void)
{
	KafkaArena	arena;
	KafkaOutput out;
	ProduceRequest request;
	KafkaReader reader;
	const char *error;
	size_t		len;
	char	   *records = xmalloc(100000);
	char	   *bytes;
	struct iovec pieces[8];
	const KafkaPiece parts[] = {{records, 60000}, {records + 60000, 100}, {records + 60100, 39900}};

	random_bytes(records, 100000);
	kafka_arena_init(&arena, 2048);
	kafka_set_defaults(&KAFKA_TYPE(ProduceRequest), &request);
	CHECK(request.transactional_id.len == -1);
	CHECK(KAFKA_NEW_ITEMS(&arena, &request.topic_data, TopicProduceData, 1));
	CHECK(KAFKA_NEW_ITEMS(&arena, &request.topic_data.items[0].partition_data, PartitionProduceData, 1));
	request.topic_data.items[0].partition_data.items[0].records = (KafkaBytes)
	{
		.data = records,.len = 100000
	};

	/* out: the middle of three pieces is the records themselves */
	kafka_output_init(&out, OUTPUT_LIMIT);
	CHECK(kafka_encode(&out, kafka_api(0)->request, 11, &request));
	CHECK(kafka_output_pieces(&out, pieces, 8) == 3);
	CHECK(pieces[1].iov_base == records && pieces[1].iov_len == 100000);
	CHECK(out.len < 100);
	bytes = flatten(&out, &len);
	kafka_output_free(&out);

	/* in: within an arena in which they had no room */
	reader = kafka_reader(bytes, len);
	if (CHECK(kafka_decode(&reader, kafka_api(0)->request, 11, &request, &arena, &error)))
	{
		KafkaBytes *got = &request.topic_data.items[0].partition_data.items[0].records;

		CHECK(got->data > bytes && got->data + got->len <= bytes + len);
		CHECK(got->len == 100000 && memcmp(got->data, records, 100000) == 0);
	}

	/*
	 * the same from pieces, of which the small one is copied: as many bytes,
	 * in their order
	 */
	{
		char	   *again;
		size_t		again_len;

		request.topic_data.items[0].partition_data.items[0].records = (KafkaBytes)
		{
			.len = 100000,.pieces = parts
		};
		kafka_output_init(&out, OUTPUT_LIMIT);
		CHECK(kafka_encode(&out, kafka_api(0)->request, 11, &request));
		CHECK(kafka_output_pieces(&out, pieces, 8) == 5);
		CHECK(pieces[1].iov_base == records && pieces[1].iov_len == 60000);
		CHECK(pieces[2].iov_len == 100);
		CHECK(pieces[3].iov_base == records + 60100 && pieces[3].iov_len == 39900);
		again = flatten(&out, &again_len);
		CHECK(again_len == len && memcmp(again, bytes, len) == 0);
		free(again);
		kafka_output_free(&out);
	}

	/* too much for the output: as before, and usable */
	kafka_output_init(&out, 50000);
	{
		KafkaFrame	frame = kafka_output_begin_frame(&out);

		CHECK(!kafka_encode(&out, kafka_api(0)->request, 11, &request));
		CHECK(!kafka_output_end_frame(&out, frame));
		CHECK_TEXT(out.error, "answer is larger than its limit");
		CHECK(kafka_output_unsent(&out) == 0);
		request.topic_data.n = 0;
		frame = kafka_output_begin_frame(&out);
		CHECK(kafka_encode(&out, kafka_api(0)->request, 11, &request));
		CHECK(kafka_output_end_frame(&out, frame));
	}
	kafka_output_free(&out);
	kafka_arena_free(&arena);
	free(bytes);
	free(records);
}

int
main(int argc, char **argv)
{
	if (argc != 3)
	{
		fprintf(stderr, "usage: messages_test VECTORS TREES\n");
		return 2;
	}
	trees = atoi(argv[2]);
	kafka_arena_init(&edited, ARENA_LIMIT);
	test_tables();
	test_bodies();
	test_headers();
	test_frames(argv[1]);
	test_hostile();
	test_new_items();
	test_no_copy();
	on_every_version(check_trees);
	on_every_version(check_null);
	on_every_version(check_names);
	on_every_version(check_tags);
	return check_summary();
}
