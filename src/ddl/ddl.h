/*-------------------------------------------------------------------------
 *
 * ddl.h
 *	  Statements on topics: what is refused, and what is carried to partitions.
 *
 * IDENTIFICATION
 *	  src/ddl/ddl.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_DDL_H
#define EL_DDL_H

#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/objectaddress.h"
#include "nodes/plannodes.h"
#include "tcop/utility.h"

/* A utility statement, as ProcessUtility_hook gets it. */
typedef struct ElUtility
{
	PlannedStmt *pstmt;
	const char *query_string;
	bool		read_only_tree;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *query_env;
	DestReceiver *dest;
	QueryCompletion *qc;

	void		(*run) (const struct ElUtility *u); /* the next hook, or
													 * PostgreSQL */
} ElUtility;

/*
 * Run the statement by u->run(), unless topics do not support it (0A000), and
 * carry to partitions what it changes of a topic.
 */
extern void el_ddl_utility(const ElUtility *u);

/*
 * For object_access_hook: a table is dropped or truncated, and what is buffered
 * for it goes with it.
 */
extern void el_ddl_object_access(ObjectAccessType access, Oid class_id,
								 Oid object_id, int sub_id);

/*
 * For SECURITY LABEL FOR eventlog ON TABLE, where options and uuid are kept: raise
 * unless the object may have this label (NULL: it loses the one it has).  The
 * object is locked, and its owner the current user.
 */
extern void el_ddl_check_label(const ObjectAddress *object, const char *label);

#endif							/* EL_DDL_H */
