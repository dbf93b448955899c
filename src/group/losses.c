/*-------------------------------------------------------------------------
 *
 * losses.c
 *	  Partitions lost with events that were not committed, and commits that
 *	  were refused.
 *
 * A member that works too long, or whose name another process has taken, loses
 * its partitions.  What it was given of them and did not commit is given to
 * others, so its next commit() fails, once for all of it: the work is to be
 * undone, or (over transactions) will be done twice.
 *
 * A transaction whose commit() was refused must not end as if it had worked:
 * what it did for the events would stay, and the events come again.  So the
 * refusal sticks, to every later commit() and to COMMIT, for as long as the
 * consumption stands: it is kept as the consumption's number, which is the
 * state's and rewinds with savepoints.
 *
 * IDENTIFICATION
 *	  src/group/losses.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "base/errors.h"
#include "group/losses.h"
#include "group/slots.h"

/* The partition's slot, whether or not this transaction has locked it.  Lock held. */
static ElSlotNo
find_slot(const ElLocalPart *lp)
{
	ElSlotNo	group;

	if (lp->locked)
		return lp->slot;
	group = el_group_find(MyDatabaseId, lp->key.group);
	return group == EL_NO_SLOT ? EL_NO_SLOT :
		el_part_find(group, &lp->key.uuid, lp->key.partition);
}

/* Has the member lost the partition?  Lock held. */
static bool
is_lost(const ElLocalPart *lp, const char *member)
{
	const ElPartState *state = &lp->state;

	/* the session, whoever has worked on it since */
	if (member == NULL && el_local_owes(lp))
		return true;
	return el_local_is_of(lp, member) && state->position >= 0 &&
		!el_local_given_up(lp) &&
		(state->consumed != 0 || state->position > state->committed) &&
		!el_local_still_owned(lp, find_slot(lp));
}

static int
compare_parts(const ListCell *a, const ListCell *b)
{
	const ElLocalPart *pa = lfirst(a);
	const ElLocalPart *pb = lfirst(b);

	if (pa->topic != pb->topic)
		return pa->topic < pb->topic ? -1 : 1;
	return pa->key.partition - pb->key.partition;
}

List *
el_losses_find(const char *group, const char *member, const ElLocalPart *only)
{
	List	   *parts = el_local_parts(group, member != NULL);
	List	   *lost = NIL;
	ListCell   *lc;

	if (parts == NIL)
		return NIL;
	el_group_lock(LW_SHARED);
	foreach(lc, parts)
	{
		ElLocalPart *lp = lfirst(lc);

		if ((only == NULL || only == lp) && is_lost(lp, member))
			lost = lappend(lost, lp);
	}
	el_group_unlock();
	list_free(parts);
	list_sort(lost, compare_parts);
	return lost;
}

char *
el_losses_text(List *lost)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, lost)
	{
		const ElLocalPart *lp = lfirst(lc);
		const ListCell *next = lnext(lost, lc);
		bool		more = next != NULL && ((ElLocalPart *) lfirst(next))->topic == lp->topic;
		const ElLocalPart *before = foreach_current_index(lc) == 0 ? NULL :
			list_nth(lost, foreach_current_index(lc) - 1);

		if (before == NULL || before->topic != lp->topic)
			appendStringInfo(&buf, "%s%s ", before == NULL ? "" : ", ",
							 more ? "partitions" : "partition");
		appendStringInfo(&buf, "%d", lp->key.partition);
		if (more)
			appendStringInfoString(&buf, ", ");
		else
		{
			char	   *name = get_rel_name(lp->topic);

			appendStringInfo(&buf, " of topic \"%s\"", name ? name : "?");
		}
	}
	return buf.data;
}

void
el_losses_tell(List *lost)
{
	ListCell   *lc;

	foreach(lc, lost)
	{
		ElLocalPart *lp = lfirst(lc);

		(void) el_local_get(&lp->key, lp->topic);
		lp->told = Max(lp->told, lp->state.owed != 0 ? lp->state.owed :
					   lp->state.epoch);
	}
}

static void
refuse(ElLocalPart *lp, int sqlstate)
{
	if (lp->state.consumed == 0 || lp->refused == lp->state.consumed)
		return;
	lp->refused = lp->state.consumed;
	lp->refused_code = sqlstate;
}

void
el_losses_report(const char *group, const char *member, List *lost)
{
	char	   *text = el_losses_text(lost);
	ListCell   *lc;

	Assert(lost != NIL);
	el_losses_tell(lost);
	foreach(lc, lost)
	{
		ElLocalPart *lp = lfirst(lc);

		if (el_local_is_of(lp, member))
			refuse(lp, ERRCODE_EL_FENCED);
	}
	ereport(ERROR,
			(errcode(ERRCODE_EL_FENCED),
			 member != NULL ?
			 errmsg("member \"%s\" of group \"%s\" has lost %s", member, group,
					text) :
			 errmsg("this session has lost %s in group \"%s\"", text, group),
			 errdetail_plural("The partition was given to another member after this one consumed from it.",
							  "The partitions were given to other members after this one consumed from them.",
							  list_length(lost)),
			 errhint("Retry the transaction.")));
}

void
el_refuse_consumed(const char *group, const char *member, int sqlstate)
{
	ElLocalPart *lp;

	for (lp = el_local_first_in_xact(); lp != NULL; lp = lp->next_in_xact)
	{
		if (strcmp(lp->key.group, group) == 0 && el_local_concerns(lp, member))
			refuse(lp, sqlstate);
	}
}

void
el_refuse_partition(const ElPartKey *key, int sqlstate)
{
	ElLocalPart *lp = el_local_find(key);

	if (lp != NULL)
		refuse(lp, sqlstate);
}

void
el_refusals_check(const char *group, const char *member)
{
	const ElMemberRef *ref;
	ElLocalPart *lp;
	List	   *lost;

	for (lp = el_local_first_in_xact(); lp != NULL; lp = lp->next_in_xact)
	{
		if (lp->refused == 0 || lp->refused != lp->state.consumed)
			continue;
		if (group != NULL && (strcmp(lp->key.group, group) != 0 ||
							  !el_local_concerns(lp, member)))
			continue;
		ref = &lp->state.member;
		/* in some other partition, perhaps, than in the one it stands for */
		lost = el_losses_find(lp->key.group, ref->named ? ref->name : NULL, lp);
		ereport(ERROR,
				(errcode(lp->refused_code),
				 lp->refused_code != ERRCODE_EL_FENCED || lost == NIL ?
				 errmsg("offsets of group \"%s\" were not committed", lp->key.group) :
				 ref->named ?
				 errmsg("member \"%s\" of group \"%s\" has lost %s", ref->name,
						lp->key.group, el_losses_text(lost)) :
				 errmsg("this session has lost %s in group \"%s\"",
						el_losses_text(lost), lp->key.group),
				 errdetail("A commit() of this transaction was refused, and what it has consumed stands."),
				 errhint("Retry the transaction, or go back to a savepoint set before it consumed.")));
	}
}
