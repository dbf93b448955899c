/*-------------------------------------------------------------------------
 *
 * event_check.h
 *	  Do the events of a partition fit the types of their topic?
 *
 * IDENTIFICATION
 *	  src/topic/event_check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_EVENT_CHECK_H
#define EL_EVENT_CHECK_H

#include "postgres.h"

#include "storage/check.h"
#include "topic/topic.h"

/*
 * Report the events that can be consumed and whose key or value is no value of its
 * type, the first of them one by one.  The log is sound: reading it raises nothing.
 */
extern void el_check_events(ElTopic *t, Relation leaf, ElCheckReport report,
							void *arg);

#endif							/* EL_EVENT_CHECK_H */
