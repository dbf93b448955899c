/*-------------------------------------------------------------------------
 *
 * producer_id.c
 *	  broker_init_producer(): a producer id that no log has.
 *
 * Ids come from a sequence.  It is in the WAL ahead of the batches that have its
 * numbers, so neither a crash nor a failover repeats one that is in a log; pg_upgrade
 * takes it along, and dumps have it as the extension's configuration.
 *
 * IDENTIFICATION
 *	  src/wire/producer_id.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/extension.h"
#include "wire/durable.h"
#include "wire/producers.h"

EL_FUNCTION(eventlog_broker_init_producer);

/* broker_init_producer() */
Datum
eventlog_broker_init_producer(PG_FUNCTION_ARGS)
{
	Oid			sequence;
	int64		id;

	el_require_write("broker_init_producer()");
	sequence = get_relname_relid("producer_ids", get_namespace_oid(EL_INTERNAL_SCHEMA, false));
	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("sequence \"%s.producer_ids\" does not exist", EL_INTERNAL_SCHEMA),
				 errhint("Run ALTER EXTENSION eventlog UPDATE.")));
	/* anybody may have one */
	id = nextval_internal(sequence, false);
	el_producers_note_id(id);

	/*
	 * a client that holds an id would be taken for another one that got it
	 * again
	 */
	el_commit_behind_all();
	ForceSyncCommit();
	PG_RETURN_INT64(id);
}
