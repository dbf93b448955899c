/*-------------------------------------------------------------------------
 *
 * record.c
 *	  One record of a batch: an event, and its headers.
 *
 * Records themselves are encoded by batch_builder.c and decoded by
 * batch_reader.c, one after the other and inline.
 *
 * IDENTIFICATION
 *	  src/kafka/record.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "kafka/record.h"

size_t
el_record_size_bound(const ElRecord *r)
{
	/* length, the fields up to keyLength, valueLength */
	return EL_VARINT_MAX + EL_RECORD_FRONT_MAX + EL_VARINT_MAX +
		(size_t) Max(r->key_len, 0) + (size_t) Max(r->value_len, 0) +
		(size_t) Max(r->headers_len, 1);
}

bool
el_record_headers_valid(const char *headers, int32 len)
{
	const char *end = headers + len;
	const char *p;
	int32		n;

	p = el_read_varint(headers, end, false, &n);
	/* a header takes two bytes at least; Kafka asks for one */
	if (p == NULL || n < 0 || n > end - p)
		return false;
	while (n-- > 0)
	{
		int32		field_len;

		p = el_read_varint(p, end, false, &field_len);
		if (p == NULL || field_len < 0 || field_len > end - p)
			return false;
		p += field_len;
		p = el_read_varint(p, end, false, &field_len);
		if (p == NULL || field_len < -1 || field_len > end - p)
			return false;
		p += Max(field_len, 0);
	}
	return p == end;
}

bool
el_record_headers_open(ElRecordHeadersReader *r, const char *headers, int32 len)
{
	r->pos = r->end = NULL;
	r->count = 0;
	r->index = 0;
	if (headers == NULL || len <= 0)
		return len == 0;

	r->end = headers + len;
	r->pos = el_read_varint(headers, r->end, false, &r->count);
	if (r->pos == NULL || r->count < 0 || r->count > r->end - r->pos)
	{
		r->pos = r->end;
		r->count = 0;
		return false;
	}
	return true;
}

int
el_record_headers_next(ElRecordHeadersReader *r,
					   const char **key, int32 *key_len,
					   const char **value, int32 *value_len)
{
	const char *p = r->pos;

	Assert(r->index >= 0 && r->index <= r->count);
	Assert(r->pos <= r->end);

	if (r->index >= r->count)
		return p == r->end ? 0 : -1;

	p = el_read_varint(p, r->end, false, key_len);
	if (p == NULL || *key_len < 0 || *key_len > r->end - p)
		return -1;
	*key = p;
	p += *key_len;
	p = el_read_varint(p, r->end, false, value_len);
	if (p == NULL || *value_len < -1 || *value_len > r->end - p)
		return -1;
	*value = *value_len < 0 ? NULL : p;
	r->pos = p + Max(*value_len, 0);
	r->index++;
	return 1;
}
