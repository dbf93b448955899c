/*-------------------------------------------------------------------------
 *
 * visible.c
 *	  Which topics and groups the views show the caller.
 *
 * IDENTIFICATION
 *	  src/group/visible.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "base/extension.h"
#include "group/catalog.h"
#include "group/group_copy.h"
#include "group/visible.h"
#include "topic/topic.h"
#include "topic/topic_views.h"

List *
el_visible_topics(void)
{
	Oid			internal = get_namespace_oid(EL_INTERNAL_SCHEMA, true);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, el_all_topics())
	{
		Oid			relid = lfirst_oid(lc);
		ElTopic    *t;

		CHECK_FOR_INTERRUPTS();
		if (get_rel_relkind(relid) == '\0' ||
			get_rel_namespace(relid) == internal || !el_may_see_topic(relid))
			continue;
		t = el_topic_lock_if_there(relid, AccessShareLock, true);
		if (t != NULL)
			result = lappend(result, t);
	}
	return result;
}

ElTopic *
el_topic_by_uuid(List *topics, const pg_uuid_t *uuid, ElTopic **last)
{
	ListCell   *lc;

	if (*last != NULL && memcmp(&(*last)->uuid, uuid, UUID_LEN) == 0)
		return *last;
	foreach(lc, topics)
	{
		ElTopic    *t = lfirst(lc);

		if (memcmp(&t->uuid, uuid, UUID_LEN) == 0)
			return *last = t;
	}
	return NULL;
}

List *
el_topics_of_group(const ElGroupCopy *c, List *topics)
{
	List	   *result = NIL;
	ElTopic    *last = NULL;
	int			i;

	for (i = 0; i < c->ntopics; i++)
	{
		ElTopic    *t = el_topic_by_uuid(topics, &c->topics[i].uuid, &last);

		if (t != NULL)
			result = lappend(result, t);
	}
	return result;
}

bool
el_may_see_group(const ElGroupCopy *c, List *group_topics)
{
	if (group_topics != NIL ||
		has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
		return true;
	return c->conf.exists && el_group_may_use(&c->conf);
}

Datum
el_topics_array(List *topics)
{
	Datum	   *datums = palloc_array(Datum, list_length(topics) + 1);
	int			n = 0;
	ListCell   *lc;

	foreach(lc, topics)
		datums[n++] = ObjectIdGetDatum(((ElTopic *) lfirst(lc))->relid);
	return PointerGetDatum(construct_array(datums, n, REGCLASSOID, sizeof(Oid),
										   true, TYPALIGN_INT));
}
