/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  How the SQL functions of groups begin: arguments, rights, topics.
 *
 * IDENTIFICATION
 *	  src/group/arguments.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_GROUP_ARGUMENTS_H
#define EL_GROUP_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "group/catalog.h"
#include "group/slots.h"
#include "topic/topic.h"

/* A topic that a call is about; locked. */
typedef struct ElTopicRef
{
	ElTopic    *topic;
	Oid			relid;
	pg_uuid_t	uuid;
	int32		npartitions;	/* as the group is told: those that were there
								 * before this transaction, which may be
								 * rolled back */
	Oid			role;			/* asks for it */
	ElSlotNo	slot;			/* while the coordinator's lock is held */
	bool		is_new;			/* the group starts from the latest, and has
								 * neither mark nor offset in it */
	bool		mark_pending;	/* a start mark may just have been written */
} ElTopicRef;

/* A named member as a caller names it: 'name', or 'name#incarnation' as join_group() returned it. */
typedef struct ElMemberName
{
	char		name[EL_NAME_SIZE];
	uint64		incarnation;	/* 0: whichever there is */
} ElMemberName;

/* What the caller must be of a group that was created. */
typedef enum ElCallRight
{
	EL_CALL_USER,				/* owner, or granted */
	EL_CALL_OWNER,
	EL_CALL_ANYBODY				/* the function checks by itself */
} ElCallRight;

/* What the functions of groups have in common.  Numbers of arguments count from 0. */
typedef struct ElCallSpec
{
	const char *command;		/* as users write it, "commit()" */
	bool		writes;			/* nothing for a read-only transaction */
	ElCallRight right;
	const char *const *names;	/* of arguments that must not be NULL; NULL:
								 * may be */
	int			nnames;
	int			group_arg;
	int			member_arg;		/* 0: none */
	int			topic_arg;		/* 0: none */
	int			partition_arg;	/* 0: none */
} ElCallSpec;

typedef struct ElCall
{
	ElGroupConf conf;
	const char *group;			/* conf.name */
	ElMemberName *member;		/* NULL: the session */
	ElTopicRef *topic;			/* NULL: not asked for */
	int32		partition;
} ElCall;

/*
 * Check and read what the spec says.  The topic is locked (AccessShareLock),
 * readable by the caller, and has that partition.  Errors: those of
 * el_require_write(), 22004, 22023 (names, partition), 42501, 42809.
 */
extern void el_call_begin(FunctionCallInfo fcinfo, const ElCallSpec *spec,
						  ElCall *call);

/* A group's or ("member") a member's name; 22023 unless it has 1 to 63 bytes. */
extern char *el_text_to_name(const text *t, const char *what);
extern ElMemberName *el_text_to_member(const text *t);

extern void el_check_select(Oid relid);

/*
 * May that role, if it is there, read the table?  *gone: the table is not there.
 * Without a lock the answer is what was true a moment ago.
 */
extern bool el_role_may_select(Oid role, Oid relid, bool *gone);

/* Of a topic that the caller has locked. */
extern ElTopicRef *el_topic_ref(ElTopic *t);

/*
 * The topic, locked; NULL, and not locked, if it is gone, or (uuid given)
 * another one has taken its place.
 */
extern ElTopicRef *el_topic_ref_if_there(Oid relid, const pg_uuid_t *uuid);

/* 55006: another transaction works on the partition. */
extern void el_report_part_busy(const char *group, Oid topic,
								int32 partition) pg_attribute_noreturn();

#endif							/* EL_GROUP_ARGUMENTS_H */
