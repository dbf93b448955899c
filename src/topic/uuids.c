/*-------------------------------------------------------------------------
 *
 * uuids.c
 *	  Which uuids, and which of Kafka's names, are those of topics.
 *
 * A topic's uuid stands in its label, and labels have no index on their text: so
 * who has many uuids to ask for reads all labels once.
 *
 * IDENTIFICATION
 *	  src/topic/uuids.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_seclabel.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"

#include "base/extension.h"
#include "base/hash.h"
#include "topic/options.h"
#include "topic/topic.h"
#include "topic/uuids.h"

/* Labels go with their tables, and only topics have one of ours. */
void
el_visit_uuids(ElUuidVisitor visit, void *arg)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "eventlog labels",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Relation	rel = table_open(SecLabelRelationId, AccessShareLock);
	ScanKeyData key[3];
	SysScanDesc scan;
	HeapTuple	tup;
	bool		goes_on = true;

	ScanKeyInit(&key[0], Anum_pg_seclabel_classoid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&key[1], Anum_pg_seclabel_objsubid, BTEqualStrategyNumber,
				F_INT4EQ, Int32GetDatum(0));
	ScanKeyInit(&key[2], Anum_pg_seclabel_provider, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(EL_LABEL_PROVIDER));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, lengthof(key), key);
	while (goes_on && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		MemoryContext each = AllocSetContextCreate(cxt, "eventlog label",
												   ALLOCSET_SMALL_SIZES);
		bool		isnull;
		Datum		label = heap_getattr(tup, Anum_pg_seclabel_label,
										 RelationGetDescr(rel), &isnull);
		ElTopicIdentity identity;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(each);
		if (!isnull && el_label_identity(TextDatumGetCString(label), &identity))
			goes_on = visit(((FormData_pg_seclabel *) GETSTRUCT(tup))->objoid,
							&identity, arg);
		MemoryContextSwitchTo(cxt);
		MemoryContextDelete(each);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/* An ElUuidVisitor. */
static bool
enter_uuid(Oid relid, const ElTopicIdentity *identity, void *labelled)
{
	ElLabelledTopic *t = hash_search(labelled, &identity->uuid, HASH_ENTER, NULL);

	t->relid = relid;
	return true;
}

HTAB *
el_labelled_topics(void)
{
	HTAB	   *labelled = el_hash_create("eventlog uuids", 64, sizeof(pg_uuid_t),
										  sizeof(ElLabelledTopic), CurrentMemoryContext);

	el_visit_uuids(enter_uuid, labelled);
	return labelled;
}

Oid
el_topic_with_uuid(HTAB *labelled, const pg_uuid_t *uuid)
{
	ElLabelledTopic *t = hash_search(labelled, uuid, HASH_FIND, NULL);
	Oid			made_from;

	if (t != NULL)
		return t->relid;
	made_from = el_uuid_to_oid(uuid);
	if (OidIsValid(made_from) && el_is_topic(made_from) &&
		el_label_get(made_from) == NULL)
		return made_from;
	return InvalidOid;
}

/*
 * What only one topic may have
 */
typedef struct Claim
{
	Oid			relid;			/* the topic that is to have it */
	const pg_uuid_t *uuid;		/* NULL: it is a kafka_name */
	const char *kafka_name;
	bool		taken;			/* another topic has it */
} Claim;

/* An ElUuidVisitor. */
static bool
check_claim(Oid relid, const ElTopicIdentity *identity, void *arg)
{
	Claim	   *claim = arg;

	claim->taken = relid != claim->relid &&
		(claim->uuid != NULL ?
		 memcmp(&identity->uuid, claim->uuid, UUID_LEN) == 0 :
		 strcmp(identity->kafka_name, claim->kafka_name) == 0);
	return !claim->taken;
}

/*
 * Until the transaction ends, nobody else gives the same to a topic.  A session that
 * waited for the lock sees the label of the one it waited for: pg_seclabel is
 * read with a new snapshot.
 */
static bool
is_taken(Claim *claim, const void *bytes, size_t len)
{
	LockDatabaseObject(SecLabelRelationId, hash_bytes(bytes, len),
					   claim->uuid != NULL ? 0 : 1, ShareUpdateExclusiveLock);
	el_visit_uuids(check_claim, claim);
	return claim->taken;
}

bool
el_uuid_is_taken(Oid relid, const pg_uuid_t *uuid)
{
	Claim		claim = {.relid = relid,.uuid = uuid};

	return is_taken(&claim, uuid->data, UUID_LEN);
}

void
el_check_kafka_name(Oid relid, const char *kafka_name)
{
	Claim		claim = {.relid = relid,.kafka_name = kafka_name};

	if (kafka_name[0] != '\0' && is_taken(&claim, kafka_name, strlen(kafka_name)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("another topic has the kafka_name \"%s\"", kafka_name),
				 errhint("Take another name, or change the other topic's first.")));
}
