/*-------------------------------------------------------------------------
 *
 * claimed.c
 *	  What a group that is used by claims reads: for who waits as no member.
 *
 * A claim names its topic, a wait does not, and claims leave no member behind
 * that would know.  Shared memory knows what was claimed, but only until it needs
 * the room or the server is restarted, so what this session has claimed from is
 * remembered here; and what the group has committed offsets in was surely read.
 *
 * IDENTIFICATION
 *	  src/group/claimed.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/compat.h"
#include "group/arguments.h"
#include "group/claimed.h"
#include "group/offsets.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/subscription.h"
#include "topic/topic.h"

/* Beyond that many the oldest are forgotten. */
#define MAX_REMEMBERED	32

typedef struct Claimed
{
	char		group[EL_NAME_SIZE];
	Oid			relid;
} Claimed;

static Claimed remembered[MAX_REMEMBERED];
static int	nremembered = 0;
static int	last_remembered = 0;

void
el_claimed_remember(const char *group, Oid relid)
{
	int			i = last_remembered;

	if (i >= nremembered || remembered[i].relid != relid ||
		strcmp(remembered[i].group, group) != 0)
	{
		for (i = 0; i < nremembered; i++)
		{
			if (remembered[i].relid == relid &&
				strcmp(remembered[i].group, group) == 0)
				break;
		}
	}
	if (i == nremembered)
	{
		if (nremembered < MAX_REMEMBERED)
			nremembered++;
		else
			i = (last_remembered + 1) % MAX_REMEMBERED;
		strlcpy(remembered[i].group, group, EL_NAME_SIZE);
		remembered[i].relid = relid;
	}
	last_remembered = i;
}

void
el_claimed_forget(void)
{
	nremembered = last_remembered = 0;
}

/* What shared memory knows of the group. */
typedef struct Known
{
	bool		by_claims;		/* it was last used so */
	bool		has_members;
	int			nclaimed;
	Oid		   *claimed;
	int			ncommitted;		/* the group has offsets in them */
	Oid		   *committed;
	int			nuuids;			/* likewise, but nobody has used them since
								 * the start */
	pg_uuid_t  *uuids;
} Known;

/* Is something committed there, or undecided?  *entry is a copy. */
static bool
says_something(const ElEntry *entry)
{
	return entry->next >= 0 || (FullTransactionIdIsValid(entry->pending_fxid) &&
								entry->pending_next >= 0);
}

/* Has the group a start mark or a committed offset in the topic?  Lock held. */
static bool
has_offset(ElSlotNo topic)
{
	ElEntry		entry;
	ElSlotNo	s;

	if (el_mark_copy(topic, &entry) && says_something(&entry))
		return true;
	for (s = EL_TOPIC(topic)->first_part; s != EL_NO_SLOT;
		 s = EL_PART(s)->next_part)
	{
		el_entry_copy(s, &entry);
		if (says_something(&entry))
			return true;
	}
	return false;
}

static void
copy_known(const char *group, Known *k)
{
	ElSlotNo	g;
	ElSlotNo	s;
	int			n = 0;

	memset(k, 0, sizeof(*k));
	el_group_lock_with_offsets(group, LW_SHARED);
	g = el_group_find(MyDatabaseId, group);
	if (g != EL_NO_SLOT)
	{
		k->by_claims = EL_GROUP(g)->use == EL_USE_CLAIMS;
		k->has_members = EL_GROUP(g)->nmembers > 0;
		for (s = EL_GROUP(g)->first_topic; s != EL_NO_SLOT;
			 s = EL_TOPIC(s)->next_topic)
			n++;
		k->claimed = palloc_array(Oid, n + 1);
		k->committed = palloc_array(Oid, n + 1);
		k->uuids = palloc_array(pg_uuid_t, n + 1);
		for (s = EL_GROUP(g)->first_topic; s != EL_NO_SLOT;
			 s = EL_TOPIC(s)->next_topic)
		{
			Oid			relid = EL_TOPIC(s)->relid;

			if (EL_TOPIC(s)->claimed && OidIsValid(relid))
				k->claimed[k->nclaimed++] = relid;
			else if (has_offset(s))
			{
				if (OidIsValid(relid))
					k->committed[k->ncommitted++] = relid;
				else
					k->uuids[k->nuuids++] = EL_TOPIC(s)->uuid;
			}
		}
	}
	el_group_unlock();
}

static bool
is_known_uuid(const Known *k, const pg_uuid_t *uuid)
{
	int			i;

	for (i = 0; i < k->nuuids; i++)
	{
		if (memcmp(&k->uuids[i], uuid, UUID_LEN) == 0)
			return true;
	}
	return false;
}

/*
 * Topics that only their committed offsets tell of.  It takes a look at all
 * topics; one that is not there will not be before topics have changed, so who
 * waits for long does not look in vain each time.
 */
static List *
find_by_uuid(const char *group, const Known *k)
{
	List	   *relids = NIL;
	static char vain_group[EL_NAME_SIZE];
	static uint64 vain_changes = 0;
	uint64		changes = el_subscription_changes();
	int			nfound = 0;
	ListCell   *lc;

	if (k->nuuids == 0 ||
		(vain_changes == changes && strcmp(vain_group, group) == 0))
		return NIL;
	foreach(lc, el_all_topics())
	{
		Oid			relid = lfirst_oid(lc);
		ElTopic    *t;

		CHECK_FOR_INTERRUPTS();
		t = el_topic_or_null(relid);
		if (t != NULL && is_known_uuid(k, &t->uuid))
		{
			relids = lappend_oid(relids, relid);
			nfound++;
		}
	}
	if (nfound == 0)
	{
		strlcpy(vain_group, group, EL_NAME_SIZE);
		vain_changes = changes;
	}
	return relids;
}

/* Add those of the topics that are there and may be read; *refused: one that may not. */
static List *
add_readable(List *topics, List *relids, Oid *refused)
{
	ListCell   *lc;

	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);
		bool		gone;
		ElTopicRef *ref;

		if (!el_role_may_select(GetUserId(), relid, &gone))
		{
			if (!gone)
				*refused = relid;
			continue;
		}
		ref = el_topic_ref_if_there(relid, NULL);
		if (ref != NULL)
			topics = lappend(topics, ref);
	}
	return topics;
}

List *
el_claimed_topics(const char *group)
{
	Known		known;
	List	   *claimed = NIL;
	List	   *committed;
	List	   *result;
	Oid			refused = InvalidOid;
	Oid			not_said = InvalidOid;
	int			i;

	copy_known(group, &known);
	if (known.has_members ||
		(el_session_find(group) != NULL && !known.by_claims))
		return NIL;

	for (i = 0; i < known.nclaimed; i++)
		claimed = lappend_oid(claimed, known.claimed[i]);
	for (i = 0; i < nremembered; i++)
	{
		if (strcmp(remembered[i].group, group) == 0)
			claimed = list_append_unique_oid(claimed, remembered[i].relid);
	}
	committed = find_by_uuid(group, &known);
	for (i = 0; i < known.ncommitted; i++)
		committed = lappend_oid(committed, known.committed[i]);

	result = add_readable(NIL, claimed, &refused);
	result = add_readable(result, list_difference_oid(committed, claimed),
						  &not_said);
	if (result == NIL && OidIsValid(refused))
		el_check_select(refused);
	return result;
}
