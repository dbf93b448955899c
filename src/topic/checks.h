/*-------------------------------------------------------------------------
 *
 * checks.h
 *	  What checks.c keeps with a cached topic.
 *
 * IDENTIFICATION
 *	  src/topic/checks.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CHECKS_H
#define EL_CHECKS_H

#include "topic/topic.h"

/* Release the compiled CHECK constraints; must not fail. */
extern void el_checks_free(ElTopic *t);

#endif							/* EL_CHECKS_H */
