/*-------------------------------------------------------------------------
 *
 * checks.h
 *	  What every way of producing checks of an event.
 *
 * IDENTIFICATION
 *	  src/topic/checks.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CHECKS_H
#define EL_CHECKS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "kafka/record.h"
#include "topic/topic.h"

/*
 * Errors name the topic.  restored: the event comes back from a dump, so the
 * topic's options are not asked.
 */

/* 54000 with the limit in the detail when key + value + headers exceed max_event_bytes. */
extern void el_check_event_size(ElTopic *t, const ElRecord *r, bool restored);

/* timestamptz -> ms; 22008 for infinite or later than now + max_clock_ahead. */
extern int64 el_event_time(ElTopic *t, TimestampTz time, bool restored);

/* Partition for a key (NULL key: round robin, per backend and topic); 55000 if the topic has none. */
extern int32 el_choose_partition(ElTopic *t, const ElRecord *r);

/* 22023 if the topic has no such partition, or its table is missing. */
extern void el_check_partition(ElTopic *t, int64 partition);

/*
 * NOT NULL and CHECK constraints of the topic on one event that is about to be
 * produced by a function (INSERT and COPY have the executor do it).  Raises 23502
 * and 23514 as INSERT would.  values and nulls: a topic's columns.
 */
extern void el_check_constraints(ElTopic *t, Datum *values, bool *nulls);

#endif							/* EL_CHECKS_H */
