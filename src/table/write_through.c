/*-------------------------------------------------------------------------
 *
 * write_through.c
 *	  INSERTs that append at once, because they return event_offset.
 *
 * An INSERT whose RETURNING (or a view's CHECK OPTION) looks at event_offset
 * must append at once.  A stack of such running queries tells the access
 * method; its entries go when the query ends or its subtransaction aborts.  (A
 * stack of this file's own, by SubTransactionId: entries belong to queries, which
 * end by themselves in any order, and not to what was produced.)
 *
 * IDENTIFICATION
 *	  src/table/write_through.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"

#include "table/write_through.h"
#include "topic/shape.h"
#include "topic/topic.h"

typedef struct WriteThrough
{
	struct WriteThrough *next;
	QueryDesc  *query;
	SubTransactionId subid;		/* in which it was started */
	Oid			topic;
} WriteThrough;

/* in TopTransactionContext; entries of inner subtransactions come first */
static WriteThrough *write_through = NULL;

bool
el_write_through(Oid topic)
{
	for (WriteThrough *w = write_through; w; w = w->next)
	{
		if (w->topic == topic)
			return true;
	}
	return false;
}

/* Does an expression look at what only an append can tell? */
static bool
needs_offset(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		return var->varno == *(int *) context &&
			(var->varattno == EL_ATT_OFFSET ||
			 var->varattno == InvalidAttrNumber ||
			 var->varattno == SelfItemPointerAttributeNumber);
	}
	return expression_tree_walker(node, needs_offset, context);
}

void
el_write_through_begin(QueryDesc *query, ModifyTable *mt, Oid relid)
{
	int			varno = linitial_int(mt->resultRelations);
	WriteThrough *w;
	ElTopic    *t;

	if (!needs_offset((Node *) mt->returningLists, &varno) &&
		!needs_offset((Node *) mt->withCheckOptionLists, &varno))
		return;

	t = el_topic_of_leaf(relid, NULL);
	w = MemoryContextAlloc(TopTransactionContext, sizeof(WriteThrough));
	w->query = query;
	w->subid = GetCurrentSubTransactionId();
	w->topic = t ? t->relid : relid;
	w->next = write_through;
	Assert(w->next == NULL || w->next->subid <= w->subid);
	write_through = w;
}

void
el_write_through_end(QueryDesc *query)
{
	for (WriteThrough **p = &write_through; *p;)
	{
		WriteThrough *w = *p;

		if (w->query == query)
		{
			*p = w->next;
			pfree(w);
		}
		else
			p = &w->next;
	}
}

void
el_write_through_xact(XactEvent event)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			/* the entries go with TopTransactionContext */
			write_through = NULL;
			break;
		default:
			break;
	}
}

/* Entries made in the aborting subtransaction or below it are the first ones, and have the larger ids. */
void
el_write_through_subxact(SubXactEvent event, SubTransactionId mine)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;

	while (write_through && write_through->subid >= mine)
	{
		WriteThrough *w = write_through;

		Assert(w->next == NULL || w->next->subid <= w->subid);
		write_through = w->next;
		pfree(w);
	}
}
