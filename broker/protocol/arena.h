/*-------------------------------------------------------------------------
 *
 * arena.h
 *	  Memory of one request: taken bit by bit, never more than a limit, given
 *	  back at once.
 *
 * IDENTIFICATION
 *	  broker/protocol/arena.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_ARENA_H
#define EL_BROKER_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct KafkaArenaBlock KafkaArenaBlock;

typedef struct KafkaArena
{
	size_t		limit;			/* of what its blocks may take together */
	size_t		taken;			/* what they take */
	KafkaArenaBlock *blocks;	/* the newest first */
	char	   *free;			/* what is left of the newest */
	char	   *end;
} KafkaArena;

/* Begin an empty arena, which takes no memory before the first allocation. */
extern void kafka_arena_init(KafkaArena *arena, size_t limit);

/*
 * Zeroed memory, aligned for any type, until the arena is freed.  NULL if the
 * limit would be exceeded or the system has none; smaller wishes may still be
 * granted then.
 */
extern void *kafka_arena_alloc(KafkaArena *arena, size_t size);

/* As above for n items; NULL too if the product is beyond all sizes. */
extern void *kafka_arena_alloc_array(KafkaArena *arena, size_t n, size_t size);

/* Give all of it back; the arena is empty then, and may be used again. */
extern void kafka_arena_free(KafkaArena *arena);

#endif							/* EL_BROKER_ARENA_H */
