/*-------------------------------------------------------------------------
 *
 * rights.h
 *	  Owners of tables, acting as one, and who may SELECT.
 *
 * IDENTIFICATION
 *	  src/topic/rights.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_RIGHTS_H
#define EL_RIGHTS_H

#include "postgres.h"

#include "topic/topic.h"

/* The owner of a relation, InvalidOid if there is no such relation. */
extern Oid	el_relation_owner(Oid relid);

/* Who acted before el_act_as(). */
typedef struct ElActing
{
	Oid			user;
	int			context;
	int			guc_level;		/* 0: it is the same role, nothing changes */
} ElActing;

/*
 * From here to el_act_end() the current user is that role, and what could lead
 * it astray is not the caller's: search_path holds pg_catalog alone.  An error
 * ends it, too.  Nothing changes if the role is the current user.
 */
extern void el_act_as(Oid role, ElActing *before);
extern void el_act_end(const ElActing *before);

/*
 * Give SELECT on a new topic to the roles that have it on another one, and to
 * nobody else, whatever the default privileges say.  For the current user, who
 * owns the new topic.
 */
extern void el_select_follows(const ElTopic *to, Oid from);

#endif							/* EL_RIGHTS_H */
