/*-------------------------------------------------------------------------
 *
 * client_options_test.c
 *	  Settings of a program: where they come from, and what is said of wrong ones.
 *
 * IDENTIFICATION
 *	  test/unit/client_options_test.c
 *
 *-------------------------------------------------------------------------
 */
#include <unistd.h>

#include "check.h"
#include "client/options.h"

static const char *const colours[] = {"red", "green", "blue", NULL};

static char *config;
static char *name;
static char *password;
static int64_t backends;
static int64_t memory;
static int64_t idle_timeout;
static bool insecure;
static bool show_version;
static int	colour;

static ClientOption table[] = {
	{.name = "config",.type = CLIENT_OPTION_STRING,.value = &config,.initial = "",.max = 1000,.help = "a file with settings"},
	{.name = "listener_name",.type = CLIENT_OPTION_STRING,.value = &name,.initial = "plain",.min = 1,.max = 20,
	.help = "what it is called"},
	{.name = "password",.type = CLIENT_OPTION_STRING,.value = &password,.initial = "",.max = 10,
	.flags = CLIENT_OPTION_SECRET,.help = "of the user"},
	{.name = "backends",.type = CLIENT_OPTION_INT,.value = &backends,.initial = "8",.min = 1,.max = 100,
	.help = "connections to PostgreSQL"},
	{.name = "memory",.type = CLIENT_OPTION_SIZE,.value = &memory,.initial = "512 MB",.min = 1 << 20,.max = INT64_C(1) << 40,
	.unit = "MB",.help = "for frames"},
	{.name = "idle_timeout",.type = CLIENT_OPTION_TIME,.value = &idle_timeout,.initial = "10 min",.max = 86400000,.unit = "s",
	.help = "until a client is sent away"},
	{.name = "insecure",.type = CLIENT_OPTION_BOOL,.value = &insecure,.initial = "off",.help = "let everybody in"},
	{.name = "version",.type = CLIENT_OPTION_BOOL,.value = &show_version,.initial = "off",.flags = CLIENT_OPTION_COMMAND,
	.help = "shows the version"},
	{.name = "colour",.type = CLIENT_OPTION_ENUM,.value = &colour,.initial = "green",.choices = colours,.help = "of the lines"},
	{.name = NULL}
};

static ClientOptions options = {"prog", "PROG_", table};

static char file_name[] = "/tmp/client_options_test.XXXXXX";
static char problems[8192];

/* Reads them from a command line of words; returns the problems, without the file's name. */
static const char *
read_options(const char *line)
{
	static char words[1024];
	char	   *argv[32] = {"prog"};
	char	   *rest = words;
	int			argc = 1;
	FILE	   *out = fmemopen(problems, sizeof(problems), "w");
	char	   *found;
	int			n,
				lines = 0;

	snprintf(words, sizeof(words), "%s", line);
	while (rest && *rest != '\0')
		argv[argc++] = next_field(&rest, ' ');
	memset(problems, 0, sizeof(problems));
	n = client_options_read(&options, argc, argv, out);
	fclose(out);
	while ((found = strstr(problems, file_name)) != NULL)
		memmove(found, found + strlen(file_name), strlen(found + strlen(file_name)) + 1);
	for (found = problems; *found != '\0'; found++)
		lines += *found == '\n';
	CHECK(n == lines);
	return problems;
}

static const char *
read_file(const char *content)
{
	FILE	   *file = fopen(file_name, "w");
	char		line[100];

	fputs(content, file);
	fclose(file);
	snprintf(line, sizeof(line), "--config %s", file_name);
	return read_options(line);
}

static void
test_command_line(void)
{
	CHECK_TEXT(read_options(""), "");
	CHECK_TEXT(name, "plain");
	CHECK(backends == 8 && memory == 512 << 20 && idle_timeout == 600000 && !insecure && colour == 1 && !show_version);

	CHECK_TEXT(read_options("--backends 3 --memory=2GB --idle-timeout 5 --insecure --colour=BLUE "
							"--Listener_Name=x=y --version"), "");
	CHECK_TEXT(name, "x=y");
	CHECK(backends == 3 && memory == INT64_C(2) << 30 && idle_timeout == 5000 && insecure && colour == 2 && show_version);

	/* all defaults again; a switch takes no value from the next word */
	CHECK_TEXT(read_options("--insecure=off --memory 7"), "");
	CHECK(backends == 8 && !insecure && memory == 7 << 20);
	CHECK_TEXT(read_options("--insecure off"), "prog: command line: \"off\" is no setting: they begin with --\n");
	CHECK_TEXT(read_options("--listener_name="), "prog: command line: listener_name must not be empty\n");
	CHECK_TEXT(read_options("--backends"), "prog: command line: backends has no value\n");
	CHECK_TEXT(read_options("--backends --insecure"), "prog: command line: backends has no value\n");
	CHECK(insecure);
	CHECK_TEXT(read_options("--backends=2 --backends=3"), "");
	CHECK(backends == 3);
}

static void
test_wrong_values(void)
{
	CHECK_TEXT(read_options("--backends=0"), "prog: command line: backends must be from 1 to 100, not \"0\"\n");
	CHECK_TEXT(read_options("--backends=8x"), "prog: command line: backends must be an integer, not \"8x\"\n");
	CHECK_TEXT(read_options("--backends=99999999999999999999"),
			   "prog: command line: backends must be an integer, not \"99999999999999999999\"\n");
	CHECK_TEXT(read_options("--memory=9223372036854775807TB"),
			   "prog: command line: memory must be from 1 MB to 1 TB, not \"9223372036854775807TB\"\n");
	CHECK_TEXT(read_options("--memory=5mb"),
			   "prog: command line: memory must be an integer with one of the units TB, GB, MB, kB, B, not \"5mb\"\n");
	CHECK_TEXT(read_options("--idle_timeout=2d"), "prog: command line: idle_timeout must be from 0 to 1 d, not \"2d\"\n");
	CHECK_TEXT(read_options("--insecure=maybe"), "prog: command line: insecure must be on or off, not \"maybe\"\n");
	CHECK_TEXT(read_options("--colour=pink"), "prog: command line: colour must be one of red, green, blue, not \"pink\"\n");
	CHECK(colour == 1);

	/* every problem at once, and those of secrets without them */
	CHECK_TEXT(read_options("--password=hunter2hunter2 --passwort hunter2 -password=hunter2 --backend=4 --bake=1"),
			   "prog: command line: password must have from 0 to 10 bytes, not 14\n"
			   "prog: command line: \"--passwort\" is no setting; did you mean password?\n"
			   "prog: command line: \"-password\" is no setting: they begin with --\n"
			   "prog: command line: \"--backend\" is no setting; did you mean backends?\n"
			   "prog: command line: \"--bake\" is no setting\n");
	CHECK_TEXT(read_options("--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1"),
			   "prog: command line: \"--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is no setting\n");
}

static void
test_file(void)
{
	CHECK_TEXT(read_file("# nothing\n\n  backends = 4 # four\nlistener_name='it''s # \\'\\n\\1017'\r\nMEMORY=1 GB\n"
						 "idle-timeout = 1h\ninsecure = yes\ncolour = red"), "");
	CHECK_TEXT(name, "it's # '\nA7");
	CHECK(backends == 4 && memory == 1 << 30 && idle_timeout == 3600000 && insecure && colour == 0);

	CHECK_TEXT(read_file("listener_name = ''\nbackends 4\nbackends = 'x\nbackends = '4' 5\n= 3\n"
						 "color = red\nversion = on\nlistener_name = two words"),
			   "prog: file \"\", line 1: listener_name must not be empty\n"
			   "prog: file \"\", line 2: this is not \"name = value\"\n"
			   "prog: file \"\", line 3: the quote is not closed\n"
			   "prog: file \"\", line 4: there is something behind the value\n"
			   "prog: file \"\", line 5: this is not \"name = value\"\n"
			   "prog: file \"\", line 6: \"color\" is no setting; did you mean colour?\n"
			   "prog: file \"\", line 7: \"version\" is no setting\n");
	CHECK_TEXT(name, "two words");
	CHECK_TEXT(read_options("--config /nonexistent"), "prog: file \"/nonexistent\": cannot be read: No such file or directory\n");
	CHECK_TEXT(read_options("--config /tmp"), "prog: file \"/tmp\": cannot be read: Is a directory\n");
	CHECK_TEXT(read_options("--config /dev/zero"), "prog: file \"/dev/zero\": cannot be read: it is longer than 1 MB\n");
}

static void
test_precedence(void)
{
	char		line[100];

	read_file("backends = 2\nmemory = 2\nidle_timeout = 2");
	setenv("PROG_BACKENDS", "3", 1);
	setenv("PROG_MEMORY", "3", 1);
	snprintf(line, sizeof(line), "--backends 4 --config %s", file_name);
	CHECK_TEXT(read_options(line), "");
	CHECK(backends == 4 && memory == 3 << 20 && idle_timeout == 2000);

	/* what is not used is checked all the same */
	setenv("PROG_BACKENDS", "many", 1);
	CHECK_TEXT(read_options(line), "prog: environment: backends must be an integer, not \"many\"\n");
	CHECK(backends == 4);
	setenv("PROG_BACKENDS", "5", 1);
	setenv("PROG_BAKENDS", "5", 1);
	setenv("PROG_VERSION", "on", 1);
	/* Kubernetes' for a service of this name */
	setenv("PROG_PORT", "tcp://10.0.0.1:9092", 1);
	setenv("PROG_SERVICE_HOST", "10.0.0.1", 1);
	read_options("");
	CHECK(strstr(problems, "prog: environment: \"PROG_BAKENDS\" is no setting; did you mean backends?\n") != NULL);
	CHECK(strstr(problems, "prog: environment: \"PROG_VERSION\" is no setting\n") != NULL);
	CHECK(strstr(problems, "PORT") == NULL && strstr(problems, "SERVICE") == NULL);
	unsetenv("PROG_BACKENDS");
	unsetenv("PROG_BAKENDS");
	unsetenv("PROG_VERSION");
	unsetenv("PROG_MEMORY");
	unsetenv("PROG_PORT");
	unsetenv("PROG_SERVICE_HOST");

	/* the file's name, too */
	setenv("PROG_CONFIG", file_name, 1);
	CHECK_TEXT(read_options(""), "");
	CHECK(backends == 2);
	unsetenv("PROG_CONFIG");
}

static void
test_help(void)
{
	static char help[8192];
	FILE	   *out = fmemopen(help, sizeof(help), "w");
	ClientOption *option;

	client_options_help(&options, out);
	fclose(out);
	for (option = table; option->name; option++)
		CHECK(strstr(help, option->name) && strstr(help, option->help));
	CHECK(strstr(help, "  --memory=SIZE\n        for frames (1 MB to 1 TB, in MB if there is no unit, default: 512 MB)\n") != NULL);
	CHECK(strstr(help, "  --insecure[=on|off]\n        let everybody in (default: off)\n") != NULL);
	CHECK(strstr(help, "  --colour=red|green|blue\n        of the lines (default: green)\n") != NULL);
	CHECK(strstr(help, "  --version\n        shows the version\n") != NULL);
}

/* Whatever is in a file, it is read or refused. */
static void
test_random_files(int rounds)
{
	static const char bytes[] = "'\\=#\n\r\t \"x0179-_,backendscolourlistener_name";
	char		content[200];
	int			i;

	for (i = 0; i < rounds; i++)
	{
		size_t		len = random_below(sizeof(content));
		size_t		j;

		for (j = 0; j < len; j++)
			content[j] = random_below(50) == 0 ? (char) (1 + random_below(255)) : bytes[random_below(sizeof(bytes) - 1)];
		content[len > 0 ? len - 1 : 0] = '\0';
		read_file(content);
	}
}

static void
test_log(void)
{
	static char said[4096];
	int			before = dup(STDERR_FILENO);
	FILE	   *file = tmpfile();

	CHECK_TEXT(read_options("--backends 5 --password secret --idle_timeout 90"), "");
	dup2(fileno(file), STDERR_FILENO);
	client_options_log(&options);
	dup2(before, STDERR_FILENO);
	rewind(file);
	said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
	CHECK(strstr(said, " info: setting name=backends value=5 from=\"command line\"\n") != NULL);
	CHECK(strstr(said, "name=idle_timeout value=\"90 s\"") != NULL);
	CHECK(strstr(said, "name=password") != NULL && strstr(said, "secret") == NULL);
	CHECK(strstr(said, "name=memory") == NULL);
	fclose(file);
	close(before);
}

int
main(int argc, char **argv)
{
	int			file = mkstemp(file_name);
	ClientOption *option;

	if (file < 0)
	{
		perror(file_name);
		return 2;
	}
	close(file);
	test_command_line();
	test_wrong_values();
	test_file();
	test_precedence();
	test_help();
	test_log();
	test_random_files(argc > 1 ? atoi(argv[1]) / 100 : 1000);
	unlink(file_name);
	for (option = table; option->name; option++)
		free(option->text);
	return check_summary();
}
