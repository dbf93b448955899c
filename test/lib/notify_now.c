/*
 * test/lib/notify_now.c: tells a notification to the caller's own client while
 * the query still runs, as a procedure that watches does; NOTIFY waits for its end.
 * It is sent with what is sent next: a NOTICE.
 */
#include "postgres.h"

#include "commands/async.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(notify_now);

Datum
notify_now(PG_FUNCTION_ARGS)
{
	char	   *channel = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *payload = text_to_cstring(PG_GETARG_TEXT_PP(1));

	NotifyMyFrontEnd(channel, payload, MyProcPid);
	PG_RETURN_VOID();
}
