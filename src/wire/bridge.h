/*-------------------------------------------------------------------------
 *
 * bridge.h
 *	  A batch over offsets that nobody has: the end of a log that is aborted.
 *
 * IDENTIFICATION
 *	  src/wire/bridge.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_BRIDGE_H
#define EL_WIRE_BRIDGE_H

#include "postgres.h"

/* The most bytes that it has. */
#define EL_BRIDGE_SIZE	96

/*
 * Write a control batch over the offsets from .. to - 1, as many as one may have, into
 * buf, which has EL_BRIDGE_SIZE bytes; returns its size.
 */
extern uint32 el_bridge(char *buf, int64 from, int64 to, int64 time_ms,
						int32 leader_epoch);

#endif							/* EL_WIRE_BRIDGE_H */
