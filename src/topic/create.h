/*-------------------------------------------------------------------------
 *
 * create.h
 *	  Making topics.
 *
 * IDENTIFICATION
 *	  src/topic/create.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CREATE_H
#define EL_CREATE_H

#include "postgres.h"

#include "nodes/primnodes.h"

#include "topic/options.h"

/* Bytes of a topic's name, so that the names of its partitions fit. */
#define EL_MAX_TOPIC_NAME	(NAMEDATALEN - 1 - (int) strlen("_default"))

/* Name of partition n (-1: the DEFAULT one) of a topic; 42622 if it does not fit. */
extern char *el_partition_name(const char *topic, int32 n);

/*
 * Sessions that create a table of this name for a topic take turns, until the
 * transaction ends.  el_create_topic() does it, too.
 */
extern void el_lock_topic_name(const char *name);

/*
 * What create_topic() does, for the current user.  Returns the topic's OID, also
 * of one that was there (if_not_exists); made, unless NULL, says which.  The caller
 * has called el_require_write().
 */
extern Oid	el_create_topic(const RangeVar *rv, int64 partitions,
							Oid key_type, Oid value_type,
							const ElTopicOptions *options,
							bool if_not_exists, bool *made);

/* Does create_topic(), alter_topic() or drop_topic() run a statement just now, which event triggers may see? */
extern bool el_topic_being_made(void);

#endif							/* EL_CREATE_H */
