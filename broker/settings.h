/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings of the broker: what main.c reads from options and everybody
 *	  looks at.
 *
 * IDENTIFICATION
 *	  broker/settings.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_SETTINGS_H
#define EL_BROKER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum BrokerAuthentication
{
	AUTHENTICATION_NONE,		/* whoever connects works as the user of
								 * conninfo */
	AUTHENTICATION_PLAIN		/* as who he is for PostgreSQL: SASL PLAIN */
} BrokerAuthentication;

/* The types of values that topics get which clients create; keys are bytea. */
typedef enum BrokerValueType
{
	VALUE_BYTEA,
	VALUE_JSON,
	VALUE_TEXT
} BrokerValueType;

typedef struct BrokerSettings
{
	char	   *conninfo;		/* of PostgreSQL */
	char	   *listeners;		/* host:port, ... */
	char	   *advertised_listeners;	/* the same in number; "": what each
										 * listens on */
	char	   *topic_schemas;	/* names, ... */
	bool		auto_create_topics;
	int64_t		default_partitions; /* of such topics */
	int			default_value_type; /* BrokerValueType */
	char	   *status_listener;	/* host:port; "": none */
	int			authentication; /* BrokerAuthentication */
	bool		insecure;		/* passwords may pass over a network */
	int64_t		node_id;
	int64_t		backends;		/* connections to PostgreSQL for a role */
	int64_t		max_connections;
	int64_t		max_request_size;	/* bytes of a frame */
	int64_t		max_requests_in_flight; /* of a connection */
	int64_t		memory;			/* bytes of frames and answers in hand */
	int64_t		fetch_size;		/* bytes that one answer has at most */
	int64_t		idle_timeout;	/* milliseconds */
	int64_t		request_timeout;	/* milliseconds that PostgreSQL may take */
} BrokerSettings;

extern BrokerSettings settings;

#endif							/* EL_BROKER_SETTINGS_H */
