/*-------------------------------------------------------------------------
 *
 * gen_batches.c
 *	  Write batches for other implementations to read.
 *
 *	gen_batches none|lz4|zstd batches.bin expected.jsonl
 *		Batches one after the other, as in a Kafka segment, and what is in
 *		them: one JSON object per record.
 *
 *	gen_batches --seeds directory
 *		Inputs for fuzz_batch.
 *
 * The same on every run.
 *
 * IDENTIFICATION
 *	  test/unit/gen_batches.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "check.h"
#include "encoders.h"
#include "kafka/batch.h"

/* Names of headers; none needs escaping in JSON. */
static const char *const names[] = {
	"trace-id", "content-type", "", "content-type", "\xc3\xbcml\xc3\xa4ut",
	"\xe2\x82\xac", "a-rather-long-name-of-a-header-that-takes-a-length-of-two-bytes-000"
};

#define NNAMES (sizeof(names) / sizeof(names[0]))

static FILE *
create(const char *path)
{
	FILE	   *f = fopen(path, "wb");

	if (f == NULL)
	{
		perror(path);
		exit(1);
	}
	return f;
}

static void
write_bytes(FILE *f, const char *p, size_t len)
{
	if (fwrite(p, 1, len, f) != len)
	{
		perror("write");
		exit(1);
	}
}

static void
write_base64(FILE *f, const char *p, int32 len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	int32		i;

	if (len < 0)
	{
		fputs("null", f);
		return;
	}
	putc('"', f);
	for (i = 0; i < len; i += 3)
	{
		uint32		v = (uint32) (uint8) p[i] << 16;

		if (i + 1 < len)
			v |= (uint32) (uint8) p[i + 1] << 8;
		if (i + 2 < len)
			v |= (uint32) (uint8) p[i + 2];
		putc(digits[v >> 18], f);
		putc(digits[(v >> 12) & 63], f);
		putc(i + 1 < len ? digits[(v >> 6) & 63] : '=', f);
		putc(i + 2 < len ? digits[v & 63] : '=', f);
	}
	putc('"', f);
}

/*
 * Random bytes for a key or value: null, empty, or up to most bytes, some
 * compressible, some not.
 */
static int32
random_data(char *p, size_t most)
{
	size_t		len;
	size_t		i;

	switch (random_below(8))
	{
		case 0:
			return -1;
		case 1:
			return 0;
		case 2:
			len = random_below(most);
			random_bytes(p, len);
			return (int32) len;
		default:
			len = random_below(most);
			for (i = 0; i < len; i++)
				p[i] = "{\"status\": \"created\", \"n\": 12} "[i % 31];
			return (int32) len;
	}
}

/* A batch of count records; what is in it goes to expected, if that is there. */
static char *
generate(ElBatchBuilder *b, ElScratch *scratch, ElCodec codec, int64 base,
		 int count, size_t most, FILE *expected, size_t *len)
{
	char	   *key = xmalloc(most);
	char	   *value = xmalloc(most);
	char	   *headers = xmalloc(64 * 1024);
	char	   *batch;
	int			i;

	el_batch_begin(b);
	for (i = 0; i < count; i++)
	{
		ElRecord	rec;
		int			nheaders = random_below(3) ? 0 : (int) random_below(20);
		char	   *p = headers;
		int			h;

		memset(&rec, 0, sizeof(rec));
		rec.timestamp = 1700000000000 + base + (int64) random_below(100000);
		rec.key = key;
		rec.key_len = random_data(key, most < 200 ? most : 200);
		rec.value = value;
		rec.value_len = random_data(value, most);
		if (expected)
		{
			fprintf(expected, "{\"offset\": %lld, \"timestamp\": %lld, "
					"\"key_b64\": ", (long long) base + i,
					(long long) rec.timestamp);
			write_base64(expected, rec.key, rec.key_len);
			fputs(", \"value_b64\": ", expected);
			write_base64(expected, rec.value, rec.value_len);
			fputs(", \"headers\": [", expected);
		}
		p += el_put_varint(p, nheaders);
		for (h = 0; h < nheaders; h++)
		{
			const char *name = names[random_below(NNAMES)];
			char		data[300];
			int32		data_len = random_data(data, sizeof(data));

			p += el_put_varint(p, (int32) strlen(name));
			memcpy(p, name, strlen(name));
			p += strlen(name);
			p += el_put_varint(p, data_len);
			if (data_len > 0)
			{
				memcpy(p, data, (size_t) data_len);
				p += data_len;
			}
			if (expected)
			{
				fprintf(expected, "%s[\"%s\", ", h > 0 ? ", " : "", name);
				write_base64(expected, data, data_len);
				putc(']', expected);
			}
		}
		if (expected)
			fputs("]}\n", expected);
		if (nheaders > 0 || random_below(2))
		{
			rec.headers = headers;
			rec.headers_len = (int32) (p - headers);
		}
		el_batch_add(b, &rec);
	}
	batch = el_batch_finish(b, codec, scratch, len);
	el_batch_set_base_offset(batch, base);
	el_batch_set_leader_epoch(batch, 7);
	free(key);
	free(value);
	free(headers);
	return batch;
}

static void
write_seeds(const char *dir)
{
	static const ElCodec codecs[] = {EL_CODEC_NONE, EL_CODEC_LZ4, EL_CODEC_ZSTD};
	ElBatchBuilder b = {0};
	ElScratch	scratch = {0};
	int			i;

	for (i = 0; i < 36; i++)
	{
		char		path[4096];
		char		prefix[5] = {0};
		size_t		len;
		char	   *batch = generate(&b, &scratch, i < 12 ? codecs[i % 3] : 0,
									 0, 1 + i / 3, 100, NULL, &len);
		FILE	   *f;

		snprintf(path, sizeof(path), "%s/%d", dir, i);
		f = create(path);
		/* see fuzz_batch.c for the kinds of input */
		prefix[0] = (char) (i / 6);
		if (prefix[0] < 2)
			write_bytes(f, prefix, 1);
		else
		{
			memcpy(prefix + 1, batch + EL_BATCH_RECORD_COUNT + 2, 2);
			memcpy(prefix + 3, batch + EL_BATCH_LAST_OFFSET_DELTA + 2, 2);
			write_bytes(f, prefix, 5);
			batch += EL_BATCH_HEADER_SIZE;
			len -= EL_BATCH_HEADER_SIZE;
		}
		if (prefix[0] >= 4)
		{
			char	   *stream = prefix[0] == 4 ? gzip_member(batch, len, i % 10, NULL, &len) :
				i % 2 ? snappy_block(batch, len, &len) :
				snappy_framed(batch, len, 100, &len);

			write_bytes(f, stream, len);
			free(stream);
		}
		else
			write_bytes(f, batch, len);
		fclose(f);
	}
	pfree(b.buf);
	pfree(scratch.buf);
}

int
main(int argc, char **argv)
{
	static const struct
	{
		int			count;
		size_t		most;
	}			batches[] = {
		{1, 10}, {1, 100}, {1, 5000}, {2, 200}, {10, 50}, {65, 300},
		{500, 1000}, {1, 3000000}, {5000, 40}, {3, 200000}, {1, 1}
	};
	ElBatchBuilder b = {0};
	ElScratch	scratch = {0};
	ElCodec		codec;
	FILE	   *bin;
	FILE	   *expected;
	int64		base = 0;
	size_t		i;
	int			compressed = 0;

	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
	{
		write_seeds(argv[2]);
		return 0;
	}
	if (argc != 4)
	{
		fprintf(stderr, "usage: %s none|lz4|zstd batches.bin expected.jsonl\n",
				argv[0]);
		return 2;
	}
	if (strcmp(argv[1], "none") == 0)
		codec = EL_CODEC_NONE;
	else if (strcmp(argv[1], "lz4") == 0)
		codec = EL_CODEC_LZ4;
	else if (strcmp(argv[1], "zstd") == 0)
		codec = EL_CODEC_ZSTD;
	else
	{
		fprintf(stderr, "unknown codec: %s\n", argv[1]);
		return 2;
	}

	bin = create(argv[2]);
	expected = create(argv[3]);
	for (i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
	{
		size_t		len;
		char	   *batch = generate(&b, &scratch, codec, base,
									 batches[i].count, batches[i].most,
									 expected, &len);

		if (batch[EL_BATCH_ATTRIBUTES + 1] != EL_CODEC_NONE)
			compressed++;
		write_bytes(bin, batch, len);
		/* the log goes on, with a hole as an aborted transaction leaves */
		base += batches[i].count + (i % 3 == 2 ? 5 : 0);
		if (i == 5)
			base = INT64_C(5000000000);
	}
	if (fclose(bin) != 0 || fclose(expected) != 0)
	{
		perror("close");
		return 1;
	}
	pfree(b.buf);
	pfree(scratch.buf);

	/* else the codec is not tested */
	if (codec != EL_CODEC_NONE && compressed == 0)
	{
		fprintf(stderr, "no batch was compressed\n");
		return 1;
	}
	return 0;
}
