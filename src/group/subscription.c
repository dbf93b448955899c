/*-------------------------------------------------------------------------
 *
 * subscription.c
 *	  The topics of a member: those that are there and may be read.
 *
 * A subscription belongs to the role that asked for the topic.  A topic that is
 * dropped, or that this role may not read any more, leaves it: otherwise the
 * member would keep partitions that it cannot consume.  The coordinator cannot
 * look at catalogs, so each call of a member does, outside of its lock: all
 * topics if the call is about all of them, otherwise when catalogs have changed
 * since this backend looked last.
 *
 * Whether a topic leaves is up to the rights of its own role alone, so who gives
 * the name of another's member takes nothing away from it.
 *
 * IDENTIFICATION
 *	  src/group/subscription.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "group/coordinator.h"
#include "group/member.h"
#include "group/notes.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/subscription.h"
#include "group/wake.h"

/*
 * When to look
 *
 * Members that this backend has looked at, each with the number of catalog
 * changes it knew of then.  What others subscribe the member to meanwhile they
 * may read, or a change is still to come.
 */
#define CHECKED_MEMBERS	64

typedef struct Checked
{
	uint64		member;			/* hash of the names of group and member */
	uint64		changes;
} Checked;

static Checked checked[CHECKED_MEMBERS];
static uint64 changes = 1;

void
el_subscriptions_recheck(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
}

uint64
el_subscription_changes(void)
{
	return changes;
}

static uint64
hash_member(const ElGroupConf *conf, const ElMemberName *member)
{
	uint64		h = hash_bytes_extended((const unsigned char *) conf->name,
										strlen(conf->name), 0);

	if (member == NULL)
		return h;
	return hash_bytes_extended((const unsigned char *) member->name,
							   strlen(member->name), h);
}

static bool
check_is_due(const ElGroupConf *conf, const ElMemberName *member)
{
	uint64		h = hash_member(conf, member);
	const Checked *c = &checked[h % CHECKED_MEMBERS];

	return c->member != h || c->changes != changes;
}

/* The member was looked at when that many changes were known. */
static void
note_checked(const ElGroupConf *conf, const ElMemberName *member, uint64 known)
{
	uint64		h = hash_member(conf, member);
	Checked    *c = &checked[h % CHECKED_MEMBERS];

	/* what is undecided is looked at again */
	if (el_notes_catalog_changes())
		return;
	c->member = h;
	c->changes = known;
}

/*
 * What the member is subscribed to
 */
typedef enum Standing
{
	STANDING_FINE,
	STANDING_GONE,				/* the topic was dropped */
	STANDING_REVOKED			/* the role that asked for it may not read it,
								 * or is gone */
} Standing;

typedef struct Sub
{
	Oid			relid;
	pg_uuid_t	uuid;
	Oid			role;
	Standing	standing;
} Sub;

typedef struct Subscription
{
	const ElGroupConf *conf;
	const ElMemberName *member; /* NULL: the session */
	ElSession  *session;		/* NULL: the member has a name, or it has
								 * never joined */
	bool		is_member;		/* otherwise it was put out, perhaps while it
								 * was silent: what the session has asked for,
								 * uuids not known */
	int			n;
	Sub		   *subs;
} Subscription;

/* The topics of a member that is there. */
static void
copy_subs(Subscription *s)
{
	ElSlotNo	m;
	ElSlotNo	sub;
	bool		replaced;

	el_group_lock(LW_SHARED);
	m = el_member_slot(el_group_find(MyDatabaseId, s->conf->name), s->member,
					   s->session, &replaced);
	s->is_member = m != EL_NO_SLOT;
	if (s->is_member)
	{
		for (sub = EL_MEMBER(m)->first_sub; sub != EL_NO_SLOT;
			 sub = EL_SUB(sub)->next_sub)
			s->n++;
		s->subs = palloc0_array(Sub, s->n + 1);
		s->n = 0;
		for (sub = EL_MEMBER(m)->first_sub; sub != EL_NO_SLOT;
			 sub = EL_SUB(sub)->next_sub)
		{
			s->subs[s->n].relid = EL_TOPIC(EL_SUB(sub)->topic)->relid;
			s->subs[s->n].uuid = EL_TOPIC(EL_SUB(sub)->topic)->uuid;
			s->subs[s->n++].role = EL_SUB(sub)->role;
		}
	}
	el_group_unlock();
}

static void
get_subscription(const ElGroupConf *conf, const ElMemberName *member,
				 Subscription *s)
{
	int			i;

	memset(s, 0, sizeof(*s));
	s->conf = conf;
	s->member = member;
	s->session = member == NULL ? el_session_find(conf->name) : NULL;
	if (member == NULL && s->session == NULL)
		return;
	copy_subs(s);
	if (s->is_member || s->session == NULL)
		return;

	s->n = s->session->ntopics;
	s->subs = palloc0_array(Sub, s->n + 1);
	for (i = 0; i < s->n; i++)
	{
		s->subs[i].relid = s->session->topics[i].relid;
		s->subs[i].role = s->session->topics[i].role;
	}
}

/*
 * Is the caller one whose calls for the member count: a role that has asked for
 * one of its topics, or may read one?  Otherwise nothing is to follow from its
 * giving the member's name.
 */
static bool
is_concerned(const Subscription *s)
{
	bool		gone = true;
	int			i;

	if (s->member == NULL || s->n == 0)
		return true;
	for (i = 0; i < s->n; i++)
	{
		if (s->subs[i].role == GetUserId() ||
			el_role_may_select(GetUserId(), s->subs[i].relid, &gone) || gone)
			return true;
	}
	return false;
}

/* 42501 unless the caller may read what its own role may, and is concerned at all. */
static void
check_caller(const Subscription *s)
{
	bool		gone;
	int			i;

	for (i = 0; i < s->n; i++)
	{
		const Sub  *sub = &s->subs[i];

		if (sub->role != GetUserId() &&
			!el_role_may_select(GetUserId(), sub->relid, &gone) && !gone &&
			el_role_may_select(sub->role, sub->relid, &gone))
			el_check_select(sub->relid);
	}
	if (!is_concerned(s))
		el_check_select(s->subs[0].relid);
}

/*
 * A topic may also have made place for another of its OID.  Only who locks it
 * can tell that, see el_member_topics().
 */
static Standing
find_standing(const Sub *sub)
{
	bool		gone;

	if (el_role_may_select(sub->role, sub->relid, &gone))
		return STANDING_FINE;
	return gone ? STANDING_GONE : STANDING_REVOKED;
}

/*
 * Topics leave
 */

/* Unless somebody has asked for it anew.  Lock held exclusively. */
static void
unsubscribe(ElSlotNo member, const Sub *sub)
{
	ElSlotNo	topic = el_group_topic_find(EL_MEMBER(member)->group, &sub->uuid);
	ElSlotNo	s = topic == EL_NO_SLOT ? EL_NO_SLOT :
		el_sub_find(member, topic);

	if (s != EL_NO_SLOT &&
		(sub->standing == STANDING_GONE || EL_SUB(s)->role == sub->role))
		(void) el_member_unsubscribe(member, topic);
}

static void
unsubscribe_all(const Subscription *s)
{
	ElSlotNo	m;
	bool		replaced;
	int			i;

	el_group_lock(LW_EXCLUSIVE);
	m = el_member_slot(el_group_find(MyDatabaseId, s->conf->name), s->member,
					   s->session, &replaced);
	for (i = 0; m != EL_NO_SLOT && i < s->n; i++)
	{
		if (s->subs[i].standing != STANDING_FINE)
			unsubscribe(m, &s->subs[i]);
	}
	el_group_unlock();
	/* who shall have the partitions now */
	el_wake_worker();

	for (i = 0; s->session != NULL && i < s->n; i++)
	{
		if (s->subs[i].standing != STANDING_FINE)
			el_session_remove_topic(s->session, s->subs[i].relid);
	}
}

static void
warn_of_revoked(const Subscription *s, const Sub *sub)
{
	char	   *topic = get_rel_name(sub->relid);
	char	   *role = GetUserNameFromId(sub->role, true);

	ereport(WARNING,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 s->member != NULL ?
			 errmsg("member \"%s\" of group \"%s\" is no longer subscribed to topic \"%s\"",
					s->member->name, s->conf->name, topic ? topic : "?") :
			 errmsg("this session is no longer subscribed to topic \"%s\" in group \"%s\"",
					topic ? topic : "?", s->conf->name),
			 role != NULL ?
			 errdetail("Role \"%s\", which asked for it, may not read it any more.",
					   role) :
			 errdetail("The role that asked for it does not exist any more.")));
}

/*
 * Take off the subscription what is not to stay.  Not what this transaction's
 * own changes have brought about: they may be rolled back, the subscription would
 * not come back with them.  Such topics are only passed over.
 */
static void
settle(const Subscription *s, bool leaving)
{
	int			nfine = 0;
	int			nrevoked = 0;
	int			i;

	for (i = 0; i < s->n; i++)
	{
		nfine += s->subs[i].standing == STANDING_FINE ? 1 : 0;
		nrevoked += s->subs[i].standing == STANDING_REVOKED ? 1 : 0;
	}
	if (nfine == s->n)
		return;
	if (!el_notes_catalog_changes())
	{
		unsubscribe_all(s);
		for (i = 0; i < s->n; i++)
		{
			if (s->subs[i].standing == STANDING_REVOKED)
				warn_of_revoked(s, &s->subs[i]);
		}
	}
	if (nfine == 0 && nrevoked > 0 && !leaving)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 s->member != NULL ?
				 errmsg("permission denied for all topics of member \"%s\" of group \"%s\"",
						s->member->name, s->conf->name) :
				 errmsg("permission denied for all topics of this session in group \"%s\"",
						s->conf->name),
				 errhint("It takes SELECT on a topic to consume it.")));
}

/*
 * Calls
 */
List *
el_member_topics(const ElGroupConf *conf, const ElMemberName *member)
{
	Subscription s;
	List	   *result = NIL;
	int			i;
	uint64		known = changes;

	get_subscription(conf, member, &s);
	check_caller(&s);
	for (i = 0; i < s.n; i++)
	{
		Sub		   *sub = &s.subs[i];
		ElTopicRef *ref = el_topic_ref_if_there(sub->relid,
												s.is_member ? &sub->uuid : NULL);

		/* rights as of now that it is locked */
		sub->standing = ref == NULL ? STANDING_GONE : find_standing(sub);
		if (sub->standing == STANDING_FINE)
		{
			ref->role = sub->role;
			result = lappend(result, ref);
		}
		else if (ref != NULL)
			UnlockRelationOid(sub->relid, AccessShareLock);
	}
	settle(&s, false);
	note_checked(conf, member, known);
	return result;
}

/*
 * A look at the topics, if changes are known that were not at the last one.  Not
 * at those that the call is going to ask for by itself.
 */
static void
look_again(Subscription *s, uint64 known, List *asked, bool leaving)
{
	bool		gone;
	int			i;

	for (i = 0; i < s->n; i++)
	{
		Sub		   *sub = &s->subs[i];

		if (!list_member_oid(asked, sub->relid) ||
			!el_role_may_select(GetUserId(), sub->relid, &gone))
			sub->standing = find_standing(sub);
	}
	settle(s, leaving);
	note_checked(s->conf, s->member, known);
}

static void
check_may_act(const ElGroupConf *conf, const ElMemberName *member,
			  List *asked, bool leaving)
{
	Subscription s;
	uint64		known = changes;
	bool		due = check_is_due(conf, member);

	if (member == NULL && !due)
		return;
	get_subscription(conf, member, &s);
	if (member != NULL)
		check_caller(&s);
	if (due)
		look_again(&s, known, asked, leaving);
}

void
el_member_check_may_act(const ElGroupConf *conf, const ElMemberName *member)
{
	check_may_act(conf, member, NIL, false);
}

void
el_member_check_may_leave(const ElGroupConf *conf, const ElMemberName *member,
						  List *relids)
{
	check_may_act(conf, member, relids, true);
}

void
el_member_check_others(const ElGroupConf *conf, const ElMemberName *member,
					   Oid relid)
{
	Subscription s;
	uint64		known = changes;

	if (!check_is_due(conf, member))
		return;
	get_subscription(conf, member, &s);
	if (is_concerned(&s))
		look_again(&s, known, list_make1_oid(relid), true);
}
