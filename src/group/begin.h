/*-------------------------------------------------------------------------
 *
 * begin.h
 *	  A group begins in a topic: its start mark.
 *
 * IDENTIFICATION
 *	  src/group/begin.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BEGIN_H
#define EL_BEGIN_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/snapshot.h"

#include "group/catalog.h"
#include "group/local.h"
#include "topic/topic.h"

/*
 * See that the group has a start mark in the topic, which is locked: one that is
 * there, or one that is written when this transaction commits.  False if another
 * transaction is at it: this one goes on without, and the next may try.  Called
 * after el_offsets_prepare_commit(), in a statement: it opens partitions, and
 * may wait for them.
 */
extern bool el_begin(const ElGroupConf *conf, ElTopic *t, Snapshot snapshot);

/* The same in all topics of these parts (ElLocalPart), which this transaction commits. */
extern void el_begin_with(const ElGroupConf *conf, List *parts);

/* Has the group committed something in the topic, or does a transaction that has not ended? */
extern bool el_has_offsets(const char *group, const ElTopic *t);

/* The group is dropped, and its mark in the topic with it.  False if another transaction is at the mark. */
extern bool el_begin_drop(const char *group, const pg_uuid_t *uuid);

/* Does this transaction drop the group in the topic, or begin it there?  What it did last counts. */
extern bool el_dropped_here(const char *group, const pg_uuid_t *uuid);
extern bool el_begun_here(const char *group, const pg_uuid_t *uuid);

#endif							/* EL_BEGIN_H */
