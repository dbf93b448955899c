/*-------------------------------------------------------------------------
 *
 * visible.h
 *	  Which topics and groups the views show the caller.
 *
 * IDENTIFICATION
 *	  src/group/visible.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_VISIBLE_H
#define EL_VISIBLE_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/uuid.h"

#include "group/group_copy.h"
#include "topic/topic.h"

/*
 * All topics that the caller may see, as ElTopic *, but not those of the
 * extension itself.  They stay locked with AccessShareLock until the end of
 * the transaction.
 */
extern List *el_visible_topics(void);

/*
 * The topic in the list, NULL if it is not there.  What is asked for in a row
 * is mostly the same: the last answer is kept in *last, NULL at first.
 */
extern ElTopic *el_topic_by_uuid(List *topics, const pg_uuid_t *uuid,
								 ElTopic **last);

/* Those topics of the list that are known of the group. */
extern List *el_topics_of_group(const ElGroupCopy *c, List *topics);

/*
 * A group is seen by who owns it, was granted it, or sees one of its topics;
 * group_topics is what el_topics_of_group() made of el_visible_topics().
 */
extern bool el_may_see_group(const ElGroupCopy *c, List *group_topics);

/* A list of ElTopic * as regclass[]. */
extern Datum el_topics_array(List *topics);

#endif							/* EL_VISIBLE_H */
