/*-------------------------------------------------------------------------
 *
 * arena.c
 *	  Memory of one request: taken bit by bit, never more than a limit, given
 *	  back at once.
 *
 * IDENTIFICATION
 *	  broker/protocol/arena.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdlib.h>

#include "broker/protocol/arena.h"

/* The first block is of this size, header included; each next one of twice. */
#define FIRST_BLOCK ((size_t) 2048)
#define LARGEST_BLOCK ((size_t) 256 * 1024)

struct KafkaArenaBlock
{
	KafkaArenaBlock *next;
	size_t		size;			/* with this header */
};

#define ALIGNMENT _Alignof(max_align_t)
#define ALIGN(size) (((size) + ALIGNMENT - 1) & ~(ALIGNMENT - 1))
#define HEADER ALIGN(sizeof(KafkaArenaBlock))

void
kafka_arena_init(KafkaArena *arena, size_t limit)
{
	*arena = (KafkaArena)
	{
		.limit = limit
	};
}

/* A block in which size bytes, aligned, have room; NULL if there is none. */
static KafkaArenaBlock *
new_block(const KafkaArena *arena, size_t size)
{
	size_t		left = arena->limit - arena->taken;
	size_t		wanted = FIRST_BLOCK;
	KafkaArenaBlock *block;

	if (left < HEADER || size > left - HEADER)
		return NULL;
	if (arena->blocks != NULL)
		wanted = arena->blocks->size * 2;
	if (wanted > LARGEST_BLOCK)
		wanted = LARGEST_BLOCK;
	if (wanted < HEADER + size)
		wanted = HEADER + size;
	if (wanted > left)
		wanted = left;
	block = calloc(1, wanted);
	if (block != NULL)
		block->size = wanted;
	return block;
}

void *
kafka_arena_alloc(KafkaArena *arena, size_t size)
{
	KafkaArenaBlock *block;
	char	   *p;

	if (size > arena->limit || size > PTRDIFF_MAX)
		return NULL;
	size = ALIGN(size > 0 ? size : 1);
	if (size > (size_t) (arena->end - arena->free))
	{
		block = new_block(arena, size);
		if (block == NULL)
			return NULL;
		arena->taken += block->size;
		p = (char *) block + HEADER;
		if (arena->blocks != NULL &&
			block->size - HEADER - size < (size_t) (arena->end - arena->free))
		{
			/* the block before has more room left, so it stays the newest */
			block->next = arena->blocks->next;
			arena->blocks->next = block;
			return p;
		}
		block->next = arena->blocks;
		arena->blocks = block;
		arena->free = p;
		arena->end = (char *) block + block->size;
	}
	p = arena->free;
	arena->free += size;
	return p;
}

void *
kafka_arena_alloc_array(KafkaArena *arena, size_t n, size_t size)
{
	if (size > 0 && n > SIZE_MAX / size)
		return NULL;
	return kafka_arena_alloc(arena, n * size);
}

void
kafka_arena_free(KafkaArena *arena)
{
	KafkaArenaBlock *block = arena->blocks;

	while (block != NULL)
	{
		KafkaArenaBlock *next = block->next;

		free(block);
		block = next;
	}
	kafka_arena_init(arena, arena->limit);
}
