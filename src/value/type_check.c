/*-------------------------------------------------------------------------
 *
 * type_check.c
 *	  Types whose values cannot be kept on a log.
 *
 * Asked when a topic is made and when a row type in use grows.  Topics that are
 * there go on, whatever their types.
 *
 * IDENTIFICATION
 *	  src/value/type_check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "value/type_check.h"

static bool
refuse(ElTypeProblem *problem, Oid type, const char *detail, const char *hint)
{
	problem->type = type;
	problem->detail = detail;
	problem->hint = hint;
	return true;
}

bool
el_type_names_objects(Oid type)
{
	switch (type)
	{
		case REGCLASSOID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGTYPEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGCOLLATIONOID:
			return true;
		default:
			return false;
	}
}

/* A type that is neither array, domain, range nor row. */
static bool
scalar_problem(Oid type, ElTypeProblem *problem)
{
	if (el_type_names_objects(type))
		return refuse(problem, type,
					  "Events outlive the objects that its values name, and go to other databases.",
					  "Use text for the name, or oid.");
	switch (type)
	{
		case ACLITEMOID:
			return refuse(problem, type,
						  "Events outlive the roles that its values name.",
						  "Use text.");

		case PG_NODE_TREEOID:
		case PG_NDISTINCTOID:
		case PG_DEPENDENCIESOID:
		case PG_MCV_LISTOID:
		case PG_BRIN_BLOOM_SUMMARYOID:
		case PG_BRIN_MINMAX_MULTI_SUMMARYOID:
		case GTSVECTOROID:
			return refuse(problem, type,
						  "Its values can be written, but not be read from what was written.",
						  "Use text.");

		default:
			return false;
	}
}

/* Can the type's own input function read what is on the log?  It checks domains, and does not find attributes by name. */
static bool
is_read_by_function(Oid type)
{
	Oid			element = get_element_type(type);

	if (OidIsValid(element))
		return is_read_by_function(element);
	return getBaseType(type) == type && !type_is_rowtype(type);
}

/* The text form of a range runs the input function of its bounds. */
static bool
range_problem(Oid range, ElTypeProblem *problem)
{
	Oid			bounds = get_range_subtype(range);

	if (!is_read_by_function(bounds))
		return refuse(problem, range,
					  "The bounds of a range on a log cannot be rows or of a domain.",
					  "Use a range over the base type, or two attributes.");
	return el_type_problem(bounds, problem);
}

/*
 * Locks on types stay until the transaction ends: an ALTER TYPE that comes meanwhile
 * has to see the topic that is being made.
 */
static bool
row_problem(Oid row, ElTypeProblem *problem)
{
	TupleDesc	desc;
	bool		found = false;

	LockRelationOid(get_typ_typrelid(row), AccessShareLock);
	desc = lookup_rowtype_tupdesc(row, -1);

	for (int i = 0; i < desc->natts && !found; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		found = !att->attisdropped && el_type_problem(att->atttypid, problem);
	}
	ReleaseTupleDesc(desc);
	return found;
}

bool
el_type_problem(Oid type, ElTypeProblem *problem)
{
	HeapTuple	tup = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			element = get_element_type(type);
	FormData_pg_type form;

	check_stack_depth();
	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for type %u", type);
	memcpy(&form, GETSTRUCT(tup), sizeof(form));
	ReleaseSysCache(tup);

	if (isAnyTempNamespace(form.typnamespace))
		return refuse(problem, type,
					  "The end of the session drops it, and would take keys or values along.",
					  "Use a type that is not temporary.");
	if (OidIsValid(element))
		return el_type_problem(element, problem);
	switch (form.typtype)
	{
		case TYPTYPE_DOMAIN:
			return el_type_problem(form.typbasetype, problem);
		case TYPTYPE_COMPOSITE:
			return row_problem(type, problem);
		case TYPTYPE_ENUM:
			LockDatabaseObject(TypeRelationId, type, 0, AccessShareLock);
			return false;
		case TYPTYPE_RANGE:
			return range_problem(type, problem);
		case TYPTYPE_MULTIRANGE:
			return range_problem(get_multirange_range(type), problem);
		default:
			return scalar_problem(type, problem);
	}
}
