/*-------------------------------------------------------------------------
 *
 * speed.c
 *	  Events per second of processor time through building and reading batches.
 *
 * Reading is also measured without checking the CRC.
 *
 * IDENTIFICATION
 *	  test/unit/speed.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <time.h>

#include "check.h"
#include "kafka/batch.h"

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
add_all(ElBatchBuilder *b, const ElRecord *records, int n)
{
	el_batch_begin(b);
	for (int i = 0; i < n; i++)
		el_batch_add(b, &records[i]);
}

static void
read_all(ElBatchReader *reader, const char *batch, size_t len, bool trusted)
{
	ElRecord	rec;

	el_batch_open(reader, batch, len, trusted);
	while (el_batch_next(reader, &rec) == 1)
		;
}

/* Repeat what follows for half a second, counting n events each time. */
#define MEASURE(rate, n, body) \
	do { \
		double		start = now(); \
		double		elapsed; \
		long long	events = 0; \
		do \
		{ \
			int			repeat; \
			for (repeat = 0; repeat < 1 + 20000 / (n); repeat++) \
			{ \
				body; \
				events += (n); \
			} \
			elapsed = now() - start; \
		} while (elapsed < 0.5); \
		(rate) = (double) events / elapsed / 1e6; \
	} while (0)

int
main(void)
{
	static const struct
	{
		const char *name;
		ElCodec		codec;
	}			codecs[] = {
		{"none", EL_CODEC_NONE}, {"lz4", EL_CODEC_LZ4}, {"zstd", EL_CODEC_ZSTD}
	};
	static const int counts[] = {1, 10, 100, 1000, 10000};
	ElBatchBuilder b = {0};
	ElScratch	scratch = {0};
	ElBatchReader reader;
	static ElRecord records[10000];
	static char values[10000][100];
	size_t		i;
	size_t		c;

	memset(&reader, 0, sizeof(reader));
	for (i = 0; i < 10000; i++)
	{
		memset(values[i], ' ', 100);
		snprintf(values[i], 100, "{\"id\": %zu, \"customer\": %d, \"amount\": "
				 "\"%d.%02d\", \"status\": \"created\"}", i,
				 (int) random_below(5000), (int) random_below(1000),
				 (int) random_below(100));
		records[i].timestamp = 1700000000000 + (int64) i / 10;
		records[i].key = values[i] + 7;
		records[i].key_len = 8;
		records[i].value = values[i];
		records[i].value_len = 100;
	}

	printf("100-byte values, 8-byte keys; million events per second\n");
	printf("%-5s %6s %9s %7s %8s %6s %6s\n", "codec", "events", "bytes/ev",
		   "add", "add+fin", "read", "no CRC");
	for (c = 0; c < 3; c++)
		for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		{
			int			n = counts[i];
			size_t		len = 0;
			char	   *batch = NULL;
			char	   *copy;
			double		add;
			double		finish;
			double		with_crc;
			double		without;

			MEASURE(add, n, add_all(&b, records, n));
			MEASURE(finish, n, (add_all(&b, records, n),
								batch = el_batch_finish(&b, codecs[c].codec, &scratch, &len)));
			copy = xmalloc(len);
			memcpy(copy, batch, len);
			MEASURE(with_crc, n, read_all(&reader, copy, len, false));
			MEASURE(without, n, read_all(&reader, copy, len, true));
			if (reader.error != NULL || reader.index != n)
				abort();
			printf("%-5s %6d %9.1f %7.2f %8.2f %6.2f %6.2f\n", codecs[c].name,
				   n, (double) len / n, add, finish, with_crc, without);
			free(copy);
		}
	return 0;
}
