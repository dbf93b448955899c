/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Topic options between SQL's jsonb, ElTopicOptions and the label.
 *
 * One table says for each option its kind, bounds and place; base/option_table.c
 * parses and prints by it.
 *
 * IDENTIFICATION
 *	  src/topic/options.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "commands/seclabel.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "base/extension.h"
#include "base/option_table.h"
#include "kafka/compression.h"
#include "topic/options.h"

static const ElOptionChoice compression_choices[] = {
	{"lz4", EL_CODEC_LZ4},
	{"none", EL_CODEC_NONE},
	{"zstd", EL_CODEC_ZSTD},
	{NULL, 0}
};
static const ElOptionChoice partitioner_choices[] = {
	{"murmur2", EL_PARTITIONER_MURMUR2},
	{"crc32", EL_PARTITIONER_CRC32},
	{NULL, 0}
};
static const ElOptionChoice when_full_choices[] = {
	{"drop_oldest", EL_DROP_OLDEST},
	{"reject", EL_REJECT},
	{NULL, 0}
};
static const ElOptionChoice cleanup_choices[] = {
	{"delete", EL_CLEANUP_DELETE},
	{"compact", EL_CLEANUP_COMPACT},
	{"compact,delete", EL_CLEANUP_DELETE | EL_CLEANUP_COMPACT},
	{"delete,compact", EL_CLEANUP_DELETE | EL_CLEANUP_COMPACT},
	{NULL, 0}
};

StaticAssertDecl(sizeof(ElCodec) == sizeof(int) &&
				 sizeof(ElPartitioner) == sizeof(int) &&
				 sizeof(ElWhenFull) == sizeof(int),
				 "enums are set as EL_OPTION_CHOICE sets its field");

/* ten thousand years: far from any overflow */
#define MAX_INTERVAL_MS		(INT64CONST(3652500) * 86400 * 1000)

#define AT(field)			offsetof(ElTopicOptions, field)
#define INTERVAL(name, field, min) \
	{name, EL_OPTION_INTERVAL, AT(field), min, MAX_INTERVAL_MS, NULL, true, -1}
#define SIZE(name, field, min, max) \
	{name, EL_OPTION_SIZE, AT(field), min, max, NULL, false, 0}
#define CHOICE(name, field, choices) \
	{name, EL_OPTION_CHOICE, AT(field), 0, 0, choices, false, 0}

/* in the order in which errors name them */
static const ElOptionDef option_defs[] = {
	INTERVAL("retention", retention_ms, 1),
	{"retention_bytes", EL_OPTION_SIZE, AT(retention_bytes), 1, PG_INT64_MAX,
	NULL, true, -1},
	SIZE("segment_bytes", segment_bytes, EL_MIN_SEGMENT_BYTES,
		 EL_MAX_SEGMENT_BYTES),
	CHOICE("compression", compression, compression_choices),
	SIZE("max_event_bytes", max_event_bytes, 1, EL_MAX_EVENT_BYTES),
	CHOICE("partitioner", partitioner, partitioner_choices),
	CHOICE("cleanup_policy", cleanup_policy, cleanup_choices),
	INTERVAL("delete_retention", delete_retention_ms, 0),
	{"retain_until_consumed", EL_OPTION_BOOL, AT(retain_until_consumed)},
	CHOICE("when_full", when_full, when_full_choices),
	INTERVAL("max_clock_ahead", max_clock_ahead_ms, 0),
	{"kafka_name", EL_OPTION_TEXT, AT(kafka_name), 0, EL_KAFKA_NAME_MAX, NULL,
		true, 0, el_kafka_name_valid,
	"Give a name of letters, digits, dots, underscores and hyphens (ASCII), 249 at most, that is neither \".\" nor \"..\""},
};

static const ElOptionTable option_table = {
	"topic", option_defs, lengthof(option_defs)
};

bool
el_kafka_name_valid(const char *name, int len)
{
	if (len < 1 || len > EL_KAFKA_NAME_MAX)
		return false;
	for (int i = 0; i < len; i++)
	{
		char		c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			!(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
			return false;
	}
	return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

void
el_options_default(ElTopicOptions *o)
{
	memset(o, 0, sizeof(*o));
	o->retention_ms = INT64CONST(7) * 24 * 3600 * 1000;
	o->retention_bytes = -1;
	o->segment_bytes = 16 * 1024 * 1024;
	o->compression = EL_CODEC_LZ4;
	o->max_event_bytes = 1024 * 1024;
	o->partitioner = EL_PARTITIONER_MURMUR2;
	o->cleanup_policy = EL_CLEANUP_DELETE;
	o->delete_retention_ms = INT64CONST(24) * 3600 * 1000;
	o->retain_until_consumed = false;
	o->when_full = EL_DROP_OLDEST;
	o->max_clock_ahead_ms = INT64CONST(3600) * 1000;
}

Jsonb *
el_options_to_jsonb(const ElTopicOptions *o)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	el_options_push(&option_table, &state, o, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
parse_options(ElTopicOptions *o, Jsonb *json, ElOptionOther other, void *arg,
			  const char *other_names)
{
	el_options_parse(&option_table, o, json, other, arg, other_names);
	o->segment_bytes = TYPEALIGN(BLCKSZ, o->segment_bytes); /* whole pages */
}

/* The option that alter_topic() has beside a topic's own. */
static bool
take_partitions(void *arg, const JsonbValue *name, const JsonbValue *value)
{
	if (!el_json_name_is(name, "partitions"))
		return false;
	if (!el_json_whole_number(value, (int64 *) arg))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for topic option \"%s\": %s",
						"partitions", el_json_describe(value)),
				 errhint("Give the new number of partitions.")));
	return true;
}

void
el_options_apply(ElTopicOptions *o, Jsonb *json, int64 *partitions)
{
	if (partitions == NULL)
		parse_options(o, json, NULL, NULL, "");
	else
		parse_options(o, json, take_partitions, partitions, ", partitions");
}

/*
 * The label
 */
char *
el_label_make(const ElTopicOptions *o, const pg_uuid_t *uuid)
{
	ElTopicOptions defaults;
	JsonbParseState *state = NULL;
	JsonbValue	v;
	Jsonb	   *json;

	el_options_default(&defaults);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	el_json_string(&v, "uuid");
	pushJsonbValue(&state, WJB_KEY, &v);
	el_json_string(&v, DatumGetCString(DirectFunctionCall1(uuid_out,
														   UUIDPGetDatum(uuid))));
	pushJsonbValue(&state, WJB_VALUE, &v);
	el_options_push(&option_table, &state, o, &defaults);
	json = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));

	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

static Jsonb *
label_to_jsonb(const char *label)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(label)));
}

static pg_uuid_t
uuid_of_string(const JsonbValue *v)
{
	char	   *str = pnstrdup(v->val.string.val, v->val.string.len);

	Assert(v->type == jbvString);
	return *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(str)));
}

/* What a label has beside options. */
typedef struct LabelRest
{
	bool		strict;			/* there is nothing but "uuid" */
	bool		has_uuid;
	pg_uuid_t	uuid;
} LabelRest;

static bool
take_label_member(void *arg, const JsonbValue *name, const JsonbValue *value)
{
	LabelRest  *rest = arg;

	if (!el_json_name_is(name, "uuid"))
		return !rest->strict;
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"uuid\" of a topic must be a string")));
	rest->uuid = uuid_of_string(value);
	rest->has_uuid = true;
	return true;
}

bool
el_label_parse(const char *label, bool strict, ElTopicOptions *o,
			   pg_uuid_t *uuid)
{
	Jsonb	   *json = label_to_jsonb(label);
	LabelRest	rest = {.strict = strict};

	if (strict || JB_ROOT_IS_OBJECT(json))
		parse_options(o, json, take_label_member, &rest, "");
	if (strict && !rest.has_uuid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the label of a topic must contain its \"uuid\"")));
	if (rest.has_uuid)
		*uuid = rest.uuid;
	return rest.has_uuid;
}

bool
el_label_identity(const char *label, ElTopicIdentity *identity)
{
	Jsonb	   *json = label_to_jsonb(label);
	JsonbValue *v;

	identity->kafka_name[0] = '\0';

	if (!JB_ROOT_IS_OBJECT(json))
		return false;
	v = getKeyJsonValueFromContainer(&json->root, "uuid", strlen("uuid"), NULL);
	if (v == NULL || v->type != jbvString)
		return false;
	identity->uuid = uuid_of_string(v);
	v = getKeyJsonValueFromContainer(&json->root, "kafka_name",
									 strlen("kafka_name"), NULL);
	if (v != NULL && v->type == jbvString &&
		v->val.string.len <= EL_KAFKA_NAME_MAX)
	{
		memcpy(identity->kafka_name, v->val.string.val, v->val.string.len);
		identity->kafka_name[v->val.string.len] = '\0';
	}
	return true;
}

char *
el_label_get(Oid relid)
{
	ObjectAddress address;

	ObjectAddressSet(address, RelationRelationId, relid);
	return GetSecurityLabel(&address, EL_LABEL_PROVIDER);
}

void
el_uuid_draw(pg_uuid_t *uuid)
{
	if (!pg_strong_random(uuid->data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));

	/* version 4, variant of RFC 4122 */
	uuid->data[6] = (uuid->data[6] & 0x0f) | 0x40;
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
}

void
el_uuid_from_oid(Oid relid, pg_uuid_t *uuid)
{
	/* version 8: our own making */
	static const unsigned char prefix[UUID_LEN] = {
		'e', 'v', 'e', 'n', 't', 'l', 0x80, 'o', 0x80, 'g'
	};

	memcpy(uuid->data, prefix, UUID_LEN);
	uuid->data[12] = (relid >> 24) & 0xff;
	uuid->data[13] = (relid >> 16) & 0xff;
	uuid->data[14] = (relid >> 8) & 0xff;
	uuid->data[15] = relid & 0xff;
}

Oid
el_uuid_to_oid(const pg_uuid_t *uuid)
{
	Oid			relid = ((Oid) uuid->data[12] << 24) | ((Oid) uuid->data[13] << 16) |
		((Oid) uuid->data[14] << 8) | (Oid) uuid->data[15];
	pg_uuid_t	made;

	el_uuid_from_oid(relid, &made);
	return memcmp(&made, uuid, UUID_LEN) == 0 ? relid : InvalidOid;
}
