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

#include "base/arguments.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/extension.h"
#include "group/catalog.h"

/* Columns of _eventlog.groups and _eventlog.group_grants. */
#define ATT_GROUPS_NAME		1
#define ATT_GROUPS_OWNER	2
#define ATT_GROUPS_OPTIONS	3
#define ATT_GROUPS_CREATED	4
#define ATT_GROUPS_LAST_USED 5
#define ATT_GRANTS_GROUP	1
#define ATT_GRANTS_ROLE		2

static const char *const option_names =
"start_from, on_lost, session_timeout, max_poll_interval, expire_after";

static Relation
open_internal(const char *name, LOCKMODE lockmode)
{
	Oid			schema = get_namespace_oid(EL_INTERNAL_SCHEMA, false);
	Oid			relid = get_relname_relid(name, schema);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" does not exist", EL_INTERNAL_SCHEMA,
						name),
				 errhint("CREATE EXTENSION eventlog makes it.")));
	return table_open(relid, lockmode);
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
static const char *
string_value(const char *key, JsonbValue *v)
{
	if (v->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("group option \"%s\" must be a string", key)));
	return pnstrdup(v->val.string.val, v->val.string.len);
}

static int64
interval_value(const char *key, JsonbValue *v)
{
	const char *text = string_value(key, v);
	Interval   *interval;
	int64		ms;

	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
													 CStringGetDatum(text),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	ms = el_interval_ms(interval, key);
	if (ms < 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("group option \"%s\" must be at least one second", key)));
	return ms;
}

static void
set_option(ElGroupConf *conf, const char *key, JsonbValue *v)
{
	bool		null = v->type == jbvNull;

	if (strcmp(key, "start_from") == 0)
	{
		const char *s = null ? "earliest" : string_value(key, v);

		if (strcmp(s, "earliest") == 0)
			conf->start_latest = false;
		else if (strcmp(s, "latest") == 0)
			conf->start_latest = true;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value \"%s\" for group option \"%s\"", s,
							key),
					 errhint("Valid values are earliest and latest.")));
	}
	else if (strcmp(key, "on_lost") == 0)
	{
		const char *s = null ? "error" : string_value(key, v);

		if (strcmp(s, "error") == 0)
			conf->on_lost = EL_LOST_ERROR;
		else if (strcmp(s, "earliest") == 0)
			conf->on_lost = EL_LOST_EARLIEST;
		else if (strcmp(s, "latest") == 0)
			conf->on_lost = EL_LOST_LATEST;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value \"%s\" for group option \"%s\"", s,
							key),
					 errhint("Valid values are error, earliest and latest.")));
	}
	else if (strcmp(key, "session_timeout") == 0)
		conf->session_timeout_ms = null ? 45000 : interval_value(key, v);
	else if (strcmp(key, "max_poll_interval") == 0)
		conf->max_poll_ms = null ? 300000 : interval_value(key, v);
	else if (strcmp(key, "expire_after") == 0)
		conf->expire_after_ms = null ? -1 : interval_value(key, v);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized group option \"%s\"", key),
				 errhint("Valid options are %s.", option_names)));
}

void
el_group_conf_set(ElGroupConf *conf, Jsonb *options)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *key = NULL;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("group options must be a JSON object"),
				 errhint("Valid options are %s.", option_names)));
	it = JsonbIteratorInit(&options->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
			set_option(conf, key, &v);
	}
}

void
el_group_conf_defaults(ElGroupConf *conf, const char *name)
{
	memset(conf, 0, sizeof(*conf));
	strlcpy(conf->name, name, EL_NAME_SIZE);
	conf->on_lost = EL_LOST_ERROR;
	conf->session_timeout_ms = 45000;
	conf->max_poll_ms = 300000;
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
	int64		created = row_time(tuple, rel, ATT_GROUPS_CREATED);
	int64		last_used = row_time(tuple, rel, ATT_GROUPS_LAST_USED);

	conf->exists = true;
	conf->owner = DatumGetObjectId(heap_getattr(tuple, ATT_GROUPS_OWNER,
												RelationGetDescr(rel),
												&isnull));
	conf->noted_ms = Max(created, last_used);
	d = heap_getattr(tuple, ATT_GROUPS_OPTIONS, RelationGetDescr(rel),
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
	scan = scan_by_name(rel, ATT_GROUPS_NAME, name, &key);
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
		char	   *name = TextDatumGetCString(heap_getattr(tuple, ATT_GROUPS_NAME,
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
	scan = scan_by_name(rel, ATT_GRANTS_GROUP, conf->name, &key);
	while (!granted && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Oid			role = DatumGetObjectId(heap_getattr(tuple, ATT_GRANTS_ROLE,
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
