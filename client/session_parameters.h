/*-------------------------------------------------------------------------
 *
 * session_parameters.h
 *	  The parameters that a session connects with.
 *
 * IDENTIFICATION
 *	  client/session_parameters.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_SESSION_PARAMETERS_H
#define CLIENT_SESSION_PARAMETERS_H

#include "client/session.h"

typedef struct ClientParameters ClientParameters;

/* Copies what it needs of config. */
extern ClientParameters *client_parameters_new(const ClientSessionConfig *config);
extern void client_parameters_free(ClientParameters *parameters);

/* What is wrong with the connection string; or NULL. */
extern const char *client_parameters_error(const ClientParameters *parameters);

/* Of several hosts the first is the last from now on: it does not answer. */
extern void client_parameters_rotate(ClientParameters *parameters);

/* PQconnectStartParams() with them; NULL when memory is short. */
extern PGconn *client_parameters_connect(const ClientParameters *parameters);

#endif							/* CLIENT_SESSION_PARAMETERS_H */
