/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  Error codes of our own, and what many places say in the same words.
 *
 * IDENTIFICATION
 *	  src/base/errors.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ERRORS_H
#define EL_ERRORS_H

#include "postgres.h"

#include "base/compat.h"

/* Error codes that a client can act on; docs/reference.md says how. */
#define ERRCODE_EL_FENCED			MAKE_SQLSTATE('4', '0', 'L', '0', '1')
#define ERRCODE_EL_NOT_MEMBER		MAKE_SQLSTATE('E', 'L', '0', '0', '1')
#define ERRCODE_EL_NOT_OWNED		MAKE_SQLSTATE('E', 'L', '0', '0', '2')
#define ERRCODE_EL_NO_GROUP			MAKE_SQLSTATE('E', 'L', '0', '0', '3')
#define ERRCODE_EL_EVENTS_LOST		MAKE_SQLSTATE('E', 'L', '0', '0', '4')
#define ERRCODE_EL_NOT_PRELOADED	MAKE_SQLSTATE('E', 'L', '0', '0', '5')

/* For eventlog-broker, of batches of Kafka's idempotent producers; src/wire/README. */
#define ERRCODE_EL_OUT_OF_SEQUENCE	MAKE_SQLSTATE('E', 'L', '0', '0', '6')
#define ERRCODE_EL_DUPLICATE_SEQUENCE	MAKE_SQLSTATE('E', 'L', '0', '0', '7')
#define ERRCODE_EL_PRODUCER_FENCED	MAKE_SQLSTATE('E', 'L', '0', '0', '8')

/* 0A000 "%s is not supported on topics", with a hint what to do instead (NULL: none). */
extern void el_not_supported(const char *what, const char *hint) pg_attribute_noreturn();

/*
 * Runs step(arg) in a subtransaction.  Returns NULL, or the error that step
 * raised, in CurrentMemoryContext.  A cancelled query, a lock timeout and the
 * like say nothing about what was looked at: they are raised again.
 */
extern ErrorData *el_attempt(void (*step) (void *), void *arg);

#endif							/* EL_ERRORS_H */
