/*-------------------------------------------------------------------------
 *
 * keep_memory.h
 *	  Memory that a backend of the broker keeps from call to call.
 *
 * IDENTIFICATION
 *	  src/wire/keep_memory.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_WIRE_KEEP_MEMORY_H
#define EL_WIRE_KEEP_MEMORY_H

/* From now on this backend keeps some memory that it has freed.  Cheap after the first call. */
extern void el_keep_memory(void);

#endif							/* EL_WIRE_KEEP_MEMORY_H */
