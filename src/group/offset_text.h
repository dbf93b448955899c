/*-------------------------------------------------------------------------
 *
 * offset_text.h
 *	  Committed offsets as the JSON text of their events.
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

/* False for what is not of that shape. */
extern bool el_offset_parse_key(const char *data, int32 len, ElPartKey *key);
extern bool el_offset_parse_value(const char *data, int32 len, int64 *next);

#endif							/* EL_OFFSET_TEXT_H */
