/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  What is known of partitions that somebody reads, and who waits for them.
 *
 * IDENTIFICATION
 *	  broker/partition.c
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <stdlib.h>

#include "broker/partition.h"
#include "client/memory.h"

#define N_BUCKETS	4096

static Partition *buckets[N_BUCKETS];

static Partition **
find(Oid relid, int32_t index)
{
	Partition **link = &buckets[(relid * 31 + (uint32_t) index) % N_BUCKETS];

	while (*link != NULL && ((*link)->relid != relid || (*link)->index != index))
		link = &(*link)->next;
	return link;
}

Partition *
partition_get(Oid relid, int32_t index)
{
	Partition **link = find(relid, index);

	if (*link == NULL)
	{
		*link = client_alloc(sizeof(Partition));
		(*link)->relid = relid;
		(*link)->index = index;
	}
	(*link)->users++;
	return *link;
}

/* What nobody has asked for since the last change is forgotten with the change. */
static void
forget_unused(Partition **link)
{
	Partition  *p = *link;

	if (p->users == 0)
	{
		assert(p->parked == NULL && p->reads == NULL);
		*link = p->next;
		free(p);
	}
}

void
partition_release(Partition *partition)
{
	assert(partition->users > 0);
	partition->users--;
	if (partition->users == 0 && !partition->known)
		forget_unused(find(partition->relid, partition->index));
}

void
partition_park(Partition *partition, Parked *parked)
{
	assert(parked->link == NULL);
	parked->next = partition->parked;
	if (parked->next != NULL)
		parked->next->link = &parked->next;
	parked->link = &partition->parked;
	partition->parked = parked;
}

void
partition_leave(Parked *parked)
{
	if (parked->link == NULL)
		return;
	*parked->link = parked->next;
	if (parked->next != NULL)
		parked->next->link = parked->link;
	parked->link = NULL;
}

/* Those who wait are called, but not those who park meanwhile. */
static void
change(Partition *p)
{
	Parked	   *woken = p->parked;

	p->generation++;
	p->known = false;
	p->parked = NULL;
	if (woken != NULL)
		woken->link = &woken;
	p->users++;
	while (woken != NULL)
	{
		Parked	   *first = woken;

		partition_leave(first);
		first->fn(first->arg);
	}
	partition_release(p);
}

void
partition_changed(Oid relid, int32_t index)
{
	Partition **link = find(relid, index);

	if (*link != NULL)
		change(*link);
}

void
partitions_changed(void)
{
	for (int i = 0; i < N_BUCKETS; i++)
	{
		Partition  *p = buckets[i];
		int			n = 0;

		/* those of the bucket as they are now, whatever callbacks do with it */
		for (Partition *q = p; q != NULL; q = q->next)
			n++;
		for (; n > 0; n--)
		{
			Partition **link = &buckets[i];

			for (int k = 1; k < n && *link != NULL; k++)
				link = &(*link)->next;
			if (*link != NULL)
				change(*link);
		}
	}
}
