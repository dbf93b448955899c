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
#include "group/offsets.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/wake.h"

/* Partitions this transaction appended to; beyond that many: all. */
#define MAX_APPENDED	64
/* Groups dropped: beyond that an error.  Topics dropped: beyond that they are not noted. */
#define MAX_GROUPS		16
#define MAX_TOPICS		64

static Oid	appended[MAX_APPENDED];
static int	nappended = 0;
static bool wake_all = false;
static bool catalog_changes = false;	/* of topics or rights */
static bool offsets_appended = false;	/* to the offsets topic, not by
										 * commit() */

/* Groups and topics dropped, in call order: a rolled-back subtransaction's are the last. */
typedef struct Dropped
{
	bool		is_group;
	char		group[EL_NAME_SIZE];
	Oid			topic;
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
		el_offsets_invalidate();
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
el_note_topic(Oid topic, bool is_dropped)
{
	wake_all = catalog_changes = true;
	if (!is_dropped || count_dropped(false) >= MAX_TOPICS)
		return;					/* a member's next call finds out */
	add_dropped(false)->topic = topic;
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

bool
el_notes_pending(void)
{
	return nappended > 0 || wake_all || offsets_appended || catalog_changes ||
		ndropped > 0;
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
	wake_all = offsets_appended = catalog_changes = false;
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
}

/* The events stay undecided; COMMIT PREPARED wakes everybody. */
void
el_notes_prepared(void)
{
	if (offsets_appended)
		el_offsets_note_prepared();
	forget_notes();
}

void
el_notes_finish(bool is_commit)
{
	int			i;

	Assert(!el_group_locked());
	for (i = 0; is_commit && i < ndropped; i++)
	{
		if (dropped[i].is_group)
			el_session_forget(dropped[i].group);
		else
		{
			el_group_lock(LW_EXCLUSIVE);
			el_topic_dropped(MyDatabaseId, dropped[i].topic);
			el_group_unlock();
			el_wake_worker();
		}
	}
	if (offsets_appended)
		el_offsets_invalidate();
	wake_readers();
	forget_notes();
}
