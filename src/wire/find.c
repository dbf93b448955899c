/*-------------------------------------------------------------------------
 *
 * find.c
 *	  Topics by uuid and by their names in Kafka's protocol.
 *
 * Labels have no index on what is in them, so a session reads all of them once
 * and remembers which topic has which uuid and which kafka_name.  A uuid that is
 * found is compared with the topic's own, under its lock.  One that is not found,
 * and any name, is looked for again only when some relation has changed.
 *
 * IDENTIFICATION
 *	  src/wire/find.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/extension.h"
#include "base/hash.h"
#include "base/privileges.h"
#include "topic/options.h"
#include "topic/uuids.h"
#include "wire/arguments.h"
#include "wire/find.h"

typedef struct KnownId
{
	pg_uuid_t	uuid;			/* hash key */
	Oid			relid;
} KnownId;

typedef struct KnownName
{
	char		name[EL_KAFKA_NAME_MAX + 1];	/* hash key, zeros behind it */
	Oid			relid;
} KnownName;

static MemoryContext known_cxt = NULL;	/* of both tables */
static HTAB *known_ids = NULL;
static HTAB *known_names = NULL;
static uint64 known_at = 0;		/* el_topic_changes() when they were read */

/* An ElUuidVisitor. */
static bool
remember(Oid relid, const ElTopicIdentity *identity, void *arg)
{
	KnownId    *id = hash_search(known_ids, &identity->uuid, HASH_ENTER, NULL);

	id->relid = relid;
	if (identity->kafka_name[0] != '\0')
	{
		char		key[EL_KAFKA_NAME_MAX + 1] = {0};
		KnownName  *name;

		strlcpy(key, identity->kafka_name, sizeof(key));
		name = hash_search(known_names, key, HASH_ENTER, NULL);
		name->relid = relid;
	}
	return true;
}

/* Read the labels, unless what is known of them is as good.  Says whether it did. */
static bool
read_labels(void)
{
	uint64		now = el_topic_changes();

	if (known_ids != NULL && known_at == now)
		return false;
	if (known_cxt == NULL)
		known_cxt = AllocSetContextCreate(TopMemoryContext, "eventlog broker topics",
										  ALLOCSET_DEFAULT_SIZES);
	known_ids = NULL;			/* should there be an error below */
	MemoryContextReset(known_cxt);
	known_names = el_hash_create("eventlog broker names", 64,
								 EL_KAFKA_NAME_MAX + 1, sizeof(KnownName), known_cxt);
	known_ids = el_hash_create("eventlog broker uuids", 64, sizeof(pg_uuid_t),
							   sizeof(KnownId), known_cxt);
	known_at = now - 1;
	el_visit_uuids(remember, NULL);
	known_at = now;
	return true;
}

/* Of a topic with this uuid, as far as is known. */
static Oid
known_id(const pg_uuid_t *id)
{
	KnownId    *known = known_ids == NULL ? NULL :
		hash_search(known_ids, id, HASH_FIND, NULL);

	if (known != NULL)
		return known->relid;
	/* maybe that of a topic without label */
	return el_uuid_to_oid(id);
}

/* As el_wire_topic(), for the topic that had this uuid. */
static const char *
lock_topic(Oid relid, const pg_uuid_t *id, AclMode right, LOCKMODE mode,
		   ElTopic **topic)
{
	bool		is_missing = false;
	AclResult	acl;

	if (!OidIsValid(relid))
		return EL_WIRE_NO_TOPIC;
	/* the right first: a user without it must not be in the way of others */
	acl = pg_class_aclcheck_ext(relid, GetUserId(), right, &is_missing);
	if (is_missing)
		return EL_WIRE_NO_TOPIC;
	if (acl != ACLCHECK_OK)
		return EL_WIRE_NO_RIGHT;
	if (!ConditionalLockRelationOid(relid, mode))
		return EL_WIRE_LOCKED;
	*topic = el_topic_or_null(relid);
	if (*topic == NULL)
	{
		UnlockRelationOid(relid, mode);
		return EL_WIRE_NO_TOPIC;
	}
	if (memcmp(&(*topic)->uuid, id, UUID_LEN) != 0)
	{
		UnlockRelationOid(relid, mode);
		return EL_WIRE_NO_TOPIC;
	}
	el_audit_right(relid, right);
	return NULL;
}

const char *
el_wire_topic(const pg_uuid_t *id, AclMode right, LOCKMODE mode,
			  ElTopic **topic)
{
	const char *wrong;

	el_check_catalog_version();
	wrong = lock_topic(known_id(id), id, right, mode, topic);
	if (wrong != NULL && read_labels())
		wrong = lock_topic(known_id(id), id, right, mode, topic);
	return wrong;
}

const char *
el_wire_leaf(const ElTopic *t, int32 partition, LOCKMODE mode, Relation *leaf)
{
	if (partition < 0 || partition >= t->npartitions ||
		!OidIsValid(t->leaves[partition]))
		return EL_WIRE_NO_PARTITION;
	if (!ConditionalLockRelationOid(t->leaves[partition], mode))
		return EL_WIRE_LOCKED;
	*leaf = try_table_open(t->leaves[partition], NoLock);
	if (*leaf == NULL)
	{
		UnlockRelationOid(t->leaves[partition], mode);
		return EL_WIRE_NO_PARTITION;
	}
	return NULL;
}

Oid *
el_wire_schemas(FunctionCallInfo fcinfo, int argno, int *n)
{
	Oid			internal = get_namespace_oid(EL_INTERNAL_SCHEMA, true);
	Datum	   *names;
	Oid		   *schemas;

	deconstruct_array(el_plain_array(fcinfo, argno, "schemas", -1), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, NULL, n);
	schemas = palloc_array(Oid, Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		schemas[i] = get_namespace_oid(TextDatumGetCString(names[i]), true);
		if (schemas[i] == internal)
			schemas[i] = InvalidOid;
	}
	return schemas;
}

void
el_wire_identity(Oid relid, ElTopicIdentity *identity)
{
	char	   *label = el_label_get(relid);

	memset(identity, 0, sizeof(*identity));
	if (label == NULL || !el_label_identity(label, identity))
		el_uuid_from_oid(relid, &identity->uuid);
}

/* The cache has it, if the topic can be locked. */
bool
el_wire_kafka_name(Oid relid, char *name)
{
	ElTopic    *t = el_topic_lock_if_there(relid, AccessShareLock, false);

	if (t != NULL)
	{
		strlcpy(name, t->options.kafka_name, EL_KAFKA_NAME_MAX + 1);
		UnlockRelationOid(relid, AccessShareLock);
	}
	else
	{
		ElTopicIdentity identity;

		el_wire_identity(relid, &identity);
		strlcpy(name, identity.kafka_name, EL_KAFKA_NAME_MAX + 1);
	}
	return name[0] != '\0';
}

/* The topic whose option kafka_name this is; takes no lock. */
static Oid
find_by_option(const char *kafka_name)
{
	char		key[EL_KAFKA_NAME_MAX + 1] = {0};
	KnownName  *known;

	strlcpy(key, kafka_name, sizeof(key));
	(void) read_labels();
	known = hash_search(known_names, key, HASH_FIND, NULL);
	return known == NULL ? InvalidOid : known->relid;
}

Oid
el_wire_named(const char *name, const Oid *schemas, int nschemas)
{
	Oid			relid = find_by_option(name);
	char		other[EL_KAFKA_NAME_MAX + 1];

	if (OidIsValid(relid) && el_is_topic(relid))
		return relid;
	for (int i = 0; i < nschemas; i++)
	{
		if (!OidIsValid(schemas[i]))
			continue;
		relid = get_relname_relid(name, schemas[i]);
		if (OidIsValid(relid) && el_is_topic(relid) && !el_wire_kafka_name(relid, other))
			return relid;
	}
	return InvalidOid;
}
