/*-------------------------------------------------------------------------
 *
 * handlers.h
 *	  Who answers which request.  What has no handler is not announced.
 *
 * IDENTIFICATION
 *	  broker/handlers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_HANDLERS_H
#define EL_BROKER_HANDLERS_H

#include "broker/connection.h"

typedef struct Handler
{
	int16_t		key;
	void		(*handle) (Request *request);
	bool		in_turn;		/* only when all before it have been answered */
	bool		before_login;	/* of clients that have not said who they are */
	void		(*unsupported) (Request *request);	/* another version than
													 * the announced ones;
													 * NULL: the connection is
													 * closed */
} Handler;

extern const Handler *handler_of(int16_t key);

/* One file each. */
extern void handle_api_versions(Request *request);
extern void handle_api_versions_unsupported(Request *request);
extern void handle_metadata(Request *request);
extern void handle_produce(Request *request);
extern void handle_fetch(Request *request);
extern void handle_list_offsets(Request *request);
extern void handle_offset_for_leader_epoch(Request *request);
extern void handle_find_coordinator(Request *request);
extern void handle_init_producer_id(Request *request);
extern void handle_sasl_handshake(Request *request);
extern void handle_sasl_authenticate(Request *request);

#endif							/* EL_BROKER_HANDLERS_H */
