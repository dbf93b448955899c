/*-------------------------------------------------------------------------
 *
 * produce.h
 *	  Producing an event from inside the extension.
 *
 * IDENTIFICATION
 *	  src/produce/produce.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PRODUCE_H
#define EL_PRODUCE_H

#include "postgres.h"

#include "kafka/record.h"

/*
 * Produce an event whose key and value are bytes already: a copy of another
 * topic's.  The bytes have to be what the topic's types make of a value.  Checks
 * privileges, size, types and constraints, as produce() does; command is named
 * in errors.  Returns the partition: the given one if the topic has it, else the
 * one that the key decides.  The event is appended when the transaction commits.
 */
extern int32 el_produce_bytes(Oid relid, int32 partition, const ElRecord *r,
							  const char *command);

#endif							/* EL_PRODUCE_H */
