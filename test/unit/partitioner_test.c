/*-------------------------------------------------------------------------
 *
 * partitioner_test.c
 *	  Keys go to the partitions that Kafka's clients would choose.
 *
 * IDENTIFICATION
 *	  test/unit/partitioner_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "check.h"
#include "kafka/partitioner.h"

static void
test_vectors(const char *dir, const char *file, ElPartitioner partitioner,
			 int at_least)
{
	FILE	   *f = open_vectors(dir, file);
	char		line[4096];
	int			n = 0;

	while (next_line(f, line, sizeof(line)))
	{
		char	   *rest = line;
		size_t		len;
		char	   *key = from_hex(next_field(&rest, ','), &len);
		long long	want = strtoll(rest, NULL, 10);
		const int32 counts[] = {1, 2, 3, 7, 17, 1000, INT32_MAX};
		size_t		i;

		if (partitioner == EL_PARTITIONER_MURMUR2)
			CHECK(el_murmur2(key, len) == want);
		else
			CHECK(el_crc32(key, len) == want);

		for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		{
			long long	hash = want;

			if (partitioner == EL_PARTITIONER_MURMUR2)
				hash &= 0x7fffffff;
			CHECK(el_partition_for_key(partitioner, key, len, counts[i]) ==
				  hash % counts[i]);
		}
		free(key);
		n++;
	}
	CHECK(n >= at_least);
	fclose(f);
}

/* What other projects' tests assert about partitions, not hashes. */
static void
test_partitions(void)
{
	/* kafka-python test/producer/test_partitioner.py */
	CHECK(el_partition_for_key(EL_PARTITIONER_MURMUR2, "\x00 ", 2, 1000) == 742);
	CHECK(el_partition_for_key(EL_PARTITIONER_MURMUR2, "", 0, 1000) == 681);

	/* the sign bit is cleared: -x and its absolute value differ modulo 7 */
	CHECK(el_murmur2("21", 2) < 0);
	CHECK(el_partition_for_key(EL_PARTITIONER_MURMUR2, "21", 2, 7) ==
		  (int32) ((UINT32_C(0x80000000) - 973932308) % 7));

	/* the highest bit of a CRC-32 counts */
	CHECK(el_crc32("hejsan", 6) > INT32_MAX);
	CHECK(el_partition_for_key(EL_PARTITIONER_CRC32, "hejsan", 6, 17) ==
		  (int32) (UINT32_C(0xd077037e) % 17));

	/* a check value of the CRC catalogue */
	CHECK(el_crc32("123456789", 9) == 0xcbf43926);
}

/* Bytes of 0x80 and above, at every tail length and alignment. */
static void
test_alignment(void)
{
	size_t		len;

	for (len = 0; len < 40; len++)
	{
		char	   *at_zero = xmalloc(len);
		char	   *at_one = xmalloc(len + 1);

		memset(at_zero, 0xff, len);
		memset(at_one, 0xff, len + 1);
		CHECK(el_murmur2(at_zero, len) == el_murmur2(at_one + 1, len));
		CHECK(el_crc32(at_zero, len) == el_crc32(at_one + 1, len));
		free(at_zero);
		free(at_one);
	}
	/* computed with kafka-clients' Utils.murmur2 */
	CHECK(el_murmur2("\xff\xfe\xfd", 3) == 998637092);
	CHECK(el_murmur2("\x80\x81\x82\x83\x84\x85\xf6", 7) == -842357579);
}

int
main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "vectors";

	test_vectors(dir, "murmur2.csv", EL_PARTITIONER_MURMUR2, 38);
	test_vectors(dir, "crc32.csv", EL_PARTITIONER_CRC32, 4);
	test_partitions();
	test_alignment();
	return check_summary();
}
