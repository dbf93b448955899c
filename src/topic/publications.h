/*-------------------------------------------------------------------------
 *
 * publications.h
 *	  Publications that include topics, whose events they do not carry.
 *
 * IDENTIFICATION
 *	  src/topic/publications.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PUBLICATIONS_H
#define EL_PUBLICATIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Names of the publications of all tables, or of all of its schema, that include the topic. */
extern List *el_publications_of(Oid relid);

/* A WARNING for each of them. */
extern void el_warn_of_publications(Oid relid);

#endif							/* EL_PUBLICATIONS_H */
