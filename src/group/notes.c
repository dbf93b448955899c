/*-------------------------------------------------------------------------
 *
 * notes.c
 *	  What others have to know when this transaction has ended.
 *
 * A transaction that appended wakes readers, one that wrote to the topic of
 * committed offsets by itself drops their cache, the members of a dropped group
 * leave, and subscriptions end with their topic.  It is noted while the
 * transaction runs (with room set aside, or a note that there was too much) and
 * done when its locks are gone, where nothing may fail.
 *
 * IDENTIFICATION
 *	  src/group/notes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "group/coordinator.h"
#include "group/notes.h"
#include "group/offsets_load.h"
#include "group/offsets_topic.h"
#include "group/room.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/wake.h"

/* Partitions this transaction appended to; beyond that many: all. */
#define MAX_APPENDED	64
/* Groups dropped: beyond that an error.  Topics dropped: beyond that all that is cached is void. */
#define MAX_GROUPS		16
#define MAX_TOPICS		64

static Oid	appended[MAX_APPENDED];
static int	nappended = 0;
static bool wake_all = false;
static bool catalog_changes = false;	/* of topics or rights */
static bool offsets_appended = false;	/* to the offsets topic, not by
										 * commit() */
static bool uuid_given = false; /* a topic may have got a uuid that another
								 * had */
static bool topics_dropped = false; /* more than are noted */

/* Groups and topics dropped, in call order: a rolled-back subtransaction's are the last. */
typedef struct Dropped
{
	bool		is_group;
	char		group[EL_NAME_SIZE];
	ElDroppedTopic topic;
	SubTransactionId subid;
} Dropped;

static Dropped dropped[MAX_GROUPS + MAX_TOPICS];
static int	ndropped = 0;

static int
count_dropped(bool groups)
{
	int			n = 0;
	int			i;

	for (i = 0; i < ndropped; i++)
		n += dropped[i].is_group == groups ? 1 : 0;
	return n;
}

static Dropped *
add_dropped(bool is_group)
{
	Dropped    *d = &dropped[ndropped];

	Assert(ndropped < lengthof(dropped));
	Assert(ndropped == 0 || dropped[ndropped - 1].subid <= GetCurrentSubTransactionId());
	d->is_group = is_group;
	d->subid = GetCurrentSubTransactionId();
	ndropped++;
	return d;
}

void
el_note_append(Oid topic, Oid leaf)
{
	Oid			offsets_topic;
	Oid			offsets_leaf;
	int			i;

	if (el_offsets_relations(&offsets_topic, &offsets_leaf) &&
		leaf == offsets_leaf)
	{
		/*
		 * A restore, or somebody's INSERT.  A backend that rebuilds the cache
		 * before we end finds it undecided, one that does so later finds what
		 * became of it.
		 */
		offsets_appended = true;
		el_offsets_invalidate(true);
	}

	for (i = 0; i < nappended; i++)
	{
		if (appended[i] == leaf)
			return;
	}
	if (nappended < MAX_APPENDED)
		appended[nappended++] = leaf;
	else
		wake_all = true;
}

/*
 * A topic has got more partitions or another label, or is dropped.  Its consumers learn of it
 * by their next call: see that those who sleep make one.  Must not fail.
 */
void
el_note_topic(Oid topic, const pg_uuid_t *dropped_uuid)
{
	ElDroppedTopic *t;

	wake_all = catalog_changes = true;
	if (dropped_uuid == NULL || el_shared == NULL)
		return;
	el_offsets_note_drop();
	if (count_dropped(false) >= MAX_TOPICS)
	{
		topics_dropped = true;
		return;
	}
	t = &add_dropped(false)->topic;
	t->relid = topic;
	t->uuid = *dropped_uuid;
}

/* Offsets that were committed under that uuid count again.  Must not fail. */
void
el_note_uuid(void)
{
	uuid_given = true;
}

void
el_note_rights(void)
{
	catalog_changes = true;
}

bool
el_notes_catalog_changes(void)
{
	return catalog_changes;
}

void
el_note_dropped_group(const char *group)
{
	if (count_dropped(true) >= MAX_GROUPS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("cannot drop more than %d groups in one transaction",
						MAX_GROUPS)));
	strlcpy(add_dropped(true)->group, group, EL_NAME_SIZE);
}

/* What is loaded from now on is not of the topics that this transaction drops, but of others with their uuids. */
void
el_notes_pre_commit(void)
{
	if (count_dropped(false) == 0)
		return;
	el_group_lock(LW_EXCLUSIVE);
	for (int i = 0; i < ndropped; i++)
	{
		if (!dropped[i].is_group)
			dropped[i].topic.number = ++el_shared->next_number;
	}
	el_group_unlock();
}

bool
el_notes_pending(void)
{
	return nappended > 0 || wake_all || offsets_appended || uuid_given ||
		catalog_changes || ndropped > 0;
}

static void
wake_readers(void)
{
	if (wake_all)
		el_wake_database();
	else if (nappended > 0)
		el_wake_leaves(appended, nappended);
}

static void
forget_notes(void)
{
	nappended = ndropped = 0;
	wake_all = offsets_appended = uuid_given = topics_dropped = catalog_changes = false;
}

void
el_notes_subxact(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent)
{
	int			i;

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (ndropped > 0 && dropped[ndropped - 1].subid >= mine)
			ndropped--;
		el_offsets_settle_drop(false, false);
		/* batches that readers stopped at may just have gone */
		wake_readers();
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (i = 0; i < ndropped; i++)
		{
			if (dropped[i].subid == mine)
				dropped[i].subid = parent;
		}
	}
}

void
el_notes_check_prepare(void)
{
	if (count_dropped(true) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has dropped a group")));
	if (offsets_appended || uuid_given)
		el_offsets_note_prepared();
}

/* The events stay undecided; COMMIT PREPARED wakes everybody. */
void
el_notes_prepared(void)
{
	el_offsets_settle_drop(false, true);
	forget_notes();
}

/* A group was dropped.  Must not fail. */
static void
forget_group(const char *name)
{
	el_session_leave(name);
	el_group_lock(LW_EXCLUSIVE);
	el_group_forget(MyDatabaseId, name);
	el_group_unlock();
}

/* Topics were dropped: see coordinator.h.  Must not fail. */
static void
forget_topics(void)
{
	ElDroppedTopic topics[MAX_TOPICS];
	ElSlotNo	from = 0;
	int			n = 0;

	for (int i = 0; i < ndropped; i++)
	{
		if (!dropped[i].is_group)
			topics[n++] = dropped[i].topic;
	}
	if (n == 0)
		return;
	while (from != EL_NO_SLOT)
	{
		el_group_lock(LW_EXCLUSIVE);
		from = el_topics_dropped(MyDatabaseId, topics, n, from);
		el_group_unlock();
	}
	el_wake_worker();
}

void
el_notes_finish(bool is_commit)
{
	int			i;

	Assert(!el_group_locked());
	for (i = 0; is_commit && i < ndropped; i++)
	{
		if (dropped[i].is_group)
			forget_group(dropped[i].group);
	}
	if (is_commit)
		forget_topics();
	el_offsets_settle_drop(is_commit, true);
	if (offsets_appended || (is_commit && (uuid_given || topics_dropped)))
		el_offsets_invalidate(offsets_appended || uuid_given);
	wake_readers();
	forget_notes();
}
