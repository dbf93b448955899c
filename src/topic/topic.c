/*-------------------------------------------------------------------------
 *
 * topic.c
 *	  The cache of topics.
 *
 * Two backend-local hash tables: topic table -> ElTopic, and partition table ->
 * (topic, number).  A relcache invalidation of the topic or of any of its
 * partitions marks the entry invalid and the next el_topic() loads it again;
 * what was handed out before lives on until the transaction ends, because
 * callers hold pointers into it.  The security label is not in the relcache:
 * code that changes it sends an invalidation, too (label provider in ddl.c).
 *
 * Loading looks at several catalogs, and each look-up may let in an
 * invalidation of what has been read before, while there is no valid entry
 * that it could mark.  So invalidations are counted, and what was loaded while
 * the count changed is loaded again.
 *
 * IDENTIFICATION
 *	  src/topic/topic.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_partitioned_table.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/catcache.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/extension.h"
#include "base/hash.h"
#include "base/locks.h"
#include "base/privileges.h"
#include "topic/options.h"
#include "topic/shape.h"
#include "topic/topic.h"

/* A partition number beyond this is a mistake, not a topic; bounds the array of leaves. */
#define EL_PARTITION_NUMBER_LIMIT	1000000

/* Attempts to load a topic without invalidations coming in meanwhile. */
#define MAX_LOADS	10

typedef struct TopicEntry
{
	Oid			relid;			/* hash key */
	bool		valid;			/* topic may be used */
	ElTopic    *topic;			/* NULL before the first load */
	uint32		next_partition; /* round robin for null keys */
} TopicEntry;

typedef struct LeafEntry
{
	Oid			leaf;			/* hash key */
	bool		valid;
	Oid			topic;
	int32		partition;		/* -1: the DEFAULT partition */
} LeafEntry;

static HTAB *topics = NULL;
static HTAB *leaves = NULL;

/* Calls of el_topic_invalidate(), for whatever relation. */
static uint64 invalidations = 0;

/* Replaced in this transaction; freed when it ends. */
static ElTopic *stale_topics = NULL;

/* Must not fail, nor look at any catalog. */
void
el_topic_invalidate(Datum arg, Oid relid)
{
	TopicEntry *topic;
	LeafEntry  *leaf;

	invalidations++;
	if (!topics || !leaves)
		return;

	if (!OidIsValid(relid))
	{
		HASH_SEQ_STATUS seq;

		hash_seq_init(&seq, topics);
		while ((topic = hash_seq_search(&seq)) != NULL)
			topic->valid = false;
		hash_seq_init(&seq, leaves);
		while ((leaf = hash_seq_search(&seq)) != NULL)
			leaf->valid = false;
		return;
	}

	topic = hash_search(topics, &relid, HASH_FIND, NULL);
	if (topic)
		topic->valid = false;

	leaf = hash_search(leaves, &relid, HASH_FIND, NULL);
	if (leaf)
	{
		leaf->valid = false;
		topic = hash_search(topics, &leaf->topic, HASH_FIND, NULL);
		if (topic)
			topic->valid = false;
	}
}

uint64
el_topic_changes(void)
{
	return invalidations;
}

static void
init_cache(void)
{
	if (!CacheMemoryContext)
		CreateCacheMemoryContext();

	if (!topics)
		topics = el_hash_create("eventlog topics", 64, sizeof(Oid),
								sizeof(TopicEntry), CacheMemoryContext);
	if (!leaves)
		leaves = el_hash_create("eventlog partitions", 256, sizeof(Oid),
								sizeof(LeafEntry), CacheMemoryContext);
}

/*
 * Fill in the partitions.  Returns what is wrong, or NULL.
 */
static const char *
load_partitions(ElTopic *t, Relation rel)
{
	PartitionDesc desc = RelationGetPartitionDesc(rel, true);
	PartitionBoundInfo bounds = desc->boundinfo;
	int			nlisted;

	if (desc->nparts == 0)
	{
		/*
		 * what pg_dump creates first, or a topic of which only the label is
		 * left
		 */
		return t->labelled ? NULL : "it has no partitions";
	}

	for (int i = 0; i < desc->nparts; i++)
	{
		if (!el_is_leaf(desc->oids[i]))
			return "a partition does not use access method eventlog";
	}

	Assert(bounds->strategy == PARTITION_STRATEGY_LIST);
	nlisted = desc->nparts;
	if (bounds->default_index >= 0)
	{
		t->default_leaf = desc->oids[bounds->default_index];
		nlisted--;
	}

	if (bounds->null_index >= 0 || bounds->ndatums != nlisted)
		return "a partition is not FOR VALUES IN one number";

	/* list bounds are sorted */
	for (int i = 0; i < bounds->ndatums; i++)
	{
		int32		n = DatumGetInt32(bounds->datums[i][0]);

		Assert(n >= t->npartitions || n < 0);
		if (n < 0 || n >= EL_PARTITION_NUMBER_LIMIT)
			return "a partition number is out of range";
		t->npartitions = n + 1;
	}

	t->leaves = MemoryContextAllocZero(t->mcxt,
									   sizeof(Oid) * Max(t->npartitions, 1));
	for (int i = 0; i < bounds->ndatums; i++)
	{
		Assert(bounds->indexes[i] >= 0 && bounds->indexes[i] < desc->nparts);
		t->leaves[DatumGetInt32(bounds->datums[i][0])] =
			desc->oids[bounds->indexes[i]];
	}

	return NULL;
}

static void
remember_leaf(Oid leaf, Oid topic, int32 partition, bool valid)
{
	LeafEntry  *e = hash_search(leaves, &leaf, HASH_ENTER, NULL);

	Assert(OidIsValid(leaf) && partition >= -1);
	e->topic = topic;
	e->partition = partition;
	e->valid = valid;
}

/*
 * Load a topic.  NULL if relid is not one, and why; *exists tells whether there
 * is such a relation at all.
 */
static ElTopic *
load_topic(Oid relid, const char **why, bool *exists)
{
	Relation	rel;
	MemoryContext mcxt;
	MemoryContext old;
	ElTopic    *t;
	TupleConstr *constr;
	char	   *label;

	*why = NULL;
	*exists = false;

	rel = try_relation_open(relid, AccessShareLock);
	if (!rel)
		return NULL;
	*exists = true;

	*why = el_topic_shape_problem(rel);
	if (*why)
	{
		relation_close(rel, AccessShareLock);
		return NULL;
	}

	/*
	 * below a short-lived context until it is complete, so that errors leak
	 * nothing
	 */
	mcxt = AllocSetContextCreate(CurrentMemoryContext, "eventlog topic",
								 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(mcxt);

	t = palloc0(sizeof(ElTopic));
	t->relid = relid;
	t->loaded_by = GetTopTransactionIdIfAny();
	t->mcxt = mcxt;
	t->name = pstrdup(RelationGetRelationName(rel));
	MemoryContextCopyAndSetIdentifier(mcxt, t->name);

	label = el_label_get(relid);
	if (label)
		t->labelled = true;
	el_options_default(&t->options);
	if (!label || !el_label_parse(label, false, &t->options, &t->uuid))
		el_uuid_from_oid(relid, &t->uuid);

	*why = load_partitions(t, rel);
	if (*why)
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(mcxt);
		relation_close(rel, AccessShareLock);
		return NULL;
	}

	t->tupdesc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	Assert(t->tupdesc->natts == EL_NATTS);
	constr = t->tupdesc->constr;
	t->has_check = constr && (constr->num_check > 0 || constr->has_not_null);

	el_serde_init(&t->key,
				  TupleDescAttr(t->tupdesc, EL_ATT_KEY - 1)->atttypid,
				  TupleDescAttr(t->tupdesc, EL_ATT_KEY - 1)->atttypmod, mcxt);
	el_serde_init(&t->value,
				  TupleDescAttr(t->tupdesc, EL_ATT_VALUE - 1)->atttypid,
				  TupleDescAttr(t->tupdesc, EL_ATT_VALUE - 1)->atttypmod, mcxt);

	MemoryContextSwitchTo(old);
	relation_close(rel, AccessShareLock);

	return t;
}

/* The slow half of el_topic(): load it, keep it in the cache. */
static ElTopic *
fill_cache(Oid relid, const char **why, bool *exists)
{
	TopicEntry *e;
	ElTopic    *t;
	bool		found;
	bool		current;

	Assert(IsTransactionState());
	init_cache();

	for (int i = 1;; i++)
	{
		uint64		before = invalidations;

		t = load_topic(relid, why, exists);
		current = invalidations == before;
		if (current || i >= MAX_LOADS)
			break;

		/* maybe of other relations only, but here nobody can tell */
		if (t)
			MemoryContextDelete(t->mcxt);
		CHECK_FOR_INTERRUPTS();
	}
	if (!t)
		return NULL;

	e = hash_search(topics, &relid, HASH_ENTER, &found);
	if (!found)
	{
		e->topic = NULL;

		/*
		 * sessions that produce one event each must not all choose partition
		 * 0
		 */
		e->next_partition = pg_prng_uint32(&pg_global_prng_state);
	}
	e->valid = false;

	for (int i = 0; i < t->npartitions; i++)
	{
		if (OidIsValid(t->leaves[i]))
			remember_leaf(t->leaves[i], relid, i, current);
	}
	if (OidIsValid(t->default_leaf))
		remember_leaf(t->default_leaf, relid, -1, current);

	/* nothing below can fail */
	MemoryContextSetParent(t->mcxt, CacheMemoryContext);
	Assert(!found || e->topic == NULL || e->topic->relid == relid);
	if (e->topic)
	{
		e->topic->next_stale = stale_topics;
		stale_topics = e->topic;
	}
	t->next_partition = &e->next_partition;
	e->topic = t;

	/* under a storm of invalidations it serves this caller, not the next */
	e->valid = current;

	return t;
}

static inline ElTopic *
cached_topic(Oid relid)
{
	/*
	 * asked for each event, most often for the same one; entries stay where
	 * they are
	 */
	static TopicEntry *e = NULL;

	if (e == NULL || e->relid != relid)
	{
		if (!topics)
			return NULL;
		e = hash_search(topics, &relid, HASH_FIND, NULL);
	}
	Assert(e == NULL || !e->valid ||
		   (e->topic != NULL && e->topic->relid == relid));
	return e && e->valid ? e->topic : NULL;
}

/* Hot: for each event that is produced, most often for the topic of the last one. */
ElTopic *
el_topic(Oid relid)
{
	ElTopic    *t = cached_topic(relid);
	const char *why;
	bool		exists;

	Assert(el_relation_locked(relid, AccessShareLock));
	el_check_catalog_version();
	if (t)
		return t;

	t = fill_cache(relid, &why, &exists);
	if (t)
		return t;

	if (!exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("topic with OID %u does not exist", relid)));

	if (el_is_leaf(relid) && get_rel_relispartition(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a topic", get_rel_name(relid)),
				 errdetail("It is a partition of topic \"%s\".",
						   get_rel_name(get_partition_parent(relid, true)))));

	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a topic", get_rel_name(relid)),
			 errdetail_internal("%c%s.", pg_toupper((unsigned char) why[0]), why + 1),
			 el_has_topic_columns(relid) ?
			 errhint("It has the columns of one: a tool may have copied the schema as plain tables. Drop it and use create_topic(), or load a dump by pg_dump.") :
			 errhint("Use create_topic() to create a topic.")));
	return NULL;				/* keep compiler quiet */
}

ElTopic *
el_topic_or_null(Oid relid)
{
	ElTopic    *t = cached_topic(relid);
	const char *why;
	bool		exists;

	if (t)
		return t;

	/* cheap for everything that is obviously something else */
	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return NULL;

	return fill_cache(relid, &why, &exists);
}

/* Loading the topic locks it with AccessShareLock for a moment, after the leaf. */
ElTopic *
el_topic_of_leaf(Oid leaf, int32 *partition)
{
	LeafEntry  *e = NULL;
	ElTopic    *t;

	Assert(el_relation_locked(leaf, AccessShareLock));
	if (leaves)
		e = hash_search(leaves, &leaf, HASH_FIND, NULL);

	if (!e || !e->valid)
	{
		if (!get_rel_relispartition(leaf))
			return NULL;
		if (!el_topic_or_null(get_partition_parent(leaf, true)))
			return NULL;

		e = hash_search(leaves, &leaf, HASH_FIND, NULL);
		if (!e)
			return NULL;

		if (!e->valid)
		{
			/*
			 * the topic was loaded after the leaf was invalidated, or is
			 * being now
			 */
			Oid			topic = get_partition_parent(leaf, true);
			const char *why;
			bool		exists;

			if (!fill_cache(topic, &why, &exists))
				return NULL;
			e = hash_search(leaves, &leaf, HASH_FIND, NULL);
			if (!e)
				return NULL;
		}
	}

	t = el_topic_or_null(e->topic);
	if (!t)
		return NULL;

	/* loading it may have found that the leaf has another number, or none */
	e = hash_search(leaves, &leaf, HASH_FIND, NULL);
	if (!e || e->topic != t->relid)
		return NULL;
	Assert(e->partition == -1 ? t->default_leaf == leaf :
		   e->partition < t->npartitions && t->leaves[e->partition] == leaf);
	if (partition)
		*partition = e->partition;
	return t;
}

ElTopic *
el_topic_lock_if_there(Oid relid, LOCKMODE mode, bool wait)
{
	ElTopic    *t;

	if (wait)
		LockRelationOid(relid, mode);
	else if (!ConditionalLockRelationOid(relid, mode))
		return NULL;

	t = el_topic_or_null(relid);
	if (t == NULL)
		UnlockRelationOid(relid, mode);
	return t;
}

/* The right first: a user who may not read must not get in the way of others by a lock. */
ElTopic *
el_topic_to_read(Oid relid)
{
	bool		is_missing = false;
	AclResult	acl = pg_class_aclcheck_ext(relid, GetUserId(), ACL_SELECT,
											&is_missing);

	/* el_topic() says that it is missing */
	if (acl != ACLCHECK_OK && !is_missing)
		aclcheck_error(acl, OBJECT_TABLE, get_rel_name(relid));
	if (!is_missing)
		el_audit_right(relid, ACL_SELECT);
	LockRelationOid(relid, AccessShareLock);
	return el_topic(relid);
}

/* Cheap for a topic that is in the cache: this runs for each statement on a partitioned table. */
bool
el_is_topic(Oid relid)
{
	if (!OidIsValid(el_am_oid()))
		return false;
	return cached_topic(relid) != NULL || el_looks_like_topic(relid);
}

Relation
el_open_leaf(const ElTopic *t, int32 partition)
{
	Assert(partition >= 0);
	if (partition >= t->npartitions || !OidIsValid(t->leaves[partition]))
		return NULL;
	return try_table_open(t->leaves[partition], AccessShareLock);
}

/*
 * A change of ours made us load the topic anew; our xid came before it.  The
 * relation cache does not let go of tables that this transaction has created.
 */
int32
el_topic_partitions_before(const ElTopic *t)
{
	int32		n;

	if (!TransactionIdIsValid(t->loaded_by) ||
		t->loaded_by != GetTopTransactionIdIfAny())
		return t->npartitions;
	for (n = 0; n < t->npartitions; n++)
	{
		Relation	leaf = el_open_leaf(t, n);
		bool		ours = leaf != NULL &&
			leaf->rd_createSubid != InvalidSubTransactionId;

		if (leaf != NULL)
			table_close(leaf, AccessShareLock);
		if (ours)
			break;
	}
	return n;
}

/* A pass over pg_partitioned_table; takes no lock on topics, so they may be gone when they are looked at. */
List *
el_all_topics(void)
{
	List	   *result = NIL;
	List	   *partitioned = NIL;
	Oid			internal = get_namespace_oid(EL_INTERNAL_SCHEMA, true);
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tup;
	ListCell   *lc;

	Assert(IsTransactionState());
	if (!OidIsValid(el_am_oid()))
		return NIL;

	/* collect first: el_is_topic() looks at other catalogs */
	rel = table_open(PartitionedRelationId, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
		partitioned = lappend_oid(partitioned,
								  ((Form_pg_partitioned_table) GETSTRUCT(tup))->partrelid);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	foreach(lc, partitioned)
	{
		Oid			relid = lfirst_oid(lc);

		CHECK_FOR_INTERRUPTS();
		if (el_is_topic(relid) && get_rel_namespace(relid) != internal)
			result = lappend_oid(result, relid);
	}
	list_free(partitioned);

	return result;
}

void
el_topic_xact_end(void)
{
	while (stale_topics)
	{
		ElTopic    *t = stale_topics;

		stale_topics = t->next_stale;
		MemoryContextDelete(t->mcxt);
	}
}
