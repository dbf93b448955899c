/*-------------------------------------------------------------------------
 *
 * callbacks.h
 *	  What topics tell their users, and ask of them.
 *
 * Groups and the producer buffer stand above topics, which know nothing of them.  So eventlog.c hands
 * their functions down, once, when the library is preloaded; otherwise there is nobody to be told.
 *
 * IDENTIFICATION
 *	  src/topic/callbacks.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CALLBACKS_H
#define EL_CALLBACKS_H

#include "postgres.h"

#include "utils/uuid.h"

typedef struct ElTopicCallbacks
{
	/*
	 * This transaction appends to a partition's table: called before the
	 * first and after the last append of a round.  May allocate and raise.
	 */
	void		(*appended) (Oid topic, Oid leaf);

	/*
	 * This transaction is about to change a topic's options: what it has
	 * produced so far went by the old ones, and is appended.
	 */
	void		(*options_change) (Oid topic);

	/*
	 * This transaction adds partitions to a topic, gives it another label, or
	 * drops a partitioned table, which, if it is a topic, has the uuid given
	 * (NULL: it is not dropped).  Must not fail.
	 */
	void		(*topic_changed) (Oid topic, const pg_uuid_t *dropped);

	/*
	 * This transaction gives a topic a uuid of the user's choice, which
	 * another may have had.  Must not fail.
	 */
	void		(*uuid_given) (void);

	/*
	 * The lowest offset of a partition that a group has yet to consume
	 * (retain_until_consumed); INT64 max if no group has consumed the topic.
	 */
	int64		(*held_from) (const pg_uuid_t *uuid, int32 partition);

	/*
	 * An internal topic has grown: the worker shall compact it soon.  Must
	 * not fail.
	 */
	void		(*compaction_due) (void);
} ElTopicCallbacks;

/* NULL unless the library is preloaded. */
extern const ElTopicCallbacks *el_topic_callbacks;

#endif							/* EL_CALLBACKS_H */
