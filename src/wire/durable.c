/*-------------------------------------------------------------------------
 *
 * durable.c
 *	  A transaction that answers for what others have committed.
 *
 * Another transaction's changes may be visible before they are safe: it had
 * synchronous_commit off, or was terminated while it waited for a standby.
 *
 * IDENTIFICATION
 *	  src/wire/durable.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"

#include "wire/durable.h"

/*
 * A transaction with an xid that has written WAL waits at its end up to its commit
 * record, which comes behind all that is there now.  One that has an xid alone does
 * not wait: so it is told that it has written.
 */
void
el_commit_behind_all(void)
{
	(void) GetTopTransactionId();
	if (XactLastRecEnd == InvalidXLogRecPtr)
		XactLastRecEnd = GetXLogInsertRecPtr();
}
