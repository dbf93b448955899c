/*-------------------------------------------------------------------------
 *
 * types.h
 *	  DDL on the types of topics' keys and values.
 *
 * IDENTIFICATION
 *	  src/ddl/types.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_TYPES_H
#define EL_TYPES_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"

/* Attributes and columns that a running statement drops: whether that matters is seen behind it. */
typedef struct ElDropped
{
	List	   *rows;			/* relations whose row types lost them */
	List	   *topics;			/* topics and partitions that did */
	MemoryContext mcxt;			/* of the lists */
	struct ElDropped *outer;	/* of the statement around it */
} ElDropped;

/* Around a statement; el_types_end() also when it has failed. */
extern void el_types_begin(ElDropped *dropped);
extern void el_types_check_dropped(const ElDropped *dropped);
extern void el_types_end(const ElDropped *dropped);

/* For object_access_hook: an attribute or a column is altered, added or dropped.  0A000 if that would change what events mean. */
extern void el_types_altered(Oid relid, AttrNumber attnum);
extern void el_types_added(Oid relid, AttrNumber attnum);
extern void el_types_dropping(Oid relid);

/* ALTER TYPE ... RENAME VALUE: the same. */
extern void el_types_refuse_enum(const AlterEnumStmt *stmt);

#endif							/* EL_TYPES_H */
