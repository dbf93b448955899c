/*-------------------------------------------------------------------------
 *
 * refuse.h
 *	  Utility statements and tables that topics do not support.
 *
 * IDENTIFICATION
 *	  src/ddl/refuse.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_REFUSE_H
#define EL_REFUSE_H

#include "postgres.h"

#include "nodes/nodes.h"

/* Raise if this utility statement is one that topics do not support. */
extern void el_refuse_utility(Node *stmt);

/*
 * Raise unless a table that has just been created or attached is one a topic
 * can work with: nothing on it but CHECK constraints, partitions as they have to be.
 */
extern void el_check_log_table(Oid relid);
extern void el_check_topic_table(Oid relid);

#endif							/* EL_REFUSE_H */
