/*-------------------------------------------------------------------------
 *
 * notes.c
 *	  What others have to know when this transaction has ended.
 *
 * Readers are woken by who appended, the cache of committed offsets is dropped
 * by who wrote to its topic, members leave a group that is dropped, and
 * subscriptions end with their topic.  It is noted while the transaction runs
 * (with room set aside, or a note that there was too much) and done when its
 * locks are gone, where nothing may fail.
 *
 * IDENTIFICATION
 *	  src/group/notes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "group/group.h"

/* Partitions this transaction appended to; beyond that many: all. */
#define MAX_APPENDED	64
/* Groups and topics dropped; beyond that: an error, and nothing is noted. */
#define MAX_DROPPED		16
#define MAX_TOPICS		64

static Oid	appended[MAX_APPENDED];
static int	nappended = 0;
static bool wake_all = false;
static bool offsets_appended = false;	/* to the offsets topic, not by commit() */

/* In call order, so that a rolled-back subtransaction's are the last. */
static struct
{
	char		name[EL_NAME_SIZE];
	SubTransactionId subid;
}			dropped_groups[MAX_DROPPED];
static int	ndropped = 0;

static struct
{
	Oid			relid;
	SubTransactionId subid;
}			dropped_topics[MAX_TOPICS];
static int	ntopics = 0;

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
		 * A restore, or somebody's INSERT.  Whoever rebuilds before we end
		 * finds it undecided, whoever does so later finds what became of it.
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
 * A topic has got more partitions, or is dropped.  Its consumers learn of it
 * by their next call: see that those who sleep make one.
 */
void
el_note_topic(Oid topic, bool dropped)
{
	wake_all = true;
	if (!dropped || ntopics >= MAX_TOPICS)
		return;					/* a member's next call finds out */
	dropped_topics[ntopics].relid = topic;
	dropped_topics[ntopics++].subid = GetCurrentSubTransactionId();
}

void
el_note_dropped_group(const char *group)
{
	if (ndropped >= MAX_DROPPED)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("cannot drop more than %d groups in one transaction",
						MAX_DROPPED)));
	strlcpy(dropped_groups[ndropped].name, group, EL_NAME_SIZE);
	dropped_groups[ndropped++].subid = GetCurrentSubTransactionId();
}

bool
el_notes_pending(void)
{
	return nappended > 0 || wake_all || offsets_appended ||
		ndropped > 0 || ntopics > 0;
}

static void
wake(void)
{
	if (wake_all)
		el_wake_database();
	else if (nappended > 0)
		el_wake_leaves(appended, nappended);
}

static void
forget(void)
{
	nappended = ndropped = ntopics = 0;
	wake_all = offsets_appended = false;
}

void
el_notes_subxact(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent)
{
	int			i;

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (ndropped > 0 && dropped_groups[ndropped - 1].subid >= mine)
			ndropped--;
		while (ntopics > 0 && dropped_topics[ntopics - 1].subid >= mine)
			ntopics--;
		/* batches that readers stopped at may just have gone */
		wake();
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (i = 0; i < ndropped; i++)
		{
			if (dropped_groups[i].subid == mine)
				dropped_groups[i].subid = parent;
		}
		for (i = 0; i < ntopics; i++)
		{
			if (dropped_topics[i].subid == mine)
				dropped_topics[i].subid = parent;
		}
	}
}

void
el_notes_check_prepare(void)
{
	if (ndropped > 0)
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
	forget();
}

void
el_notes_finish(bool is_commit)
{
	int			i;

	if (is_commit)
	{
		for (i = 0; i < ndropped; i++)
			el_session_forget(dropped_groups[i].name);
		if (ntopics > 0 && el_shared != NULL)
		{
			el_group_lock(LW_EXCLUSIVE);
			for (i = 0; i < ntopics; i++)
				el_topic_dropped(MyDatabaseId, dropped_topics[i].relid);
			el_group_unlock();
			el_wake_worker();
		}
	}
	if (offsets_appended)
		el_offsets_invalidate();
	wake();
	forget();
}
