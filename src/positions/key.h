/*-------------------------------------------------------------------------
 *
 * key.h
 *	  Keys of positions: the text on the log, and its hash.
 *
 * IDENTIFICATION
 *	  src/positions/key.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_POSITION_KEY_H
#define EL_POSITION_KEY_H

#include "postgres.h"

#include "utils/uuid.h"

#define EL_POSITION_HASH_LEN	16

typedef struct ElPositionHash
{
	uint8		bytes[EL_POSITION_HASH_LEN];
} ElPositionHash;

typedef struct ElPositionKey
{
	const char *text;			/* as on the log */
	int32		len;
	ElPositionHash hash;
} ElPositionKey;

/* Kinds of positions, the first element of a key. */
#define EL_POSITION_PRODUCER	"producer"	/* a sequence of (topic, name) */

/* The key ["kind", "uuid", "name"], in CurrentMemoryContext. */
extern void el_position_key(ElPositionKey *key, const char *kind,
							const pg_uuid_t *uuid, const char *name);

/* The hash of a key's text; part of a cryptographic one, for names are anybody's. */
extern void el_position_hash(ElPositionHash *hash, const char *text, int32 len);

/* The name in such a key, as it stands there between quotes, for messages. */
extern char *el_position_key_name(const char *text, int32 len);

/* The value of an event, and back; false if it is no position. */
extern char *el_position_text(int64 position);
extern bool el_position_parse(const char *text, int32 len, int64 *position);

#endif							/* EL_POSITION_KEY_H */
