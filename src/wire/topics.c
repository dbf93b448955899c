/*-------------------------------------------------------------------------
 *
 * topics.c
 *	  broker_topics(): topics as Kafka's Metadata shows them; broker_interface().
 *
 * A topic's name in Kafka's protocol is its option kafka_name, whatever schema it is
 * in; else its table's name, if it is in one of the schemas given and Kafka allows
 * that name.  Of two with one name the option wins, then the earlier schema.
 *
 * IDENTIFICATION
 *	  src/wire/topics.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/hash.h"
#include "storage/epoch.h"
#include "topic/log_floor.h"
#include "topic/options.h"
#include "wire/arguments.h"
#include "wire/find.h"

EL_FUNCTION(eventlog_broker_interface);
EL_FUNCTION(eventlog_broker_topics);

/* Rises when one of the broker's functions changes. */
#define BROKER_INTERFACE	1

/* Kafka's AclOperation, as bits. */
#define OP_READ				(1 << 3)
#define OP_WRITE			(1 << 4)
#define OP_CREATE			(1 << 5)
#define OP_DELETE			(1 << 6)
#define OP_ALTER			(1 << 7)
#define OP_DESCRIBE			(1 << 8)
#define OP_DESCRIBE_CONFIGS (1 << 10)
#define OP_ALTER_CONFIGS	(1 << 11)

#define NCOLUMNS	7

/* A call of broker_topics(). */
typedef struct TopicsCall
{
	int			nschemas;
	Oid		   *schemas;		/* InvalidOid where there is none */
	ReturnSetInfo *rsinfo;
} TopicsCall;

/* A topic that has a name in the protocol. */
typedef struct Candidate
{
	char		name[EL_KAFKA_NAME_MAX + 1];	/* hash key, zeros behind it */
	Oid			relid;
	int			rank;			/* where it has its name from: 0 the option,
								 * then the schemas in order */
} Candidate;

Datum
eventlog_broker_interface(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(BROKER_INTERFACE);
}

/* What the current user may do with a topic: 0 if he may not even see it. */
static int32
operations(Oid relid)
{
	Oid			user = GetUserId();
	Oid			schema = get_rel_namespace(relid);
	int32		ops = 0;

	if (!OidIsValid(schema) ||
		el_schema_aclcheck(schema, user, ACL_USAGE) != ACLCHECK_OK)
		return 0;
	if (pg_class_aclcheck(relid, user, ACL_SELECT) == ACLCHECK_OK)
		ops |= OP_READ | OP_DESCRIBE | OP_DESCRIBE_CONFIGS;
	if (pg_class_aclcheck(relid, user, ACL_INSERT) == ACLCHECK_OK)
		ops |= OP_WRITE | OP_DESCRIBE;
	if (ops == 0)
		return 0;
	if (el_is_owner(relid, user))
		ops |= OP_DELETE | OP_ALTER | OP_DESCRIBE_CONFIGS | OP_ALTER_CONFIGS;
	if (el_schema_aclcheck(schema, user, ACL_CREATE) == ACLCHECK_OK)
		ops |= OP_CREATE;
	return ops;
}

static Datum
int_array(const int32 *values, int n)
{
	Datum	   *datums = palloc_array(Datum, Max(n, 1));
	ArrayType  *array;

	for (int i = 0; i < n; i++)
		datums[i] = Int32GetDatum(values[i]);
	array = construct_array(datums, n, INT4OID, sizeof(int32), true, TYPALIGN_INT);
	pfree(datums);
	return PointerGetDatum(array);
}

/*
 * A topic that somebody changes just now, or empties: what was committed of it, without a
 * lock, for whoever holds one may take long, and others want to hear of other topics.
 */
static bool
describe_locked(Oid relid, Datum *values)
{
	ElTopicIdentity identity;
	pg_uuid_t  *uuid = palloc_object(pg_uuid_t);
	int32	   *epochs;
	int32		n;

	if (!el_is_topic(relid))
		return false;
	el_wire_identity(relid, &identity);
	*uuid = identity.uuid;
	n = list_length(find_inheritance_children(relid, NoLock)) -
		OidIsValid(get_default_partition_oid(relid));
	values[1] = UUIDPGetDatum(uuid);
	values[3] = Int32GetDatum(n);
	epochs = palloc_array(int32, Max(n, 1));
	for (int32 i = 0; i < n; i++)
		epochs[i] = -1;
	values[4] = int_array(epochs, n);
	return true;
}

/*
 * The leader epoch in force of a partition, -1 if that is missing or locked.  It stays if
 * there is a log; else a restore may bring another.
 */
static int32
read_epoch(ElTopic *t, int32 partition, bool *stays)
{
	Relation	leaf;
	ElLogInfo	info;

	*stays = false;
	if (el_wire_leaf(t, partition, AccessShareLock, &leaf) != NULL)
		return -1;
	el_partition_info(t, partition, leaf, &info);
	*stays = info.exists;
	table_close(leaf, AccessShareLock);
	return el_epoch_in_force(&info.epoch).epoch;
}

/*
 * Those of all partitions.  While a server is on one timeline those of logs stay what they
 * are, so they are read once for as long as the topic is in the cache.
 */
static Datum
leader_epochs(ElTopic *t)
{
	const ElEpoch none = {0};
	TimeLineID	now = el_epoch_in_force(&none).timeline;
	int32	   *epochs = palloc_array(int32, Max(t->npartitions, 1));
	int32	   *kept = palloc_array(int32, Max(t->npartitions, 1));

	for (int32 i = 0; i < t->npartitions; i++)
	{
		bool		stays = t->epochs != NULL && t->epochs_on == now && t->epochs[i] >= 0;

		CHECK_FOR_INTERRUPTS();
		epochs[i] = stays ? t->epochs[i] : read_epoch(t, i, &stays);
		kept[i] = stays ? epochs[i] : -1;
	}
	if (t->epochs == NULL)
		t->epochs = MemoryContextAlloc(t->mcxt, Max(t->npartitions, 1) * sizeof(int32));
	memcpy(t->epochs, kept, t->npartitions * sizeof(int32));
	t->epochs_on = now;
	return int_array(epochs, t->npartitions);
}

/* A row: of a topic, or of a name that there is none for. */
static void
put_topic(const TopicsCall *c, const char *name, Oid relid, const char *wrong)
{
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS];
	ElTopic    *t = NULL;

	memset(nulls, true, sizeof(nulls));
	if (wrong == NULL)
	{
		t = el_topic_lock_if_there(relid, AccessShareLock, false);
		if (t == NULL && !describe_locked(relid, values))
			wrong = EL_WIRE_NO_TOPIC;
	}
	values[0] = CStringGetTextDatum(name);
	nulls[0] = false;
	if (wrong == NULL)
	{
		if (t != NULL)
		{
			values[1] = UUIDPGetDatum(&t->uuid);
			values[3] = Int32GetDatum(t->npartitions);
			values[4] = leader_epochs(t);
		}
		values[2] = ObjectIdGetDatum(relid);
		values[5] = Int32GetDatum(operations(relid));
		memset(nulls, false, NCOLUMNS - 1);
	}
	else
	{
		values[6] = CStringGetTextDatum(wrong);
		nulls[6] = false;
	}
	tuplestore_putvalues(c->rsinfo->setResult, c->rsinfo->setDesc, values, nulls);
	if (t != NULL)
		UnlockRelationOid(relid, AccessShareLock);
}

/* Where a schema stands in the list, from 1; 0 if it does not. */
static int
schema_rank(const TopicsCall *c, Oid schema)
{
	for (int i = 0; i < c->nschemas; i++)
	{
		if (c->schemas[i] == schema && OidIsValid(schema))
			return i + 1;
	}
	return 0;
}

/* Enter a topic that the current user may see, under its name. */
static void
enter_candidate(const TopicsCall *c, HTAB *candidates, Oid relid)
{
	char		name[EL_KAFKA_NAME_MAX + 1] = {0};
	int			rank = 0;
	bool		found;
	Candidate  *known;

	if (operations(relid) == 0)
		return;
	if (!el_wire_kafka_name(relid, name))
	{
		char	   *table = get_rel_name(relid);

		rank = schema_rank(c, get_rel_namespace(relid));
		if (rank == 0 || table == NULL || !el_kafka_name_valid(table, strlen(table)))
			return;
		memset(name, 0, sizeof(name));
		strlcpy(name, table, sizeof(name));
	}
	known = hash_search(candidates, name, HASH_ENTER, &found);
	if (!found || rank < known->rank)
	{
		known->relid = relid;
		known->rank = rank;
	}
}

/* All topics that the current user may see anything of. */
static void
put_all(const TopicsCall *c)
{
	HTAB	   *candidates = el_hash_create("eventlog broker list", 256,
											EL_KAFKA_NAME_MAX + 1, sizeof(Candidate),
											CurrentMemoryContext);
	HASH_SEQ_STATUS seq;
	Candidate  *candidate;
	ListCell   *lc;

	foreach(lc, el_all_topics())
	{
		CHECK_FOR_INTERRUPTS();
		enter_candidate(c, candidates, lfirst_oid(lc));
	}
	hash_seq_init(&seq, candidates);
	while ((candidate = hash_seq_search(&seq)) != NULL)
		put_topic(c, candidate->name, candidate->relid, NULL);
	hash_destroy(candidates);
}

static void
put_named(const TopicsCall *c, const char *name)
{
	Oid			relid = InvalidOid;
	const char *wrong = NULL;

	if (el_kafka_name_valid(name, strlen(name)))
		relid = el_wire_named(name, c->schemas, c->nschemas);
	if (!OidIsValid(relid))
		wrong = EL_WIRE_NO_TOPIC;
	else if (operations(relid) == 0)
		wrong = EL_WIRE_NO_RIGHT;
	put_topic(c, name, relid, wrong);
}

/* Text of an array, as C strings. */
static char **
text_array(ArrayType *array, int *n)
{
	Datum	   *datums;
	char	  **result;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &datums, NULL, n);
	result = palloc_array(char *, Max(*n, 1));
	for (int i = 0; i < *n; i++)
		result[i] = TextDatumGetCString(datums[i]);
	return result;
}

/* broker_topics(schemas text[], names text[]) */
Datum
eventlog_broker_topics(PG_FUNCTION_ARGS)
{
	TopicsCall	c = {0};
	char	  **names;
	int			n;

	c.schemas = el_wire_schemas(fcinfo, 0, &c.nschemas);
	InitMaterializedSRF(fcinfo, 0);
	c.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	el_check_catalog_version();
	if (PG_ARGISNULL(1))
	{
		put_all(&c);
		return (Datum) 0;
	}
	names = text_array(el_plain_array(fcinfo, 1, "names", -1), &n);
	for (int i = 0; i < n; i++)
		put_named(&c, names[i]);
	return (Datum) 0;
}
