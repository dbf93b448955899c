/*-------------------------------------------------------------------------
 *
 * sqlstate.h
 *	  What a program does about an error of PostgreSQL: one table.
 *
 * IDENTIFICATION
 *	  client/sqlstate.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_SQLSTATE_H
#define CLIENT_SQLSTATE_H

#include <stdbool.h>

typedef enum ClientAction
{
	CLIENT_RETRY,				/* of the moment: the same call may work later */
	CLIENT_FENCED,				/* somebody else has taken the place: begin
								 * anew, or leave it to them */
	CLIENT_FAULT,				/* of who asked: the same call will always
								 * fail, others work */
	CLIENT_STOP					/* of the installation or the program:
								 * somebody has to look */
} ClientAction;

/* "retry", "fenced", "fault" or "stop": for lines of the log. */
extern const char *client_action_name(ClientAction action);

/* What to do; an unknown SQLSTATE is CLIENT_STOP. */
extern ClientAction client_sqlstate_action(const char *sqlstate);

/* Is this connection of no use any more, though it is open: is another server the primary now? */
extern bool client_sqlstate_reconnects(const char *sqlstate);

/* May what failed with it have been committed all the same? */
extern bool client_sqlstate_unknown_outcome(const char *sqlstate);

#endif							/* CLIENT_SQLSTATE_H */
