/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  All differences between PostgreSQL 15, 16, 17 and 18.
 *
 * IDENTIFICATION
 *	  src/base/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_COMPAT_H
#define EL_COMPAT_H

#include "postgres.h"

#include "storage/buf_internals.h"
#include "storage/smgr.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "eventlog supports PostgreSQL 15 to 18"
#endif

#if PG_VERSION_NUM < 160000
#include "storage/relfilenode.h"
typedef RelFileNode RelFileLocator;
#define RelFileLocatorEquals(a, b)	RelFileNodeEquals(a, b)
#define el_rel_locator(rel)			((rel)->rd_node)
#define el_locator_number(loc)		((loc).relNode)
#define el_new_file_subid(rel)		((rel)->rd_newRelfilenodeSubid)
#else
#include "storage/relfilelocator.h"
#include "utils/guc_hooks.h"	/* assign_...() */
#include "varatt.h"
#define el_rel_locator(rel)			((rel)->rd_locator)
#define el_locator_number(loc)		((loc).relNumber)
#define el_new_file_subid(rel)		((rel)->rd_newRelfilelocatorSubid)
#endif

/*
 * We compile with hidden visibility.  PostgreSQL 15 has no notion of it: its
 * PGDLLEXPORT is empty, and PG_FUNCTION_INFO_V1 does not mark the function.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#define EL_FUNCTION(name) \
	PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)
#else
#define EL_FUNCTION(name)	PG_FUNCTION_INFO_V1(name)
#endif

/* The attribute behind a declaration gave way to pg_noreturn before it. */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn()		__attribute__((noreturn))
#endif

/* The third argument, weaker or stronger modes as well, came with 17, and another name for where xids are. */
#if PG_VERSION_NUM < 170000
#define el_lock_held_by_me(tag, mode)	LockHeldByMe(tag, mode)
#define el_oldest_clog_xid()			(ShmemVariableCache->oldestClogXid)
#else
#define el_lock_held_by_me(tag, mode)	LockHeldByMe(tag, mode, false)
#define el_oldest_clog_xid()			(TransamVariables->oldestClogXid)
#endif

/* Room in front of a minimal tuple can be asked for since 18. */
#if PG_VERSION_NUM < 180000
#define EL_EXTRA_PARAM
#define el_heap_form_minimal_tuple(desc, values, isnull) \
	heap_form_minimal_tuple(desc, values, isnull)
#else
#define EL_EXTRA_PARAM				, Size extra
#define el_heap_form_minimal_tuple(desc, values, isnull) \
	heap_form_minimal_tuple(desc, values, isnull, extra)
#endif

/* Deferrable primary keys count when asked for, since 18. */
#if PG_VERSION_NUM < 180000
#define el_primary_key_index(rel)	RelationGetPrimaryKeyIndex(rel)
#else
#define el_primary_key_index(rel)	RelationGetPrimaryKeyIndex(rel, false)
#endif

/* Is a pinned shared buffer dirty?  (BufferIsDirty() wants a lock and is new in 16.) */
#define el_buffer_is_dirty(buffer) \
	((pg_atomic_read_u32(&GetBufferDescriptor((buffer) - 1)->state) & BM_DIRTY) != 0)

/* A JSON lexer over bytes in an encoding, which hands out strings if asked to.  The text is only read. */
#if PG_VERSION_NUM < 170000
#define el_json_lexer(json, len, encoding, strings) makeJsonLexContextCstringLen(unconstify(char *, json), len, encoding, strings)
#else
#define el_json_lexer(json, len, encoding, strings) makeJsonLexContextCstringLen(NULL, json, len, encoding, strings)
#endif

/* What the parser's callbacks return: since 16 they may end the parse. */
#if PG_VERSION_NUM < 160000
#define EL_JSON_RESULT				void
#define EL_JSON_RETURN				return
#else
#define EL_JSON_RESULT				JsonParseErrorType
#define EL_JSON_RETURN				return JSON_SUCCESS
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

/* ANALYZE hands an access method a block, since 17 a stream of buffers. */
#if PG_VERSION_NUM < 170000
#define EL_ANALYZE_PARAMS			BlockNumber el_block, BufferAccessStrategy el_strategy
#define el_analyze_next(block)		(*(block) = el_block, true)
#else
#include "storage/read_stream.h"
#define EL_ANALYZE_PARAMS			ReadStream *el_stream
#define el_analyze_next(block)		el_stream_next_block(el_stream, block)
static inline bool
el_stream_next_block(ReadStream *stream, BlockNumber *block)
{
	Buffer		buffer = read_stream_next_buffer(stream, NULL);

	if (!BufferIsValid(buffer))
		return false;
	*block = BufferGetBlockNumber(buffer);
	ReleaseBuffer(buffer);
	return true;
}
#endif

/*
 * Names that 16 changed: table AM callbacks, ownership.  Conflicts of a standby's
 * queries got an argument, and outer joins are marked in expressions now.
 */
#if PG_VERSION_NUM < 160000
#define el_relation_set_new_filelocator relation_set_new_filenode
#define el_update_indexes			bool
#define el_is_owner(relid, roleid)	pg_class_ownercheck(relid, roleid)
#define el_resolve_snapshot_conflict(fxid, locator) \
	ResolveRecoveryConflictWithSnapshotFullXid(fxid, locator)
#define el_build_expression_pathkey(root, expr, op, rel) \
	build_expression_pathkey(root, expr, NULL, op, rel, false)
#else
#define el_relation_set_new_filelocator relation_set_new_filelocator
#define el_update_indexes			TU_UpdateIndexes
#define el_is_owner(relid, roleid) \
	object_ownercheck(RelationRelationId, relid, roleid)
#define el_resolve_snapshot_conflict(fxid, locator) \
	ResolveRecoveryConflictWithSnapshotFullXid(fxid, false, locator)
#define el_build_expression_pathkey(root, expr, op, rel) \
	build_expression_pathkey(root, expr, op, rel, false)
#endif

/* VACUUM's reports */
#if PG_VERSION_NUM < 180000
#define el_vac_update_relstats(rel, pages, tuples, frozen, minmulti) \
	vac_update_relstats(rel, pages, tuples, 0, false, frozen, minmulti, \
						NULL, NULL, false)
#define el_pgstat_report_vacuum(rel, tuples, start) \
	((void) (start), pgstat_report_vacuum(RelationGetRelid(rel), \
										  (rel)->rd_rel->relisshared, tuples, 0))
#define el_vacuum_delay_point()		vacuum_delay_point()
#else
#define el_vac_update_relstats(rel, pages, tuples, frozen, minmulti) \
	vac_update_relstats(rel, pages, tuples, 0, 0, false, frozen, minmulti, \
						NULL, NULL, false)
#define el_pgstat_report_vacuum(rel, tuples, start) \
	pgstat_report_vacuum(RelationGetRelid(rel), (rel)->rd_rel->relisshared, \
						 tuples, 0, start)
#define el_vacuum_delay_point()		vacuum_delay_point(false)
#endif

/* What pg_stat_activity shows for a consumer that waits; named since 17. */
#include "utils/wait_event.h"
#if PG_VERSION_NUM < 170000
#define el_wait_event_info()	PG_WAIT_EXTENSION
#else
static inline uint32
el_wait_event_info(void)
{
	static uint32 info = 0;

	if (info == 0)
		info = WaitEventExtensionNew("EventlogConsume");
	return info;
}
#endif

/* Extend the main fork by n blocks of zeros, from block on. */
#if PG_VERSION_NUM < 160000
#include "common/relpath.h"
#include "base/extend.h"
#define el_smgr_extend(srel, block, n) \
	el_extend_by_allocation(srel, relpath((srel)->smgr_rnode, MAIN_FORKNUM), block, n)
#else
#define el_smgr_extend(srel, block, n) \
	smgrzeroextend(srel, MAIN_FORKNUM, block, n, false)
#endif

/* May a role call a function, or do that in a schema? */
#if PG_VERSION_NUM < 160000
#define el_function_aclcheck(function, role) \
	pg_proc_aclcheck(function, role, ACL_EXECUTE)
#define el_schema_aclcheck(schema, role, mode) \
	pg_namespace_aclcheck(schema, role, mode)
#else
#include "catalog/pg_namespace.h"	/* NamespaceRelationId */
#include "catalog/pg_proc.h"	/* ProcedureRelationId */
#define el_function_aclcheck(function, role) \
	object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE)
#define el_schema_aclcheck(schema, role, mode) \
	object_aclcheck(NamespaceRelationId, schema, role, mode)
#endif

/* A short read of a temporary file is an error by itself since 16. */
#if PG_VERSION_NUM < 160000
#define el_buffile_read_exact(file, to, size) \
	do { \
		if (BufFileRead(file, to, size) != (size)) \
			ereport(ERROR, \
					(errcode_for_file_access(), \
					 errmsg("could not read temporary file for events"))); \
	} while (0)
#else
#define el_buffile_read_exact(file, to, size)	BufFileReadExact(file, to, size)
#endif

/* EXPLAIN's output moved. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* A slot callback that 17 brought. */
#if PG_VERSION_NUM < 170000
#define EL_SLOT_OPS_17(func)
#else
#define EL_SLOT_OPS_17(func)	.is_current_xact_tuple = func,
#endif

/*
 * The kind of slot that a custom scan returns rows in: said when its state is
 * made since 16.  15 has made a virtual one and compiled filter and projection
 * for it when BeginCustomScan is called, so that makes them again.
 */
#if PG_VERSION_NUM < 160000
#define el_custom_slot_ops(css, ops)	((void) 0)
#define el_custom_slot_ops_late(css, estate, ops) \
	do { \
		ExecInitScanTupleSlot(estate, &(css)->ss, \
							  RelationGetDescr((css)->ss.ss_currentRelation), ops); \
		(css)->ss.ps.subPlan = NIL; \
		ExecAssignScanProjectionInfo(&(css)->ss); \
		(css)->ss.ps.qual = ExecInitQual((css)->ss.ps.plan->qual, &(css)->ss.ps); \
	} while (0)
#else
#define el_custom_slot_ops(css, ops)	((css)->slotOps = (ops))
#define el_custom_slot_ops_late(css, estate, ops)	((void) 0)
#endif

/* The executor's permission hook, as for a query that names one table: what it may do there moved to a node of its own in 16. */
#include "executor/executor.h"
static inline bool
el_executor_check_perms(Oid relid, char relkind, AclMode right)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
#if PG_VERSION_NUM < 160000
	rte->requiredPerms = right;
#else
	RTEPermissionInfo *perm = makeNode(RTEPermissionInfo);

	perm->relid = relid;
	perm->requiredPerms = right;
	rte->perminfoindex = 1;
#endif
	rte->rtekind = RTE_RELATION;
	rte->relid = relid;
	rte->relkind = relkind;
#if PG_VERSION_NUM < 160000
	return ExecutorCheckPerms_hook(list_make1(rte), true);
#else
	return ExecutorCheckPerms_hook(list_make1(rte), list_make1(perm), true);
#endif
}

#endif							/* EL_COMPAT_H */
