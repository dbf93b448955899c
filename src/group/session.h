/*-------------------------------------------------------------------------
 *
 * session.h
 *	  This session's memberships of groups.
 *
 * IDENTIFICATION
 *	  src/group/session.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SESSION_H
#define EL_SESSION_H

#include "postgres.h"

#include "group/slots.h"

/* A topic that the session has asked for, and as which role. */
typedef struct ElSessionTopic
{
	Oid			relid;
	Oid			role;
} ElSessionTopic;

/* A membership, or what is left of one: should the session be put out, it comes back to its topics. */
typedef struct ElSession
{
	char		group[EL_NAME_SIZE];
	char		name[EL_NAME_SIZE];
	ElSlotNo	slot;			/* EL_NO_SLOT: not joined yet */
	uint64		incarnation;
	int			ntopics;		/* asked for so far */
	int			room;
	ElSessionTopic *topics;		/* sorted by relid */
	struct ElSession *next;
} ElSession;

/* Before a session may join: registers an exit callback. */
extern void el_session_init(void);

/* NULL if the session has never joined the group. */
extern ElSession *el_session_find(const char *group);

/* Memory for a membership, before there is one. */
extern ElSession *el_session_prepare(const char *group);
extern void el_session_make_room(ElSession *s, int more);

/* A topic that it has asked for, in whose name; room was made for it. */
extern void el_session_add_topic(ElSession *s, Oid relid, Oid role);
extern void el_session_remove_topic(ElSession *s, Oid relid);

/* The session's member slot, EL_NO_SLOT if it was put out (or session is NULL); lock held. */
extern ElSlotNo el_session_slot(const ElSession *s);

/* The session's membership of a group; false if it has none. */
extern bool el_session_member(const char *group, ElMemberRef *ref);

/* It leaves the group, or has committed its drop: nothing of it is remembered.  Cannot fail. */
extern void el_session_leave(const char *group);

/* DISCARD ALL: the session leaves all its groups. */
extern void el_session_discard(void);

#endif							/* EL_SESSION_H */
