/*-------------------------------------------------------------------------
 *
 * anchor.h
 *	  Roles that rows of ours name, held by a privilege.
 *
 * IDENTIFICATION
 *	  src/base/anchor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ANCHOR_H
#define EL_ANCHOR_H

#include "postgres.h"

/*
 * Rows of a table of ours may name roles.  A table anchors those that its
 * column names with the trigger function eventlog_anchor_roles('column'):
 *
 *	  CREATE TRIGGER ... AFTER INSERT OR UPDATE OF column OR DELETE ... FOR EACH ROW
 *
 * DROP ROLE is then refused from every database (2BP01).
 */

/* Let go of a role that no row names any more: at the end of what ends its rows, whatever they were. */
extern void el_anchor_release(Oid relid, const char *column, Oid role);

#endif							/* EL_ANCHOR_H */
