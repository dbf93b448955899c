/*-------------------------------------------------------------------------
 *
 * producers_log.h
 *	  Idempotent producers as the log has them.
 *
 * IDENTIFICATION
 *	  src/wire/producers_log.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_PRODUCERS_LOG_H
#define EL_WIRE_PRODUCERS_LOG_H

#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/rel.h"

#include "wire/sequence.h"

/* A producer as the log has it. */
typedef struct ElLoggedProducer
{
	int64		id;				/* hash key */
	int64		time_ms;		/* greatest time of its last batch */
	ElSequenceState state;
} ElLoggedProducer;

/*
 * The producers (ElLoggedProducer) of the batches at the end of a log: of the last day,
 * of 64 MB at most, and of 4 MB whatever their time.  *complete is false if there
 * are more than most.  The caller destroys the table.
 */
extern HTAB *el_producers_from_log(Relation rel, int most, bool *complete);

#endif							/* EL_WIRE_PRODUCERS_LOG_H */
