/*-------------------------------------------------------------------------
 *
 * offset_text.h
 *	  Committed offsets and start marks as the JSON text of their events.
 *
 * IDENTIFICATION
 *	  src/group/offset_text.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_OFFSET_TEXT_H
#define EL_OFFSET_TEXT_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "group/slots.h"

extern void el_offset_key_text(StringInfo buf, const ElPartKey *key);
extern void el_offset_value_text(StringInfo buf, int64 next);

/* The value of a start mark: the start of each partition, -1 where the group has an offset. */
extern void el_starts_text(StringInfo buf, const int64 *starts, int32 n);

/* False for what is not of that shape.  A key without a partition is a start mark's. */
extern bool el_offset_parse_key(const char *data, int32 len, ElPartKey *key);
extern bool el_offset_parse_value(const char *data, int32 len, int64 *next);
extern bool el_starts_parse(const char *data, int32 len, int64 **starts, int32 *n);

#endif							/* EL_OFFSET_TEXT_H */
