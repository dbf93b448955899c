/*-------------------------------------------------------------------------
 *
 * uuids.h
 *	  Which uuids, and which of Kafka's names, are those of topics.
 *
 * IDENTIFICATION
 *	  src/topic/uuids.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_UUIDS_H
#define EL_UUIDS_H

#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/uuid.h"

#include "topic/options.h"

/* A topic that has its uuid from its label. */
typedef struct ElLabelledTopic
{
	pg_uuid_t	uuid;			/* hash key */
	Oid			relid;
} ElLabelledTopic;

/* Called for a topic with a label; false ends the visit.  What it allocates is freed after it. */
typedef bool (*ElUuidVisitor) (Oid relid, const ElTopicIdentity *identity,
							   void *arg);

/* All topics of this database that have a label, as of now. */
extern void el_visit_uuids(ElUuidVisitor visit, void *arg);

/* Those of this database, as of now, in the current memory context: ElLabelledTopic by uuid. */
extern HTAB *el_labelled_topics(void);

/*
 * Does the label of another topic than relid, whose own is about to be written, have
 * this uuid?  No other transaction gives it to a topic until this one ends.
 */
extern bool el_uuid_is_taken(Oid relid, const pg_uuid_t *uuid);

/*
 * 42710 if another topic than relid, whose label is about to be written, has this
 * option kafka_name ("": it is none).  No other transaction gives it to a topic until
 * this one ends.
 */
extern void el_check_kafka_name(Oid relid, const char *kafka_name);

/* The topic with this uuid: one of these, or one without label; InvalidOid if there is none. */
extern Oid	el_topic_with_uuid(HTAB *labelled, const pg_uuid_t *uuid);

#endif							/* EL_UUIDS_H */
