/*-------------------------------------------------------------------------
 *
 * notes.c
 *	  What others have to know when this transaction has ended.
 *
 * A transaction that appended wakes readers, one that wrote to the topic of
 * committed offsets or of positions by itself drops their cache, the members of a dropped group
 * leave, and subscriptions end with their topic.  It is noted while the
 * transaction runs (with room set aside, or a note that there was too much; what
 * is noted of groups takes memory, and may fail) and done when its locks are gone, where nothing may fail.
 *
 * IDENTIFICATION
 *	  src/group/notes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "group/coordinator.h"
#include "group/notes.h"
#include "group/offsets_load.h"
#include "group/offsets_topic.h"
#include "group/room.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/wake.h"
#include "positions/table.h"

/* Partitions this transaction appended to; beyond that many: all. */
#define MAX_APPENDED	64
/* Topics dropped: beyond that all that is cached is void. */
#define MAX_TOPICS		64

static Oid	appended[MAX_APPENDED];
static int	nappended = 0;
static bool wake_all = false;
static bool catalog_changes = false;	/* of topics or rights */
static bool offsets_appended = false;	/* to the offsets topic, not by
										 * commit() */
static bool positions_appended = false; /* to that of positions, by an INSERT */
static bool uuid_given = false; /* a topic may have got a uuid that another
								 * had */
static bool topics_dropped = false; /* more than are noted */

/* Topics and groups dropped, in call order: a rolled-back subtransaction's are the last. */
typedef struct DroppedTopic
{
	ElDroppedTopic topic;
	SubTransactionId subid;
} DroppedTopic;

typedef struct DroppedGroup
{
	char		name[EL_NAME_SIZE];
	SubTransactionId subid;
} DroppedGroup;

static DroppedTopic dropped_topics[MAX_TOPICS];
static int	ndropped_topics = 0;
static DroppedGroup *dropped_groups = NULL; /* in TopMemoryContext */
static int	ndropped_groups = 0;
static int	room_for_groups = 0;

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

	if (el_internal_relations(&el_positions_internal, &offsets_topic, &offsets_leaf) &&
		leaf == offsets_leaf)
	{
		positions_appended = true;
		el_positions_invalidate();
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
	DroppedTopic *t;

	wake_all = catalog_changes = true;
	if (dropped_uuid == NULL || el_shared == NULL)
		return;
	el_offsets_note_drop();
	if (ndropped_topics >= MAX_TOPICS)
	{
		topics_dropped = true;
		return;
	}
	t = &dropped_topics[ndropped_topics++];
	t->topic.relid = topic;
	t->topic.uuid = *dropped_uuid;
	t->subid = GetCurrentSubTransactionId();
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
	DroppedGroup *d;

	if (ndropped_groups >= room_for_groups)
	{
		int			room = Max(16, 2 * room_for_groups);

		if (dropped_groups == NULL)
			dropped_groups = MemoryContextAlloc(TopMemoryContext,
												room * sizeof(DroppedGroup));
		else
			dropped_groups = repalloc_huge(dropped_groups,
										   room * sizeof(DroppedGroup));
		room_for_groups = room;
	}
	d = &dropped_groups[ndropped_groups++];
	strlcpy(d->name, group, EL_NAME_SIZE);
	d->subid = GetCurrentSubTransactionId();
}

/* What is loaded from now on is not of the topics that this transaction drops, but of others with their uuids. */
void
el_notes_pre_commit(void)
{
	if (ndropped_topics == 0)
		return;
	el_group_lock(LW_EXCLUSIVE);
	for (int i = 0; i < ndropped_topics; i++)
		dropped_topics[i].topic.number = ++el_shared->next_number;
	el_group_unlock();
}

bool
el_notes_pending(void)
{
	return nappended > 0 || wake_all || offsets_appended || positions_appended || uuid_given ||
		catalog_changes || ndropped_topics > 0 || ndropped_groups > 0;
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
	nappended = ndropped_topics = ndropped_groups = 0;
	if (dropped_groups != NULL)
		pfree(dropped_groups);
	dropped_groups = NULL;
	room_for_groups = 0;
	wake_all = offsets_appended = positions_appended = uuid_given = topics_dropped = catalog_changes = false;
}

void
el_notes_subxact(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent)
{
	int			i;

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (ndropped_topics > 0 &&
			   dropped_topics[ndropped_topics - 1].subid >= mine)
			ndropped_topics--;
		while (ndropped_groups > 0 &&
			   dropped_groups[ndropped_groups - 1].subid >= mine)
			ndropped_groups--;
		el_offsets_settle_drop(false, false);
		/* batches that readers stopped at may just have gone */
		wake_readers();
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (i = ndropped_topics; i > 0 && dropped_topics[i - 1].subid == mine; i--)
			dropped_topics[i - 1].subid = parent;
		for (i = ndropped_groups; i > 0 && dropped_groups[i - 1].subid == mine; i--)
			dropped_groups[i - 1].subid = parent;
	}
}

void
el_notes_check_prepare(void)
{
	if (ndropped_groups > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has dropped a group")));
	if (offsets_appended || uuid_given)
		el_offsets_note_prepared();
	if (positions_appended)
		el_positions_note_prepared();
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
	int			n = ndropped_topics;

	for (int i = 0; i < n; i++)
		topics[i] = dropped_topics[i].topic;
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
	for (i = 0; is_commit && i < ndropped_groups; i++)
		forget_group(dropped_groups[i].name);
	if (is_commit)
		forget_topics();
	el_offsets_settle_drop(is_commit, true);
	if (offsets_appended || (is_commit && (uuid_given || topics_dropped)))
		el_offsets_invalidate(offsets_appended || uuid_given);
	if (positions_appended)
		el_positions_invalidate();
	wake_readers();
	forget_notes();
}
