/*-------------------------------------------------------------------------
 *
 * find.h
 *	  Topics by uuid and by their names in Kafka's protocol.
 *
 * IDENTIFICATION
 *	  src/wire/find.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_FIND_H
#define EL_WIRE_FIND_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "storage/lockdefs.h"

#include "topic/topic.h"

/* What is said of a topic or partition that cannot be used: a row's sqlstate. */
#define EL_WIRE_NO_TOPIC		"42P01"
#define EL_WIRE_NO_PARTITION	"42704"
#define EL_WIRE_NO_RIGHT		"42501"

/*
 * The topic with this uuid, locked in that mode until the caller lets go, if the
 * current user has the right on it.  Returns NULL, or the sqlstate of what is wrong,
 * and no lock is held.
 */
extern const char *el_wire_topic(const pg_uuid_t *id, AclMode right,
								 LOCKMODE mode, ElTopic **topic);

/* The table of a partition, opened with that lock; NULL, or the sqlstate of what is wrong. */
extern const char *el_wire_leaf(const ElTopic *t, int32 partition,
								LOCKMODE mode, Relation *leaf);

/* The topic whose option kafka_name this is, InvalidOid if there is none; takes no lock. */
extern Oid	el_wire_named(const char *kafka_name);

#endif							/* EL_WIRE_FIND_H */
