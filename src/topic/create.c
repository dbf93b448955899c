/*-------------------------------------------------------------------------
 *
 * create.c
 *	  create_topic, alter_topic, drop_topic.
 *
 * A topic is made by the same statements that pg_dump would print for it, run
 * through SPI: so privileges, event triggers and the utility hook see nothing
 * new.
 *
 * IDENTIFICATION
 *	  src/topic/create.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/seclabel.h"
#include "commands/tablespace.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#include "base/arguments.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/extension.h"
#include "base/locks.h"
#include "topic/callbacks.h"
#include "topic/create.h"
#include "topic/options.h"
#include "topic/publications.h"
#include "topic/topic.h"
#include "topic/uuids.h"
#include "value/type_check.h"

#define TOPIC_COMMENT	"eventlog topic: produce(), consume(). Following it by SELECT can skip events."

/* Between two attempts to lock the DEFAULT partition, and how long to go on without lock_timeout. */
#define ATTACH_RETRY_MS		50
#define ATTACH_PATIENCE_MS	60000

EL_FUNCTION(eventlog_create_topic);
EL_FUNCTION(eventlog_alter_topic);
EL_FUNCTION(eventlog_drop_topic);

/* How deep we are in statements of ours; event triggers make it more than one. */
static int	running = 0;

static void
run_sql(const char *sql)
{
	int			rc = 0;

	running++;
	PG_TRY();
	{
		rc = SPI_execute(sql, false, 0);
	}
	PG_FINALLY();
	{
		running--;
	}
	PG_END_TRY();
	if (rc < 0)
		elog(ERROR, "SPI_execute failed: %s: %s", SPI_result_code_string(rc), sql);
}

bool
el_topic_being_made(void)
{
	return running > 0;
}

char *
el_partition_name(const char *topic, int32 n)
{
	char	   *name = n < 0 ? psprintf("%s_default", topic) :
		psprintf("%s_p%d", topic, n);

	Assert(n >= -1);
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("topic name \"%s\" is too long", topic),
				 errdetail("The name of its partition \"%s\" would exceed %d bytes.",
						   name, NAMEDATALEN - 1)));
	return name;
}

static RangeVar *
parse_topic_name(text *name)
{
	return makeRangeVarFromNameList(textToQualifiedNameList(name));
}

static void
check_partition_count(int64 n)
{
	if (n < 1 || n > EL_MAX_PARTITIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of partitions must be between 1 and %d, not %lld",
						EL_MAX_PARTITIONS, (long long) n)));
}

static void
check_type(Oid type, const char *what)
{
	HeapTuple	tup = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	ElTypeProblem problem;
	bool		ok = false;

	if (HeapTupleIsValid(tup))
	{
		Form_pg_type form = (Form_pg_type) GETSTRUCT(tup);

		ok = form->typisdefined && form->typtype != TYPTYPE_PSEUDO;
		ReleaseSysCache(tup);
	}
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type %s cannot be the %s of a topic",
						format_type_be(type), what),
				 errhint("Use a type that a table column can have.")));
	if (el_type_problem(type, &problem))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 problem.type == type ?
				 errmsg("type %s cannot be the %s of a topic",
						format_type_be(type), what) :
				 errmsg("type %s cannot be the %s of a topic: it has type %s inside",
						format_type_be(type), what,
						format_type_be(problem.type)),
				 errdetail_internal("%s", _(problem.detail)),
				 errhint("%s", _(problem.hint))));
}

static void
check_new_topic(int64 partitions, Oid key_type, Oid value_type)
{
	check_partition_count(partitions);
	check_type(key_type, "key_type");
	check_type(value_type, "value_type");
}

/* As SQL.  "typmod given" keeps character and bit from becoming character(1) and bit(1). */
static char *
column_type(Oid type)
{
	return format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY |
								FORMAT_TYPE_TYPEMOD_GIVEN);
}

static void
set_label(Oid relid, const ElTopicOptions *options, const pg_uuid_t *uuid)
{
	ObjectAddress address;

	Assert(el_relation_locked(relid, ShareUpdateExclusiveLock));
	el_check_kafka_name(relid, options->kafka_name);
	ObjectAddressSet(address, RelationRelationId, relid);
	SetSecurityLabel(&address, EL_LABEL_PROVIDER, el_label_make(options, uuid));
	CacheInvalidateRelcacheByRelid(relid);
	CommandCounterIncrement();
}

/* Error unless the table and its partitions may have these names; returns their schema. */
static Oid
check_topic_name(const RangeVar *rv, int32 partitions)
{
	Oid			nsp = RangeVarGetCreationNamespace(rv);

	if (isTempNamespace(nsp) || rv->relpersistence == RELPERSISTENCE_TEMP)
		el_not_supported("TEMPORARY", "Create the topic in a permanent schema.");
	(void) el_partition_name(rv->relname, -1);
	(void) el_partition_name(rv->relname, partitions - 1);
	return nsp;
}

void
el_lock_topic_name(const char *name)
{
	LockDatabaseObject(AccessMethodRelationId, el_am_oid(),
					   hash_bytes((const unsigned char *) name, strlen(name)) & 0xffff,
					   ShareUpdateExclusiveLock);
}

/*
 * The topic that has this name already, InvalidOid if nothing has; 42P07 unless
 * if_not_exists, and if it is not a topic.
 *
 * Sessions that create the same topic at once take turns, so that
 * if_not_exists holds; otherwise the later one would fail in a unique index
 * of the catalogs.
 */
static Oid
find_existing(const RangeVar *rv, Oid nsp, bool if_not_exists)
{
	Oid			relid;

	el_lock_topic_name(rv->relname);
	relid = get_relname_relid(rv->relname, nsp);
	if (!OidIsValid(relid))
		return InvalidOid;
	if (!if_not_exists || !el_is_topic(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", rv->relname),
				 el_is_topic(relid) ? 0 :
				 errdetail("It is not a topic.")));
	ereport(NOTICE,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("topic \"%s\" already exists, skipping", rv->relname)));
	return relid;
}

/* The table and its partitions, without label and comment. */
static Oid
create_tables(const RangeVar *rv, Oid nsp, int32 partitions, Oid key_type,
			  Oid value_type)
{
	char	   *schema = get_namespace_name(nsp);
	char	   *qualified = quote_qualified_identifier(schema, rv->relname);

	run_sql(psprintf("CREATE TABLE %s (partition pg_catalog.int4, event_offset pg_catalog.int8, "
					 "event_time pg_catalog.timestamptz, key %s, value %s, headers pg_catalog.jsonb) "
					 "PARTITION BY LIST (partition)",
					 qualified,
					 column_type(key_type), column_type(value_type)));

	for (int32 n = 0; n < partitions; n++)
	{
		CHECK_FOR_INTERRUPTS();
		run_sql(psprintf("CREATE TABLE %s PARTITION OF %s FOR VALUES IN (%d) USING eventlog",
						 quote_qualified_identifier(schema, el_partition_name(rv->relname, n)),
						 qualified, n));
	}

	/* last: each partition added beside it has it scanned */
	run_sql(psprintf("CREATE TABLE %s PARTITION OF %s DEFAULT USING eventlog",
					 quote_qualified_identifier(schema, el_partition_name(rv->relname, -1)),
					 qualified));
	return get_relname_relid(rv->relname, nsp);
}

/*
 * 42P07 if there is a relation of that name (a NOTICE, if it is a topic and
 * if_not_exists), 22023 for types and numbers that cannot be, 42622 for names that
 * are too long.  Table, partitions and label are made in this transaction, which
 * holds AccessExclusiveLock on them.
 */
Oid
el_create_topic(const RangeVar *rv, int64 partitions, Oid key_type,
				Oid value_type, const ElTopicOptions *options,
				bool if_not_exists, bool *made)
{
	Oid			nsp;
	Oid			relid;
	pg_uuid_t	uuid;

	check_new_topic(partitions, key_type, value_type);
	nsp = check_topic_name(rv, (int32) partitions);
	relid = find_existing(rv, nsp, if_not_exists);
	if (made != NULL)
		*made = !OidIsValid(relid);
	if (OidIsValid(relid))
		return relid;

	SPI_connect();
	relid = create_tables(rv, nsp, (int32) partitions, key_type, value_type);
	el_uuid_draw(&uuid);
	set_label(relid, options, &uuid);
	CreateComments(relid, RelationRelationId, 0, TOPIC_COMMENT);
	CommandCounterIncrement();
	SPI_finish();

	el_warn_of_publications(relid);
	return relid;
}

/* create_topic(topic text, partitions bigint, key_type regtype, value_type regtype, options jsonb, if_not_exists boolean) */
Datum
eventlog_create_topic(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"topic", "partitions", "key_type", "value_type"};
	RangeVar   *rv;
	ElTopicOptions options;

	el_args_not_null(fcinfo, names, lengthof(names));
	rv = parse_topic_name(PG_GETARG_TEXT_PP(0));
	el_require_write("create_topic()");

	/* what is said first: the form of the topic, then its options */
	check_new_topic(PG_GETARG_INT64(1), PG_GETARG_OID(2), PG_GETARG_OID(3));
	el_options_default(&options);
	if (!PG_ARGISNULL(4))
		el_options_apply(&options, PG_GETARG_JSONB_P(4), NULL);
	PG_RETURN_OID(el_create_topic(rv, PG_GETARG_INT64(1), PG_GETARG_OID(2),
								  PG_GETARG_OID(3), &options,
								  !PG_ARGISNULL(5) && PG_GETARG_BOOL(5), NULL));
}

/*
 * Attaching a partition locks the DEFAULT partition exclusively.  A
 * transaction with an INSERT or COPY open holds it; waiting in the lock's queue
 * would make every later one wait behind us, so the lock is tried now and then.
 */
static void
lock_default_leaf(ElTopic *t)
{
	TimestampTz start = GetCurrentTimestamp();
	int			patience = LockTimeout > 0 ? LockTimeout : ATTACH_PATIENCE_MS;

	while (!ConditionalLockRelationOid(t->default_leaf, AccessExclusiveLock))
	{
		if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(), patience))
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("could not add partitions to topic \"%s\": transactions that INSERT or COPY into it are open",
							t->name),
					 errhint("Try again when they have ended, or raise lock_timeout.")));

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ATTACH_RETRY_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Partitions old..new-1.  Keys will be spread over more partitions from now on; events stay where they are. */
static void
add_partitions(ElTopic *t, int32 from, int32 to)
{
	Oid			owner;
	Oid			tablespace;
	char	   *schema = get_namespace_name(get_rel_namespace(t->relid));
	char	   *qualified = quote_qualified_identifier(schema, t->name);
	char	   *space = "";
	HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(t->relid));

	Assert(from >= 0 && from < to);
	Assert(el_relation_locked(t->relid, ShareUpdateExclusiveLock));
	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for relation %u", t->relid);
	owner = ((Form_pg_class) GETSTRUCT(tup))->relowner;
	tablespace = ((Form_pg_class) GETSTRUCT(tup))->reltablespace;
	ReleaseSysCache(tup);
	if (OidIsValid(tablespace))
		space = psprintf(" TABLESPACE %s",
						 quote_identifier(get_tablespace_name(tablespace)));

	(void) el_partition_name(t->name, to - 1);

	SPI_connect();

	/* the long part first, then the short lock */
	for (int32 n = from; n < to; n++)
	{
		char	   *leaf = quote_qualified_identifier(schema, el_partition_name(t->name, n));

		CHECK_FOR_INTERRUPTS();
		run_sql(psprintf("CREATE TABLE %s (LIKE %s INCLUDING CONSTRAINTS) USING eventlog%s",
						 leaf, qualified, space));
		if (owner != GetUserId())
			run_sql(psprintf("ALTER TABLE %s OWNER TO %s", leaf,
							 quote_identifier(GetUserNameFromId(owner, false))));
	}

	if (OidIsValid(t->default_leaf))
		lock_default_leaf(t);

	for (int32 n = from; n < to; n++)
	{
		CHECK_FOR_INTERRUPTS();
		run_sql(psprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%d)",
						 qualified,
						 quote_qualified_identifier(schema, el_partition_name(t->name, n)),
						 n));
	}

	SPI_finish();
}

/*
 * alter_topic(topic regclass, options jsonb): what is named is changed, the rest
 * stays; "partitions" adds partitions.  The topic's owner alone.
 */
Datum
eventlog_alter_topic(PG_FUNCTION_ARGS)
{
	Oid			relid;
	ElTopic    *t;
	ElTopicOptions options;
	int64		partitions;

	el_arg_not_null(fcinfo, 0, "topic");
	el_arg_not_null(fcinfo, 1, "options");
	relid = PG_GETARG_OID(0);

	el_require_write("alter_topic()");

	/* two alter_topic exclude each other; producers and consumers go on */
	LockRelationOid(relid, ShareUpdateExclusiveLock);
	t = el_topic(relid);
	if (!el_is_owner(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, t->name);
	if (el_topic_callbacks != NULL)
		el_topic_callbacks->options_change(relid);

	/*
	 * segment_bytes is fixed when a log is made: a new value takes effect for
	 * partitions that are empty, after TRUNCATE, and for partitions added
	 * later.
	 */
	options = t->options;
	partitions = t->npartitions;
	el_options_apply(&options, PG_GETARG_JSONB_P(1), &partitions);

	if (partitions != t->npartitions)
	{
		if (partitions < t->npartitions)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("cannot reduce the number of partitions of topic \"%s\" from %d to %lld",
							t->name, t->npartitions, (long long) partitions),
					 errhint("The number of partitions may only grow.")));
		check_partition_count(partitions);
		set_label(relid, &options, &t->uuid);
		add_partitions(t, t->npartitions, partitions);
		if (el_topic_callbacks != NULL)
			el_topic_callbacks->topic_changed(relid, NULL);
	}
	else
		set_label(relid, &options, &t->uuid);

	PG_RETURN_VOID();
}

/* drop_topic(topic text, if_exists boolean): DROP TABLE, which has the rights and locks. */
Datum
eventlog_drop_topic(PG_FUNCTION_ARGS)
{
	RangeVar   *rv;
	bool		if_exists;
	Oid			relid;
	Oid			nsp;

	el_arg_not_null(fcinfo, 0, "topic");
	rv = parse_topic_name(PG_GETARG_TEXT_PP(0));
	if_exists = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);

	PreventCommandIfReadOnly("drop_topic()");
	PreventCommandDuringRecovery("drop_topic()");

	relid = RangeVarGetRelid(rv, NoLock, true);
	if (!OidIsValid(relid))
	{
		if (!if_exists)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("topic \"%s\" does not exist", rv->relname)));
		ereport(NOTICE,
				(errmsg("topic \"%s\" does not exist, skipping", rv->relname)));
		PG_RETURN_VOID();
	}
	if (!el_is_topic(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a topic", rv->relname)));

	nsp = get_rel_namespace(relid);
	SPI_connect();
	run_sql(psprintf("DROP TABLE %s",
					 quote_qualified_identifier(get_namespace_name(nsp), rv->relname)));
	SPI_finish();

	PG_RETURN_VOID();
}
