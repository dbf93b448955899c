/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Values of the settings eventlog.*, which eventlog.c defines.
 *
 * A library that is not preloaded defines no settings: these defaults hold then.
 *
 * IDENTIFICATION
 *	  src/base/settings.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"

int			el_producer_buffer_kb = 64 * 1024;
bool		el_terminate_stuck_consumers = true;
int			el_retention_check_interval_s = 300;
int			el_group_memory_kb = 16 * 1024;
int			el_group_expiry_s = 7 * 24 * 3600;
int			el_max_waiters = 1024;
int			el_producer_expiry_s = 7 * 24 * 3600;
int			el_position_memory_kb = 1024;
int			el_producer_memory_kb = 4 * 1024;
bool		el_enable_seek = true;
