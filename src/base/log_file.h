/*-------------------------------------------------------------------------
 *
 * log_file.h
 *	  Which file of a table, in keys of what is cached in shared memory.
 *
 * IDENTIFICATION
 *	  src/base/log_file.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LOG_FILE_H
#define EL_LOG_FILE_H

#include "postgres.h"

#include "miscadmin.h"
#include "utils/rel.h"

#include "base/compat.h"

/*
 * TRUNCATE and VACUUM FULL give a table another file.  The tablespace is no part of this: a file
 * that ALTER DATABASE moves there and back has its number all the time.  The table is, for a
 * number is unique in its tablespace only.
 */
typedef struct ElLogFile
{
	Oid			dbid;
	Oid			relid;
	uint32		number;
} ElLogFile;

/* The file of a table of this database. */
static inline ElLogFile
el_log_file(Relation rel)
{
	ElLogFile	file = {MyDatabaseId, RelationGetRelid(rel), el_locator_number(el_rel_locator(rel))};

	return file;
}

#endif							/* EL_LOG_FILE_H */
