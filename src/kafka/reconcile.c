/*-------------------------------------------------------------------------
 *
 * reconcile.c
 *	  Ownership follows the target assignment, never with two owners.
 *
 * IDENTIFICATION
 *	  src/kafka/reconcile.c
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "kafka/reconcile.h"

int32
el_reconcile(ElReconcilePart *parts, int32 nparts, int32 yielding, int64 epoch)
{
	int32		waiting = 0;
	int32		i;

	for (i = 0; i < nparts; i++)
	{
		ElReconcilePart *p = &parts[i];

		Assert(p->owner >= EL_NOBODY && p->target >= EL_NOBODY);
		p->changed = false;
		if (p->owner == p->target)
			continue;
		if (p->owner != EL_NOBODY)
		{
			/* revoke first: the new owner gets it once the old one is done */
			if (p->busy || (p->outstanding && p->owner != yielding))
			{
				waiting++;
				continue;
			}
			p->owner = EL_NOBODY;
			p->outstanding = false;
			p->changed = true;
		}
		if (p->target != EL_NOBODY)
		{
			/* nobody else has it, and epochs only go forward */
			Assert(p->owner == EL_NOBODY && p->epoch <= epoch);
			p->owner = p->target;
			p->epoch = epoch;
			p->changed = true;
		}
		Assert(p->owner == p->target && p->changed);
	}
	Assert(waiting >= 0 && waiting <= nparts);
	return waiting;
}
