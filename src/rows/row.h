/*-------------------------------------------------------------------------
 *
 * row.h
 *	  From a record of the log to SQL rows.
 *
 * IDENTIFICATION
 *	  src/rows/row.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ROW_H
#define EL_ROW_H

#include "postgres.h"

#include "kafka/record.h"
#include "topic/topic.h"

/*
 * Fill values/nulls of a row for one record, of column i if bit i of columns is set; datums are
 * allocated in CurrentMemoryContext.  Bytes that do not deserialise raise the type's error with a CONTEXT
 * that names topic, partition and offset.
 */
typedef enum ElRowForm
{
	EL_ROW_EVENT,				/* eventlog_event: 7 columns, key text, value
								 * json */
	EL_ROW_BYTES,				/* eventlog_event_bytes: 7 columns, key and
								 * value bytea */
	EL_ROW_TYPED				/* the topic's own row type: EL_NATTS columns */
} ElRowForm;

#define EL_ROW_MAX_COLUMNS 7
#define EL_ALL_COLUMNS	(~(uint32) 0)

extern void el_make_row(ElTopic *t, int32 partition, const ElRecord *r,
						ElRowForm form, uint32 columns, Datum *values,
						bool *nulls);

#endif							/* EL_ROW_H */
