/*-------------------------------------------------------------------------
 *
 * serde.h
 *	  Between SQL values and the bytes of the log.
 *
 * text, json, jsonb: UTF-8 text (jsonb as JSON text); bytea: raw; smallint,
 * integer, bigint, real, double precision: big-endian as Kafka's
 * serialisers write them; rows, and arrays of what has rows: JSON, UTF-8; any
 * other type: its text form, UTF-8, under settings that are always the same.
 *
 * IDENTIFICATION
 *	  src/value/serde.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SERDE_H
#define EL_SERDE_H

#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"

#include "value/format.h"

typedef enum ElSerdeKind
{
	EL_SERDE_BYTEA,
	EL_SERDE_TEXT,				/* text, varchar, bpchar, name-like: bytes are
								 * the text */
	EL_SERDE_JSON,
	EL_SERDE_JSONB,
	EL_SERDE_INT2,
	EL_SERDE_INT4,
	EL_SERDE_INT8,
	EL_SERDE_FLOAT4,
	EL_SERDE_FLOAT8,
	EL_SERDE_OTHER				/* by its format */
} ElSerdeKind;

typedef struct ElSerde
{
	Oid			type;			/* as declared; may be a domain */
	int32		typmod;			/* of the base type */
	int32		declared_typmod;
	Oid			base_type;		/* below domains */
	ElSerdeKind kind;			/* of the base type */
	bool		is_domain;
	int16		typlen;
	bool		typbyval;
	char		typalign;
	Oid			typioparam;
	FmgrInfo	input;			/* of arguments: a domain's checks it */
	FmgrInfo	output;
	FmgrInfo	to_json;		/* to_json(anyelement) with this type, for
								 * EL_SERDE_OTHER and bytea */
	ElFormat   *format;			/* of EL_SERDE_OTHER */
	void	   *domain_extra;	/* domain_check()'s cache */
	MemoryContext mcxt;
} ElSerde;

/* Prepare for a type; lookups' memory lives in mcxt. */
extern void el_serde_init(ElSerde *s, Oid type, int32 typmod, MemoryContext mcxt);

/* Bytes of a value that is not NULL.  They point into the datum where that is possible, else into
 * CurrentMemoryContext. */
extern void el_serialize(ElSerde *s, Datum value, const char **data, int32 *len);

/*
 * Value of bytes (len >= 0; a null never gets here), in CurrentMemoryContext.  Bad bytes raise the
 * type's own error (or 22P03 for a wrong length of a binary number); domain constraints are
 * not checked again.
 */
extern Datum el_deserialize(ElSerde *s, const char *data, int32 len);

/* Are the bytes the value's own, with nothing but a length before them? */
static inline bool
el_serde_is_bytes(const ElSerde *s)
{
	return s->kind == EL_SERDE_BYTEA ||
		((s->kind == EL_SERDE_TEXT || s->kind == EL_SERDE_JSON) &&
		 GetDatabaseEncoding() == PG_UTF8);
}

/* Are there rows in the type, so that its form is JSON? */
static inline bool
el_serde_has_rows(const ElSerde *s)
{
	return s->kind == EL_SERDE_OTHER && s->format->has_row;
}

/*
 * The same for bytes that may not be a value of the type: text in another encoding, text that is
 * not JSON, a value that its domain refuses.
 */
extern Datum el_deserialize_unknown(ElSerde *s, const char *data, int32 len);

/* Do the bytes fit the type, beyond doubt?  If not, el_check_bytes() raises what is wrong, or finds nothing. */
extern bool el_bytes_fit(const ElSerde *s, const char *data, int32 len);
extern void el_check_bytes(ElSerde *s, const char *data, int32 len);

/* Is there a member of this name in a row of this type?  Is it the text form that rows had in version 1.0? */
extern bool el_bytes_have_member(ElSerde *s, const char *data, int32 len,
								 Oid row_type, const char *name);
extern bool el_bytes_are_old_row(ElSerde *s, const char *data, int32 len);

/* The typed value's text form, and its to_json() form, straight from the bytes where possible; text/json Datums. */
extern Datum el_bytes_to_text(ElSerde *s, const char *data, int32 len);
extern Datum el_bytes_to_json(ElSerde *s, const char *data, int32 len);

/*
 * Conversion of an argument of any type to the serde's type, prepared once per
 * call site.  Same type: as it is.  text/unknown: the type's input function.
 * Otherwise an assignment cast if there is one, else through text.  Domains
 * are checked.
 */
typedef struct ElConversion
{
	Oid			from_type;
	ElSerde    *to;
	int			method;			/* private to serde.c */
	FmgrInfo	cast;			/* or the source's output function */
	int			cast_nargs;
	void	   *domain_extra;	/* domain_check()'s cache */
	MemoryContext mcxt;
} ElConversion;

/* 42804 for bytea that no cast makes the type; what: "key" or "value", for that error. */
extern void el_conversion_init(ElConversion *c, Oid from_type, ElSerde *to,
							   const char *what, MemoryContext mcxt);
extern Datum el_convert(ElConversion *c, Datum value);

#endif							/* EL_SERDE_H */
