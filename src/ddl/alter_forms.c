/*-------------------------------------------------------------------------
 *
 * alter_forms.c
 *	  Forms of ALTER TABLE: which of them change nothing, and their names.
 *
 * IDENTIFICATION
 *	  src/ddl/alter_forms.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/value.h"
#include "parser/parse_type.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "ddl/alter_forms.h"

/* Is this the type that the column has?  A collation or USING may say more than the type does. */
static bool
is_type_of(Form_pg_attribute att, const ColumnDef *def)
{
	Type		type;
	int32		typmod = -1;
	bool		same;

	if (def->raw_default != NULL || def->collClause != NULL)
		return false;
	type = LookupTypeName(NULL, def->typeName, &typmod, true);
	if (type == NULL)
		return false;
	same = typeTypeId(type) == att->atttypid && typmod == att->atttypmod;
	ReleaseSysCache(type);
	return same;
}

/* The same for a command on a column that exists. */
static bool
leaves_column(Form_pg_attribute att, const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_AddColumn:
			return cmd->missing_ok;
		case AT_DropNotNull:
			return !att->attnotnull;
		case AT_SetNotNull:
			return att->attnotnull;
		case AT_ColumnDefault:
			return cmd->def == NULL && !att->atthasdef;
		case AT_DropIdentity:
			return cmd->missing_ok && att->attidentity == '\0';
		case AT_DropExpression:
			return cmd->missing_ok && att->attgenerated == '\0';
		case AT_AlterColumnType:
			return is_type_of(att, castNode(ColumnDef, cmd->def));
		default:
			return false;
	}
}

/* The column that a command is about, NULL if it is about none. */
static const char *
column_of(const AlterTableCmd *cmd)
{
	if (cmd->subtype == AT_AddColumn)
		return castNode(ColumnDef, cmd->def)->colname;
	return cmd->name;
}

static bool
leaves_columns(Oid relid, const AlterTableCmd *cmd)
{
	const char *column = column_of(cmd);
	HeapTuple	tup = column ? SearchSysCacheAttName(relid, column) : NULL;
	bool		result;

	if (!HeapTupleIsValid(tup))
		return cmd->subtype == AT_DropColumn && cmd->missing_ok;
	result = leaves_column((Form_pg_attribute) GETSTRUCT(tup), cmd);
	ReleaseSysCache(tup);
	return result;
}

/* Topics have no row security, are logged, belong to no type and are clustered by nothing. */
bool
el_alter_changes_nothing(Oid relid, const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_DisableRowSecurity:
		case AT_NoForceRowSecurity:
		case AT_SetLogged:
		case AT_DropCluster:
		case AT_DropOids:
			return true;
		case AT_ReplicaIdentity:
			return castNode(ReplicaIdentityStmt, cmd->def)->identity_type == REPLICA_IDENTITY_DEFAULT;
		default:
			return leaves_columns(relid, cmd);
	}
}

const char *
el_alter_form(AlterTableType form)
{
	switch (form)
	{
		case AT_DropNotNull:
			return "ALTER COLUMN ... DROP NOT NULL";
		case AT_DropExpression:
			return "ALTER COLUMN ... DROP EXPRESSION";
		case AT_DropIdentity:
			return "ALTER COLUMN ... DROP IDENTITY";
		case AT_SetStorage:
			return "ALTER COLUMN ... SET STORAGE";
		case AT_SetCompression:
			return "ALTER COLUMN ... SET COMPRESSION";
		case AT_AlterConstraint:
			return "ALTER CONSTRAINT";
		case AT_ClusterOn:
			return "CLUSTER ON";
		case AT_EnableRule:
		case AT_EnableAlwaysRule:
		case AT_EnableReplicaRule:
		case AT_DisableRule:
			return "ENABLE or DISABLE RULE";
		case AT_AddOf:
			return "OF a type";
		case AT_DropOf:
			return "NOT OF";
		case AT_GenericOptions:
			return "OPTIONS";
		default:
			return "this form of ALTER TABLE";
	}
}
