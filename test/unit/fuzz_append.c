/*-------------------------------------------------------------------------
 *
 * fuzz_append.c
 *	  libFuzzer target: src/wire/batch_check.c, which says whether a batch that a
 *	  client has sent goes into a log.
 *
 * fuzz_input.h says what an input is.  What the server would do is done here: of
 * an event whose value begins with a byte below '0' it is not clear that it can
 * be produced, and if the byte is '!' it cannot.
 *
 * What must hold: a batch that is taken can be read by whoever reads the log, to
 * its end, and none of its events is a bad one; of one that is not, there is said
 * why, and which of its records are bad, if it is they.
 *
 * IDENTIFICATION
 *	  test/unit/fuzz_append.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <setjmp.h>

#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "produce/produce.h"
#include "wire/batch_check.h"

#include "fuzz_input.h"

#define MAX_ALLOCATED	256

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The server
 */
MemoryContext CurrentMemoryContext;
volatile sig_atomic_t InterruptPending;

static void *allocated[MAX_ALLOCATED];
static int	n_allocated;
static jmp_buf raised;
static int	n_contexts;

static char *
remember(char *text)
{
	REQUIRE(n_allocated < MAX_ALLOCATED);
	allocated[n_allocated++] = text;
	return text;
}

char *
pstrdup(const char *text)
{
	return remember(strdup(text));
}

char *
psprintf(const char *format,...)
{
	char	   *text = malloc(1000);
	va_list		args;

	va_start(args, format);
	vsnprintf(text, 1000, format, args);
	va_end(args);
	return remember(text);
}

void
ProcessInterrupts(void)
{
}

void
ExceptionalCondition(const char *condition, const char *error, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, condition);
	abort();
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size least, Size first, Size most)
{
	n_contexts++;
	return NULL;
}

void
MemoryContextReset(MemoryContext context)
{
}

void
MemoryContextDelete(MemoryContext context)
{
	n_contexts--;
}

char *
unpack_sql_state(int code)
{
	static char state[6];

	for (int i = 0; i < 5; i++, code >>= 6)
		state[i] = PGUNSIXBIT(code);
	return state;
}

void
FreeErrorData(ErrorData *error)
{
}

int64
el_now_ms(void)
{
	return MAX_TIME / 2;
}

ErrorData *
el_attempt(void (*step) (void *), void *arg)
{
	static ErrorData error;

	if (setjmp(raised) != 0)
	{
		error.sqlerrcode = ERRCODE_CHECK_VIOLATION;
		error.message = "no";
		return &error;
	}
	step(arg);
	return NULL;
}

static bool
is_doubtful(const ElRecord *r)
{
	return r->value_len > 0 && (uint8) r->value[0] < '0';
}

static bool
is_bad(const ElRecord *r)
{
	return is_doubtful(r) && r->value[0] == '!';
}

bool
el_record_fits(const ElTopic *t, const ElRecord *r)
{
	return !is_doubtful(r);
}

void
el_check_record(ElTopic *t, int32 partition, const ElRecord *r)
{
	if (is_bad(r))
		longjmp(raised, 1);
}

/*
 * A reader of the log
 */

/*
 * Walks the batch: how many records it has, -1 if it cannot be read; *n_bad of those that came
 * before, and *greatest time of the header or of one of them.
 */
static int
walk(const char *batch, size_t len, int32 *bad, int *n_bad, int64 *greatest)
{
	static ElBatchReader reader;
	ElRecord	record;
	int			got;
	int			n = 0;

	*n_bad = 0;
	reader.max_uncompressed = MAX_UNCOMPRESSED;
	if (!el_batch_open(&reader, batch, len, false))
		return -1;
	*greatest = reader.header.max_timestamp;
	while ((got = el_batch_next(&reader, &record)) == 1)
	{
		if (is_bad(&record) && *n_bad < EL_MAX_BAD_RECORDS)
			bad[(*n_bad)++] = n;
		REQUIRE(record.offset == reader.header.base_offset + n);
		*greatest = Max(*greatest, record.timestamp);
		n++;
	}
	return got == 0 ? n : -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static ElTopic topic;
	size_t		len;
	bool		as_it_is;
	char	   *batch = fuzzed_batch(data, size, &len, &as_it_is);
	ElBatchFault fault;
	int32		bad[EL_MAX_BAD_RECORDS];
	int			n_bad;
	int64		greatest = 0;
	int64		walked;
	int			n;

	if (batch == NULL)
		return 0;
	topic.options.max_clock_ahead_ms = size % 4 == 0 ? 0 : -1;
	if (el_batch_check(&topic, 0, batch, len, &greatest, &fault))
	{
		n = walk(batch, len, bad, &n_bad, &walked);
		REQUIRE(n > 0);
		REQUIRE(n_bad == 0);
		REQUIRE(greatest == walked);
		REQUIRE(el_get_be64(batch) == 0);
		REQUIRE((el_get_be16(batch + EL_BATCH_ATTRIBUTES) &
				 (EL_ATTR_LOG_APPEND_TIME | EL_ATTR_TRANSACTIONAL | EL_ATTR_CONTROL | EL_ATTR_DELETE_HORIZON)) == 0);
		REQUIRE(len == el_get_be32(batch + EL_BATCH_LENGTH) + EL_BATCH_LOG_OVERHEAD);
	}
	else
	{
		REQUIRE(fault.sqlstate != NULL && strlen(fault.sqlstate) == 5);
		REQUIRE(fault.message != NULL && fault.message[0] != '\0');
		REQUIRE(fault.nbad >= 0 && fault.nbad <= EL_MAX_BAD_RECORDS);
		if (fault.nbad > 0)
		{
			n = walk(batch, len, bad, &n_bad, &walked);
			REQUIRE(fault.nbad == n_bad);
			REQUIRE(memcmp(fault.bad, bad, sizeof(int32) * n_bad) == 0);
			REQUIRE(n > 0 || n_bad == EL_MAX_BAD_RECORDS);
			REQUIRE(strcmp(fault.sqlstate, "23514") == 0);
		}
	}
	REQUIRE(n_contexts == 0);
	while (n_allocated > 0)
		free(allocated[--n_allocated]);
	free(batch);
	return 0;
}
