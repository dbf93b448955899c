/*-------------------------------------------------------------------------
 *
 * keymap.c
 *	  Where each key was seen last.
 *
 * Keys are kept whole: two that share a hash must not be taken for one, or
 * compaction would remove the last event of a key.
 *
 * IDENTIFICATION
 *	  src/storage/keymap.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "storage/keymap.h"

typedef struct MapKey
{
	const char *data;
	int32		len;
} MapKey;

typedef struct MapEntry
{
	MapKey		key;
	uint32		hash;
	char		status;
	int64		offset;
} MapEntry;

#define SH_PREFIX		keys
#define SH_ELEMENT_TYPE	MapEntry
#define SH_KEY_TYPE		MapKey
#define SH_KEY			key
#define SH_HASH_KEY(tb, k)	hash_bytes((const unsigned char *) (k).data, (k).len)
#define SH_EQUAL(tb, a, b) \
	((a).len == (b).len && memcmp((a).data, (b).data, (a).len) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a)	((a)->hash)
#define SH_SCOPE		static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

struct ElKeyMap
{
	MemoryContext mcxt;
	MemoryContext data;			/* the keys' bytes: only ever added to */
	keys_hash  *hash;
};

ElKeyMap *
el_keymap_create(void)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
											   "eventlog keys",
											   ALLOCSET_DEFAULT_SIZES);
	ElKeyMap   *map = MemoryContextAlloc(mcxt, sizeof(ElKeyMap));

	map->mcxt = mcxt;
	map->data = GenerationContextCreate(mcxt, "eventlog key bytes",
										0, 64 * 1024, 64 * 1024);
	map->hash = keys_create(mcxt, 1024, NULL);
	return map;
}

void
el_keymap_free(ElKeyMap *map)
{
	MemoryContextDelete(map->mcxt);
}

void
el_keymap_put(ElKeyMap *map, const char *key, int32 len, int64 offset)
{
	MapKey		k = {key, len};
	MapEntry   *e = keys_lookup(map->hash, k);

	Assert(len >= 0 && offset >= 0);
	if (e == NULL)
	{
		bool		found;

		k.data = memcpy(MemoryContextAlloc(map->data, Max(len, 1)), key, len);
		e = keys_insert(map->hash, k, &found);
	}
	e->offset = offset;
}

int64
el_keymap_get(const ElKeyMap *map, const char *key, int32 len)
{
	MapKey		k = {key, len};
	MapEntry   *e = keys_lookup(map->hash, k);

	Assert(len >= 0);
	return e != NULL ? e->offset : -1;
}

Size
el_keymap_size(const ElKeyMap *map)
{
	return MemoryContextMemAllocated(map->mcxt, true);
}
