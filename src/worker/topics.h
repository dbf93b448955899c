/*-------------------------------------------------------------------------
 *
 * topics.h
 *	  One round of the maintenance worker over the topics of its database.
 *
 * IDENTIFICATION
 *	  src/worker/topics.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WORKER_TOPICS_H
#define EL_WORKER_TOPICS_H

#include "postgres.h"

/* Both run transactions of their own: outside of one. */

/* Compact the internal topics of this database, if they have grown. */
extern void el_compact_offsets(void);

/* Retention and what else each topic of this database needs; a few seconds at most. */
extern void el_maintain_topics(void);

#endif							/* EL_WORKER_TOPICS_H */
