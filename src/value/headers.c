/*-------------------------------------------------------------------------
 *
 * headers.c
 *	  Event headers between SQL's jsonb and the record's form.
 *
 * In a record, headers are a list of (name, bytes or null).  In SQL they are an
 * object, or an array of [name, value] when names repeat.  Bytes that are not
 * text in the server's encoding are {"base64": "..."}; so are names, in the
 * array form, should another writer have put such there.
 *
 * IDENTIFICATION
 *	  src/value/headers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "kafka/record.h"
#include "kafka/varint.h"
#include "value/headers.h"

static void
refuse_headers(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid event headers"),
			 errdetail_internal("%s", _(detail)),
			 errhint("Headers are a JSON object, or an array of [name, value]; values are strings, null, or {\"base64\": \"...\"}.")));
}

static void
append_varint(StringInfo buf, int32 v)
{
	enlargeStringInfo(buf, 5);
	buf->len += el_put_varint(buf->data + buf->len, v);
}

/* Length and bytes; len -1 is null. */
static void
append_bytes(StringInfo buf, const char *data, int32 len)
{
	Assert(len >= -1);
	append_varint(buf, len);
	if (len > 0)
		appendBinaryStringInfo(buf, data, len);
}

static void
append_string(StringInfo buf, const char *data, int32 len)
{
	char	   *utf8 = pg_server_to_any(data, len, PG_UTF8);

	if (utf8 != data)
		len = strlen(utf8);
	append_bytes(buf, utf8, len);
}

/* A value (or name): string, null or {"base64": "..."}. */
static void
append_value(StringInfo buf, JsonbValue *v, bool is_name)
{
	JsonbContainer *object;
	JsonbValue *base64;
	char	   *bytes;
	int			len;

	switch (v->type)
	{
		case jbvString:
			append_string(buf, v->val.string.val, v->val.string.len);
			return;

		case jbvNull:
			if (is_name)
				refuse_headers("The name of a header cannot be null.");
			append_bytes(buf, NULL, -1);
			return;

		case jbvBinary:
			object = v->val.binary.data;
			if (!JsonContainerIsObject(object) ||
				JsonContainerSize(object) != 1)
				break;
			base64 = getKeyJsonValueFromContainer(object, "base64", 6, NULL);
			if (!base64 || base64->type != jbvString)
				break;

			bytes = palloc(pg_b64_dec_len(base64->val.string.len) + 1);
			len = pg_b64_decode(base64->val.string.val, base64->val.string.len,
								el_b64_bytes(bytes),
								pg_b64_dec_len(base64->val.string.len) + 1);
			if (len < 0)
				refuse_headers("A \"base64\" string is not valid base64.");
			append_bytes(buf, bytes, len);
			return;

		default:
			break;
	}

	refuse_headers(is_name ? "The name of a header is not a string." :
				   "The value of a header is not a string.");
}

/* The record's form: the number of headers, then of each name and value with their lengths. */
void
el_headers_from_jsonb(Datum headers, const char **data, int32 *len)
{
	Jsonb	   *jb = DatumGetJsonbP(headers);
	StringInfoData buf;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	/* a JSON null says "none", as ORMs write a column that is not set */
	if (JB_ROOT_IS_SCALAR(jb) &&
		getIthJsonbValueFromContainer(&jb->root, 0)->type != jbvNull)
		refuse_headers("They are neither an object nor an array.");

	if (JB_ROOT_IS_SCALAR(jb) || JB_ROOT_COUNT(jb) == 0)
	{
		*data = NULL;
		*len = 0;
		return;
	}

	initStringInfo(&buf);
	append_varint(&buf, JB_ROOT_COUNT(jb));

	it = JsonbIteratorInit(&jb->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();

		if (token == WJB_KEY)
			append_value(&buf, &v, true);
		else if (token == WJB_VALUE)
			append_value(&buf, &v, false);
		else if (token == WJB_ELEM)
		{
			JsonbContainer *pair;

			if (v.type != jbvBinary ||
				!JsonContainerIsArray(v.val.binary.data) ||
				JsonContainerSize(v.val.binary.data) != 2)
				refuse_headers("An element of the array is not [name, value].");
			pair = v.val.binary.data;
			append_value(&buf, getIthJsonbValueFromContainer(pair, 0), true);
			append_value(&buf, getIthJsonbValueFromContainer(pair, 1), false);
		}
	}

	Assert(buf.len > 1);		/* none would have been NULL */
	*data = buf.data;
	*len = buf.len;
}

/* Convert to the server's encoding; NULL if a character does not exist there. */
static char *
to_server(const char *data, int32 len)
{
	MemoryContext cxt = CurrentMemoryContext;
	char	   *volatile str = NULL;

	PG_TRY();
	{
		str = pg_any_to_server(data, len, PG_UTF8);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_UNTRANSLATABLE_CHARACTER)
			PG_RE_THROW();
		MemoryContextSwitchTo(cxt);
		FlushErrorState();
	}
	PG_END_TRY();

	return str;
}

/* Is this text that a jsonb string of this database can hold?  Then convert it. */
static bool
as_text(const char *data, int32 len, JsonbValue *v)
{
	char	   *str = (char *) data;

	if (!pg_verify_mbstr(PG_UTF8, data, len, true))
		return false;

	if (GetDatabaseEncoding() != PG_UTF8)
	{
		str = to_server(data, len);
		if (!str)
			return false;
		if (str != data)
			len = strlen(str);
	}

	v->type = jbvString;
	v->val.string.val = str;
	v->val.string.len = len;
	return true;
}

/* Push a value (token WJB_VALUE or WJB_ELEM), as text if it is text. */
static void
push_bytes(JsonbParseState **state, JsonbIteratorToken token,
		   const char *data, int32 len)
{
	JsonbValue	v;
	int			size;

	if (len < 0)
	{
		v.type = jbvNull;
		pushJsonbValue(state, token, &v);
		return;
	}
	if (as_text(data, len, &v))
	{
		pushJsonbValue(state, token, &v);
		return;
	}

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	v.type = jbvString;
	v.val.string.val = "base64";
	v.val.string.len = 6;
	pushJsonbValue(state, WJB_KEY, &v);

	size = pg_b64_enc_len(len) + 1;
	v.type = jbvString;
	v.val.string.val = palloc(size);
	v.val.string.len = pg_b64_encode((const void *) data, len,
									 v.val.string.val, size);
	pushJsonbValue(state, WJB_VALUE, &v);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static void
report_corrupt_headers(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid event headers in the log")));
}

/*
 * As an object; NULL if that cannot hold them: names repeat or are not text.
 */
static JsonbValue *
headers_object(const char *data, int32 len)
{
	ElRecordHeadersReader reader;
	JsonbParseState *state = NULL;
	JsonbValue *object;
	const char *key;
	const char *value;
	int32		key_len;
	int32		value_len;
	int			r;

	if (!el_record_headers_open(&reader, data, len))
		report_corrupt_headers();

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((r = el_record_headers_next(&reader, &key, &key_len, &value, &value_len)) > 0)
	{
		JsonbValue	v;

		CHECK_FOR_INTERRUPTS();
		if (!as_text(key, key_len, &v))
			return NULL;
		pushJsonbValue(&state, WJB_KEY, &v);
		push_bytes(&state, WJB_VALUE, value, value_len);
	}
	if (r < 0)
		report_corrupt_headers();

	/* sorts the names and drops all but one of those that repeat */
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	Assert(object->type == jbvObject &&
		   object->val.object.nPairs <= reader.count);
	return object->val.object.nPairs == reader.count ? object : NULL;
}

/* As an array of [name, value], which can hold any headers. */
static JsonbValue *
headers_array(const char *data, int32 len)
{
	ElRecordHeadersReader reader;
	JsonbParseState *state = NULL;
	const char *key;
	const char *value;
	int32		key_len;
	int32		value_len;
	int			r;

	if (!el_record_headers_open(&reader, data, len))
		report_corrupt_headers();

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	while ((r = el_record_headers_next(&reader, &key, &key_len, &value, &value_len)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		push_bytes(&state, WJB_ELEM, key, key_len);
		push_bytes(&state, WJB_ELEM, value, value_len);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	if (r < 0)
		report_corrupt_headers();

	return pushJsonbValue(&state, WJB_END_ARRAY, NULL);
}

Datum
el_headers_to_jsonb(const char *data, int32 len)
{
	JsonbValue *v;

	Assert(len >= 0);
	/* by far the most frequent case: none (NULL, or a count of 0) */
	if (len <= 1)
	{
		Jsonb	   *empty = palloc(offsetof(Jsonb, root) + sizeof(uint32));

		SET_VARSIZE(empty, offsetof(Jsonb, root) + sizeof(uint32));
		empty->root.header = JB_FOBJECT;
		return PointerGetDatum(empty);
	}

	v = headers_object(data, len);
	if (!v)
		v = headers_array(data, len);
	return PointerGetDatum(JsonbValueToJsonb(v));
}

/* More headers after those that are there; names and values are text. */
void
el_headers_append(const char *headers, int32 headers_len,
				  const char *const *names, const char *const *values, int n,
				  const char **data, int32 *len)
{
	ElRecordHeadersReader r;
	StringInfoData buf;
	int			i;

	Assert(headers_len >= 0 && n >= 0);
	if (!el_record_headers_open(&r, headers, headers_len))
		report_corrupt_headers();
	initStringInfo(&buf);
	append_varint(&buf, r.count + n);
	if (r.count > 0)
		appendBinaryStringInfo(&buf, r.pos, r.end - r.pos);
	for (i = 0; i < n; i++)
	{
		append_string(&buf, names[i], strlen(names[i]));
		append_string(&buf, values[i], strlen(values[i]));
	}
	*data = buf.data;
	*len = buf.len;
}
