/*-------------------------------------------------------------------------
 *
 * client_log_test.c
 *	  Lines of the log: what is said, and what nobody can do with them.
 *
 * Every line is what a child of this program writes to its stderr, with the time
 * taken off.  The lines in JSON are for a parser, too: "--json" prints many with
 * hostile text, and a program that knows JSON reads them.
 *
 * IDENTIFICATION
 *	  test/unit/client_log_test.c
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "client/log.h"

static char said[1 << 20];

/* What the function says. */
static const char *
hear(void (*speak) (void))
{
	char		path[] = "/tmp/client_log_test.XXXXXX";
	int			file = mkstemp(path);
	int			before = dup(STDERR_FILENO);
	ssize_t		len;

	if (file < 0 || before < 0)
	{
		perror(path);
		exit(2);
	}
	unlink(path);
	dup2(file, STDERR_FILENO);
	speak();
	dup2(before, STDERR_FILENO);
	len = pread(file, said, sizeof(said) - 1, 0);
	said[len > 0 ? len : 0] = '\0';
	close(file);
	close(before);
	return said;
}

/* The same without the time: "2026-12-01 10:11:12.123 UTC ". */
static const char *
hear_line(void (*speak) (void))
{
	hear(speak);
	if (!CHECK(strlen(said) > 28 && strncmp(said + 23, " UTC ", 5) == 0))
		return said;
	said[strcspn(said, "\n")] = '\0';
	return said + 28;
}

static int
count_lines(const char *text)
{
	int			n = 0;

	for (; *text !='\0'; text ++)
		n += *text == '\n';
	return n;
}

static const char *text;
static size_t text_len;

static void
say_plain(void)
{
	client_log(CLIENT_INFO, "started");
}
static void
say_text(void)
{
	client_log(CLIENT_WARNING, "client", CLIENT_BYTES("name", text, text_len), CLIENT_INT("port", -9092));
}
static void
say_nothing(void)
{
	client_log(CLIENT_INFO, "client", CLIENT_TEXT("name", NULL), CLIENT_INT("n", 1));
}
static void
say_debug(void)
{
	client_log(CLIENT_DEBUG, "not wanted");
}

static const char *
say(const char *what, size_t len)
{
	/* a block of that size: reading over its end is found */
	char	   *copy = xmalloc(len);
	const char *line;

	memcpy(copy, what, len);
	text = copy;

	text_len = len;
	line = hear_line(say_text);
	free(copy);
	return line;
}

static void
test_text(void)
{
	char		large[5000];

	client_log_format = CLIENT_LOG_TEXT;
	CHECK_TEXT(hear_line(say_plain), "info: started");
	CHECK_TEXT(hear_line(say_nothing), "info: client n=1");
	CHECK_TEXT(hear(say_debug), "");
	CHECK_TEXT(say("word-1.5:x", 10), "warning: client name=word-1.5:x port=-9092");
	CHECK_TEXT(say("", 0), "warning: client name=\"\" port=-9092");
	CHECK_TEXT(say("two words", 9), "warning: client name=\"two words\" port=-9092");
	CHECK_TEXT(say("a=b", 3), "warning: client name=\"a=b\" port=-9092");
	CHECK_TEXT(say("\"\\", 2), "warning: client name=\"\\\"\\\\\" port=-9092");
	CHECK_TEXT(say("z\xc3\xbcrich", 7), "warning: client name=\"z\xc3\xbcrich\" port=-9092");

	/*
	 * a second line, colours, a bell, the C1 form of ESC [, bytes that are no
	 * UTF-8, a change of direction
	 */
	CHECK_TEXT(say("x\ninfo: y", 9), "warning: client name=\"x\\ninfo: y\" port=-9092");
	CHECK_TEXT(say("\033[31m\007\177\0", 8), "warning: client name=\"\\x1b[31m\\x07\\x7f\\x00\" port=-9092");
	CHECK_TEXT(say("\xc2\x9b" "31m", 5), "warning: client name=\"\\u009b31m\" port=-9092");
	CHECK_TEXT(say("\xff\xc3(\xed\xa0\x80\xc0\x80\xf0\x9f\x98", 11),
			   "warning: client name=\"\\xff\\xc3(\\xed\\xa0\\x80\\xc0\\x80\\xf0\\x9f\\x98\" port=-9092");
	CHECK_TEXT(say("\xe2\x80\xae", 3), "warning: client name=\"\\u202e\" port=-9092");

	/* long ones are cut, and what follows is still there */
	memset(large, 'x', sizeof(large));
	say(large, sizeof(large));
	CHECK(strstr(said, "x...\" port=-9092") != NULL);
	CHECK(strlen(said) < 1200);
}

static void
say_too_much(void)
{
	char		large[1024];
	ClientField f;

	memset(large, '\001', sizeof(large));
	f = CLIENT_BYTES("k", large, sizeof(large));
	client_log(CLIENT_ERROR, "much", f, f, f, f, f, f, CLIENT_INT("last", 1));
}

static void
test_json(void)
{
	client_log_format = CLIENT_LOG_JSON;
	hear(say_plain);
	CHECK(strncmp(said, "{\"time\":\"20", 11) == 0 && said[32] == 'Z');
	CHECK_TEXT(said + 33, "\",\"level\":\"info\",\"message\":\"started\"}\n");
	text = "a\"\n\x1b\xff\xc2\x9b\xc3\xbc";

	text_len = 9;
	hear(say_text);
	CHECK_TEXT(said + 33,
			   "\",\"level\":\"warning\",\"message\":\"client\",\"name\":\"a\\\"\\n\\u001b\\ufffd\\u009b\xc3\xbc\",\"port\":-9092}\n");

	/* a line that is full is still one, and says that it is cut */
	hear(say_too_much);
	CHECK(count_lines(said) == 1);
	CHECK(strstr(said, "\\u0001\",\"cut\":1}\n") != NULL);
	CHECK(strlen(said) <= 8192);
	client_log_format = CLIENT_LOG_TEXT;
}

static void
complain(void)
{
	int			i;

	for (i = 0; i < 100; i++)
		client_log_limited(CLIENT_INFO, "bad frame", CLIENT_INT("i", i));
}

static void
complain_elsewhere(void)
{
	client_log_limited(CLIENT_INFO, "bad name");
}
static void
say_more_of_old(void)
{
	client_log_more(false);
}
static void
say_more(void)
{
	client_log_more(true);
}

static void
test_limit(void)
{
	hear(complain);
	CHECK(count_lines(said) == CLIENT_LOG_BURST);
	hear(complain);
	CHECK(count_lines(said) == 0);
	hear(complain_elsewhere);
	CHECK(count_lines(said) == 1);

	/* the window is not over */
	CHECK_TEXT(hear(say_more_of_old), "");
	CHECK_TEXT(hear_line(say_more), "info: more like this were not shown like=\"bad frame\" more=195");
	CHECK_TEXT(hear(say_more), "");
	hear(complain);
	CHECK_TEXT(hear_line(say_more), "info: more like this were not shown like=\"bad frame\" more=100");
}

static void
print_json(void)
{
	int			round;

	client_log_format = CLIENT_LOG_JSON;
	for (round = 0; round < 2000; round++)
	{
		size_t		len = random_below(80);
		char	   *bytes = xmalloc(len);

		random_bytes(bytes, len);
		client_log(CLIENT_INFO, "random", CLIENT_BYTES("bytes", bytes, len), CLIENT_INT("n", (int64_t) next_random()));
		free(bytes);
	}
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--json") == 0)
	{
		print_json();
		return 0;
	}
	test_text();
	test_json();
	test_limit();
	return check_summary();
}
