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

extern ElRelKind el_rel_kind(Oid relid);

/* The relation a statement names, InvalidOid if there is none (the statement will say so). */
extern Oid	el_lookup(const RangeVar *rv);

#endif							/* EL_LOOKUP_H */
