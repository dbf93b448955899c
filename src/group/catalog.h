/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  Rows of groups made by create_group(): options, owner, rights.
 *
 * IDENTIFICATION
 *	  src/group/catalog.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_CATALOG_H
#define EL_CATALOG_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "group/slots.h"

/* Where a group starts that has committed nothing. */
typedef enum ElStartFrom
{
	EL_START_EARLIEST,
	EL_START_LATEST
} ElStartFrom;

/* Where a group goes on when events were removed before it consumed them. */
typedef enum ElOnLost
{
	EL_LOST_ERROR,
	EL_LOST_EARLIEST,
	EL_LOST_LATEST
} ElOnLost;

/* Columns of _eventlog.groups and _eventlog.group_grants. */
#define EL_ATT_GROUPS_NAME		1
#define EL_ATT_GROUPS_OWNER		2
#define EL_ATT_GROUPS_OPTIONS	3
#define EL_ATT_GROUPS_CREATED	4
#define EL_ATT_GROUPS_LAST_USED 5
#define EL_ATT_GRANTS_GROUP		1
#define EL_ATT_GRANTS_ROLE		2

typedef struct ElGroupConf
{
	char		name[EL_NAME_SIZE];
	bool		exists;			/* made by create_group */
	Oid			owner;
	ElStartFrom start_from;
	ElOnLost	on_lost;
	int64		session_timeout_ms;
	int64		max_poll_ms;
	int64		expire_after_ms;	/* -1: never */
	int64		noted_ms;		/* when it was created or the worker last
								 * noted it in use, ms since 1970 */
} ElGroupConf;

/* Look a group up; conf->exists says whether it has a row. */
extern void el_group_conf(const char *name, ElGroupConf *conf);

/* Of all groups that have a row; ElGroupConf *. */
extern List *el_group_confs(void);

/* The default options, and options as create_group() takes them (22023) on top of what conf has. */
extern void el_group_conf_defaults(ElGroupConf *conf, const char *name);
extern void el_group_conf_set(ElGroupConf *conf, Jsonb *options);

/* May the caller use this group, which exists? */
extern bool el_group_may_use(const ElGroupConf *conf);

/* 42501 unless the caller may use the group / owns it. */
extern void el_group_check_use(const ElGroupConf *conf);
extern void el_group_check_owner(const ElGroupConf *conf);

/* A table of schema _eventlog; 42P01 if there is none. */
extern Oid	el_internal_relid(const char *name);

/* Run SQL on the internal tables as their owner; returns the rows it was about. */
extern uint64 el_internal_sql(const char *sql, int nargs, Oid *types,
							  Datum *values);

#endif							/* EL_CATALOG_H */
