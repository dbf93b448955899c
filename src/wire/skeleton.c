#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"

#define SKELETON(name) \
	EL_FUNCTION(name); \
	Datum name(PG_FUNCTION_ARGS) { el_not_supported(#name, NULL); return (Datum) 0; }

SKELETON(eventlog_broker_interface)
SKELETON(eventlog_broker_topics)
SKELETON(eventlog_broker_append)
SKELETON(eventlog_broker_fetch)
SKELETON(eventlog_broker_list_offsets)
SKELETON(eventlog_broker_epoch_end)
SKELETON(eventlog_broker_watch)
