/*-------------------------------------------------------------------------
 *
 * aborted.c
 *	  Cache: where a log holds nothing but aborted batches.
 *
 * A consumer that finds nothing but aborted batches up to the log's end has
 * nothing to commit, so its next call begins in front of them again.  Whoever
 * polls would walk over the same batches each time.  So a reader that has passed
 * over many leaves here from where to where, and later ones of the session seek
 * behind them.
 *
 * One run is kept of a log: the last one, which is where consumers wait.
 *
 * Invariants
 *	  - A run holds for every snapshot and for good: what was aborted stays so,
 *		and in one file, between two rewinds, an offset is given once.  TRUNCATE and
 *		whatever else writes a log anew makes another file; trimming and
 *		compaction only take away.
 *	  - What is undecided, or committed, is in no run; so there is none that an
 *		append, the end of a transaction or of a prepared one could change.
 *	  - A run says nothing of what may be read at all: readers look where
 *		the log starts and ends before.
 *
 * IDENTIFICATION
 *	  src/storage/aborted.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/hash.h"
#include "storage/aborted.h"

/* Logs remembered; when there are more, all are forgotten. */
#define MAX_RUNS	16384

typedef struct AbortedLog
{
	RelFileLocator locator;		/* hash key */
	uint32		rewinds;		/* of the log, when the run was met */
	ElAbortedRun run;
} AbortedLog;

static HTAB *aborted_logs = NULL;

void
el_aborted_keep(const RelFileLocator *locator, uint32 rewinds, ElAbortedRun run)
{
	AbortedLog *a;
	bool		found;

	Assert(run.from >= 0 && run.from < run.to);
	aborted_logs = el_hash_bounded(aborted_logs, "eventlog aborted batches",
								   MAX_RUNS, sizeof(RelFileLocator),
								   sizeof(AbortedLog));
	a = hash_search(aborted_logs, locator, HASH_ENTER, &found);
	if (!found || a->rewinds != rewinds)
		a->run = run;
	else if (run.from <= a->run.to && a->run.from <= run.to)
	{
		/* they touch: one run */
		a->run.from = Min(a->run.from, run.from);
		a->run.to = Max(a->run.to, run.to);
	}
	else if (run.to > a->run.to)
		a->run = run;
	a->rewinds = rewinds;
}

ElAbortedRun
el_aborted_run(const RelFileLocator *locator, uint32 rewinds)
{
	AbortedLog *a = aborted_logs == NULL ? NULL :
		hash_search(aborted_logs, locator, HASH_FIND, NULL);

	return a == NULL || a->rewinds != rewinds ? (ElAbortedRun)
	{
		0, 0
	} : a->run;
}
