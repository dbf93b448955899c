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
#include "executor/execdesc.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "tcop/utility.h"

typedef enum ElRelKind
{
	EL_REL_OTHER,
	EL_REL_TOPIC,				/* the partitioned table */
	EL_REL_LEAF					/* a table of our access method */
} ElRelKind;

extern ElRelKind el_rel_kind(Oid relid);

/* The relation a statement names, InvalidOid if there is none (the statement will say so). */
extern Oid	el_lookup(const RangeVar *rv);

/* Raise if this utility statement is one that topics do not support. */
extern void el_refuse_utility(Node *stmt);

/*
 * Raise unless a table that has just been created or attached is one a topic
 * can work with: nothing on it but CHECK constraints, partitions as they have to be.
 */
extern void el_check_log_table(Oid relid);
extern void el_check_topic_table(Oid relid);

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

	void		(*run) (const struct ElUtility *u); /* the next hook, or PostgreSQL */
} ElUtility;

/* ddl.c: run the statement, with what it means for topics before and after */
extern void el_ddl_utility(const ElUtility *u);

/* ddl.c: object access hook; what is buffered for a table goes with it */
extern void el_ddl_object_access(ObjectAccessType access, Oid class_id,
								 Oid object_id, int sub_id);

/*
 * ddl.c: SECURITY LABEL FOR eventlog ON TABLE, where options and uuid are kept;
 * raises unless the object may have this label (NULL: it loses the one it has)
 */
extern void el_ddl_check_label(const ObjectAddress *object, const char *label);

/* dml.c: raise for a query, before planning and before execution, that topics do not support */
extern void el_dml_check_parsed(Query *parse);
extern void el_dml_check_plan(QueryDesc *query);

#endif							/* EL_DDL_H */
