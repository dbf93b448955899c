/*-------------------------------------------------------------------------
 *
 * trim.c
 *	  Moving the log start, and freeing the segments below it.
 *
 * Only the metapage changes: the entries of the segments that are freed stay
 * in the directory, where an append finds their extents.
 *
 * LOCKING
 *	  Metapage exclusively; directory pages one by one under it.
 *
 * IDENTIFICATION
 *	  src/storage/trim.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "base/extension.h"
#include "storage/log.h"
#include "storage/segment.h"
#include "storage/trim.h"
#include "storage/wal.h"

/*
 * Returns bytes of segments freed, 0 if the log start is there already or there
 * is no log.  The caller holds AccessShareLock.  22023 if offset is beyond the
 * log end, XX001 if the directory is damaged.
 */
int64
el_log_trim(Relation rel, int64 offset)
{
	Buffer		metabuf;
	ElMeta	   *meta;
	xl_el_trim	rec;
	ElDirectory *dir;
	uint64		lo,
				hi;
	int64		freed;
	XLogRecPtr	lsn;

	el_require_preload();
	metabuf = el_meta_lock(rel, NULL);
	if (!BufferIsValid(metabuf))
		return 0;
	meta = ElPageGetMeta(BufferGetPage(metabuf));
	if (offset > meta->log_end)
	{
		int64		log_end = meta->log_end;

		UnlockReleaseBuffer(metabuf);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset %lld is beyond the log end of \"%s\"",
						(long long) offset, RelationGetRelationName(rel)),
				 errdetail("The log ends at %lld.", (long long) log_end)));
	}
	if (offset <= meta->log_start)
	{
		UnlockReleaseBuffer(metabuf);
		return 0;
	}

	Assert(meta->first_seg < meta->end_seg);
	/* the last segment that a batch begins in at or before offset stays */
	dir = el_directory_new();
	lo = meta->first_seg;
	hi = meta->end_seg;
	while (hi - lo > 1)
	{
		uint64		mid = lo + (hi - lo) / 2;

		if (el_directory_require(rel, meta, dir, mid)->base_offset <= offset)
			lo = mid;
		else
			hi = mid;
	}
	while (lo > meta->first_seg &&
		   (el_directory_require(rel, meta, dir, lo)->flags & EL_SEGMENT_CONTINUES))
		lo--;
	pfree(dir);

	Assert(lo >= meta->first_seg && lo < meta->end_seg);
	rec.log_start = offset;
	rec.first_seg = lo;
	freed = (int64) (lo - meta->first_seg) * meta->seg_pages * BLCKSZ;

	START_CRIT_SECTION();
	el_apply_trim(BufferGetPage(metabuf), &rec);
	lsn = el_wal_log_meta(rel, metabuf, XLOG_EL_TRIM, &rec, sizeof(rec));
	END_CRIT_SECTION();

	/*
	 * Before anybody can reuse the space: a crash must not bring back a log
	 * start whose events are overwritten.
	 */
	if (!XLogRecPtrIsInvalid(lsn))
		XLogFlush(lsn);
	UnlockReleaseBuffer(metabuf);
	return freed;
}
