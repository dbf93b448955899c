/*-------------------------------------------------------------------------
 *
 * locked.h
 *	  When a partition that somebody has locked is tried again.
 *
 * IDENTIFICATION
 *	  broker/locked.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_LOCKED_H
#define EL_BROKER_LOCKED_H

/* The first pause and the longest one, in ms. */
#define LOCKED_PAUSE		50
#define LOCKED_PAUSE_MOST	1000

/* The pause after another try that found it locked: twice the one before; 0: there was none. */
static inline int
locked_next_pause(int before)
{
	return before == 0 ? LOCKED_PAUSE :
		before < LOCKED_PAUSE_MOST / 2 ? before * 2 : LOCKED_PAUSE_MOST;
}

#endif							/* EL_BROKER_LOCKED_H */
