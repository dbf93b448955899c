/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Is a log sound?  Reads all of it and says what is not.
 *
 * IDENTIFICATION
 *	  src/storage/check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "eventlog.h"
#include "storage/meta.h"

/* Relations between the fields of the metapage and the directory. */
static void
check_structure(Relation rel, ElCheckReport report, void *arg)
{
	PGAlignedBlock copy;
	ElMeta	   *meta = ElPageGetMeta(copy.data);
	ElDirectory *dir;
	BlockNumber nblocks;
	int64		prev_base = -1;

	if (!el_meta_read(rel, copy.data))
		return;
	nblocks = RelationGetNumberOfBlocks(rel);
	if (meta->log_start < 0 || meta->log_start > meta->log_end)
		report(arg, psprintf("block %u: log start " INT64_FORMAT " and log end " INT64_FORMAT " do not fit",
							 EL_META_BLOCK, meta->log_start, meta->log_end));
	if (meta->reuse_seg > meta->first_seg || meta->first_seg > meta->end_seg ||
		meta->end_seg > meta->alloc_seg)
		report(arg, psprintf("block %u: segment numbers " UINT64_FORMAT ", " UINT64_FORMAT ", " UINT64_FORMAT ", " UINT64_FORMAT " do not rise",
							 EL_META_BLOCK, meta->reuse_seg, meta->first_seg,
							 meta->end_seg, meta->alloc_seg));
	if (meta->settled_pos > meta->tail_pos)
		report(arg, psprintf("block %u: settled position beyond the tail",
							 EL_META_BLOCK));

	dir = palloc(sizeof(ElDirectory));
	dir->valid = false;
	for (uint64 seg = meta->first_seg; seg < meta->end_seg; seg++)
	{
		ElSegment  *entry = el_directory_entry(rel, meta, dir, seg);

		CHECK_FOR_INTERRUPTS();
		if (entry == NULL)
		{
			report(arg, psprintf("segment " UINT64_FORMAT " is missing from the directory", seg));
			continue;
		}
		if (entry->base_offset < prev_base)
			report(arg, psprintf("segment " UINT64_FORMAT ": base offset " INT64_FORMAT " is below the one before",
								 seg, entry->base_offset));
		prev_base = entry->base_offset;
		if (entry->first_block == EL_META_BLOCK || entry->first_block >= nblocks)
			report(arg, psprintf("segment " UINT64_FORMAT ": first block %u is not in the file",
								 seg, entry->first_block));
	}
	pfree(dir);
}

/* Every batch: CRC, records, offsets. */
static void
check_batches(Relation rel, ElCheckReport report, void *arg)
{
	ElReader   *r = el_reader_begin(rel, NULL, EL_READ_ALL);
	ElBatchReader records = {0};
	int64		expected = -1;

	if (el_reader_seek(r, r->info.log_start) == EL_SEEK_OK)
	{
		while (el_reader_next_batch(r))
		{
			ElRecord	rec;
			int			got;

			CHECK_FOR_INTERRUPTS();
			if (r->trimmed)
			{
				r->trimmed = false;
				expected = -1;
			}
			if (expected >= 0 && r->header.base_offset < expected)
				report(arg, psprintf("offset " INT64_FORMAT ": batch overlaps the one before, which ends at " INT64_FORMAT,
									 r->header.base_offset, expected - 1));
			expected = r->header.base_offset + r->header.last_offset_delta + 1;
			if (r->fxid.value >= U64FromFullTransactionId(ReadNextFullTransactionId()))
				report(arg, psprintf("offset " INT64_FORMAT ": transaction " UINT64_FORMAT " is in the future",
									 r->header.base_offset, r->fxid.value));
			if (!el_batch_open(&records, r->batch, r->batch_len, false))
			{
				report(arg, psprintf("offset " INT64_FORMAT ": %s",
									 r->header.base_offset, records.error));
				continue;
			}
			while ((got = el_batch_next(&records, &rec)) > 0)
				;
			if (got < 0)
				report(arg, psprintf("offset " INT64_FORMAT ": %s",
									 r->header.base_offset, records.error));
		}
		if (expected >= 0 && expected != r->info.log_end)
			report(arg, psprintf("the last batch ends at offset " INT64_FORMAT ", the log at " INT64_FORMAT,
								 expected - 1, r->info.log_end));
	}
	el_reader_end(r);
}

/*
 * Run one check in a subtransaction: an unreadable page is a finding, and what
 * it held is released.
 */
static void
guarded(void (*check) (Relation, ElCheckReport, void *), Relation rel,
		ElCheckReport report, void *arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		check(rel, report, arg);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(mcxt);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(mcxt);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(mcxt);
		CurrentResourceOwner = owner;
		report(arg, error->detail ?
			   psprintf("%s (%s)", error->message, error->detail) :
			   pstrdup(error->message));
		FreeErrorData(error);
	}
	PG_END_TRY();
}

void
el_log_check(Relation rel, ElCheckReport report, void *arg)
{
	guarded(check_structure, rel, report, arg);
	guarded(check_batches, rel, report, arg);
}
