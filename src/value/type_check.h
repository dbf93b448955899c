/*-------------------------------------------------------------------------
 *
 * type_check.h
 *	  Types whose values cannot be kept on a log.
 *
 * IDENTIFICATION
 *	  src/value/type_check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_TYPE_CHECK_H
#define EL_TYPE_CHECK_H

#include "postgres.h"

typedef struct ElTypeProblem
{
	Oid			type;			/* which type inside it is */
	const char *detail;			/* why; sentences, untranslated */
	const char *hint;
} ElTypeProblem;

/*
 * Does the type name objects of the catalogs, so that its values mean nothing in another
 * database?  Not regrole and regnamespace: they name what every dump has.
 */
extern bool el_type_names_objects(Oid type);

/* Is there a type in this one that cannot be kept on a log? */
extern bool el_type_problem(Oid type, ElTypeProblem *problem);

#endif							/* EL_TYPE_CHECK_H */
