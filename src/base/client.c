/*-------------------------------------------------------------------------
 *
 * client.c
 *	  The client of this backend, while a call of it goes on.
 *
 * NOTES
 *	  What is declared here is from libpq/libpq.h, which includes GSSAPI's headers
 *	  where the server was built with GSSAPI, and they do not come with the server's.
 *
 * IDENTIFICATION
 *	  src/base/client.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"

#include "base/client.h"
#include "base/compat.h"

#ifndef FeBeWaitSetSocketPos
extern PGDLLIMPORT struct WaitEventSet *FeBeWaitSet;
#define FeBeWaitSetSocketPos	0
#define FeBeWaitSetNEvents		3

/* The methods up to the one that is called. */
typedef struct PQcommMethods
{
	void		(*comm_reset) (void);
	int			(*flush) (void);
} PQcommMethods;

extern PGDLLIMPORT const PQcommMethods *PqCommMethods;
#endif

void
el_client_sleep(long timeout)
{
	CHECK_FOR_INTERRUPTS();
	if (MyProcPort != NULL && FeBeWaitSet != NULL &&
		WaitEventSetCanReportClosed())
	{
		WaitEvent	events[FeBeWaitSetNEvents];
		int			n;

		ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED,
						NULL);
		n = WaitEventSetWait(FeBeWaitSet, timeout, events, lengthof(events),
							 el_wait_event_info());
		for (int i = 0; i < n; i++)
		{
			if (events[i].events & WL_POSTMASTER_DEATH)
				proc_exit(1);
			if (events[i].events & WL_SOCKET_CLOSED)
			{
				ClientConnectionLost = true;
				InterruptPending = true;
			}
		}
	}
	else
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 timeout, el_wait_event_info());
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

void
el_client_notify(const char *channel, const char *payload)
{
	NotifyMyFrontEnd(channel, payload, MyProcPid);
}

/* A client that has gone away is noticed by the next sleep. */
void
el_client_flush(void)
{
	(void) PqCommMethods->flush();
}
