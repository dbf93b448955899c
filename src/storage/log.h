/*-------------------------------------------------------------------------
 *
 * log.h
 *	  What a log is: its metapage.
 *
 * A log lives in one relation.  This folder knows pages, batches, segments and
 * transactions, and nothing of what a relation or an offset is for its callers.
 * The caller has the relation open and locked: AccessShareLock to read or trim,
 * RowExclusiveLock to append.
 *
 * IDENTIFICATION
 *	  src/storage/log.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LOG_H
#define EL_LOG_H

#include "postgres.h"

#include "storage/buf.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "storage/meta.h"

/* What the metapage says about a log, copied under its share lock. */
typedef struct ElLogInfo
{
	bool		exists;			/* false: nothing was ever appended; the rest
								 * is 0 */
	int32		partition;
	int64		log_start;		/* first offset that may be read */
	int64		log_end;		/* next offset to be given, ... */
	int64		floor;			/* ... unless this is greater */
	uint64		tail_pos;		/* stream position of the next batch */
	uint64		settled_pos;	/* batches below it carry permanent outcomes */
	int64		settled_offset;
	uint64		first_seg;		/* live segments are first_seg .. end_seg - 1 */
	uint64		end_seg;
	uint32		seg_pages;		/* pages of a segment */
	uint64		appended_batches;	/* ever, for statistics */
	uint32		compactions;	/* ever */
	uint64		tried_seg;		/* compaction has done what it could with the
								 * segments before */
	int64		removed;		/* offsets from log_start on that compaction
								 * has left no event at */
	uint32		rewinds;		/* offsets were given once more that often */
	bool		not_emptied;	/* EL_META_NOT_EMPTIED */
	ElEpoch		epoch;			/* as stored; epoch.c says what is in force */
} ElLogInfo;

/*
 * Events there, as far as the metapage knows: right but for batches that were
 * aborted, gaps in what was restored, and what is trimmed of a compacted part
 * before the next compaction counts anew.
 */
static inline int64
el_log_events(const ElLogInfo *info)
{
	return info->log_end - info->log_start - info->removed;
}

extern void el_log_info(Relation rel, ElLogInfo *info);

/* Is there a log, that is, was anything ever appended?  Cheap. */
extern bool el_log_exists(Relation rel);

/* Blocks of the file, asked of the file system. */
extern BlockNumber el_log_blocks(Relation rel);

/*
 * How to make the log, should this be its first append, and bounds that the
 * append itself keeps.
 */
typedef struct ElLogOptions
{
	int32		partition;
	int64		segment_bytes;
	int64		first_offset;	/* log start and end of a log made now: events
								 * below were committed in an earlier file */
	int64		floor;			/* offsets below were given out before, in an
								 * earlier file */
	ElEpoch		epoch;			/* of that file, as stored */
	int64		retention_bytes;	/* an append that opens segments frees the
									 * oldest first, to keep live ones within;
									 * -1: no limit */

	/*
	 * If set: events from the offset that held_from returns on are not freed
	 * for that.  An append that would need their room is refused: report_full
	 * raises 53400 with words that its user understands.
	 */
	int64		(*held_from) (void *arg, int32 partition);
	void	   *held_arg;
	void		(*report_full) (Relation rel, int64 held_from,
								int64 retention_bytes);
} ElLogOptions;

/* The file was emptied in place: what this session remembers of the log is void. */
extern void el_log_forget(Relation rel);

/*
 * For the files of src/storage
 */

/* Copy the metapage into copy (BLCKSZ bytes, aligned); false if there is no log yet. */
extern bool el_meta_read(Relation rel, char *copy);

/*
 * The metapage, pinned and locked exclusively.  If there is none, it is made
 * when options is given; else the result is InvalidBuffer.
 */
extern Buffer el_meta_lock(Relation rel, const ElLogOptions *options);
extern void el_meta_to_info(const ElMeta *meta, ElLogInfo *info);

#endif							/* EL_LOG_H */
