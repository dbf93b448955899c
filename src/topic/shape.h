/*-------------------------------------------------------------------------
 *
 * shape.h
 *	  What a table must look like to be a topic.
 *
 * IDENTIFICATION
 *	  src/topic/shape.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SHAPE_H
#define EL_SHAPE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "utils/rel.h"

/* Columns of a topic table, by attribute number. */
#define EL_ATT_PARTITION	1
#define EL_ATT_OFFSET		2
#define EL_ATT_TIME			3
#define EL_ATT_KEY			4
#define EL_ATT_VALUE		5
#define EL_ATT_HEADERS		6
#define EL_NATTS			6

/*
 * Why this partitioned table cannot be a topic, whatever its partitions (wrong columns,
 * not PARTITION BY LIST (partition)); NULL if it can.  An untranslated phrase.
 */
extern const char *el_topic_shape_problem(Relation rel);

/* The columns alone, of a topic or a partition. */
extern const char *el_columns_problem(TupleDesc tupdesc);

/* The columns of a relation, of any kind, by the catalog cache. */
extern bool el_has_topic_columns(Oid relid);

/* Is this a table of our access method?  A look into the catalog cache. */
extern bool el_is_leaf(Oid relid);

/*
 * Does a relation look like a topic by the catalogs alone: partitioned by LIST
 * on the first of a topic's columns, with a partition of ours or, without any
 * partition, with a label?  Takes no lock.
 */
extern bool el_looks_like_topic(Oid relid);

#endif							/* EL_SHAPE_H */
