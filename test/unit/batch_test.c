/*-------------------------------------------------------------------------
 *
 * batch_test.c
 *	  Record batches: vectors, round trips, damage.
 *
 * Every batch that is read here lies in a block of exactly its size, so that
 * the address sanitizer sees a read beyond it.
 *
 * IDENTIFICATION
 *	  test/unit/batch_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <lz4frame.h>
#include <zstd.h>

#include "check.h"
#include "kafka/batch.h"

static const ElCodec codecs[] = {EL_CODEC_NONE, EL_CODEC_LZ4, EL_CODEC_ZSTD};

#define NCODECS ((int) (sizeof(codecs) / sizeof(codecs[0])))

/* The first bytes of Kafka's LZ4 frames: magic, flags, 64 KB, header check. */
static const char lz4_frame_start[] = "\x04\x22\x4d\x18\x60\x40\x82";


/*-------------------------------------------------------------------------
 * Tools
 *-------------------------------------------------------------------------
 */

static ElRecord
make_record(int64 timestamp, const char *key, int32 key_len,
			const char *value, int32 value_len)
{
	ElRecord	rec;

	memset(&rec, 0, sizeof(rec));
	rec.timestamp = timestamp;
	rec.key = key;
	rec.key_len = key_len;
	rec.value = value;
	rec.value_len = value_len;
	return rec;
}

/* A string, or null */
static ElRecord
make_text_record(int64 timestamp, const char *key, const char *value)
{
	return make_record(timestamp, key, key ? (int32) strlen(key) : -1,
					   value, value ? (int32) strlen(value) : -1);
}

static bool
same_bytes(const char *a, int32 alen, const char *b, int32 blen)
{
	if (alen != blen)
		return false;
	if (alen < 0)
		return a == NULL && b == NULL;
	return alen == 0 || memcmp(a, b, (size_t) alen) == 0;
}

/* Is what was read what was written?  No headers come back as a count of 0. */
static bool
same_record(const ElRecord *got, const ElRecord *want)
{
	if (got->timestamp != want->timestamp ||
		!same_bytes(got->key, got->key_len, want->key, want->key_len) ||
		!same_bytes(got->value, got->value_len, want->value, want->value_len))
		return false;
	/* empty is not null */
	if (want->value_len == 0 && got->value == NULL)
		return false;
	if (want->headers_len == 0)
		return same_bytes(got->headers, got->headers_len, "", 1);
	return same_bytes(got->headers, got->headers_len,
					  want->headers, want->headers_len);
}

static char *
copy_of(const char *p, size_t len)
{
	char	   *copy = xmalloc(len);

	memcpy(copy, p, len);
	return copy;
}

/* Finish a batch into a block of exactly its size. */
static char *
finish(ElBatchBuilder *b, ElCodec codec, size_t *len)
{
	static ElScratch scratch;
	char	   *batch = el_batch_finish(b, codec, &scratch, len);

	return copy_of(batch, *len);
}

static char *
build(const ElRecord *records, int n, ElCodec codec, size_t *len)
{
	static ElBatchBuilder builder;
	int			i;

	el_batch_begin(&builder);
	for (i = 0; i < n; i++)
		el_batch_add(&builder, &records[i]);
	return finish(&builder, codec, len);
}

/* A CRC-32C of our own, bit by bit. */
static uint32
slow_crc32c(const char *p, size_t len)
{
	uint32		crc = 0xffffffff;

	while (len-- > 0)
	{
		int			bit;

		crc ^= (uint8) *p++;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78 : 0);
	}
	return crc ^ 0xffffffff;
}

static void
put32(char *p, uint32 v)
{
	int			i;

	for (i = 0; i < 4; i++)
		p[i] = (char) (v >> (24 - 8 * i));
}

static void
fix_crc(char *batch, size_t len)
{
	put32(batch + EL_BATCH_CRC,
		  slow_crc32c(batch + EL_BATCH_ATTRIBUTES, len - EL_BATCH_ATTRIBUTES));
}

/*
 * Wrap records in a header that is in order.
 */
static char *
wrap(const char *records, size_t records_len, int attributes,
	 int32 last_offset_delta, int32 count, size_t *len)
{
	char	   *batch;

	*len = EL_BATCH_HEADER_SIZE + records_len;
	batch = xmalloc(*len);
	memset(batch, 0xff, EL_BATCH_HEADER_SIZE);
	memset(batch, 0, 8);
	put32(batch + EL_BATCH_LENGTH, (uint32) (*len - EL_BATCH_LOG_OVERHEAD));
	batch[EL_BATCH_MAGIC] = 2;
	batch[EL_BATCH_ATTRIBUTES] = 0;
	batch[EL_BATCH_ATTRIBUTES + 1] = (char) attributes;
	put32(batch + EL_BATCH_LAST_OFFSET_DELTA, (uint32) last_offset_delta);
	memset(batch + EL_BATCH_BASE_TIMESTAMP, 0, 16);
	put32(batch + EL_BATCH_RECORD_COUNT, (uint32) count);
	if (records_len > 0)
		memcpy(batch + EL_BATCH_HEADER_SIZE, records, records_len);
	fix_crc(batch, *len);
	return batch;
}

/*
 * Read a batch to its end.  Returns the number of records, or -1 with *error
 * set, having checked what must hold of whatever bytes.
 */
static int
read_all(const char *batch, size_t len, bool skip_crc, const char **error)
{
	static ElBatchReader reader;
	int64		last_offset = -1;
	int			n = 0;
	int			ret;
	ElRecord	rec;

	*error = NULL;
	if (!el_batch_open(&reader, batch, len, skip_crc))
	{
		*error = reader.error;
		/* a reader that did not open has nothing to read, and says why */
		if (*error == NULL || el_batch_next(&reader, &rec) != -1 ||
			reader.error != *error)
			abort();
		return -1;
	}

	while ((ret = el_batch_next(&reader, &rec)) == 1)
	{
		ElRecordHeadersReader headers;
		const char *key;
		const char *value;
		int32		key_len;
		int32		value_len;
		int64		delta;
		int			h = 0;

		/* modulo 2^64: the base offset may be anything */
		delta = (int64) ((uint64) rec.offset -
						 (uint64) reader.header.base_offset);
		if (delta <= last_offset || delta > reader.header.last_offset_delta)
			abort();
		last_offset = delta;

		/* touch the bytes */
		if (rec.key_len > 0)
			free(copy_of(rec.key, (size_t) rec.key_len));
		if (rec.value_len > 0)
			free(copy_of(rec.value, (size_t) rec.value_len));
		if (!el_record_headers_open(&headers, rec.headers, rec.headers_len))
			abort();
		while (el_record_headers_next(&headers, &key, &key_len, &value,
									  &value_len) == 1)
		{
			if (key_len > 0)
				free(copy_of(key, (size_t) key_len));
			if (value_len > 0)
				free(copy_of(value, (size_t) value_len));
			h++;
		}
		if (h != headers.count)
			abort();
		n++;
	}
	if (ret < 0)
	{
		*error = reader.error;
		/* once corrupt, corrupt for ever */
		if (*error == NULL || el_batch_next(&reader, &rec) != -1 ||
			reader.error != *error)
			abort();
		return -1;
	}
	if (n != reader.header.record_count || el_batch_next(&reader, &rec) != 0)
		abort();
	return n;
}

/* Does reading this batch fail, and with this error? */
static void
check_error(const char *batch, size_t len, bool skip_crc, const char *want,
			int line)
{
	const char *error;
	int			n = read_all(batch, len, skip_crc, &error);

	check_result(n == -1 && error != NULL, "read_all fails", __FILE__, line);
	check_text(error, want, __FILE__, line);
}

#define CHECK_ERROR(batch, len, want) \
	check_error((batch), (len), false, (want), __LINE__)

/* Headers in record form, appended to. */
typedef struct Headers
{
	char	   *buf;
	int32		len;
} Headers;

static void
headers_bytes(Headers *h, const char *p, int32 len)
{
	h->buf = realloc(h->buf, (size_t) (h->len + len) + 1);
	if (len > 0)
		memcpy(h->buf + h->len, p, (size_t) len);
	h->len += len;
}

static void
headers_varint(Headers *h, int32 v)
{
	char		buf[5];

	headers_bytes(h, buf, el_put_varint(buf, v));
}

static void
headers_add(Headers *h, const char *key, int32 key_len, const char *value,
			int32 value_len)
{
	headers_varint(h, key_len);
	headers_bytes(h, key, key_len);
	headers_varint(h, value_len);
	if (value_len > 0)
		headers_bytes(h, value, value_len);
}


/*-------------------------------------------------------------------------
 * Vectors
 *-------------------------------------------------------------------------
 */

static void
test_varint_vectors(const char *dir)
{
	FILE	   *f = open_vectors(dir, "varint.csv");
	char		line[256];
	int			n = 0;

	while (next_line(f, line, sizeof(line)))
	{
		char	   *rest = line;
		size_t		len;
		size_t		cut;
		char	   *bytes = from_hex(next_field(&rest, ','), &len);
		int64		want = strtoll(rest, NULL, 10);
		int64		v64;
		int32		v32;
		char		buf[10];

		CHECK(el_get_varlong(bytes, bytes + len, &v64) == (int) len);
		CHECK(v64 == want);
		CHECK(el_put_varlong(buf, want) == (int) len);
		CHECK(memcmp(buf, bytes, len) == 0);
		if (want >= INT32_MIN && want <= INT32_MAX)
		{
			CHECK(el_get_varint(bytes, bytes + len, &v32) == (int) len);
			CHECK(v32 == want);
			CHECK(el_put_varint(buf, (int32) want) == (int) len);
			CHECK(memcmp(buf, bytes, len) == 0);
		}
		else if (len > 5)
			CHECK(el_get_varint(bytes, bytes + len, &v32) == 0);
		for (cut = 0; cut < len; cut++)
		{
			char	   *head = copy_of(bytes, cut);

			CHECK(el_get_varlong(head, head + cut, &v64) == 0);
			CHECK(el_get_varint(head, head + cut, &v32) == 0);
			free(head);
		}
		free(bytes);
		n++;
	}
	CHECK(n >= 39);
	fclose(f);
}

static void
test_varint_limits(void)
{
	static const char long5[] = "\x80\x80\x80\x80\x80\x00";
	static const char long10[] = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00";
	char		buf[11];
	int64		v64;
	int32		v32;
	int			bit;

	/* a continuation bit in the last byte that may be */
	CHECK(el_get_varint(long5, long5 + 6, &v32) == 0);
	CHECK(el_get_varlong(long10, long10 + 11, &v64) == 0);
	/* bits that do not fit are dropped, as in Kafka's ByteUtils */
	memcpy(buf, "\xff\xff\xff\xff\x7f", 5);
	CHECK(el_get_varint(buf, buf + 5, &v32) == 5);
	CHECK(v32 == INT32_MIN);
	memcpy(buf, "\x80\x80\x80\x80\x10", 5);
	CHECK(el_get_varint(buf, buf + 5, &v32) == 5);
	CHECK(v32 == 0);
	/* not the shortest form, yet right */
	memcpy(buf, "\x82\x80\x00", 3);
	CHECK(el_get_varint(buf, buf + 3, &v32) == 3);
	CHECK(v32 == 1);

	/* around every power of two, and the lengths: 7 bits a byte */
	for (bit = 0; bit < 64; bit++)
	{
		int			off;

		for (off = -2; off <= 1; off++)
		{
			int64		v = (int64) ((UINT64_C(1) << bit) + (uint64) (int64) off);
			int			sign;

			for (sign = 0; sign < 2; sign++)
			{
				uint64		zigzag = ((uint64) v << 1) ^ (uint64) (v >> 63);
				int			size = 1;
				char	   *block;

				while (zigzag >>= 7)
					size++;
				block = xmalloc((size_t) size);
				CHECK(el_put_varlong(block, v) == size);
				CHECK(el_get_varlong(block, block + size, &v64) == size);
				CHECK(v64 == v);
				if (v >= INT32_MIN && v <= INT32_MAX)
				{
					CHECK(el_put_varint(block, (int32) v) == size);
					CHECK(el_get_varint(block, block + size, &v32) == size);
					CHECK(v32 == v);
				}
				free(block);
				v = (int64) (0 - (uint64) v);
			}
		}
	}
}

/* Compare headers with "name=hex;name=null". */
static void
check_headers(const ElRecord *rec, char *want)
{
	ElRecordHeadersReader reader;
	const char *key;
	const char *value;
	int32		key_len;
	int32		value_len;
	char	   *rest = *want == '\0' ? NULL : want;
	char	   *field;

	CHECK(el_record_headers_open(&reader, rec->headers, rec->headers_len));
	while ((field = next_field(&rest, ';')) != NULL)
	{
		char	   *name = next_field(&field, '=');

		CHECK(el_record_headers_next(&reader, &key, &key_len, &value,
									 &value_len) == 1);
		CHECK(same_bytes(key, key_len, name, (int32) strlen(name)));
		if (strcmp(field, "null") == 0)
			CHECK(value == NULL && value_len == -1);
		else
		{
			size_t		len;
			char	   *bytes = from_hex(field, &len);

			CHECK(same_bytes(value, value_len, bytes, (int32) len));
			free(bytes);
		}
	}
	CHECK(el_record_headers_next(&reader, &key, &key_len, &value, &value_len) == 0);
}

static void
check_field(const char *got, int32 got_len, const char *want)
{
	size_t		len;
	char	   *bytes;

	if (strcmp(want, "null") == 0)
	{
		CHECK(got == NULL && got_len == -1);
		return;
	}
	bytes = from_hex(want, &len);
	CHECK(got != NULL && same_bytes(got, got_len, bytes, (int32) len));
	free(bytes);
}

static void
check_header_vector(const ElBatchHeader *h, char *rest)
{
	long long	v[12];
	int			i;

	for (i = 0; i < 12; i++)
		v[i] = strtoll(next_field(&rest, ','), NULL, 10);
	CHECK(h->base_offset == v[0]);
	CHECK(h->batch_length == v[1]);
	CHECK(h->leader_epoch == v[2]);
	CHECK(h->crc == v[3]);
	CHECK(h->attributes == v[4]);
	CHECK(h->last_offset_delta == v[5]);
	CHECK(h->base_timestamp == v[6]);
	CHECK(h->max_timestamp == v[7]);
	CHECK(h->producer_id == v[8]);
	CHECK(h->producer_epoch == v[9]);
	CHECK(h->base_sequence == v[10]);
	CHECK(h->record_count == v[11]);
}

/*
 * What others wrote is read as it should be; and where the batch is one that
 * we could have written, we write the same bytes.
 */
static void
test_batch_vectors(const char *dir)
{
	FILE	   *f = open_vectors(dir, "recordbatch.txt");
	char		line[8192];
	char	   *batch = NULL;
	size_t		len = 0;
	ElBatchReader reader;
	ElBatchBuilder builder;
	ElRecord	rec;
	bool		opened = false;
	int			n = 0;
	int			rewritten = 0;

	memset(&reader, 0, sizeof(reader));
	memset(&builder, 0, sizeof(builder));
	while (next_line(f, line, sizeof(line)))
	{
		char	   *rest = line;
		char	   *what = next_field(&rest, ' ');

		if (strcmp(what, "hex") == 0)
		{
			batch = from_hex(rest, &len);
			CHECK_TEXT(el_batch_check_crc(batch, len), NULL);
			opened = el_batch_open(&reader, batch, len, false);
			el_batch_begin(&builder);
		}
		else if (strcmp(what, "header") == 0)
		{
			ElBatchHeader h;

			CHECK_TEXT(el_batch_read_header(batch, len, &h), NULL);
			check_header_vector(&h, rest);
		}
		else if (strcmp(what, "record") == 0)
		{
			char	   *offset = next_field(&rest, ',');
			char	   *timestamp = next_field(&rest, ',');
			char	   *key = next_field(&rest, ',');
			char	   *value = next_field(&rest, ',');

			CHECK(opened);
			if (!CHECK(el_batch_next(&reader, &rec) == 1))
				continue;
			CHECK(rec.offset == strtoll(offset, NULL, 10));
			CHECK(rec.timestamp == strtoll(timestamp, NULL, 10));
			check_field(rec.key, rec.key_len, key);
			check_field(rec.value, rec.value_len, value);
			check_headers(&rec, rest);
			el_batch_add(&builder, &rec);
		}
		else if (strcmp(what, "error") == 0)
		{
			CHECK(!opened);
			CHECK_TEXT(reader.error, rest);
		}
		else if (strcmp(what, "end") == 0)
		{
			const ElBatchHeader *h = &reader.header;

			if (opened)
				CHECK(el_batch_next(&reader, &rec) == 0);
			if (opened && h->attributes == 0 && h->producer_id == -1 &&
				h->record_count == h->last_offset_delta + 1)
			{
				size_t		again_len;
				char	   *again = finish(&builder, EL_CODEC_NONE, &again_len);

				el_batch_set_base_offset(again, h->base_offset);
				el_batch_set_leader_epoch(again, h->leader_epoch);
				CHECK(again_len == len && memcmp(again, batch, len) == 0);
				free(again);
				rewritten++;
			}
			free(batch);
			n++;
		}
	}
	CHECK(n >= 10);
	CHECK(rewritten >= 3);
	pfree(reader.scratch.buf);
	pfree(builder.buf);
	fclose(f);
}


/*-------------------------------------------------------------------------
 * Round trips
 *-------------------------------------------------------------------------
 */

/* Write with every codec, read back, compare. */
static void
check_round_trip(const ElRecord *records, int n)
{
	int			c;

	for (c = 0; c < NCODECS; c++)
	{
		size_t		len;
		char	   *batch = build(records, n, codecs[c], &len);
		ElBatchReader reader;
		ElRecord	rec;
		int64		max_timestamp = records[0].timestamp;
		int			same = 0;
		int			i;

		memset(&reader, 0, sizeof(reader));
		CHECK(el_batch_open(&reader, batch, len, false));
		CHECK_TEXT(reader.error, NULL);
		for (i = 0; i < n; i++)
		{
			if (el_batch_next(&reader, &rec) == 1 && rec.offset == i &&
				same_record(&rec, &records[i]))
				same++;
			if (records[i].timestamp > max_timestamp)
				max_timestamp = records[i].timestamp;
		}
		CHECK(same == n);
		CHECK(el_batch_next(&reader, &rec) == 0);
		CHECK_TEXT(reader.error, NULL);

		CHECK(reader.header.base_offset == 0);
		CHECK(reader.header.leader_epoch == -1);
		CHECK((size_t) reader.header.batch_length + 12 == len);
		CHECK(reader.header.record_count == n);
		CHECK(reader.header.last_offset_delta == n - 1);
		CHECK(reader.header.base_timestamp == records[0].timestamp);
		CHECK(reader.header.max_timestamp == max_timestamp);
		CHECK(reader.header.producer_id == -1);
		CHECK(reader.header.producer_epoch == -1);
		CHECK(reader.header.base_sequence == -1);
		CHECK(reader.header.attributes == 0 ||
			  reader.header.attributes == (int16) codecs[c]);
		pfree(reader.scratch.buf);
		free(batch);
	}
}

static void
test_null_and_empty(void)
{
	const char *texts[] = {NULL, "", "x", "two words"};
	ElRecord	records[16];
	int			i;

	for (i = 0; i < 16; i++)
	{
		records[i] = make_text_record(1700000000000 + i, texts[i / 4],
									  texts[i % 4]);
		check_round_trip(&records[i], 1);
	}
	check_round_trip(records, 16);
}

static void
test_timestamps(void)
{
	ElRecord	records[6];

	/* deltas wrap around as Java's do */
	records[0] = make_text_record(0, "k", "v");
	records[1] = make_text_record(INT64_MIN, "k", "v");
	records[2] = make_text_record(INT64_MAX, "k", "v");
	records[3] = make_text_record(-1, "k", "v");
	records[4] = make_text_record(1700000000000, "k", "v");
	check_round_trip(records, 5);
	check_round_trip(records + 1, 4);
	check_round_trip(records + 2, 3);
	/* all before the epoch: the maximum is not 0 */
	records[0] = make_text_record(-5000, "k", "v");
	records[1] = make_text_record(-3000, "k", "v");
	records[2] = make_text_record(-4000, "k", "v");
	check_round_trip(records, 3);
}

/* Sizes on both sides of where varints grow, of key, value and record. */
static void
test_sizes(void)
{
	static const int32 sizes[] = {50, 56, 57, 58, 63, 64, 65, 127, 128, 8177,
	8178, 8191, 8192, 8193, 65535, 65536, 65537, 1048575, 1048577};
	char	   *bytes = xmalloc(1048577);
	size_t		i;
	size_t		j;

	for (i = 0; i < 1048577; i++)
		bytes[i] = (char) (i / 7);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		ElRecord	records[3];

		records[0] = make_record(1, bytes, sizes[i], NULL, -1);
		records[1] = make_record(2, NULL, -1, bytes, sizes[i]);
		records[2] = make_record(3, bytes, sizes[i], bytes, sizes[i]);
		for (j = 0; j < 3; j++)
			check_round_trip(&records[j], 1);
		check_round_trip(records, 3);
	}
	free(bytes);
}

static void
test_many_records(void)
{
	static const int counts[] = {2, 63, 64, 65, 129, 8191, 8193, 100000};
	ElRecord   *records = xmalloc(100000 * sizeof(ElRecord));
	char	   *keys = xmalloc(100000 * 16);
	size_t		i;

	for (i = 0; i < 100000; i++)
	{
		char	   *key = keys + i * 16;

		snprintf(key, 16, "key %zu", i % 1000);
		records[i] = make_text_record(1700000000000 + (int64) (i * i % 977),
									  i % 5 ? key : NULL, i % 7 ? key : NULL);
	}
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		check_round_trip(records, counts[i]);
	free(keys);
	free(records);
}

static void
test_large_record(void)
{
	const int32 size = 20 * 1024 * 1024;
	char	   *bytes = xmalloc((size_t) size);
	ElRecord	records[3];

	records[0] = make_text_record(1, "before", "it");
	records[2] = make_text_record(1, "after", "it");

	/* compressible a thousandfold, then not at all */
	memset(bytes, 'x', (size_t) size);
	records[1] = make_record(1, bytes, 10, bytes, size);
	check_round_trip(records, 3);
	random_bytes(bytes, (size_t) size);
	records[1] = make_record(1, bytes, size, NULL, -1);
	check_round_trip(records, 3);
	free(bytes);
}

static void
test_headers(void)
{
	static const int counts[] = {0, 1, 2, 63, 64, 1000};
	char		binary[256];
	size_t		i;

	for (i = 0; i < sizeof(binary); i++)
		binary[i] = (char) i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
	{
		Headers		h = {NULL, 0};
		ElRecord	rec = make_text_record(1, "k", "v");
		ElRecordHeadersReader reader;
		const char *key;
		const char *value;
		int32		key_len;
		int32		value_len;
		int			n;
		int			good = 0;

		/* three names that repeat; values null, empty, binary */
		headers_varint(&h, counts[i]);
		for (n = 0; n < counts[i]; n++)
			headers_add(&h, "abc", n % 3, binary, n % 258 - 1);
		rec.headers = h.buf;
		rec.headers_len = h.len;
		check_round_trip(&rec, 1);

		CHECK(el_record_headers_open(&reader, h.buf, h.len));
		CHECK(reader.count == counts[i]);
		for (n = 0; n < counts[i]; n++)
			if (el_record_headers_next(&reader, &key, &key_len, &value,
									   &value_len) == 1 &&
				same_bytes(key, key_len, "abc", n % 3) &&
				value_len == n % 258 - 1 &&
				(value_len < 0 ? value == NULL :
				 memcmp(value, binary, (size_t) value_len) == 0))
				good++;
		CHECK(good == counts[i]);
		CHECK(el_record_headers_next(&reader, &key, &key_len, &value,
									 &value_len) == 0);
		free(h.buf);
	}
}

/* Bytes that are not headers, to whoever reads headers by themselves. */
static void
test_bad_headers(void)
{
	/* how many headers come before the error; -1: it does not open */
	static const struct
	{
		const char *hex;
		int			good;
	}			cases[] = {
		{"01", -1},				/* a count of -1 */
		{"80", -1},				/* half a count */
		{"04", -1},				/* two, and nothing follows */
		{"040000", 1},			/* two, and one follows */
		{"020100", 0},			/* a key length of -1 */
		{"020403", 0},			/* a key longer than the rest */
		{"020003", 0},			/* a value length of -2 */
		{"02000431", 0},		/* a value longer than the rest */
		{"0200", 0},			/* no value */
		{"02000000", 1},		/* a byte too many */
		{"0000", 0}
	};
	size_t		i;
	ElRecordHeadersReader reader;
	const char *key;
	const char *value;
	int32		key_len;
	int32		value_len;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t		len;
		char	   *bytes = from_hex(cases[i].hex, &len);
		bool		opened = el_record_headers_open(&reader, bytes, (int32) len);
		int			good = 0;
		int			ret;

		CHECK(opened == (cases[i].good >= 0));
		if (opened)
		{
			while ((ret = el_record_headers_next(&reader, &key, &key_len, &value,
												 &value_len)) == 1)
				good++;
			CHECK(good == cases[i].good);
			CHECK(ret == -1);
		}
		else
			CHECK(reader.count == 0);
		free(bytes);
	}

	/* none at all is what an ElRecord for encoding may say */
	CHECK(!el_record_headers_open(&reader, NULL, 1));
	CHECK(!el_record_headers_open(&reader, "", -1));
	CHECK(el_record_headers_open(&reader, NULL, 0));
	CHECK(el_record_headers_next(&reader, &key, &key_len, &value, &value_len) == 0);
}


/*-------------------------------------------------------------------------
 * Building
 *-------------------------------------------------------------------------
 */

static void
test_size_bound(void)
{
	ElBatchBuilder b;
	char		bytes[300];
	int			i;
	int			within = 0;
	size_t		largest_slack = 0;

	memset(&b, 0, sizeof(b));
	memset(bytes, 0, sizeof(bytes));
	el_batch_begin(&b);
	for (i = 0; i < 10000; i++)
	{
		ElRecord	rec;
		size_t		before = b.len;
		size_t		bound;

		rec = make_record((int64) next_random() >> (next_random() % 64),
						  bytes, (int32) random_below(300) - 1,
						  bytes, (int32) random_below(300) - 1);
		if (i % 2)
		{
			/* not sound headers, but bytes are bytes here */
			rec.headers = bytes;
			rec.headers_len = (int32) random_below(300);
		}
		bound = el_record_size_bound(&rec);
		el_batch_add(&b, &rec);
		if (b.len - before <= bound)
			within++;
		if (bound - (b.len - before) > largest_slack)
			largest_slack = bound - (b.len - before);
	}
	CHECK(within == 10000);
	CHECK(largest_slack < 32);

	/* the longest of everything but the data */
	el_batch_begin(&b);
	for (i = 0; i < 2; i++)
	{
		ElRecord	rec = make_text_record(i == 0 ? 0 : INT64_MIN, NULL, NULL);

		el_batch_add(&b, &rec);
		CHECK(b.len <= EL_BATCH_HEADER_SIZE + el_record_size_bound(&rec) * 2);
	}
	pfree(b.buf);
}

/* Records taken back leave no trace. */
static void
test_take_back(void)
{
	ElRecord	records[5];
	ElBatchBuilder b;
	size_t		len[6];
	int64		max_timestamp[6];
	int			kept;
	int			i;
	int			c;

	records[0] = make_text_record(1000, "a", "1");
	records[1] = make_text_record(3000, NULL, "22");
	records[2] = make_text_record(2000, "cc", NULL);
	records[3] = make_text_record(9000, "d", "4");
	records[4] = make_text_record(-9000, "e", "5");
	memset(&b, 0, sizeof(b));

	for (c = 0; c < NCODECS; c++)
		for (kept = 0; kept <= 5; kept++)
		{
			ElRecord	last = make_text_record(500, "last", "one");
			ElRecord	want[6];
			size_t		got_len;
			size_t		want_len;
			char	   *got;
			char	   *expected;

			el_batch_begin(&b);
			for (i = 0; i <= 5; i++)
			{
				len[i] = b.len;
				max_timestamp[i] = b.max_timestamp;
				if (i < 5)
					el_batch_add(&b, &records[i]);
			}
			b.len = len[kept];
			b.count = kept;
			b.max_timestamp = max_timestamp[kept];
			el_batch_add(&b, &last);
			got = finish(&b, codecs[c], &got_len);

			memcpy(want, records, (size_t) kept * sizeof(ElRecord));
			want[kept] = last;
			expected = build(want, kept + 1, codecs[c], &want_len);
			CHECK(got_len == want_len && memcmp(got, expected, got_len) == 0);
			free(got);
			free(expected);
		}
	pfree(b.buf);
}

/* A builder is reused, finished twice, and goes on after being finished. */
static void
test_builder_reuse(void)
{
	ElBatchBuilder b;
	ElScratch	scratch;
	char	   *text = xmalloc(20000);
	ElRecord	records[2];
	size_t		len;
	size_t		want_len;
	char	   *want;
	char	   *batch;
	char	   *buf;
	int			i;

	memset(text, 'z', 20000);
	records[0] = make_record(5, "k", 1, text, 20000);
	records[1] = make_record(6, "k", 1, text, 100);
	memset(&b, 0, sizeof(b));
	memset(&scratch, 0, sizeof(scratch));

	for (i = 0; i < 3; i++)
	{
		el_batch_begin(&b);
		CHECK(b.len == EL_BATCH_HEADER_SIZE && b.count == 0);
		el_batch_add(&b, &records[0]);
		buf = b.buf;

		/* compressed: in the scratch; not: in place */
		batch = el_batch_finish(&b, EL_CODEC_LZ4, &scratch, &len);
		CHECK(batch == scratch.buf);
		batch = el_batch_finish(&b, EL_CODEC_NONE, &scratch, &len);
		CHECK(batch == b.buf);
		want = build(records, 1, EL_CODEC_NONE, &want_len);
		CHECK(len == want_len && memcmp(batch, want, len) == 0);
		free(want);

		el_batch_add(&b, &records[1]);
		batch = el_batch_finish(&b, EL_CODEC_ZSTD, &scratch, &len);
		want = build(records, 2, EL_CODEC_ZSTD, &want_len);
		CHECK(len == want_len && memcmp(batch, want, len) == 0);
		free(want);
	}
	/* no growth any more: the buffer was kept */
	CHECK(b.buf == buf);
	pfree(b.buf);
	pfree(scratch.buf);
	free(text);
}

/* Compressed if that is smaller, and as Kafka does it. */
static void
test_codec_choice(void)
{
	char		noise[1000];
	char		zeros[1000];
	ElRecord	small = make_text_record(1, "k", "v");
	ElRecord	incompressible;
	ElRecord	compressible;
	size_t		plain_len;
	size_t		len;
	char	   *plain;
	char	   *batch;
	int			c;

	random_bytes(noise, sizeof(noise));
	memset(zeros, 0, sizeof(zeros));
	incompressible = make_record(1, NULL, -1, noise, sizeof(noise));
	compressible = make_record(1, NULL, -1, zeros, sizeof(zeros));

	for (c = 0; c < NCODECS; c++)
	{
		plain = build(&small, 1, EL_CODEC_NONE, &plain_len);
		batch = build(&small, 1, codecs[c], &len);
		CHECK(len == plain_len && memcmp(plain, batch, len) == 0);
		free(plain);
		free(batch);

		plain = build(&incompressible, 1, EL_CODEC_NONE, &plain_len);
		batch = build(&incompressible, 1, codecs[c], &len);
		CHECK(len == plain_len && memcmp(plain, batch, len) == 0);
		free(plain);
		free(batch);

		plain = build(&compressible, 1, EL_CODEC_NONE, &plain_len);
		CHECK(plain[EL_BATCH_ATTRIBUTES + 1] == 0);
		batch = build(&compressible, 1, codecs[c], &len);
		CHECK(batch[EL_BATCH_ATTRIBUTES + 1] == (char) codecs[c]);
		if (codecs[c] != EL_CODEC_NONE)
			CHECK(len < 200 && len < plain_len);
		if (codecs[c] == EL_CODEC_LZ4)
			CHECK(memcmp(batch + EL_BATCH_HEADER_SIZE, lz4_frame_start, 7) == 0);
		free(plain);
		free(batch);
	}
}

/* A batch in which every codec saves something, with some of everything. */
static char *
sample(ElCodec codec, size_t *len)
{
	Headers		h = {NULL, 0};
	ElRecord	records[4];
	char	   *batch;

	headers_varint(&h, 3);
	headers_add(&h, "trace", 5, "\x00\xff\x80", 3);
	headers_add(&h, "trace", 5, NULL, -1);
	headers_add(&h, "", 0, "", 0);
	records[0] = make_text_record(1700000000000, "customer-1",
								  "{\"order\": 1, \"status\": \"created, created, created\"}");
	records[1] = make_text_record(1700000000007, "customer-1",
								  "{\"order\": 1, \"status\": \"paid, paid, paid\"}");
	records[1].headers = h.buf;
	records[1].headers_len = h.len;
	records[2] = make_text_record(1699999999999, "customer-1", NULL);
	records[3] = make_text_record(1700000001234, NULL, "");
	batch = build(records, 4, codec, len);
	free(h.buf);
	return batch;
}

/* Offset and epoch are set at append, without a new CRC. */
static void
test_patching(void)
{
	size_t		len;
	char	   *batch = sample(EL_CODEC_ZSTD, &len);
	ElBatchReader reader;
	ElRecord	rec;

	memset(&reader, 0, sizeof(reader));
	el_batch_set_base_offset(batch, INT64_C(0x0123456789abcdef));
	el_batch_set_leader_epoch(batch, 0x76543210);
	CHECK(memcmp(batch, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8) == 0);
	CHECK(memcmp(batch + 12, "\x76\x54\x32\x10", 4) == 0);
	CHECK(el_batch_open(&reader, batch, len, false));
	CHECK(reader.header.base_offset == INT64_C(0x0123456789abcdef));
	CHECK(reader.header.leader_epoch == 0x76543210);
	CHECK(el_batch_next(&reader, &rec) == 1);
	CHECK(rec.offset == INT64_C(0x0123456789abcdef));
	CHECK(el_batch_next(&reader, &rec) == 1);
	CHECK(rec.offset == INT64_C(0x0123456789abcdf0));
	pfree(reader.scratch.buf);
	free(batch);
}

static void
test_log_append_time(void)
{
	size_t		len;
	char	   *batch = sample(EL_CODEC_NONE, &len);
	ElBatchReader reader;
	ElRecord	rec;
	int			n = 0;

	memset(&reader, 0, sizeof(reader));
	batch[EL_BATCH_ATTRIBUTES + 1] |= EL_ATTR_LOG_APPEND_TIME;
	fix_crc(batch, len);
	CHECK(el_batch_open(&reader, batch, len, false));
	while (el_batch_next(&reader, &rec) == 1)
	{
		CHECK(rec.timestamp == 1700000001234);
		n++;
	}
	CHECK(n == 4);
	free(batch);
}


/*-------------------------------------------------------------------------
 * Damage
 *-------------------------------------------------------------------------
 */

/*
 * Every flipped bit is found, but in the two fields that are patched at
 * append: the base offset (bytes 0-7) and the leader epoch (12-15).
 */
static void
test_bit_flips(void)
{
	int			c;

	for (c = 0; c < NCODECS; c++)
	{
		size_t		len;
		char	   *batch = sample(codecs[c], &len);
		size_t		bit;
		const char *error;

		CHECK(batch[EL_BATCH_ATTRIBUTES + 1] == (char) codecs[c]);
		for (bit = 0; bit < len * 8; bit++)
		{
			size_t		byte = bit / 8;
			bool		outside_crc = byte < 8 || (byte >= 12 && byte < 16);
			int			n;

			batch[byte] = (char) (batch[byte] ^ (1 << (bit % 8)));
			n = read_all(batch, len, false, &error);
			CHECK(n == (outside_crc ? 4 : -1));

			/* without the CRC it may go unseen, but does no harm */
			(void) read_all(batch, len, true, &error);
			batch[byte] = (char) (batch[byte] ^ (1 << (bit % 8)));
		}
		CHECK(read_all(batch, len, false, &error) == 4);
		free(batch);
	}
}

static void
test_truncation(void)
{
	int			c;

	for (c = 0; c < NCODECS; c++)
	{
		size_t		len;
		char	   *batch = sample(codecs[c], &len);
		size_t		cut;

		for (cut = 0; cut < len; cut++)
		{
			char	   *head = copy_of(batch, cut);
			const char *error;
			const char *want = cut < EL_BATCH_HEADER_SIZE ?
				"batch is shorter than its header" :
				"batch length does not match";

			check_error(head, cut, false, want, __LINE__);
			check_error(head, cut, true, want, __LINE__);
			if (cut < EL_BATCH_HEADER_SIZE)
			{
				ElBatchHeader h;

				CHECK_TEXT(el_batch_read_header(head, cut, &h), want);
				CHECK_TEXT(el_batch_check_crc(head, cut), want);
			}
			else
			{
				/* and if length and CRC fit */
				put32(head + EL_BATCH_LENGTH,
					  (uint32) cut - EL_BATCH_LOG_OVERHEAD);
				fix_crc(head, cut);
				CHECK(read_all(head, cut, false, &error) == -1);
			}
			free(head);
		}

		/* bytes after the batch are no part of it */
		{
			char	   *longer = xmalloc(len + 1);

			memcpy(longer, batch, len);
			longer[len] = 0;
			CHECK_ERROR(longer, len + 1, "batch length does not match");
			free(longer);
		}
		free(batch);
	}
}

static void
test_bad_batch_headers(void)
{
	static const struct
	{
		int			at;
		uint32		value;
		const char *error;
	}			cases[] = {
		{EL_BATCH_LENGTH, 48, "batch length is too small"},
		{EL_BATCH_LENGTH, 0, "batch length is too small"},
		{EL_BATCH_LENGTH, 0xffffffff, "batch length is too small"},
		{EL_BATCH_LENGTH, 0x7fffffff, "batch length does not match"},
		{EL_BATCH_LAST_OFFSET_DELTA, 0xffffffff, "last offset delta is negative"},
		{EL_BATCH_LAST_OFFSET_DELTA, 0x80000000, "last offset delta is negative"},
		{EL_BATCH_RECORD_COUNT, 0xffffffff, "record count is negative"},
		{EL_BATCH_RECORD_COUNT, 0x80000000, "record count is negative"},
		{EL_BATCH_RECORD_COUNT, 5, "record count is larger than the range of offsets"},
		{EL_BATCH_RECORD_COUNT, 0x7fffffff, "record count is larger than the range of offsets"},
		{EL_BATCH_RECORD_COUNT, 3, "bytes remain after the last record"},
		{EL_BATCH_LAST_OFFSET_DELTA, 2, "record count is larger than the range of offsets"}
	};
	size_t		len;
	size_t		i;
	char	   *batch;
	const char *error;
	int			codec;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		batch = sample(EL_CODEC_NONE, &len);
		put32(batch + cases[i].at, cases[i].value);
		fix_crc(batch, len);
		CHECK_ERROR(batch, len, cases[i].error);
		free(batch);
	}

	batch = sample(EL_CODEC_NONE, &len);
	batch[EL_BATCH_MAGIC] = 1;
	CHECK_ERROR(batch, len, "magic is not 2");
	batch[EL_BATCH_MAGIC] = 2;
	batch[EL_BATCH_CRC] ^= 1;
	CHECK_ERROR(batch, len, "CRC does not match");
	CHECK_TEXT(el_batch_check_crc(batch, len), "CRC does not match");
	CHECK(read_all(batch, len, true, &error) == 4);

	/* a count and a last offset at their largest do not overflow */
	put32(batch + EL_BATCH_RECORD_COUNT, 0x7fffffff);
	put32(batch + EL_BATCH_LAST_OFFSET_DELTA, 0x7fffffff);
	check_error(batch, len, true, "record is longer than the batch", __LINE__);
	free(batch);

	for (codec = 5; codec <= 7; codec++)
	{
		batch = wrap("", 0, codec, 0, 0, &len);
		CHECK_ERROR(batch, len, "compression codec is unknown");
		free(batch);
	}
	batch = wrap("", 0, EL_CODEC_GZIP, 0, 1, &len);
	CHECK_ERROR(batch, len, "compressed records are truncated");
	free(batch);
	batch = wrap("", 0, EL_CODEC_SNAPPY, 0, 1, &len);
	CHECK_ERROR(batch, len, "snappy stream is corrupt");
	free(batch);

	/* compaction may leave a header without records */
	batch = wrap("", 0, EL_CODEC_NONE, 41, 0, &len);
	CHECK(read_all(batch, len, false, &error) == 0);
	free(batch);
	batch = wrap("", 0, EL_CODEC_ZSTD, 41, 0, &len);
	CHECK(read_all(batch, len, false, &error) == 0);
	free(batch);
}

/*
 * Records that Kafka refuses, and some that it does not: as the last of a
 * batch, and followed by many bytes, which are two ways through
 * el_batch_next().
 */
static void
check_record(const char *bytes, size_t bytes_len, const char *alone,
			 const char *followed, const char *name)
{
	char	   *batch;
	char	   *longer;
	const char *error;
	size_t		len;
	int			n;

	batch = wrap(bytes, bytes_len, 0, 0, 1, &len);
	n = read_all(batch, len, false, &error);
	if (!CHECK_TEXT(error, alone) || !CHECK(n == (alone == NULL ? 1 : -1)))
		printf("in %s, alone\n", name);
	free(batch);

	/* a second record, at offset 1, with a value of 50 bytes */
	longer = xmalloc(bytes_len + 57);
	memcpy(longer, bytes, bytes_len);
	memset(longer + bytes_len, 0, 57);
	memcpy(longer + bytes_len, "\x70\x00\x00\x02\x01\x64", 6);
	batch = wrap(longer, bytes_len + 57, 0, 1, 2, &len);
	n = read_all(batch, len, false, &error);
	if (!CHECK_TEXT(error, followed) ||
		!CHECK(n == (followed == NULL ? 2 : -1)))
		printf("in %s, followed\n", name);
	free(batch);
	free(longer);
}

static void
test_bad_records(void)
{
	static const char too_long[] = "record is longer than the batch";
	static const char malformed[] = "record is malformed";
	static const char headers[] = "record headers are malformed";
	static const char offset[] = "record offset is out of range";

	/* the length that is written, and the body */
	static const struct
	{
		const char *length;
		const char *body;
		const char *alone;
		const char *followed;
	}			lengths[] = {
		{"0c", "000000010100", NULL, NULL},
		{"8c00", "000000010100", NULL, NULL},
		{"0a", "000000010100", headers, headers},
		{"08", "000000010100", malformed, malformed},
		{"06", "000000010100", malformed, malformed},
		{"04", "000000010100", malformed, malformed},
		{"02", "000000010100", malformed, malformed},
		{"00", "000000010100", malformed, malformed},
		{"0e", "000000010100", too_long, headers},
		{"01", "000000010100", too_long, too_long},
		{"0b", "000000010100", too_long, too_long},
		{"ffffffff0f", "000000010100", too_long, too_long},
		{"feffffff0f", "000000010100", too_long, too_long},
		{"8c8080808000", "000000010100", too_long, too_long}
	};

	/* attributes, timestamp, offset, key, value, headers: length is right */
	static const struct
	{
		const char *body;
		const char *error;
	}			bodies[] = {
		{"000000010100", NULL},
		/* the attributes are nobody's business yet */
		{"ff0000010100", NULL},
		/* timestamp: ten bytes, and more */
		{"00" "80808080808080808000" "00010100", NULL},
		{"00" "8080808080808080808000" "00010100", malformed},
		/* offset: not 0, below 0, five bytes, and more */
		{"000002010100", offset},
		{"000001010100", offset},
		{"0000" "8080808010" "010100", NULL},
		{"0000" "8080808001" "010100", offset},
		{"0000" "feffffff0f" "010100", offset},
		{"0000" "808080808000" "010100", malformed},
		/* key: -2, beyond the record, into the next, largest, smallest */
		{"000000030100", malformed},
		{"000000080100", malformed},
		{"000000060100", malformed},
		{"000000040100", malformed},
		{"000000" "feffffff0f" "0100", malformed},
		{"000000" "ffffffff0f" "0100", malformed},
		{"000000" "808080808000" "0100", malformed},
		{"000000" "0261" "0100", NULL},
		{"000000" "8100" "0100", NULL},
		/* value: the same */
		{"000000010300", malformed},
		{"000000010800", malformed},
		{"000000010400", malformed},
		{"000000010200", headers},
		{"00000001" "feffffff0f" "00", malformed},
		{"00000001" "ffffffff0f" "00", malformed},
		{"00000001" "808080808000" "00", malformed},
		{"00000001" "0231" "00", NULL},
		/* the record ends after any of its fields */
		{"00", malformed},
		{"0000", malformed},
		{"000000", malformed},
		{"00000001", malformed},
		{"0000000101", headers},
		/* header count: negative, more than bytes, more than headers */
		{"000000010101", headers},
		{"000000010102", headers},
		{"0000000101020000", NULL},
		{"0000000101040000", headers},
		{"000000010104000000", headers},
		{"00000001010400000000", NULL},
		{"0000000101" "feffffff0f", headers},
		{"000000010180", headers},
		{"00000001018000", NULL},
		/* header key: -1, beyond */
		{"0000000101020100", headers},
		{"0000000101020200", headers},
		{"0000000101020400", headers},
		{"000000010102026100", NULL},
		/* header value: null, -2, beyond, missing */
		{"0000000101020001", NULL},
		{"0000000101020003", headers},
		{"0000000101020002", headers},
		{"000000010102000231", NULL},
		{"00000001010200", headers},
		/* a byte left over */
		{"00000001010000", headers},
		{"000000010102000000", headers}
	};
	size_t		i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		char		hex[200];
		size_t		len;
		char	   *bytes;

		snprintf(hex, sizeof(hex), "%s%s", lengths[i].length, lengths[i].body);
		bytes = from_hex(hex, &len);
		check_record(bytes, len, lengths[i].alone, lengths[i].followed, hex);
		free(bytes);
	}
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
	{
		char		hex[200];
		size_t		len;
		char	   *bytes;

		snprintf(hex, sizeof(hex), "%02zx%s", strlen(bodies[i].body),
				 bodies[i].body);
		bytes = from_hex(hex, &len);
		check_record(bytes, len, bodies[i].error, bodies[i].error, hex);
		free(bytes);
	}
}

/* Offsets with gaps, as compaction leaves them. */
static void
test_gaps(void)
{
	static const struct
	{
		int32		deltas[3];
		int32		last;
		const char *error;
	}			cases[] = {
		{{0, 1, 2}, 2, NULL},
		{{0, 1, 2}, 9, NULL},
		{{2, 5, 9}, 9, NULL},
		{{7, 8, 9}, 9, NULL},
		{{0, 1, INT32_MAX}, INT32_MAX, NULL},
		{{0, 2, 1}, 2, "record offset is out of range"},
		{{0, 2, 1}, 9, "offsets do not increase"},
		{{3, 3, 4}, 9, "offsets do not increase"},
		{{-1, 3, 4}, 9, "offsets do not increase"},
		{{1, 2, 10}, 9, "record offset is out of range"},
		{{1, 2, 3}, 2, "record offset is out of range"}
	};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		int			padded;

		/* at the end of a batch and before many bytes */
		for (padded = 0; padded < 2; padded++)
		{
			char		records[256];
			char	   *p = records;
			char	   *batch;
			const char *error;
			size_t		len;
			int			j;
			int			n;

			for (j = 0; j < 3; j++)
			{
				char		delta[5];
				int			size = el_put_varint(delta, cases[i].deltas[j]);
				int			value = padded && j == 2 ? 40 : 0;

				p += el_put_varint(p, 5 + size + value);
				*p++ = 0;
				*p++ = 0;
				memcpy(p, delta, (size_t) size);
				p += size;
				*p++ = 1;
				p += el_put_varint(p, value);
				memset(p, 'v', (size_t) value);
				p += value;
				*p++ = 0;
			}
			batch = wrap(records, (size_t) (p - records), 0, cases[i].last, 3,
						 &len);
			n = read_all(batch, len, false, &error);
			CHECK(n == (cases[i].error == NULL ? 3 : -1));
			CHECK_TEXT(error, cases[i].error);
			free(batch);
		}
	}

	/* one that is malformed among them is found where it stands */
	{
		char		records[] = "\x0c\x00\x00\x00\x01\x01\x00\x0c\x00\x00";
		size_t		len;
		char	   *batch = wrap(records, 10, 0, 9, 2, &len);
		ElBatchReader reader;
		ElRecord	rec;

		memset(&reader, 0, sizeof(reader));
		CHECK(el_batch_open(&reader, batch, len, false));
		CHECK(el_batch_next(&reader, &rec) == 1);
		CHECK(el_batch_next(&reader, &rec) == -1);
		CHECK_TEXT(reader.error, "record is longer than the batch");
		free(batch);
	}
}


/*-------------------------------------------------------------------------
 * Other people's compression
 *-------------------------------------------------------------------------
 */

/* The records of a plain batch of n events with values of 1000 bytes. */
static char *
plain_records(int n, size_t *len)
{
	ElRecord   *records = xmalloc((size_t) n * sizeof(ElRecord));
	char		value[1000];
	char	   *batch;
	char	   *bytes;
	int			i;

	memset(value, 'v', sizeof(value));
	random_bytes(value, 300);
	for (i = 0; i < n; i++)
		records[i] = make_record(i, NULL, -1, value, sizeof(value));
	batch = build(records, n, EL_CODEC_NONE, len);
	*len -= EL_BATCH_HEADER_SIZE;
	bytes = copy_of(batch + EL_BATCH_HEADER_SIZE, *len);
	free(batch);
	free(records);
	return bytes;
}

/* A stream of frames is read, cut anywhere it is not, nor with a byte more. */
static void
check_stream(ElCodec codec, const char *stream, size_t stream_len, int count)
{
	const char *error;
	size_t		len;
	char	   *batch = wrap(stream, stream_len, codec, count - 1, count, &len);
	char	   *longer;
	size_t		cut;
	size_t		refused = 0;
	size_t		tried = 0;

	CHECK(read_all(batch, len, false, &error) == count);
	CHECK_TEXT(error, NULL);
	free(batch);

	for (cut = 0; cut < stream_len; cut += cut < 40 || stream_len < 2000 ? 1 : 997)
	{
		batch = wrap(stream, cut, codec, count - 1, count, &len);
		tried++;
		if (read_all(batch, len, true, &error) == -1)
			refused++;
		free(batch);
	}
	CHECK(refused == tried);

	longer = xmalloc(stream_len + 1);
	memcpy(longer, stream, stream_len);
	longer[stream_len] = 'x';
	batch = wrap(longer, stream_len + 1, codec, count - 1, count, &len);
	CHECK(read_all(batch, len, false, &error) == -1);
	free(batch);
	free(longer);
}

static void
test_lz4_frames(void)
{
	static const int counts[] = {1, 64, 2000};
	size_t		c;

	for (c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
	{
		size_t		len;
		char	   *records = plain_records(counts[c], &len);
		int			variant;

		for (variant = 0; variant < 64; variant++)
		{
			LZ4F_preferences_t prefs;
			size_t		cap;
			size_t		size;
			char	   *stream;

			memset(&prefs, 0, sizeof(prefs));
			prefs.frameInfo.blockMode = variant & 1 ? LZ4F_blockLinked :
				LZ4F_blockIndependent;
			prefs.frameInfo.blockSizeID = variant & 2 ? LZ4F_max4MB :
				LZ4F_max64KB;
			prefs.frameInfo.contentChecksumFlag = (variant & 4) != 0;
			prefs.frameInfo.blockChecksumFlag = (variant & 8) != 0;
			prefs.frameInfo.contentSize = variant & 16 ? len : 0;

			/* in one frame or two */
			cap = 2 * LZ4F_compressFrameBound(len, &prefs);
			stream = xmalloc(cap);
			if (variant & 32)
			{
				size_t		half = len / 2;

				prefs.frameInfo.contentSize = variant & 16 ? half : 0;
				size = LZ4F_compressFrame(stream, cap, records, half, &prefs);
				prefs.frameInfo.contentSize = variant & 16 ? len - half : 0;
				size += LZ4F_compressFrame(stream + size, cap - size,
										   records + half, len - half, &prefs);
			}
			else
				size = LZ4F_compressFrame(stream, cap, records, len, &prefs);
			check_stream(EL_CODEC_LZ4, stream, size, counts[c]);

			/* a content size is only a claim, but a false one is an error */
			if (variant == 16)
			{
				static const char huge[] = "\xff\xff\xff\xff\xff\xff\xff\x7f";
				size_t		batch_len;
				char	   *batch;

				memcpy(stream + 6, huge, 8);
				batch = wrap(stream, size, EL_CODEC_LZ4, counts[c] - 1,
							 counts[c], &batch_len);
				CHECK_ERROR(batch, batch_len, "lz4 frame is corrupt");
				free(batch);
			}
			free(stream);
		}
		free(records);
	}
}

static void
test_zstd_frames(void)
{
	static const int counts[] = {1, 64, 2000};
	size_t		c;

	for (c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
	{
		size_t		len;
		char	   *records = plain_records(counts[c], &len);
		int			variant;

		for (variant = 0; variant < 16; variant++)
		{
			ZSTD_CCtx  *cctx = ZSTD_createCCtx();
			size_t		cap = 2 * ZSTD_compressBound(len);
			char	   *stream = xmalloc(cap);
			size_t		half = variant & 4 ? len / 2 : len;
			size_t		size = 0;
			size_t		at;

			ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, variant & 1);
			ZSTD_CCtx_setParameter(cctx, ZSTD_c_contentSizeFlag,
								   (variant & 2) != 0);
			/* a frame to be skipped */
			if (variant & 8)
			{
				memcpy(stream, "\x50\x2a\x4d\x18\x03\x00\x00\x00" "abc", 11);
				size = 11;
			}
			for (at = 0; at < len; at += half)
			{
				size_t		piece = len - at < half ? len - at : half;

				size += ZSTD_compress2(cctx, stream + size, cap - size,
									   records + at, piece);
			}
			check_stream(EL_CODEC_ZSTD, stream, size, counts[c]);
			ZSTD_freeCCtx(cctx);
			free(stream);
		}
		free(records);
	}

	/* a claim of 2^62 bytes in a frame of 15 */
	{
		static const char claim[] = "\x28\xb5\x2f\xfd\xc0\x58"
			"\x00\x00\x00\x00\x00\x00\x00\x40" "\x01";
		size_t		len;
		char	   *batch = wrap(claim, 15, EL_CODEC_ZSTD, 0, 1, &len);

		CHECK_ERROR(batch, len, "decompressed records are too large");
		free(batch);
	}
}

/* After an error the next batch finds a clean context. */
static void
test_context_reuse(void)
{
	int			i;
	int			c;

	for (i = 0; i < 20; i++)
		for (c = 0; c < NCODECS; c++)
		{
			size_t		len;
			char	   *batch = sample(codecs[c], &len);
			const char *error;

			CHECK(read_all(batch, len, false, &error) == 4);
			memset(batch + len - 20, 0x55, 20);
			CHECK(read_all(batch, len, true, &error) == -1);
			free(batch);
		}
}

/*
 * Mutations, the same on every run.  They must not read out of bounds, and
 * what they yield must make sense (read_all looks).
 */
static void
test_mutations(int rounds)
{
	int			opened = 0;
	int			i;

	random_state = UINT64_C(20260101);
	for (i = 0; i < rounds; i++)
	{
		size_t		len;
		char	   *batch = sample(codecs[i % NCODECS], &len);
		int			edits = 1 + (int) random_below(4);
		const char *error;

		while (edits-- > 0)
		{
			size_t		at;

			/* mostly in the records: the header is soon refused */
			at = random_below(8) == 0 ? random_below(len) :
				EL_BATCH_HEADER_SIZE + random_below(len - EL_BATCH_HEADER_SIZE);
			switch (random_below(5))
			{
				case 0:
					batch[at] = (char) (batch[at] ^ (1 << random_below(8)));
					break;
				case 1:
					batch[at] = (char) next_random();
					break;
				case 2:
					batch[at] = "\x00\x01\x02\x7f\x80\xfe\xff"[random_below(7)];
					break;
				case 3:
					/* copy a piece over another */
					{
						size_t		from = random_below(len);
						size_t		n = 1 + random_below(16);

						if (n > len - at)
							n = len - at;
						if (n > len - from)
							n = len - from;
						memmove(batch + at, batch + from, n);
					}
					break;
				default:
					/* cut the end off, and say so */
					{
						size_t		less = random_below(8);
						char	   *head;

						if (len - less < EL_BATCH_HEADER_SIZE + 1)
							break;
						len -= less;
						head = copy_of(batch, len);
						free(batch);
						batch = head;
						put32(batch + EL_BATCH_LENGTH,
							  (uint32) len - EL_BATCH_LOG_OVERHEAD);
					}
					break;
			}
		}
		if (random_below(2))
		{
			fix_crc(batch, len);
			if (read_all(batch, len, false, &error) >= 0)
				opened++;
		}
		else if (read_all(batch, len, true, &error) >= 0)
			opened++;
		free(batch);
	}
	/* some survive (a changed value is no damage), most do not */
	CHECK(opened > rounds / 50);
	CHECK(opened < rounds / 2);
}

int
main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "vectors";
	int			rounds = argc > 2 ? atoi(argv[2]) : 100000;

	test_varint_vectors(dir);
	test_varint_limits();
	test_batch_vectors(dir);
	test_null_and_empty();
	test_timestamps();
	test_sizes();
	test_many_records();
	test_large_record();
	test_headers();
	test_bad_headers();
	test_size_bound();
	test_take_back();
	test_builder_reuse();
	test_codec_choice();
	test_patching();
	test_log_append_time();
	test_bit_flips();
	test_truncation();
	test_bad_batch_headers();
	test_bad_records();
	test_gaps();
	test_lz4_frames();
	test_zstd_frames();
	test_context_reuse();
	test_mutations(rounds);
	return check_summary();
}
