/*-------------------------------------------------------------------------
 *
 * topic_views.h
 *	  What views may show of topics.
 *
 * IDENTIFICATION
 *	  src/topic/topic_views.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_TOPIC_VIEWS_H
#define EL_TOPIC_VIEWS_H

#include "postgres.h"

#include "utils/rel.h"

#include "topic/topic.h"

/* May the current user see that the topic is there, and figures about it? */
extern bool el_may_see_topic(Oid relid);

/*
 * Have probe() read figures of a partition for a view; leaf is its table, open
 * and locked.  probe() is not called if there is no such table.  False, after a
 * WARNING, if the partition is corrupt or of another format: a monitor is to
 * see the others nevertheless.
 */
typedef void (*ElProbe) (ElTopic *t, int32 partition, Relation leaf, void *arg);
extern bool el_probe_partition(ElTopic *t, int32 partition, ElProbe probe,
							   void *arg);

#endif							/* EL_TOPIC_VIEWS_H */
