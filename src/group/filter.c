/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  Names of groups with committed offsets but without slots.
 *
 * Memory is for who is active, so most groups that ever committed have no slots,
 * and a name that comes along is either one of those or new.  To tell without
 * reading the topic of committed offsets, their names stand in a Bloom filter:
 * it never misses one, and takes about one new name in 300 for one of them.
 *
 * Nothing can be taken out of a Bloom filter.  When it has taken more names than
 * it is good for, it is emptied, and databases fill in theirs again when they
 * read the topic the next time (offsets.c): until then they have to.
 *
 * IDENTIFICATION
 *	  src/group/filter.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "base/settings.h"
#include "group/filter.h"

/* One eighth of the memory. */
#define MEMORY_SHARE	8

/* With so many bits a name, and so many of them set, one in 300 is mistaken. */
#define BITS_PER_NAME	12
#define BITS_SET		8

typedef struct Filter
{
	uint64		gen;
	uint64		names;			/* added; not those that looked as if they
								 * were there */
	uint64		limit;			/* emptied when it has so many */
} Filter;

static Filter *filter = NULL;
static uint8 *bits = NULL;

static uint64
bit_count(void)
{
	return (uint64) el_group_memory_kb * 1024 / MEMORY_SHARE * 8;
}

Size
el_filter_size(void)
{
	return MAXALIGN(sizeof(Filter)) + MAXALIGN(bit_count() / 8);
}

void
el_filter_init(char *memory, bool found)
{
	filter = (Filter *) memory;
	bits = (uint8 *) memory + MAXALIGN(sizeof(Filter));
	if (!found)
	{
		memset(memory, 0, el_filter_size());
		filter->gen = 1;
		filter->limit = bit_count() / BITS_PER_NAME;
	}
}

uint64
el_filter_gen(void)
{
	return filter->gen;
}

/* The bits of a name: from two hashes, which serves as well as eight. */
typedef struct Bits
{
	uint64		at;
	uint64		step;
} Bits;

static Bits
first_bit(Oid dbid, const char *group)
{
	uint64		h = hash_bytes_extended((const unsigned char *) group,
										strlen(group), dbid);
	Bits		b = {h, (h >> 32) | 1};

	return b;
}

static uint64
next_bit(Bits *b)
{
	uint64		bit = b->at % bit_count();

	b->at += b->step;
	return bit;
}

void
el_filter_add(Oid dbid, const char *group, bool filling)
{
	Bits		b = first_bit(dbid, group);
	bool		is_new = false;

	for (int i = 0; i < BITS_SET; i++)
	{
		uint64		bit = next_bit(&b);

		is_new |= (bits[bit / 8] & (1 << bit % 8)) == 0;
		bits[bit / 8] |= 1 << bit % 8;
	}
	if (!is_new || ++filter->names <= filter->limit)
		return;
	if (filling)
		el_filter_filled();
	else
	{
		memset(bits, 0, bit_count() / 8);
		filter->gen++;
		filter->names = 0;
		filter->limit = bit_count() / BITS_PER_NAME;
	}
}

bool
el_filter_has(Oid dbid, const char *group)
{
	Bits		b = first_bit(dbid, group);
	bool		found = true;

	for (int i = 0; i < BITS_SET && found; i++)
	{
		uint64		bit = next_bit(&b);

		found = (bits[bit / 8] & (1 << bit % 8)) != 0;
	}
	return found;
}

/* Were these names too many, it would be emptied again and again: then it is less exact instead. */
void
el_filter_filled(void)
{
	filter->limit = Max(filter->limit, 2 * filter->names);
}
