/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Rows of groups made by create_group(): options, owner, rights.
 *
 * A group that nobody created has no row and the default options.  Rows are
 * looked up by index in each call (a few microseconds), so there is no cache
 * to go stale, also not after a restore.
 *
 * IDENTIFICATION
 *	  src/group/catalog.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "base/option_table.h"
#include "group/catalog.h"

Oid
el_internal_relid(const char *name)
{
	Oid			schema = get_namespace_oid(EL_INTERNAL_SCHEMA, false);
	Oid			relid = get_relname_relid(name, schema);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" does not exist", EL_INTERNAL_SCHEMA,
						name),
				 errhint("CREATE EXTENSION eventlog makes it.")));
	return relid;
}

static Relation
open_internal(const char *name, LOCKMODE lockmode)
{
	return table_open(el_internal_relid(name), lockmode);
}

/* Scan for a group name, by the primary key's index. */
static SysScanDesc
scan_by_name(Relation rel, AttrNumber attno, const char *name, ScanKey key)
{
	Oid			index = el_primary_key_index(rel);

	ScanKeyEntryInitialize(key, 0, attno, BTEqualStrategyNumber, InvalidOid,
						   TupleDescAttr(RelationGetDescr(rel), attno - 1)->attcollation,
						   F_TEXTEQ, CStringGetTextDatum(name));
	return systable_beginscan(rel, index, OidIsValid(index),
							  GetActiveSnapshot(), 1, key);
}

/*
 * Options
 */
#define DEFAULT_SESSION_TIMEOUT_MS	45000
#define DEFAULT_MAX_POLL_MS			300000

/* What el_interval_ms() allows, too. */
#define MAX_INTERVAL_MS				(PG_INT64_MAX / 4)

StaticAssertDecl(sizeof(ElStartFrom) == sizeof(int) && sizeof(ElOnLost) == sizeof(int),
				 "enums are set as EL_OPTION_CHOICE sets its field");

static const ElOptionChoice start_from_words[] = {
	{"earliest", EL_START_EARLIEST},
	{"latest", EL_START_LATEST},
	{NULL}
};

static const ElOptionChoice on_lost_words[] = {
	{"error", EL_LOST_ERROR},
	{"earliest", EL_LOST_EARLIEST},
	{"latest", EL_LOST_LATEST},
	{NULL}
};

/* null takes an option back to its default. */
#define CHOICE(name, field, words, def) \
	{name, EL_OPTION_CHOICE, offsetof(ElGroupConf, field), 0, 0, words, true, def}
#define INTERVAL(name, field, def) \
	{name, EL_OPTION_INTERVAL, offsetof(ElGroupConf, field), 1000, MAX_INTERVAL_MS, NULL, true, def}

static const ElOptionDef option_defs[] = {
	CHOICE("start_from", start_from, start_from_words, EL_START_EARLIEST),
	CHOICE("on_lost", on_lost, on_lost_words, EL_LOST_ERROR),
	INTERVAL("session_timeout", session_timeout_ms, DEFAULT_SESSION_TIMEOUT_MS),
	INTERVAL("max_poll_interval", max_poll_ms, DEFAULT_MAX_POLL_MS),
	INTERVAL("expire_after", expire_after_ms, -1)
};

static const ElOptionTable option_table = {
	"group", option_defs, lengthof(option_defs)
};

void
el_group_conf_set(ElGroupConf *conf, Jsonb *options)
{
	el_options_parse(&option_table, conf, options, NULL, NULL, "");
}

void
el_group_conf_defaults(ElGroupConf *conf, const char *name)
{
	memset(conf, 0, sizeof(*conf));
	strlcpy(conf->name, name, EL_NAME_SIZE);
	conf->start_from = EL_START_EARLIEST;
	conf->on_lost = EL_LOST_ERROR;
	conf->session_timeout_ms = DEFAULT_SESSION_TIMEOUT_MS;
	conf->max_poll_ms = DEFAULT_MAX_POLL_MS;
	conf->expire_after_ms = -1;
}

static int64
row_time(HeapTuple tuple, Relation rel, int att)
{
	bool		isnull;
	Datum		d = heap_getattr(tuple, att, RelationGetDescr(rel), &isnull);

	return isnull ? 0 : el_timestamptz_to_ms(DatumGetTimestampTz(d));
}

/* What the row of a group says. */
static void
conf_from_row(ElGroupConf *conf, HeapTuple tuple, Relation rel)
{
	bool		isnull;
	Datum		d;
	int64		created = row_time(tuple, rel, EL_ATT_GROUPS_CREATED);
	int64		last_used = row_time(tuple, rel, EL_ATT_GROUPS_LAST_USED);

	conf->exists = true;
	conf->owner = DatumGetObjectId(heap_getattr(tuple, EL_ATT_GROUPS_OWNER,
												RelationGetDescr(rel),
												&isnull));
	conf->noted_ms = Max(created, last_used);
	d = heap_getattr(tuple, EL_ATT_GROUPS_OPTIONS, RelationGetDescr(rel),
					 &isnull);
	if (!isnull)
		el_group_conf_set(conf, DatumGetJsonbP(d));
}

void
el_group_conf(const char *name, ElGroupConf *conf)
{
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	el_group_conf_defaults(conf, name);
	rel = open_internal("groups", AccessShareLock);
	scan = scan_by_name(rel, EL_ATT_GROUPS_NAME, name, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		conf_from_row(conf, tuple, rel);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

List *
el_group_confs(void)
{
	Relation	rel = open_internal("groups", AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false,
										  GetActiveSnapshot(), 0, NULL);
	List	   *result = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		char	   *name = TextDatumGetCString(heap_getattr(tuple, EL_ATT_GROUPS_NAME,
															RelationGetDescr(rel),
															&isnull));
		ElGroupConf *conf;

		if (strlen(name) >= EL_NAME_SIZE)
			continue;
		conf = palloc_object(ElGroupConf);
		el_group_conf_defaults(conf, name);
		conf_from_row(conf, tuple, rel);
		result = lappend(result, conf);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * Rights
 */
void
el_group_check_owner(const ElGroupConf *conf)
{
	if (conf->exists && !has_privs_of_role(GetUserId(), conf->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of group \"%s\"", conf->name)));
}

bool
el_group_may_use(const ElGroupConf *conf)
{
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		granted = false;

	if (has_privs_of_role(GetUserId(), conf->owner))
		return true;

	rel = open_internal("group_grants", AccessShareLock);
	scan = scan_by_name(rel, EL_ATT_GRANTS_GROUP, conf->name, &key);
	while (!granted && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Oid			role = DatumGetObjectId(heap_getattr(tuple, EL_ATT_GRANTS_ROLE,
														 RelationGetDescr(rel),
														 &isnull));

		granted = has_privs_of_role(GetUserId(), role);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return granted;
}

void
el_group_check_use(const ElGroupConf *conf)
{
	if (conf->exists && !el_group_may_use(conf))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for group \"%s\"", conf->name),
				 errhint("Its owner may use it, members of that role, and roles it was granted to.")));
}

/*
 * Statements on the internal tables, as their owner: the caller's rights were
 * checked, and it has none on the tables.
 */
uint64
el_internal_sql(const char *sql, int nargs, Oid *types, Datum *values)
{
	Oid			user;
	int			context;
	Relation	rel = open_internal("groups", AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;
	uint64		n;
	int			rc;

	table_close(rel, AccessShareLock);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
	SPI_connect();
	rc = SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_with_args returned %d", rc);
	n = SPI_processed;
	SPI_finish();
	SetUserIdAndSecContext(user, context);
	return n;
}
