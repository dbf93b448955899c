/*-------------------------------------------------------------------------
 *
 * alter_forms.h
 *	  Forms of ALTER TABLE: which of them change nothing, and their names.
 *
 * IDENTIFICATION
 *	  src/ddl/alter_forms.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_ALTER_FORMS_H
#define EL_ALTER_FORMS_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/*
 * Would the command leave the table as it is?  Tools that compare schemas send
 * such commands.  By the catalog cache, without a lock on the table; false for
 * what cannot be told.
 */
extern bool el_alter_changes_nothing(Oid relid, const AlterTableCmd *cmd);

/* What a form is called, for a message: "ALTER COLUMN ... SET STORAGE". */
extern const char *el_alter_form(AlterTableType form);

#endif							/* EL_ALTER_FORMS_H */
