/*-------------------------------------------------------------------------
 *
 * rewind.h
 *	  Offsets that only aborted batches took.
 *
 * IDENTIFICATION
 *	  src/storage/rewind.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_REWIND_H
#define EL_REWIND_H

#include "postgres.h"

#include "utils/rel.h"

/*
 * Somebody deletes all events that the log has.  The caller holds ShareUpdateExclusiveLock,
 * and moves the log start afterwards.
 */
extern void el_log_note_emptied(Relation rel);

/*
 * Take aborted batches off the log's end, so that an event may come at offset again.
 * False, and nothing has changed, if that is not all there is from there on.  Waits
 * for AccessExclusiveLock, and keeps it until the transaction ends.
 */
extern bool el_log_rewind(Relation rel, int64 offset);

/*
 * The offset from which on no event was ever committed: the log end, but for aborted
 * batches in front of it.  The caller holds AccessExclusiveLock.
 */
extern int64 el_log_committed_end(Relation rel);

#endif							/* EL_REWIND_H */
