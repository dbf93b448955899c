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
#define EL_WIRE_LOCKED			"55P03"

/*
 * The topic with this uuid, locked in that mode until the caller lets go, if the
 * current user has the right on it.  Returns NULL, or the sqlstate of what is wrong,
 * and no lock is held.  Nobody is waited for: a session that did would be one less
 * for the clients of other topics.
 */
extern const char *el_wire_topic(const pg_uuid_t *id, AclMode right,
								 LOCKMODE mode, ElTopic **topic);

/* The table of a partition, opened with that lock, likewise. */
extern const char *el_wire_leaf(const ElTopic *t, int32 partition,
								LOCKMODE mode, Relation *leaf);

/* The schemas that argument argno names, in their order, InvalidOid for one that is none; 22004, 22023. */
extern Oid *el_wire_schemas(FunctionCallInfo fcinfo, int argno, int *n);

/*
 * The topic of this name in the protocol, whether the current user may see it or not;
 * InvalidOid if there is none.
 */
extern Oid	el_wire_named(const char *name, const Oid *schemas, int nschemas);

/* Has a topic a name of its own in the protocol?  Waits for no lock. */
extern bool el_wire_kafka_name(Oid relid, char *name);

/* What a topic's label says, as of now, without a lock. */
extern void el_wire_identity(Oid relid, ElTopicIdentity *identity);

#endif							/* EL_WIRE_FIND_H */
