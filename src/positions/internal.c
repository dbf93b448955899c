/*-------------------------------------------------------------------------
 *
 * internal.c
 *	  Internal topics of one partition: finding, locking and appending to them.
 *
 * IDENTIFICATION
 *	  src/positions/internal.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

#include "base/extension.h"
#include "kafka/compression.h"
#include "kafka/scratch.h"
#include "positions/internal.h"
#include "storage/append.h"
#include "storage/compact.h"
#include "storage/log.h"
#include "topic/callbacks.h"
#include "topic/log_floor.h"
#include "topic/topic.h"

/*
 * Relations are asked for by each transaction that appends.  What was found is right
 * until a table or schema comes, goes or is renamed.
 */
static uint64 relation_changes = 1;

void
el_internal_forget(Datum arg, int cacheid, uint32 hashvalue)
{
	relation_changes++;
}

bool
el_internal_relations(ElInternalTopic *it, Oid *topic, Oid *leaf)
{
	if (it->found_at != relation_changes)
	{
		/*
		 * invalidations may arrive during the lookups, and a lookup may
		 * raise: note the counter first
		 */
		uint64		changes = relation_changes;
		Oid			schema = get_namespace_oid(EL_INTERNAL_SCHEMA, true);

		it->topic = it->leaf = InvalidOid;
		if (OidIsValid(schema))
		{
			it->topic = get_relname_relid(it->name, schema);
			it->leaf = get_relname_relid(it->leaf_name, schema);
		}
		it->found_at = changes;
	}
	*topic = it->topic;
	*leaf = it->leaf;
	return OidIsValid(it->topic) && OidIsValid(it->leaf);
}

void
el_internal_require(ElInternalTopic *it, Oid *topic, Oid *leaf)
{
	if (!el_internal_relations(it, topic, leaf))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" does not exist", EL_INTERNAL_SCHEMA, it->name),
				 errhint("CREATE EXTENSION eventlog, or ALTER EXTENSION eventlog UPDATE, makes it.")));
}

void
el_internal_lock(ElInternalTopic *it)
{
	Oid			topic;
	Oid			leaf;

	el_internal_require(it, &topic, &leaf);
	LockRelationOid(topic, RowExclusiveLock);
	LockRelationOid(leaf, RowExclusiveLock);
}

Relation
el_internal_open(ElInternalTopic *it)
{
	Oid			topic;
	Oid			leaf;

	el_internal_require(it, &topic, &leaf);
	LockRelationOid(topic, RowExclusiveLock);
	return table_open(leaf, RowExclusiveLock);
}

Relation
el_internal_open_if_free(ElInternalTopic *it)
{
	Oid			topic;
	Oid			leaf;

	if (!el_internal_relations(it, &topic, &leaf) ||
		!ConditionalLockRelationOid(topic, RowExclusiveLock) ||
		!ConditionalLockRelationOid(leaf, RowExclusiveLock))
		return NULL;
	/* it may have been dropped just before */
	return try_table_open(leaf, NoLock);
}

/* Now and then: should the worker compact the topic? */
static void
ask_for_compaction(ElInternalTopic *it, Relation rel, int nevents)
{
	ElLogInfo	info;

	if (it->appends++ % 16 != 0 && nevents < 16)
		return;
	el_log_info(rel, &info);
	if (el_compaction_due(&info) && el_topic_callbacks != NULL)
		el_topic_callbacks->compaction_due();
}

int64
el_internal_append(Relation rel, ElInternalTopic *it, ElBatchBuilder *builder,
				   FullTransactionId fxid)
{
	ElScratch	scratch = {0};
	ElLogOptions options;
	ElAppend	batch;
	size_t		len;

	el_log_options(el_topic(it->topic), 0, rel, &options);
	ask_for_compaction(it, rel, builder->count);
	batch.batch = el_batch_finish(builder, EL_CODEC_NONE, &scratch, &len);
	batch.len = len;
	el_log_append(rel, &options, &batch, 1, fxid, GetCurrentCommandId(true), -1);
	return batch.base_offset;
}
