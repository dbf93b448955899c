/*-------------------------------------------------------------------------
 *
 * extend.c
 *	  Extending a relation by many blocks, for servers that cannot do it.
 *
 * smgrextend() writes each block.  Here it writes the first one of each file of up to
 * 1 GB, which makes the file, and makes it known to the next checkpoint; the others of it
 * are allocated by one call of the system.  Where that is refused they are written, and
 * smgrextend() raises what is wrong.
 *
 * IDENTIFICATION
 *	  src/base/extend.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>

#include "storage/fd.h"

#include "base/extend.h"

/* Fewer blocks are written. */
#define WORTH_A_CALL	8

/* Allocate blocks that lie in one file.  False: not possible. */
static bool
allocate(const char *path, BlockNumber block, BlockNumber n)
{
#ifdef HAVE_POSIX_FALLOCATE
	BlockNumber segment = block / (BlockNumber) RELSEG_SIZE;
	char		name[MAXPGPATH];
	bool		done;
	int			fd;

	if (segment == 0)
		strlcpy(name, path, sizeof(name));
	else
		snprintf(name, sizeof(name), "%s.%u", path, segment);
	fd = OpenTransientFile(name, O_RDWR | PG_BINARY);
	if (fd < 0)
		return false;
	done = posix_fallocate(fd, (off_t) (block % (BlockNumber) RELSEG_SIZE) * BLCKSZ,
						   (off_t) n * BLCKSZ) == 0;
	CloseTransientFile(fd);
	return done;
#else
	return false;
#endif
}

void
el_extend_by_allocation(SMgrRelation srel, const char *path, BlockNumber block,
						BlockNumber n)
{
	PGAlignedBlock zeros = {0};

	while (n > 0)
	{
		BlockNumber rest = RELSEG_SIZE - 1 - block % (BlockNumber) RELSEG_SIZE;

		smgrextend(srel, MAIN_FORKNUM, block++, zeros.data, false);
		n--;
		rest = Min(n, rest);
		if (rest >= WORTH_A_CALL && allocate(path, block, rest))
		{
			srel->smgr_cached_nblocks[MAIN_FORKNUM] = InvalidBlockNumber;
			block += rest;
			n -= rest;
		}
	}
}
