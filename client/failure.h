/*-------------------------------------------------------------------------
 *
 * failure.h
 *	  What went wrong in a session, from the words of the server or of libpq.
 *
 * The strings of a failure are in the result or the buffer that it is made of.
 *
 * IDENTIFICATION
 *	  client/failure.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_FAILURE_H
#define CLIENT_FAILURE_H

#include "client/session.h"

#define FAILURE_TEXT 1024

/* The connection is lost, or of no use, for a reason; sent: a call may have been committed. */
extern ClientFailure client_failure_lost(const char *reason, bool sent);

/* With a code and a message. */
extern ClientFailure client_failure_of_words(const char *sqlstate, const char *message);

/* A result that is none that a call can have; sent: it was the call that gave it, not its preparing. */
extern ClientFailure client_failure_of_result(const PGresult *result, bool sent);

/* Connecting has failed; buf has FAILURE_TEXT bytes. */
extern ClientFailure client_failure_of_connecting(PGconn *conn, char *buf);

/* Must the statements of the connection be prepared anew, for their results are of other types now? */
extern bool client_failure_is_stale_plan(const PGresult *result);

#endif							/* CLIENT_FAILURE_H */
