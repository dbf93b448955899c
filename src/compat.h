/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  All differences between PostgreSQL 15, 16, 17 and 18.
 *
 * IDENTIFICATION
 *	  src/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_COMPAT_H
#define EL_COMPAT_H

#include "postgres.h"

#include "storage/buf_internals.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "eventlog supports PostgreSQL 15 to 18"
#endif

#if PG_VERSION_NUM < 160000
#include "storage/relfilenode.h"
typedef RelFileNode RelFileLocator;
#define el_rel_locator(rel)			((rel)->rd_node)
#define el_locator_number(loc)		((loc).relNode)
#else
#include "storage/relfilelocator.h"
#include "varatt.h"
#define el_rel_locator(rel)			((rel)->rd_locator)
#define el_locator_number(loc)		((loc).relNumber)
#endif

/*
 * PostgreSQL 15 does not mark functions declared by PG_FUNCTION_INFO_V1 as
 * exported, and we compile with hidden visibility.
 */
#if PG_VERSION_NUM < 160000
#define EL_FUNCTION(name) \
	PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)
#else
#define EL_FUNCTION(name)	PG_FUNCTION_INFO_V1(name)
#endif

/* Is a pinned shared buffer dirty?  (BufferIsDirty() wants a lock and is new in 16.) */
#define el_buffer_is_dirty(buffer) \
	((pg_atomic_read_u32(&GetBufferDescriptor((buffer) - 1)->state) & BM_DIRTY) != 0)

/* Ownership of a relation. */
#if PG_VERSION_NUM < 160000
#define el_owns_relation(relid) pg_class_ownercheck(relid, GetUserId())
#else
#define el_owns_relation(relid) object_ownercheck(RelationRelationId, relid, GetUserId())
#endif

/* A lexer over a text datum, for validating it as JSON. */
#if PG_VERSION_NUM < 170000
#define el_json_lexer(json)			makeJsonLexContext(json, false)
#else
#define el_json_lexer(json)			makeJsonLexContext(NULL, json, false)
#endif

/* base64 moved from char to uint8 for what is not text. */
#if PG_VERSION_NUM < 180000
#define el_b64_bytes(p)				((char *) (p))
#else
#define el_b64_bytes(p)				((uint8 *) (p))
#endif

/* Which file a parallel scan reads. */
#if PG_VERSION_NUM < 180000
#define el_set_parallel_locator(pscan, rel) \
	((pscan)->phs_relid = RelationGetRelid(rel))
#else
#define el_set_parallel_locator(pscan, rel) \
	((pscan)->phs_locator = (rel)->rd_locator)
#endif

/* table AM callbacks */
#if PG_VERSION_NUM < 160000
#define el_relation_set_new_filelocator relation_set_new_filenode
#define el_update_indexes			bool
#define el_rel_backend(rel)			((rel)->rd_backend)
#define el_is_owner(relid, roleid)	pg_class_ownercheck(relid, roleid)
#else
#define el_relation_set_new_filelocator relation_set_new_filelocator
#define el_update_indexes			TU_UpdateIndexes
#define el_rel_backend(rel)			((rel)->rd_backend)
#define el_is_owner(relid, roleid) \
	object_ownercheck(RelationRelationId, relid, roleid)
#endif

/* VACUUM's reports */
#if PG_VERSION_NUM < 180000
#define el_vac_update_relstats(rel, pages, tuples, frozen) \
	vac_update_relstats(rel, pages, tuples, 0, false, frozen, \
						InvalidMultiXactId, NULL, NULL, false)
#define el_pgstat_report_vacuum(rel, tuples, start) \
	((void) (start), pgstat_report_vacuum(RelationGetRelid(rel), \
										  (rel)->rd_rel->relisshared, tuples, 0))
#define el_vacuum_delay_point()		vacuum_delay_point()
#else
#define el_vac_update_relstats(rel, pages, tuples, frozen) \
	vac_update_relstats(rel, pages, tuples, 0, 0, false, frozen, \
						InvalidMultiXactId, NULL, NULL, false)
#define el_pgstat_report_vacuum(rel, tuples, start) \
	pgstat_report_vacuum(RelationGetRelid(rel), (rel)->rd_rel->relisshared, \
						 tuples, 0, start)
#define el_vacuum_delay_point()		vacuum_delay_point(false)
#endif

#endif							/* EL_COMPAT_H */
