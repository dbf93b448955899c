/*-------------------------------------------------------------------------
 *
 * deliver.h
 *	  From partitions into the result of consume() and claim().
 *
 * IDENTIFICATION
 *	  src/group/deliver.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_DELIVER_H
#define EL_DELIVER_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/snapshot.h"

#include "group/catalog.h"
#include "group/member.h"
#include "rows/rows.h"

typedef struct ElDelivery
{
	const ElGroupConf *conf;
	Snapshot	snapshot;
	bool		claim;
	bool		commit;			/* what is delivered is committed with the
								 * transaction */
	ElRows	   *rows;
	int64		events_left;
	int64		bytes_left;
	int64		min_age_ms;		/* -1: none */

	/* what came of it */
	List	   *committed;		/* ElLocalPart *, with commit */
	int64		nrows;
	bool		busy;			/* a partition with events was left to another
								 * transaction */
	bool		evicted;		/* the group has lost its slots meanwhile: ask
								 * for them again */
	int64		due_ms;			/* event time + min_age of the earliest held
								 * back; 0: none */
} ElDelivery;

/*
 * Deliver events from what is assigned, in the statement's or the snapshot's
 * view.  Errors: EL004 (events are gone), 40L01 (a partition this transaction
 * consumed from was given to another member), 40001.
 */
extern void el_deliver(ElDelivery *d, ElAssignment *a);

/* Is there an event that el_deliver would deliver?  Takes no ownership lock. */
extern bool el_deliver_peek(ElDelivery *d, ElAssignment *a);

#endif							/* EL_DELIVER_H */
