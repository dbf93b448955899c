/*-------------------------------------------------------------------------
 *
 * keymap.h
 *	  Where each key was seen last: keys (bytes) -> offset.
 *
 * IDENTIFICATION
 *	  src/storage/keymap.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_KEYMAP_H
#define EL_KEYMAP_H

#include "postgres.h"

typedef struct ElKeyMap ElKeyMap;

/* In a memory context of its own, below the current one. */
extern ElKeyMap *el_keymap_create(void);
extern void el_keymap_free(ElKeyMap *map);

/* Remember the offset for a key; it replaces an earlier one. */
extern void el_keymap_put(ElKeyMap *map, const char *key, int32 len,
						  int64 offset);

/* -1: not in it. */
extern int64 el_keymap_get(const ElKeyMap *map, const char *key, int32 len);

/* Bytes of memory in use. */
extern Size el_keymap_size(const ElKeyMap *map);

#endif							/* EL_KEYMAP_H */
