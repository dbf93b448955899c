/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Topic options between SQL's jsonb, ElTopicOptions and the label.
 *
 * IDENTIFICATION
 *	  src/topic/options.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_OPTIONS_H
#define EL_OPTIONS_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "kafka/compression.h"
#include "kafka/partitioner.h"

typedef enum ElWhenFull
{
	EL_DROP_OLDEST,
	EL_REJECT
} ElWhenFull;

/* Bits of cleanup_policy. */
#define EL_CLEANUP_DELETE	1
#define EL_CLEANUP_COMPACT	2

/* Bytes of a topic's name in Kafka's protocol, at most. */
#define EL_KAFKA_NAME_MAX	249

/* Times in ms, sizes in bytes; -1 means no limit. */
typedef struct ElTopicOptions
{
	int64		retention_ms;
	int64		retention_bytes;	/* per partition */
	int64		segment_bytes;
	ElCodec		compression;
	int64		max_event_bytes;	/* key + value + headers of one event */
	ElPartitioner partitioner;
	int			cleanup_policy; /* EL_CLEANUP_* */
	int64		delete_retention_ms;
	bool		retain_until_consumed;
	ElWhenFull	when_full;
	int64		max_clock_ahead_ms;
	char		kafka_name[EL_KAFKA_NAME_MAX + 1];	/* "": the table's name */
} ElTopicOptions;

static inline bool
el_is_compacted(const ElTopicOptions *o)
{
	return (o->cleanup_policy & EL_CLEANUP_COMPACT) != 0;
}

/* Sizes and counts a user may ask for. */
#define EL_MIN_SEGMENT_BYTES	(INT64CONST(64) * 1024)
#define EL_MAX_SEGMENT_BYTES	(INT64CONST(1024) * 1024 * 1024)
/* below MaxAllocSize by what surrounds an event in memory */
#define EL_MAX_EVENT_BYTES		(INT64CONST(1024) * 1024 * 1024 - 64 * 1024)
#define EL_MAX_PARTITIONS		10000

extern void el_options_default(ElTopicOptions *o);

/*
 * Apply a user's options, a jsonb object, on top of *o; 22023 for whatever is
 * wrong.  "partitions" is a valid key only if partitions is not NULL, and
 * leaves *partitions alone when absent.
 */
extern void el_options_apply(ElTopicOptions *o, Jsonb *json, int64 *partitions);

/* The options as jsonb, all of them. */
extern Jsonb *el_options_to_jsonb(const ElTopicOptions *o);

/*
 * The label on a topic table: {"uuid": ..., what differs from the defaults}.
 * Parsing for a new label is strict (22023); a label that is there already is
 * read leniently, since a topic that cannot be opened cannot be dropped either.
 * Returns false if there is no uuid in it.
 */
extern char *el_label_make(const ElTopicOptions *o, const pg_uuid_t *uuid);
extern bool el_label_parse(const char *label, bool strict, ElTopicOptions *o,
						   pg_uuid_t *uuid);

/* What a topic is known by to others, from its label. */
typedef struct ElTopicIdentity
{
	pg_uuid_t	uuid;
	char		kafka_name[EL_KAFKA_NAME_MAX + 1];	/* "": none */
} ElTopicIdentity;

/* That alone, of a label that is there already; false if the label has no uuid. */
extern bool el_label_identity(const char *label, ElTopicIdentity *identity);

/* Can a topic have this name in Kafka's protocol? */
extern bool el_kafka_name_valid(const char *name, int len);

/* The label of a relation, NULL if it has none. */
extern char *el_label_get(Oid relid);

/* A new random (version 4) uuid. */
extern void el_uuid_draw(pg_uuid_t *uuid);

/* The uuid of a topic without label. */
extern void el_uuid_from_oid(Oid relid, pg_uuid_t *uuid);

/* The OID a uuid was made from by el_uuid_from_oid(), else InvalidOid. */
extern Oid	el_uuid_to_oid(const pg_uuid_t *uuid);

#endif							/* EL_OPTIONS_H */
