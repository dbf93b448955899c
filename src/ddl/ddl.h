/*-------------------------------------------------------------------------
 *
 * ddl.h
 *	  Between the hooks (ddl.c, dml.c) and what they refuse (refuse.c).
 *
 * IDENTIFICATION
 *	  src/ddl/ddl.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_DDL_H
#define EL_DDL_H

#include "postgres.h"

#include "nodes/parsenodes.h"
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

/* Raise if this utility statement is one that topics do not support. */
extern void el_refuse_utility(Node *stmt);

/*
 * Raise unless a table that has just been created or attached is one a topic
 * can work with: nothing on it but CHECK constraints, partitions as they have to be.
 */
extern void el_check_log_table(Oid relid);
extern void el_check_topic_table(Oid relid);

/* Name of partition n (-1: the DEFAULT one) of a topic; 42622 if it does not fit. */
extern char *el_partition_name(const char *topic, int32 n);

/* dml.c: planner and executor hooks */
extern void el_dml_init(void);

#endif							/* EL_DDL_H */
