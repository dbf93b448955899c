/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  What the relation that a statement names is to us.
 *
 * IDENTIFICATION
 *	  src/ddl/lookup.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LOOKUP_H
#define EL_LOOKUP_H

#include "postgres.h"

#include "nodes/primnodes.h"

typedef enum ElRelKind
{
	EL_REL_OTHER,
	EL_REL_TOPIC,				/* the partitioned table */
	EL_REL_LEAF					/* a table of our access method */
} ElRelKind;

/* By the catalog cache; EL_REL_OTHER also if the relation does not exist. */
extern ElRelKind el_rel_kind(Oid relid);

/*
 * The relation that a statement names, without a lock; InvalidOid if it does not
 * exist, which the statement will say, or if rv is NULL.
 */
extern Oid	el_lookup(const RangeVar *rv);

#endif							/* EL_LOOKUP_H */
