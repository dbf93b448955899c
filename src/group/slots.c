/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  The coordinator's memory: slots of one size, found through one hash table.
 *
 * The memory is cut into slots of one size, so that no mixture of groups,
 * members and partitions can waste it; slots refer to each other by number
 * and are found through one hash table.  All of it is guarded by one lock
 * that is held for microseconds: nothing under it waits, reads catalogs or
 * takes another lock.  What may fail (a reservation, palloc) comes before the
 * first change, so an error never leaves the state half-changed.  A part of the
 * memory is the filter's (filter.c).
 *
 * IDENTIFICATION
 *	  src/group/slots.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "group/filter.h"
#include "group/slots.h"

ElShared   *el_shared = NULL;
char	   *el_slots = NULL;
static ElSlotNo *buckets = NULL;

StaticAssertDecl(sizeof(ElDb) <= EL_SLOT_SIZE, "ElDb fits a slot");
StaticAssertDecl(sizeof(ElGroup) <= EL_SLOT_SIZE, "ElGroup fits a slot");
StaticAssertDecl(sizeof(ElGroupTopic) <= EL_SLOT_SIZE, "ElGroupTopic fits a slot");
StaticAssertDecl(sizeof(ElPart) <= EL_SLOT_SIZE, "ElPart fits a slot");
StaticAssertDecl(sizeof(ElMember) <= EL_SLOT_SIZE, "ElMember fits a slot");
StaticAssertDecl(sizeof(ElSub) <= EL_SLOT_SIZE, "ElSub fits a slot");

/* Bytes of shared memory per slot: the slot and its share of the buckets, at most. */
#define SLOT_COST	(EL_SLOT_SIZE + 2 * sizeof(ElSlotNo))

static int32
slot_count(void)
{
	int64		bytes = (int64) el_group_memory_kb * 1024 - el_filter_size();

	return (int32) Max(bytes / SLOT_COST, 64);
}

int64
el_slots_to_kb(int64 n)
{
	int64		bytes = n * SLOT_COST;
	int64		all = (int64) el_group_memory_kb * 1024;

	/* the filter grows in proportion; one kB for what is rounded */
	return bytes * all / (all - el_filter_size()) / 1024 + 1;
}

static uint32
bucket_count(void)
{
	return pg_nextpower2_32(slot_count());
}

Size
el_slots_shmem_size(void)
{
	Size		size = MAXALIGN(sizeof(ElShared));

	size = add_size(size, el_filter_size());
	size = add_size(size, MAXALIGN(mul_size(bucket_count(), sizeof(ElSlotNo))));
	return add_size(size, MAXALIGN(mul_size(slot_count(), EL_SLOT_SIZE)));
}

void
el_slots_shmem_init(void)
{
	bool		found;
	char	   *p;

	p = ShmemInitStruct("eventlog groups", el_slots_shmem_size(), &found);
	el_shared = (ElShared *) p;
	p += MAXALIGN(sizeof(ElShared));
	el_filter_init(p, found);
	p += el_filter_size();
	buckets = (ElSlotNo *) p;
	p += MAXALIGN(mul_size(bucket_count(), sizeof(ElSlotNo)));
	el_slots = p;

	if (!found)
	{
		uint32		incarnation;
		uint32		i;

		memset(el_shared, 0, sizeof(ElShared));
		el_shared->lock_tranche = LWLockNewTrancheId();
		LWLockInitialize(&el_shared->lock, el_shared->lock_tranche);

		el_shared->nslots = slot_count();
		el_shared->nfree = el_shared->nslots;
		el_shared->bucket_mask = bucket_count() - 1;
		el_shared->first_db = EL_NO_SLOT;
		el_shared->first_group = el_shared->last_group = EL_NO_SLOT;
		el_shared->first_idle = EL_NO_SLOT;
		el_shared->unfinished_db = InvalidOid;
		for (i = 0; i <= el_shared->bucket_mask; i++)
			buckets[i] = EL_NO_SLOT;
		for (i = 0; i < el_shared->nslots; i++)
		{
			EL_HEAD(i)->kind = EL_SLOT_FREE;
			EL_HEAD(i)->next = i + 1 < el_shared->nslots ? i + 1 : EL_NO_SLOT;
		}
		el_shared->first_free = 0;

		/*
		 * Epochs and incarnations must not repeat after a crash, a restart or
		 * on a promoted standby, all of which start here with nothing.
		 */
		if (!pg_strong_random(&incarnation, sizeof(incarnation)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random number")));
		el_shared->next_number = (uint64) (incarnation & 0x7fffffff) << 32;
	}

	LWLockRegisterTranche(el_shared->lock_tranche, "EventlogGroups");
}

/*
 * Slots
 */

ElSlotNo
el_slot_new(ElSlotKind kind)
{
	ElSlotNo	s = el_shared->first_free;

	Assert(el_group_locked_exclusive());
	Assert(s != EL_NO_SLOT && el_shared->nfree > 0);
	Assert(EL_HEAD(s)->kind == EL_SLOT_FREE);
	el_shared->first_free = EL_HEAD(s)->next;
	el_shared->nfree--;
	memset(EL_HEAD(s), 0, EL_SLOT_SIZE);
	EL_HEAD(s)->kind = kind;
	EL_HEAD(s)->next = EL_NO_SLOT;
	return s;
}

static uint32
db_hash(Oid dbid)
{
	return hash_combine(EL_SLOT_DB, hash_bytes_uint32(dbid));
}

static uint32
group_hash(Oid dbid, const char *name)
{
	return hash_combine(hash_combine(EL_SLOT_GROUP, hash_bytes_uint32(dbid)),
						hash_bytes((const unsigned char *) name,
								   strlen(name)));
}

static uint32
topic_hash(ElSlotNo group, const pg_uuid_t *uuid)
{
	return hash_combine(hash_combine(EL_SLOT_TOPIC, group),
						hash_bytes(uuid->data, UUID_LEN));
}

static uint32
part_hash(ElSlotNo group, const pg_uuid_t *uuid, int32 partition)
{
	return hash_combine(hash_combine(hash_combine(EL_SLOT_PART, group),
									 hash_bytes(uuid->data, UUID_LEN)),
						hash_bytes_uint32(partition));
}

static uint32
member_hash(ElSlotNo group, const char *name)
{
	return hash_combine(hash_combine(EL_SLOT_MEMBER, group),
						hash_bytes((const unsigned char *) name,
								   strlen(name)));
}

static uint32
sub_hash(ElSlotNo member, ElSlotNo topic)
{
	return hash_combine(hash_combine(EL_SLOT_SUB, hash_bytes_uint32(member)),
						hash_bytes_uint32(topic));
}

static uint32
slot_hash(ElSlotNo s)
{
	switch (EL_HEAD(s)->kind)
	{
		case EL_SLOT_DB:
			return db_hash(EL_DB(s)->dbid);
		case EL_SLOT_GROUP:
			return group_hash(EL_GROUP(s)->dbid, EL_GROUP(s)->name);
		case EL_SLOT_TOPIC:
			return topic_hash(EL_TOPIC(s)->group, &EL_TOPIC(s)->uuid);
		case EL_SLOT_PART:
			return part_hash(EL_PART(s)->group,
							 &EL_TOPIC(EL_PART(s)->topic)->uuid,
							 EL_PART(s)->partition);
		case EL_SLOT_MEMBER:
			return member_hash(EL_MEMBER(s)->group, EL_MEMBER(s)->name);
		case EL_SLOT_SUB:
			return sub_hash(EL_SUB(s)->member, EL_SUB(s)->topic);
		default:
			Assert(false);
			return 0;
	}
}

void
el_slot_link(ElSlotNo s)
{
	ElSlotNo   *bucket = &buckets[slot_hash(s) & el_shared->bucket_mask];

	Assert(el_group_locked_exclusive());
	EL_HEAD(s)->next = *bucket;
	*bucket = s;
}

void
el_slot_free(ElSlotNo s)
{
	ElSlotNo   *p;

	Assert(el_group_locked_exclusive());
	Assert(EL_HEAD(s)->kind != EL_SLOT_FREE);
	p = &buckets[slot_hash(s) & el_shared->bucket_mask];
	while (*p != s)
		p = &EL_HEAD(*p)->next;
	*p = EL_HEAD(s)->next;
	EL_HEAD(s)->kind = EL_SLOT_FREE;
	EL_HEAD(s)->next = el_shared->first_free;
	el_shared->first_free = s;
	el_shared->nfree++;
	Assert(el_shared->nfree <= el_shared->nslots);
}

ElSlotNo
el_db_find(Oid dbid)
{
	ElSlotNo	s = buckets[db_hash(dbid) & el_shared->bucket_mask];

	Assert(el_group_locked());
	for (; s != EL_NO_SLOT; s = EL_HEAD(s)->next)
	{
		if (EL_HEAD(s)->kind == EL_SLOT_DB && EL_DB(s)->dbid == dbid)
			break;
	}
	return s;
}

ElSlotNo
el_group_find(Oid dbid, const char *name)
{
	ElSlotNo	s = buckets[group_hash(dbid, name) & el_shared->bucket_mask];

	Assert(el_group_locked());
	for (; s != EL_NO_SLOT; s = EL_HEAD(s)->next)
	{
		if (EL_HEAD(s)->kind == EL_SLOT_GROUP && EL_GROUP(s)->dbid == dbid &&
			strcmp(EL_GROUP(s)->name, name) == 0)
			break;
	}
	return s;
}

ElSlotNo
el_group_topic_find(ElSlotNo group, const pg_uuid_t *uuid)
{
	ElSlotNo	s = buckets[topic_hash(group, uuid) & el_shared->bucket_mask];

	Assert(el_group_locked());
	for (; s != EL_NO_SLOT; s = EL_HEAD(s)->next)
	{
		if (EL_HEAD(s)->kind == EL_SLOT_TOPIC && EL_TOPIC(s)->group == group &&
			memcmp(&EL_TOPIC(s)->uuid, uuid, UUID_LEN) == 0)
			break;
	}
	return s;
}

/* Members, topics or partitions of the group are others than before. */
void
el_group_changed(ElSlotNo group)
{
	ElGroup    *g = EL_GROUP(group);

	Assert(el_group_locked_exclusive());
	g->epoch = ++el_shared->next_number;
	Assert(g->assignment_epoch < g->epoch);
}

/*
 * The topic in the group, with a slot for each partition.  Its OID may be
 * another than last time (restored), its partitions may be more.  relid is
 * InvalidOid if the topic is known only from its committed offsets.
 */
ElSlotNo
el_group_topic_get(ElSlotNo group, const pg_uuid_t *uuid, Oid relid,
				   int32 npartitions)
{
	ElSlotNo	s = el_group_topic_find(group, uuid);
	ElGroupTopic *t;
	int32		have = s == EL_NO_SLOT ? 0 : EL_TOPIC(s)->npartitions;
	int32		p;

	Assert(el_group_locked_exclusive());
	if (s != EL_NO_SLOT && have >= npartitions)
	{
		if (OidIsValid(relid))
		{
			EL_TOPIC(s)->relid = relid;
			EL_TOPIC(s)->dropped = false;
		}
		return s;
	}

	if (s == EL_NO_SLOT)
	{
		s = el_slot_new(EL_SLOT_TOPIC);
		t = EL_TOPIC(s);
		t->group = group;
		t->uuid = *uuid;
		t->first_part = EL_NO_SLOT;
		t->mark.next = t->mark.version = -1;
		t->next_topic = EL_GROUP(group)->first_topic;
		EL_GROUP(group)->first_topic = s;
		el_slot_link(s);
	}
	t = EL_TOPIC(s);
	if (OidIsValid(relid))
	{
		t->relid = relid;
		t->dropped = false;
	}
	t->npartitions = npartitions;
	for (p = have; p < npartitions; p++)
		(void) el_part_get(group, s, p);
	if (t->nsubscribers > 0)
		el_group_changed(group);
	return s;
}

int32
el_group_topic_needs(ElSlotNo group, const pg_uuid_t *uuid, int32 npartitions)
{
	ElSlotNo	s = group == EL_NO_SLOT ? EL_NO_SLOT :
		el_group_topic_find(group, uuid);
	int32		n = 0;

	if (s == EL_NO_SLOT)
		return 1 + npartitions;
	/* what was loaded has slots for some of its partitions */
	for (int32 p = EL_TOPIC(s)->npartitions; p < npartitions; p++)
		n += el_part_find(group, uuid, p) == EL_NO_SLOT ? 1 : 0;
	return n;
}

ElSlotNo
el_part_find(ElSlotNo group, const pg_uuid_t *uuid, int32 partition)
{
	ElSlotNo	s = buckets[part_hash(group, uuid, partition) &
							el_shared->bucket_mask];

	Assert(el_group_locked());
	for (; s != EL_NO_SLOT; s = EL_HEAD(s)->next)
	{
		if (EL_HEAD(s)->kind == EL_SLOT_PART && EL_PART(s)->group == group &&
			EL_PART(s)->partition == partition &&
			memcmp(&EL_TOPIC(EL_PART(s)->topic)->uuid, uuid, UUID_LEN) == 0)
			break;
	}
	return s;
}

ElSlotNo
el_part_get(ElSlotNo group, ElSlotNo topic, int32 partition)
{
	ElSlotNo	s = el_part_find(group, &EL_TOPIC(topic)->uuid, partition);
	ElPart	   *p;

	if (s != EL_NO_SLOT)
		return s;
	s = el_slot_new(EL_SLOT_PART);
	p = EL_PART(s);
	p->group = group;
	p->topic = topic;
	p->partition = partition;
	p->entry.next = p->entry.version = -1;
	p->start[0] = p->start[1] = -1;
	p->owner = p->target = EL_NO_SLOT;
	p->owned_next = p->owned_prev = EL_NO_SLOT;
	p->delivered = -1;
	p->first_offset = -1;
	p->next_part = EL_TOPIC(topic)->first_part;
	EL_TOPIC(topic)->first_part = s;
	EL_GROUP(group)->nparts++;
	el_slot_link(s);
	return s;
}

ElSlotNo
el_member_find(ElSlotNo group, const char *name)
{
	ElSlotNo	s = buckets[member_hash(group, name) &
							el_shared->bucket_mask];

	Assert(el_group_locked());
	for (; s != EL_NO_SLOT; s = EL_HEAD(s)->next)
	{
		if (EL_HEAD(s)->kind == EL_SLOT_MEMBER && EL_MEMBER(s)->group == group &&
			EL_MEMBER(s)->named && strcmp(EL_MEMBER(s)->name, name) == 0)
			break;
	}
	return s;
}

ElSlotNo
el_sub_find(ElSlotNo member, ElSlotNo topic)
{
	ElSlotNo	s = buckets[sub_hash(member, topic) & el_shared->bucket_mask];

	Assert(el_group_locked());
	for (; s != EL_NO_SLOT; s = EL_HEAD(s)->next)
	{
		if (EL_HEAD(s)->kind == EL_SLOT_SUB && EL_SUB(s)->member == member &&
			EL_SUB(s)->topic == topic)
			break;
	}
	return s;
}

/*
 * What outlives a slot
 */

/* All of it is set, padding too, as a hash key must be. */
void
el_part_key(ElPartKey *key, const char *group, const pg_uuid_t *uuid,
			int32 partition)
{
	memset(key, 0, sizeof(*key));
	strlcpy(key->group, group, EL_NAME_SIZE);
	key->uuid = *uuid;
	key->partition = partition;
}

/* Is this slot still that partition of that group of our database? */
bool
el_part_matches(ElSlotNo part, const ElPartKey *key)
{
	ElPart	   *p;

	Assert(el_group_locked());
	if (EL_HEAD(part)->kind != EL_SLOT_PART)
		return false;
	p = EL_PART(part);
	return p->partition == key->partition &&
		EL_GROUP(p->group)->dbid == MyDatabaseId &&
		strcmp(EL_GROUP(p->group)->name, key->group) == 0 &&
		memcmp(&EL_TOPIC(p->topic)->uuid, &key->uuid, UUID_LEN) == 0;
}

/* The member's slot, if that incarnation of it is still there; else NULL. */
ElMember *
el_member_of_ref(const ElMemberRef *ref)
{
	Assert(el_group_locked());
	if (ref->slot == EL_NO_SLOT ||
		EL_HEAD(ref->slot)->kind != EL_SLOT_MEMBER ||
		EL_MEMBER(ref->slot)->incarnation != ref->incarnation)
		return NULL;
	return EL_MEMBER(ref->slot);
}

/* Does that incarnation of the member own the partition since that epoch? */
bool
el_part_owned_by(ElSlotNo part, const ElMemberRef *member, int64 epoch)
{
	const ElPart *p = EL_PART(part);

	Assert(el_group_locked());
	return p->owner != EL_NO_SLOT && p->owner == member->slot &&
		EL_MEMBER(p->owner)->incarnation == member->incarnation &&
		p->epoch == epoch;
}

/* Does a transaction of another session work as this named member? */
bool
el_member_busy_elsewhere(const ElMember *m)
{
	Assert(el_group_locked());
	return m->named && m->xact_pid != 0 && m->xact_pid != MyProcPid;
}
