/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  Memory that a program cannot do without.
 *
 * IDENTIFICATION
 *	  client/memory.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "client/log.h"
#include "client/memory.h"

static void *
checked(void *p, size_t size)
{
	if (p == NULL)
	{
		client_log(CLIENT_ERROR, "out of memory", CLIENT_INT("bytes", (int64_t) size));
		exit(1);
	}
	return p;
}

void *
client_alloc(size_t size)
{
	return checked(calloc(1, size > 0 ? size : 1), size);
}

void *
client_realloc(void *p, size_t size)
{
	return checked(realloc(p, size > 0 ? size : 1), size);
}

char *
client_strdup(const char *text)
{
	return checked(strdup(text), strlen(text) + 1);
}
