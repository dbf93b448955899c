/*-------------------------------------------------------------------------
 *
 * offsets_held.h
 *	  What groups have yet to consume.
 *
 * IDENTIFICATION
 *	  src/group/offsets_held.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_OFFSETS_HELD_H
#define EL_OFFSETS_HELD_H

#include "postgres.h"

#include "utils/uuid.h"

/*
 * Lowest offset of a partition that a group with committed offsets or a start
 * mark in the topic has yet to consume; INT64 max if there is no such group.  For
 * ElTopicCallbacks.
 */
extern int64 el_offsets_held(const pg_uuid_t *uuid, int32 partition);

#endif							/* EL_OFFSETS_HELD_H */
