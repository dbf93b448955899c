/*-------------------------------------------------------------------------
 *
 * privileges.h
 *	  Rights on a table that no query names, only the argument of a function.
 *
 * IDENTIFICATION
 *	  src/base/privileges.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PRIVILEGES_H
#define EL_PRIVILEGES_H

#include "postgres.h"

#include "utils/acl.h"

/*
 * 42501 unless the current user has these rights (ACL_INSERT or ACL_SELECT) on the
 * table; 42P01 if it does not exist.  The executor's permission hook is asked, too,
 * and may audit it: this is for once a statement, not for each event.
 */
extern void el_check_right(Oid relid, AclMode right);

/* The hook alone, for a table on which the rights have been checked. */
extern void el_audit_right(Oid relid, AclMode right);

#endif							/* EL_PRIVILEGES_H */
