/*-------------------------------------------------------------------------
 *
 * cluster.h
 *	  Who this cluster is: PostgreSQL's system identifier and the database.
 *
 * IDENTIFICATION
 *	  broker/cluster.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_CLUSTER_H
#define EL_BROKER_CLUSTER_H

#include "broker/protocol/message.h"

/* What clients know it by; empty until the server has told it. */
extern KafkaString cluster_id(void);
extern void cluster_set_id(uint64_t system_identifier, uint32_t database);

#endif							/* EL_BROKER_CLUSTER_H */
