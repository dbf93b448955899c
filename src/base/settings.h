/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  Values of the settings eventlog.*, which eventlog.c defines.
 *
 * IDENTIFICATION
 *	  src/base/settings.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SETTINGS_H
#define EL_SETTINGS_H

#include "postgres.h"

/*
 * Memory that one transaction's unsent events may take before full batches go
 * to a temporary file.  Higher: fewer temporary files for bulk loads.  Lower:
 * less memory per backend.
 */
extern int	el_producer_buffer_kb;	/* eventlog.producer_buffer */

/*
 * Terminate a backend whose transaction has held a partition of a group for
 * longer than max_poll_interval.  On: a stuck consumer cannot hold up its
 * partitions for ever.  Off: its work is never cut short, its partitions wait.
 */
extern bool el_terminate_stuck_consumers;	/* eventlog.terminate_stuck_consumers */

/*
 * Seconds between two maintenance runs in a database.  Lower: space is
 * given back sooner.  Higher: fewer short-lived workers.
 */
extern int	el_retention_check_interval_s;	/* eventlog.retention_check_interval */

/*
 * Shared memory for consumer groups: members, assignments and committed
 * offsets in use.  Higher: more and larger groups.  Lower: less memory taken at start.
 */
extern int	el_group_memory_kb; /* eventlog.group_memory */

/*
 * Seconds after which committed offsets of a group that nobody created and
 * nobody uses are dropped; 0: never.  Lower: names that are used once leave
 * their traces for a shorter time.  Higher: a consumer that was away for long
 * finds its place.
 */
extern int	el_group_expiry_s;	/* eventlog.group_expiry */

/*
 * Backends that can wait for events at the same time.  Each place takes some
 * hundred bytes of shared memory.
 */
extern int	el_max_waiters;		/* eventlog.max_waiters */

/*
 * Shared memory for idempotent producers of Kafka's protocol, 430 bytes for one in a
 * partition.  Higher: more of them at a time.  Lower: less memory taken at start.
 */
extern int	el_producer_memory_kb;	/* eventlog.producer_memory */

/*
 * Seconds after which the sequence of an SQL producer is dropped; 0: never.
 */
extern int	el_producer_expiry_s;	/* eventlog.producer_expiry */

/*
 * Shared memory for positions, such as sequences of SQL producers: a cache, some 150 bytes
 * for each.
 */
extern int	el_position_memory_kb;	/* eventlog.position_memory */

/*
 * Let the planner seek in partitions (table/seek_scan.c).  Off: each SELECT from a
 * topic reads all of it, to compare.
 */
extern bool el_enable_seek;		/* eventlog.enable_seek */

#endif							/* EL_SETTINGS_H */
