/*-------------------------------------------------------------------------
 *
 * listener.h
 *	  The addresses on which clients are accepted.
 *
 * IDENTIFICATION
 *	  broker/listener.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_LISTENER_H
#define EL_BROKER_LISTENER_H

#include "broker/connection.h"

/* Opens all of settings.listeners, whose clients work in the pool (NULL: see Listener); false, having said why, if one of them cannot be. */
extern bool listeners_open(ClientLoop *loop, Pool *pool);
extern void listeners_close(ClientLoop *loop);

/* A socket that listens on host:port; -1, having said why. */
extern int	listen_on(const char *address);

/* A client of a socket that listens, its address in peer; -1, with errno: there is none now. */
#define PEER_SIZE 1100
extern int	accept_client(int fd, char *peer);

#endif							/* EL_BROKER_LISTENER_H */
