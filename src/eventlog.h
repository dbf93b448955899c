/*-------------------------------------------------------------------------
 *
 * eventlog.h
 *	  Settings, error codes and entry points shared by all modules.
 *
 * IDENTIFICATION
 *	  src/eventlog.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVENTLOG_H
#define EVENTLOG_H

#include "postgres.h"

#include "access/xact.h"
#include "storage/lock.h"
#include "utils/resowner.h"

#include "base/compat.h"

/* Error codes a client can act on; the reference documents each. */
#define ERRCODE_EL_FENCED			MAKE_SQLSTATE('4', '0', 'L', '0', '1')
#define ERRCODE_EL_NOT_MEMBER		MAKE_SQLSTATE('E', 'L', '0', '0', '1')
#define ERRCODE_EL_NOT_OWNED		MAKE_SQLSTATE('E', 'L', '0', '0', '2')
#define ERRCODE_EL_NO_GROUP			MAKE_SQLSTATE('E', 'L', '0', '0', '3')
#define ERRCODE_EL_EVENTS_LOST		MAKE_SQLSTATE('E', 'L', '0', '0', '4')
#define ERRCODE_EL_NOT_PRELOADED	MAKE_SQLSTATE('E', 'L', '0', '0', '5')

#define EL_INTERNAL_SCHEMA			"_eventlog"
#define EL_LABEL_PROVIDER			"eventlog"
#define EL_AM_NAME					"eventlog"

/* Settings; eventlog.c says what each trades. */
extern int	el_producer_buffer_kb;	/* eventlog.producer_buffer */
extern bool el_terminate_stuck_consumers;
extern int	el_retention_check_interval_s;
extern int	el_group_memory_kb; /* eventlog.group_memory, shared */
extern int	el_max_waiters;		/* eventlog.max_waiters, shared */
extern bool el_enable_seek;		/* eventlog.enable_seek */

/* Was the library in shared_preload_libraries? */
extern bool el_preloaded;

/* EL005 unless preloaded: writing and groups need the resource manager and shared memory. */
extern void el_require_preload(void);

/* OID of our table access method in this database, InvalidOid without the extension; cached. */
extern Oid	el_am_oid(void);
/* OID of the schema CREATE EXTENSION chose; error if the extension is not here. */
extern Oid	el_extension_schema(void);

/*
 * The catalogs in schema _eventlog are of the extension's version, not of the library's:
 * 0A000 if its first number, which changes with them, is another one.
 */
#define EL_CATALOG_VERSION	1
extern void el_check_catalog_version(void);

/*
 * Run step(arg) in a subtransaction.  NULL, or what went wrong, in
 * CurrentMemoryContext; a cancelled query, a lock timeout and the like stay errors.
 */
extern ErrorData *el_attempt(void (*step) (void *), void *arg);

/* Functions that return events, by SQL's arguments. */
extern Datum eventlog_read_topic(PG_FUNCTION_ARGS);
extern Datum eventlog_latest(PG_FUNCTION_ARGS);
extern Datum eventlog_claim(PG_FUNCTION_ARGS);
extern Datum eventlog_consume(PG_FUNCTION_ARGS);
extern Datum eventlog_consume_bytes(PG_FUNCTION_ARGS);
extern Datum eventlog_consume_as(PG_FUNCTION_ARGS);

/* "%s is not supported on topics", 0A000, with a hint what to do instead. */
extern void el_not_supported(const char *what, const char *hint) pg_attribute_noreturn();

/*
 * Entry points called by eventlog.c, one block per module.
 */

/* storage/wal.c */
extern void el_wal_register(void);

/* topic/ddl.c: ProcessUtility, object access hook, executor start hook, label provider */
extern void el_ddl_init(void);

/* topic/seek_scan.c: planner hook, plan node */
extern void el_seek_scan_init(void);

/* topic/buffer.c */
extern void el_buffer_xact(XactEvent event);
extern void el_buffer_subxact(SubXactEvent event, SubTransactionId mine,
							  SubTransactionId parent);

/* group/ */
extern Size el_group_shmem_size(void);
extern void el_group_shmem_init(void);
extern void el_group_xact(XactEvent event);
extern void el_group_subxact(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent);
extern void el_group_after_locks(bool is_commit);	/* top-level only; must not fail */
extern void el_group_discard_all(void);	/* DISCARD ALL: the session member leaves */
extern void el_group_prepared_finished(void);	/* after COMMIT/ROLLBACK PREPARED */

/* worker/ */
extern void el_worker_register(void);

#endif							/* EVENTLOG_H */
