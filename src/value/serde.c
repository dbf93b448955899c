/*-------------------------------------------------------------------------
 *
 * serde.c
 *	  Between SQL values and the bytes of the log.
 *
 * The hot kinds (text, json, integers) touch no catalog per event.  Everything
 * on the log is UTF-8 whatever the server's encoding.
 *
 * IDENTIFICATION
 *	  src/value/serde.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/jsonfuncs.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "value/form.h"
#include "value/json_check.h"
#include "value/json_scan.h"
#include "value/portable.h"
#include "value/serde.h"

/* ElConversion.method */
enum
{
	CONV_AS_IS,					/* the datum is of the type already */
	CONV_TEXT_INPUT,			/* text -> the type's input function */
	CONV_TEXT_JSON,				/* text -> json: validate, same bytes */
	CONV_CSTRING_INPUT,			/* unknown -> the type's input function */
	CONV_CAST,					/* a cast function */
	CONV_OUTPUT_INPUT,			/* through text */
	CONV_OUTPUT_TEXT,			/* through text, which is the value */
	CONV_TO_JSON,				/* to_json(value) */
	CONV_TO_JSONB				/* to_json(value), then jsonb's input function */
};

/* From one type to another through text, which nobody sees.  CHECKs of a domain have their search_path. */
#define CONV_SETTINGS	(EL_FIX_FORMATS | EL_FIX_MONEY)

static ElSerdeKind
kind_of_type(Oid base_type)
{
	switch (base_type)
	{
		case BYTEAOID:
			return EL_SERDE_BYTEA;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return EL_SERDE_TEXT;
		case JSONOID:
			return EL_SERDE_JSON;
		case JSONBOID:
			return EL_SERDE_JSONB;
		case INT2OID:
			return EL_SERDE_INT2;
		case INT4OID:
			return EL_SERDE_INT4;
		case INT8OID:
			return EL_SERDE_INT8;
		case FLOAT4OID:
			return EL_SERDE_FLOAT4;
		case FLOAT8OID:
			return EL_SERDE_FLOAT8;
		default:
			return EL_SERDE_OTHER;
	}
}

/* Does the text form on the log not depend on any setting, so that it need not be parsed to be shown? */
static inline bool
text_is_canonical(Oid base_type)
{
	return base_type == UUIDOID || base_type == NUMERICOID;
}

/*
 * A finfo of to_json(anyelement) for arguments of this type: it looks for the
 * type in the call expression.
 */
static void
init_to_json(FmgrInfo *finfo, Oid type, MemoryContext mcxt)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	Node	   *arg = (Node *) makeNullConst(type, -1, InvalidOid);
	Node	   *expr = (Node *) makeFuncExpr(F_TO_JSON, JSONOID,
											 list_make1(arg), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL);

	fmgr_info_cxt(F_TO_JSON, finfo, mcxt);
	fmgr_info_set_expr(expr, finfo);
	MemoryContextSwitchTo(old);
}

void
el_serde_init(ElSerde *s, Oid type, int32 typmod, MemoryContext mcxt)
{
	Oid			func;
	bool		is_varlena;

	Assert(OidIsValid(type) && IsTransactionState());
	memset(s, 0, sizeof(*s));
	s->type = type;
	s->typmod = s->declared_typmod = typmod;
	s->mcxt = mcxt;
	s->base_type = getBaseTypeAndTypmod(type, &s->typmod);
	s->is_domain = s->base_type != type;
	s->kind = kind_of_type(s->base_type);
	get_typlenbyvalalign(type, &s->typlen, &s->typbyval, &s->typalign);

	getTypeInputInfo(type, &func, &s->typioparam);
	fmgr_info_cxt(func, &s->input, mcxt);
	getTypeOutputInfo(type, &func, &is_varlena);
	fmgr_info_cxt(func, &s->output, mcxt);
	init_to_json(&s->to_json, type, mcxt);
	if (s->kind == EL_SERDE_OTHER)
		s->format = el_format_make(type, typmod, mcxt);
}

/*
 * Encoding.  Both are free of cost when the server's encoding is UTF-8, except
 * that bytes from the log are verified.
 */
static inline void
to_utf8(const char **data, int32 *len)
{
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		char	   *p = pg_server_to_any(*data, *len, PG_UTF8);

		if (p != *data)
		{
			*data = p;
			*len = strlen(p);
		}
	}
}

/* What the log has was text when it was produced: as such it is not looked at again. */
static inline void
from_utf8(const char **data, int32 *len)
{
	char	   *p;

	if (GetDatabaseEncoding() == PG_UTF8)
		return;
	p = pg_any_to_server(*data, *len, PG_UTF8);
	if (p != *data)
	{
		*data = p;
		*len = strlen(p);
	}
}

/*
 * The format of a type without a kind of its own, taken apart anew when a row type inside has changed.
 * The old one stays: whoever is up the stack may be using it.
 */
static inline ElFormat *
current_format(ElSerde *s)
{
	if (s->format->has_row && unlikely(!el_format_is_current(s->format)))
		s->format = el_format_make(s->type, s->declared_typmod, s->mcxt);
	return s->format;
}

/* Raises what output functions and conversion to UTF-8 raise. */
void
el_serialize(ElSerde *s, Datum value, const char **data, int32 *len)
{
	switch (s->kind)
	{
		case EL_SERDE_BYTEA:
		case EL_SERDE_TEXT:
		case EL_SERDE_JSON:
			{
				struct varlena *v = PG_DETOAST_DATUM_PACKED(value);

				*data = VARDATA_ANY(v);
				*len = VARSIZE_ANY_EXHDR(v);
				if (s->kind != EL_SERDE_BYTEA)
					to_utf8(data, len);
				break;
			}

		case EL_SERDE_JSONB:
			{
				Jsonb	   *jb = DatumGetJsonbP(value);
				StringInfoData buf;

				initStringInfo(&buf);
				(void) JsonbToCString(&buf, &jb->root, VARSIZE(jb));
				*data = buf.data;
				*len = buf.len;
				to_utf8(data, len);
				break;
			}

		case EL_SERDE_INT2:
			{
				uint16	   *p = palloc(sizeof(uint16));

				*p = pg_hton16((uint16) DatumGetInt16(value));
				*data = (char *) p;
				*len = sizeof(uint16);
				break;
			}

		case EL_SERDE_INT4:
		case EL_SERDE_FLOAT4:
			{
				uint32	   *p = palloc(sizeof(uint32));
				uint32		v;

				if (s->kind == EL_SERDE_INT4)
					v = (uint32) DatumGetInt32(value);
				else
				{
					float4		f = DatumGetFloat4(value);

					memcpy(&v, &f, sizeof(v));
				}
				*p = pg_hton32(v);
				*data = (char *) p;
				*len = sizeof(uint32);
				break;
			}

		case EL_SERDE_INT8:
		case EL_SERDE_FLOAT8:
			{
				uint64	   *p = palloc(sizeof(uint64));
				uint64		v;

				if (s->kind == EL_SERDE_INT8)
					v = (uint64) DatumGetInt64(value);
				else
				{
					float8		f = DatumGetFloat8(value);

					memcpy(&v, &f, sizeof(v));
				}
				*p = pg_hton64(v);
				*data = (char *) p;
				*len = sizeof(uint64);
				break;
			}

		case EL_SERDE_OTHER:
			*data = el_form_write(current_format(s), value);
			*len = strlen(*data);
			to_utf8(data, len);
			break;
	}
	Assert(*data != NULL && *len >= 0);
}

/* The integer in len bytes, big-endian; 22P03 unless there are exactly width of them. */
static uint64
get_big_endian(ElSerde *s, const char *data, int32 len, int width)
{
	uint64		v = 0;

	Assert(len >= 0 && width > 0 && width <= (int) sizeof(v));
	if (len != width)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid length of a serialized value of type %s",
						format_type_be(s->type)),
				 errdetail("It has %d bytes instead of %d.", len, width)));

	for (int i = 0; i < width; i++)
		v = (v << 8) | (unsigned char) data[i];
	return v;
}

static inline float4
get_float4(ElSerde *s, const char *data, int32 len)
{
	uint32		v = (uint32) get_big_endian(s, data, len, 4);
	float4		f;

	memcpy(&f, &v, sizeof(f));
	return f;
}

static inline float8
get_float8(ElSerde *s, const char *data, int32 len)
{
	uint64		v = get_big_endian(s, data, len, 8);
	float8		f;

	memcpy(&f, &v, sizeof(f));
	return f;
}

/* Text is taken as it stands: it was valid when it was produced. */
Datum
el_deserialize(ElSerde *s, const char *data, int32 len)
{
	Assert(len >= 0);			/* a null is the caller's business */
	switch (s->kind)
	{
		case EL_SERDE_TEXT:
		case EL_SERDE_JSON:
			from_utf8(&data, &len);
			/* FALLTHROUGH */

		case EL_SERDE_BYTEA:
			return PointerGetDatum(cstring_to_text_with_len(data, len));

		case EL_SERDE_INT2:
			return Int16GetDatum((int16) get_big_endian(s, data, len, 2));
		case EL_SERDE_INT4:
			return Int32GetDatum((int32) get_big_endian(s, data, len, 4));
		case EL_SERDE_INT8:
			return Int64GetDatum((int64) get_big_endian(s, data, len, 8));
		case EL_SERDE_FLOAT4:
			return Float4GetDatum(get_float4(s, data, len));
		case EL_SERDE_FLOAT8:
			return Float8GetDatum(get_float8(s, data, len));

		case EL_SERDE_JSONB:
		case EL_SERDE_OTHER:
			{
				char	   *str;
				Datum		result;

				from_utf8(&data, &len);
				str = pnstrdup(data, len);
				if (s->kind == EL_SERDE_JSONB)
					result = DirectFunctionCall1(jsonb_in, CStringGetDatum(str));
				else
					result = el_form_read(current_format(s), str, false);
				pfree(str);
				return result;
			}
	}

	pg_unreachable();
}

static void
check_json(text *json)
{
	el_json_validate(VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
}

bool
el_bytes_fit(const ElSerde *s, const char *data, int32 len)
{
	switch (s->kind)
	{
		case EL_SERDE_BYTEA:
			return true;
		case EL_SERDE_TEXT:
			return GetDatabaseEncoding() == PG_UTF8 &&
				pg_verify_mbstr(PG_UTF8, data, len, true);
		case EL_SERDE_JSON:
			return GetDatabaseEncoding() == PG_UTF8 &&
				pg_verify_mbstr(PG_UTF8, data, len, true) &&
				el_json_is_plain(data, len);
		case EL_SERDE_INT2:
			return len == 2;
		case EL_SERDE_INT4:
		case EL_SERDE_FLOAT4:
			return len == 4;
		case EL_SERDE_INT8:
		case EL_SERDE_FLOAT8:
			return len == 8;
		case EL_SERDE_JSONB:
		case EL_SERDE_OTHER:
			break;
	}
	return false;
}

/* Bytes that may be anything, as a value. */
static Datum
deserialize_checked(ElSerde *s, const char *data, int32 len,
					bool check_domains)
{
	Datum		value;

	switch (s->kind)
	{
		case EL_SERDE_TEXT:
		case EL_SERDE_JSON:
		case EL_SERDE_JSONB:
		case EL_SERDE_OTHER:
			(void) pg_verify_mbstr(PG_UTF8, data, len, false);
			break;
		default:
			break;
	}
	if (s->kind == EL_SERDE_OTHER)
	{
		from_utf8(&data, &len);
		return el_form_read(current_format(s), pnstrdup(data, len),
							check_domains);
	}
	value = el_deserialize(s, data, len);
	if (s->kind == EL_SERDE_JSON)
		check_json(DatumGetTextPP(value));
	if (check_domains && s->is_domain)
		domain_check(value, false, s->type, &s->domain_extra, s->mcxt);
	return value;
}

Datum
el_deserialize_unknown(ElSerde *s, const char *data, int32 len)
{
	return deserialize_checked(s, data, len, true);
}

void
el_check_bytes(ElSerde *s, const char *data, int32 len)
{
	(void) deserialize_checked(s, data, len, false);
}

bool
el_bytes_have_member(ElSerde *s, const char *data, int32 len, Oid row_type,
					 const char *name)
{
	if (!el_serde_has_rows(s))
		return false;
	from_utf8(&data, &len);
	return el_form_has_member(current_format(s), pnstrdup(data, len), row_type,
							  name);
}

bool
el_bytes_are_old_row(ElSerde *s, const char *data, int32 len)
{
	if (!el_serde_has_rows(s))
		return false;
	return !el_form_is_json(s->format, pnstrdup(data, len));
}

/* "123" for any of the integer kinds. */
static int
format_integer(ElSerde *s, const char *data, int32 len, char *buf)
{
	switch (s->kind)
	{
		case EL_SERDE_INT2:
			return pg_itoa((int16) get_big_endian(s, data, len, 2), buf);
		case EL_SERDE_INT4:
			return pg_ltoa((int32) get_big_endian(s, data, len, 4), buf);
		default:
			return pg_lltoa((int64) get_big_endian(s, data, len, 8), buf);
	}
}

/* What float4out and float8out give, honouring extra_float_digits. */
static char *
format_float(ElSerde *s, const char *data, int32 len)
{
	if (s->kind == EL_SERDE_FLOAT4)
		return DatumGetCString(DirectFunctionCall1(float4out,
												   Float4GetDatum(get_float4(s, data, len))));
	return DatumGetCString(DirectFunctionCall1(float8out,
											   Float8GetDatum(get_float8(s, data, len))));
}

/* Raises as el_deserialize() does, where the text is not on the log. */
Datum
el_bytes_to_text(ElSerde *s, const char *data, int32 len)
{
	char		buf[MAXINT8LEN + 1];
	char	   *str;

	Assert(len >= 0);
	switch (s->kind)
	{
		case EL_SERDE_TEXT:
		case EL_SERDE_JSON:
		case EL_SERDE_JSONB:
			from_utf8(&data, &len);
			return PointerGetDatum(cstring_to_text_with_len(data, len));

		case EL_SERDE_INT2:
		case EL_SERDE_INT4:
		case EL_SERDE_INT8:
			len = format_integer(s, data, len, buf);
			return PointerGetDatum(cstring_to_text_with_len(buf, len));

		case EL_SERDE_FLOAT4:
		case EL_SERDE_FLOAT8:
			return PointerGetDatum(cstring_to_text(format_float(s, data, len)));

		case EL_SERDE_BYTEA:
		case EL_SERDE_OTHER:
			if (text_is_canonical(s->base_type))
			{
				from_utf8(&data, &len);
				return PointerGetDatum(cstring_to_text_with_len(data, len));
			}
			str = OutputFunctionCall(&s->output, el_deserialize(s, data, len));
			return PointerGetDatum(cstring_to_text(str));
	}

	pg_unreachable();
}

/* A JSON string of len bytes; as escape_json(), which wants a terminated string. */
static Datum
json_string(const char *data, int32 len)
{
	StringInfoData buf;
	const char *end = data + len;
	text	   *result;

	Assert(len >= 0);
	initStringInfo(&buf);
	enlargeStringInfo(&buf, VARHDRSZ + len + 2);
	buf.len = VARHDRSZ;
	appendStringInfoChar(&buf, '"');

	while (data < end)
	{
		const char *run = data;

		while (data < end && (unsigned char) *data >= ' ' && *data != '"' &&
			   *data != '\\')
			data++;
		appendBinaryStringInfo(&buf, run, data - run);
		if (data == end)
			break;

		switch (*data)
		{
			case '\b':
				appendStringInfoString(&buf, "\\b");
				break;
			case '\f':
				appendStringInfoString(&buf, "\\f");
				break;
			case '\n':
				appendStringInfoString(&buf, "\\n");
				break;
			case '\r':
				appendStringInfoString(&buf, "\\r");
				break;
			case '\t':
				appendStringInfoString(&buf, "\\t");
				break;
			case '"':
				appendStringInfoString(&buf, "\\\"");
				break;
			case '\\':
				appendStringInfoString(&buf, "\\\\");
				break;
			default:
				appendStringInfo(&buf, "\\u%04x", (unsigned char) *data);
				break;
		}
		data++;
	}

	appendStringInfoChar(&buf, '"');
	result = (text *) buf.data;
	SET_VARSIZE(result, buf.len);
	return PointerGetDatum(result);
}

/* A number as it stands, unless JSON has no such number (NaN, Infinity). */
static Datum
json_number(const char *data, int32 len)
{
	if (IsValidJsonNumber(data, len))
		return PointerGetDatum(cstring_to_text_with_len(data, len));
	return json_string(data, len);
}

/* Rows: what is on the log, or what would be if it were written now. */
static Datum
rows_to_json(ElSerde *s, const char *data, int32 len)
{
	char	   *str;

	from_utf8(&data, &len);
	str = pnstrdup(data, len);
	if (el_form_is_json(s->format, str))
		el_json_validate(str, len);
	else
	{
		ElFormat   *c = current_format(s);

		str = el_form_write(c, el_form_read(c, str, false));
	}
	return PointerGetDatum(cstring_to_text(str));
}

/* Raises as el_deserialize() does, where the JSON is not on the log. */
Datum
el_bytes_to_json(ElSerde *s, const char *data, int32 len)
{
	char		buf[MAXINT8LEN + 1];
	char	   *str;

	Assert(len >= 0);
	switch (s->kind)
	{
		case EL_SERDE_JSON:
		case EL_SERDE_JSONB:
			/* as it stands, byte for byte */
			from_utf8(&data, &len);
			return PointerGetDatum(cstring_to_text_with_len(data, len));

		case EL_SERDE_TEXT:
			from_utf8(&data, &len);
			return json_string(data, len);

		case EL_SERDE_INT2:
		case EL_SERDE_INT4:
		case EL_SERDE_INT8:
			len = format_integer(s, data, len, buf);
			return PointerGetDatum(cstring_to_text_with_len(buf, len));

		case EL_SERDE_FLOAT4:
		case EL_SERDE_FLOAT8:
			str = format_float(s, data, len);
			return json_number(str, strlen(str));

		case EL_SERDE_BYTEA:
		case EL_SERDE_OTHER:
			if (text_is_canonical(s->base_type))
			{
				from_utf8(&data, &len);
				if (s->base_type == NUMERICOID)
					return json_number(data, len);
				return json_string(data, len);
			}
			if (el_serde_has_rows(s))
				return rows_to_json(s, data, len);
			return FunctionCall1(&s->to_json, el_deserialize(s, data, len));
	}

	pg_unreachable();
}

/*
 * A client that gives bytes means what they say, not the digits that show them: the
 * output function's way, and to_json()'s, would store those.
 */
static void
refuse_bytes(Oid from_base, const ElSerde *to, const char *what)
{
	if (from_base == BYTEAOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the %s is of type %s but the argument is of type bytea",
						what, format_type_be(to->type)),
				 errhint("Use convert_from(..., 'UTF8') for bytes that are text.")));
}

/*
 * How to get from a source type to the serde's type.
 */
void
el_conversion_init(ElConversion *c, Oid from_type, ElSerde *to,
				   const char *what, MemoryContext mcxt)
{
	Oid			from_base;
	bool		from_text;
	bool		to_json;
	Oid			func;
	bool		is_varlena;
	CoercionPathType path;

	Assert(OidIsValid(from_type) && OidIsValid(to->base_type));
	memset(c, 0, sizeof(*c));
	c->from_type = from_type;
	c->to = to;
	c->mcxt = mcxt;

	if (from_type == UNKNOWNOID)
	{
		c->method = CONV_CSTRING_INPUT;
		return;
	}

	/* most often, and then without a look at the catalog */
	from_base = from_type == TEXTOID ? TEXTOID : getBaseType(from_type);

	/*
	 * a domain's own values have been checked; a typmod has to be applied by
	 * the input function
	 */
	if (from_type == to->type && to->typmod < 0)
	{
		c->method = CONV_AS_IS;
		return;
	}

	from_text = from_base == TEXTOID || from_base == VARCHAROID ||
		from_base == BPCHAROID;
	to_json = to->kind == EL_SERDE_JSON || to->kind == EL_SERDE_JSONB;

	if (from_text)
	{
		if (to->is_domain)
			c->method = CONV_TEXT_INPUT;
		else if (to->kind == EL_SERDE_TEXT && to->typmod < 0)
			c->method = CONV_AS_IS;
		else if (to->kind == EL_SERDE_JSON)
			c->method = CONV_TEXT_JSON;
		else
			c->method = CONV_TEXT_INPUT;
		return;
	}

	/* a row, a uuid, a number as a JSON value: what to_json() makes of it */
	if (to_json && from_base != JSONOID && from_base != JSONBOID)
	{
		refuse_bytes(from_base, to, what);
		c->method = to->kind == EL_SERDE_JSON ? CONV_TO_JSON : CONV_TO_JSONB;
		init_to_json(&c->cast, from_type, mcxt);
		return;
	}

	if (to->typmod < 0)
	{
		path = find_coercion_pathway(to->base_type, from_base,
									 COERCION_ASSIGNMENT, &func);
		if (path == COERCION_PATH_RELABELTYPE)
		{
			c->method = CONV_AS_IS;
			return;
		}
		if (path == COERCION_PATH_FUNC)
		{
			c->method = CONV_CAST;
			fmgr_info_cxt(func, &c->cast, mcxt);
			c->cast_nargs = get_func_nargs(func);
			return;
		}
	}

	refuse_bytes(from_base, to, what);
	getTypeOutputInfo(from_type, &func, &is_varlena);
	fmgr_info_cxt(func, &c->cast, mcxt);
	if (!to->is_domain && to->typmod < 0 &&
		(to->kind == EL_SERDE_TEXT || to->kind == EL_SERDE_JSON))
		c->method = CONV_OUTPUT_TEXT;
	else
		c->method = CONV_OUTPUT_INPUT;
}

/* Text as a value, as in an INSERT; for rows JSON will do, too. */
static Datum
input_argument(ElSerde *to, char *str)
{
	if (el_serde_has_rows(to) && el_form_is_json(to->format, str))
		return el_form_read(current_format(to), str, true);
	return InputFunctionCall(&to->input, str, to->typioparam, to->typmod);
}

/* Returns a datum in CurrentMemoryContext, or the one that was given. */
Datum
el_convert(ElConversion *c, Datum value)
{
	ElSerde    *to = c->to;
	char	   *str;

	switch (c->method)
	{
		case CONV_AS_IS:
			/* from the same domain: checked; from its base type: not yet */
			if (c->from_type == to->type)
				return value;
			break;

		case CONV_TEXT_INPUT:
			return input_argument(to, TextDatumGetCString(value));

		case CONV_CSTRING_INPUT:
			return input_argument(to, DatumGetCString(value));

		case CONV_TEXT_JSON:
			{
				/* json is text that has been looked at */
				text	   *json = DatumGetTextPP(value);

				check_json(json);
				return PointerGetDatum(json);
			}

		case CONV_CAST:
			Assert(c->cast_nargs >= 1 && c->cast_nargs <= 3);
			if (c->cast_nargs == 1)
				value = FunctionCall1(&c->cast, value);
			else if (c->cast_nargs == 2)
				value = FunctionCall2(&c->cast, value, Int32GetDatum(-1));
			else
				value = FunctionCall3(&c->cast, value, Int32GetDatum(-1),
									  BoolGetDatum(false));
			break;

		case CONV_OUTPUT_INPUT:
			/* text shows what the session's settings make of it */
			if (to->kind == EL_SERDE_TEXT)
				str = OutputFunctionCall(&c->cast, value);
			else
				str = el_output_portably(&c->cast, value, CONV_SETTINGS);
			return el_input_portably(&to->input, str, to->typioparam, to->typmod,
									 to->kind == EL_SERDE_TEXT ? 0 : CONV_SETTINGS);

		case CONV_OUTPUT_TEXT:
			str = OutputFunctionCall(&c->cast, value);
			return PointerGetDatum(cstring_to_text(str));

		case CONV_TO_JSON:
			value = FunctionCall1(&c->cast, value);
			break;

		case CONV_TO_JSONB:
			value = FunctionCall1(&c->cast, value);
			value = DirectFunctionCall1(jsonb_in,
										CStringGetDatum(TextDatumGetCString(value)));
			break;

		default:
			elog(ERROR, "unrecognized conversion method: %d", c->method);
	}

	if (to->is_domain)
		domain_check(value, false, to->type, &c->domain_extra, c->mcxt);

	return value;
}
