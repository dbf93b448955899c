/*-------------------------------------------------------------------------
 *
 * settle.h
 *	  VACUUM of a log: outcomes become permanent.
 *
 * IDENTIFICATION
 *	  src/storage/settle.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SETTLE_H
#define EL_SETTLE_H

#include "postgres.h"

#include "utils/rel.h"

/*
 * Settle outcomes below the horizon: all there are, or up to the first batch
 * that has to be left, which is as far as the settled position moves.
 * Returns the oldest xid that may still be undecided on a page, at most
 * oldest_xmin; invalid if the pass has not seen all.
 */
extern TransactionId el_log_settle(Relation rel, TransactionId oldest_xmin,
								   bool all);

#endif							/* EL_SETTLE_H */
