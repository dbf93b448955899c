/*-------------------------------------------------------------------------
 *
 * extension.h
 *	  Is the library preloaded, is the extension here, and of which version?
 *
 * IDENTIFICATION
 *	  src/base/extension.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_EXTENSION_H
#define EL_EXTENSION_H

#include "postgres.h"

#define EL_INTERNAL_SCHEMA			"_eventlog"
#define EL_LABEL_PROVIDER			"eventlog"
#define EL_AM_NAME					"eventlog"

/*
 * Was the library in shared_preload_libraries?  Set once by _PG_init().
 * Without it topics can be read, so that data can be rescued, but nothing can
 * be written: WAL of ours could not be replayed, and groups have no memory.
 */
extern bool el_preloaded;

/* EL005 unless preloaded. */
extern void el_require_preload(void);

/*
 * 25006 on a standby, with the hint to ask the primary; 25000 in a parallel
 * operation.  command is the name of what was called, as "consume()".
 */
extern void el_require_primary(const char *command);

/* What every function needs that writes: EL005, the above, and 25006 in a read-only transaction. */
extern void el_require_write(const char *command);

/* OID of our table access method in this database, InvalidOid without the extension; cached. */
extern Oid	el_am_oid(void);

/* Syscache callback (AMOID): the access method or the extension may have changed. */
extern void el_extension_changed(Datum arg, int cacheid, uint32 hashvalue);

/*
 * The catalogs in schema _eventlog are of the extension's version, not of the library's:
 * 0A000 if its first number, which changes with them, is another one.
 */
#define EL_CATALOG_VERSION	1
extern void el_check_catalog_version(void);

#endif							/* EL_EXTENSION_H */
