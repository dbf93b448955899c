/*-------------------------------------------------------------------------
 *
 * once.h
 *	  Producers with sequences: what was produced is not produced again.
 *
 * IDENTIFICATION
 *	  src/produce/once.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ONCE_H
#define EL_ONCE_H

#include "postgres.h"

#include "fmgr.h"

#include "positions/positions.h"
#include "topic/topic.h"

typedef struct ElOnce
{
	bool		again;			/* this sequence was produced before */
	bool		asked;			/* there is a producer */
	ElPositionKey key;
	ElTaken		taken;
	int64		sequence;
} ElOnce;

/*
 * The arguments producer and sequence, the function's argument argno and the next; both NULL:
 * nothing is asked.  Locks the producer in the topic until the transaction ends, waiting for
 * who has it.  22004 if one of the two is NULL, 22023 for what is no name or sequence, 55000 for
 * a sequence that leaves one out.
 */
extern void el_once_begin(ElOnce *once, FunctionCallInfo fcinfo, int argno,
						  const ElTopic *t);

/* What was asked for is produced now.  55006 if what produced it has produced with the same producer. */
extern void el_once_done(const ElOnce *once);

#endif							/* EL_ONCE_H */
