/*-------------------------------------------------------------------------
 *
 * dump_messages.c
 *	  The tables of the broker's messages as JSON, a line for each message, for
 *	  test/nightly/kafka_schemas.
 *
 * IDENTIFICATION
 *	  test/unit/dump_messages.c
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>

#include "broker/protocol/codec.h"

static const char *const type_names[] = {
	[KAFKA_BOOL] = "bool",
	[KAFKA_INT8] = "int8",
	[KAFKA_INT16] = "int16",
	[KAFKA_INT32] = "int32",
	[KAFKA_INT64] = "int64",
	[KAFKA_UUID] = "uuid",
	[KAFKA_STRING] = "string",
	[KAFKA_NAME] = "string",
	[KAFKA_HEADER_STRING] = "string",
	[KAFKA_BYTES] = "bytes",
	[KAFKA_RECORDS] = "records",
	[KAFKA_STRUCT] = "struct",
};

static void
dump_fields(const KafkaStruct *type)
{
	int			i;

	printf("[");
	for (i = 0; i < type->n_fields; i++)
	{
		const KafkaField *field = &type->fields[i];

		printf("%s{\"name\": \"%s\", \"type\": \"%s%s\", \"since\": %d, \"until\": %d, "
			   "\"null_since\": %d, \"tag\": %d, \"compact\": %s, \"default\": %" PRId64,
			   i > 0 ? ", " : "", field->name, field->is_array ? "[]" : "",
			   type_names[field->type], field->since, field->until,
			   field->nullable ? field->null_since : -1, field->tagged ? field->tag : -1,
			   field->type == KAFKA_HEADER_STRING ? "false" : "true", field->default_value);
		if (field->child != NULL)
		{
			printf(", \"fields\": ");
			dump_fields(field->child);
		}
		printf("}");
	}
	printf("]");
}

static void
dump_message(int key, const char *name, const char *kind, const KafkaMessage *message)
{
	printf("{\"key\": %d, \"name\": \"%s%s\", \"min\": %d, \"max\": %d, \"flexible\": %d, \"fields\": ",
		   key, name, kind, message->min_version, message->max_version, message->flexible_since);
	dump_fields(message->body);
	printf("}\n");
}

int
main(void)
{
	int			i;

	dump_message(-1, "Request", "Header", &kafka_request_header);
	dump_message(-1, "Response", "Header", &kafka_response_header);
	for (i = 0; i < kafka_n_apis; i++)
	{
		dump_message(kafka_apis[i].key, kafka_apis[i].name, "Request", kafka_apis[i].request);
		dump_message(kafka_apis[i].key, kafka_apis[i].name, "Response", kafka_apis[i].response);
	}
	return 0;
}
