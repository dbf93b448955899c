/*-------------------------------------------------------------------------
 *
 * member.h
 *	  Calls of members: the calling member, and what it owns.
 *
 * In all of these, member NULL is this session's.
 *
 * IDENTIFICATION
 *	  src/group/member.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_MEMBER_H
#define EL_MEMBER_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "group/arguments.h"
#include "group/catalog.h"
#include "group/offsets.h"
#include "group/session.h"
#include "group/slots.h"

/* A partition that a call may deliver from. */
typedef struct ElAssigned
{
	ElSlotNo	part;
	ElTopicRef *topic;
	int32		partition;
	int64		epoch;
	int32		holder;			/* pid that held the lock a moment ago */
	ElEntry		entry;			/* pending not resolved */
	ElStart		start;			/* what the start mark says */
} ElAssigned;

typedef struct ElAssignment
{
	const char *group;			/* its name, as in the call's ElGroupConf */
	ElMemberRef member;
	uint32		rotor;
	int32		n;
	ElAssigned *parts;
} ElAssignment;

/*
 * The slot of the member that a call is about, EL_NO_SLOT if there is none;
 * *replaced: a later incarnation has its name.  Lock held.
 */
extern ElSlotNo el_member_slot(ElSlotNo group, const ElMemberName *member,
							   const ElSession *session, bool *replaced);

/* What a member's call does to its membership. */
typedef enum ElJoin
{
	EL_JOIN_NO,					/* a non-member is EL001 */
	EL_JOIN_ADD,				/* join if it must, and subscribe to the
								 * topics */
	EL_JOIN_AFRESH				/* as a new incarnation, subscribed to just
								 * these */
} ElJoin;

/*
 * A member calls: its news is taken, the group's steps are driven, and what it
 * owns of the topics is returned.  With yield it is done with what it was
 * given before.  Errors: EL001, 40L01 (put out while it worked, or replaced by
 * a later incarnation), 55006 (busy in another session; group used by claims),
 * 53200.
 */
extern void el_member_call(const ElGroupConf *conf,
						   const ElMemberName *member, List *topics,
						   ElJoin join, bool yield, ElAssignment *result);

/* The errors with which EL_JOIN_ADD would refuse the caller; nothing is done. */
extern void el_member_check_admitted(const ElGroupConf *conf,
									 const ElMemberName *member);

/*
 * The member that acts, or the errors above.  commits: this is a commit(), so a
 * call for max_poll_interval, nothing for a member busy in another session, and
 * refused for the whole transaction if it is refused here: for all that this has
 * consumed as the member or, if it is about one partition, for what it has consumed
 * from that, in whatever name.
 */
extern void el_member_require(const char *group, const ElMemberName *member,
							  bool commits, const ElPartKey *part,
							  ElMemberRef *ref);

/*
 * All partitions of the topics, for claims, or for who only waits for some; 55006
 * if the group has members, 53200.
 */
extern void el_claim_call(const ElGroupConf *conf, List *topics, bool waits,
						  ElAssignment *result);

#endif							/* EL_MEMBER_H */
