/*-------------------------------------------------------------------------
 *
 * callbacks.c
 *	  What topics tell their users, and ask of them.
 *
 * Groups and the producer buffer stand above topics, which know nothing of them.  So eventlog.c hands
 * their functions down, once, when the library is preloaded; otherwise there is nobody to be told.
 *
 * IDENTIFICATION
 *	  src/topic/callbacks.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "topic/callbacks.h"

const ElTopicCallbacks *el_topic_callbacks = NULL;
