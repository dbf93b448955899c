/*-------------------------------------------------------------------------
 *
 * portals.c
 *	  Cursors that hold events whose consumption may be rolled back.
 *
 * The first row that is fetched from a cursor over consume() consumes all that the
 * call delivers.  A cursor that was opened before a savepoint and fetched from
 * behind it survives a rollback to that, with the rows that it has yet to give:
 * events that were not consumed now, and come again, however they are worked on.
 * PostgreSQL does not run a cursor again whose own execution has failed; neither
 * is this one.
 *
 * IDENTIFICATION
 *	  src/group/portals.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "tcop/pquery.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "group/portals.h"

typedef struct Served
{
	Portal		portal;
	char	   *name;			/* by which it is looked up: it may be closed */
	SubTransactionId subid;		/* in which it was given events */
	struct Served *next;
} Served;

/* In TopTransactionContext; the innermost subtransaction's first. */
static Served *served = NULL;

void
el_portals_note(void)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	Served	   *s;

	/* one that is as young as the subtransaction goes with it */
	if (ActivePortal == NULL || ActivePortal->createSubid == subid)
		return;
	if (served != NULL && served->portal == ActivePortal && served->subid == subid)
		return;
	s = MemoryContextAlloc(TopTransactionContext, sizeof(Served));
	s->portal = ActivePortal;
	s->name = MemoryContextStrdup(TopTransactionContext, ActivePortal->name);
	s->subid = subid;
	s->next = served;
	served = s;
}

void
el_portals_subxact(SubXactEvent event, SubTransactionId mine,
				   SubTransactionId parent)
{
	Served	   *s;

	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (s = served; s != NULL && s->subid == mine; s = s->next)
			s->subid = parent;
	}
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (; served != NULL && served->subid >= mine; served = served->next)
	{
		Portal		p = GetPortalByName(served->name);

		/* what runs at the moment will not give what it was given */
		if (p == served->portal && p->status == PORTAL_READY &&
			p->createSubid < mine)
			MarkPortalFailed(p);
	}
}

void
el_portals_end(void)
{
	served = NULL;
}
