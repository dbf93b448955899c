/*-------------------------------------------------------------------------
 *
 * xact.c
 *	  What groups do when a transaction ends.
 *
 * In the order in which it happens:
 *
 *	  PRE_COMMIT	commit_offsets(): append what the transaction commits.  May
 *					fail, and is the last that may.
 *	  ABORT			states become what they were before the transaction.
 *	  locks gone	finish_xact(): others see what it delivered, the partitions
 *					are free, also for the eye; waiters are woken, positions
 *					of a session go on.
 *
 * When finish_xact() comes, another transaction may have locked one of our
 * partitions already.  What a partition's holder alone may write is left to that
 * one then: its member is told of its own deliveries, or, should it roll back, is
 * given ours again.  What was counted for this transaction is taken back in any
 * case.
 *
 * IDENTIFICATION
 *	  src/group/xact.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "group/claimed.h"
#include "group/local.h"
#include "group/losses.h"
#include "group/mark.h"
#include "group/notes.h"
#include "group/offsets.h"
#include "group/offsets_append.h"
#include "group/part_lock.h"
#include "group/portals.h"
#include "group/session.h"
#include "group/slots.h"
#include "group/wake.h"
#include "group/xact.h"
#include "positions/table.h"

/* The parts that this transaction commits, and the marks that it writes. */
typedef struct Commits
{
	int			nparts;
	ElLocalPart **parts;
	int			nmarks;
	ElLocalMark **marks;
} Commits;

/* With arrays: fill them; else only count. */
static void
list_commits(Commits *c)
{
	c->nparts = c->nmarks = 0;
	for (ElLocalPart *lp = el_local_first_in_xact(); lp != NULL;
		 lp = lp->next_in_xact)
	{
		if (!lp->state.commit)
			continue;
		if (c->parts != NULL)
			c->parts[c->nparts] = lp;
		c->nparts++;
	}
	for (ElLocalMark *m = el_local_marks_first(); m != NULL; m = m->next)
	{
		if (!el_local_mark_to_write(m))
			continue;
		if (c->marks != NULL)
			c->marks[c->nmarks] = m;
		c->nmarks++;
	}
}

/* Append the offsets that this transaction commits.  Raises; the transaction is aborted then. */
static void
commit_offsets(void)
{
	Commits		c = {0};

	el_refusals_check(NULL, NULL);
	list_commits(&c);
	if (c.nparts > 0 || c.nmarks > 0)
	{
		/*
		 * A procedure's COMMIT comes here in the procedure's own context,
		 * which lives until that ends: leave nothing behind in it.
		 */
		MemoryContext cxt = AllocSetContextCreate(TopTransactionContext,
												  "eventlog commit",
												  ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);

		c.parts = palloc_array(ElLocalPart *, c.nparts + 1);
		c.marks = palloc_array(ElLocalMark *, c.nmarks + 1);
		list_commits(&c);
		el_offsets_append(c.parts, c.nparts, c.marks, c.nmarks);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(cxt);
	}
	el_local_set_phase(EL_XACT_CLOSED);
}

/*
 * The transaction committed: what became of one partition that it holds.  seq is
 * the number of this consuming transaction.  Lock held.
 */
static void
publish_part(const ElLocalPart *lp, uint64 seq)
{
	const ElPartState *state = &lp->state;
	ElPart	   *p = EL_PART(lp->slot);
	bool		owner;

	Assert(el_group_locked_exclusive());
	p->events_lost += state->events_skipped;
	if (state->consumed == 0 && !state->commit)
		return;
	owner = state->member.incarnation != 0 &&
		el_part_owned_by(lp->slot, &state->member, state->epoch);
	if (owner && state->consumed != 0)
		EL_MEMBER(p->owner)->last_seq = seq;
	if (lp->claim)
		p->delivered = Max(state->position, state->committed);
	else if (owner && state->position >= 0)
	{
		if (state->consumed != 0)
		{
			p->delivered = state->position;
			p->delivered_seq = seq;
		}
		p->delivered_version = state->commit ? lp->new_version : state->version;
		p->outstanding = state->position > state->committed;
	}
	else
	{
		/* seek: whatever its owner was given counts no more */
		p->delivered = -1;
		p->delivered_seq = 0;
		p->outstanding = false;
	}
}

/* Others see what the transaction delivered, and that it holds its partitions no more. */
static void
publish_parts(bool is_commit)
{
	ElLocalPart *lp;
	int64		now = el_monotonic_ms();
	uint64		seq;

	el_group_lock(LW_EXCLUSIVE);
	seq = ++el_shared->next_number;
	for (lp = el_local_first_in_xact(); lp != NULL; lp = lp->next_in_xact)
	{
		if (!lp->locked)
			continue;
		if (is_commit && EL_HEAD(lp->slot)->kind == EL_SLOT_PART)
		{
			if (EL_PART(lp->slot)->holder == MyProcPid)
				publish_part(lp, seq);
			if (lp->state.commit)
				EL_GROUP(EL_PART(lp->slot)->group)->last_commit_ms = now;
		}
		el_part_clear_holder(lp);
	}
	el_group_unlock();
}

/* Wake who waits for partitions that this transaction held.  Must not fail. */
static void
wake_groups(void)
{
	const char *woken = NULL;
	ElLocalPart *lp;

	for (lp = el_local_first_in_xact(); lp != NULL; lp = lp->next_in_xact)
	{
		const ElPart *p;
		bool		moves;
		bool		sought;

		if (!lp->locked || EL_HEAD(lp->slot)->kind != EL_SLOT_PART)
			continue;
		/* a read without the lock: a stale answer only wakes for nothing */
		p = (const ElPart *) EL_HEAD(lp->slot);
		moves = p->owner != p->target;
		/* after a seek there may be events for a waiter that was at the end */
		sought = lp->state.any_owner && !lp->claim;
		if (woken == NULL || strcmp(lp->key.group, woken) != 0 || moves || sought)
		{
			woken = lp->key.group;
			el_wake_group(MyDatabaseId, woken, !moves && !sought);
			if (moves)
				el_wake_worker();
		}
	}
	/* who starts from the latest waits for whoever was at the first take */
	for (ElLocalMark *m = el_local_marks_first(); m != NULL; m = m->next)
	{
		if (woken == NULL || strcmp(m->key.group, woken) != 0)
			el_wake_group(MyDatabaseId, m->key.group, true);
	}
}

/* After COMMIT or ABORT and after the locks: tidy up.  Must not fail. */
static void
finish_xact(bool is_commit)
{
	if (el_local_first_in_xact() != NULL)
		publish_parts(is_commit);
	wake_groups();
	el_local_marks_end(is_commit);
	el_local_end(is_commit);
	el_notes_finish(is_commit);
}

/* 0A000 for what a prepared transaction could not keep. */
static void
check_prepare(void)
{
	const char *group = NULL;

	for (ElLocalPart *lp = el_local_first_in_xact(); lp != NULL;
		 lp = lp->next_in_xact)
	{
		if (lp->locked)
			group = lp->key.group;
	}
	if (el_local_marks_first() != NULL)
		group = el_local_marks_first()->key.group;
	if (group != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has consumed or committed offsets of group \"%s\"",
						group),
				 errhint("Use COMMIT, or consume in another transaction.")));
	el_notes_check_prepare();
}

void
el_group_xact(XactEvent event)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			commit_offsets();
			el_notes_pre_commit();
			break;

		case XACT_EVENT_PRE_PREPARE:
			check_prepare();
			el_local_set_phase(EL_XACT_CLOSED);
			break;

		case XACT_EVENT_COMMIT:
			el_local_set_phase(EL_XACT_COMMITTED);
			break;

		case XACT_EVENT_ABORT:
			el_local_rollback(InvalidSubTransactionId);
			el_local_marks_rollback(InvalidSubTransactionId);
			el_local_set_phase(EL_XACT_ABORTED);
			break;

		case XACT_EVENT_PREPARE:
			el_notes_prepared();
			el_local_set_phase(EL_XACT_ABORTED);	/* parts that were looked
													 * at, but not locked, go */
			break;

		default:
			break;				/* parallel workers have no part in this */
	}
}

void
el_group_subxact(SubXactEvent event, SubTransactionId mine,
				 SubTransactionId parent)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		el_local_rollback(mine);
		el_local_marks_rollback(mine);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		el_local_merge(mine, parent);
		el_local_marks_merge(mine, parent);
	}
	el_portals_subxact(event, mine, parent);
	el_notes_subxact(event, mine, parent);
}

void
el_group_after_locks(bool is_commit)
{
	ElXactPhase phase = el_local_phase();

	/* portals and subtransactions release resources too */
	if (phase != EL_XACT_COMMITTED && phase != EL_XACT_ABORTED)
		return;
	el_local_set_phase(EL_XACT_OPEN);
	el_portals_end();
	if (el_shared == NULL)
		return;
	if (el_local_first_in_xact() != NULL || el_local_marks_first() != NULL ||
		el_notes_pending())
		finish_xact(phase == EL_XACT_COMMITTED);
}

/* Statements after which a role may read less than before, if they are not rolled back. */
void
el_group_utility_begins(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_GrantStmt:
		case T_GrantRoleStmt:
		case T_AlterRoleStmt:
		case T_DropRoleStmt:
		case T_AlterOwnerStmt:
		case T_AlterTableStmt:
		case T_DropOwnedStmt:
		case T_ReassignOwnedStmt:
			el_note_rights();
			break;
		default:
			break;
	}
}

void
el_group_utility_done(Node *stmt)
{
	if (el_shared == NULL)
		return;
	if (IsA(stmt, TransactionStmt))
	{
		TransactionStmtKind kind = ((TransactionStmt *) stmt)->kind;

		if (kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED)
		{
			el_positions_prepared_ended();
			el_offsets_prepared_ended();
		}
	}
	else if (IsA(stmt, DiscardStmt) &&
			 ((DiscardStmt *) stmt)->target == DISCARD_ALL)
	{
		/* what a pooler sends when a client is gone */
		el_session_discard();
		el_claimed_forget();
	}
}
