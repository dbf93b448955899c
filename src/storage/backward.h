/*-------------------------------------------------------------------------
 *
 * backward.h
 *	  Reading a log from the end towards its start.
 *
 * IDENTIFICATION
 *	  src/storage/backward.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BACKWARD_H
#define EL_BACKWARD_H

#include "postgres.h"

#include "kafka/batch.h"
#include "storage/cursor.h"

/*
 * The last event before the position, going on to earlier batches; false at
 * the log start.  Not with EL_READ_STABLE.  From the end: el_reader_seek() to
 * the log end, or to EL_MAX_OFFSET + 1.
 */
extern bool el_reader_prev(ElReader *r, ElRecord *rec);

#endif							/* EL_BACKWARD_H */
