/*-------------------------------------------------------------------------
 *
 * memory.h
 *	  Memory that a program cannot do without.
 *
 * These functions end the program when there is none.  Sizes that come from the
 * network are checked before.
 *
 * IDENTIFICATION
 *	  client/memory.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_MEMORY_H
#define CLIENT_MEMORY_H

#include <stddef.h>

/* Zeroed memory; free() gives it back. */
extern void *client_alloc(size_t size);

/* More of it, or less; what is new is not zeroed. */
extern void *client_realloc(void *p, size_t size);

extern char *client_strdup(const char *text);

#endif							/* CLIENT_MEMORY_H */
