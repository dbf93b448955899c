/*-------------------------------------------------------------------------
 *
 * check.h
 *	  What the unit tests share: counting checks, vectors, random numbers.
 *
 * Programs over src/kafka include it after postgres_fe.h, tests of the server's
 * own code after postgres.h, those of client/ as it is.
 *
 * IDENTIFICATION
 *	  test/unit/check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CHECK_H
#define EL_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int	checks_passed = 0;
static int	checks_failed = 0;

static inline bool
check_result(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		checks_passed++;
	else if (++checks_failed <= 50)
		printf("%s:%d: FAILED: %s\n", file, line, what);
	return ok;
}

#define CHECK(condition) \
	check_result((condition), #condition, __FILE__, __LINE__)

/* NULL equals NULL only */
static inline bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static inline bool
check_text(const char *got, const char *want, const char *file, int line)
{
	if (same_text(got, want))
		return check_result(true, "", file, line);
	printf("got \"%s\", want \"%s\"\n", got ? got : "(null)",
		   want ? want : "(null)");
	return check_result(false, "text", file, line);
}

#define CHECK_TEXT(got, want) check_text((got), (want), __FILE__, __LINE__)

static inline int
check_summary(void)
{
	printf("%d passed, %d failed\n", checks_passed, checks_failed);
	return checks_failed == 0 && checks_passed > 0 ? 0 : 1;
}

static inline void *
xmalloc(size_t size)
{
	void	   *p = malloc(size > 0 ? size : 1);

	if (p == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return p;
}

/* xorshift64*: the same everywhere for the same seed */
static uint64_t random_state = UINT64_C(88172645463325252);

static inline uint64_t
next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717);
}

/* 0 .. n - 1 */
static inline size_t
random_below(size_t n)
{
	return (size_t) ((next_random() >> 11) % n);
}

static inline void
random_bytes(char *p, size_t len)
{
	size_t		i;

	for (i = 0; i < len; i++)
		p[i] = (char) (next_random() >> 56);
}

static inline FILE *
open_vectors(const char *dir, const char *name)
{
	char		path[4096];
	FILE	   *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (f == NULL)
	{
		perror(path);
		exit(2);
	}
	return f;
}

/* The next line that is neither empty nor a comment, without its newline. */
static inline bool
next_line(FILE *f, char *line, size_t size)
{
	while (fgets(line, (int) size, f) != NULL)
	{
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] != '\0' && line[0] != '#')
			return true;
	}
	return false;
}

/*
 * Cut the next field off *s at the separator; NULL after the last.
 */
static inline char *
next_field(char **s, char separator)
{
	char	   *field = *s;
	char	   *cut;

	if (field == NULL)
		return NULL;
	cut = strchr(field, separator);
	if (cut == NULL)
		*s = NULL;
	else
	{
		*cut = '\0';
		*s = cut + 1;
	}
	return field;
}

/* Into a block of exactly that size, so that overruns are found. */
static inline char *
from_hex(const char *hex, size_t *len)
{
	size_t		n = strlen(hex) / 2;
	char	   *p = xmalloc(n);
	size_t		i;

	for (i = 0; i < n; i++)
	{
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
		{
			fprintf(stderr, "not hex: %s\n", hex);
			exit(2);
		}
		p[i] = (char) byte;
	}
	*len = n;
	return p;
}

#endif							/* EL_CHECK_H */
