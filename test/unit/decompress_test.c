/*-------------------------------------------------------------------------
 *
 * decompress_test.c
 *	  gzip and Snappy, which src/kafka reads and does not write: streams of
 *	  others, every form that is allowed, damage.
 *
 * Every stream lies in a block of exactly its size, so that the address
 * sanitizer sees a read beyond it.
 *
 * IDENTIFICATION
 *	  test/unit/decompress_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "check.h"
#include "encoders.h"
#include "kafka/compression.h"
#include "kafka/snappy.h"

#define LIMIT ((size_t) 16 * 1024 * 1024)

static const char corrupt_gzip[] = "gzip stream is corrupt";
static const char corrupt_snappy[] = "snappy stream is corrupt";
static const char truncated[] = "compressed records are truncated";

/*
 * Snappy into a block of exactly the size that it claims, so that a byte too
 * many is found; another size than that is refused.
 */
static bool
unsnap_exactly(const char *stream, size_t len, const char *want, size_t want_len)
{
	uint64		size;
	char	   *out;
	bool		ok;

	if (!el_snappy_size(stream, len, &size))
		return false;
	out = xmalloc((size_t) size);
	ok = el_snappy_decompress(stream, len, out, (size_t) size);
	if (ok)
		CHECK(size == want_len && memcmp(out, want, want_len) == 0);
	free(out);
	if (ok && size > 0)
	{
		out = xmalloc((size_t) size - 1);
		CHECK(!el_snappy_decompress(stream, len, out, (size_t) size - 1));
		free(out);
	}
	if (ok)
	{
		out = xmalloc((size_t) size + 1);
		CHECK(!el_snappy_decompress(stream, len, out, (size_t) size + 1));
		free(out);
	}
	return ok;
}

/* Decompress into a block of its own. */
static const char *
decompress(ElCodec codec, const char *stream, size_t len, char **out,
		   size_t *out_len)
{
	static ElScratch scratch;
	const char *error;

	*out = NULL;
	*out_len = 0;
	error = el_decompress_records(codec, stream, len, LIMIT, &scratch, out_len);
	if (error == NULL)
	{
		*out = xmalloc(*out_len);
		if (*out_len > 0)
			memcpy(*out, scratch.buf, *out_len);
	}
	if (codec == EL_CODEC_SNAPPY)
		CHECK(unsnap_exactly(stream, len, *out, *out_len) == (error == NULL));
	return error;
}

static bool
expands_to(ElCodec codec, const char *stream, size_t len, const char *want,
		   size_t want_len)
{
	size_t		out_len;
	char	   *out;
	bool		same = CHECK_TEXT(decompress(codec, stream, len, &out, &out_len), NULL) &&
		out_len == want_len && memcmp(out, want, want_len) == 0;

	free(out);
	return same;
}

/* A stream in hex: what it expands to, as a string, or what is wrong with it. */
static void
check_hex(ElCodec codec, const char *hex, const char *want, const char *error)
{
	size_t		len;
	char	   *stream = from_hex(hex, &len);
	char	   *out;
	size_t		out_len;

	if (!CHECK_TEXT(decompress(codec, stream, len, &out, &out_len), error) ||
		(error == NULL && !CHECK(out_len == strlen(want) && memcmp(out, want, out_len) == 0)))
		printf("in %s\n", hex);
	free(out);
	free(stream);
}

/*
 * A stream expands to what it should; with a byte more it is corrupt; cut
 * off it is, too, or else, between two pieces, it expands to less.
 */
static void
check_stream(ElCodec codec, const char *stream, size_t len, const char *want,
			 size_t want_len, int pieces)
{
	char	   *longer = xmalloc(len + 1);
	char	   *out;
	size_t		out_len;
	size_t		cut;
	int			accepted = 0;

	CHECK(expands_to(codec, stream, len, want, want_len));
	for (cut = 0; cut < len; cut++)
	{
		char	   *head = xmalloc(cut);

		memcpy(head, stream, cut);
		if (decompress(codec, head, cut, &out, &out_len) == NULL)
		{
			accepted++;
			CHECK(out_len < want_len && memcmp(out, want, out_len) == 0);
		}
		free(out);
		free(head);
	}
	CHECK(accepted == pieces - 1);

	memcpy(longer, stream, len);
	longer[len] = 'x';
	CHECK(decompress(codec, longer, len + 1, &out, &out_len) != NULL);
	free(out);
	free(longer);
}

static void
test_vectors(const char *dir)
{
	FILE	   *f = open_vectors(dir, "streams.txt");
	char		line[16384];
	char	   *plain = NULL;
	size_t		plain_len = 0;
	int			n[2] = {0, 0};

	while (next_line(f, line, sizeof(line)))
	{
		char	   *rest = line;
		char	   *what = next_field(&rest, ' ');

		if (strcmp(what, "plain") == 0)
			plain = from_hex(rest, &plain_len);
		else
		{
			bool		gzip = strcmp(what, "gzip") == 0;
			int			pieces = atoi(next_field(&rest, ' '));
			char	   *name = next_field(&rest, ' ');
			size_t		len;
			char	   *stream = from_hex(rest, &len);
			int			before = checks_failed;

			check_stream(gzip ? EL_CODEC_GZIP : EL_CODEC_SNAPPY, stream, len,
						 plain, plain_len, pieces);
			if (checks_failed > before)
				printf("in %s of %s\n", what, name);
			free(stream);
			n[gzip]++;
		}
	}
	CHECK(n[0] >= 11 && n[1] >= 7);
	free(plain);
	fclose(f);
}

static void
test_snappy_elements(void)
{
	static const struct
	{
		const char *hex;
		const char *want;		/* NULL: corrupt */
	}			cases[] = {
		/* the length alone */
		{"00", ""},
		{"8000", ""},
		{"8080808000", ""},
		{"", NULL},
		{"80", NULL},
		{"808080808000", NULL},
		{"8080808010", NULL},
		{"ffffffff0f", NULL},
		{"01", NULL},
		{"0000", NULL},
		/* literals, with their length in the tag and in 1 to 4 bytes */
		{"010061", "a"},
		{"81000061", "a"},
		{"8180808000" "0061", "a"},
		{"03" "08" "616263", "abc"},
		{"03" "f002" "616263", "abc"},
		{"03" "f40200" "616263", "abc"},
		{"03" "f8020000" "616263", "abc"},
		{"03" "fc02000000" "616263", "abc"},
		{"03" "0461620063", "abc"},
		{"03" "08" "6162", NULL},
		{"03" "08" "61626364", NULL},
		{"02" "08" "616263", NULL},
		{"04" "08" "616263", NULL},
		{"03" "f0", NULL},
		{"03" "f4", NULL},
		{"03" "f402", NULL},
		{"03" "f8", NULL},
		{"03" "f80200", NULL},
		{"03" "fc", NULL},
		{"03" "fc020000", NULL},
		{"03" "fcffffffff" "616263", NULL},
		{"03" "fcffffff7f" "616263", NULL},
		{"03" "fc02000001" "616263", NULL},
		/* copies of 4 to 11 bytes */
		{"05" "0061" "0101", "aaaaa"},
		{"0c" "0061" "1d01", "aaaaaaaaaaaa"},
		{"06" "046162" "0102", "ababab"},
		{"05" "0061" "01", NULL},
		{"05" "0061" "0100", NULL},
		{"05" "0061" "0102", NULL},
		{"05" "0061" "2101", NULL},
		{"04" "0061" "0101", NULL},
		{"06" "0061" "0101", NULL},
		{"04" "0101", NULL},
		/* of 1 to 64, with 2 bytes and with 4 */
		{"02" "0061" "020100", "aa"},
		{"41" "0061" "fe0100", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		{"08" "08616263" "120300", "abcabcab"},
		{"02" "0061" "0201", NULL},
		{"02" "0061" "02", NULL},
		{"02" "0061" "020000", NULL},
		{"02" "0061" "020200", NULL},
		{"02" "0061" "020101", NULL},
		{"02" "0061" "02ffff", NULL},
		{"02" "0061" "060100", NULL},
		{"02" "0061" "0301000000", "aa"},
		{"08" "08616263" "1303000000", "abcabcab"},
		{"02" "0061" "03010000", NULL},
		{"02" "0061" "0300000000", NULL},
		{"02" "0061" "0301000080", NULL},
		{"02" "0061" "03ffffffff", NULL},
		/* a block could have been that long, but it is not */
		{"16" "0061", NULL},
		/* it can expand 22-fold at most */
		{"43" "0061", NULL}
	};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_hex(EL_CODEC_SNAPPY, cases[i].hex, cases[i].want,
				  cases[i].want == NULL ? corrupt_snappy : NULL);
}

#define MAGIC "82534e4150505900"
#define HEADER MAGIC "00000001" "00000001"

static void
test_snappy_framing(void)
{
	static const struct
	{
		const char *hex;
		const char *want;
	}			cases[] = {
		{HEADER, ""},
		{HEADER "00000003" "010061", "a"},
		{HEADER "00000003" "010061" "00000001" "00" "00000003" "010062", "ab"},

		/*
		 * a later version, which says that it can be read; one that no one
		 * wrote
		 */
		{MAGIC "00000002" "00000001" "00000003" "010061", "a"},
		{MAGIC "00000000" "00000001" "00000003" "010061", NULL},
		{MAGIC "80000000" "00000001" "00000003" "010061", NULL},
		/* several streams in a row */
		{HEADER HEADER, ""},
		{HEADER "00000003" "010061" HEADER "00000003" "010062", "ab"},
		{HEADER "00000003" "010061" MAGIC "00000001", NULL},
		/* the magic, and less than a header */
		{MAGIC, NULL},
		{MAGIC "00000001", NULL},
		{MAGIC "00000001" "000000", NULL},

		/*
		 * not quite the magic: a block whose first element copies from
		 * nowhere
		 */
		{"82534e4150505901" "00000001" "00000001" "00000003" "010061", NULL},
		/* lengths of blocks: nothing, too much, negative */
		{HEADER "00000000", NULL},
		{HEADER "00000000" "00000003" "010061", NULL},
		{HEADER "00000004" "010061", NULL},
		{HEADER "00000002" "010061", NULL},
		{HEADER "7fffffff" "010061", NULL},
		{HEADER "80000000" "010061", NULL},
		{HEADER "ffffffff" "010061", NULL},
		{HEADER "00000003" "010061" "00", NULL},
		{HEADER "00000003" "010061" "000000", NULL},
		/* a block knows nothing of the one before */
		{HEADER "00000003" "010061" "00000003" "040101", NULL},
		{HEADER "00000003" "010061" "00000004" "01020100", NULL}
	};
	size_t		len;
	char	   *stream = from_hex(HEADER "00000003" "010061" "000000", &len);
	uint64		size;
	char		byte;
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_hex(EL_CODEC_SNAPPY, cases[i].hex, cases[i].want,
				  cases[i].want == NULL ? corrupt_snappy : NULL);

	/* that it is cut off is known before anything is decompressed */
	CHECK(el_snappy_size(stream, len - 3, &size) && size == 1);
	CHECK(!el_snappy_size(stream, len, &size));
	CHECK(!el_snappy_decompress(stream, len, &byte, 1));
	free(stream);
}

/*
 * A decoder of one block as simple as can be, byte by byte: what ours must agree with.
 * Returns the length of what is in out, or -1.
 */
static int64
simple_snappy(const uint8 *in, size_t len, char *out, size_t room)
{
	size_t		i = 0;
	uint64		size = 0;
	uint64		n = 0;
	int			shift;

	for (shift = 0;; shift += 7)
	{
		if (i == len || shift > 28)
			return -1;
		size |= (uint64) (in[i] & 0x7f) << shift;
		if (in[i++] < 0x80)
			break;
	}
	if (size > room)
		return -1;
	while (i < len)
	{
		int			kind = in[i] & 3;
		uint64		count = (uint64) (in[i] >> 2) + 1;
		uint64		distance = 0;
		int			bytes = kind == 0 ? (count > 60 ? (int) count - 60 : 0) :
			kind == 1 ? 1 : kind == 2 ? 2 : 4;
		uint64		number = 0;
		int			b;

		if (kind == 1)
		{
			count = (uint64) ((in[i] >> 2) & 7) + 4;
			distance = (uint64) (in[i] >> 5) << 8;
		}
		i++;
		for (b = 0; b < bytes; b++)
		{
			if (i == len)
				return -1;
			number |= (uint64) in[i++] << (8 * b);
		}
		if (kind == 0 && bytes > 0)
			count = number + 1;
		if (kind != 0)
		{
			distance += number;
			if (distance == 0 || distance > n)
				return -1;
		}
		while (count-- > 0)
		{
			if (n == size || (kind == 0 && i == len))
				return -1;
			out[n] = kind == 0 ? (char) in[i++] : out[n - distance];
			n++;
		}
	}
	return n == size ? (int64) n : -1;
}

/* Repetitions of every length and distance, and noise between them. */
static size_t
random_text(char *p, size_t most)
{
	size_t		len = random_below(most);
	size_t		at = 0;

	while (at < len)
	{
		size_t		n = 1 + random_below(random_below(8) == 0 ? 400 : 70);
		size_t		distance = 1 + random_below(random_below(2) ? 40 : 70000);

		n = Min(n, len - at);
		if (at == 0 || random_below(3) == 0)
		{
			random_bytes(p + at, n);
			at += n;
			continue;
		}
		distance = Min(distance, at);
		for (; n > 0; n--, at++)
			p[at] = p[at - distance];
	}
	return len;
}

static void
damage(char *p, size_t len)
{
	int			edits = 1 + (int) random_below(3);

	while (edits-- > 0 && len > 0)
	{
		size_t		at = random_below(random_below(3) == 0 ? Min(len, 20) : len);
		size_t		from = random_below(len);
		size_t		n = 1 + random_below(8);

		switch (random_below(4))
		{
			case 0:
				p[at] = (char) (p[at] ^ (1 << random_below(8)));
				break;
			case 1:
				p[at] = (char) next_random();
				break;
			case 2:
				p[at] = "\x00\x01\x03\xf0\xfc\xfe\xff"[random_below(7)];
				break;
			default:
				n = Min(n, Min(len - at, len - from));
				memmove(p + at, p + from, n);
				break;
		}
	}
}

/* Random blocks expand to what they were made of; damaged ones as the simple decoder says. */
static void
test_random_snappy(int rounds)
{
	static char text[200000];
	static char simple[200000];
	int			survivors = 0;
	int			i;

	random_state = UINT64_C(20260201);
	for (i = 0; i < rounds; i++)
	{
		size_t		text_len = random_text(text, i % 50 == 0 ? sizeof(text) : 1 + random_below(3000));
		size_t		len;
		char	   *stream;
		char	   *out;
		size_t		out_len;
		int64		simple_len;
		const char *error;

		if (i % 4 == 0)
		{
			stream = snappy_framed(text, text_len, 1 + random_below(text_len + 100), &len);
			CHECK(expands_to(EL_CODEC_SNAPPY, stream, len, text, text_len));
			/* a framed one must only do no harm */
			damage(stream, len);
			(void) decompress(EL_CODEC_SNAPPY, stream, len, &out, &out_len);
			free(out);
			free(stream);
			continue;
		}

		stream = snappy_block(text, text_len, &len);
		CHECK(expands_to(EL_CODEC_SNAPPY, stream, len, text, text_len));
		damage(stream, len);
		simple_len = simple_snappy((const uint8 *) stream, len, simple, sizeof(simple));
		error = decompress(EL_CODEC_SNAPPY, stream, len, &out, &out_len);
		if (error == NULL && out_len <= sizeof(simple))
		{
			survivors++;
			CHECK(simple_len == (int64) out_len && memcmp(out, simple, out_len) == 0);
		}
		else
			CHECK(simple_len == -1);
		free(out);
		free(stream);
	}
	CHECK(survivors > rounds / 50);
	CHECK(survivors < rounds);
}

/* Does it fail, and with this error? */
static void
check_corrupt(ElCodec codec, const char *stream, size_t len, const char *want)
{
	char	   *out;
	size_t		out_len;

	CHECK_TEXT(decompress(codec, stream, len, &out, &out_len), want);
	free(out);
}

/* A member with any of the fields that a header may have, and one that is damaged. */
static void
test_gzip_members(void)
{
	static const char text[] = "what an application keeps in its log, in its log";
	static char extra[1000];
	int			fields;

	for (fields = 0; fields < 16; fields++)
	{
		/* magic, method, reserved flags, CRC and size at the end */
		static const struct
		{
			int			at;		/* below 0: from the end */
			int			bits;
		}			damages[] = {{0, 1}, {1, 1}, {2, 1}, {3, 0x20}, {3, 0x80}, {-8, 1}, {-5, 1}, {-4, 1}, {-1, 0x40}};
		gz_header	header;
		size_t		len;
		size_t		d;
		char	   *stream;

		memset(&header, 0, sizeof(header));
		header.extra = fields & 1 ? (Bytef *) extra : NULL;
		header.extra_len = fields & 1 ? sizeof(extra) : 0;
		header.name = fields & 2 ? (Bytef *) "events.json" : NULL;
		header.comment = fields & 4 ? (Bytef *) "no comment" : NULL;
		header.hcrc = (fields & 8) != 0;
		stream = gzip_member(text, sizeof(text), 6, &header, &len);
		check_stream(EL_CODEC_GZIP, stream, len, text, sizeof(text), 1);

		for (d = 0; d < sizeof(damages) / sizeof(damages[0]); d++)
		{
			char	   *at = stream + damages[d].at + (damages[d].at < 0 ? (int) len : 0);

			*at ^= damages[d].bits;
			check_corrupt(EL_CODEC_GZIP, stream, len, corrupt_gzip);
			*at ^= damages[d].bits;
		}
		/* the header's own CRC */
		if (fields & 8)
		{
			stream[4] ^= 1;
			check_corrupt(EL_CODEC_GZIP, stream, len, corrupt_gzip);
		}
		free(stream);
	}

	/* nothing at all; zlib's header, and none; a dictionary asked for */
	check_corrupt(EL_CODEC_GZIP, text, 0, truncated);
	check_hex(EL_CODEC_GZIP, "789c4b04000062" "0062", NULL, corrupt_gzip);
	check_hex(EL_CODEC_GZIP, "4b0400", NULL, corrupt_gzip);
	check_hex(EL_CODEC_GZIP, "78bb00000001", NULL, corrupt_gzip);
}

/* Many members, of which the empty ones are the most: one stream. */
static void
test_many_members(void)
{
	size_t		empty_len;
	size_t		one_len;
	char	   *empty = gzip_member("", 0, 6, NULL, &empty_len);
	char	   *one = gzip_member("abc", 3, 6, NULL, &one_len);
	char	   *stream = xmalloc(1000 * empty_len + 100 * one_len);
	char		want[300];
	size_t		len = 0;
	int			i;

	for (i = 0; i < 1000; i++)
	{
		memcpy(stream + len, empty, empty_len);
		len += empty_len;
		if (i % 10 == 5)
		{
			memcpy(want + i / 10 * 3, "abc", 3);
			memcpy(stream + len, one, one_len);
			len += one_len;
		}
	}
	CHECK(expands_to(EL_CODEC_GZIP, stream, len, want, sizeof(want)));
	CHECK(expands_to(EL_CODEC_GZIP, stream, empty_len, "", 0));
	free(stream);
	free(one);
	free(empty);
}

/* Damage to gzip is found by its CRC, or is where nothing depends on it. */
static void
test_random_gzip(int rounds)
{
	static char text[200000];
	int			survivors = 0;
	int			i;

	random_state = UINT64_C(20260301);
	for (i = 0; i < rounds; i++)
	{
		size_t		text_len = random_text(text, i % 50 == 0 ? sizeof(text) : 1 + random_below(3000));
		size_t		len;
		char	   *stream = gzip_member(text, text_len, (int) random_below(10), NULL, &len);
		char	   *out;
		size_t		out_len;

		CHECK(expands_to(EL_CODEC_GZIP, stream, len, text, text_len));
		damage(stream, len);
		if (decompress(EL_CODEC_GZIP, stream, len, &out, &out_len) == NULL)
		{
			survivors++;
			CHECK(out_len == text_len && memcmp(out, text, text_len) == 0);
		}
		free(out);
		free(stream);
	}
	CHECK(survivors < rounds / 2);
}

/* What went wrong with one stream is forgotten at the next, whatever its codec. */
static void
test_after_an_error(void)
{
	static const char text[] = "one, two, three; one, two, three; one, two, three";
	size_t		gzip_len;
	size_t		snappy_len;
	char	   *gzip = gzip_member(text, sizeof(text), 6, NULL, &gzip_len);
	char	   *snappy = snappy_block(text, sizeof(text), &snappy_len);
	int			i;

	for (i = 0; i < 20; i++)
	{
		check_corrupt(EL_CODEC_GZIP, gzip, gzip_len - 1 - (size_t) i, truncated);
		CHECK(expands_to(EL_CODEC_SNAPPY, snappy, snappy_len, text, sizeof(text)));
		check_corrupt(EL_CODEC_SNAPPY, snappy, snappy_len - 1, corrupt_snappy);
		CHECK(expands_to(EL_CODEC_GZIP, gzip, gzip_len, text, sizeof(text)));
	}
	free(gzip);
	free(snappy);
}

int
main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "vectors";
	int			rounds = argc > 2 ? atoi(argv[2]) : 100000;

	test_vectors(dir);
	test_snappy_elements();
	test_snappy_framing();
	test_random_snappy(rounds / 10);
	test_gzip_members();
	test_many_members();
	test_random_gzip(rounds / 10);
	test_after_an_error();
	return check_summary();
}
