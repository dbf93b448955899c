/*-------------------------------------------------------------------------
 *
 * pass_over.c
 *	  Statements of a dump that have nothing to do.
 *
 * The extension is its superuser's, the database another role's.  A dump has
 * statements about the extension that this role may not run, and needs not: with
 * an error at one of them pg_restore --single-transaction restores nothing.
 *
 * IDENTIFICATION
 *	  src/ddl/pass_over.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/comment.h"
#include "commands/extension.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"

#include "base/extension.h"
#include "ddl/lookup.h"
#include "ddl/pass_over.h"

/* COMMENT ON EXTENSION eventlog with the comment that it has. */
static bool
is_same_comment(CommentStmt *stmt)
{
	Oid			extension;
	char	   *comment;

	if (stmt->objtype != OBJECT_EXTENSION || stmt->comment == NULL ||
		strcmp(strVal(stmt->object), "eventlog") != 0)
		return false;
	extension = get_extension_oid("eventlog", true);
	if (!OidIsValid(extension))
		return false;
	comment = GetComment(extension, ExtensionRelationId, 0);
	return comment != NULL && strcmp(comment, stmt->comment) == 0;
}

/*
 * ALTER TABLE ... DISABLE TRIGGER ALL, and ENABLE, of an internal table: what
 * pg_dump --disable-triggers says of all.  Their triggers keep what is restored right.
 */
static bool
is_about_internal_triggers(AlterTableStmt *stmt)
{
	Oid			relid;
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableType subtype = lfirst_node(AlterTableCmd, lc)->subtype;

		if (subtype != AT_DisableTrigAll && subtype != AT_EnableTrigAll)
			return false;
	}
	relid = el_lookup(stmt->relation);
	return OidIsValid(relid) &&
		get_rel_namespace(relid) == get_namespace_oid(EL_INTERNAL_SCHEMA, true);
}

bool
el_pass_over(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CommentStmt:
			return is_same_comment((CommentStmt *) stmt);
		case T_AlterTableStmt:
			return is_about_internal_triggers((AlterTableStmt *) stmt);
		default:
			return false;
	}
}
