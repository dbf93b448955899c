/*-------------------------------------------------------------------------
 *
 * partition.h
 *	  What is known of partitions that somebody reads, and who waits for them.
 *
 * A fetch at the end of a partition needs no call to PostgreSQL as long as the
 * server has told no change of it (watch.c).
 *
 * IDENTIFICATION
 *	  broker/partition.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_PARTITION_H
#define EL_BROKER_PARTITION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* Someone who is called at the next change of a partition. */
typedef struct Parked
{
	void		(*fn) (void *arg);
	void	   *arg;
	struct Parked *next;
	struct Parked **link;		/* that points to it; NULL: it is not parked */
} Parked;

typedef struct Partition
{
	Oid			relid;			/* of the topic */
	int32_t		index;
	int			users;			/* who point to it */
	uint64_t	generation;		/* rises with each change */
	bool		known;			/* what follows is as of the last change */
	int64_t		stable;
	int64_t		log_start;
	int64_t		log_end;
	int64_t		locked_until;	/* not read before: somebody has it locked */
	int			locked_pause;	/* ms, of the last try; 0: it was not locked */
	struct Read *reads;			/* calls that read it now, or whose result is
								 * being sent (reads.c) */
	int			ahead_pause;	/* so often nothing is read ahead */
	Parked	   *parked;
	struct Partition *next;		/* in its bucket */
} Partition;

/* Found or made; partition_release() takes it back. */
extern Partition *partition_get(Oid relid, int32_t index);
extern void partition_release(Partition *partition);

/* Until the next change, or partition_leave(). */
extern void partition_park(Partition *partition, Parked *parked);
extern void partition_leave(Parked *parked);

/* The server has told a change: of one partition, or perhaps of all. */
extern void partition_changed(Oid relid, int32_t index);
extern void partitions_changed(void);

#endif							/* EL_BROKER_PARTITION_H */
