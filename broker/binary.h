/*-------------------------------------------------------------------------
 *
 * binary.h
 *	  Values in PostgreSQL's binary format: arrays as parameters, columns of
 *	  results.
 *
 * Formats: array_recv() and array_send() of PostgreSQL's arrayfuncs.c.
 *
 * IDENTIFICATION
 *	  broker/binary.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_BINARY_H
#define EL_BROKER_BINARY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/protocol/arena.h"
#include "broker/protocol/message.h"

/* OIDs of pg_type.dat. */
#define BINARY_BYTEA		17
#define BINARY_INT8			20
#define BINARY_INT4			23
#define BINARY_TEXT			25
#define BINARY_JSON			114
#define BINARY_REGTYPE		2206
#define BINARY_UUID			2950
#define BINARY_TEXT_ARRAY	1009
#define BINARY_BYTEA_ARRAY	1001
#define BINARY_INT4_ARRAY	1007
#define BINARY_INT8_ARRAY	1016
#define BINARY_UUID_ARRAY	2951

/* An array of one dimension, whose elements are put one after the other. */
typedef struct BinaryArray
{
	char	   *data;
	int			len;
	int			size;
} BinaryArray;

/* Memory for n elements of together size bytes; false if there is none. */
extern bool binary_array_begin(BinaryArray *array, KafkaArena *arena, uint32_t type, int n, size_t size);
extern void binary_array_put(BinaryArray *array, const void *data, int len);
extern void binary_array_put_int32(BinaryArray *array, int32_t value);
extern void binary_array_put_int64(BinaryArray *array, int64_t value);

/* A column with a number; missing if it is null, or of another size. */
extern int32_t binary_int32(const PGresult *result, int row, int column, int32_t missing);
extern int64_t binary_int64(const PGresult *result, int row, int column, int64_t missing);

/* Reads an int4[] without nulls; the number of elements, *items in network order. */
extern int	binary_int32_array(const PGresult *result, int row, int column, const char **items);
extern int32_t binary_array_item(const char *items, int i);

#endif							/* EL_BROKER_BINARY_H */
