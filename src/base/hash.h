/*-------------------------------------------------------------------------
 *
 * hash.h
 *	  Hash tables keyed by plain bytes.
 *
 * IDENTIFICATION
 *	  src/base/hash.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_HASH_H
#define EL_HASH_H

#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

/*
 * A hash table in this memory context, or below it, that begins with room for
 * nelem entries.  An entry begins with its key, which is compared byte by byte:
 * keys with padding have to be zeroed.
 */
static inline HTAB *
el_hash_create(const char *name, long nelem, Size keysize, Size entrysize,
			   MemoryContext mcxt)
{
	HASHCTL		ctl;

	Assert(keysize > 0 && keysize <= entrysize);
	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = mcxt;
	return hash_create(name, nelem, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * For what a session remembers and can find out again: the table, made if it is
 * not there, and made anew without anything in it when it has limit entries.
 * Lives in TopMemoryContext.
 */
static inline HTAB *
el_hash_bounded(HTAB *table, const char *name, long limit, Size keysize,
				Size entrysize)
{
	if (table != NULL && hash_get_num_entries(table) >= limit)
	{
		hash_destroy(table);
		table = NULL;
	}
	if (table == NULL)
		table = el_hash_create(name, 64, keysize, entrysize, TopMemoryContext);
	return table;
}

#endif							/* EL_HASH_H */
