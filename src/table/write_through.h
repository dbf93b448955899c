/*-------------------------------------------------------------------------
 *
 * write_through.h
 *	  INSERTs that append at once, because they return event_offset.
 *
 * IDENTIFICATION
 *	  src/table/write_through.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WRITE_THROUGH_H
#define EL_WRITE_THROUGH_H

#include "postgres.h"

#include "access/xact.h"
#include "executor/execdesc.h"
#include "nodes/plannodes.h"

/* Do INSERTs on this topic append at once, because such a query runs? */
extern bool el_write_through(Oid topic);

/*
 * A query is about to start that INSERTs into relid, a topic or one of its
 * partitions; noted if what it returns needs the offset.
 */
extern void el_write_through_begin(QueryDesc *query, ModifyTable *mt, Oid relid);

/* The query has ended; cannot fail. */
extern void el_write_through_end(QueryDesc *query);

extern void el_write_through_xact(XactEvent event);
extern void el_write_through_subxact(SubXactEvent event, SubTransactionId mine);

#endif							/* EL_WRITE_THROUGH_H */
