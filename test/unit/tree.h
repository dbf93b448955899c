/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  Messages of any kind, by their tables: random ones, and comparing two.
 *
 * IDENTIFICATION
 *	  test/unit/tree.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_TREE_H
#define EL_TREE_H

#include "broker/protocol/codec.h"

#include "check.h"

static const KafkaString null_string = {NULL, -1};
static const KafkaBytes null_bytes = {.len = -1};
static const KafkaAnyArray null_array = {-1, NULL};

/* Compare n bytes, of which there may be none. */
static inline bool
same_bytes(const char *a, int32_t a_len, const char *b, int32_t b_len)
{
	return a_len == b_len && (a == NULL) == (b == NULL) &&
		(a_len <= 0 || memcmp(a, b, (size_t) a_len) == 0);
}

static inline bool same_struct(const KafkaStruct *type, const void *a, const void *b);

static inline bool
same_value(const KafkaField *field, const void *a, const void *b)
{
	switch ((KafkaType) field->type)
	{
		case KAFKA_STRING:
		case KAFKA_NAME:
		case KAFKA_HEADER_STRING:
			{
				const KafkaString *s = a;
				const KafkaString *t = b;

				return same_bytes(s->data, s->len, t->data, t->len);
			}
		case KAFKA_BYTES:
		case KAFKA_RECORDS:
			{
				const KafkaBytes *s = a;
				const KafkaBytes *t = b;

				return same_bytes(s->data, s->len, t->data, t->len);
			}
		case KAFKA_STRUCT:
			return same_struct(field->child, a, b);
		default:
			return memcmp(a, b, kafka_field_size(field)) == 0;
	}
}

static inline bool
same_field(const KafkaField *field, const void *a, const void *b)
{
	const KafkaAnyArray *s = a;
	const KafkaAnyArray *t = b;
	size_t		size = kafka_field_size(field);
	int32_t		i;

	if (!field->is_array)
		return same_value(field, a, b);
	if (s->n != t->n)
		return false;
	for (i = 0; i < s->n; i++)
		if (!same_value(field, (char *) s->items + i * size, (char *) t->items + i * size))
			return false;
	return true;
}

static inline bool
same_struct(const KafkaStruct *type, const void *a, const void *b)
{
	int			i;

	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];

		if (!same_field(field, (const char *) a + field->offset,
						(const char *) b + field->offset))
			return false;
	}
	return true;
}

/* Mostly few, but now and then so many that a compact length takes more bytes. */
static inline int32_t
random_length(int32_t usual, int32_t most)
{
	switch (random_below(50))
	{
		case 0:
			return (int32_t) random_below((size_t) most + 1);
		case 1:
			return most < 130 ? most : 120 + (int32_t) random_below(11);
		default:
			return (int32_t) random_below((size_t) usual + 1);
	}
}

/* What may be said of a random tree. */
typedef struct TreeShape
{
	KafkaArena *arena;
	int16_t		version;
	bool		only_defaults;	/* where the version leaves a choice */
	bool		bad_utf8;		/* in strings that are no names, too */
} TreeShape;

static inline char *
random_data(const TreeShape *shape, int32_t len)
{
	char	   *data = kafka_arena_alloc(shape->arena, (size_t) len);

	CHECK(data != NULL);
	random_bytes(data, (size_t) len);
	return data;
}

static inline KafkaString
random_string(const TreeShape *shape, bool name)
{
	KafkaString string = {NULL, random_length(12, 2000)};
	char	   *data = random_data(shape, string.len);
	int32_t		i;

	string.data = data;
	for (i = 0; i < string.len && (name || !shape->bad_utf8); i++)
	{
		data[i] &= 0x7f;
		/* what takes two, three and four bytes */
		if (data[i] == 1 && string.len - i >= 2)
			memcpy(data + i++, "\xc3\xa4", 2);
		else if (data[i] == 2 && string.len - i >= 3)
			memcpy(data + i, "\xed\x9f\xbf", 3), i += 2;
		else if (data[i] == 3 && string.len - i >= 4)
			memcpy(data + i, "\xf4\x8f\xbf\xbf", 4), i += 3;
	}
	return string;
}

static inline KafkaBytes
random_blob(const TreeShape *shape)
{
	KafkaBytes	bytes = {.len = random_length(100, 20000)};

	bytes.data = random_data(shape, bytes.len);
	return bytes;
}

static inline void random_struct(const TreeShape *shape, const KafkaStruct *type,
								 void *data);

static inline void
random_value(const TreeShape *shape, const KafkaField *field, bool nullable, void *value)
{
	bool		null = nullable && random_below(4) == 0;

	switch ((KafkaType) field->type)
	{
		case KAFKA_BOOL:
			*(bool *) value = random_below(2) == 1;
			break;
		case KAFKA_STRING:
		case KAFKA_NAME:
		case KAFKA_HEADER_STRING:
			*(KafkaString *) value = null ? null_string :
				random_string(shape, field->type == KAFKA_NAME);
			break;
		case KAFKA_BYTES:
		case KAFKA_RECORDS:
			*(KafkaBytes *) value = null ? null_bytes : random_blob(shape);
			break;
		case KAFKA_STRUCT:
			random_struct(shape, field->child, value);
			break;
		default:
			random_bytes(value, kafka_field_size(field));
			break;
	}
}

static inline void
random_field(const TreeShape *shape, const KafkaField *field, void *member)
{
	bool		nullable = kafka_field_nullable(field, shape->version);
	size_t		size = kafka_field_size(field);
	KafkaAnyArray *array = member;
	int32_t		i;

	if (!field->is_array)
	{
		random_value(shape, field, nullable, member);
		return;
	}
	*array = null_array;
	if (nullable && random_below(4) == 0)
		return;
	/* arrays of arrays must not explode */
	array->n = random_length(2, field->type == KAFKA_STRUCT ? 5 : 300);
	if (array->n > 0)
		array->items = kafka_arena_alloc_array(shape->arena, (size_t) array->n, size);
	for (i = 0; i < array->n; i++)
		random_value(shape, field, false, (char *) array->items + i * size);
}

/* Fields that the version does not have are at their defaults. */
static inline void
random_struct(const TreeShape *shape, const KafkaStruct *type, void *data)
{
	int			i;

	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];
		void	   *member = (char *) data + field->offset;

		kafka_set_default(field, member);
		if (kafka_field_present(field, shape->version) && !shape->only_defaults &&
			(!field->tagged || random_below(2) == 0))
			random_field(shape, field, member);
	}
}

/* What was put, as one block of exactly that size. */
static inline char *
flatten(const KafkaOutput *out, size_t *len)
{
	size_t		n = out->n_references * 2 + 1;
	struct iovec *pieces = xmalloc(n * sizeof(struct iovec));
	int			used = kafka_output_pieces(out, pieces, (int) n);
	char	   *block = xmalloc(kafka_output_unsent(out));
	int			i;

	*len = 0;
	for (i = 0; i < used; i++)
	{
		memcpy(block + *len, pieces[i].iov_base, pieces[i].iov_len);
		*len += pieces[i].iov_len;
	}
	free(pieces);
	return block;
}

/*
 * Whatever the bytes, what is read of them is written as something that reads as
 * the same, and then is written the same again.  NULL, or what is wrong; read
 * says whether they could be read.
 */
static inline const char *
round_trip(const KafkaMessage *message, int16_t version, const char *bytes, size_t len,
		   size_t arena_limit, bool *read)
{
	KafkaArena	arena;
	KafkaReader reader = kafka_reader(bytes, len);
	KafkaOutput out;
	const char *error;
	const char *wrong = NULL;
	char	   *once = NULL;
	char	   *twice = NULL;
	size_t		once_len;
	size_t		twice_len;
	void	   *tree = xmalloc(message->body->size);
	void	   *again = xmalloc(message->body->size);

	kafka_arena_init(&arena, arena_limit);
	kafka_output_init(&out, SIZE_MAX);
	*read = kafka_decode(&reader, message, version, tree, &arena, &error);
	if (arena.taken > arena_limit)
		wrong = "the arena is beyond its limit";
	if (*read != (error == NULL))
		wrong = "an error without a word, or a word without an error";
	if (*read && wrong == NULL)
	{
		/*
		 * overlong varints and fields at their defaults make it shorter,
		 * never longer
		 */
		if (!kafka_encode(&out, message, version, tree))
			wrong = "what was read cannot be written";
		once = flatten(&out, &once_len);
		kafka_output_free(&out);
		arena.limit += arena_limit;
		reader = kafka_reader(once, once_len);
		if (wrong == NULL && !kafka_decode(&reader, message, version, again, &arena, &error))
			wrong = "what was written cannot be read";
		if (wrong == NULL && !same_struct(message->body, tree, again))
			wrong = "what was written reads as something else";
		out.reference_from = SIZE_MAX;
		if (wrong == NULL && !kafka_encode(&out, message, version, again))
			wrong = "what was read again cannot be written";
		twice = flatten(&out, &twice_len);
		if (wrong == NULL && (once_len != twice_len || memcmp(once, twice, once_len) != 0))
			wrong = "what was read again is written otherwise";
		if (wrong == NULL && once_len > len)
			wrong = "what is written is longer than what was read";
	}
	kafka_output_free(&out);
	kafka_arena_free(&arena);
	free(once);
	free(twice);
	free(tree);
	free(again);
	return wrong;
}

#endif							/* EL_TREE_H */
