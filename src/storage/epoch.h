/*-------------------------------------------------------------------------
 *
 * epoch.h
 *	  Leader epochs: which one is in force.
 *
 * IDENTIFICATION
 *	  src/storage/epoch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_EPOCH_H
#define EL_EPOCH_H

#include "postgres.h"

#include "storage/meta.h"

/*
 * The epoch in force where this one was stored, with the timeline and the server
 * that are now; on a standby, as of what is replayed.
 */
extern ElEpoch el_epoch_in_force(const ElEpoch *stored);

#endif							/* EL_EPOCH_H */
