/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  What the relation that a statement names is to us.
 *
 * IDENTIFICATION
 *	  src/ddl/lookup.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"

#include "ddl/lookup.h"
#include "topic/shape.h"
#include "topic/topic.h"

ElRelKind
el_rel_kind(Oid relid)
{
	if (!OidIsValid(relid))
		return EL_REL_OTHER;

	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
			return el_is_leaf(relid) ? EL_REL_LEAF : EL_REL_OTHER;
		case RELKIND_PARTITIONED_TABLE:
			return el_is_topic(relid) ? EL_REL_TOPIC : EL_REL_OTHER;
		default:
			return EL_REL_OTHER;
	}
}

Oid
el_lookup(const RangeVar *rv)
{
	return rv ? RangeVarGetRelid(rv, NoLock, true) : InvalidOid;
}
