/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Topic options between SQL's jsonb, ElTopicOptions and the label.
 *
 * One table says for each option its kind, bounds and place; everything else
 * (parsing, printing, the list of valid options in an error) walks it.
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
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "base/extension.h"
#include "topic/options.h"

typedef enum OptionKind
{
	OPTION_INTERVAL,			/* int64 ms, written as interval text */
	OPTION_SIZE,				/* int64 bytes, a number or text such as '16 MB' */
	OPTION_BOOL,
	OPTION_CHOICE				/* one of a list of words */
} OptionKind;

typedef struct Choice
{
	const char *word;
	int			value;
} Choice;

typedef struct OptionDef
{
	const char *name;
	OptionKind	kind;
	size_t		offset;			/* in ElTopicOptions; not for OPTION_CHOICE */
	bool		nullable;		/* null: no limit, stored as -1 */
	int64		min;
	int64		max;
	const Choice *choices;
} OptionDef;

static const Choice compression_choices[] = {
	{"lz4", EL_CODEC_LZ4}, {"none", EL_CODEC_NONE}, {"zstd", EL_CODEC_ZSTD}, {NULL, 0}
};
static const Choice partitioner_choices[] = {
	{"murmur2", EL_PARTITIONER_MURMUR2}, {"crc32", EL_PARTITIONER_CRC32}, {NULL, 0}
};
static const Choice when_full_choices[] = {
	{"drop_oldest", EL_DROP_OLDEST}, {"reject", EL_REJECT}, {NULL, 0}
};

#define CLEANUP_DELETE	1
#define CLEANUP_COMPACT	2
/* the second way to write "both" is never printed: the first match wins */
static const Choice cleanup_choices[] = {
	{"delete", CLEANUP_DELETE}, {"compact", CLEANUP_COMPACT},
	{"compact,delete", CLEANUP_DELETE | CLEANUP_COMPACT},
	{"delete,compact", CLEANUP_DELETE | CLEANUP_COMPACT}, {NULL, 0}
};

/* ten thousand years: far from any overflow */
#define MAX_INTERVAL_MS		(INT64CONST(3652500) * 86400 * 1000)

#define AT(field) offsetof(ElTopicOptions, field)

static const OptionDef option_defs[] = {
	{"retention", OPTION_INTERVAL, AT(retention_ms), true, 1, MAX_INTERVAL_MS, NULL},
	{"retention_bytes", OPTION_SIZE, AT(retention_bytes), true, 1, PG_INT64_MAX, NULL},
	{"segment_bytes", OPTION_SIZE, AT(segment_bytes), false,
	EL_MIN_SEGMENT_BYTES, EL_MAX_SEGMENT_BYTES, NULL},
	{"compression", OPTION_CHOICE, 0, false, 0, 0, compression_choices},
	{"max_event_bytes", OPTION_SIZE, AT(max_event_bytes), false, 1, EL_MAX_EVENT_BYTES, NULL},
	{"partitioner", OPTION_CHOICE, 0, false, 0, 0, partitioner_choices},
	{"cleanup_policy", OPTION_CHOICE, 0, false, 0, 0, cleanup_choices},
	{"delete_retention", OPTION_INTERVAL, AT(delete_retention_ms), true, 0, MAX_INTERVAL_MS, NULL},
	{"retain_until_consumed", OPTION_BOOL, AT(retain_until_consumed), false, 0, 0, NULL},
	{"when_full", OPTION_CHOICE, 0, false, 0, 0, when_full_choices},
	{"max_clock_ahead", OPTION_INTERVAL, AT(max_clock_ahead_ms), true, 0, MAX_INTERVAL_MS, NULL},
};

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
	o->cleanup_delete = true;
	o->cleanup_compact = false;
	o->delete_retention_ms = INT64CONST(24) * 3600 * 1000;
	o->retain_until_consumed = false;
	o->when_full = EL_DROP_OLDEST;
	o->max_clock_ahead_ms = INT64CONST(3600) * 1000;
}

static int
get_choice(const ElTopicOptions *o, const OptionDef *def)
{
	if (def->choices == compression_choices)
		return o->compression;
	if (def->choices == partitioner_choices)
		return o->partitioner;
	if (def->choices == when_full_choices)
		return o->when_full;
	return (o->cleanup_delete ? CLEANUP_DELETE : 0) |
		(o->cleanup_compact ? CLEANUP_COMPACT : 0);
}

static void
set_choice(ElTopicOptions *o, const OptionDef *def, int value)
{
	if (def->choices == compression_choices)
		o->compression = value;
	else if (def->choices == partitioner_choices)
		o->partitioner = value;
	else if (def->choices == when_full_choices)
		o->when_full = value;
	else
	{
		o->cleanup_delete = (value & CLEANUP_DELETE) != 0;
		o->cleanup_compact = (value & CLEANUP_COMPACT) != 0;
	}
}

static inline int64 *
int64_field(const ElTopicOptions *o, const OptionDef *def)
{
	return (int64 *) ((char *) o + def->offset);
}

/*
 * Printing
 */

/* The largest unit that divides it. */
static char *
interval_text(int64 ms)
{
	if (ms % (24 * 3600 * 1000) == 0 && ms > 0)
		return psprintf(ms == 24 * 3600 * 1000 ? "%lld day" : "%lld days",
						(long long) (ms / (24 * 3600 * 1000)));
	if (ms % (3600 * 1000) == 0 && ms > 0)
		return psprintf(ms == 3600 * 1000 ? "%lld hour" : "%lld hours",
						(long long) (ms / (3600 * 1000)));
	if (ms % (60 * 1000) == 0 && ms > 0)
		return psprintf("%lld min", (long long) (ms / (60 * 1000)));
	if (ms % 1000 == 0)
		return psprintf("%lld s", (long long) (ms / 1000));
	return psprintf("%lld ms", (long long) ms);
}

static void
string_value(JsonbValue *v, const char *str)
{
	v->type = jbvString;
	v->val.string.val = (char *) str;
	v->val.string.len = strlen(str);
}

static void
option_value(const ElTopicOptions *o, const OptionDef *def, JsonbValue *v)
{
	switch (def->kind)
	{
		case OPTION_INTERVAL:
		case OPTION_SIZE:
			{
				int64		n = *int64_field(o, def);

				if (n < 0)
					v->type = jbvNull;
				else if (def->kind == OPTION_INTERVAL)
					string_value(v, interval_text(n));
				else
				{
					v->type = jbvNumeric;
					v->val.numeric = int64_to_numeric(n);
				}
				break;
			}

		case OPTION_BOOL:
			v->type = jbvBool;
			v->val.boolean = *((bool *) ((char *) o + def->offset));
			break;

		case OPTION_CHOICE:
			{
				int			value = get_choice(o, def);

				for (const Choice *c = def->choices; c->word; c++)
				{
					if (c->value == value)
					{
						string_value(v, c->word);
						return;
					}
				}
				v->type = jbvNull;
				break;
			}
	}
}

static bool
same_option(const ElTopicOptions *a, const ElTopicOptions *b, const OptionDef *def)
{
	switch (def->kind)
	{
		case OPTION_BOOL:
			return *((bool *) ((char *) a + def->offset)) ==
				*((bool *) ((char *) b + def->offset));
		case OPTION_CHOICE:
			return get_choice(a, def) == get_choice(b, def);
		default:
			return *int64_field(a, def) == *int64_field(b, def);
	}
}

/* Push the options into an object that has been begun; those that differ from base if there is one. */
static void
push_options(JsonbParseState **state, const ElTopicOptions *o,
			 const ElTopicOptions *base)
{
	for (int i = 0; i < lengthof(option_defs); i++)
	{
		const OptionDef *def = &option_defs[i];
		JsonbValue	v;

		if (base && same_option(o, base, def))
			continue;
		string_value(&v, def->name);
		pushJsonbValue(state, WJB_KEY, &v);
		option_value(o, def, &v);
		pushJsonbValue(state, WJB_VALUE, &v);
	}
}

Jsonb *
el_options_to_jsonb(const ElTopicOptions *o)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_options(&state, o, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * Parsing
 */

/* How a value looks in an error message. */
static char *
describe_value(const JsonbValue *v)
{
	switch (v->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return psprintf("\"%s\"", pnstrdup(v->val.string.val, v->val.string.len));
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(v->val.numeric)));
		case jbvBool:
			return v->val.boolean ? "true" : "false";
		default:
			return JsonContainerIsArray(v->val.binary.data) ? "an array" : "an object";
	}
}

static void
bad_value(const OptionDef *def, const JsonbValue *v)
{
	StringInfoData list;

	switch (def->kind)
	{
		case OPTION_INTERVAL:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for topic option \"%s\": %s",
							def->name, describe_value(v)),
					 def->nullable ?
					 errhint("Give an interval as text, such as \"7 days\", or null for no limit.") :
					 errhint("Give an interval as text, such as \"7 days\".")));
			break;

		case OPTION_SIZE:
			if (def->max == PG_INT64_MAX)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid value for topic option \"%s\": %s",
								def->name, describe_value(v)),
						 errhint("Give a number of bytes, or text such as \"16 MB\", or null for no limit.")));
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for topic option \"%s\": %s",
							def->name, describe_value(v)),
					 errdetail("It must be between %lld and %lld bytes.",
							   (long long) def->min, (long long) def->max),
					 errhint("Give a number of bytes, or text such as \"16 MB\".")));
			break;

		case OPTION_BOOL:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for topic option \"%s\": %s",
							def->name, describe_value(v)),
					 errhint("Give true or false.")));
			break;

		case OPTION_CHOICE:
			initStringInfo(&list);
			for (const Choice *c = def->choices; c->word; c++)
				appendStringInfo(&list, "%s\"%s\"", list.len ? ", " : "", c->word);
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for topic option \"%s\": %s",
							def->name, describe_value(v)),
					 errhint("Valid values are %s.", list.data)));
			break;
	}
}

static text *
value_text(const JsonbValue *v)
{
	return cstring_to_text_with_len(v->val.string.val, v->val.string.len);
}

/* A whole number; false if it is none or does not fit. */
static bool
whole_number(Numeric n, int64 *result)
{
	Datum		d = NumericGetDatum(n);

	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, d,
										  DirectFunctionCall2(numeric_trunc, d, Int32GetDatum(0)))))
		return false;
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, d,
										 NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, d,
										 NumericGetDatum(int64_to_numeric(PG_INT64_MIN)))))
		return false;
	*result = DatumGetInt64(DirectFunctionCall1(numeric_int8, d));
	return true;
}

static void
set_option(ElTopicOptions *o, const OptionDef *def, const JsonbValue *v)
{
	int64		n = -1;

	if (v->type == jbvNull && def->nullable)
	{
		*int64_field(o, def) = -1;
		return;
	}

	switch (def->kind)
	{
		case OPTION_INTERVAL:
			{
				Interval   *iv;
				char	   *str;

				if (v->type != jbvString)
					bad_value(def, v);
				str = pnstrdup(v->val.string.val, v->val.string.len);
				iv = DatumGetIntervalP(DirectFunctionCall3(interval_in,
														   CStringGetDatum(str),
														   ObjectIdGetDatum(InvalidOid),
														   Int32GetDatum(-1)));
				/* int32 months and days, int64 us: cannot overflow in ms */
				n = ((int64) iv->month * DAYS_PER_MONTH + iv->day) *
					SECS_PER_DAY * 1000 + iv->time / 1000;
				if (n < def->min || n > def->max)
					bad_value(def, v);
				*int64_field(o, def) = n;
				break;
			}

		case OPTION_SIZE:
			if (v->type == jbvString)
				n = DatumGetInt64(DirectFunctionCall1(pg_size_bytes,
													  PointerGetDatum(value_text(v))));
			else if (v->type != jbvNumeric || !whole_number(v->val.numeric, &n))
				bad_value(def, v);
			if (n < def->min || n > def->max)
				bad_value(def, v);
			if (def->offset == AT(segment_bytes))
				n = TYPEALIGN(BLCKSZ, n);	/* whole pages */
			*int64_field(o, def) = n;
			break;

		case OPTION_BOOL:
			if (v->type != jbvBool)
				bad_value(def, v);
			*((bool *) ((char *) o + def->offset)) = v->val.boolean;
			break;

		case OPTION_CHOICE:
			if (v->type != jbvString)
				bad_value(def, v);
			for (const Choice *c = def->choices;; c++)
			{
				if (!c->word)
					bad_value(def, v);
				if (strlen(c->word) == v->val.string.len &&
					memcmp(c->word, v->val.string.val, v->val.string.len) == 0)
				{
					set_choice(o, def, c->value);
					break;
				}
			}
			break;
	}
}

static bool
key_is(const JsonbValue *key, const char *name)
{
	return key->val.string.len == strlen(name) &&
		memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

static const OptionDef *
find_option(const JsonbValue *key)
{
	for (int i = 0; i < lengthof(option_defs); i++)
	{
		if (key_is(key, option_defs[i].name))
			return &option_defs[i];
	}
	return NULL;
}

static void
unknown_option(const JsonbValue *key, bool with_partitions)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(option_defs); i++)
		appendStringInfo(&list, "%s%s", i ? ", " : "", option_defs[i].name);
	if (with_partitions)
		appendStringInfoString(&list, ", partitions");

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized topic option \"%s\"",
					pnstrdup(key->val.string.val, key->val.string.len)),
			 errhint("Valid options are: %s.", list.data)));
}

/* What an options object is parsed for. */
typedef enum ParseMode
{
	PARSE_USER,					/* create_topic, alter_topic */
	PARSE_NEW_LABEL,			/* strict, "uuid" is a key */
	PARSE_OLD_LABEL				/* lenient */
} ParseMode;

static void
parse_options(ElTopicOptions *o, Jsonb *json, ParseMode mode,
			  int64 *partitions, pg_uuid_t *uuid, bool *has_uuid)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	v;

	if (!JB_ROOT_IS_OBJECT(json))
	{
		if (mode == PARSE_OLD_LABEL)
			return;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic options must be a JSON object")));
	}

	it = JsonbIteratorInit(&json->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &key, true)) == WJB_KEY)
	{
		const OptionDef *def = find_option(&key);

		(void) JsonbIteratorNext(&it, &v, true);

		if (def)
			set_option(o, def, &v);
		else if (mode != PARSE_USER && key_is(&key, "uuid"))
		{
			if (v.type != jbvString)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("\"uuid\" of a topic must be a string")));
			*uuid = *DatumGetUUIDP(DirectFunctionCall1(uuid_in,
													   CStringGetDatum(pnstrdup(v.val.string.val, v.val.string.len))));
			*has_uuid = true;
		}
		else if (partitions && key_is(&key, "partitions"))
		{
			if (v.type != jbvNumeric || !whole_number(v.val.numeric, partitions))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid value for topic option \"%s\": %s",
								"partitions", describe_value(&v)),
						 errhint("Give the new number of partitions.")));
		}
		else if (mode != PARSE_OLD_LABEL)
			unknown_option(&key, partitions != NULL);
	}
}

void
el_options_apply(ElTopicOptions *o, Jsonb *json, int64 *partitions)
{
	parse_options(o, json, PARSE_USER, partitions, NULL, NULL);
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
	string_value(&v, "uuid");
	pushJsonbValue(&state, WJB_KEY, &v);
	string_value(&v, DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid))));
	pushJsonbValue(&state, WJB_VALUE, &v);
	push_options(&state, o, &defaults);
	json = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));

	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

bool
el_label_parse(const char *label, bool strict, ElTopicOptions *o,
			   pg_uuid_t *uuid)
{
	Jsonb	   *json;
	bool		has_uuid = false;

	json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(label)));
	parse_options(o, json, strict ? PARSE_NEW_LABEL : PARSE_OLD_LABEL, NULL,
				  uuid, &has_uuid);

	if (strict && !has_uuid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the label of a topic must contain its \"uuid\"")));

	return has_uuid;
}

bool
el_label_uuid(const char *label, pg_uuid_t *uuid)
{
	Jsonb	   *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(label)));
	JsonbValue *v;

	if (!JB_ROOT_IS_OBJECT(json))
		return false;
	v = getKeyJsonValueFromContainer(&json->root, "uuid", strlen("uuid"), NULL);
	if (!v || v->type != jbvString)
		return false;

	*uuid = *DatumGetUUIDP(DirectFunctionCall1(uuid_in,
											   CStringGetDatum(pnstrdup(v->val.string.val, v->val.string.len))));
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
