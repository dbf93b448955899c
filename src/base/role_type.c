/*-------------------------------------------------------------------------
 *
 * role_type.c
 *	  The input of type _eventlog.role, which rows name roles with.
 *
 * It is regrole but for its input.  regrole raises for a name that does not
 * exist, and COPY then loses all rows of the table with the one.  Here such a
 * name is no role, 0, with a WARNING, and the triggers of the table decide what
 * becomes of the row.
 *
 * IDENTIFICATION
 *	  src/base/role_type.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "base/compat.h"

EL_FUNCTION(eventlog_role_in);

/* Is it the first time that this COPY, or this call, meets the name? */
static bool
first_time(FmgrInfo *flinfo, const char *name)
{
	List	   *met = flinfo->fn_extra;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, met)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return false;
	}
	old = MemoryContextSwitchTo(flinfo->fn_mcxt);
	flinfo->fn_extra = lappend(met, pstrdup(name));
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * role_in(cstring).  A number without quotes is what regrole shows for a role
 * that was dropped; in another cluster it may be anybody's.
 */
Datum
eventlog_role_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	Oid			role = InvalidOid;

	if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
	{
		List	   *names = textToQualifiedNameList(cstring_to_text(text));

		if (list_length(names) != 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("invalid name syntax")));
		role = get_role_oid(strVal(linitial(names)), true);
	}
	if (!OidIsValid(role) && first_time(fcinfo->flinfo, text))
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role %s does not exist", text),
				 errdetail("What it owned goes to \"%s\", what it was granted is left out.",
						   GetUserNameFromId(GetUserId(), false))));
	PG_RETURN_OID(role);
}
