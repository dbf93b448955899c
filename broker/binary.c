/*-------------------------------------------------------------------------
 *
 * binary.c
 *	  Values in PostgreSQL's binary format.
 *
 * IDENTIFICATION
 *	  broker/binary.c
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <string.h>

#include "broker/binary.h"
#include "broker/protocol/bytes.h"

#define ARRAY_HEADER	20		/* dimensions, nulls, type, length, lower
								 * bound */
#define ITEM_HEADER		4		/* length */

bool
binary_array_begin(BinaryArray *array, KafkaArena *arena, uint32_t type, int n, size_t size)
{
	size_t		total = ARRAY_HEADER + (size_t) n * ITEM_HEADER + size;

	if (total > INT32_MAX)
		return false;
	array->data = kafka_arena_alloc(arena, total);
	if (array->data == NULL)
		return false;
	array->size = (int) total;
	array->len = n > 0 ? ARRAY_HEADER : 12; /* an empty array has no dimension */
	kafka_put_int32(array->data, n > 0);
	kafka_put_int32(array->data + 4, 0);
	kafka_put_int32(array->data + 8, (int32_t) type);
	if (n > 0)
	{
		kafka_put_int32(array->data + 12, n);
		kafka_put_int32(array->data + 16, 1);
	}
	return true;
}

void
binary_array_put(BinaryArray *array, const void *data, int len)
{
	assert(array->len + ITEM_HEADER + len <= array->size);
	kafka_put_int32(array->data + array->len, len);
	if (len > 0)
		memcpy(array->data + array->len + ITEM_HEADER, data, len);
	array->len += ITEM_HEADER + len;
}

void
binary_array_put_int32(BinaryArray *array, int32_t value)
{
	char		bytes[sizeof(value)];

	kafka_put_int32(bytes, value);
	binary_array_put(array, bytes, sizeof(bytes));
}

void
binary_array_put_int64(BinaryArray *array, int64_t value)
{
	char		bytes[sizeof(value)];

	kafka_put_int64(bytes, value);
	binary_array_put(array, bytes, sizeof(bytes));
}

int32_t
binary_int32(const PGresult *result, int row, int column, int32_t missing)
{
	if (PQgetisnull(result, row, column) || PQgetlength(result, row, column) != 4)
		return missing;
	return kafka_get_int32(PQgetvalue(result, row, column));
}

int64_t
binary_int64(const PGresult *result, int row, int column, int64_t missing)
{
	if (PQgetisnull(result, row, column) || PQgetlength(result, row, column) != 8)
		return missing;
	return kafka_get_int64(PQgetvalue(result, row, column));
}

int
binary_int32_array(const PGresult *result, int row, int column, const char **items)
{
	const char *value = PQgetvalue(result, row, column);
	int			len = PQgetlength(result, row, column);
	int			n;

	*items = NULL;
	if (PQgetisnull(result, row, column) || len < ARRAY_HEADER || kafka_get_int32(value) != 1)
		return 0;
	n = kafka_get_int32(value + 12);
	if (n < 0 || (size_t) len != ARRAY_HEADER + (size_t) n * (ITEM_HEADER + 4))
		return 0;
	*items = value + ARRAY_HEADER;
	return n;
}

int32_t
binary_array_item(const char *items, int i)
{
	return kafka_get_int32(items + (size_t) i * (ITEM_HEADER + 4) + ITEM_HEADER);
}
