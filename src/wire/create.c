/*-------------------------------------------------------------------------
 *
 * create.c
 *	  broker_create_topic(): a topic that a Kafka client has asked for by a name.
 *
 * The table gets that name if it fits: without dots, short enough for the names of
 * partitions, and nothing else is called so.  Otherwise it gets one made from it, and
 * the topic has the client's as its option kafka_name.
 *
 * IDENTIFICATION
 *	  src/wire/create.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "base/extension.h"
#include "topic/create.h"
#include "topic/options.h"
#include "wire/find.h"

EL_FUNCTION(eventlog_broker_create_topic);

#define SUFFIX		9			/* bytes of "_" and the hash in a name that is
								 * made */
#define MOST_TRIES	10

/* May the current user create a topic in the schema, and see it there? */
static bool
may_create(Oid schema)
{
	return OidIsValid(schema) &&
		el_schema_aclcheck(schema, GetUserId(), ACL_USAGE) == ACLCHECK_OK &&
		el_schema_aclcheck(schema, GetUserId(), ACL_CREATE) == ACLCHECK_OK;
}

/* Can a table of this name be made?  A table's row type has its name, too; array types give way. */
static bool
is_free(const char *name, Oid schema)
{
	Oid			type;

	if (OidIsValid(get_relname_relid(name, schema)))
		return false;
	type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(schema));
	return !OidIsValid(type) || OidIsValid(get_element_type(type));
}

/* And those of its partitions? */
static bool
is_free_for_topic(const char *name, Oid schema, int32 partitions)
{
	if (!is_free(name, schema))
		return false;
	/* more than there can be are refused later */
	for (int32 i = -1; i < Min(partitions, EL_MAX_PARTITIONS); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_free(el_partition_name(name, i), schema))
			return false;
	}
	return true;
}

/* A name of the form that SQL needs no quotes for, mostly. */
static char *
make_name(const char *kafka_name, uint64 seed)
{
	char	   *name = pnstrdup(kafka_name, EL_MAX_TOPIC_NAME - SUFFIX);

	for (char *p = name; *p != '\0'; p++)
		*p = isalnum((unsigned char) *p) ? pg_ascii_tolower((unsigned char) *p) : '_';
	return psprintf("%s_%08x", name,
					(uint32) hash_bytes_extended((const unsigned char *) kafka_name,
												 strlen(kafka_name), seed));
}

/* The name of the table, whose kafka_name goes into the options if it is another. */
static char *
choose_name(const char *kafka_name, Oid schema, int32 partitions, ElTopicOptions *options)
{
	if (strlen(kafka_name) <= EL_MAX_TOPIC_NAME && strchr(kafka_name, '.') == NULL &&
		is_free_for_topic(kafka_name, schema, partitions))
		return pstrdup(kafka_name);
	strlcpy(options->kafka_name, kafka_name, sizeof(options->kafka_name));
	for (uint64 seed = 0; seed < MOST_TRIES; seed++)
	{
		char	   *name = make_name(kafka_name, seed);

		if (is_free_for_topic(name, schema, partitions))
			return name;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("could not find a name for the table of topic \"%s\"", kafka_name)));
}

/* broker_create_topic(name text, schemas text[], partitions int, value_type regtype) */
Datum
eventlog_broker_create_topic(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"name", "schemas", "partitions", "value_type"};
	char	   *name;
	char	   *table;
	char	   *schema;
	int			nschemas;
	Oid		   *schemas;
	ElTopicOptions options;

	el_args_not_null(fcinfo, names, lengthof(names));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!el_kafka_name_valid(name, strlen(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid topic name: \"%s\"", name)));
	schemas = el_wire_schemas(fcinfo, 1, &nschemas);
	el_check_catalog_version();
	el_require_write("broker_create_topic()");

	if (OidIsValid(el_wire_named(name, schemas, nschemas)))
		PG_RETURN_BOOL(true);
	if (nschemas == 0 || !may_create(schemas[0]))
		PG_RETURN_BOOL(false);
	/* who does the same has made it by then */
	el_lock_topic_name(name);
	if (OidIsValid(el_wire_named(name, schemas, nschemas)))
		PG_RETURN_BOOL(true);

	el_options_default(&options);
	/* clients may not have the codec that SQL would write with */
	options.compression = EL_CODEC_NONE;
	table = choose_name(name, schemas[0], PG_GETARG_INT32(2), &options);
	schema = get_namespace_name(schemas[0]);
	if (schema == NULL)
		PG_RETURN_BOOL(false);	/* it has gone while we waited */
	(void) el_create_topic(makeRangeVar(schema, table, -1),
						   PG_GETARG_INT32(2), BYTEAOID, PG_GETARG_OID(3), &options,
						   false, NULL);
	PG_RETURN_BOOL(true);
}
