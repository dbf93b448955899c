/*-------------------------------------------------------------------------
 *
 * segment.c
 *	  The segment directory: where the blocks of a segment are.
 *
 * IDENTIFICATION
 *	  src/storage/segment.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/bufmgr.h"

#include "base/compat.h"
#include "base/locks.h"
#include "storage/log.h"
#include "storage/segment.h"

ElDirectory *
el_directory_new(void)
{
	ElDirectory *dir = palloc(sizeof(ElDirectory));

	dir->valid = false;
	return dir;
}

/* Does the locked block hold this page of the directory?  XX001 if it does, but is damaged. */
static bool
holds_directory(Relation rel, Buffer buffer, uint64 no)
{
	Page		page = BufferGetPage(buffer);
	ElPageSpecial *special = el_page_special(page, EL_PAGE_ID_DIRECTORY);

	Assert(el_buffer_locked(buffer));
	if (special != NULL && !el_page_sound(page))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("directory of topic partition \"%s\" is corrupt: its checksum differs",
						RelationGetRelationName(rel)),
				 errdetail("Block %u.", BufferGetBlockNumber(buffer))));
	return special != NULL && special->page_no == no;
}

ElSegment *
el_directory_entry(Relation rel, const ElMeta *meta, ElDirectory *dir,
				   uint64 seg)
{
	uint64		no = EL_DIRECTORY_NO(seg);

	if (!dir->valid || dir->no != no)
	{
		Buffer		buffer;
		Page		page;

		if (EL_ROOT_SLOT(no) >= meta->nroots)
			return NULL;
		buffer = ReadBuffer(rel, ElMetaRoot(meta, no));
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		dir->valid = holds_directory(rel, buffer, no);
		if (dir->valid)
			memcpy(dir->page.data, page, ((PageHeader) page)->pd_lower);
		UnlockReleaseBuffer(buffer);
		if (!dir->valid)
			return NULL;
		dir->no = no;
	}
	return ElDirectoryEntry(dir->page.data, seg);
}

ElSegment *
el_directory_require(Relation rel, const ElMeta *meta, ElDirectory *dir,
					 uint64 seg)
{
	ElSegment  *entry = el_directory_entry(rel, meta, dir, seg);

	if (entry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("directory of topic partition \"%s\" lacks segment %llu",
						RelationGetRelationName(rel), (unsigned long long) seg)));
	return entry;
}

uint64
el_segment_boundary(Relation rel, uint64 seg, uint64 limit)
{
	PGAlignedBlock copy;
	ElDirectory *dir = el_directory_new();

	if (el_meta_read(rel, copy.data))
	{
		for (; seg < limit; seg++)
		{
			ElSegment  *entry = el_directory_entry(rel, ElPageGetMeta(copy.data),
												   dir, seg);

			if (entry != NULL && !(entry->flags & EL_SEGMENT_CONTINUES))
				break;
		}
	}
	pfree(dir);
	return Min(seg, limit);
}
