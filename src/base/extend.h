/*-------------------------------------------------------------------------
 *
 * extend.h
 *	  Extending a relation by many blocks, for servers that cannot do it.
 *
 * IDENTIFICATION
 *	  src/base/extend.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_EXTEND_H
#define EL_EXTEND_H

#include "postgres.h"

#include "storage/smgr.h"

/*
 * Extend the main fork, whose first file is path, by n blocks of zeros from block on:
 * as smgrzeroextend() does, which PostgreSQL has since 16 (compat.h).  53100 and others
 * of the file system.
 */
extern void el_extend_by_allocation(SMgrRelation srel, const char *path,
									BlockNumber block, BlockNumber n);

#endif							/* EL_EXTEND_H */
