/*-------------------------------------------------------------------------
 *
 * extension.c
 *	  Is the library preloaded, is the extension here, and of which version?
 *
 * IDENTIFICATION
 *	  src/base/extension.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_extension.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/extension.h"

EL_FUNCTION(eventlog_require_preload);

bool		el_preloaded = false;

/* What the catalogs say, until el_extension_changed() is called. */
static Oid	am_oid_cache = InvalidOid;
static bool am_oid_valid = false;
static bool catalog_known = false;

void
el_require_preload(void)
{
	if (!el_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_EL_NOT_PRELOADED),
				 errmsg("eventlog must be loaded at server start"),
				 errhint("Add it to shared_preload_libraries, best as the first entry, and restart the server.")));
}

/* CREATE EXTENSION calls it first, so that it fails at once where the library is not preloaded. */
Datum
eventlog_require_preload(PG_FUNCTION_ARGS)
{
	el_require_preload();
	PG_RETURN_VOID();
}

void
el_require_primary(const char *command)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s during recovery", command),
				 errhint("This server is a standby; send it to the primary.")));
	PreventCommandIfParallelMode(command);
}

void
el_require_write(const char *command)
{
	el_require_preload();
	el_require_primary(command);
	PreventCommandIfReadOnly(command);
}

void
el_extension_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	am_oid_valid = false;
	catalog_known = false;
}

/* Negative answers are cached too: DDL in a database without the extension asks often. */
Oid
el_am_oid(void)
{
	if (!am_oid_valid)
	{
		if (!IsTransactionState())
			return InvalidOid;
		am_oid_cache = get_table_am_oid(EL_AM_NAME, true);
		am_oid_valid = true;
	}
	return am_oid_cache;
}

/* The extension's version as palloc'd text, NULL if it has none; an error if the extension is not here. */
static char *
extension_version(void)
{
	Oid			extension = get_extension_oid("eventlog", false);
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);

		if (!isnull)
			version = TextDatumGetCString(datum);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}

void
el_check_catalog_version(void)
{
	char	   *version;

	Assert(IsTransactionState());
	if (catalog_known)
		return;
	version = extension_version();
	if (version == NULL || strtol(version, NULL, 10) != EL_CATALOG_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("extension \"eventlog\" has version %s, this library knows versions %d.x",
						version ? version : "null", EL_CATALOG_VERSION),
				 errhint("Install the library of that version, or run ALTER EXTENSION eventlog UPDATE.")));
	catalog_known = true;
}
