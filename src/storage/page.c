/*-------------------------------------------------------------------------
 *
 * page.c
 *	  Pages by themselves: empty ones, their checksums, and the envelopes of
 *	  batches.
 *
 * IDENTIFICATION
 *	  src/storage/page.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_crc32c.h"

#include "storage/page.h"

/* An empty page of the given kind, not sealed yet; page_no is its logical number. */
void
el_page_init(Page page, uint16 page_id, uint64 page_no)
{
	ElPageSpecial *special;

	PageInit(page, BLCKSZ, sizeof(ElPageSpecial));
	special = ElPageGetSpecial(page);
	special->page_no = page_no;
	special->max_time = EL_MIN_TIME;
	special->page_id = page_id;
	((PageHeader) page)->pd_lower = EL_PAGE_START;
}

static uint32
page_crc(Page page)
{
	ElPageSpecial *special = ElPageGetSpecial(page);
	uint16		lower = ((PageHeader) page)->pd_lower;
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &lower, sizeof(lower));
	COMP_CRC32C(crc, special, offsetof(ElPageSpecial, crc));
	COMP_CRC32C(crc, &special->time_page,
				sizeof(ElPageSpecial) - offsetof(ElPageSpecial, time_page));
	if (special->page_id != EL_PAGE_ID_DATA && lower >= EL_PAGE_START &&
		lower <= EL_PAGE_END)
		COMP_CRC32C(crc, (char *) page + EL_PAGE_START, lower - EL_PAGE_START);
	FIN_CRC32C(crc);
	return crc;
}

/*
 * Set the checksum, after a change.  The caller holds the exclusive lock of the
 * page's buffer, unless the page is in private memory.
 */
void
el_page_seal(Page page)
{
	Assert(((PageHeader) page)->pd_special == EL_PAGE_END);
	Assert(((PageHeader) page)->pd_lower >= EL_PAGE_START);
	Assert(((PageHeader) page)->pd_lower <= EL_PAGE_END);
	ElPageGetSpecial(page)->crc = page_crc(page);
}

bool
el_page_sound(Page page)
{
	return ElPageGetSpecial(page)->crc == page_crc(page);
}

uint32
el_envelope_crc(const ElEnvelope *env, const char *batch)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, env, offsetof(ElEnvelope, flags));
	COMP_CRC32C(crc, batch, EL_BATCH_HEADER_SIZE);
	FIN_CRC32C(crc);
	return crc;
}

const char *
el_envelope_problem(const ElEnvelope *env)
{
	if (env->magic != EL_ENVELOPE_MAGIC)
		return "no batch where one should begin";
	if ((env->flags & 0xFF) != env->flags >> 8 ||
		env->crc != el_envelope_crc(env, (const char *) (env + 1)))
		return "checksum of the envelope differs";
	return NULL;
}
