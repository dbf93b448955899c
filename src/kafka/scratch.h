/*-------------------------------------------------------------------------
 *
 * scratch.h
 *	  Buffers that grow and are used again.
 *
 * IDENTIFICATION
 *	  src/kafka/scratch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SCRATCH_H
#define EL_SCRATCH_H

/*
 * A buffer for output of unknown size.  It starts zeroed, grows as its users
 * need it and is reused by the next of them; pfree(buf) gives it back.
 */
typedef struct ElScratch
{
	char	   *buf;
	size_t		cap;			/* bytes allocated */
} ElScratch;

/* The server's palloc gives no more (MaxAllocSize). */
#define EL_MAX_ALLOC ((size_t) 0x3fffffff)

/*
 * Make *buf hold at least need bytes, and at least "least" of them, by doubling
 * it; what is in it stays.  *buf is NULL and *cap 0 before the first call.
 *
 * In the server the buffer is allocated in CurrentMemoryContext and stays in
 * that context; too little memory, or more than EL_MAX_ALLOC bytes, is
 * palloc's ERROR, and *buf and *cap are then as they were.  In a program
 * palloc() exits when memory is short and knows no largest size: a program
 * compares sizes that come from outside with a limit of its own before it
 * calls anything that allocates (max_uncompressed of ElBatchReader, the batch's
 * size before el_batch_add()).
 */
extern void el_scratch_enlarge(char **buf, size_t *cap, size_t need,
							   size_t least);

#endif							/* EL_SCRATCH_H */
