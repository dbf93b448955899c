/*-------------------------------------------------------------------------
 *
 * privileges.c
 *	  Rights on a table that no query names, only the argument of a function.
 *
 * IDENTIFICATION
 *	  src/base/privileges.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaddress.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "tcop/pquery.h"

#include "base/compat.h"
#include "base/privileges.h"

/*
 * A hook may rely on what it has noted when the executor or a utility statement
 * began.  A function that is called by the fast path has neither, and no portal.
 */
void
el_audit_right(Oid relid, AclMode right)
{
	char		relkind;

	if (ExecutorCheckPerms_hook == NULL || ActivePortal == NULL)
		return;
	relkind = get_rel_relkind(relid);
	if (!el_executor_check_perms(relid, relkind, right))
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(relkind),
					   get_rel_name(relid));
}

void
el_check_right(Oid relid, AclMode right)
{
	AclResult	result = pg_class_aclcheck(relid, GetUserId(), right);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
	el_audit_right(relid, right);
}
