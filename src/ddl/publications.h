/*-------------------------------------------------------------------------
 *
 * publications.h
 *	  CREATE and ALTER PUBLICATION.
 *
 * IDENTIFICATION
 *	  src/ddl/publications.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_DDL_PUBLICATIONS_H
#define EL_DDL_PUBLICATIONS_H

#include "postgres.h"

#include "nodes/nodes.h"

/* What to do instead of logical replication. */
#define EL_HINT_PUBLICATION	"Consume the topic at the receiving side."

/* Raise if CREATE or ALTER PUBLICATION names a topic (0A000). */
extern void el_refuse_publication(Node *stmt);

/* The statement has run: warn of topics that its publication includes all the same. */
extern void el_warn_of_published_topics(Node *stmt);

#endif							/* EL_DDL_PUBLICATIONS_H */
