/*-------------------------------------------------------------------------
 *
 * produce.h
 *	  Producing one event: a call site's conversions, checks, and the buffer.
 *
 * IDENTIFICATION
 *	  src/produce/produce.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PRODUCE_H
#define EL_PRODUCE_H

#include "postgres.h"

#include "fmgr.h"

#include "kafka/record.h"
#include "topic/topic.h"
#include "value/serde.h"

/* What a call site of an SQL function remembers between calls. */
typedef struct ElCallSite
{
	Oid			topic;			/* checked for user, and locked */
	Oid			user;
	uint64		lock_generation;	/* el_lock_generation when it was locked */

	ElTopic    *prepared;		/* the conversions are for it */
	uint64		xact_generation;	/* and for the transaction of this number */
	Oid			key_from;		/* type of the arguments */
	Oid			value_from;
	ElConversion key;
	ElConversion value;
	void	   *key_domain;		/* domain_check()'s caches */
	void	   *value_domain;
	MemoryContext mcxt;			/* of the conversions */
} ElCallSite;

/* Key or value as the caller gives it. */
typedef struct ElField
{
	bool		isnull;
	bool		typed;			/* datum is of the topic's type, and checked;
								 * else of the call site's */
	Datum		datum;
	const char *bytes;			/* what is to be on the log, if known, and no
								 * CHECK looks at the datum; or NULL */
	int32		len;
} ElField;

/* One event as the caller gives it. */
typedef struct ElEvent
{
	ElField		key;
	ElField		value;
	Datum		headers;		/* jsonb */
	bool		headers_isnull;
	bool		has_partition;
	int64		partition;
	int64		time_ms;
} ElEvent;

/* What belongs to the call site, all zeros at its first call. */
extern ElCallSite *el_call_site(FunctionCallInfo fcinfo);

/*
 * The topic to produce to, the function's first argument: locked, once the caller
 * has been found to be allowed to.  command is named in errors.
 */
extern ElTopic *el_topic_to_produce(ElCallSite *site, FunctionCallInfo fcinfo,
									const char *command);

/* Prepare the conversions from these types to the topic's, unless they are. */
extern void el_prepare_conversions(ElCallSite *site, FmgrInfo *flinfo,
								   ElTopic *t, Oid key_from, Oid value_from);

/*
 * Convert, check and buffer one event; returns its partition.  Works in
 * CurrentMemoryContext and leaves what it allocates to the caller.
 */
extern int32 el_produce_event(ElCallSite *site, ElTopic *t,
							  const ElEvent *event);

/*
 * Produce an event whose key and value are bytes already: a copy of another
 * topic's.  The bytes have to be what the topic's types make of a value.  Checks
 * privileges, size, types and constraints, as produce() does; command is named
 * in errors.  Returns the partition: the given one if the topic has it, else the
 * one that the key decides.  The event is appended when the transaction commits.
 */
extern int32 el_produce_bytes(Oid relid, int32 partition, const ElRecord *r,
							  const char *command);

/*
 * Raise whatever produce() would of an event whose key and value are bytes, which
 * may be no values of the topic's types.  Or: is there nothing to raise, but perhaps
 * of its time, beyond doubt?  Both look at the event only; the topic is locked.
 */
extern void el_check_record(ElTopic *t, int32 partition, const ElRecord *r);
extern bool el_record_fits(const ElTopic *t, const ElRecord *r);

#endif							/* EL_PRODUCE_H */
